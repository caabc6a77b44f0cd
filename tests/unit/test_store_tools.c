/* An operator's tools for the storage: looking, copies, going on alone. */
#include "orchestrator/consensus/store_tools.h"

#include "orchestrator/consensus/roster.h"
#include "orchestrator/raft/raft.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], dir[96], other[96], copy[96];
static struct errbuf e;
static uint64_t seen, last_seen;

static void put_three_members(struct store *store)
{
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember members[3];
    Ephor__ClusterMember *pointers[3];
    uint8_t bytes[1024];
    bool is_unknown;
    for (uint32_t i = 0; i < 3; i++) {
        ephor__cluster_member__init(&members[i]);
        members[i].id = i + 1;
        members[i].kind = members[i].wanted = EPHOR__MEMBER_KIND__VOTER;
        members[i].name = i == 0 ? (char *)"c1" : (char *)"c";
        pointers[i] = &members[i];
    }
    m.cluster = 77;
    m.next_id = 4;
    m.members = pointers;
    m.n_members = 3;
    struct store_entry entries[] = {
        {.index = 1, .term = 5, .kind = RAFT_ENTRY_NOOP},
        {.index = 2,
         .term = 5,
         .kind = RAFT_ENTRY_CONFIG,
         .bytes = bytes,
         .size = ephor__membership__pack(&m, bytes)},
        {.index = 3, .term = 5, .kind = RAFT_ENTRY_DATA, .bytes = "x", .size = 1}};
    struct store_write write = {.entries = entries, .entry_count = 3, .term = 6, .voted_for = 2};
    ck_assert_int_eq(store_write(store, &write, &is_unknown, &e), 0);
}

static void set_up(void)
{
    struct store *store;
    snprintf(base, sizeof(base), P_tmpdir "/ephor-tools-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/state", base);
    snprintf(other, sizeof(other), "%s/other", base);
    snprintf(copy, sizeof(copy), "%s/copy.db", base);
    mkdir(dir, 0700);
    mkdir(other, 0700);
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    put_three_members(store);
    store_close(store);
    seen = last_seen = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void tear_down(void)
{
    nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_entry(void *data, const struct store_entry *entry)
{
    (void)data;
    ck_assert_uint_gt(entry->index, last_seen);
    last_seen = entry->index;
    seen++;
}

START_TEST(looks_beside_a_running_controller)
{
    struct store *store;
    uint32_t owner;
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_int_eq(store_look(dir, 2, on_entry, NULL, &e), 0);
    ck_assert_uint_eq(seen, 2);
    ck_assert_uint_eq(last_seen, 3);
    ck_assert_int_eq(store_owner(dir, &owner, &e), 0);
    ck_assert_uint_eq(owner, 1);
    store_close(store);
    ck_assert_int_eq(store_look(other, 2, on_entry, NULL, &e), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_copy_is_whole_and_counts_as_new)
{
    struct store *store;
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    uint64_t incarnation = store_state(store)->incarnation;
    ck_assert_int_eq(store_backup(dir, copy, &e), 0);
    ck_assert_int_eq(store_backup(dir, copy, &e), ERR_EXISTS);
    store_close(store);
    ck_assert_int_eq(store_restore(dir, copy, &e), ERR_EXISTS);
    ck_assert_int_eq(store_restore(other, copy, &e), 0);
    ck_assert_int_eq(store_open(other, 1, false, &store, &e), 0);
    ck_assert_uint_eq(store_state(store)->last_index, 3);
    ck_assert_uint_eq(store_state(store)->term, 6);
    ck_assert_uint_eq(store_state(store)->voted_for, 2);
    ck_assert_uint_ne(store_state(store)->incarnation, incarnation);
    store_close(store);
}
END_TEST

/* A copy with a flipped bit is refused, and nothing is put in place. */
START_TEST(a_damaged_copy_is_refused)
{
    ck_assert_int_eq(store_backup(dir, copy, &e), 0);
    int fd = open(copy, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 4096; at < size; at += 16) {
        char byte;
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte = (char)~byte;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    ck_assert_int_lt(store_restore(other, copy, &e), 0);
    uint32_t owner;
    ck_assert_int_eq(store_owner(other, &owner, &e), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_lost_majority_is_left_behind)
{
    Ephor__Membership *before;
    struct store *store;
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_int_eq(store_recover(dir, "root", 1, &before, &e), ERR_AGAIN); /* it runs */
    store_close(store);
    ck_assert_int_eq(store_recover(dir, "root", 1, &before, &e), 0);
    ck_assert_uint_eq(before->n_members, 3);
    ephor__membership__free_unpacked(before, NULL);
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_uint_eq(store_state(store)->last_index, 4);
    ck_assert_uint_ge(store_state(store)->last_term, 1000); /* far above the lost ones */
    ck_assert_uint_eq(store_state(store)->voted_for, 0);
    store_close(store);
    ck_assert_int_eq(store_recover(dir, "root", 1, &before, &e), 0);
    ck_assert_uint_eq(before->n_members, 1);
    ck_assert_uint_ne(before->cluster, 77);
    ck_assert_str_eq(before->members[0]->name, "c1");
    ck_assert_uint_eq(before->next_id, 4);
    ephor__membership__free_unpacked(before, NULL);
}
END_TEST

/* What is being repaired from others is no copy to keep; but it may have to go on alone. */
START_TEST(a_log_in_repair_is_not_copied)
{
    Ephor__Membership *before;
    struct store *store;
    struct errbuf said;
    sqlite3 *db;
    char path[128];
    bool is_unknown;
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_int_eq(store_write(store, &(struct store_write){.voters = 3}, &is_unknown, &e), 0);
    store_close(store);
    snprintf(path, sizeof(path), "%s/log.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db, "UPDATE log SET checksum = 1 WHERE idx = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert_int_eq(store_backup(dir, copy, &e), ERR_CORRUPT);
    ck_assert_int_ne(access(copy, F_OK), 0);
    ck_assert_int_eq(store_repair(dir, 1, &said, &e), 0);
    ck_assert_int_eq(store_backup(dir, copy, &e), ERR_STALE);
    ck_assert_ptr_nonnull(strstr(e.text, "is being repaired from the other controllers"));
    ck_assert_int_eq(store_recover(dir, "root", 1, &before, &e), 0);
    if (before != NULL)
        ephor__membership__free_unpacked(before, NULL);
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_uint_eq(store_state(store)->lost_index, 0);
    ck_assert_uint_eq(store_state(store)->voters, 1);
    store_close(store);
}
END_TEST

START_TEST(who_never_was_let_in_has_nothing_to_recover)
{
    Ephor__Membership *before;
    struct store *store;
    ck_assert_int_eq(store_open(other, 2, true, &store, &e), 0);
    store_close(store);
    ck_assert_int_eq(store_recover(other, "root", 1, &before, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "nothing to recover"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_tools");
    TCase *tc = tcase_create("tools");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, looks_beside_a_running_controller);
    tcase_add_test(tc, a_copy_is_whole_and_counts_as_new);
    tcase_add_test(tc, a_damaged_copy_is_refused);
    tcase_add_test(tc, a_lost_majority_is_left_behind);
    tcase_add_test(tc, a_log_in_repair_is_not_copied);
    tcase_add_test(tc, who_never_was_let_in_has_nothing_to_recover);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
