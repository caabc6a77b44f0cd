/* Policies on their way into the log: what is proposed, and what is refused before anything is
 * written. The log and everything around are played; the machine is real. */
#include "orchestrator/quorum/offers.h"

#include "orchestrator/base/log.h"
#include "orchestrator/proto/policy_message.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>

enum { SELF = 1, OTHER = 2 };

static struct quorum q;
static struct effects effects;
static Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
static bool is_alone, is_witness;

static Ephor__Fact *proposed; /* NULL: none is on its way */
static proposal_then *then;
static uint64_t written; /* entries of the log */

static struct answer { /* the last one, and how many */
    uint32_t to_supervisor, to_status;
    bool is_accepted;
    uint64_t sequence, index;
    char text[512];
} answer;
static char told_other[512];

/* ---------------------------------------------------------------- what is played */

static void keep(const Ephor__Message *m)
{
    ck_assert_int_eq(m->body_case, EPHOR__MESSAGE__BODY_POLICY_REPLY);
    answer.is_accepted = m->policy_reply->accepted;
    answer.sequence = m->policy_reply->sequence;
    answer.index = m->policy_reply->index;
    text_copy(answer.text, sizeof(answer.text), m->policy_reply->text);
}

void process_send(struct process *process, const Ephor__Message *m, int fd)
{
    ck_assert(process == q.process && fd == -1);
    answer.to_supervisor++;
    keep(m);
}

void link_send(struct link *link, const Ephor__Message *m, int fd)
{
    ck_assert(link == q.status.link && fd == -1);
    answer.to_status++;
    keep(m);
}

const Ephor__Membership *engine_members(const struct engine *engine)
{
    (void)engine;
    return &members;
}

bool cluster_is_alone(const struct quorum *quorum)
{
    (void)quorum;
    return is_alone;
}

bool cluster_is_witness(const struct quorum *quorum)
{
    (void)quorum;
    return is_witness;
}

int cluster_talk(struct quorum *quorum, uint32_t to, const Ephor__Talk *talk)
{
    (void)quorum;
    ck_assert_uint_eq(to, OTHER);
    ck_assert_int_eq(talk->body_case, EPHOR__TALK__BODY_FORWARD_REFUSED);
    ck_assert_uint_eq(talk->forward_refused->sequence, 5);
    ck_assert_uint_eq(talk->forward_refused->run, 77);
    text_copy(told_other, sizeof(told_other), talk->forward_refused->text);
    return ERR_OK;
}

void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then_)
{
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    size_t size = ephor__fact__pack(fact, bytes);
    ck_assert(quorum == &q && kind == PROPOSAL_FORWARDED && peer == NULL && sequence == 0);
    ck_assert_ptr_null(proposed);
    proposed = ephor__fact__unpack(NULL, size, bytes);
    then = then_;
    free(bytes);
}

static void drop_proposed(void)
{
    if (proposed != NULL)
        ephor__fact__free_unpacked(proposed, NULL);
    proposed = NULL;
}

void proposals_refused(struct quorum *quorum, uint64_t sequence)
{
    ck_assert(quorum == &q && sequence == 9);
    drop_proposed();
    then(&q, ERR_REFUSED, 0);
}

/* ---------------------------------------------------------------- the log */

static void apply(Ephor__Fact *fact)
{
    fact->at_ms = 1000;
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    size_t size = ephor__fact__pack(fact, bytes);
    machine_apply(&q.machine, ++written, 1, bytes, size, &effects, NULL);
    free(bytes);
}

/* What is on its way is written and applied. */
static void commit(void)
{
    ck_assert_ptr_nonnull(proposed);
    Ephor__Fact *fact = proposed;
    proposed = NULL;
    apply(fact);
    ephor__fact__free_unpacked(fact, NULL);
    then(&q, ERR_OK, written);
    offers_propose(&q); /* as for every adopted policy */
}

