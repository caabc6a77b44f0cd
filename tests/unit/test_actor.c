/* What the actor says and does not say: only a leader that is fresh decides that something was not
 * done, and of a node only the last word counts. Without nodes, quorum process and loop. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/lease.h"
#include "orchestrator/sys/now.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { TERM = 7, FRESH_MS = 60000, LONG_AGO_MS = 10000 };

static struct actor actor;
static struct actor_node node;
static struct owed owed;

static void set_up(void)
{
    int64_t now_ms = now_mono_ms();
    memset(&actor, 0, sizeof(actor));
    memset(&node, 0, sizeof(node));
    memset(&owed, 0, sizeof(owed));
    actor.is_leading = true;
    actor.term = actor.orders_term = TERM;
    actor.fresh_until_ms = now_ms + FRESH_MS;
    node.actor = owed.actor = &actor;
    text_copy(node.name, sizeof(node.name), "n1");
    text_copy(owed.node, sizeof(owed.node), "n1");
    text_copy(owed.service, sizeof(owed.service), "web");
    owed.kind = EPHOR__ORDER_KIND__RESTART;
    owed.id = 42;
    owed.since_ms = now_ms;
    owed.deadline_ms = now_ms + FRESH_MS;
    actor.nodes = &node;
    actor.owed = &owed;
}

static void tear_down(void)
{
    outbox_close(&actor);
}

/* The result of the only report; -1: there is none. */
static int told(void)
{
    if (actor.reports == NULL)
        return -1;
    ck_assert_ptr_null(actor.reports->next);
    ck_assert_int_eq(actor.reports->fact->body_case, EPHOR__FACT__BODY_OUTCOME);
    ck_assert_uint_eq(actor.reports->fact->outcome->order, owed.id);
    return (int)actor.reports->fact->outcome->result;
}

START_TEST(test_only_a_fresh_leader_may_act)
{
    ck_assert(actor_may_act(&actor));
    actor.fresh_until_ms = now_mono_ms();
    ck_assert(!actor_may_act(&actor));
    actor.fresh_until_ms = now_mono_ms() + FRESH_MS;
    actor.is_leading = false;
    ck_assert(!actor_may_act(&actor));
    actor.is_leading = true;
    actor.term = TERM + 1; /* its orders have not come yet: an empty hold line would release all */
    ck_assert(!actor_may_act(&actor));
}
END_TEST

START_TEST(test_what_was_not_done_is_told_by_the_leader_alone)
{
    owed.deadline_ms = now_mono_ms() - 1;
    actor.fresh_until_ms = 0;
    commands_run(&actor);
    ck_assert_int_eq(told(), -1);
    actor.fresh_until_ms = now_mono_ms() + FRESH_MS;
    commands_run(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_TOO_LATE);
    commands_run(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_TOO_LATE); /* once */
}
END_TEST

START_TEST(test_what_may_have_begun_is_unknown_not_late)
{
    owed.deadline_ms = now_mono_ms() - 1;
    owed.is_sent = true;
    commands_run(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_UNKNOWN);
}
END_TEST

START_TEST(test_a_lost_connection_is_no_outcome)
{
    owed.is_sent = true;
    owed.since_ms = now_mono_ms() - LONG_AGO_MS;
    owed.lost_ms = now_mono_ms();
    commands_run(&actor);
    ck_assert_int_eq(told(), -1); /* the node is asked as soon as it can be */
    owed.lost_ms = now_mono_ms() - LONG_AGO_MS;
    commands_run(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_UNKNOWN);
}
END_TEST

START_TEST(test_a_node_that_cannot_be_reached_is_told_after_a_while)
{
    commands_run(&actor);
    ck_assert_int_eq(told(), -1);
    owed.since_ms = now_mono_ms() - LONG_AGO_MS;
    commands_run(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_UNREACHABLE);
}
END_TEST

