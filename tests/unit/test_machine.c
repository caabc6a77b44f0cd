/* The machine over the log: entries as bytes, refusals, snapshots, garbage. */
#include "orchestrator/proto/machine.h"

#include "orchestrator/base/text.h"
#include "orchestrator/proto/fact_message.h"
#include "orchestrator/proto/policy_message.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct machine machine;
static struct effects effects;
static uint64_t next_index;

/* ---------------------------------------------------------------- a policy, as a message */

static struct policy_parts {
    Ephor__Policy policy;
    Ephor__Node node[2], *nodes[2];
    Ephor__Service service, *services[1];
    Ephor__Member member[2], *members[2];
    Ephor__Check check[2], *checks[2];
    Ephor__Vip vip[2], *vips[2];
} parts;

static void draw_up_targets(void)
{
    static char *const names[] = {"n1", "n2"}, *const ids[] = {"web/n1/http", "web/n2/http"};
    static char *const vips[] = {"front", "back"}, *const addresses[] = {"10.0.0.1", "10.0.0.2"};
    for (int i = 0; i < 2; i++) {
        ephor__node__init(parts.nodes[i] = &parts.node[i]);
        ephor__member__init(parts.members[i] = &parts.member[i]);
        ephor__check__init(parts.checks[i] = &parts.check[i]);
        ephor__vip__init(parts.vips[i] = &parts.vip[i]);
        parts.node[i].name = parts.node[i].address = names[i];
        parts.member[i].node = (uint32_t)i;
        parts.member[i].priority = (uint32_t)(10 - i);
        parts.check[i].id = ids[i];
        parts.check[i].name = "http";
        parts.check[i].target = (uint32_t)i;
        parts.check[i].failover = true;
        parts.check[i].interval_ms = parts.check[i].timeout_ms = 1000;
        parts.check[i].fall = parts.check[i].rise = 2;
        parts.vip[i].name = vips[i];
        parts.vip[i].address = addresses[i];
        parts.vip[i].interface = "eth0";
        parts.vip[i].lease_ms = 3000;
    }
}

static void draw_up(void)
{
    draw_up_targets();
    ephor__policy__init(&parts.policy);
    ephor__service__init(parts.services[0] = &parts.service);
    parts.service.name = "web";
    parts.service.moves_max = 2;
    parts.service.moves_window_ms = 60000;
    parts.policy.version = 1;
    parts.policy.name = "demo";
    parts.policy.n_nodes = parts.policy.n_members = parts.policy.n_checks = parts.policy.n_vips = 2;
    parts.policy.n_services = 1;
    parts.policy.nodes = parts.nodes;
    parts.policy.services = parts.services;
    parts.policy.members = parts.members;
    parts.policy.checks = parts.checks;
    parts.policy.vips = parts.vips;
}

/* ---------------------------------------------------------------- entries */

static void apply_fact(const Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    ephor__fact__pack(fact, bytes);
    machine_apply(&machine, ++next_index, 1, bytes, size, &effects, NULL);
    free(bytes);
}

static bool adopt(void)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    adopted.policy.len = ephor__policy__get_packed_size(&parts.policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(&parts.policy, adopted.policy.data);
    adopted.digest = "d1";
    fact.at_ms = 1000;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    apply_fact(&fact);
    free(adopted.policy.data);
    ck_assert(effects.has_reply);
    return effects.is_accepted;
}

static void reach(char *node)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Reach message = EPHOR__REACH__INIT;
    message.node = node;
    message.reachable = true;
    fact.at_ms = 2000;
    fact.body_case = EPHOR__FACT__BODY_REACH;
    fact.reach = &message;
    apply_fact(&fact);
}