/* The packed policy whose hold_down is `mark`; a mark of 0 is none that can be adopted. */
static ProtobufCBinaryData packed(uint32_t mark, char digest[DIGEST_SIZE])
{
    Ephor__Policy *policy = big_policy(1, false);
    ProtobufCBinaryData bytes;
    policy->services[0]->hold_down_ms = mark;
    policy->services[0]->moves_max = mark == 0 ? BUDGET_MAX + 1 : 2;
    bytes.len = ephor__policy__get_packed_size(policy);
    bytes.data = malloc(bytes.len + 1);
    ephor__policy__pack(policy, bytes.data);
    policy_digest(bytes.data, bytes.len, digest);
    ephor__policy__free_unpacked(policy, NULL);
    return bytes;
}

static void offer_with(uint32_t mark, bool asked, uint64_t sequence, char *replaces, bool trial)
{
    Ephor__PolicyOffer offer = EPHOR__POLICY_OFFER__INIT;
    char digest[DIGEST_SIZE];
    offer.policy = packed(mark, digest);
    offer.digest = digest;
    offer.author = sequence == 0 ? "file" : "root";
    offer.asked = asked;
    offer.sequence = sequence;
    offer.replaces = replaces;
    offer.trial = trial;
    offers_take(&q, &offer);
    free(offer.policy.data);
}

static void start_with(uint32_t mark) /* the daemon */
{
    offer_with(mark, false, 0, "", false);
}

static void hang_up(uint32_t mark) /* SIGHUP */
{
    offer_with(mark, true, 0, "", false);
}

static void apply_file(uint32_t mark, const char *replaces)
{
    offer_with(mark, true, 41, (char *)(uintptr_t)replaces, false);
}

static void roll_back(uint64_t number, const char *replaces)
{
    Ephor__PolicyRollback wanted = EPHOR__POLICY_ROLLBACK__INIT;
    wanted.sequence = 42;
    wanted.number = number;
    wanted.replaces = (char *)(uintptr_t)replaces;
    wanted.author = "root";
    offers_roll_back(&q, &wanted);
}

static bool is_in_force(uint32_t mark)
{
    return q.machine.policy->services[0]->hold_down_ms == mark;
}

static void setup(void)
{
    static Ephor__ClusterMember self = EPHOR__CLUSTER_MEMBER__INIT;
    static Ephor__ClusterMember *list[] = {&self};
    static char place[2];
    members.members = list;
    members.n_members = 1;
    is_alone = is_witness = false;
    written = 0;
    told_other[0] = '\0';
    answer = (struct answer){.index = 0};
    q = (struct quorum){.process = (struct process *)&place[0],
                        .effects = &effects,
                        .controller = SELF,
                        .controller_name = "c1",
                        .is_leading = true,
                        .leader = SELF};
    q.status.link = (struct link *)&place[1];
    q.proposals.run = 70;
    machine_init(&q.machine);
    start_with(1);
    commit();
    ck_assert(is_in_force(1));
}

static void teardown(void)
{
    drop_proposed();
    offers_close(&q);
    machine_close(&q.machine);
}

/* It was refused with this text, and nothing came of it. */
static void check_refused(const char *text, uint64_t entries)
{
    ck_assert_msg(!answer.is_accepted && strstr(answer.text, text) != NULL, "%d: %s",
                  answer.is_accepted, answer.text);
    ck_assert_ptr_null(proposed);
    ck_assert_uint_eq(written, entries);
}

/* ---------------------------------------------------------------- tests */

START_TEST(test_a_reload_is_proposed_with_what_it_changes)
{
    hang_up(2);
    ck_assert_str_eq(proposed->policy->author, "file on c1");
    ck_assert_str_eq(proposed->policy->changes, "services.service-0.hold_down");
    ck_assert_str_eq(proposed->policy->replaces, q.machine.policy_digest);
    commit();
    ck_assert(is_in_force(2) && answer.is_accepted);
    ck_assert_uint_eq(answer.index, 2);
    ck_assert_uint_eq(answer.sequence, 0);
    hang_up(2);
    ck_assert_ptr_null(proposed);
    ck_assert_str_eq(answer.text, "unchanged");
    ck_assert_uint_eq(answer.to_status, 0);
}
END_TEST

