#include "orchestrator/quorum/observer.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/quorum/calm.h"
#include "orchestrator/quorum/certificate.h"
#include "orchestrator/quorum/contacts.h"
#include "orchestrator/quorum/looks.h"
#include "orchestrator/quorum/mesh.h"
#include "orchestrator/quorum/observer_parts.h"
#include "orchestrator/quorum/sight.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPORT_MS = 1000, UNHEARD_MAX_MS = 1000, UNHEARD_LEADER_MS = 3000 };

/* ---------------------------------------------------------------- what it says */

static struct told *told_of(struct observer_process *o, uint32_t id)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        if (o->told[i].id == id)
            return &o->told[i];
    return NULL;
}

static int send_report(struct observer_process *o, uint32_t to, Ephor__Report *report)
{
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    report->sees = o->sees;
    report->reason = o->reason;
    report->version = (char *)(uintptr_t)EPHOR_VERSION;
    watch.body_case = EPHOR__WATCH__BODY_REPORT;
    watch.report = report;
    size_t size = ephor__watch__get_packed_size(&watch);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__watch__pack(&watch, bytes);
    int err = mesh_send(o->mesh, to, MESH_WATCH, bytes, size);
    free(bytes);
    return err;
}

/* To whoever follows the policy by which the looks are, and was not told them all. */
static void tell_all(struct observer_process *o)
{
    for (struct told *told = o->told; told < o->told + RAFT_MEMBERS_MAX; told++) {
        Ephor__Report report = EPHOR__REPORT__INIT;
        if (told->id == 0 || told->is_told || told->policy_index != o->looks.policy_index ||
            o->looks.policy_index == 0)
            continue;
        looks_report(&o->looks, &report);
        told->is_told = send_report(o, told->id, &report) == ERR_OK;
        looks_free_report(&report);
    }
}

static void tell_again(struct observer_process *o)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        o->told[i].is_told = false;
    tell_all(o);
}

/* These changes to those who know the rest, without their texts; or none, as a sign of life. */
static void tell_changes(struct observer_process *o, const Ephor__Opinions *changes)
{
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__Report report = EPHOR__REPORT__INIT;
    if (changes != NULL)
        opinions = *changes;
    for (size_t i = 0; i < opinions.n_changes; i++)
        opinions.changes[i]->text[0] = '\0'; /* ours, unpacked from its frame */
    opinions.policy_index = o->looks.policy_index;
    report.opinions = &opinions;
    for (struct told *told = o->told; told < o->told + RAFT_MEMBERS_MAX; told++) {
        if (told->id == 0 || (changes != NULL && !told->is_told))
            continue;
        if (send_report(o, told->id, &report) != ERR_OK)
            told->is_told = false;
    }
}

static bool have_checkers(const struct observer_process *o)
{
    for (uint32_t i = 0; i < o->checker_count && i < OBSERVER_CHECKERS_MAX; i++)
        if (o->checkers[i].link == NULL)
            return false;
    return true;
}

/* Can it judge? Says so if that changed. */
static void judge(struct observer_process *o)
{
    char reason[TEXT_SIZE];
    const char *text;
    struct sight_around around = {.has_checkers = have_checkers(o)};
    for (size_t i = 0; i < o->members->n_members; i++) {
        around.peers++;
        around.peers_up += mesh_is_connected(o->mesh, o->members->members[i]->id, &text);
    }
    bool sees = sight_judge(&o->sight, &around, reason);
    if (sees && !o->calm.is_calm) {
        sees = false;
        text_copy(reason, sizeof(reason), o->calm.text);
    }
    if (sees == o->sees)
        return;
    o->sees = sees;
    text_copy(o->reason, sizeof(o->reason), reason);
    if (sees)
        log_info("sight", "it can see again");
    else
        log_warning("sight", "what it sees is not counted: %s", reason);
    tell_changes(o, NULL);
    observer_feed(o);
}

/* ---------------------------------------------------------------- what it is told */

static void choose(struct observer_process *o)
{
    if (!looks_choose(&o->looks, o->id, o->present, o->present_count))
        return;
    observer_send_outlook(o);
    tell_again(o);
}

static void take_present(struct observer_process *o, const Ephor__Guide *guide)
{
    size_t count = guide->n_present < OBSERVERS_MAX ? guide->n_present : OBSERVERS_MAX;
    size_t size = count * sizeof(o->present[0]);
    if (count == o->present_count && (count == 0 || memcmp(o->present, guide->present, size) == 0))
        return;
    if (count > 0)
        memcpy(o->present, guide->present, size);
    o->present_count = count;
    choose(o);
}

