/* Everything that can happen to three servers within some bounds, and in all of it the laws of
 * raft_laws.c. A plan whose worlds run out was explored completely; one that meets its bound says
 * so. How many worlds there are is written down here and may only grow.
 *
 *   raft_explorer [--long | PLAN]
 *
 * Built with RAFT_EXPECTS it runs the plan RAFT_PLAN on a core with a planted mistake, and succeeds
 * if the law of that name was found broken. */
#include "tests/raft/raft_search.h"

#include <stdio.h>
#include <string.h>

#ifdef RAFT_EXPECTS
enum { IS_PLANTED = true };
#else
#define RAFT_EXPECTS "" /* nothing */
#define RAFT_PLAN ""    /* every plan */
enum { IS_PLANTED = false };
#endif

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = IS_PLANTED ? 1 : 60 }; /* bounds are divided by this */
#else
enum { SLOWER = 1 };
#endif

enum {
    STATES_MAX = 3000000,
    LONG_STATES_MAX = 9000000,
    TOTAL_AT_LEAST = 5372288, /* of the short plans: what was reached when this was written */
};

/* clang-format off */
#define V(id) {id, RAFT_VOTER}
#define L(id) {id, RAFT_LEARNER}
#define THREE .configs = 1, .config = {{3, {V(1), V(2), V(3)}}}, .is_symmetric = true
#define SHRINK .configs = 2, .config = {{3, {V(1), V(2), V(3)}}, {2, {V(1), V(2)}}}
#define GROW .configs = 2, .config = {{3, {V(1), V(2), L(3)}}, {3, {V(1), V(2), V(3)}}}
#define TWICE .configs = 3, \
    .config = {{3, {V(1), V(2), V(3)}}, {2, {V(1), V(2)}}, {1, {V(1)}}}
#define SETTLED .is_settled = true
#define SLOW(n) .is_slow = true, .pending = n
#define BOUNDS(t, l, m) .terms = t, .log = l, .mail = m
#define MOST(...) .most = {__VA_ARGS__}
#define ANY_BEATS [ACT_BEAT] = ALWAYS
/* clang-format on */

static const struct plan plans[] = {
    {.name = "elections", THREE, BOUNDS(3, 3, 2), MOST([ACT_BEAT] = 1)},
    {.name = "crash", THREE, BOUNDS(2, 3, 2), MOST(ANY_BEATS, [ACT_CRASH] = 1)},
    {.name = "prevote", THREE, BOUNDS(2, 3, 2), MOST(ANY_BEATS), .has_prevote = true},
    {.name = "figure-8", THREE, BOUNDS(4, 3, 2), MOST([ACT_PROPOSE] = 1), SETTLED},
    {.name = "doubled",
     THREE,
     BOUNDS(2, 3, 2),
     MOST([ACT_BEAT] = 2, [ACT_PROPOSE] = 1, [ACT_DOUBLE] = 1),
     SETTLED},
    {.name = "pipeline",
     THREE,
     BOUNDS(1, 3, 3),
     MOST([ACT_BEAT] = 1, [ACT_PROPOSE] = 2, [ACT_DOUBLE] = 1, [ACT_CONNECT] = 1),
     SETTLED},
    {.name = "slow-disk",
     THREE,
     BOUNDS(2, 3, 2),
     MOST([ACT_PROPOSE] = 1, [ACT_CRASH] = 1),
     SETTLED,
     SLOW(2)},
    {.name = "slow-votes", THREE, BOUNDS(2, 2, 2), MOST([ACT_CRASH] = 1), SLOW(2)},
    {.name = "storage",
     THREE,
     BOUNDS(2, 3, 2),
     MOST([ACT_BEAT] = 1, [ACT_PROPOSE] = 1, [ACT_FAIL] = 1),
     SETTLED},
    {.name = "damage",
     THREE,
     BOUNDS(2, 3, 2),
     MOST([ACT_BEAT] = 1, [ACT_PROPOSE] = 1, [ACT_DAMAGE] = 1),
     SETTLED},
    {.name = "slow-storage",
     THREE,
     BOUNDS(2, 3, 2),
     MOST([ACT_PROPOSE] = 1, [ACT_FAIL] = 1),
     SETTLED,
     SLOW(1)},
    {.name = "shrink", SHRINK, BOUNDS(2, 4, 2), MOST(ANY_BEATS, [ACT_CHANGE] = 1), SETTLED},
    {.name = "shrink-crash",
     SHRINK,
     BOUNDS(2, 4, 2),
     MOST([ACT_BEAT] = 1, [ACT_CHANGE] = 1, [ACT_CRASH] = 1),
     SETTLED},
    {.name = "shrink-twice",
     TWICE,
     BOUNDS(2, 4, 2),
     MOST([ACT_BEAT] = 1, [ACT_CHANGE] = 2),
     SETTLED},
    {.name = "grow", GROW, BOUNDS(2, 4, 2), MOST(ANY_BEATS, [ACT_CHANGE] = 1), SETTLED},
    {.name = "snapshot",
     THREE,
     BOUNDS(2, 4, 2),
     MOST([ACT_BEAT] = 2, [ACT_PROPOSE] = 1, [ACT_SNAPSHOT] = 1),
     SETTLED},
    {.name = "transfer",
     THREE,
     BOUNDS(2, 3, 2),
     MOST(ANY_BEATS, [ACT_TRANSFER] = 1, [ACT_STEP_DOWN] = 1),
     SETTLED},
};

