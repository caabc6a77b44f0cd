/* Engines of several controllers on real files and one real loop, joined by a wire of this test's
 * own: what one sends another receives on the next turn, unless the wire between them is cut. */
#include "orchestrator/consensus/engine.h"

#include "orchestrator/sys/now.h"

#include <check.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 5, DEADLINE_MS = 30000, TRAILING = 8, READ_MAX_MS = 400, READS_MAX = 256 };

struct letter {
    struct letter *next;
    uint32_t from, to;
    size_t size;
    unsigned char bytes[];
};

struct node {
    uint32_t id;
    struct engine *engine;
    char dir[128];
    bool is_cut;
    bool is_leading;
    uint64_t entries; /* handed on */
    uint64_t hash;    /* of them, in order */
    uint64_t index;
    bool snapshots; /* takes one when the engine wants it */
    uint64_t restored;
    uint32_t election_ms, heartbeat_ms; /* 0: the shortest of all */
};

struct world {
    struct loop *loop;
    struct timer *post, *look;
    struct letter *head, **end;
    struct node nodes[SIZE + 1];
    bool (*condition)(void);
    int64_t until_ms;
    bool is_late;
    uint64_t answered, failed;
    int last_err, last_failure;
    uint64_t last_index;
    uint32_t read_behind; /* the next message of that node is the last one before a read */
    uint32_t muted;       /* nothing that this node sends arrives */
    char base[64];
};

static struct world world;
static struct errbuf e;

static void on_answer(void *data, int err, uint64_t index);

static void on_send(void *data, uint32_t to, const void *bytes, size_t size)
{
    struct node *node = data;
    if (world.muted == node->id)
        return;
    struct letter *letter = malloc(sizeof(*letter) + size);
    *letter = (struct letter){.from = node->id, .to = to, .size = size};
    memcpy(letter->bytes, bytes, size);
    *world.end = letter;
    world.end = &letter->next;
    timer_start(world.post, 0, 0);
    if (world.read_behind == node->id) {
        world.read_behind = 0;
        world.muted = node->id;
        engine_read(node->engine, on_answer, NULL);
    }
}

static void on_post(void *data)
{
    struct letter *letter = world.head;
    (void)data;
    world.head = NULL;
    world.end = &world.head;
    while (letter != NULL) {
        struct letter *next = letter->next;
        struct node *from = &world.nodes[letter->from], *to = &world.nodes[letter->to];
        if (to->engine != NULL && !to->is_cut && !from->is_cut)
            engine_receive(to->engine, letter->from, letter->bytes, letter->size);
        free(letter);
        letter = next;
    }
}

static void on_snapshot(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct node *node = data;
    ck_assert_uint_gt(term, 0);
    ck_assert_uint_eq(size, 2 * sizeof(uint64_t));
    memcpy(&node->hash, bytes, sizeof(uint64_t));
    memcpy(&node->entries, (const char *)bytes + sizeof(uint64_t), sizeof(uint64_t));
    node->index = index;
    node->restored++;
}

static void on_entry(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct node *node = data;
    ck_assert_uint_gt(index, node->index);
    ck_assert_uint_gt(term, 0);
    for (size_t i = 0; i < size; i++)
        node->hash = node->hash * 31 + ((const unsigned char *)bytes)[i];
    node->entries++;
    node->index = index;
    if (node->snapshots && engine_wants_snapshot(node->engine)) {
        uint64_t state[2] = {node->hash, node->entries};
        engine_snapshot(node->engine, index, state, sizeof(state));
    }
}

static void on_leadership(void *data, bool is_leader, uint64_t term)
{
    struct node *node = data;
    (void)term;
    node->is_leading = is_leader;
}

static void on_storage(void *data, int err, const char *text)
{
    (void)data;
    ck_assert_msg(err == 0, "%s", text);
}

static const struct engine_callbacks callbacks = {on_snapshot, on_entry, on_leadership,
                                                  on_storage,  NULL,     on_send};

