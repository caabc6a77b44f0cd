/* The checker of a controller: the product's jobs, schedule, damping and reporter; a run is
 * answered by the simulated target, if the path there and back lets it. */
#include "checks/check_ops.h"
#include "orchestrator/base/text.h"
#include "orchestrator/checker/jobs.h"
#include "orchestrator/checker/reporter.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdlib.h>

struct checker { /* as orchestrator/checker/checker.c has it, without canaries */
    struct process *process;
    struct reporter reporter;
    struct jobs jobs;
    struct link *quorum;
    struct timer *beat;
    int64_t beat_ms;
    uint32_t beats;
    struct run *runs; /* that are not answered yet */
};

enum { BEAT_MS = 200, LATE_MS = 250, BEATS_PER_STATE = 5, RUNNING_MAX = 100 };

/* ---- a run */

struct run {
    struct check_run base; /* the product's type */
    struct run *next;
    struct whole_controller *controller;
    uint32_t number; /* of the check */
    struct whole_call *call;
    struct observation observation;
    bool is_canceled;
};

static void answer(struct run *run)
{
    struct checker *checker = run->controller->checker.data;
    struct run **at = &checker->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    if (!run->is_canceled)
        whole_check_observed(run->controller, run->number, (uint8_t)run->observation.state);
    run->base.cb(run->base.data, &run->observation);
}

static void on_answer(struct whole_call *call)
{
    answer(call->data);
}

static bool is_reached(const struct whole_controller *c, const struct whole_node *node)
{
    return !c->whole->cut_to[c->id][node->index] && !c->whole->cut_from[c->id][node->index] &&
           !node->is_down && !node->is_paused;
}

/* "s1/n2/c" or "node/n2/c" */
static void look(struct run *run, const char *id, int64_t timeout_ms, int64_t *delay_us)
{
    struct whole *whole = run->controller->whole;
    struct observation *o = &run->observation;
    bool is_node = id[0] == 'n';
    const struct whole_node *node = &whole->nodes[(is_node ? id[6] : id[4]) - '1'];
    enum whole_service_state state = is_node ? WHOLE_RUNS : node->services[id[1] - '1'];
    *delay_us = 2 * whole->profile.path_us + sim_between(&whole->world->random, 0, 2000);
    o->state = EPHOR__STATE__STATE_CRITICAL;
    if (!is_reached(run->controller, node) || state == WHOLE_HUNG) {
        text_copy(o->reason, sizeof(o->reason), state == WHOLE_HUNG ? "hung" : "timeout");
        *delay_us = timeout_ms * 1000;
    } else if (state == WHOLE_DEAD) {
        text_copy(o->reason, sizeof(o->reason), "refused");
    } else {
        o->state = EPHOR__STATE__STATE_OK;
    }
    if (!whole->is_calm && sim_percent(&whole->world->random, 1)) { /* out of files, perhaps */
        o->state = EPHOR__STATE__STATE_UNKNOWN;
        text_copy(o->reason, sizeof(o->reason), "local");
    }
    text_copy(o->output, sizeof(o->output), o->reason);
}

static uint32_t number_of(const struct whole *whole, const char *id)
{
    int32_t nodes = whole->profile.nodes;
    if (id[0] == 'n')
        return (uint32_t)(whole->profile.services * nodes + id[6] - '1');
    return (uint32_t)((id[1] - '1') * nodes + id[4] - '1');
}

struct check_run *check_start(struct check_context *context, const Ephor__Check *check,
                              observation_cb *cb, void *data)
{
    struct process *process = (struct process *)context->loop;
    struct run *run = whole_alloc(process->whole, sizeof(*run));
    int64_t delay_us = 0;
    run->base.cb = cb;
    run->base.data = data;
    run->controller = process->controller;
    run->number = number_of(process->whole, check->id);
    look(run, check->id, check->timeout_ms, &delay_us);
    run->call = whole_call_in(process->whole, delay_us, process, NULL, on_answer, run);
    struct checker *checker = process->data;
    run->next = checker->runs;
    checker->runs = run;
    return &run->base;
}