START_TEST(test_what_would_be_refused_is_not_written)
{
    hang_up(0);
    check_refused("budgets end at 8", 1);
    apply_file(0, q.machine.policy_digest);
    check_refused("budgets end at 8", 1);
    ck_assert_uint_eq(answer.sequence, 41);
}
END_TEST

START_TEST(test_who_saw_another_policy_is_refused)
{
    char seen[DIGEST_SIZE];
    text_copy(seen, sizeof(seen), q.machine.policy_digest);
    apply_file(2, seen);
    commit();
    ck_assert(is_in_force(2) && answer.is_accepted);
    apply_file(3, seen);
    check_refused("another policy came into force meanwhile (number 2)", 2);
    roll_back(1, seen);
    check_refused("another policy came into force meanwhile (number 2)", 2);
    apply_file(2, seen); /* two who want the same */
    ck_assert(answer.is_accepted && proposed == NULL);
    ck_assert_str_eq(answer.text, "unchanged");
}
END_TEST

/* It was judged, and another one came before it into the log. */
START_TEST(test_one_that_was_overtaken_is_refused_by_the_machine)
{
    char seen[DIGEST_SIZE], digest[DIGEST_SIZE];
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    text_copy(seen, sizeof(seen), q.machine.policy_digest);
    apply_file(2, seen);
    adopted.policy = packed(3, digest);
    adopted.digest = digest;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    apply(&fact);
    free(adopted.policy.data);
    commit();
    ck_assert(is_in_force(3) && !answer.is_accepted);
    ck_assert_ptr_nonnull(strstr(answer.text, "another policy came into force"));
}
END_TEST

START_TEST(test_a_file_of_old_changes_nothing_by_a_reload)
{
    char seen[DIGEST_SIZE];
    hang_up(2);
    commit();
    hang_up(1);
    check_refused("the file is policy 1, which was replaced: 'ephorctl config apply' here or "
                  "'ephorctl config rollback 1'",
                  2);
    is_alone = true;
    start_with(1); /* nor by a start, which ends well all the same */
    ck_assert_ptr_null(proposed);
    ck_assert(answer.is_accepted && is_in_force(2));
    text_copy(seen, sizeof(seen), q.machine.policy_digest);
    apply_file(1, seen); /* who was shown the difference may */
    commit();
    ck_assert(is_in_force(1) && answer.is_accepted);
    hang_up(2);
    check_refused("the file is policy 2", 3);
    hang_up(1);
    ck_assert_str_eq(answer.text, "unchanged");
}
END_TEST

START_TEST(test_back_to_an_earlier_one)
{
    roll_back(0, "");
    check_refused("there is no policy before", 1);
    ck_assert_uint_eq(answer.to_status, 1);
    hang_up(2);
    commit();
    roll_back(0, q.machine.policy_digest);
    ck_assert_str_eq(proposed->policy->author, "root on c1");
    ck_assert_str_eq(proposed->policy->changes, "back to 1: services.service-0.hold_down");
    commit();
    ck_assert(is_in_force(1) && answer.is_accepted);
    ck_assert_uint_eq(answer.sequence, 42);
    ck_assert_uint_eq(answer.index, 3);
    roll_back(1, q.machine.policy_digest);
    check_refused("policy 1 is what is in force", 3);
    roll_back(7, q.machine.policy_digest);
    check_refused("there is no policy 7 any more", 3);
    roll_back(2, q.machine.policy_digest);
    roll_back(2, q.machine.policy_digest); /* once more before the first one is there */
    ck_assert(!answer.is_accepted && strstr(answer.text, "another policy is on its way") != NULL);
    commit();
    ck_assert(is_in_force(2));
}
END_TEST

START_TEST(test_a_trial_changes_nothing)
{
    char digest[DIGEST_SIZE];
    text_copy(digest, sizeof(digest), q.file_digest);
    offer_with(2, true, 43, q.machine.policy_digest, true);
    ck_assert(answer.is_accepted && proposed == NULL);
    ck_assert_uint_eq(answer.sequence, 43);
    offer_with(0, true, 44, q.machine.policy_digest, true);
    check_refused("budgets end at 8", 1);
    ck_assert_str_eq(q.file_digest, digest);
}
END_TEST