static void say_ok(void)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Opinions message = EPHOR__OPINIONS__INIT;
    Ephor__OpinionChange change = EPHOR__OPINION_CHANGE__INIT, *changes[] = {&change};
    message.controller = 1;
    message.policy_index = machine.policy_index;
    message.n_changes = 1;
    message.changes = changes;
    fact.at_ms = 3000;
    fact.body_case = EPHOR__FACT__BODY_OPINIONS;
    fact.opinions = &message;
    apply_fact(&fact);
}

/* All that observers can say of a check, counted. */
static struct counted {
    Ephor__Fact fact;
    Ephor__Census census;
    Ephor__CensusCheck check, *checks[CENSUS_MAX + 1];
    uint32_t votes[4], newest[4], answers[4];
} counted;

static void count_up(void)
{
    counted = (struct counted){.votes = {30, 4, 5}, .newest = {1, 2, 40}, .answers = {1, 2, 9}};
    ephor__fact__init(&counted.fact);
    ephor__census__init(&counted.census);
    ephor__census_check__init(&counted.check);
    for (int i = 0; i <= CENSUS_MAX; i++)
        counted.checks[i] = &counted.check;
    counted.check = (Ephor__CensusCheck){.base = counted.check.base,
                                         .check = 1,
                                         .seers = 50,
                                         .silent = 6,
                                         .doubters = 7,
                                         .n_votes = 3,
                                         .votes = counted.votes,
                                         .n_newest = 3,
                                         .newest = counted.newest,
                                         .n_answers = 3,
                                         .answers = counted.answers};
    counted.census.policy_index = machine.policy_index;
    counted.census.n_checks = 1;
    counted.census.checks = counted.checks;
    counted.fact.at_ms = 4000;
    counted.fact.body_case = EPHOR__FACT__BODY_CENSUS;
    counted.fact.census = &counted.census;
}

static void setup(void)
{
    machine_init(&machine);
    next_index = 0;
    draw_up();
}

static void teardown(void)
{
    machine_close(&machine);
}

static void open_granted(void)
{
    ck_assert(adopt());
    reach("n1");
    say_ok();
    ck_assert_int_eq(core_vip(machine.core, 0)->phase, VIP_GRANTED);
}

/* ---------------------------------------------------------------- tests */

START_TEST(test_facts_before_the_first_policy)
{
    reach("n1");
    ck_assert(effects.has_reply && !effects.is_accepted);
    ck_assert_str_eq(effects.reply, "no policy was adopted yet");
    ck_assert_ptr_null(machine.core);
    size_t size;
    ck_assert_ptr_null(machine_snapshot(&machine, &size));
}
END_TEST

START_TEST(test_facts_reach_the_core)
{
    open_granted();
    ck_assert_str_eq(machine.policy_digest, "d1");
    ck_assert_uint_eq(machine.policy_index, 1);
    ck_assert_uint_eq(machine.index, 3);
    ck_assert_int_eq(core_vip(machine.core, 0)->holder, 0);
}
END_TEST

/* A policy that asks for observers, when every controller knows rules 3. */
static void open_counted(void)
{
    parts.check[1].observers = 60;
    open_granted();
    machine.core->rules = 3;
    count_up();
}

START_TEST(test_a_census_reaches_the_core)
{
    open_counted();
    apply_fact(&counted.fact);
    const struct census *census = &core_check(machine.core, 1)->census;
    struct census wanted = {50, 6, 7, {30, 4, 5}, {1, 2, 40}, {1, 2, 9}};
    ck_assert_mem_eq(census, &wanted, sizeof(wanted));
    ck_assert_uint_eq(core_check(machine.core, 1)->observers, 60);
    ck_assert_uint_eq(core_check(machine.core, 0)->census.seers, 0);
    counted.check.n_votes = 1; /* what is 0 at the end may be left out */
    counted.check.n_newest = counted.check.n_answers = 0;
    apply_fact(&counted.fact);
    wanted = (struct census){50, 6, 7, {30}, {0}, {0}};
    ck_assert_mem_eq(census, &wanted, sizeof(wanted));
}
END_TEST