static void take_policy(struct observer_process *o, const Ephor__Guide *guide)
{
    struct errbuf e = {.text = ""};
    if (looks_adopt(&o->looks, guide->policy_index, guide->policy.data, guide->policy.len, &e) !=
        ERR_OK) {
        log_error("policy", "policy %llu cannot be used by this version: %s",
                  (unsigned long long)guide->policy_index, e.text);
        return;
    }
    log_info("policy", "following policy %llu", (unsigned long long)guide->policy_index);
    looks_choose(&o->looks, o->id, o->present, o->present_count);
    observer_send_policy(o);
    tell_again(o);
    observer_feed(o);
}

static bool are_same(const Ephor__Membership *a, const Ephor__Membership *b)
{
    size_t size = ephor__membership__get_packed_size(a);
    if (size != ephor__membership__get_packed_size(b))
        return false;
    uint8_t *bytes = malloc(2 * size + 1);
    PRE(bytes != NULL);
    ephor__membership__pack(a, bytes);
    ephor__membership__pack(b, bytes + size);
    bool is_same = memcmp(bytes, bytes + size, size) == 0;
    free(bytes);
    return is_same;
}

static void take_members(struct observer_process *o, const Ephor__Membership *members)
{
    if (members->n_members == 0 || are_same(members, o->members))
        return;
    Ephor__Membership *copy = roster_copy(members);
    PRE(copy != NULL);
    contacts_save(o->state_dir, members);
    ephor__membership__free_unpacked(o->members, NULL);
    o->members = copy;
    mesh_set_members(o->mesh, copy, true);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        if (roster_find(copy, o->told[i].id) == NULL)
            o->told[i] = (struct told){0};
}

/* Of those that say that they lead, the newest is right. One that was not heard for a while does
 * not stand in the way: a cluster that was recovered may have begun again with an earlier term. */
static bool is_newest_leader(const struct observer_process *o, const struct told *told)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        const struct told *other = &o->told[i];
        if (other->id != 0 && other->leads && other->term > told->term &&
            now_mono_ms() - other->heard_ms < UNHEARD_LEADER_MS)
            return false;
    }
    return told->leads;
}

/* The newest leader is followed; of the others only what they know is of interest. */
static void take_guide(struct observer_process *o, struct told *told, const Ephor__Guide *guide)
{
    told->term = guide->term;
    told->leads = guide->leading;
    told->heard_ms = now_mono_ms();
    bool is_newest = is_newest_leader(o, told);
    if (told->policy_index != guide->policy_index) {
        told->policy_index = guide->policy_index;
        told->is_told = false;
    }
    if (is_newest) {
        o->term = guide->term;
        o->leader = told->id;
        if (guide->policy.len > 0 && guide->policy_index != o->looks.policy_index)
            take_policy(o, guide);
        take_present(o, guide);
    }
    tell_all(o);
    if (guide->members != NULL && guide->term >= o->term)
        take_members(o, guide->members);
}

static void on_frame(void *data, uint32_t from, enum mesh_channel channel, const uint8_t *bytes,
                     size_t size)
{
    struct observer_process *o = data;
    struct told *told = told_of(o, from);
    Ephor__Watch *watch = ephor__watch__unpack(NULL, size, bytes);
    (void)channel;
    if (watch == NULL || told == NULL) {
        log_warning("peer", "controller %u sent what makes no sense", from);
    } else if (watch->body_case == EPHOR__WATCH__BODY_GUIDE) {
        take_guide(o, told, watch->guide);
    } else if (watch->body_case == EPHOR__WATCH__BODY_VERDICTS && from == o->leader) {
        observer_send_verdicts(o, watch->verdicts);
    }
    if (watch != NULL)
        ephor__watch__free_unpacked(watch, NULL);
}

static void on_connected(void *data, uint32_t id, enum mesh_channel channel)
{
    struct observer_process *o = data;
    struct told *told = told_of(o, id);
    (void)channel;
    if (told == NULL)
        told = told_of(o, 0);
    if (told == NULL)
        return;
    *told = (struct told){.id = id};
    judge(o);
    tell_changes(o, NULL);
    observer_feed(o);
}

static void on_unmet(void *data, uint32_t id, uint64_t incarnation)
{
    (void)data, (void)id, (void)incarnation; /* nobody says hello to an observer */
}

/* ---------------------------------------------------------------- what its checkers say */

void observer_on_opinions(struct observer_process *o, const Ephor__Opinions *opinions)
{
    if (!looks_take(&o->looks, opinions))
        return;
    sight_on_opinions(&o->sight, o->looks.policy, o->looks.policy_index, opinions);
    judge(o);
    tell_changes(o, opinions);
}

