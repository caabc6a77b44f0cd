/* One table of families: name, type, help, and the function that writes the samples. */
#include "orchestrator/status/metrics_samples.h"

#include "orchestrator/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- samples */

static void write_label_value(struct buf *out, const char *value)
{
    char clean[512];
    text_sanitize(clean, sizeof(clean), value, strlen(value));
    for (const char *s = clean; *s != '\0'; s++) {
        if (*s == '\n')
            buf_text(out, "\\n");
        else if (*s == '"' || *s == '\\')
            buf_format(out, "\\%c", *s);
        else
            buf_append(out, s, 1);
    }
}

void metrics_name(struct page *page, const char *suffix, const struct labels *labels)
{
    buf_format(page->out, "%s%s", page->name, suffix);
    for (int i = 0; i < LABELS_MAX && labels != NULL && labels->key[i] != NULL; i++) {
        buf_format(page->out, "%s%s=\"", i == 0 ? "{" : ",", labels->key[i]);
        write_label_value(page->out, labels->value[i]);
        buf_text(page->out, "\"");
    }
    buf_text(page->out, labels != NULL && labels->key[0] != NULL ? "} " : " ");
}

void metrics_sample(struct page *page, const struct labels *labels, uint64_t value)
{
    metrics_name(page, "", labels);
    buf_format(page->out, "%llu\n", (unsigned long long)value);
}

/* The shortest text that reads back to the same number. */
void metrics_double(struct buf *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_format(out, "%s\n", text);
}

void metrics_sample_double(struct page *page, const struct labels *labels, double value)
{
    metrics_name(page, "", labels);
    metrics_double(page->out, value);
}

void metrics_states(struct page *page, const char *key, const char *value, enum state state)
{
    for (enum state s = STATE_OK; s <= STATE_UNKNOWN; s++) {
        struct labels labels = {{key, "state", NULL}, {value, state_name(s), NULL}};
        metrics_sample(page, &labels, s == state);
    }
}

/* ---------------------------------------------------------------- the table */

enum needs { NEEDS_NOTHING, NEEDS_CORE };