void check_cancel(struct check_run *base)
{
    struct run *run = (struct run *)base;
    run->call->run = NULL;
    run->is_canceled = true;
    run->observation.state = EPHOR__STATE__STATE_UNKNOWN;
    text_copy(run->observation.reason, sizeof(run->observation.reason), "canceled");
    run->call =
        whole_call_in(run->controller->whole, 0, &run->controller->checker, NULL, on_answer, run);
}

/* ---- the process */

static void tell_state(struct checker *checker, int64_t late_ms)
{
    Ephor__CheckerState state = EPHOR__CHECKER_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    state.late_ms = late_ms;
    m.body_case = EPHOR__MESSAGE__BODY_CHECKER_STATE;
    m.checker_state = &state;
    link_send(checker->quorum, &m, -1);
}

static void on_beat(void *data)
{
    struct checker *checker = data;
    int64_t now_ms = whole_local_ms(checker->process->controller);
    int64_t late_ms = checker->beat_ms == 0 ? 0 : now_ms - checker->beat_ms - BEAT_MS;
    checker->beat_ms = now_ms;
    if (late_ms > LATE_MS)
        tell_state(checker, late_ms);
    else if (++checker->beats % BEATS_PER_STATE == 0)
        tell_state(checker, 0);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    struct checker *checker = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_ADOPTED)
        jobs_adopt(&checker->jobs,
                   ephor__policy__unpack(NULL, m->adopted->policy.len, m->adopted->policy.data),
                   m->adopted->index, m->adopted->outlook);
    else if (m->body_case == EPHOR__MESSAGE__BODY_OUTLOOK)
        jobs_set_outlook(&checker->jobs, m->outlook);
    else if (m->body_case == EPHOR__MESSAGE__BODY_VERDICTS)
        jobs_take_verdicts(&checker->jobs, m->verdicts);
    else if (m->body_case == EPHOR__MESSAGE__BODY_PROPOSED)
        reporter_on_proposed(&checker->reporter, m->proposed->sequence, m->proposed->err);
}

static void on_quorum_close(void *data, const char *reason)
{
    struct checker *checker = data;
    (void)reason;
    reporter_set_link(&checker->reporter, NULL);
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops ops = {on_quorum_message, on_quorum_close};
    struct checker *checker = data;
    (void)role;
    (void)instance;
    reporter_set_link(&checker->reporter, NULL);
    link_free(checker->quorum);
    checker->quorum = link_new(process_loop(checker->process), fd, &ops, checker);
    reporter_set_link(&checker->reporter, checker->quorum);
    jobs_report_all(&checker->jobs);
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct checker *checker = data;
    struct loop *loop = process_loop(process);
    (void)e;
    checker->process = process;
    if (reporter_init(&checker->reporter, loop, setup->controller) != 0 ||
        jobs_init(&checker->jobs, loop, NULL, &checker->reporter) != 0)
        return ERR_NOMEM;
    checker->beat = timer_new(loop, on_beat, checker);
    timer_start(checker->beat, BEAT_MS, BEAT_MS);
    return jobs_set_share(&checker->jobs, 0, 1, RUNNING_MAX);
}

static void on_drained(void *data)
{
    struct checker *checker = data;
    jobs_close(&checker->jobs);
    reporter_close(&checker->reporter);
    link_free(checker->quorum);
    process_done(checker->process);
}

/* What runs is answered at once, so that it can go. */
static void on_stop(void *data)
{
    struct checker *checker = data;
    timer_free(checker->beat);
    jobs_stop(&checker->jobs, on_drained, checker);
    while (checker->runs != NULL)
        answer(checker->runs);
}

void whole_checker_begin(struct whole_controller *controller)
{
    static const struct process_ops ops = {
        .on_start = on_start, .on_peer = on_peer, .on_stop = on_stop};
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    setup.controller = controller->id;
    controller->checker.ops = &ops;
    controller->checker.data = whole_alloc(controller->whole, sizeof(struct checker));
    whole_process_begin(&controller->checker, NULL, &setup);
}
