/* The quorum process: entries of the log go through the machine in order; what follows from them
 * (journal rows, orders, feeds, the next tick) is derived from the state afterwards. */
#include "orchestrator/quorum/quorum.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { REPORT_MS = 1000 };

int64_t quorum_at_ms(const struct quorum *q)
{
    return q->base_at_ms + (now_mono_ms() - q->base_mono_ms);
}

/* ---------------------------------------------------------------- the tick */

static void arm_tick(struct quorum *q);

static void on_tick_applied(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->is_tick_proposed = false;
    arm_tick(q);
}

static void on_tick(void *data)
{
    struct quorum *q = data;
    if (!q->is_leading || q->is_tick_proposed || q->machine.core == NULL)
        return;
    if (quorum_at_ms(q) < core_next_deadline(q->machine.core)) {
        arm_tick(q);
        return;
    }
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Tick tick = EPHOR__TICK__INIT;
    fact.body_case = EPHOR__FACT__BODY_TICK;
    fact.tick = &tick;
    q->is_tick_proposed = true;
    proposals_add(q, PROPOSAL_OF_LEADER, &fact, NULL, 0, on_tick_applied);
}

static void arm_tick(struct quorum *q)
{
    if (!q->is_leading || q->is_tick_proposed || q->machine.core == NULL)
        return;
    int64_t next_ms = core_next_deadline(q->machine.core);
    if (next_ms == NEVER_MS)
        timer_stop(q->tick);
    else
        timer_start(q->tick, next_ms - quorum_at_ms(q), 0);
}

/* ---------------------------------------------------------------- leadership, policy */

static void on_calm_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->is_calm_proposed = false;
}

/* Level-triggered: what could not be said while nobody led is said later. */
void quorum_tell_calm(struct quorum *q)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Calm calm = EPHOR__CALM__INIT;
    if (q->machine.core == NULL || q->is_calm_proposed || q->leader == 0 ||
        q->machine.core->controllers[q->seat - 1].is_not_calm == !q->calm.is_calm)
        return;
    calm.controller = q->seat;
    calm.calm = q->calm.is_calm;
    calm.reason = q->calm.text;
    fact.body_case = EPHOR__FACT__BODY_CALM;
    fact.calm = &calm;
    q->is_calm_proposed = true;
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, on_calm_told);
}

static void on_leader_told(struct quorum *q, int err, uint64_t index)
{
    (void)index;
    if (err != ERR_OK)
        q->leader_told_term = 0; /* said again with the next entry */
}

/* The first fact of a term that has a policy: who leads. */
static void tell_leader(struct quorum *q)
{
    if (!q->is_leading || q->machine.core == NULL || q->leader_told_term == q->term)
        return;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Leader leader = EPHOR__LEADER__INIT;
    leader.controller = q->seat;
    leader.name = q->controller_name;
    fact.body_case = EPHOR__FACT__BODY_LEADER;
    fact.leader = &leader;
    q->leader_told_term = q->term;
    proposals_add(q, PROPOSAL_OF_LEADER, &fact, NULL, 0, on_leader_told);
}

/* ---------------------------------------------------------------- the engine's callbacks */

/* Rules that this version does not know cannot be followed: what it would make of the log is
 * another state than that of the others. */
static void stop_if_too_old(struct quorum *q)
{
    if (q->machine.core == NULL || q->machine.core->rules <= core_rules_max || q->is_too_old)
        return;
    q->is_too_old = true;
    log_error("rules",
              "the cluster follows rules %u, and this version knows them up to %u: install "
              "the version of the other controllers",
              q->machine.core->rules, core_rules_max);
    process_restart(q->process);
}

static void on_snapshot(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct quorum *q = data;
    struct errbuf e = {.text = ""};
    if (machine_restore(&q->machine, index, term, bytes, size, &e) == ERR_OK) {
        stop_if_too_old(q);
        if (q->is_too_old)
            return;
        peers_send_policy(q); /* also while running: another controller may send one */
        if (q->machine.core != NULL)
            observers_on_policy(q->observers);
        peers_send_snapshot(q);
        offers_propose(q);
        return;
    }
    log_error("snapshot", "the snapshot at entry %llu cannot be used: %s",
              (unsigned long long)index, e.text);
    NEVER("a snapshot that passed its checksum cannot be used");
}

static void keep_journal(struct quorum *q, uint64_t index, uint64_t term, int64_t wall_ms)
{
    for (uint32_t i = 0; i < q->effects->count; i++) {
        const struct journal_line *line = &q->effects->lines[i];
        struct journal_row row = {.index = index,
                                  .line = i,
                                  .term = term,
                                  .wall_ms = wall_ms,
                                  .severity = line->severity,
                                  .event = event_name(line->event),
                                  .object = line->object,
                                  .text = line->text};
        engine_journal(q->engine, &row);
        if (q->is_leading && line->severity == SEVERITY_INFO)
            log_info(row.event, "%s: %s", line->object, line->text);
        else if (q->is_leading)
            log_warning(row.event, "%s: %s", line->object, line->text);
    }
}