static const struct family {
    const char *name, *type, *help;
    enum needs needs;
    void (*write)(struct page *page);
} families[] = {
    {"ephor_build_info", "gauge", "1, with the version of this program.", NEEDS_NOTHING,
     metric_build},
    {"process_cpu_seconds_total", "counter", "Processor time of the status process.", NEEDS_NOTHING,
     metric_cpu},
    {"process_resident_memory_bytes", "gauge", "Resident memory of the status process.",
     NEEDS_NOTHING, metric_memory},
    {"process_open_fds", "gauge", "Open descriptors of the status process.", NEEDS_NOTHING,
     metric_open_fds},
    {"process_max_fds", "gauge", "Most descriptors the status process may open.", NEEDS_NOTHING,
     metric_max_fds},
    {"process_start_time_seconds", "gauge", "When the status process started.", NEEDS_NOTHING,
     metric_start},
    {"ephor_process_up", "gauge", "1 if the process of this ephord is up.", NEEDS_NOTHING,
     metric_processes_up},
    {"ephor_process_restarts_total", "counter", "How often the process had to be started again.",
     NEEDS_NOTHING, metric_process_restarts},
    {"ephor_config_last_reload_successful", "gauge", "1 if the last reload was adopted.",
     NEEDS_NOTHING, metric_reload_ok},
    {"ephor_config_last_reload_success_timestamp_seconds", "gauge",
     "When a configuration was last read successfully.", NEEDS_NOTHING, metric_reload_time},
    {"ephor_config_info", "gauge", "1, with the digest of the policy in force.", NEEDS_CORE,
     metric_config_info},
    {"ephor_raft_is_leader", "gauge", "1 if this controller leads.", NEEDS_NOTHING,
     metric_is_leader},
    {"ephor_raft_term", "gauge", "Term of the log.", NEEDS_NOTHING, metric_term},
    {"ephor_raft_commit_index", "gauge", "Newest committed entry of the log.", NEEDS_NOTHING,
     metric_commit},
    {"ephor_raft_applied_index", "gauge", "Newest entry that these figures know.", NEEDS_NOTHING,
     metric_applied},
    {"ephor_raft_leader_changes_total", "counter", "Leaders seen since the status process started.",
     NEEDS_NOTHING, metric_leader_changes},
    {"ephor_storage_ok", "gauge", "1 if the log can be written.", NEEDS_NOTHING, metric_storage_ok},
    {"ephor_certificate_expiry_timestamp_seconds", "gauge",
     "When the certificate that the controller showed last ends.", NEEDS_NOTHING,
     metric_certificate},
    {"ephor_calm", "gauge", "0 while this controller only watches because it lagged.",
     NEEDS_NOTHING, metric_calm},
    {"ephor_observers", "gauge", "Observers that were added to the cluster.", NEEDS_NOTHING,
     metric_observers},
    {"ephor_observers_linked", "gauge", "Observers that are linked to this controller.",
     NEEDS_NOTHING, metric_observers_linked},
    {"ephor_observers_blind", "gauge",
     "Observers linked to this controller that cannot see, and abstain.", NEEDS_NOTHING,
     metric_observers_blind},
    {"ephor_paused", "gauge", "1 while an operator has paused Ephor.", NEEDS_CORE, metric_paused},
    {"ephor_maintenance", "gauge", "1 while the named thing is in maintenance.", NEEDS_CORE,
     metric_maintenance},
    {"ephor_node_state", "gauge", "1 for the state the node is in, 0 for the others.", NEEDS_CORE,
     metric_node_state},
    {"ephor_node_reachable", "gauge", "1 if the node can be worked on.", NEEDS_CORE,
     metric_node_reachable},
    {"ephor_check_state", "gauge", "1 for the state the check is in, 0 for the others.", NEEDS_CORE,
     metric_check_state},
    {"ephor_check_state_code", "gauge",
     "State of the check: 0 ok, 1 warning, 2 critical, 3 unknown.", NEEDS_CORE, metric_check_code},
    {"ephor_check_observers", "gauge",
     "Observers that look at the check, by what they say; unknown: those that cannot tell.",
     NEEDS_CORE, metric_check_observers},
    {"ephor_check_last_result_timestamp_seconds", "gauge", "When the check last ran here.",
     NEEDS_CORE, metric_last_result},
    {"ephor_check_duration_seconds", "gauge", "How long the last run took.", NEEDS_CORE,
     metric_duration},
    {"ephor_check_runs_total", "counter", "Runs of the check on this controller, by result.",
     NEEDS_CORE, metric_runs},
    {"ephor_check_timeouts_total", "counter", "Runs that did not end in time.", NEEDS_CORE,
     metric_timeouts},
    {"ephor_scheduler_lag_seconds", "histogram", "How late checks were started.", NEEDS_NOTHING,
     metric_lag},
    {"ephor_checks_running", "gauge", "Checks that run at this moment.", NEEDS_NOTHING,
     metric_running},
    {"ephor_checks_queued", "gauge", "Checks that are due and wait for a free place.",
     NEEDS_NOTHING, metric_queued},
    {"ephor_controller_there", "gauge", "1 if the controller has come forward.", NEEDS_CORE,
     metric_controller_there},
    {"ephor_controller_sees", "gauge", "1 if the controller's opinions count.", NEEDS_CORE,
     metric_controller_sees},
    {"ephor_controller_file_differs", "gauge",
     "1 if the controller's file is not the policy in force.", NEEDS_CORE, metric_controller_file},
    {"ephor_diagnosis", "gauge",
     "1 for what is wrong with a thing, in a word; at most 200 of them.", NEEDS_CORE,
     metric_diagnosis},
    {"ephor_service_state", "gauge", "1 for the state the service is in, 0 for the others.",
     NEEDS_CORE, metric_service_state},
    {"ephor_service_state_code", "gauge",
     "State of the service: 0 ok, 1 warning, 2 critical, 3 unknown.", NEEDS_CORE,
     metric_service_code},
    {"ephor_service_healthy_members", "gauge", "Members of the service that are ok.", NEEDS_CORE,
     metric_healthy},
    {"ephor_service_active_members", "gauge", "Members that serve.", NEEDS_CORE, metric_active},
    {"ephor_member_role", "gauge", "1 for the role the member has, 0 for the other.", NEEDS_CORE,
     metric_role},
    {"ephor_vip_assigned", "gauge", "1 for the node that confirmed holding the address.",
     NEEDS_CORE, metric_vip_assigned},
    {"ephor_failovers_total", "counter", "Moves of the service from one node, by result.",
     NEEDS_NOTHING, metric_failovers},
    {"ephor_last_failover_timestamp_seconds", "gauge", "When the last move of the service ended.",
     NEEDS_NOTHING, metric_last_failover},
    {"ephor_action_runs_total", "counter", "Orders carried out on nodes, by result.", NEEDS_NOTHING,
     metric_actions},
    {"ephor_http_requests_total", "counter", "HTTP requests answered.", NEEDS_NOTHING,
     metric_requests},
    {"ephor_http_refused_total", "counter", "HTTP requests refused for their form.", NEEDS_NOTHING,
     metric_refused},
    {"ephor_http_sse_clients", "gauge", "Clients that follow the event stream.", NEEDS_NOTHING,
     metric_streams},
};

void metrics_write(const struct view *view, const struct http_counts *http, struct buf *out)
{
    struct page page = {.view = view, .http = http, .out = out};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *family = &families[i];
        if (family->needs == NEEDS_CORE && view->core == NULL)
            continue;
        page.name = family->name;
        buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                   family->type);
        family->write(&page);
    }
}
