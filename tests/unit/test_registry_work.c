/* Observers that operators add and remove: what the leader refuses before anything is written, what
 * it proposes, and what it answers. The log and the links are played; the machine is real. */
#include "orchestrator/quorum/registry_work.h"

#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "tests/unit/big_policy.h"

#include <check.h>

enum { SELF = 1, ASKER = 3 };

static struct quorum q;
static struct effects effects;
static uint8_t key_of_member[32] = {42};
static Ephor__ClusterMember member = EPHOR__CLUSTER_MEMBER__INIT, *member_list[] = {&member};
static Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;

static Ephor__Fact *proposed; /* NULL: none is on its way */
static proposal_then *then;
static uint64_t written; /* entries of the log */
static uint32_t gone_on;

static struct answer { /* the last one, and how many */
    uint32_t count, to;
    bool is_ok;
    uint64_t sequence;
    uint32_t observer;
    size_t members;
    char text[256];
} answer;

/* ---------------------------------------------------------------- what is played */

const Ephor__Membership *engine_members(const struct engine *engine)
{
    (void)engine;
    return &members;
}

void cluster_reply(struct quorum *quorum, uint32_t to, const Ephor__ClusterReply *reply)
{
    ck_assert_ptr_eq(quorum, &q);
    answer.count++;
    answer.to = to;
    answer.is_ok = reply->ok;
    answer.sequence = reply->sequence;
    answer.observer = reply->observer;
    answer.members = reply->members->n_members;
    text_copy(answer.text, sizeof(answer.text), reply->text);
}

void cluster_go_on(struct quorum *quorum)
{
    ck_assert(quorum == &q && !q.change_is_pending);
    gone_on++;
}

