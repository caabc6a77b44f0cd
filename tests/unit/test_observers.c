/* A controller and the observers that are linked to it: what they are told, what of their word is
 * counted, and what the leader proposes. Links, timers and the log are played; the machine is real.
 */
#include "orchestrator/quorum/observers.h"

#include "orchestrator/base/text.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"
#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>

enum { ONE = 1001, TWO = 1002, CHECKS = BIG_MEMBERS * BIG_CHECKS, POLICY_WIDTH = 30 };

static struct quorum q;
static struct effects effects;
static Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
static uint64_t written; /* entries of the log */
static int64_t now_ms;

static struct sent { /* to one observer */
    uint32_t guides, policies, verdicts, memberships, present;
    bool leading;
    uint64_t policy_index;
} sent[2];
static size_t queued;
static int send_error;

static Ephor__Fact *proposed; /* NULL: none is on its way */
static proposal_then *then;
static struct timer {
    timer_cb *cb;
    void *data;
    bool is_started;
} timer;

/* ---------------------------------------------------------------- what is played */

int64_t now_mono_ms(void)
{
    return now_ms;
}

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    (void)loop;
    timer = (struct timer){.cb = cb, .data = data};
    return &timer;
}

void timer_start(struct timer *t, int64_t delay_ms, int64_t repeat_ms)
{
    (void)delay_ms;
    (void)repeat_ms;
    t->is_started = true;
}

void timer_free(struct timer *t)
{
    t->is_started = false;
}

const Ephor__Membership *engine_members(const struct engine *engine)
{
    (void)engine;
    return &members;
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    struct sent *to = &sent[id - ONE];
    Ephor__Watch *watch = ephor__watch__unpack(NULL, size, bytes);
    ck_assert(mesh == q.mesh && channel == MESH_WATCH && watch != NULL);
    if (send_error == ERR_OK && watch->body_case == EPHOR__WATCH__BODY_GUIDE) {
        to->guides++;
        to->policies += watch->guide->policy.len > 0 ? 1 : 0;
        to->memberships += watch->guide->members != NULL ? 1 : 0;
        to->present = (uint32_t)watch->guide->n_present;
        to->leading = watch->guide->leading;
        to->policy_index = watch->guide->policy_index;
    } else if (send_error == ERR_OK) {
        ck_assert_int_eq(watch->body_case, EPHOR__WATCH__BODY_VERDICTS);
        to->verdicts++;
    }
    ephor__watch__free_unpacked(watch, NULL);
    return send_error;
}

size_t mesh_queued(const struct mesh *mesh)
{
    (void)mesh;
    return queued;
}

void mesh_drop_observer(struct mesh *mesh, uint32_t id)
{
    (void)mesh;
    observers_on_lost(q.observers, id);
}

void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then_)
{
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    size_t size = ephor__fact__pack(fact, bytes);
    ck_assert(quorum == &q && kind == PROPOSAL_OF_LEADER && peer == NULL && sequence == 0);
    ck_assert_ptr_null(proposed);
    ck_assert_int_eq(fact->body_case, EPHOR__FACT__BODY_CENSUS);
    proposed = ephor__fact__unpack(NULL, size, bytes);
    then = then_;
    free(bytes);
}

/* ---------------------------------------------------------------- the log */

static void apply(Ephor__Fact *fact)
{
    fact->at_ms = (int64_t)++written;
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    size_t size = ephor__fact__pack(fact, bytes);
    machine_apply(&q.machine, written, 1, bytes, size, &effects, NULL);
    free(bytes);
}

static void end_proposal(int err)
{
    ck_assert_ptr_nonnull(proposed);
    Ephor__Fact *fact = proposed;
    proposed = NULL;
    if (err == ERR_OK)
        apply(fact);
    ephor__fact__free_unpacked(fact, NULL);
    then(&q, err, written);
}

static void adopt(uint32_t observers)
{
    Ephor__Policy *policy = big_policy(1, false);
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    char digest[DIGEST_SIZE];
    snprintf(digest, sizeof(digest), "%032llu", (unsigned long long)written);
    for (size_t i = 0; i < policy->n_checks; i++)
        policy->checks[i]->observers = observers;
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len);
    ephor__policy__pack(policy, adopted.policy.data);
    adopted.digest = digest;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    apply(&fact);
    ck_assert_uint_eq(q.machine.policy_index, written);
    free(adopted.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
    q.machine.core->rules = core_rules_max;
    observers_on_policy(q.observers);
}

static void change(Ephor__Observer *added, const char *removed)
{
    Ephor__ObserverChange c = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    c.added = added;
    c.removed = (char *)(uintptr_t)removed;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &c;
    apply(&fact);
}

