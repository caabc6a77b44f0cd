/* Metrics of what is watched, from the applied state, the results table and the counters. */
#include "orchestrator/status/metrics_samples.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- nodes and checks */

void metric_node_state(struct page *page)
{
    for (int32_t i = 0; i < core_node_count(page->view->core); i++) {
        const struct node *node = core_node(page->view->core, i);
        metrics_states(page, "node", node->name, (enum state)node->state);
    }
}

void metric_node_reachable(struct page *page)
{
    for (int32_t i = 0; i < core_node_count(page->view->core); i++) {
        const struct node *node = core_node(page->view->core, i);
        metrics_sample(page, &(struct labels){{"node"}, {node->name}}, node->reach == REACH_UP);
    }
}

void metric_maintenance(struct page *page)
{
    for (int32_t i = 0; i < core_node_count(page->view->core); i++) {
        const struct node *node = core_node(page->view->core, i);
        metrics_sample(page, &(struct labels){{"kind", "name"}, {"node", node->name}},
                       node->in_maintenance);
    }
}

void metric_paused(struct page *page)
{
    metrics_sample(page, NULL, page->view->core->is_paused);
}

void metric_check_state(struct page *page)
{
    for (int32_t i = 0; i < core_check_count(page->view->core); i++) {
        const struct check *check = core_check(page->view->core, i);
        metrics_states(page, "check", check->id, (enum state)check->state);
    }
}

void metric_check_code(struct page *page)
{
    for (int32_t i = 0; i < core_check_count(page->view->core); i++) {
        const struct check *check = core_check(page->view->core, i);
        metrics_sample(page, &(struct labels){{"check"}, {check->id}}, check->state);
    }
}

void metric_check_observers(struct page *page)
{
    for (int32_t i = 0; i < core_check_count(page->view->core); i++) {
        const struct check *check = core_check(page->view->core, i);
        const struct census *census = &check->census;
        uint32_t left = census->seers;
        for (enum state s = STATE_OK; s <= STATE_UNKNOWN && census->seers > 0; s++) {
            uint32_t some = s == STATE_UNKNOWN ? left : census->newest[s];
            left -= some < left ? some : left;
            metrics_sample(page, &(struct labels){{"check", "state"}, {check->id, state_name(s)}},
                           some);
        }
    }
}

/* One sample from the latest observation of each check that has one. */
#define WRITE_RESULTS(function, expression)                                                  \
    void function(struct page *page)                                                         \
    {                                                                                        \
        for (int32_t i = 0; i < core_check_count(page->view->core); i++) {                   \
            const struct labels labels = {{"check"}, {core_check(page->view->core, i)->id}}; \
            struct observed result;                                                          \
            if (view_result(page->view, i, &result))                                         \
                expression;                                                                  \
        }                                                                                    \
    }
WRITE_RESULTS(metric_last_result,
              metrics_sample_double(page, &labels, (double)result.started_wall_ms / 1000.0))
WRITE_RESULTS(metric_duration,
              metrics_sample_double(page, &labels, (double)result.duration_us / 1e6))
WRITE_RESULTS(metric_timeouts, metrics_sample(page, &labels, result.timeouts))
#undef WRITE_RESULTS

void metric_runs(struct page *page)
{
    for (int32_t i = 0; i < core_check_count(page->view->core); i++) {
        struct observed result;
        if (!view_result(page->view, i, &result))
            continue;
        for (enum state s = STATE_OK; s <= STATE_UNKNOWN; s++)
            metrics_sample(page,
                           &(struct labels){{"check", "result"},
                                            {core_check(page->view->core, i)->id, state_name(s)}},
                           result.runs_by_state[s]);
    }
}

/* ---------------------------------------------------------------- scheduler */

void metric_lag(struct page *page)
{
    struct lag lag;
    uint64_t count = 0;
    observed_lag(page->view->feed->results, &lag);
    for (int b = 0; b < LAG_BUCKETS; b++) {
        char le[32] = "+Inf";
        count += lag.counts[b];
        if (lag.bounds_ms[b] != INT64_MAX)
            snprintf(le, sizeof(le), lag.bounds_ms[b] % 1000 == 0 ? "%.1f" : "%g",
                     (double)lag.bounds_ms[b] / 1000.0);
        metrics_name(page, "_bucket", &(struct labels){{"le"}, {le}});
        buf_format(page->out, "%llu\n", (unsigned long long)count);
    }
    metrics_name(page, "_sum", NULL);
    metrics_double(page->out, (double)lag.sum_us / 1e6);
    metrics_name(page, "_count", NULL);
    buf_format(page->out, "%llu\n", (unsigned long long)count);
}

void metric_running(struct page *page)
{
    struct lag lag;
    observed_lag(page->view->feed->results, &lag);
    metrics_sample(page, NULL, lag.running);
}

void metric_queued(struct page *page)
{
    struct lag lag;
    observed_lag(page->view->feed->results, &lag);
    metrics_sample(page, NULL, lag.queued);
}

/* ---------------------------------------------------------------- services */