void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then_)
{
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    size_t size = ephor__fact__pack(fact, bytes);
    ck_assert(quorum == &q && kind == PROPOSAL_OF_LEADER && peer == NULL && sequence == 0);
    ck_assert_ptr_null(proposed);
    ck_assert(q.change_is_pending); /* whoever asks meanwhile waits */
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

static void write_fact(Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    ephor__fact__pack(fact, bytes);
    machine_apply(&q.machine, ++written, 1, bytes, size, q.effects, NULL);
    free(bytes);
}

/* What was proposed is written down. */
static void commit(void)
{
    ck_assert_ptr_nonnull(proposed);
    write_fact(proposed);
    drop_proposed();
    then(&q, ERR_OK, written);
}

static void end_with(int err)
{
    ck_assert_ptr_nonnull(proposed);
    drop_proposed();
    then(&q, err, 0);
}

static void adopt(void)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Policy *policy = big_policy(1, false);
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(policy, adopted.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
    adopted.digest = "d1";
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    write_fact(&fact);
    free(adopted.policy.data);
    ck_assert(effects.is_accepted);
    q.machine.core->rules = OBSERVER_RULES;
}

static void setup(void)
{
    memset(&q, 0, sizeof(q));
    machine_init(&q.machine);
    q.controller = SELF;
    q.effects = &effects;
    q.is_leading = true;
    q.mesh = (struct mesh *)&q; /* there is one; it is not looked at */
    member.id = SELF;
    member.name = "c1";
    member.fingerprint.data = key_of_member;
    member.fingerprint.len = sizeof(key_of_member);
    members.members = member_list;
    members.n_members = 1;
    answer = (struct answer){0};
    gone_on = 0;
    written = 0;
    adopt();
}

static void teardown(void)
{
    drop_proposed();
    machine_close(&q.machine);
}

/* ---------------------------------------------------------------- requests */

/* The key is 32 bytes that begin with `key`; 0: none. */
static Ephor__ClusterRequest *request(Ephor__ClusterVerb verb, char *name, uint8_t key)
{
    static Ephor__ClusterRequest r;
    static uint8_t fingerprint[32];
    ephor__cluster_request__init(&r);
    fingerprint[0] = key;
    r.sequence = 8;
    r.verb = verb;
    r.name = name;
    r.author = "root";
    r.observer = verb == EPHOR__CLUSTER_VERB__CLUSTER_ADD;
    r.fingerprint.data = fingerprint;
    r.fingerprint.len = key == 0 ? 0 : sizeof(fingerprint);
    return &r;
}

static Ephor__ClusterRequest *adding(char *name, uint8_t key)
{
    return request(EPHOR__CLUSTER_VERB__CLUSTER_ADD, name, key);
}

static Ephor__ClusterRequest *removing(char *name)
{
    return request(EPHOR__CLUSTER_VERB__CLUSTER_REMOVE, name, 0);
}

static void ask(const Ephor__ClusterRequest *r)
{
    ck_assert(registry_work_is_for(&q, r));
    registry_work_start(&q, ASKER, r);
}

static void add(char *name, uint8_t key)
{
    ask(adding(name, key));
    commit();
    ck_assert(answer.is_ok);
}

static void expect_refused(const Ephor__ClusterRequest *r, const char *text)
{
    uint32_t before = answer.count;
    ask(r);
    ck_assert_ptr_null(proposed);
    ck_assert(!q.change_is_pending);
    ck_assert_uint_eq(answer.count, before + 1);
    ck_assert(!answer.is_ok);
    ck_assert_uint_eq(answer.observer, 0);
    ck_assert_uint_eq(answer.to, ASKER);
    ck_assert_msg(strstr(answer.text, text) != NULL, "'%s' is not in '%s'", text, answer.text);
}

/* ---------------------------------------------------------------- tests */

START_TEST(an_observer_is_added_and_removed)
{
    ask(adding("o1", 1));
    ck_assert_uint_eq(answer.count, 0); /* nothing is promised before it is written */
    ck_assert_int_eq(proposed->body_case, EPHOR__FACT__BODY_OBSERVER);
    ck_assert_str_eq(proposed->observer->author, "root");
    ck_assert_str_eq(proposed->observer->added->name, "o1");
    ck_assert_uint_eq(proposed->observer->added->id, 0);
    commit();
    ck_assert_uint_eq(answer.count, 1);
    ck_assert(answer.is_ok && answer.to == ASKER && answer.sequence == 8 && answer.members == 1);
    ck_assert_uint_eq(answer.observer, 1001);
    ck_assert_str_eq(answer.text, "observer o1 was added with id 1001");
    ck_assert_uint_eq(gone_on, 1);
    ask(removing("o1"));
    ck_assert_ptr_null(proposed->observer->added);
    ck_assert_str_eq(proposed->observer->removed, "o1");
    commit();
    ck_assert(answer.is_ok && answer.observer == 0);
    ck_assert_str_eq(answer.text, "observer o1 was removed");
    ck_assert_uint_eq(q.machine.registry.count, 0);
    ck_assert_uint_eq(gone_on, 2);
}
END_TEST

START_TEST(members_are_not_its_business)
{
    Ephor__ClusterRequest *r = adding("c2", 2);
    r->observer = false;
    ck_assert(!registry_work_is_for(&q, r));
    ck_assert(!registry_work_is_for(&q, removing("c1")));
    ck_assert(!registry_work_is_for(&q, removing("nobody")));
    add("o1", 1);
    r = removing("o1");
    r->verb = EPHOR__CLUSTER_VERB__CLUSTER_PROMOTE;
    ck_assert(!registry_work_is_for(&q, r));
}
END_TEST

START_TEST(what_cannot_be_is_refused_before_it_is_written)
{
    Ephor__ClusterRequest *r = adding("o1", 1);
    r->address = "o1:7473";
    expect_refused(r, "an observer has no address");
    expect_refused(adding("c1", 1), "a controller of that name is a member");
    expect_refused(adding("o1", 42), "a controller has that key");
    expect_refused(adding("o1", 0), "fingerprint of its key is missing");
    expect_refused(adding("o 1", 1), "an observer's name is");
    add("o1", 1);
    expect_refused(adding("o1", 2), "an observer of that name already");
    expect_refused(adding("o2", 1), "another observer has that key");
    q.mesh = NULL;
    expect_refused(adding("o2", 2), "no certificates yet");
}
END_TEST

START_TEST(all_controllers_have_to_know_observers)
{
    q.machine.core->rules = 2;
    expect_refused(adding("o1", 1), "upgrade them first");
    machine_close(&q.machine);
    expect_refused(adding("o1", 1), "there is no policy yet");
}
END_TEST

/* Judged well and refused by the machine: that word counts. */
START_TEST(the_machine_has_the_last_word)
{
    ask(adding("o1", 1));
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__ObserverChange change = EPHOR__OBSERVER_CHANGE__INIT;
    change.added = proposed->observer->added;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &change;
    write_fact(&fact);
    commit();
    ck_assert(!answer.is_ok);
    ck_assert_ptr_nonnull(strstr(answer.text, "of that name already"));
    ck_assert_uint_eq(answer.observer, 0);
    ck_assert_uint_eq(gone_on, 1);
}
END_TEST

START_TEST(what_fails_is_told)
{
    ask(adding("o1", 1));
    end_with(ERR_CANCELED);
    ck_assert(!answer.is_ok);
    ck_assert_ptr_nonnull(strstr(answer.text, "whether it was done is not known"));
    ask(adding("o1", 1));
    end_with(ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(answer.text, "whether it was done is not known"));
    ask(adding("o1", 1));
    end_with(ERR_AGAIN);
    ck_assert_ptr_nonnull(strstr(answer.text, "the leader is changing"));
    ask(adding("o1", 1));
    end_with(ERR_LIMIT);
    ck_assert_str_eq(answer.text, err_text(ERR_LIMIT));
    ck_assert_uint_eq(gone_on, 4);
    ck_assert(!q.change_is_pending);
}
END_TEST

START_TEST(members_get_no_name_or_key_of_an_observer)
{
    ck_assert_ptr_null(registry_work_clash(&q, adding("o1", 1)));
    add("o1", 1);
    ck_assert_str_eq(registry_work_clash(&q, adding("o1", 2)), "an observer has that name");
    ck_assert_str_eq(registry_work_clash(&q, adding("c2", 1)), "an observer has that key");
    ck_assert_ptr_null(registry_work_clash(&q, adding("c2", 2)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_work");
    TCase *tcase = tcase_create("registry_work");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_observer_is_added_and_removed);
    tcase_add_test(tcase, members_are_not_its_business);
    tcase_add_test(tcase, what_cannot_be_is_refused_before_it_is_written);
    tcase_add_test(tcase, all_controllers_have_to_know_observers);
    tcase_add_test(tcase, the_machine_has_the_last_word);
    tcase_add_test(tcase, what_fails_is_told);
    tcase_add_test(tcase, members_get_no_name_or_key_of_an_observer);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