static void take_snapshot(struct quorum *q)
{
    size_t size;
    uint8_t *bytes = machine_snapshot(&q->machine, &size);
    if (bytes != NULL)
        engine_snapshot(q->engine, q->machine.index, bytes, size);
    free(bytes);
}

static void on_entry(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct quorum *q = data;
    bool adopted;
    machine_apply(&q->machine, index, term, bytes, size, q->effects, &adopted);
    proposals_applied(q, q->machine.last.id, q->machine.last.run, q->machine.last.sequence, index);
    keep_journal(q, index, term, q->machine.wall_ms == 0 ? now_wall_ms() : q->machine.wall_ms);
    peers_send_fact(q, index, term, bytes, size);
    if (adopted) {
        peers_send_policy(q);
        observers_on_policy(q->observers);
        offers_propose(q);
    }
    stop_if_too_old(q);
    tell_leader(q);
    presence_work(q);
    quorum_tell_sight(q);
    quorum_tell_calm(q);
    peers_send_verdicts(q);
    peers_send_outlook(q);
    peers_send_orders(q, false);
    arm_tick(q);
    if (engine_wants_snapshot(q->engine))
        take_snapshot(q);
}

/* Who leads may be another one now: what is on its way goes to that one. */
void quorum_note_leader(struct quorum *q)
{
    struct engine_status status;
    uint32_t leader = engine_leader(q->engine);
    engine_status(q->engine, &status);
    /* The same one in another term has lost what it had been given and not committed. */
    if (leader == q->leader && (leader == 0 || status.term == q->leader_term))
        return;
    q->leader = leader;
    q->leader_term = status.term;
    if (leader != 0 && leader != q->controller)
        log_info("leader", "%s leads", cluster_name_of(q, leader));
    observers_on_leader(q->observers);
    proposals_restart(q);
    readers_restart(q);
    offers_propose(q);
    presence_work(q);
    peers_send_state(q);
}

static void on_leadership(void *data, bool is_leader, uint64_t term)
{
    struct quorum *q = data;
    q->is_leading = is_leader;
    q->leader = engine_leader(q->engine);
    q->leader_term = term;
    if (is_leader) {
        q->term = term;
        q->base_at_ms = (q->machine.core == NULL ? 0 : q->machine.core->at_ms) + 1;
        q->base_mono_ms = now_mono_ms();
        q->is_tick_proposed = false;
        presence_restart(q);
        log_info("leader", "leading in term %llu", (unsigned long long)term);
        tell_leader(q);
        offers_propose(q);
        peers_send_orders(q, true);
        arm_tick(q);
        cluster_work(q);
    }
    observers_on_leader(q->observers);
    proposals_restart(q);
    readers_restart(q);
    peers_send_lead(q);
    peers_send_state(q);
}

static void on_members(void *data, const Ephor__Membership *members)
{
    struct quorum *q = data;
    cluster_on_members(q, members);
    observers_on_members(q->observers);
    peers_send_state(q);
}

static void on_send(void *data, uint32_t to, const void *bytes, size_t size)
{
    struct quorum *q = data;
    if (q->mesh != NULL)
        mesh_send(q->mesh, to, MESH_LOG, bytes, size);
}

static void on_storage(void *data, int err, const char *text)
{
    struct quorum *q = data;
    q->is_storage_ok = err == ERR_OK;
    text_copy(q->storage_text, sizeof(q->storage_text), text);
    if (err == ERR_OK)
        log_info("storage", "works again");
    else
        log_error("storage", "%s; nothing new is decided until it works again", text);
    peers_send_state(q);
    if (err == ERR_CORRUPT && !cluster_is_alone(q)) {
        log_warning("storage", "starting anew, to repair it from the other controllers");
        process_restart(q->process);
    }
}

/* ---------------------------------------------------------------- self-doubt */

void quorum_note_lag(struct quorum *q, int64_t late_ms, const char *what)
{
    if (calm_note_lag(&q->calm, now_mono_ms(), late_ms, what))
        quorum_tell_calm(q);
}

static void on_sight_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->is_sight_proposed = false;
}

/* Level-triggered, too. */
void quorum_tell_sight(struct quorum *q)
{
    char reason[TEXT_SIZE];
    struct sight_around around = {.has_checkers = peers_have_checkers(q)};
    if (q->machine.core == NULL || q->is_sight_proposed || q->leader == 0)
        return;
    cluster_count_peers(q, &around.peers, &around.peers_up);
    bool can_see = sight_judge(&q->sight, &around, reason);
    if (can_see == !q->machine.core->controllers[q->seat - 1].is_blind)
        return;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Sight sight = EPHOR__SIGHT__INIT;
    sight.controller = q->seat;
    sight.sees = can_see;
    sight.reason = reason;
    fact.body_case = EPHOR__FACT__BODY_SIGHT;
    fact.sight = &sight;
    q->is_sight_proposed = true;
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, on_sight_told);
}