START_TEST(test_only_the_last_word_on_a_node_waits)
{
    outbox_outcome(&actor, &owed, EPHOR__RESULT__RESULT_DONE, "");
    struct actor_node other = {.actor = &actor, .name = "n2"};
    outbox_reach(&node, false, "why");
    outbox_reach(&other, false, "why");
    node.guard = EPHOR__GUARD__GUARD_NFT;
    outbox_reach(&node, true, "");
    const struct report *first = actor.reports, *second = first->next, *third = second->next;
    ck_assert_int_eq(first->fact->body_case, EPHOR__FACT__BODY_OUTCOME);
    ck_assert_str_eq(second->fact->reach->node, "n2");
    ck_assert_str_eq(third->fact->reach->node, "n1");
    ck_assert(third->fact->reach->reachable);
    ck_assert_int_eq(third->fact->reach->guard, EPHOR__GUARD__GUARD_NFT);
    ck_assert_ptr_null(third->next);
}
END_TEST

static void ignore_line(void *data, const char *line)
{
    (void)data;
    (void)line;
}

/* A line may be lost, and the one before it not: WAIT-OUT counts from the lease that ends last. */
START_TEST(test_a_shorter_lease_does_not_end_a_longer_one)
{
    static const struct channel_ops ops = {ignore_line, ignore_line};
    actor.loop = loop_new();
    ck_assert_ptr_nonnull(actor.loop);
    node.lease = channel_open(actor.loop, NULL, "lease", "exec cat >/dev/null", &ops, NULL);
    ck_assert_ptr_nonnull(node.lease);
    node.beat = timer_new(actor.loop, NULL, NULL);
    node.phase = NODE_OPEN;
    owed.kind = EPHOR__ORDER_KIND__HOLD;
    text_copy(owed.word, sizeof(owed.word), "10.0.0.1@eth0");
    owed.lease_ms = 3000;
    node.heard_ms = now_mono_ms();
    int64_t end_ms = node.heard_ms + lease_wait_ms(3000, false);
    holds_beat(&node);
    ck_assert_int_eq(actor.grants->end_ms, end_ms);

    owed.guarded = true;
    owed.lease_ms = 1000;
    node.heard_ms = now_mono_ms();
    holds_beat(&node);
    ck_assert_int_eq(actor.grants->end_ms, end_ms);

    owed.kind = EPHOR__ORDER_KIND__RELEASE;
    owed.wait_ms = 0;
    holds_check(&actor);
    ck_assert_int_eq(told(), -1);
    actor.grants->end_ms = now_mono_ms();
    holds_check(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_ENDED);
    holds_close(&actor);
    channel_close(node.lease);
    timer_free(node.beat);
}
END_TEST

/* One who does not know what was sent waits for all that another may have sent. */
START_TEST(test_who_does_not_know_waits_from_its_own_start)
{
    owed.kind = EPHOR__ORDER_KIND__RELEASE;
    owed.wait_ms = 5000;
    actor.fresh_ms = 300;
    actor.blind_until_ms = now_mono_ms() - 5000;
    holds_check(&actor);
    ck_assert_int_eq(told(), -1);
    actor.blind_until_ms -= 300;
    holds_check(&actor);
    ck_assert_int_eq(told(), EPHOR__RESULT__RESULT_ENDED);
}
END_TEST

START_TEST(test_time_in_which_it_slept_is_not_the_nodes_silence)
{
    node.sent_ms = now_mono_ms() - LONG_AGO_MS;
    holds_excuse(&actor);
    ck_assert_int_ge(node.sent_ms, now_mono_ms() - 1000);
    node.sent_ms = 0;
    holds_excuse(&actor);
    ck_assert_int_eq(node.sent_ms, 0); /* nothing is awaited */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actor");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, test_only_a_fresh_leader_may_act);
    tcase_add_test(all, test_what_was_not_done_is_told_by_the_leader_alone);
    tcase_add_test(all, test_what_may_have_begun_is_unknown_not_late);
    tcase_add_test(all, test_a_lost_connection_is_no_outcome);
    tcase_add_test(all, test_a_node_that_cannot_be_reached_is_told_after_a_while);
    tcase_add_test(all, test_only_the_last_word_on_a_node_waits);
    tcase_add_test(all, test_a_shorter_lease_does_not_end_a_longer_one);
    tcase_add_test(all, test_who_does_not_know_waits_from_its_own_start);
    tcase_add_test(all, test_time_in_which_it_slept_is_not_the_nodes_silence);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