static void register_one(const char *name, uint8_t key)
{
    uint8_t fingerprint[OBSERVER_KEY_SIZE];
    Ephor__Observer observer = EPHOR__OBSERVER__INIT;
    memset(fingerprint, key, sizeof(fingerprint));
    observer.name = (char *)(uintptr_t)name;
    observer.fingerprint = (ProtobufCBinaryData){.len = sizeof(fingerprint), .data = fingerprint};
    change(&observer, "");
}

/* ---------------------------------------------------------------- what observers say */

static void report(uint32_t id, const Ephor__Report *r)
{
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    watch.body_case = EPHOR__WATCH__BODY_REPORT;
    watch.report = (Ephor__Report *)(uintptr_t)r;
    uint8_t *bytes = malloc(ephor__watch__get_packed_size(&watch) + 1);
    size_t size = ephor__watch__pack(&watch, bytes);
    observers_on_frame(q.observers, id, bytes, size);
    free(bytes);
}

static void say(uint32_t id, bool full, uint64_t policy_index, uint32_t check, int state)
{
    Ephor__OpinionChange c = EPHOR__OPINION_CHANGE__INIT;
    Ephor__OpinionChange *list[] = {&c};
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__Report r = EPHOR__REPORT__INIT;
    c.check = check;
    c.state = (Ephor__State)state;
    opinions.policy_index = policy_index;
    opinions.changes = list;
    opinions.n_changes = 1;
    r.full = full;
    r.sees = true;
    r.opinions = &opinions;
    report(id, &r);
}

static void say_nothing(uint32_t id, bool full, bool sees)
{
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__Report r = EPHOR__REPORT__INIT;
    opinions.policy_index = q.machine.policy_index;
    r.full = full;
    r.sees = sees;
    r.opinions = &opinions;
    report(id, &r);
}

static const struct census *census(uint32_t check)
{
    return &core_check(q.machine.core, (int32_t)check)->census;
}

static void gathered(void)
{
    if (timer.is_started) {
        timer.is_started = false;
        timer.cb(timer.data);
    }
}

static void lead(bool leads)
{
    q.is_leading = leads;
    q.term = q.leader_term = q.leader_told_term = 3;
    observers_on_leader(q.observers);
}

static void setup(void)
{
    static char mesh;
    memset(&q, 0, sizeof(q));
    memset(sent, 0, sizeof(sent));
    written = queued = 0;
    now_ms = 100000;
    send_error = ERR_OK;
    machine_init(&q.machine);
    q.mesh = (struct mesh *)(void *)&mesh;
    q.observers = observers_new(&q);
    adopt(OBSERVERS_MAX);
    register_one("one", 1);
    register_one("two", 2);
    ck_assert_uint_eq(q.machine.registry.count, 2);
}

static void teardown(void)
{
    observers_free(q.observers);
    machine_close(&q.machine);
    if (proposed != NULL)
        ephor__fact__free_unpacked(proposed, NULL);
    proposed = NULL;
}

static void link_both(void)
{
    observers_on_linked(q.observers, ONE);
    observers_on_linked(q.observers, TWO);
}

/* ---------------------------------------------------------------- tests */

START_TEST(who_is_let_in_is_in_the_log)
{
    uint8_t key[OBSERVER_KEY_SIZE];
    Ephor__Hello hello = EPHOR__HELLO__INIT;
    memset(key, 1, sizeof(key));
    ck_assert(observers_is_key(q.observers, key));
    hello.id = ONE;
    ck_assert_ptr_null(observers_judge(q.observers, &hello, key));
    hello.id = TWO;
    ck_assert_ptr_nonnull(observers_judge(q.observers, &hello, key));
    hello.id = 1003;
    ck_assert_ptr_nonnull(observers_judge(q.observers, &hello, key));
    memset(key, 3, sizeof(key));
    ck_assert(!observers_is_key(q.observers, key));
}
END_TEST

START_TEST(a_guide_comes_at_once_every_second_and_with_news)
{
    observers_on_linked(q.observers, ONE);
    ck_assert_uint_eq(sent[0].guides, 1);
    ck_assert_uint_eq(sent[0].memberships, 1);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].guides, 1);
    now_ms += 1000;
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].guides, 2);
    ck_assert_uint_eq(sent[0].memberships, 1);
    observers_on_members(q.observers);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].memberships, 2);
    lead(true);
    observers_on_linked(q.observers, TWO);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].present, 2);
    say_nothing(TWO, false, false);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].present, 1);
}
END_TEST

