/* An observer: whom it follows, and what it tells to whom. Links, timers and the processes around
 * it are played; what it looks at and what it thinks of itself is real. */
#include "orchestrator/quorum/observer_parts.h"

#include "orchestrator/base/text.h"
#include "orchestrator/quorum/contacts.h"
#include "orchestrator/sys/now.h"
#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>

enum { SELF = 1001, CONTROLLERS = 3, BEAT_MS = 100 };

static struct observer_process *o;
static const struct mesh_ops *links;
static int64_t now_ms;
static bool is_up[CONTROLLERS + 1];
static int send_error;
static uint32_t policies_sent, outlooks_sent, verdicts_sent, saved, linked_to;

static struct sent { /* to one controller */
    uint32_t reports, full;
    bool sees;
    size_t changes, silent;
} sent[CONTROLLERS + 1];

static struct timer {
    timer_cb *cb;
    void *data;
} timers[2];
static int timer_count;

/* ---------------------------------------------------------------- what is played */

int64_t now_mono_ms(void)
{
    return now_ms;
}

int64_t now_wall_ms(void)
{
    return now_ms;
}

int64_t now_suspended_ms(void)
{
    return 0;
}

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    (void)loop;
    timers[timer_count] = (struct timer){cb, data};
    return &timers[timer_count++];
}

void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    (void)timer, (void)delay_ms, (void)repeat_ms;
}

void timer_free(struct timer *timer)
{
    (void)timer;
}

struct loop *process_loop(struct process *process)
{
    (void)process;
    return NULL;
}

void process_ready(struct process *process)
{
    (void)process;
}

void process_done(struct process *process)
{
    (void)process;
}

void process_send(struct process *process, const Ephor__Message *m, int fd)
{
    (void)process, (void)m, (void)fd;
}

bool certificate_take(struct certificate *certificate, const Ephor__Setup *setup)
{
    (void)certificate, (void)setup;
    return false;
}

bool certificate_watch(struct certificate *certificate, int64_t ms, int64_t wall_s)
{
    (void)certificate, (void)ms, (void)wall_s;
    return false;
}

void certificate_close(struct certificate *certificate)
{
    (void)certificate;
}

Ephor__Membership *contacts_load(const char *state_dir, uint64_t cluster)
{
    (void)state_dir, (void)cluster;
    return NULL;
}

void contacts_save(const char *state_dir, const Ephor__Membership *members)
{
    (void)state_dir, (void)members;
    saved++;
}

struct mesh *mesh_new(struct loop *loop, const struct mesh_params *params,
                      const struct mesh_ops *ops, void *data)
{
    static char mesh;
    (void)loop, (void)data;
    ck_assert(params->observes && params->id == SELF);
    links = ops;
    return (struct mesh *)(void *)&mesh;
}

void mesh_free(struct mesh *mesh)
{
    (void)mesh;
}

void mesh_use(struct mesh *mesh, struct tls_identity *identity)
{
    (void)mesh, (void)identity;
}

void mesh_set_members(struct mesh *mesh, const Ephor__Membership *members, bool is_hint)
{
    (void)mesh;
    ck_assert(is_hint);
    linked_to = (uint32_t)members->n_members;
}

bool mesh_is_connected(const struct mesh *mesh, uint32_t id, const char **text)
{
    (void)mesh;
    *text = "";
    return is_up[id];
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    struct sent *to = &sent[id];
    Ephor__Watch *watch = ephor__watch__unpack(NULL, size, bytes);
    (void)mesh;
    ck_assert(channel == MESH_WATCH && watch != NULL);
    ck_assert_int_eq(watch->body_case, EPHOR__WATCH__BODY_REPORT);
    if (send_error == ERR_OK) {
        to->reports++;
        to->full += watch->report->full ? 1 : 0;
        to->sees = watch->report->sees;
        to->changes = watch->report->opinions->n_changes;
        to->silent = watch->report->n_silent;
    }
    ephor__watch__free_unpacked(watch, NULL);
    return send_error;
}

void observer_connect(struct observer_process *observer, Ephor__Role role, uint32_t instance,
                      int fd)
{
    (void)observer, (void)role, (void)instance, (void)fd;
}

void observer_disconnect(struct observer_process *observer)
{
    (void)observer;
}

void observer_send_policy(struct observer_process *observer)
{
    (void)observer;
    policies_sent++;
}

void observer_send_outlook(struct observer_process *observer)
{
    (void)observer;
    outlooks_sent++;
}

void observer_send_verdicts(struct observer_process *observer, const Ephor__Verdicts *verdicts)
{
    (void)observer, (void)verdicts;
    verdicts_sent++;
}

void observer_feed(struct observer_process *observer)
{
    (void)observer;
}

/* ---------------------------------------------------------------- what controllers say */

static void frame(uint32_t from, const Ephor__Watch *watch)
{
    uint8_t *bytes = malloc(ephor__watch__get_packed_size(watch) + 1);
    size_t size = ephor__watch__pack(watch, bytes);
    links->on_frame(o, from, MESH_WATCH, bytes, size);
    free(bytes);
}