static const struct plan long_plans[] = {
    {.name = "long: elections", THREE, BOUNDS(3, 3, 2), MOST(ANY_BEATS)},
    {.name = "long: elections, crash", THREE, BOUNDS(3, 3, 2), MOST(ANY_BEATS, [ACT_CRASH] = 1)},
    {.name = "long: more mail", THREE, BOUNDS(2, 3, 3), MOST(ANY_BEATS, [ACT_CRASH] = 1)},
    {.name = "long: prevote", THREE, BOUNDS(2, 3, 3), MOST(ANY_BEATS), .has_prevote = true},
    {.name = "long: figure 8",
     THREE,
     BOUNDS(4, 4, 2),
     MOST([ACT_BEAT] = 1, [ACT_PROPOSE] = 1),
     SETTLED},
    {.name = "long: damage",
     THREE,
     BOUNDS(3, 3, 2),
     MOST([ACT_BEAT] = 1, [ACT_PROPOSE] = 1, [ACT_CRASH] = 1, [ACT_DAMAGE] = 1),
     SETTLED},
    {.name = "long: replication",
     THREE,
     BOUNDS(2, 4, 3),
     MOST(ANY_BEATS, [ACT_PROPOSE] = 2, [ACT_DOUBLE] = 1, [ACT_CONNECT] = 1),
     SETTLED},
    {.name = "long: slow disk",
     THREE,
     BOUNDS(2, 3, 2),
     MOST(ANY_BEATS, [ACT_PROPOSE] = 1, [ACT_CRASH] = 1),
     SETTLED,
     SLOW(2)},
    {.name = "long: slow votes",
     THREE,
     BOUNDS(3, 3, 2),
     MOST([ACT_BEAT] = 1, [ACT_CRASH] = 2),
     SLOW(2)},
    {.name = "long: storage",
     THREE,
     BOUNDS(3, 4, 2),
     MOST(ANY_BEATS, [ACT_PROPOSE] = 1, [ACT_FAIL] = 1),
     SETTLED,
     SLOW(1)},
    {.name = "long: shrink twice",
     TWICE,
     BOUNDS(3, 5, 2),
     MOST([ACT_BEAT] = 2, [ACT_CHANGE] = 2, [ACT_CRASH] = 1),
     SETTLED},
    {.name = "long: grow",
     GROW,
     BOUNDS(3, 5, 2),
     MOST(ANY_BEATS, [ACT_CHANGE] = 1, [ACT_CRASH] = 1),
     SETTLED},
    {.name = "long: snapshot",
     THREE,
     BOUNDS(3, 4, 2),
     MOST([ACT_BEAT] = 3, [ACT_PROPOSE] = 1, [ACT_SNAPSHOT] = 1, [ACT_CRASH] = 1),
     SETTLED},
    {.name = "long: snapshot, slow disk",
     THREE,
     BOUNDS(2, 4, 2),
     MOST([ACT_BEAT] = 2, [ACT_PROPOSE] = 1, [ACT_SNAPSHOT] = 1, [ACT_CRASH] = 1),
     SETTLED,
     SLOW(2)},
    {.name = "long: transfer",
     THREE,
     BOUNDS(3, 4, 2),
     MOST(ANY_BEATS, [ACT_PROPOSE] = 1, [ACT_TRANSFER] = 1, [ACT_STEP_DOWN] = 1),
     SETTLED},
};

/* The name of the law that was broken; NULL: none. */
static const char *run(const struct plan *some, size_t count, uint32_t states_max, const char *only,
                       uint64_t *total)
{
    for (size_t i = 0; i < count; i++) {
        if (only[0] != '\0' && strcmp(only, some[i].name) != 0)
            continue;
        struct plan plan = some[i];
        plan.states_max = states_max;
        struct outcome outcome = explore(&plan);
        *total += outcome.states;
        if (outcome.violated != NULL)
            return outcome.is_replayed ? outcome.violated : "none, when replayed";
    }
    return NULL;
}

static int judge_planted(const char *violated)
{
    if (violated == NULL)
        puts("the planted mistake was not found: " RAFT_EXPECTS);
    else if (strcmp(violated, RAFT_EXPECTS) != 0)
        printf("%s was found broken, but %s was expected\n", violated, RAFT_EXPECTS);
    return violated == NULL || strcmp(violated, RAFT_EXPECTS) != 0;
}

int main(int argc, char **argv)
{
    uint64_t total = 0;
    const char *violated;
    const char *only = argc > 1 ? argv[1] : RAFT_PLAN;
    bool is_long = strcmp(only, "--long") == 0;
    if (is_long)
        violated = run(long_plans, sizeof(long_plans) / sizeof(long_plans[0]), LONG_STATES_MAX, "",
                       &total);
    else
        violated = run(plans, sizeof(plans) / sizeof(plans[0]), STATES_MAX / SLOWER, only, &total);
    if (total == 0 && only[0] != '\0') /* one of the long ones */
        violated = run(long_plans, sizeof(long_plans) / sizeof(long_plans[0]), LONG_STATES_MAX,
                       only, &total);
    if (IS_PLANTED)
        return judge_planted(violated);
    printf("%llu states\n", (unsigned long long)total);
    if (SLOWER > 1)
        printf("built with sanitizers: at most %d states a plan\n", STATES_MAX / SLOWER);
    else if (violated == NULL && !is_long && only[0] == '\0' && total < TOTAL_AT_LEAST) {
        printf("there have been %d: something is not explored any more\n", TOTAL_AT_LEAST);
        return 1;
    }
    return violated != NULL || total == 0;
}
