/* Diagnoses: each word, and what comes near it. Four nodes with two services, web and db: the
 * checks 0 to 3 are of web on n1 to n4, 4 to 7 of db; three controllers. */
#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/snapshot.h"
#include "orchestrator/core/stale.h"
#include "tests/unit/core_fixture.h"

enum { SEATS = 3, CHECKS = 8 };

static struct bench b;
static struct diagnosis d;

static void gather(const char *board)
{
    bench_board(&b, board);
    for (uint32_t seat = 1; seat <= strlen(board); seat++) {
        bench_presence(&b, seat, true, seat);
        for (uint32_t i = 0; i < CHECKS; i++)
            bench_see(&b, seat, i, STATE_OK, CAUSE_NONE);
        for (int32_t n = 0; n < 4; n++)
            bench_reach_from(&b, seat, core_node(b.core, n)->name, true);
    }
}

static void setup(void)
{
    struct draft draft = draft_pair();
    draft.nodes = 4;
    draft.services = 2;
    draft.vips = 0;
    for (int32_t n = 0; n < 4; n++)
        draft.members[0][n] = draft.members[1][n] = n + 1;
    bench_open(&b, &draft);
    gather("VVV");
    ck_assert_int_eq(core_check_count(b.core), CHECKS);
}

static void teardown(void)
{
    bench_close(&b);
}

static void all_see(uint32_t check, enum state state, enum cause cause)
{
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        bench_see(&b, seat, check, state, cause);
}

/* Nothing of the node answers this controller; with its SSH. */
static void loses(uint32_t seat, uint32_t node)
{
    bench_see(&b, seat, node, STATE_CRITICAL, CAUSE_SILENT);
    bench_see(&b, seat, node + 4, STATE_CRITICAL, CAUSE_UNREACHABLE);
    bench_reach_from(&b, seat, core_node(b.core, (int32_t)node)->name, false);
}

static void all_lose(uint32_t node)
{
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        loses(seat, node);
}

#define ASSERT_DIAGNOSIS(kind_, evidence_)                                                \
    ck_assert_msg(d.kind == DIAGNOSIS_##kind_ && strstr(d.evidence, evidence_) != NULL && \
                      (d.next[0] == '\0') == (d.kind == DIAGNOSIS_NONE),                  \
                  "%s, because '%s'; '%s'", diagnosis_name(d.kind), d.evidence, d.next)

#define ASSERT_CHECK(check_, kind_, evidence_)   \
    do {                                         \
        core_diagnose_check(b.core, check_, &d); \
        ASSERT_DIAGNOSIS(kind_, evidence_);      \
    } while (0)

#define ASSERT_NODE(node_, kind_, evidence_)   \
    do {                                       \
        core_diagnose_node(b.core, node_, &d); \
        ASSERT_DIAGNOSIS(kind_, evidence_);    \
    } while (0)

#define ASSERT_CONTROLLER(seat_, kind_, evidence_)   \
    do {                                             \
        core_diagnose_controller(b.core, seat_, &d); \
        ASSERT_DIAGNOSIS(kind_, evidence_);          \
    } while (0)

#define ASSERT_MEMBER(member_, kind_, evidence_)   \
    do {                                           \
        core_diagnose_member(b.core, member_, &d); \
        ASSERT_DIAGNOSIS(kind_, evidence_);        \
    } while (0)

static void nothing_else_is_wrong(int32_t node)
{
    for (int32_t n = 0; n < 4; n++)
        if (n != node)
            ASSERT_NODE(n, NONE, "");
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        ASSERT_CONTROLLER(seat, NONE, "");
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(NONE, "");
}

/* ---------------------------------------------------------------- the service */

START_TEST(when_all_is_well_nothing_is_said)
{
    for (int32_t i = 0; i < CHECKS; i++)
        ASSERT_CHECK(i, NONE, "");
    for (int32_t i = 0; i < core_member_count(b.core); i++)
        ASSERT_MEMBER(i, NONE, "");
    nothing_else_is_wrong(NONE);
}
END_TEST