static void on_beat(void *data)
{
    struct quorum *q = data;
    struct clocks now = {now_mono_ms(), now_suspended_ms(), now_wall_ms()};
    if (calm_beat(&q->calm, &now))
        quorum_tell_calm(q);
    quorum_note_leader(q);
    quorum_tell_calm(q);
    presence_work(q);
    quorum_tell_sight(q);
    presence_watch_reach(q);
    presence_watch_actor(q);
    freeze_work(q);
    observers_work(q->observers);
    peers_send_lead(q);
    q->calm.due_ms = now_mono_ms() + q->fresh_ms / 3;
    timer_start(q->beat, q->fresh_ms / 3, 0);
}

static void on_report(void *data)
{
    struct quorum *q = data;
    proposals_expire(q);
    cluster_watch(q);
    cluster_work(q);
    peers_send_state(q);
}

/* ---------------------------------------------------------------- the process */

static int open_log(struct quorum *q, const Ephor__Setup *setup, struct errbuf *e)
{
    static const struct engine_callbacks callbacks = {on_snapshot, on_entry,   on_leadership,
                                                      on_storage,  on_members, on_send};
    struct engine_params params = {.state_dir = setup->state_dir,
                                   .controller = setup->controller,
                                   .name = setup->controller_name,
                                   .joins = setup->joins,
                                   .election_ms = setup->election_ms,
                                   .heartbeat_ms = setup->heartbeat_ms,
                                   .callbacks = &callbacks,
                                   .data = q};
    int err = engine_open(q->loop, &params, &q->engine, e);
    if (err != ERR_OK)
        err_wrap(e, "the log in %s", setup->state_dir);
    return err;
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct quorum *q = data;
    q->process = process;
    q->loop = process_loop(process);
    q->controller = setup->controller;
    q->seat = 1; /* until the log tells */
    if (getrandom(&q->proposals.run, sizeof(q->proposals.run), 0) < 0)
        q->proposals.run = (uint64_t)now_wall_ms();
    q->proposals.epoch = 1;
    q->checker_count = setup->checker_count;
    q->fresh_ms = setup->fresh_ms;
    q->calm.is_calm = q->is_storage_ok = true;
    text_copy(q->controller_name, sizeof(q->controller_name), setup->controller_name);
    q->effects = calloc(1, sizeof(*q->effects));
    q->tick = timer_new(q->loop, on_tick, q);
    q->beat = timer_new(q->loop, on_beat, q);
    q->report = timer_new(q->loop, on_report, q);
    q->observers = observers_new(q);
    if (q->observers == NULL || q->effects == NULL || q->tick == NULL || q->beat == NULL ||
        q->report == NULL || !readers_open(q))
        return err_set(e, ERR_NOMEM, "out of memory");
    int err = open_log(q, setup, e);
    if (err == ERR_OK)
        err = cluster_open(q, setup, e);
    if (err != ERR_OK) {
        observers_free(q->observers);
        return err;
    }
    struct clocks now = {now_mono_ms(), now_suspended_ms(), now_wall_ms()};
    freeze_init(&q->freeze, setup->state_dir);
    calm_init(&q->calm, &now);
    timer_start(q->beat, 0, 0);
    timer_start(q->report, REPORT_MS, REPORT_MS);
    process_ready(process);
    return ERR_OK;
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    struct quorum *q = data;
    q->checker_count = setup->checker_count;
    cluster_reload(q, setup);
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    peers_connect(data, role, instance, fd);
}

static void on_listener(struct quorum *q, int fd)
{
    struct errbuf e = {.text = ""};
    if (q->mesh == NULL) {
        close(fd);
        return;
    }
    if (cluster_listen(q, fd, &e) != ERR_OK)
        log_error("peer", "no other controller can be let in: %s", e.text);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct quorum *q = data;
    if (m->body_case == EPHOR__MESSAGE__BODY_LISTEN && fd >= 0)
        on_listener(q, fd);
    else if (fd >= 0)
        close(fd);
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_OFFER)
        offers_take(q, m->policy_offer);
}

static void on_stop(void *data)
{
    struct quorum *q = data;
    timer_free(q->tick);
    timer_free(q->beat);
    timer_free(q->report);
    engine_close(q->engine);
    q->engine = NULL;
    cluster_close(q);
    observers_free(q->observers);
    readers_close(q);
    proposals_close(q);
    sight_close(&q->sight);
    peers_close(q);
    process_done(q->process);
}

const struct process_ops quorum_ops = {on_start, on_setup, on_peer, on_message, on_stop};

struct quorum *quorum_new(void)
{
    struct quorum *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    machine_init(&q->machine);
    peers_init(q);
    return q;
}

void quorum_free(struct quorum *q)
{
    if (q == NULL)
        return;
    machine_close(&q->machine);
    free(q->effects);
    offers_close(q);
    free(q);
}