START_TEST(the_leader_sends_the_policy_to_who_does_not_follow)
{
    link_both();
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].policies, 0);
    lead(true);
    say_nothing(TWO, true, true); /* follows already */
    queued = SIZE_MAX / 2;
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].policies, 0);
    queued = 0;
    send_error = ERR_LIMIT;
    observers_work(q.observers);
    send_error = ERR_OK;
    observers_work(q.observers);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[0].policies, 1);
    ck_assert_uint_eq(sent[1].policies, 0);
    adopt(OBSERVERS_MAX);
    observers_work(q.observers);
    ck_assert_uint_eq(sent[1].policies, 1);
    ck_assert_uint_eq(sent[1].policy_index, q.machine.policy_index);
}
END_TEST

START_TEST(the_leader_proposes_what_changed_once)
{
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_CRITICAL);
    gathered();
    ck_assert_ptr_null(proposed); /* the other one has not reported */
    say_nothing(TWO, true, true);
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_ptr_null(proposed);
    ck_assert_uint_eq(census(1)->votes[STATE_CRITICAL], 1);
    ck_assert_uint_eq(census(1)->seers, 1);
    say(TWO, false, q.machine.policy_index, 1, STATE_OK);
    gathered();
    ck_assert_uint_eq(proposed->census->n_checks, 1);
    say(ONE, false, q.machine.policy_index, 2, STATE_OK); /* while it is on its way */
    gathered();
    end_proposal(ERR_OK);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->seers, 2);
    ck_assert_uint_eq(census(2)->votes[STATE_OK], 1);
}
END_TEST

START_TEST(what_could_not_be_written_is_said_again)
{
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_CRITICAL);
    say_nothing(TWO, true, true);
    gathered();
    end_proposal(ERR_AGAIN);
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_CRITICAL], 1);
}
END_TEST

START_TEST(who_does_not_lead_counts_and_says_nothing)
{
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_CRITICAL);
    say_nothing(TWO, true, true);
    gathered();
    observers_work(q.observers);
    ck_assert_ptr_null(proposed);
    lead(true); /* and knows all of it when it does */
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_CRITICAL], 1);
}
END_TEST

START_TEST(who_leads_again_corrects_what_another_one_counted)
{
    Ephor__CensusCheck other = EPHOR__CENSUS_CHECK__INIT;
    Ephor__CensusCheck *list[] = {&other};
    Ephor__Census counted = EPHOR__CENSUS__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_OK);
    say_nothing(TWO, true, true);
    gathered();
    end_proposal(ERR_OK);
    lead(false);
    other.check = 1;
    counted.policy_index = q.machine.policy_index;
    counted.checks = list;
    counted.n_checks = 1;
    fact.body_case = EPHOR__FACT__BODY_CENSUS;
    fact.census = &counted;
    apply(&fact);
    ck_assert_uint_eq(census(1)->seers, 0);
    lead(true);
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->seers, 1);
}
END_TEST

START_TEST(a_new_leader_waits_for_the_observers_and_not_for_ever)
{
    lead(true);
    observers_on_linked(q.observers, ONE);
    say(ONE, true, q.machine.policy_index, 1, STATE_OK);
    observers_work(q.observers);
    ck_assert_ptr_null(proposed);
    now_ms += 2000;
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_OK], 1);
}
END_TEST

START_TEST(older_rules_know_no_census)
{
    lead(true);
    link_both();
    q.machine.core->rules = 2;
    say(ONE, true, q.machine.policy_index, 1, STATE_OK);
    say_nothing(TWO, true, true);
    gathered();
    observers_work(q.observers);
    ck_assert_ptr_null(proposed);
}
END_TEST

START_TEST(reports_of_another_policy_do_not_count)
{
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index - 1, 1, STATE_CRITICAL);
    say(TWO, true, q.machine.policy_index, 1, STATE_OK);
    say(TWO, false, q.machine.policy_index - 1, 1, STATE_CRITICAL);
    now_ms += 2000;
    say_nothing(ONE, false, true);
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->seers, 1);
    ck_assert_uint_eq(census(1)->votes[STATE_OK], 1);
    adopt(OBSERVERS_MAX);
    say(ONE, true, q.machine.policy_index, 1, STATE_WARNING);
    say(TWO, true, q.machine.policy_index, 1, STATE_WARNING);
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_WARNING], 2);
}
END_TEST