struct words { /* of a guide */
    uint64_t term;
    bool leads;
    uint64_t policy_index;
    bool with_policy;
    uint32_t present[2];
    uint32_t observers;
    const Ephor__Membership *members;
};

static void guide(uint32_t from, struct words words)
{
    Ephor__Guide g = EPHOR__GUIDE__INIT;
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    Ephor__Policy *policy = big_policy(1, false);
    for (size_t i = 0; i < policy->n_checks; i++)
        policy->checks[i]->observers = words.observers == 0 ? OBSERVERS_MAX : words.observers;
    g.term = words.term;
    g.leading = words.leads;
    g.policy_index = words.policy_index;
    g.present = words.present;
    while (g.n_present < 2 && words.present[g.n_present] != 0)
        g.n_present++;
    g.members = (Ephor__Membership *)(uintptr_t)words.members;
    if (words.with_policy) {
        g.policy.len = ephor__policy__get_packed_size(policy);
        g.policy.data = malloc(g.policy.len);
        ephor__policy__pack(policy, g.policy.data);
    }
    watch.body_case = EPHOR__WATCH__BODY_GUIDE;
    watch.guide = &g;
    frame(from, &watch);
    free(g.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
}

static void connect_to(uint32_t id)
{
    is_up[id] = true;
    links->on_connected(o, id, MESH_WATCH);
}

static void see(uint32_t check, int state)
{
    static char text[] = "x";
    char own[2];
    Ephor__OpinionChange c = EPHOR__OPINION_CHANGE__INIT;
    Ephor__OpinionChange *list[] = {&c};
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    memcpy(own, text, sizeof(own));
    c.check = check;
    c.state = (Ephor__State)state;
    c.text = own;
    opinions.policy_index = o->looks.policy_index;
    opinions.changes = list;
    opinions.n_changes = 1;
    observer_on_opinions(o, &opinions);
}

static void setup(void)
{
    static Ephor__ClusterMember controllers[CONTROLLERS];
    static Ephor__ClusterMember *list[CONTROLLERS];
    static char dir[] = ".";
    struct errbuf e = {.text = ""};
    Ephor__Setup s = EPHOR__SETUP__INIT;
    memset(sent, 0, sizeof(sent));
    memset(is_up, 0, sizeof(is_up));
    policies_sent = outlooks_sent = verdicts_sent = saved = 0;
    timer_count = 0;
    now_ms = 100000;
    send_error = ERR_OK;
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        ephor__cluster_member__init(list[i] = &controllers[i]);
        controllers[i].id = i + 1;
    }
    s.controller = SELF;
    s.state_dir = dir;
    s.fresh_ms = 3 * BEAT_MS;
    s.contacts = list;
    s.n_contacts = CONTROLLERS;
    o = observer_new();
    ck_assert_int_eq(observer_ops.on_start(o, NULL, &s, &e), ERR_OK);
    ck_assert_uint_eq(linked_to, CONTROLLERS);
    for (uint32_t id = 1; id <= CONTROLLERS; id++)
        connect_to(id);
}

static void teardown(void)
{
    observer_ops.on_stop(o);
    observer_free(o);
}

/* ---------------------------------------------------------------- tests */

START_TEST(the_newest_leader_is_followed)
{
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    ck_assert_uint_eq(o->looks.policy_index, 7);
    guide(2, (struct words){.term = 4, .leads = true, .policy_index = 9, .with_policy = true});
    guide(3, (struct words){.term = 6, .policy_index = 10, .with_policy = true});
    ck_assert_uint_eq(o->looks.policy_index, 7);
    guide(2, (struct words){.term = 6, .leads = true, .policy_index = 9, .with_policy = true});
    ck_assert_uint_eq(o->looks.policy_index, 9);
    ck_assert_uint_eq(o->leader, 2);
    ck_assert_uint_eq(policies_sent, 2);
}
END_TEST

START_TEST(an_earlier_term_is_followed_when_nobody_speaks_for_the_later)
{
    guide(1, (struct words){.term = 50, .leads = true, .policy_index = 7, .with_policy = true});
    now_ms += 2000;
    guide(2, (struct words){.term = 3, .leads = true, .policy_index = 5, .with_policy = true});
    ck_assert_uint_eq(o->looks.policy_index, 7);
    now_ms += 2000; /* it was recovered from a backup */
    guide(2, (struct words){.term = 3, .leads = true, .policy_index = 5, .with_policy = true});
    ck_assert_uint_eq(o->looks.policy_index, 5);
}
END_TEST

START_TEST(all_is_told_to_who_follows_the_same_policy)
{
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    ck_assert_uint_eq(sent[1].full, 1);
    ck_assert_uint_eq(sent[1].silent, o->looks.policy->n_checks);
    ck_assert_uint_eq(sent[2].full, 0);
    see(1, STATE_CRITICAL);
    ck_assert_uint_eq(sent[1].full, 1);
    ck_assert_uint_eq(sent[1].changes, 1);
    guide(2, (struct words){.term = 5, .policy_index = 7});
    ck_assert_uint_eq(sent[2].full, 1);
    ck_assert_uint_eq(sent[2].changes, 1);
    guide(2, (struct words){.term = 5, .policy_index = 7});
    ck_assert_uint_eq(sent[2].full, 1);
    connect_to(2); /* the link was lost and is there again */
    guide(2, (struct words){.term = 5, .policy_index = 7});
    ck_assert_uint_eq(sent[2].full, 2);
}
END_TEST