START_TEST(service_wrong)
{
    static const enum cause causes[] = {CAUSE_WRONG, CAUSE_REFUSED, CAUSE_BROKEN};
    for (size_t i = 0; i < 3; i++) {
        all_see(0, STATE_CRITICAL, causes[i]);
        ASSERT_CHECK(0, WRONG, "c1, c2 and c3: ");
        ck_assert_ptr_nonnull(strstr(d.evidence, cause_name(causes[i])));
        ck_assert_ptr_nonnull(strstr(d.next, "on n1"));
        ASSERT_MEMBER(0, WRONG, "");
    }
    ASSERT_CHECK(1, NONE, "");
    ASSERT_NODE(0, NONE, "");
    nothing_else_is_wrong(0);
    bench_see(&b, 1, 1, STATE_CRITICAL, CAUSE_WRONG); /* an answer, although only one got it */
    ASSERT_CHECK(1, WRONG, "c1: wrong; c2 and c3: ok");
}
END_TEST

START_TEST(service_hung)
{
    all_see(0, STATE_CRITICAL, CAUSE_HUNG);
    ASSERT_CHECK(0, HUNG, "c1, c2 and c3: hung");
    ASSERT_MEMBER(0, HUNG, "");
    nothing_else_is_wrong(0);
    bench_see(&b, 3, 0, STATE_CRITICAL, CAUSE_SILENT);
    ASSERT_CHECK(0, HUNG, "c1 and c2: hung; c3: silent"); /* most of them */
}
END_TEST

START_TEST(the_newest_answer_counts)
{
    all_see(0, STATE_CRITICAL, CAUSE_REFUSED);
    bench_doubt(&b, 1, 0, STATE_CRITICAL, STATE_OK, 1);
    ASSERT_CHECK(0, WRONG, "c2 and c3: refused; c1: ok");
}
END_TEST