void observer_on_checker(struct observer_process *o, const Ephor__CheckerState *state)
{
    if (state->late_ms > 0)
        calm_note_lag(&o->calm, now_mono_ms(), state->late_ms, "its checker lagged by");
    sight_on_checker(&o->sight, state);
    judge(o);
}

/* ---------------------------------------------------------------- the process */

static void on_beat(void *data)
{
    struct observer_process *o = data;
    struct clocks now = {now_mono_ms(), now_suspended_ms(), now_wall_ms()};
    calm_beat(&o->calm, &now);
    judge(o);
    tell_all(o);
    o->calm.due_ms = now_mono_ms() + o->beat_ms;
    timer_start(o->beat, o->beat_ms, 0);
}

static void on_report(void *data)
{
    struct observer_process *o = data;
    if (certificate_watch(&o->certificate, now_mono_ms(), now_wall_ms() / 1000))
        mesh_use(o->mesh, o->certificate.identity);
    tell_changes(o, NULL);
    observer_feed(o);
}

static int open_mesh(struct observer_process *o, const Ephor__Setup *setup, struct errbuf *e)
{
    static const struct mesh_ops ops = {
        .on_frame = on_frame, .on_connected = on_connected, .on_unmet = on_unmet};
    Ephor__Membership contacts = EPHOR__MEMBERSHIP__INIT;
    int64_t unheard_ms = 3 * (int64_t)setup->fresh_ms;
    contacts.members = setup->contacts;
    contacts.n_members = setup->n_contacts;
    certificate_take(&o->certificate, setup);
    struct mesh_params params = {.id = o->id,
                                 .cluster = setup->cluster,
                                 .identity = o->certificate.identity,
                                 .unheard_max_ms =
                                     unheard_ms > UNHEARD_MAX_MS ? unheard_ms : UNHEARD_MAX_MS,
                                 .observes = true};
    o->mesh = mesh_new(o->loop, &params, &ops, o);
    o->members = contacts_load(o->state_dir, setup->cluster);
    if (o->members == NULL)
        o->members = roster_copy(&contacts);
    if (o->mesh == NULL || o->members == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    mesh_set_members(o->mesh, o->members, true);
    return ERR_OK;
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct observer_process *o = data;
    o->process = process;
    o->loop = process_loop(process);
    o->id = setup->controller;
    text_copy(o->state_dir, sizeof(o->state_dir), setup->state_dir);
    o->checker_count = setup->checker_count;
    o->beat_ms = setup->fresh_ms / 3;
    o->sees = true;
    o->beat = timer_new(o->loop, on_beat, o);
    o->report = timer_new(o->loop, on_report, o);
    if (o->beat == NULL || o->report == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    int err = open_mesh(o, setup, e);
    if (err != ERR_OK)
        return err;
    struct clocks now = {now_mono_ms(), now_suspended_ms(), now_wall_ms()};
    calm_init(&o->calm, &now);
    timer_start(o->beat, 0, 0);
    timer_start(o->report, REPORT_MS, REPORT_MS);
    process_ready(process);
    return ERR_OK;
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    struct observer_process *o = data;
    o->checker_count = setup->checker_count;
    if (certificate_take(&o->certificate, setup))
        mesh_use(o->mesh, o->certificate.identity);
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    observer_connect(data, role, instance, fd);
    judge(data);
}

/* What its file says of services is not its business. */
static void refuse_offer(struct observer_process *o, const Ephor__PolicyOffer *offer)
{
    static const char text[] = "an observer follows the policy of the controllers";
    Ephor__PolicyReply reply = EPHOR__POLICY_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.accepted = true;
    reply.text = (char *)(uintptr_t)text;
    reply.index = o->looks.policy_index;
    reply.sequence = offer->sequence;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_REPLY;
    m.policy_reply = &reply;
    process_send(o->process, &m, -1);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    if (fd >= 0)
        close(fd); /* nobody links to an observer */
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_OFFER)
        refuse_offer(data, m->policy_offer);
}

static void on_stop(void *data)
{
    struct observer_process *o = data;
    timer_free(o->beat);
    timer_free(o->report);
    mesh_free(o->mesh);
    o->mesh = NULL;
    certificate_close(&o->certificate);
    observer_disconnect(o);
    process_done(o->process);
}

const struct process_ops observer_ops = {on_start, on_setup, on_peer, on_message, on_stop};

struct observer_process *observer_new(void)
{
    return calloc(1, sizeof(struct observer_process));
}

void observer_free(struct observer_process *o)
{
    if (o == NULL)
        return;
    looks_close(&o->looks);
    sight_close(&o->sight);
    if (o->members != NULL)
        ephor__membership__free_unpacked(o->members, NULL);
    free(o);
}