static void on_look(void *data)
{
    (void)data;
    world.is_late = now_mono_ms() > world.until_ms;
    if (world.condition() || world.is_late)
        loop_stop(world.loop);
}

static void run_until(bool (*condition)(void))
{
    world.condition = condition;
    world.until_ms = now_mono_ms() + DEADLINE_MS;
    timer_start(world.look, 0, 2);
    loop_run(world.loop);
    timer_stop(world.look);
    ck_assert_msg(!world.is_late, "it did not come to that");
}

static void start(uint32_t id)
{
    struct node *node = &world.nodes[id];
    struct engine_params params = {.state_dir = node->dir,
                                   .controller = id,
                                   .name = "c",
                                   .joins = id != 1,
                                   .trailing = TRAILING,
                                   .election_ms = node->election_ms == 0 ? 60 : node->election_ms,
                                   .heartbeat_ms =
                                       node->heartbeat_ms == 0 ? 10 : node->heartbeat_ms,
                                   .read_max_ms = READ_MAX_MS,
                                   .callbacks = &callbacks,
                                   .data = node};
    node->id = id;
    node->entries = node->hash = node->index = 0;
    node->snapshots = true;
    mkdir(node->dir, 0700);
    int err = engine_open(world.loop, &params, &node->engine, &e);
    ck_assert_msg(err == 0, "engine_open: %s", e.text);
}

static void stop(uint32_t id)
{
    engine_close(world.nodes[id].engine);
    world.nodes[id].engine = NULL;
    world.nodes[id].is_leading = false;
}

static struct node *leader(void)
{
    struct node *found = NULL;
    for (uint32_t id = 1; id <= SIZE; id++) {
        struct node *node = &world.nodes[id];
        if (node->engine != NULL && node->is_leading && !node->is_cut)
            found = node;
    }
    return found;
}

static bool somebody_leads(void)
{
    return leader() != NULL;
}

/* On a busy machine it may lead no more when the loop has ended its turn. */
static struct node *await_leader(void)
{
    do {
        run_until(somebody_leads);
    } while (leader() == NULL);
    return leader();
}

static void on_answer(void *data, int err, uint64_t index)
{
    (void)data;
    world.answered++;
    world.failed += err != 0;
    world.last_err = err;
    if (err != 0)
        world.last_failure = err;
    world.last_index = index;
}

static uint64_t wanted;

static bool all_answered(void)
{
    return world.answered >= wanted;
}

static void propose(uint32_t count)
{
    struct node *node = await_leader();
    wanted = world.answered + count;
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "entry %u", i);
        engine_propose(node->engine, text, strlen(text), on_answer, NULL);
    }
    run_until(all_answered);
}

/* Every running engine has handed on the same as the leader. */
static bool all_agree(void)
{
    const struct node *first = leader();
    for (uint32_t id = 1; first != NULL && id <= SIZE; id++) {
        const struct node *node = &world.nodes[id];
        if (node->engine == NULL || node->is_cut)
            continue;
        if (node->entries != first->entries || node->hash != first->hash)
            return false;
    }
    return first != NULL;
}

/* Membership of ids 1..count, of which those above `voters` learn; `times` times at once. */
static void ask_for_change(uint32_t count, uint32_t voters, unsigned times)
{
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember members[SIZE];
    Ephor__ClusterMember *pointers[SIZE];
    for (uint32_t i = 0; i < count; i++) {
        ephor__cluster_member__init(&members[i]);
        members[i].id = i + 1;
        members[i].kind = i < voters ? EPHOR__MEMBER_KIND__VOTER : EPHOR__MEMBER_KIND__LEARNER;
        pointers[i] = &members[i];
    }
    m.members = pointers;
    m.n_members = count;
    struct node *node = await_leader();
    wanted = world.answered + times;
    for (unsigned i = 0; i < times; i++)
        engine_change(node->engine, &m, on_answer, NULL);
    run_until(all_answered);
}