START_TEST(service_slow)
{
    all_see(0, STATE_WARNING, CAUSE_SLOW);
    ASSERT_CHECK(0, SLOW, "slow");
    ASSERT_MEMBER(0, SLOW, "");
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(certificate)
{
    all_see(0, STATE_WARNING, CAUSE_CERTIFICATE);
    ASSERT_CHECK(0, CERTIFICATE, "certificate");
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(name_resolution)
{
    all_see(0, STATE_UNKNOWN, CAUSE_NAME);
    ASSERT_CHECK(0, NAME, "c1, c2 and c3: name");
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(what_is_not_told_is_unknown)
{
    all_see(0, STATE_CRITICAL, CAUSE_NONE);
    ASSERT_CHECK(0, UNKNOWN, "c1, c2 and c3: bad");
}
END_TEST

/* ---------------------------------------------------------------- the node */

START_TEST(node_dead)
{
    all_lose(0);
    ck_assert(bench_told(&b, EVENT_DIAGNOSIS, "node dead: c1, c2 and c3: silent; no SSH"));
    ASSERT_NODE(0, DEAD, "no SSH");
    ASSERT_CHECK(0, DEAD, "c1, c2 and c3: silent");
    ASSERT_CHECK(4, DEAD, "unreachable");
    ASSERT_MEMBER(0, DEAD, "");
    nothing_else_is_wrong(0);
    all_see(0, STATE_OK, CAUSE_NONE);
    ck_assert(bench_told(&b, EVENT_DIAGNOSIS, "node dead: over") ||
              b.core->controllers[0].diagnosis == DIAGNOSIS_NONE);
    ASSERT_NODE(0, NETWORK, "in part");
}
END_TEST

START_TEST(a_node_whose_ssh_works_is_not_dead)
{
    all_lose(0);
    bench_reach_from(&b, 2, "n1", true);
    ASSERT_NODE(0, NETWORK, "SSH works from c2");
    ASSERT_CHECK(0, NETWORK, "");
}
END_TEST

START_TEST(a_port_that_is_filtered_is_the_nodes_network)
{
    all_see(0, STATE_CRITICAL, CAUSE_SILENT);
    ASSERT_CHECK(0, NETWORK, "c1, c2 and c3: silent");
    ASSERT_NODE(0, NETWORK, "c1, c2 and c3: in part");
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        bench_reach_from(&b, seat, "n1", false);
    ASSERT_CHECK(0, NETWORK, ""); /* db is still heard */
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(partial_loss_is_the_nodes_network)
{
    all_see(0, STATE_WARNING, CAUSE_LOSS);
    ASSERT_CHECK(0, NETWORK, "loss");
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(two_that_do_not_get_there_are_no_path_from_one)
{
    loses(1, 0);
    loses(2, 0);
    ASSERT_CHECK(0, NETWORK, "c1 and c2: silent; c3: ok");
    ASSERT_NODE(0, NETWORK, "c1 and c2: silent; c3: ok");
    nothing_else_is_wrong(0);
}
END_TEST

START_TEST(only_ssh_is_missing)
{
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        bench_reach_from(&b, seat, "n1", false);
    ASSERT_NODE(0, WRONG, "no SSH");
    ck_assert_ptr_nonnull(strstr(d.next, "sshd on n1"));
    bench_reach_from(&b, 1, "n1", true);
    bench_reach_from(&b, 2, "n1", true);
    ASSERT_NODE(0, PATH, "SSH works from c1 and c2");
    core_member(b.core, 0)->node = core_member(b.core, 4)->node = 1;
    stale_link(b.core);
    ASSERT_NODE(0, NONE, ""); /* a switch: nobody works on it */
}
END_TEST

/* ---------------------------------------------------------------- parents */

START_TEST(parent_failed)
{
    core_node(b.core, 1)->parents[0] = 0;
    core_node(b.core, 1)->parents[1] = 2;
    all_lose(0);
    all_lose(1);
    ASSERT_NODE(1, DEAD, ""); /* one of two parents is left */
    all_lose(2);
    ASSERT_NODE(1, PARENT, "silent");
    ASSERT_CHECK(1, PARENT, "");
    ASSERT_MEMBER(1, PARENT, "");
    ck_assert_ptr_nonnull(strstr(d.next, "look at n1 and n3 first; n2 is only behind"));
    ASSERT_NODE(0, DEAD, "");
    all_see(1, STATE_CRITICAL, CAUSE_REFUSED); /* there is a way after all */
    ASSERT_CHECK(1, WRONG, "");
    ASSERT_CHECK(5, NETWORK, "");
}
END_TEST

/* ---------------------------------------------------------------- controllers */

START_TEST(path_from_one_controller)
{
    loses(1, 0);
    ASSERT_CHECK(0, PATH, "c1: silent; c2 and c3: ok");
    ck_assert_ptr_nonnull(strstr(d.next, "on c1 try 'ip route get 10.9.0.1'"));
    ASSERT_NODE(0, PATH, "c1: silent; c2 and c3: ok");
    nothing_else_is_wrong(0);
    bench_see(&b, 1, 1, STATE_CRITICAL, CAUSE_REFUSED); /* a firewall may refuse, too */
    ASSERT_CHECK(1, PATH, "c1: refused");
}
END_TEST

START_TEST(losing_the_only_node_is_no_being_cut_off)
{
    struct draft draft = draft_pair();
    draft.nodes = 1;
    draft.services = 2;
    draft.vips = 0;
    draft.members[0][1] = 0;
    draft.members[1][0] = 1;
    bench_close(&b);
    bench_open(&b, &draft);
    bench_board(&b, "VVV");
    for (uint32_t seat = 1; seat <= SEATS; seat++) {
        bench_presence(&b, seat, true, seat);
        bench_see(&b, seat, 0, seat == 3 ? STATE_CRITICAL : STATE_OK, CAUSE_SILENT);
        bench_see(&b, seat, 1, seat == 3 ? STATE_CRITICAL : STATE_OK, CAUSE_SILENT);
    }
    ASSERT_CONTROLLER(3, NONE, "");
    ASSERT_NODE(0, PATH, "c3: silent; c1 and c2: ok");
}
END_TEST

START_TEST(two_controllers_each_with_one_path_lost)
{
    loses(1, 0);
    loses(2, 1);
    ASSERT_NODE(0, PATH, "c1: silent");
    ASSERT_NODE(1, PATH, "c2: silent");
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        ASSERT_CONTROLLER(seat, NONE, "");
}
END_TEST

START_TEST(a_single_bad_answer_says_nothing)
{
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 1);
    ASSERT_CHECK(0, NONE, "");
    ASSERT_NODE(0, NONE, "");
}
END_TEST

START_TEST(controller_cut_off_from_the_nodes)
{
    for (uint32_t node = 0; node < 3; node++)
        loses(3, node);
    ck_assert(bench_told(&b, EVENT_DIAGNOSIS, "controller cut off: c3 gets no answer") ||
              b.core->controllers[2].diagnosis == DIAGNOSIS_CUT_OFF);
    ASSERT_CONTROLLER(3, CUT_OFF, "c3 gets no answer to 6 of its 8 checks; others do");
    ASSERT_CHECK(0, CUT_OFF, "c3: silent; c1 and c2: ok");
    ASSERT_CONTROLLER(1, NONE, "");
    for (int32_t n = 0; n < 4; n++)
        ASSERT_NODE(n, NONE, "");
    all_see(0, STATE_CRITICAL, CAUSE_REFUSED); /* beside it, something else is seen */
    bench_see(&b, 3, 0, STATE_CRITICAL, CAUSE_SILENT);
    ASSERT_CHECK(0, WRONG, "c1 and c2: refused; c3: silent");
}
END_TEST

START_TEST(half_of_the_checks_are_not_enough)
{
    loses(3, 0);
    loses(3, 1);
    ASSERT_CONTROLLER(3, NONE, "");
    ASSERT_CHECK(0, PATH, "");
}
END_TEST

START_TEST(controller_that_is_absent_or_blind_is_cut_off)
{
    bench_presence(&b, 3, false, 0);
    ck_assert(bench_told(&b, EVENT_DIAGNOSIS, "controller cut off: c3 is not heard by c1"));
    ASSERT_CONTROLLER(3, CUT_OFF, "c3 is not heard by c1");
    bench_presence(&b, 3, true, 3);
    ck_assert(bench_told(&b, EVENT_DIAGNOSIS, "controller cut off: over"));
    ASSERT_CONTROLLER(3, NONE, "");
    bench_sight(&b, 2, false);
    ASSERT_CONTROLLER(2, CUT_OFF, "c2 says that it cannot see: no uplink");
}
END_TEST

START_TEST(controller_that_lags_is_ill)
{
    bench_calm(&b, 2, false);
    ASSERT_CONTROLLER(2, ILL, "c2 is late: slow timer");
    ck_assert_ptr_nonnull(strstr(d.next, "vmstat"));
}
END_TEST

START_TEST(controller_without_dns_is_ill)
{
    bench_see(&b, 2, 0, STATE_UNKNOWN, CAUSE_NAME);
    ASSERT_CONTROLLER(2, ILL, "DNS: on c2 the name of web/n1/http does not resolve");
    ASSERT_CHECK(0, ILL, "c2: name; c1 and c3: ok");
    ck_assert_ptr_nonnull(strstr(d.next, "on c2 look at /etc/resolv.conf"));
}
END_TEST

START_TEST(controller_that_cannot_ask_is_ill)
{
    bench_see(&b, 2, 0, STATE_UNKNOWN, CAUSE_LOCAL);
    ASSERT_CONTROLLER(2, ILL, "c2 cannot ask web/n1/http; others can");
    ASSERT_CHECK(0, ILL, "c2: local");
    all_see(0, STATE_UNKNOWN, CAUSE_LOCAL); /* a program that is missing everywhere */
    ASSERT_CHECK(0, ILL, "c1, c2 and c3: local");
    ASSERT_CONTROLLER(2, NONE, "");
}
END_TEST

START_TEST(when_all_are_blind_nobody_sees)
{
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        bench_sight(&b, seat, false);
    ASSERT_CHECK(0, CUT_OFF, "c1, c2 and c3: cannot see");
    ASSERT_NODE(0, NONE, "");
}
END_TEST

START_TEST(who_is_alone_in_silence_knows_nothing)
{
    bench_presence(&b, 2, false, 0);
    bench_presence(&b, 3, false, 0);
    for (uint32_t node = 0; node < 4; node++)
        loses(1, node);
    ASSERT_CHECK(0, UNKNOWN, "c1: silent");
    ASSERT_NODE(0, UNKNOWN, "c1: silent; no SSH");
    bench_see(&b, 1, 3, STATE_OK, CAUSE_NONE);
    ASSERT_NODE(0, DEAD, "c1: silent; no SSH"); /* it hears of another one */
}
END_TEST

START_TEST(before_anybody_looked_nothing_is_known)
{
    struct draft draft = draft_pair();
    bench_close(&b);
    bench_open(&b, &draft);
    ASSERT_CHECK(0, UNKNOWN, "nobody has looked yet");
    ASSERT_NODE(0, NONE, "");
    bench_board(&b, "VVV");
    bench_presence(&b, 1, true, 1);
    ASSERT_CHECK(0, UNKNOWN, "c1, c2 and c3: no answer known yet");
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(NONE, "");
}
END_TEST

/* ---------------------------------------------------------------- many at once */

/* The checks of db become node checks, so that nodes can be critical. */
static void look_at_nodes(void)
{
    for (int32_t i = 4; i < CHECKS; i++) {
        core_check(b.core, i)->scope = SCOPE_NODE;
        core_check(b.core, i)->target = i - 4;
    }
    stale_link(b.core);
    bench_wait(&b, 0);
}

START_TEST(many_at_once)
{
    look_at_nodes();
    all_lose(0);
    bench_wait(&b, 4000);
    all_lose(1);
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(NONE, "");
    bench_wait(&b, 4000);
    all_lose(2);
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(MANY, "3 of 4 nodes became critical within 10 s");
    ck_assert_int_eq(b.core->diagnosis, DIAGNOSIS_MANY);
    bench_wait(&b, 60000);
    all_lose(3); /* much later: the others still fell together */
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(MANY, "3 of 4 nodes");
    ASSERT_NODE(0, DEAD, "");
}
END_TEST

START_TEST(a_member_suffers_from_its_node)
{
    look_at_nodes();
    all_see(4, STATE_CRITICAL, CAUSE_WRONG); /* its load, perhaps */
    ASSERT_NODE(0, WRONG, "c1, c2 and c3: wrong");
    ck_assert_int_eq(core_member(b.core, 0)->state, STATE_CRITICAL);
    ASSERT_MEMBER(0, WRONG, "c1, c2 and c3: wrong");
}
END_TEST

START_TEST(one_after_the_other_is_not_many_at_once)
{
    look_at_nodes();
    for (uint32_t node = 0; node < 4; node++) {
        all_lose(node);
        bench_wait(&b, 6000);
    }
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(NONE, "");
}
END_TEST

START_TEST(what_one_controller_sees_well_is_not_many_at_once)
{
    look_at_nodes();
    for (uint32_t node = 0; node < 4; node++) {
        loses(1, node);
        loses(2, node);
    }
    core_diagnose_all(b.core, &d);
    ASSERT_DIAGNOSIS(NONE, "");
}
END_TEST

/* ---------------------------------------------------------------- the journal, the snapshot */

START_TEST(verdicts_are_told_with_their_word)
{
    bench_see(&b, 1, 0, STATE_CRITICAL, CAUSE_REFUSED);
    bench_see(&b, 2, 0, STATE_CRITICAL, CAUSE_REFUSED);
    ck_assert(bench_told(&b, EVENT_CHECK, "critical (was ok): service wrong: refused"));
    ck_assert(bench_told(&b, EVENT_MEMBER, "is critical (was ok): service wrong: http: refused"));
    all_see(0, STATE_OK, CAUSE_NONE);
    bench_see(&b, 1, 0, STATE_CRITICAL, CAUSE_HUNG);
    bench_see(&b, 2, 0, STATE_CRITICAL, CAUSE_HUNG);
    ck_assert(bench_told(&b, EVENT_CHECK, "critical (was ok): service hung: hung"));
    bench_see(&b, 1, 0, STATE_OK, CAUSE_NONE);
    ck_assert(bench_told(&b, EVENT_CHECK, "ok (was critical): none"));
}
END_TEST

START_TEST(a_new_leader_tells_nothing_again)
{
    all_lose(0);
    ck_assert_int_eq(core_node(b.core, 0)->diagnosis, DIAGNOSIS_DEAD);
    bench_leader(&b, 2);
    ck_assert(!bench_told(&b, EVENT_DIAGNOSIS, ""));
    for (uint32_t seat = 1; seat <= SEATS; seat++) {
        bench_presence(&b, seat, true, seat);
        ck_assert(!bench_told(&b, EVENT_DIAGNOSIS, ""));
    }
}
END_TEST

/* Another controller that reads the state now sees the same as those that were there all the time
 * and counted only what changed. */
static void compare_with_a_snapshot(void)
{
    size_t size = snapshot_size(b.core);
    void *bytes = malloc(size);
    snapshot_write(b.core, bytes);
    struct core *copy = malloc(core_size(&b.core->shape));
    memcpy(copy, b.core, core_size(&b.core->shape));
    for (int32_t n = 0; n < 4; n++) /* what a snapshot does not have */
        core_node(copy, n)->diagnosis = 0;
    copy->diagnosis = 0;
    for (int32_t i = 0; i < CHECKS; i++)
        memset(&core_check(copy, i)->answers, 0xff, sizeof(struct answers));
    for (int i = 0; i < CONTROLLERS_MAX; i++)
        memset(&copy->controllers[i].dissent, 0xff, sizeof(struct dissent));
    ck_assert(snapshot_read(copy, bytes, size));
    for (int32_t n = 0; n < 4; n++)
        ck_assert_int_eq(core_node(copy, n)->diagnosis, core_node(b.core, n)->diagnosis);
    for (int32_t i = 0; i < CHECKS; i++)
        ck_assert_int_eq(memcmp(&core_check(copy, i)->answers, &core_check(b.core, i)->answers,
                                sizeof(struct answers)),
                         0);
    for (int i = 0; i < CONTROLLERS_MAX; i++) {
        const struct controller_state *one = &copy->controllers[i], *two = &b.core->controllers[i];
        ck_assert_int_eq(one->diagnosis, two->diagnosis);
        ck_assert_int_eq(memcmp(&one->dissent, &two->dissent, sizeof(one->dissent)), 0);
    }
    ck_assert_int_eq(copy->diagnosis, b.core->diagnosis);
    free(bytes);
    free(copy);
}

START_TEST(a_snapshot_brings_the_same_diagnoses)
{
    look_at_nodes();
    for (uint32_t node = 0; node < 3; node++)
        all_lose(node);
    bench_presence(&b, 3, false, 0);
    compare_with_a_snapshot();
    ck_assert_int_eq(b.core->diagnosis, DIAGNOSIS_MANY);
}
END_TEST

START_TEST(whatever_happens_all_replicas_tell_the_same)
{
    uint32_t seed = 7;
    look_at_nodes();
    core_node(b.core, 3)->parents[0] = 0;
    core_node(b.core, 2)->parents[0] = 3;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t seat = (seed >> 8) % SEATS + 1, check = (seed >> 12) % CHECKS;
        uint32_t what = (seed >> 16) % 64, any = (seed >> 24) % CAUSE_COUNT;
        const char *node = core_node(b.core, (int32_t)check % 4)->name;
        b.at_ms += seed >> 20;
        if (what == 0)
            bench_presence(&b, seat, any % 3 != 0, any % 2);
        else if (what == 1)
            bench_sight(&b, seat, any % 3 != 0);
        else if (what == 2)
            bench_calm(&b, seat, any % 3 != 0);
        else if (what == 3)
            bench_leader(&b, seat);
        else if (what < 14)
            bench_reach_from(&b, seat, node, any % 2 != 0);
        else if (what < 20)
            bench_doubt(&b, seat, check, STATE_OK, STATE_CRITICAL, any % 3);
        else if (what < 34)
            bench_see(&b, seat, check, STATE_OK, CAUSE_NONE);
        else
            bench_see(&b, seat, check, (enum state)(what % 4),
                      what < 54 ? CAUSE_SILENT : (enum cause)any);
        compare_with_a_snapshot();
    }
}
END_TEST

START_TEST(a_vip_that_nobody_holds)
{
    struct draft draft = draft_pair();
    bench_close(&b);
    bench_open(&b, &draft);
    bench_board(&b, "VVV");
    for (uint32_t seat = 1; seat <= SEATS; seat++)
        bench_presence(&b, seat, true, seat);
    core_check(b.core, 1)->scope = SCOPE_VIP;
    core_check(b.core, 1)->target = 0;
    core_vip(b.core, 0)->holder = NONE;
    stale_link(b.core);
    all_see(1, STATE_CRITICAL, CAUSE_SILENT);
    ASSERT_CHECK(1, UNKNOWN, "c1, c2 and c3: silent; no node holds the address");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_diagnose");
    TCase *tcase = tcase_create("core_diagnose");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, when_all_is_well_nothing_is_said);
    tcase_add_test(tcase, service_wrong);
    tcase_add_test(tcase, service_hung);
    tcase_add_test(tcase, the_newest_answer_counts);
    tcase_add_test(tcase, service_slow);
    tcase_add_test(tcase, losing_the_only_node_is_no_being_cut_off);
    tcase_add_test(tcase, certificate);
    tcase_add_test(tcase, name_resolution);
    tcase_add_test(tcase, what_is_not_told_is_unknown);
    tcase_add_test(tcase, node_dead);
    tcase_add_test(tcase, a_node_whose_ssh_works_is_not_dead);
    tcase_add_test(tcase, a_port_that_is_filtered_is_the_nodes_network);
    tcase_add_test(tcase, partial_loss_is_the_nodes_network);
    tcase_add_test(tcase, two_that_do_not_get_there_are_no_path_from_one);
    tcase_add_test(tcase, only_ssh_is_missing);
    tcase_add_test(tcase, parent_failed);
    tcase_add_test(tcase, path_from_one_controller);
    tcase_add_test(tcase, two_controllers_each_with_one_path_lost);
    tcase_add_test(tcase, a_single_bad_answer_says_nothing);
    tcase_add_test(tcase, controller_cut_off_from_the_nodes);
    tcase_add_test(tcase, half_of_the_checks_are_not_enough);
    tcase_add_test(tcase, controller_that_is_absent_or_blind_is_cut_off);
    tcase_add_test(tcase, controller_that_lags_is_ill);
    tcase_add_test(tcase, controller_without_dns_is_ill);
    tcase_add_test(tcase, controller_that_cannot_ask_is_ill);
    tcase_add_test(tcase, when_all_are_blind_nobody_sees);
    tcase_add_test(tcase, who_is_alone_in_silence_knows_nothing);
    tcase_add_test(tcase, before_anybody_looked_nothing_is_known);
    tcase_add_test(tcase, many_at_once);
    tcase_add_test(tcase, a_member_suffers_from_its_node);
    tcase_add_test(tcase, one_after_the_other_is_not_many_at_once);
    tcase_add_test(tcase, what_one_controller_sees_well_is_not_many_at_once);
    tcase_add_test(tcase, verdicts_are_told_with_their_word);
    tcase_add_test(tcase, a_new_leader_tells_nothing_again);
    tcase_add_test(tcase, a_snapshot_brings_the_same_diagnoses);
    tcase_add_test(tcase, whatever_happens_all_replicas_tell_the_same);
    tcase_add_test(tcase, a_vip_that_nobody_holds);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
