/* Self-doubt: when a controller does not believe its own eyes. */
#include "orchestrator/core/doubt.h"

#include <check.h>
#include <string.h>

START_TEST(test_doubt)
{
    static const struct {
        const char *what;
        struct outward outward;
        bool sees;
    } rows[] = {
        {"all is well", {3, 0, 1, 1, 2, 2}, true},
        {"nothing is known", {0, 0, 0, 0, 0, 0}, true},
        {"one of three nodes", {3, 1, 1, 1, 2, 2}, true},
        {"one of three, no canary", {3, 1, 1, 0, 2, 2}, true},
        {"all nodes, a canary vouches", {3, 3, 2, 1, 0, 0}, true},
        {"all nodes, no canary", {3, 3, 2, 0, 2, 2}, false},
        {"half of the nodes, no canary", {2, 1, 1, 0, 2, 2}, false},
        {"the only node, no canary", {1, 1, 1, 0, 2, 2}, false},
        {"the only node", {1, 1, 0, 0, 0, 0}, true},
        {"half of the nodes, alone", {2, 1, 0, 0, 0, 0}, true},
        {"all nodes, alone", {2, 2, 0, 0, 0, 0}, false},
        {"all nodes, peers vouch", {2, 2, 0, 0, 2, 1}, true},
        {"all nodes, no peer either", {2, 2, 0, 0, 4, 1}, false},
        {"no canary, but the nodes answer", {3, 0, 1, 0, 2, 0}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[TEXT_SIZE];
        ck_assert_msg(doubt_sees(&rows[i].outward, reason) == rows[i].sees, "%s: %s", rows[i].what,
                      reason);
        ck_assert_msg((reason[0] == '\0') == rows[i].sees, "%s: %s", rows[i].what, reason);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("doubt");
    TCase *t = tcase_create("doubt");
    tcase_add_test(t, test_doubt);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