void metric_service_state(struct page *page)
{
    for (int32_t i = 0; i < core_service_count(page->view->core); i++) {
        const struct service *s = core_service(page->view->core, i);
        metrics_states(page, "service", s->name, (enum state)s->state);
    }
}

void metric_service_code(struct page *page)
{
    for (int32_t i = 0; i < core_service_count(page->view->core); i++) {
        const struct service *s = core_service(page->view->core, i);
        metrics_sample(page, &(struct labels){{"service"}, {s->name}}, s->state);
    }
}

void metric_healthy(struct page *page)
{
    for (int32_t i = 0; i < core_service_count(page->view->core); i++) {
        const struct service *s = core_service(page->view->core, i);
        uint64_t healthy = 0;
        for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++)
            healthy += core_member(page->view->core, m)->state == STATE_OK;
        metrics_sample(page, &(struct labels){{"service"}, {s->name}}, healthy);
    }
}

void metric_active(struct page *page)
{
    for (int32_t i = 0; i < core_service_count(page->view->core); i++) {
        const struct service *s = core_service(page->view->core, i);
        metrics_sample(page, &(struct labels){{"service"}, {s->name}}, s->active != NONE);
    }
}

void metric_role(struct page *page)
{
    static const char *const roles[] = {"active", "standby"};
    for (int32_t i = 0; i < core_member_count(page->view->core); i++) {
        const struct member *m = core_member(page->view->core, i);
        const struct service *s = core_service(page->view->core, m->service);
        for (int role = 0; role < 2; role++)
            metrics_sample(
                page,
                &(struct labels){{"service", "node", "role"},
                                 {s->name, view_node_name(page->view, m->node), roles[role]}},
                (s->active == i) == (role == 0));
    }
}

/* One series for each node that may hold the address. */
void metric_vip_assigned(struct page *page)
{
    for (int32_t i = 0; i < core_vip_count(page->view->core); i++) {
        const struct vip *vip = core_vip(page->view->core, i);
        if (vip->service == NONE)
            continue;
        const struct service *s = core_service(page->view->core, vip->service);
        for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++) {
            int32_t node = core_member(page->view->core, m)->node;
            metrics_sample(
                page,
                &(struct labels){{"vip", "node"}, {vip->name, view_node_name(page->view, node)}},
                vip->holder == node && vip->phase == VIP_HELD);
        }
    }
}

void metric_failovers(struct page *page)
{
    const struct counts *counts = &page->view->feed->counts;
    for (uint32_t i = 0; i < counts->move_count; i++) {
        const struct move_count *move = &counts->moves[i];
        metrics_sample(page, &(struct labels){{"service", "result"}, {move->service, "ok"}},
                       move->ok);
        metrics_sample(page, &(struct labels){{"service", "result"}, {move->service, "failed"}},
                       move->failed);
    }
}

void metric_last_failover(struct page *page)
{
    const struct counts *counts = &page->view->feed->counts;
    for (uint32_t i = 0; i < counts->move_count; i++)
        if (counts->moves[i].ended_wall_ms > 0)
            metrics_sample_double(page, &(struct labels){{"service"}, {counts->moves[i].service}},
                                  (double)counts->moves[i].ended_wall_ms / 1000.0);
}

void metric_actions(struct page *page)
{
    for (enum order_kind kind = ORDER_HOLD; kind <= ORDER_STOP; kind++)
        for (enum order_result result = RESULT_DONE; result <= RESULT_LOST; result++)
            metrics_sample(page,
                           &(struct labels){{"action", "result"},
                                            {order_kind_name(kind), result_name(result)}},
                           page->view->feed->counts.actions[kind][result]);
}

static bool is_there(const struct core *core, uint32_t seat)
{
    return core->controllers[seat - 1].presence == PRESENCE_THERE;
}

static void sample_controllers(struct page *page, bool (*is)(const struct core *, uint32_t))
{
    const struct core *core = page->view->core;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (core->controllers[seat - 1].is_member)
            metrics_sample(page,
                           &(struct labels){{"controller"}, {core->controllers[seat - 1].name}},
                           is(core, seat));
}

void metric_controller_there(struct page *page)
{
    sample_controllers(page, is_there);
}

void metric_controller_sees(struct page *page)
{
    sample_controllers(page, core_sees);
}

void metric_controller_file(struct page *page)
{
    sample_controllers(page, core_file_differs);
}

/* An object may have several problems of one kind. */
static bool is_told_before(const struct view *view, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (view->problems[k].diagnosis.kind == view->problems[i].diagnosis.kind &&
            strcmp(view->problems[k].object, view->problems[i].object) == 0)
            return true;
    return false;
}

void metric_diagnosis(struct page *page)
{
    for (uint32_t i = 0; i < page->view->problem_count; i++) {
        const struct problem *p = &page->view->problems[i];
        if (p->diagnosis.kind != DIAGNOSIS_NONE && !is_told_before(page->view, i))
            metrics_sample(page,
                           &(struct labels){{"object", "kind"},
                                            {p->object, diagnosis_name(p->diagnosis.kind)}},
                           1);
    }
}