/* A start says nothing among several; a reload waits for a leader, an operator does not. */
START_TEST(test_who_waits_for_a_leader)
{
    start_with(2);
    ck_assert(proposed == NULL && answer.is_accepted);
    ck_assert_ptr_nonnull(strstr(answer.text, "this file differs"));
    q.is_leading = false;
    q.leader = 0;
    apply_file(3, q.machine.policy_digest);
    check_refused("no controller leads now", 1);
    roll_back(1, q.machine.policy_digest);
    ck_assert(!answer.is_accepted);
    uint32_t answers = answer.to_supervisor;
    hang_up(2);
    ck_assert(proposed == NULL && answer.to_supervisor == answers);
    q.leader = OTHER;
    offers_propose(&q);
    ck_assert_ptr_nonnull(proposed);
    hang_up(3); /* behind it */
    commit();
    ck_assert_ptr_nonnull(proposed);
    commit();
    ck_assert(is_in_force(3) && answer.is_accepted);
}
END_TEST

START_TEST(test_the_leader_judges_what_is_forwarded)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Tick tick = EPHOR__TICK__INIT;
    char digest[DIGEST_SIZE];
    fact.run = 77;
    fact.sequence = 5;
    fact.body_case = EPHOR__FACT__BODY_TICK;
    fact.tick = &tick;
    ck_assert(offers_may_forward(&q, OTHER, &fact));
    adopted.policy = packed(2, digest);
    adopted.digest = digest;
    adopted.replaces = "another";
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    ck_assert(!offers_may_forward(&q, OTHER, &fact));
    ck_assert_ptr_nonnull(strstr(told_other, "another policy came into force"));
    adopted.replaces = q.machine.policy_digest;
    ck_assert(offers_may_forward(&q, OTHER, &fact));
    free(adopted.policy.data);
}
END_TEST

START_TEST(test_what_the_leader_refused_is_told)
{
    Ephor__ForwardRefused refused = EPHOR__FORWARD_REFUSED__INIT;
    q.is_leading = false;
    q.leader = OTHER;
    apply_file(2, q.machine.policy_digest);
    refused.run = 69; /* to an earlier process */
    refused.sequence = 9;
    refused.text = "because";
    offers_on_refused(&q, OTHER, &refused);
    ck_assert_ptr_nonnull(proposed);
    refused.run = 70;
    offers_on_refused(&q, 3, &refused); /* it does not lead */
    ck_assert_ptr_nonnull(proposed);
    offers_on_refused(&q, OTHER, &refused);
    check_refused("because", 1);
    apply_file(2, q.machine.policy_digest); /* the next one goes on its way */
    ck_assert_ptr_nonnull(proposed);
}
END_TEST

START_TEST(test_a_witness_needs_none)
{
    is_witness = true;
    start_with(2);
    ck_assert(answer.is_accepted && proposed == NULL);
    ck_assert_str_eq(answer.text, "a witness votes, and runs no policy");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offers");
    TCase *tcase = tcase_create("offers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_a_reload_is_proposed_with_what_it_changes);
    tcase_add_test(tcase, test_what_would_be_refused_is_not_written);
    tcase_add_test(tcase, test_who_saw_another_policy_is_refused);
    tcase_add_test(tcase, test_one_that_was_overtaken_is_refused_by_the_machine);
    tcase_add_test(tcase, test_a_file_of_old_changes_nothing_by_a_reload);
    tcase_add_test(tcase, test_back_to_an_earlier_one);
    tcase_add_test(tcase, test_a_trial_changes_nothing);
    tcase_add_test(tcase, test_who_waits_for_a_leader);
    tcase_add_test(tcase, test_the_leader_judges_what_is_forwarded);
    tcase_add_test(tcase, test_what_the_leader_refused_is_told);
    tcase_add_test(tcase, test_a_witness_needs_none);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