static void check_census_refused(void)
{
    struct census none = {.seers = 0};
    apply_fact(&counted.fact);
    ck_assert_uint_eq(effects.count, 1);
    ck_assert_ptr_nonnull(strstr(effects.lines[0].text, "is not known to this version"));
    ck_assert_mem_eq(&core_check(machine.core, 1)->census, &none, sizeof(none));
    count_up();
}

START_TEST(test_a_census_that_is_too_long_is_refused)
{
    open_counted();
    counted.check.n_votes = 4;
    check_census_refused();
    counted.check.n_newest = 4;
    check_census_refused();
    counted.check.n_answers = 4;
    check_census_refused();
    counted.census.n_checks = CENSUS_MAX + 1;
    check_census_refused();
    counted.census.n_checks = CENSUS_MAX;
    apply_fact(&counted.fact);
    ck_assert_uint_eq(core_check(machine.core, 1)->census.seers, 50);
}
END_TEST

static void reach_from(uint32_t author, uint64_t run, uint64_t sequence, bool reachable)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Reach told = EPHOR__REACH__INIT;
    fact.at_ms = machine.core->at_ms + 1;
    fact.author = author;
    fact.run = run;
    fact.sequence = sequence;
    fact.body_case = EPHOR__FACT__BODY_REACH;
    fact.reach = &told;
    told.node = "n1";
    told.reachable = reachable;
    told.text = "x";
    apply_fact(&fact);
}

/* A controller that did not hear what became of its facts sends them again, in order. */
START_TEST(test_what_is_sent_again_changes_nothing)
{
    struct machine other;
    struct errbuf e = {.text = ""};
    size_t size;
    open_granted();
    reach_from(2, 70, 1, false);
    ck_assert_uint_gt(effects.count, 0);
    reach_from(2, 70, 2, true);
    ck_assert_uint_gt(effects.count, 0);
    reach_from(2, 70, 1, false); /* again, behind the newer one */
    ck_assert_uint_eq(effects.count, 0);
    ck_assert_uint_eq(machine.last.sequence, 1);
    reach_from(2, 70, 2, true);
    ck_assert_uint_eq(effects.count, 0);
    reach_from(3, 70, 1, false); /* another author */
    ck_assert_uint_gt(effects.count, 0);
    reach_from(2, 71, 1, true); /* started anew: its numbers begin again */
    ck_assert_uint_gt(effects.count, 0);
    uint8_t *bytes = machine_snapshot(&machine, &size);
    machine_init(&other);
    ck_assert_int_eq(machine_restore(&other, machine.index, machine.term, bytes, size, &e), ERR_OK);
    machine_close(&machine);
    machine = other; /* who begins with a snapshot knows it, too */
    reach_from(2, 71, 1, false);
    ck_assert_uint_eq(effects.count, 0);
    reach_from(2, 71, 2, false);
    ck_assert_uint_gt(effects.count, 0);
    free(bytes);
}
END_TEST

/* A controller that started anew; what it had sent before arrives behind what it sends now. */
START_TEST(test_what_comes_of_an_earlier_run_is_too_late)
{
    open_granted();
    reach_from(2, 70, 1, false);
    reach_from(2, 71, 1, true);
    ck_assert_uint_gt(effects.count, 0);
    reach_from(2, 70, 2, false);
    ck_assert_uint_eq(effects.count, 0);
    reach_from(2, 71, 1, false);
    ck_assert_uint_eq(effects.count, 0);
    reach_from(2, 72, 1, false);
    ck_assert_uint_gt(effects.count, 0);
    reach_from(2, 71, 2, true);
    ck_assert_uint_eq(effects.count, 0);
}
END_TEST