START_TEST(who_is_silent_or_removed_goes)
{
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_OK);
    say(TWO, true, q.machine.policy_index, 1, STATE_OK);
    gathered();
    end_proposal(ERR_OK);
    now_ms += 2900;
    say_nothing(ONE, false, true);
    now_ms += 200;
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->seers, 1);
    change(NULL, "one");
    observers_work(q.observers);
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->seers, 0);
    Ephor__FeedState feed = EPHOR__FEED_STATE__INIT;
    observers_feed(q.observers, &feed);
    ck_assert_uint_eq(feed.n_observers, 0);
    observers_feed_free(&feed);
}
END_TEST

START_TEST(who_cannot_see_abstains)
{
    lead(true);
    link_both();
    say(ONE, true, q.machine.policy_index, 1, STATE_CRITICAL);
    say(TWO, true, q.machine.policy_index, 1, STATE_OK);
    gathered();
    end_proposal(ERR_OK);
    say_nothing(ONE, false, false);
    gathered();
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_CRITICAL], 0);
    ck_assert_uint_eq(census(1)->seers, 2);
    say_nothing(ONE, false, true);
    gathered();
    end_proposal(ERR_OK);
    ck_assert_uint_eq(census(1)->votes[STATE_CRITICAL], 1);
}
END_TEST

START_TEST(verdicts_go_to_those_who_look)
{
    Ephor__CheckVerdict v = EPHOR__CHECK_VERDICT__INIT;
    Ephor__CheckVerdict *list[] = {&v};
    Ephor__Verdicts verdicts = EPHOR__VERDICTS__INIT;
    verdicts.verdicts = list;
    verdicts.n_verdicts = 1;
    link_both();
    observers_send_verdicts(q.observers, &verdicts);
    ck_assert_uint_eq(sent[0].verdicts, 0);
    lead(true);
    observers_send_verdicts(q.observers, &verdicts);
    ck_assert_uint_eq(sent[0].verdicts, 1);
    ck_assert_uint_eq(sent[1].verdicts, 1);
    adopt(0);
    observers_send_verdicts(q.observers, &verdicts);
    ck_assert_uint_eq(sent[0].verdicts, 1);
}
END_TEST

static bool is_linked(uint32_t id)
{
    Ephor__FeedState feed = EPHOR__FEED_STATE__INIT;
    bool found = false;
    observers_feed(q.observers, &feed);
    for (size_t i = 0; i < feed.n_observers; i++)
        found |= feed.observers[i]->id == id;
    observers_feed_free(&feed);
    return found;
}

START_TEST(nonsense_ends_the_link_and_counts_nowhere)
{
    static const uint8_t garbage[] = {0xff, 0x01, 0x02};
    Ephor__Report empty = EPHOR__REPORT__INIT;
    lead(true);
    for (int what = 0; what < 4; what++) {
        link_both();
        say_nothing(TWO, true, true);
        say_nothing(ONE, true, true);
        if (what == 0)
            observers_on_frame(q.observers, ONE, garbage, sizeof(garbage));
        else if (what == 1)
            say(ONE, false, q.machine.policy_index, CHECKS, STATE_OK);
        else if (what == 2)
            say(ONE, false, q.machine.policy_index, 1, 4);
        else
            report(ONE, &empty);
        ck_assert_msg(!is_linked(ONE), "nonsense %d is taken", what);
        ck_assert(is_linked(TWO));
        observers_on_lost(q.observers, TWO);
    }
    now_ms += 2000;
    observers_work(q.observers);
    ck_assert_ptr_null(proposed);
    observers_on_frame(q.observers, ONE, garbage, sizeof(garbage)); /* of one that is gone */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observers");
    TCase *tcase = tcase_create("observers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, who_is_let_in_is_in_the_log);
    tcase_add_test(tcase, a_guide_comes_at_once_every_second_and_with_news);
    tcase_add_test(tcase, the_leader_sends_the_policy_to_who_does_not_follow);
    tcase_add_test(tcase, the_leader_proposes_what_changed_once);
    tcase_add_test(tcase, what_could_not_be_written_is_said_again);
    tcase_add_test(tcase, who_does_not_lead_counts_and_says_nothing);
    tcase_add_test(tcase, who_leads_again_corrects_what_another_one_counted);
    tcase_add_test(tcase, a_new_leader_waits_for_the_observers_and_not_for_ever);
    tcase_add_test(tcase, older_rules_know_no_census);
    tcase_add_test(tcase, reports_of_another_policy_do_not_count);
    tcase_add_test(tcase, who_is_silent_or_removed_goes);
    tcase_add_test(tcase, who_cannot_see_abstains);
    tcase_add_test(tcase, verdicts_go_to_those_who_look);
    tcase_add_test(tcase, nonsense_ends_the_link_and_counts_nowhere);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
