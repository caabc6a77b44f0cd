/* The controllers that an observer keeps for its next start: what was saved comes back, and what
 * is damaged, of another cluster or not there is none. */
#include "orchestrator/quorum/contacts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t cluster = 77;
static char dir[64], path[128];

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/ephor-contacts-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/controllers", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static void save(const char *name)
{
    char address[] = "192.0.2.1:7473", text[64];
    Ephor__ClusterMember member = EPHOR__CLUSTER_MEMBER__INIT;
    Ephor__ClusterMember *list[] = {&member};
    Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
    snprintf(text, sizeof(text), "%s", name);
    member.id = 3;
    member.name = text;
    member.address = address;
    members.cluster = cluster;
    members.members = list;
    members.n_members = 1;
    contacts_save(dir, &members);
}

START_TEST(the_last_ones_come_back)
{
    save("c1");
    save("c2");
    Ephor__Membership *m = contacts_load(dir, cluster);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->n_members, 1);
    ck_assert_str_eq(m->members[0]->name, "c2");
    ephor__membership__free_unpacked(m, NULL);
}
END_TEST

START_TEST(others_are_none)
{
    ck_assert_ptr_null(contacts_load(dir, cluster));
    save("c1");
    ck_assert_ptr_null(contacts_load(dir, cluster + 1));
}
END_TEST

START_TEST(damage_is_none)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("\xff\xff\xff garbage", f);
    fclose(f);
    ck_assert_ptr_null(contacts_load(dir, cluster));
}
END_TEST

START_TEST(what_cannot_be_written_leaves_the_old_one)
{
    char fresh[160];
    save("c1");
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    ck_assert_int_eq(mkdir(fresh, 0700), 0); /* in its way, also for root */
    save("c2");
    rmdir(fresh);
    Ephor__Membership *m = contacts_load(dir, cluster);
    ck_assert_ptr_nonnull(m);
    ck_assert_str_eq(m->members[0]->name, "c1");
    ephor__membership__free_unpacked(m, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("contacts");
    TCase *tcase = tcase_create("contacts");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_last_ones_come_back);
    tcase_add_test(tcase, others_are_none);
    tcase_add_test(tcase, damage_is_none);
    tcase_add_test(tcase, what_cannot_be_written_leaves_the_old_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