/* Members come and go, more than there are places: those that speak are remembered. */
START_TEST(test_authors_that_speak_are_remembered)
{
    open_granted();
    for (uint32_t id = 4; id < 100; id++) {
        reach_from(id, 7, 1, id % 2 == 0);
        for (uint32_t old = 1; old <= 3; old++)
            reach_from(old, 70, id, false);
    }
    for (uint32_t old = 1; old <= 3; old++) {
        reach_from(old, 70, 99, true);
        ck_assert_uint_eq(effects.count, 0);
    }
}
END_TEST

static void check_policy_refused(const char *text)
{
    struct core *core = machine.core;
    ck_assert_msg(!adopt(), "%s: adopted", text);
    ck_assert_msg(strstr(effects.reply, text) != NULL, "'%s' is not in '%s'", text, effects.reply);
    ck_assert_ptr_eq(machine.core, core);
    draw_up();
}

START_TEST(test_policies_that_are_not_whole_are_refused)
{
    open_granted();
    parts.policy.version = 2;
    check_policy_refused("policy version 2 is not known here");
    parts.node[1].name = "n1";
    check_policy_refused("there are two nodes 'n1'");
    parts.vip[1].name = "front";
    check_policy_refused("there are two VIPs 'front'");
    parts.vip[1].address = "10.0.0.1";
    check_policy_refused("there are two VIPs of the address '10.0.0.1'");
    parts.vip[1].service = 1;
    check_policy_refused("VIP back is not whole");
    parts.member[1].node = 2;
    check_policy_refused("member 1 names no service or node");
    parts.check[1].target = 2;
    check_policy_refused("check web/n2/http has no target");
    parts.node[1].n_parents = 1;
    parts.node[1].parents = &(uint32_t){2};
    check_policy_refused("node n2: a parent is no node");
    parts.check[0].observers = OBSERVERS_MAX + 1;
    check_policy_refused("check web/n1/http: more than 512 observers");
    parts.service.moves_max = BUDGET_MAX + 1;
    check_policy_refused("budgets end at 8");
    parts.node[0].name = "";
    check_policy_refused("node name '' is empty");
    parts.node[0].name = "n3";
    check_policy_refused("'n1' is not in the new policy but may still hold 10.0.0.1");
    ck_assert(adopt());
}
END_TEST

START_TEST(test_times_that_no_clock_tells_are_refused)
{
    open_granted();
    int64_t at_ms = machine.core->at_ms;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Tick tick = EPHOR__TICK__INIT;
    fact.body_case = EPHOR__FACT__BODY_TICK;
    fact.tick = &tick;
    fact.at_ms = INT64_MAX;
    apply_fact(&fact);
    fact.at_ms = -1;
    apply_fact(&fact);
    ck_assert_int_eq(machine.core->at_ms, at_ms);
    ck_assert_uint_eq(effects.count, 1);
    ck_assert_int_eq(effects.lines[0].event, EVENT_REFUSED);
}
END_TEST

START_TEST(test_snapshot_and_restore)
{
    struct machine other;
    struct errbuf e = {.text = ""};
    size_t size, again_size;
    open_counted();
    apply_fact(&counted.fact);
    uint8_t *bytes = machine_snapshot(&machine, &size);
    machine_init(&other);
    ck_assert_int_eq(machine_restore(&other, machine.index, machine.term, bytes, size, &e), ERR_OK);
    uint8_t *again = machine_snapshot(&other, &again_size);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(bytes, again, size);
    ck_assert_uint_eq(other.index, machine.index);
    ck_assert_uint_eq(other.core->policy_index, machine.core->policy_index);
    ck_assert_uint_eq(core_check(other.core, 1)->census.newest[STATE_CRITICAL], 40);
    free(bytes);
    free(again);
    machine_close(&other);
}
END_TEST

static uint64_t random_state = 2024;

static uint32_t number(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % below;
}

