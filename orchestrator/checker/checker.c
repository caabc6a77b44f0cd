/* The checker process: messages in, messages out. The work is in jobs.c and reporter.c.
 *   control   Setup: share and limits       ResultsTable [memory]       Stop
 *   quorum    Adopted: the policy           Proposed: an answer to opinions
 * Without a quorum link the last policy stays and checks go on; opinions wait. */
#include "orchestrator/checker/checker.h"

#include "orchestrator/base/log.h"
#include "orchestrator/checker/canaries.h"
#include "orchestrator/checker/jobs.h"
#include "orchestrator/checker/reporter.h"
#include "orchestrator/sys/http_client.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/process.h"

#include <unistd.h>

struct checker {
    struct process *process;
    struct http_client *http;
    struct reporter reporter;
    struct jobs jobs;
    struct results *results;
    struct link *quorum;
    bool is_started;
    struct canaries *canaries; /* NULL: another checker's business */
    struct timer *beat;
    int64_t beat_ms; /* when it came last */
    uint32_t beats;
};

/* ---------------------------------------------------------------- its own state */

enum { BEAT_MS = 200, LATE_MS = 250, BEATS_PER_STATE = 5 };

static void tell_state(struct checker *checker, int64_t late_ms)
{
    Ephor__CheckerState state = EPHOR__CHECKER_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    Ephor__Canary list[CANARIES_MAX];
    Ephor__Canary *pointers[CANARIES_MAX];
    state.late_ms = late_ms;
    if (checker->canaries != NULL) {
        state.has_canaries = true;
        state.n_canaries = canaries_list(checker->canaries, list);
        for (size_t i = 0; i < state.n_canaries; i++)
            pointers[i] = &list[i];
        state.canaries = pointers;
    }
    m.body_case = EPHOR__MESSAGE__BODY_CHECKER_STATE;
    m.checker_state = &state;
    link_send(checker->quorum, &m, -1);
}

/* A checker that did not get to run takes answers that wait for it to be late. */
static void on_beat(void *data)
{
    struct checker *checker = data;
    int64_t now_ms = now_mono_ms();
    int64_t late_ms = checker->beat_ms == 0 ? 0 : now_ms - checker->beat_ms - BEAT_MS;
    checker->beat_ms = now_ms;
    if (late_ms > LATE_MS)
        tell_state(checker, late_ms);
    else if (++checker->beats % BEATS_PER_STATE == 0)
        tell_state(checker, 0);
}

static void on_adopted(struct checker *checker, const Ephor__Adopted *adopted)
{
    Ephor__Policy *policy = ephor__policy__unpack(NULL, adopted->policy.len, adopted->policy.data);
    if (policy == NULL) { /* the core adopts only what it could read */
        log_error("policy", "policy %llu cannot be read", (unsigned long long)adopted->index);
        return;
    }
    size_t count = policy->n_checks;
    int err = jobs_adopt(&checker->jobs, policy, adopted->index, adopted->outlook);
    if (err != ERR_OK)
        log_error("policy", "policy %llu with %zu checks: %s, keeping the old one",
                  (unsigned long long)adopted->index, count, err_text(err));
    else
        log_info("policy", "policy %llu: %zu of %zu checks run here",
                 (unsigned long long)adopted->index, checker->jobs.count, count);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    struct checker *checker = data;
    if (fd >= 0)
        close(fd);
    if (m->body_case == EPHOR__MESSAGE__BODY_ADOPTED)
        on_adopted(checker, m->adopted);
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
    log_warning("quorum", "no link to the quorum process (%s), checks go on", reason);
    reporter_set_link(&checker->reporter, NULL);
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops ops = {on_quorum_message, on_quorum_close};
    struct checker *checker = data;
    (void)instance;
    if (role != EPHOR__ROLE__QUORUM || !checker->is_started) {
        close(fd);
        return;
    }
    reporter_set_link(&checker->reporter, NULL);
    link_free(checker->quorum);
    checker->quorum = link_new(process_loop(checker->process), fd, &ops, checker);
    if (checker->quorum == NULL) {
        log_error("quorum", "no link to the quorum process: %s", err_text(ERR_NOMEM));
        return;
    }
    reporter_set_link(&checker->reporter, checker->quorum);
    jobs_report_all(&checker->jobs);
}

static void on_table(struct checker *checker, int fd)
{
    struct results *results = results_open(fd, true);
    close(fd);
    if (results == NULL) {
        log_error("results", "the results table cannot be mapped");
        return;
    }
    if (checker->is_started)
        jobs_set_results(&checker->jobs, results);
    results_close(checker->results);
    checker->results = results;
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    if (m->body_case == EPHOR__MESSAGE__BODY_RESULTS_TABLE && fd >= 0)
        on_table(data, fd);
    else if (fd >= 0)
        close(fd);
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    struct checker *checker = data;
    checker->reporter.controller = setup->controller;
    if (checker->canaries != NULL)
        canaries_set(checker->canaries, setup->canaries, setup->n_canaries);
    int err = jobs_set_share(&checker->jobs, setup->checker_index, setup->checker_count,
                             setup->checks_running_max);
    if (err != ERR_OK)
        log_error("setup", "share %u of %u: %s, keeping the old one", setup->checker_index,
                  setup->checker_count, err_text(err));
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct checker *checker = data;
    struct loop *loop = process_loop(process);
    checker->process = process;
    checker->http = http_client_new(loop);
    if (checker->http == NULL || reporter_init(&checker->reporter, loop, setup->controller) != 0 ||
        jobs_init(&checker->jobs, loop, checker->http, &checker->reporter) != 0)
        return err_set(e, ERR_NOMEM, "start the checker: %s", err_text(ERR_NOMEM));
    checker->beat = timer_new(loop, on_beat, checker);
    if (setup->checker_index == 0)
        checker->canaries = canaries_new(&checker->jobs.context);
    if (checker->beat == NULL || (setup->checker_index == 0 && checker->canaries == NULL))
        return err_set(e, ERR_NOMEM, "start the checker: %s", err_text(ERR_NOMEM));
    timer_start(checker->beat, BEAT_MS, BEAT_MS);
    checker->is_started = true;
    on_setup(checker, setup);
    jobs_set_results(&checker->jobs, checker->results);
    process_ready(process);
    return ERR_OK;
}

static void on_drained(void *data)
{
    struct checker *checker = data;
    jobs_close(&checker->jobs);
    reporter_close(&checker->reporter);
    link_free(checker->quorum);
    http_client_free(checker->http);
    results_close(checker->results);
    process_done(checker->process);
}

static void on_stop(void *data)
{
    struct checker *checker = data;
    timer_free(checker->beat);
    checker->beat = NULL;
    canaries_free(checker->canaries);
    checker->canaries = NULL;
    jobs_stop(&checker->jobs, on_drained, checker);
}

int checker_main(uint32_t instance, int control_fd)
{
    static const struct process_ops ops = {on_start, on_setup, on_peer, on_message, on_stop};
    struct checker checker = {.is_started = false};
    return process_run(EPHOR__ROLE__CHECKER, instance, control_fd, &ops, &checker);
}