static void change(uint32_t count, uint32_t voters)
{
    do /* a learner may not have caught up yet, or the leader have changed */
        ask_for_change(count, voters, 1);
    while (world.last_err == ERR_STALE || world.last_err == ERR_AGAIN ||
           world.last_err == ERR_CANCELED);
    ck_assert_int_eq(world.last_err, ERR_OK);
}

static void grow_to(uint32_t count)
{
    start(1);
    for (uint32_t id = 2; id <= count; id++) {
        start(id);
        change(id, id - 1);
        change(id, id);
    }
}

static void set_up(void)
{
    memset(&world, 0, sizeof(world));
    snprintf(world.base, sizeof(world.base), P_tmpdir "/ephor-cluster-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world.base));
    world.end = &world.head;
    world.loop = loop_new();
    world.post = timer_new(world.loop, on_post, NULL);
    world.look = timer_new(world.loop, on_look, NULL);
    for (uint32_t id = 1; id <= SIZE; id++)
        snprintf(world.nodes[id].dir, sizeof(world.nodes[id].dir), "%s/%u", world.base, id);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void tear_down(void)
{
    for (uint32_t id = 1; id <= SIZE; id++)
        stop(id);
    while (world.head != NULL) {
        struct letter *next = world.head->next;
        free(world.head);
        world.head = next;
    }
    timer_free(world.post);
    timer_free(world.look);
    loop_free(world.loop);
    nftw(world.base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

START_TEST(one_becomes_three_and_keeps_its_log)
{
    start(1);
    propose(30); /* more than it keeps behind a snapshot */
    start(2);
    change(2, 1);
    change(2, 2);
    start(3);
    change(3, 2);
    change(3, 3);
    propose(5);
    run_until(all_agree);
    ck_assert_uint_eq(world.nodes[3].entries, 35);
    ck_assert_uint_gt(world.nodes[3].restored, 0);
}
END_TEST

START_TEST(a_second_change_is_refused_in_words)
{
    grow_to(3);
    world.failed = 0;
    ask_for_change(4, 3, 2);
    ck_assert_uint_eq(world.failed, 1);
}
END_TEST

static void damage(uint32_t id, const char *sql)
{
    char path[128];
    char *text = NULL;
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/log.db", world.nodes[id].dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &text);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, text);
    ck_assert_int_eq(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static bool nothing_is_lost(void)
{
    struct engine_status status;
    for (uint32_t id = 1; id <= SIZE; id++) {
        if (world.nodes[id].engine == NULL)
            continue;
        engine_status(world.nodes[id].engine, &status);
        if (status.lost_index != 0)
            return false;
    }
    return all_agree();
}

START_TEST(damaged_entries_come_back)
{
    struct engine_status status;
    grow_to(3);
    propose(5);
    run_until(all_agree);
    for (uint32_t id = 1; id <= 3; id++) {
        engine_status(world.nodes[id].engine, &status);
        uint64_t last = status.last_index;
        stop(id);
        damage(id, "UPDATE log SET checksum = checksum + 1 WHERE idx = "
                   "(SELECT max(idx) - 1 FROM log)");
        start(id);
        engine_status(world.nodes[id].engine, &status);
        ck_assert_uint_eq(status.lost_index, last);
        ck_assert_uint_lt(status.last_index, last);
        run_until(nothing_is_lost);
    }
    ck_assert_uint_eq(world.nodes[1].entries, 5);
}
END_TEST

START_TEST(a_damaged_snapshot_comes_back)
{
    grow_to(3);
    propose(60);
    run_until(all_agree);
    for (uint32_t id = 1; id <= 3; id++) {
        stop(id);
        damage(id, "UPDATE snapshot SET checksum = checksum + 1");
        start(id); /* the founder, too, does not begin a cluster of its own */
        propose(3);
        run_until(nothing_is_lost);
        ck_assert_uint_gt(world.nodes[id].restored, 0);
    }
}
END_TEST

START_TEST(no_snapshot_before_the_members_are_known)
{
    start(1);
    world.nodes[1].snapshots = false;
    propose(200);
    start(2);
    change(2, 1);
    change(2, 2);
    run_until(all_agree);
    ck_assert_uint_eq(world.nodes[2].entries, 200);
}
END_TEST

START_TEST(another_leads_when_the_leader_is_cut_off)
{
    grow_to(3);
    world.failed = 0;
    propose(3);
    struct node *old = await_leader();
    old->is_cut = true;
    propose(3);
    ck_assert_ptr_ne(leader(), old);
    old->is_cut = false;
    run_until(all_agree);
    ck_assert_uint_eq(old->entries, 6);
    ck_assert_uint_eq(world.failed, 0);
}
END_TEST

START_TEST(what_a_minority_took_is_given_up)
{
    grow_to(3);
    struct node *old = await_leader();
    for (uint32_t id = 1; id <= 3; id++)
        world.nodes[id].is_cut = true;
    world.failed = 0;
    wanted = world.answered + 1;
    engine_propose(old->engine, "lost", 4, on_answer, NULL);
    run_until(all_answered); /* it steps down */
    ck_assert_int_eq(world.last_err, ERR_CANCELED);
    for (uint32_t id = 1; id <= 3; id++)
        world.nodes[id].is_cut = &world.nodes[id] == old;
    propose(1);
    old->is_cut = false;
    run_until(all_agree);
    ck_assert_uint_eq(old->entries, 1);
}
END_TEST

START_TEST(all_restart_and_nothing_is_lost)
{
    grow_to(3);
    for (uint32_t round = 1; round <= 5; round++) {
        propose(7);
        for (uint32_t id = 1; id <= 3; id++)
            stop(id);
        for (uint32_t id = 1; id <= 3; id++)
            start(id);
        run_until(all_agree);
        ck_assert_uint_eq(world.nodes[1].entries, 7 * round);
    }
}
END_TEST

static uint64_t end_of_slow;

/* The snapshot is durable some time after its entries. */
static bool others_have_dropped_what_it_needs(void)
{
    struct engine_status status;
    for (uint32_t id = 1; id <= 3; id++) {
        engine_status(world.nodes[id].engine, &status);
        if (!world.nodes[id].is_cut && status.first_index <= end_of_slow + 1)
            return false;
    }
    return true;
}

START_TEST(a_follower_catches_up_by_snapshot)
{
    struct engine_status status;
    grow_to(3);
    struct node *slow = &world.nodes[await_leader()->id == 3 ? 2 : 3];
    slow->is_cut = true;
    engine_status(slow->engine, &status);
    end_of_slow = status.last_index;
    propose(100);
    run_until(others_have_dropped_what_it_needs);
    slow->is_cut = false;
    run_until(all_agree);
    ck_assert_uint_eq(slow->entries, 100);
    ck_assert_uint_gt(slow->restored, 0);
}
END_TEST

static uint32_t target;

static bool target_leads(void)
{
    return world.nodes[target].is_leading;
}

START_TEST(leadership_is_handed_over)
{
    grow_to(3);
    propose(3);
    struct node *old = await_leader();
    target = old->id % 3 + 1;
    ck_assert_int_eq(engine_transfer(old->engine, 99), ERR_NOT_FOUND);
    ck_assert_int_eq(engine_transfer(old->engine, target), ERR_OK);
    ck_assert_int_eq(engine_fresh_since(old->engine), 0);
    run_until(target_leads);
    propose(3);
    run_until(all_agree);
}
END_TEST

START_TEST(five_and_back_to_three)
{
    grow_to(5);
    propose(10);
    change(4, 4);
    stop(5);
    change(3, 3);
    stop(4);
    propose(10);
    run_until(all_agree);
    ck_assert_uint_eq(leader()->entries, 20);
}
END_TEST

START_TEST(what_makes_no_sense_is_ignored)
{
    grow_to(3);
    unsigned char bytes[64];
    for (uint32_t round = 0; round < 5000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (unsigned char)((round * 2654435761u + i * 40503u) >> 7);
        engine_receive(world.nodes[1 + round % 3].engine, 1 + (round + 1) % 3, bytes,
                       round % sizeof(bytes));
    }
    propose(3);
    run_until(all_agree);
}
END_TEST

/* ---------------------------------------------------------------- reads */

/* How a read of that node ended. */
static int read_from(struct node *node)
{
    wanted = world.answered + 1;
    engine_read(node->engine, on_answer, NULL);
    ck_assert_uint_lt(world.answered, wanted); /* never from inside the call */
    run_until(all_answered);
    return world.last_err;
}

/* The founder leads as long as the test goes on, however slow the machine is. */
static void without_elections(void)
{
    for (uint32_t id = 1; id <= SIZE; id++)
        world.nodes[id].election_ms = 20000;
}

START_TEST(a_read_sees_what_was_acknowledged)
{
    without_elections();
    grow_to(3);
    for (uint64_t n = 1; n <= 20; n++) {
        propose(1);
        uint64_t acknowledged = world.last_index;
        ck_assert_int_eq(read_from(leader()), ERR_OK);
        ck_assert_uint_ge(world.last_index, acknowledged);
        ck_assert_uint_eq(leader()->entries, n);
    }
    struct engine_status before, after;
    engine_status(leader()->engine, &before);
    ck_assert_int_eq(read_from(leader()), ERR_OK);
    engine_status(leader()->engine, &after);
    ck_assert_uint_eq(before.last_index, after.last_index); /* nothing was written for it */
}
END_TEST

START_TEST(a_controller_alone_reads)
{
    start(1);
    propose(3);
    ck_assert_int_eq(read_from(&world.nodes[1]), ERR_OK);
    ck_assert_uint_eq(world.nodes[1].entries, 3);
}
END_TEST

START_TEST(a_read_does_not_wait_for_the_next_heartbeat)
{
    without_elections();
    for (uint32_t id = 1; id <= 3; id++)
        world.nodes[id].heartbeat_ms = 10 * READ_MAX_MS;
    grow_to(3);
    for (uint32_t round = 0; round < 20; round++)
        ck_assert_int_eq(read_from(leader()), ERR_OK);
}
END_TEST

/* The old leader goes on believing in itself, and the others have another one. */
START_TEST(a_deposed_leader_confirms_nothing)
{
    without_elections();
    world.nodes[2].election_ms = world.nodes[3].election_ms = 500;
    grow_to(3);
    struct node *old = &world.nodes[1];
    ck_assert_ptr_eq(leader(), old);
    propose(3);
    ck_assert_int_eq(read_from(old), ERR_OK);
    old->is_cut = true;
    ck_assert_int_eq(read_from(old), ERR_TIMEOUT);
    propose(3);
    ck_assert(old->is_leading);
    ck_assert_int_eq(read_from(old), ERR_TIMEOUT);
    ck_assert_uint_eq(old->entries, 3);
    wanted = world.answered + 1;
    engine_read(old->engine, on_answer, NULL);
    old->is_cut = false; /* it hears that it was deposed */
    run_until(all_answered);
    ck_assert_int_eq(world.last_err, ERR_AGAIN);
    ck_assert_int_eq(read_from(leader()), ERR_OK);
}
END_TEST

/* The read begins when a message has just left; that one is answered, and no later one arrives. */
START_TEST(answers_from_before_a_read_prove_nothing)
{
    without_elections();
    grow_to(3);
    for (uint32_t round = 0; round < 5; round++) {
        propose(1);
        wanted = world.answered + 1;
        world.read_behind = leader()->id;
        run_until(all_answered);
        ck_assert_int_eq(world.last_err, ERR_TIMEOUT);
        world.muted = 0;
    }
}
END_TEST

START_TEST(one_that_does_not_lead_refuses)
{
    without_elections();
    grow_to(3);
    ck_assert_int_eq(read_from(&world.nodes[leader()->id % 3 + 1]), ERR_AGAIN);
}
END_TEST

START_TEST(a_follower_reads_at_the_index_of_the_leader)
{
    without_elections();
    grow_to(3);
    struct node *follower = &world.nodes[leader()->id % 3 + 1];
    for (uint64_t n = 1; n <= 10; n++) {
        propose(1);
        ck_assert_int_eq(read_from(leader()), ERR_OK);
        uint64_t index = world.last_index;
        wanted = world.answered + 1;
        engine_read_at(follower->engine, index, on_answer, NULL);
        run_until(all_answered);
        ck_assert_int_eq(world.last_err, ERR_OK);
        ck_assert_uint_eq(follower->entries, n);
    }
    follower->is_cut = true;
    propose(1);
    wanted = world.answered + 1;
    engine_read_at(follower->engine, world.last_index, on_answer, NULL);
    run_until(all_answered);
    ck_assert_int_eq(world.last_err, ERR_TIMEOUT);
    ck_assert_uint_eq(follower->entries, 10);
}
END_TEST

START_TEST(only_so_many_reads_wait)
{
    without_elections();
    grow_to(3);
    world.failed = 0;
    wanted = world.answered + READS_MAX + 1;
    for (uint32_t i = 0; i <= READS_MAX; i++)
        engine_read(leader()->engine, on_answer, NULL);
    run_until(all_answered);
    ck_assert_uint_eq(world.failed, 1);
    ck_assert_int_eq(world.last_failure, ERR_LIMIT);
    ck_assert_int_eq(read_from(leader()), ERR_OK); /* there is room again */
}
END_TEST

/* Asks again, though it was told that all is over. */
static void on_answer_again(void *data, int err, uint64_t index)
{
    struct node *node = data;
    on_answer(NULL, err, index);
    if (world.answered < wanted)
        engine_read(node->engine, on_answer_again, node);
}

START_TEST(closing_answers_those_that_wait)
{
    without_elections();
    grow_to(3);
    uint32_t id = leader()->id;
    struct node *node = &world.nodes[id];
    node->is_cut = true;
    world.failed = 0;
    wanted = world.answered + 4;
    engine_read(node->engine, on_answer, NULL);
    engine_read_at(node->engine, UINT64_MAX, on_answer, NULL);
    engine_read(node->engine, on_answer_again, node);
    stop(id);
    ck_assert(all_answered());
    ck_assert_uint_eq(world.failed, 4);
    ck_assert_int_eq(world.last_err, ERR_CANCELED);
}
END_TEST

static Suite *engine_suite(void)
{
    Suite *suite = suite_create("engine_cluster");
    TCase *tc = tcase_create("cluster");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, one_becomes_three_and_keeps_its_log);
    tcase_add_test(tc, a_second_change_is_refused_in_words);
    tcase_add_test(tc, damaged_entries_come_back);
    tcase_add_test(tc, a_damaged_snapshot_comes_back);
    tcase_add_test(tc, no_snapshot_before_the_members_are_known);
    tcase_add_test(tc, another_leads_when_the_leader_is_cut_off);
    tcase_add_test(tc, what_a_minority_took_is_given_up);
    tcase_add_test(tc, all_restart_and_nothing_is_lost);
    tcase_add_test(tc, a_follower_catches_up_by_snapshot);
    tcase_add_test(tc, leadership_is_handed_over);
    tcase_add_test(tc, five_and_back_to_three);
    tcase_add_test(tc, what_makes_no_sense_is_ignored);
    tcase_add_test(tc, a_read_sees_what_was_acknowledged);
    tcase_add_test(tc, a_controller_alone_reads);
    tcase_add_test(tc, a_read_does_not_wait_for_the_next_heartbeat);
    tcase_add_test(tc, a_deposed_leader_confirms_nothing);
    tcase_add_test(tc, answers_from_before_a_read_prove_nothing);
    tcase_add_test(tc, one_that_does_not_lead_refuses);
    tcase_add_test(tc, a_follower_reads_at_the_index_of_the_leader);
    tcase_add_test(tc, only_so_many_reads_wait);
    tcase_add_test(tc, closing_answers_those_that_wait);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(engine_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