START_TEST(test_damaged_snapshots_change_nothing)
{
    struct errbuf e;
    size_t size;
    open_granted();
    uint8_t *bytes = machine_snapshot(&machine, &size);
    for (int i = 0; i < 3000; i++) {
        struct machine other;
        uint8_t *copy = malloc(size);
        size_t cut = number(4) == 0 ? number((uint32_t)size) : size;
        memcpy(copy, bytes, size);
        copy[number((uint32_t)size)] ^= (uint8_t)(1 + number(255));
        machine_init(&other);
        if (machine_restore(&other, 9, 1, copy, cut, &e) != ERR_OK) {
            ck_assert_ptr_null(other.core);
            ck_assert_str_ne(e.text, "");
        }
        machine_close(&other);
        free(copy);
    }
    free(bytes);
}
END_TEST

START_TEST(test_garbage_in_the_log_is_refused_and_said)
{
    uint8_t bytes[200];
    open_granted();
    size_t before_size, after_size;
    uint8_t *before = machine_snapshot(&machine, &before_size);
    machine_apply(&machine, ++next_index, 1, "\xff\xff\xff", 3, &effects, NULL);
    ck_assert_str_eq(effects.lines[0].text, "entry 4 is not a fact");
    machine_apply(&machine, ++next_index, 1, "", 0, &effects, NULL);
    ck_assert_str_eq(effects.lines[0].text, "entry 5 is not known to this version");
    uint8_t *after = machine_snapshot(&machine, &after_size);
    ck_assert_uint_eq(before_size, after_size);
    ck_assert_mem_eq(before, after, before_size);
    free(before);
    free(after);
    for (int i = 0; i < 20000; i++) {
        size_t size = number(sizeof(bytes));
        for (size_t n = 0; n < size; n++)
            bytes[n] = (uint8_t)number(256);
        machine_apply(&machine, ++next_index, 1, bytes, size, &effects, NULL);
    }
}
END_TEST

static void apply_damaged(uint8_t *bytes, size_t size)
{
    for (int i = 0; i < 20000; i++) {
        uint32_t at = number((uint32_t)size);
        uint8_t kept = bytes[at];
        bytes[at] = (uint8_t)number(256);
        machine_apply(&machine, ++next_index, 1, bytes, size, &effects, NULL);
        bytes[at] = kept;
    }
}

/* Real entries with a byte changed: nearer to what the core believes than noise is. */
START_TEST(test_damaged_entries_never_break_the_core)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Outcome outcome = EPHOR__OUTCOME__INIT;
    uint8_t bytes[200];
    open_granted();
    outcome.order = core_vip(machine.core, 0)->order;
    outcome.object = "front";
    outcome.node = "n1";
    fact.at_ms = 4000;
    fact.body_case = EPHOR__FACT__BODY_OUTCOME;
    fact.outcome = &outcome;
    apply_damaged(bytes, ephor__fact__pack(&fact, bytes));
    machine.core->rules = 3;
    core_check(machine.core, 1)->observers = 60;
    count_up();
    apply_damaged(bytes, ephor__fact__pack(&counted.fact, bytes));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine");
    TCase *t = tcase_create("machine");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_facts_before_the_first_policy);
    tcase_add_test(t, test_facts_reach_the_core);
    tcase_add_test(t, test_a_census_reaches_the_core);
    tcase_add_test(t, test_a_census_that_is_too_long_is_refused);
    tcase_add_test(t, test_policies_that_are_not_whole_are_refused);
    tcase_add_test(t, test_times_that_no_clock_tells_are_refused);
    tcase_add_test(t, test_snapshot_and_restore);
    tcase_add_test(t, test_what_is_sent_again_changes_nothing);
    tcase_add_test(t, test_what_comes_of_an_earlier_run_is_too_late);
    tcase_add_test(t, test_authors_that_speak_are_remembered);
    tcase_add_test(t, test_damaged_snapshots_change_nothing);
    tcase_add_test(t, test_garbage_in_the_log_is_refused_and_said);
    tcase_add_test(t, test_damaged_entries_never_break_the_core);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
