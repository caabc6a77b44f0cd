/* The samples of metric families; for metrics.c. */
#ifndef STATUS_METRICS_SAMPLES_H
#define STATUS_METRICS_SAMPLES_H

#include "orchestrator/status/metrics.h"

struct page { /* of one scrape */
    const struct view *view;
    const struct http_counts *http;
    struct buf *out;
    const char *name; /* of the family */
};

enum { LABELS_MAX = 3 };

struct labels {
    const char *key[LABELS_MAX];
    const char *value[LABELS_MAX];
};

/* Writing samples. labels may be NULL. */
void metrics_name(struct page *page, const char *suffix, const struct labels *labels);
void metrics_double(struct buf *out, double value);
void metrics_sample(struct page *page, const struct labels *labels, uint64_t value);
void metrics_sample_double(struct page *page, const struct labels *labels, double value);

/* Four series: 1 for the state, 0 for the others. */
void metrics_states(struct page *page, const char *key, const char *value, enum state state);

/* metrics_self.c: this process and the log. metrics_core.c: what is watched. */
void metric_build(struct page *page);
void metric_cpu(struct page *page);
void metric_memory(struct page *page);
void metric_open_fds(struct page *page);
void metric_max_fds(struct page *page);
void metric_start(struct page *page);
void metric_processes_up(struct page *page);
void metric_process_restarts(struct page *page);
void metric_reload_ok(struct page *page);
void metric_reload_time(struct page *page);
void metric_config_info(struct page *page);
void metric_is_leader(struct page *page);
void metric_term(struct page *page);
void metric_commit(struct page *page);
void metric_applied(struct page *page);
void metric_leader_changes(struct page *page);
void metric_storage_ok(struct page *page);
void metric_certificate(struct page *page);
void metric_calm(struct page *page);
void metric_observers(struct page *page);
void metric_observers_linked(struct page *page);
void metric_observers_blind(struct page *page);
void metric_paused(struct page *page);
void metric_maintenance(struct page *page);
void metric_node_state(struct page *page);
void metric_node_reachable(struct page *page);
void metric_check_state(struct page *page);
void metric_check_code(struct page *page);
void metric_check_observers(struct page *page);
void metric_last_result(struct page *page);
void metric_duration(struct page *page);
void metric_runs(struct page *page);
void metric_timeouts(struct page *page);
void metric_lag(struct page *page);
void metric_running(struct page *page);
void metric_queued(struct page *page);
void metric_service_state(struct page *page);
void metric_service_code(struct page *page);
void metric_healthy(struct page *page);
void metric_active(struct page *page);
void metric_role(struct page *page);
void metric_vip_assigned(struct page *page);
void metric_failovers(struct page *page);
void metric_last_failover(struct page *page);
void metric_actions(struct page *page);
void metric_diagnosis(struct page *page);
void metric_controller_there(struct page *page);
void metric_controller_sees(struct page *page);
void metric_controller_file(struct page *page);
void metric_requests(struct page *page);
void metric_refused(struct page *page);
void metric_streams(struct page *page);

#endif