START_TEST(what_could_not_be_sent_is_told_again_whole)
{
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    send_error = ERR_LIMIT;
    see(1, STATE_CRITICAL);
    send_error = ERR_OK;
    now_ms += BEAT_MS;
    timers[0].cb(timers[0].data);
    ck_assert_uint_eq(sent[1].full, 2);
    ck_assert_uint_eq(sent[1].changes, 1);
}
END_TEST

START_TEST(who_is_present_decides_who_looks)
{
    guide(1,
          (struct words){
              .term = 5, .leads = true, .policy_index = 7, .with_policy = true, .present = {SELF}});
    guide(1,
          (struct words){.term = 5, .leads = true, .policy_index = 7, .present = {SELF - 1, SELF}});
    ck_assert_uint_eq(outlooks_sent, 1);
    ck_assert_uint_eq(o->looks.list[0].outlook.rank, 1);
    ck_assert_uint_eq(o->looks.list[0].outlook.count, 2);
    ck_assert_uint_eq(sent[1].full, 2);
    guide(2, (struct words){.term = 4, .leads = true, .policy_index = 7, .present = {SELF}});
    ck_assert_uint_eq(o->looks.list[0].outlook.count, 2);
}
END_TEST

START_TEST(who_lags_says_that_it_cannot_see)
{
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    now_ms += 1000;
    timers[0].cb(timers[0].data);
    ck_assert(!o->sees);
    ck_assert(!sent[1].sees);
    for (int i = 0; i < 30; i++) {
        now_ms += BEAT_MS;
        timers[0].cb(timers[0].data);
    }
    ck_assert(sent[1].sees);
}
END_TEST

START_TEST(other_controllers_are_linked_to_and_remembered)
{
    Ephor__ClusterMember one = EPHOR__CLUSTER_MEMBER__INIT;
    Ephor__ClusterMember *list[] = {&one};
    Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
    one.id = 2;
    members.members = list;
    members.n_members = 1;
    guide(2, (struct words){.term = 5, .leads = true, .policy_index = 7, .members = &members});
    ck_assert_uint_eq(linked_to, 1);
    ck_assert_uint_eq(saved, 1);
    guide(2, (struct words){.term = 5, .leads = true, .policy_index = 7, .members = &members});
    ck_assert_uint_eq(saved, 1);
    members.n_members = 0; /* nobody to ask any more: not that */
    guide(2, (struct words){.term = 5, .leads = true, .policy_index = 7, .members = &members});
    ck_assert_uint_eq(linked_to, 1);
}
END_TEST

START_TEST(garbage_changes_nothing)
{
    static const uint8_t garbage[] = {0xff, 0x00, 0xfe};
    Ephor__Guide g = EPHOR__GUIDE__INIT;
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    links->on_frame(o, 1, MESH_WATCH, garbage, sizeof(garbage));
    links->on_frame(o, 77, MESH_WATCH, garbage, sizeof(garbage));
    watch.body_case = EPHOR__WATCH__BODY_GUIDE;
    watch.guide = &g;
    g.term = 6;
    g.leading = true;
    g.policy_index = 8;
    g.policy.data = (uint8_t *)(uintptr_t)garbage;
    g.policy.len = sizeof(garbage);
    frame(1, &watch);
    ck_assert_uint_eq(o->looks.policy_index, 7);
}
END_TEST

START_TEST(only_the_leader_hurries_it)
{
    Ephor__Verdicts verdicts = EPHOR__VERDICTS__INIT;
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    watch.body_case = EPHOR__WATCH__BODY_VERDICTS;
    watch.verdicts = &verdicts;
    guide(1, (struct words){.term = 5, .leads = true, .policy_index = 7, .with_policy = true});
    frame(2, &watch);
    ck_assert_uint_eq(verdicts_sent, 0);
    frame(1, &watch);
    ck_assert_uint_eq(verdicts_sent, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observer");
    TCase *tcase = tcase_create("observer");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_newest_leader_is_followed);
    tcase_add_test(tcase, an_earlier_term_is_followed_when_nobody_speaks_for_the_later);
    tcase_add_test(tcase, all_is_told_to_who_follows_the_same_policy);
    tcase_add_test(tcase, what_could_not_be_sent_is_told_again_whole);
    tcase_add_test(tcase, who_is_present_decides_who_looks);
    tcase_add_test(tcase, who_lags_says_that_it_cannot_see);
    tcase_add_test(tcase, other_controllers_are_linked_to_and_remembered);
    tcase_add_test(tcase, garbage_changes_nothing);
    tcase_add_test(tcase, only_the_leader_hurries_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
