/* The exhaustive explorer: breadth-first over everything that can happen to a small cluster, the
 * core's own step on one side and a model of nodes, actor and network on the other (world.h).
 * Every invariant of safety is checked by name in every state; the first violation is the one with
 * the shortest path, which is replayed and printed as a journal.
 *
 * A plan whose states run out is explored completely; one that meets its bound says so. Built with
 * EXPLORER_EXPECTS it runs on a core with a planted mistake and succeeds if the invariant of that
 * name was found violated. */
#include "tests/explorer/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef EXPLORER_EXPECTS
#define EXPLORER_EXPECTS "" /* no violation */
#endif
#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 20 }; /* bounds are divided by this */
#else
enum { SLOWER = 1 };
#endif

enum { BYTES_MAX = 4096, STATES_MAX = 1500000, LIVENESS_EVERY = 7, PATH_MAX_STEPS = 200 };

struct entry { /* one state: how it was first reached */
    uint64_t hash[2];
    uint32_t parent;
    struct action action;
};

struct frontier {
    uint8_t *blocks;
    uint32_t *entries;
    uint32_t count, capacity;
};

struct search {
    const struct plan *plan;
    size_t block_size;
    struct entry *entries;
    uint32_t entry_count, states_max;
    uint32_t *table;
    uint32_t table_size; /* a power of two */
    struct frontier now, next;
    uint8_t *scratch;
    struct effects *effects;
    uint32_t depth, lives;
    uint64_t steps;
    bool is_bounded;
    struct violation violation;
    uint32_t violation_parent;
    struct action violation_action;
    bool violation_is_of_state; /* LIVENESS: of the parent itself */
};

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("explorer: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

/* ---------------------------------------------------------------- states met */

static void hash_bytes(const uint8_t *bytes, size_t size, uint64_t hash[2])
{
    uint64_t a = 0x9e3779b97f4a7c15U, b = 0xc2b2ae3d27d4eb4fU;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
        a = (a ^ word) * 0xff51afd7ed558ccdU;
        a ^= a >> 32;
        b = (b + word) * 0x87c37b91114253d5U;
        b ^= b >> 29;
    }
    hash[0] = a ^ (b >> 7);
    hash[1] = b;
}

/* True: this state is new; it was entered. */
static bool enter(struct search *search, struct system sys, uint32_t parent, struct action action)
{
    uint8_t bytes[BYTES_MAX];
    uint64_t hash[2];
    size_t size = canonical_bytes(sys, search->plan, bytes, sizeof(bytes));
    hash_bytes(bytes, size, hash);
    uint32_t at = (uint32_t)hash[0] & (search->table_size - 1);
    for (; search->table[at] != UINT32_MAX; at = (at + 1) & (search->table_size - 1))
        if (memcmp(search->entries[search->table[at]].hash, hash, sizeof(hash)) == 0)
            return false;
    search->table[at] = search->entry_count;
    search->entries[search->entry_count++] =
        (struct entry){.hash = {hash[0], hash[1]}, .parent = parent, .action = action};
    return true;
}

static void frontier_add(struct search *search, struct frontier *frontier, const void *block)
{
    if (frontier->count == frontier->capacity) {
        frontier->capacity = frontier->capacity == 0 ? 1024 : frontier->capacity * 2;
        frontier->blocks = need(realloc(frontier->blocks, frontier->capacity * search->block_size));
        frontier->entries = need(realloc(frontier->entries, frontier->capacity * sizeof(uint32_t)));
    }
    memcpy(frontier->blocks + frontier->count * search->block_size, block, search->block_size);
    frontier->entries[frontier->count++] = search->entry_count - 1;
}

/* ---------------------------------------------------------------- searching */

static void found(struct search *search, uint32_t parent, struct action action, bool is_of_state)
{
    search->violation_parent = parent;
    search->violation_action = action;
    search->violation_is_of_state = is_of_state;
}

/* Everything that can happen to one state. False: a violation was found. */
static bool expand(struct search *search, uint8_t *block, uint32_t entry)
{
    struct action actions[ACTIONS_MAX];
    struct system sys = world_system(block, search->plan);
    uint32_t count = world_actions(sys, search->plan, actions);
    uint8_t *next_block = search->scratch;
    uint8_t *scratch = search->scratch + search->block_size;
    struct system next = world_system(next_block, search->plan);
    if (entry % LIVENESS_EVERY == 0) {
        search->lives++;
        liveness_check(sys, search->plan, scratch, &search->violation);
        if (search->violation.name != NULL) {
            found(search, entry, (struct action){0}, true);
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(next_block, block, search->block_size);
        act_do(next, search->plan, actions[i], search->effects);
        search->steps++;
        invariants_check(sys, next, actions[i], search->plan, scratch, &search->violation);
        if (search->violation.name != NULL) {
            found(search, entry, actions[i], false);
            return false;
        }
        canonical_form(next, search->plan);
        if (!enter(search, next, entry, actions[i]))
            continue;
        frontier_add(search, &search->next, next_block);
        if (search->entry_count == search->states_max) {
            search->is_bounded = true;
            return true;
        }
    }
    return true;
}

/* From nothing, or from where all is well. */
static void begin(struct search *search, struct system sys)
{
    world_init(sys, search->plan, search->effects);
    if (search->plan->is_settled)
        liveness_calm(sys, search->plan, search->effects);
    act_do(sys, search->plan, (struct action){.act = ACT_LATER}, search->effects);
}

static void run(struct search *search)
{
    struct system first = world_system(search->scratch, search->plan);
    begin(search, first);
    canonical_form(first, search->plan);
    enter(search, first, UINT32_MAX, (struct action){0});
    frontier_add(search, &search->next, search->scratch);
    while (search->next.count > 0 && !search->is_bounded) {
        struct frontier swap = search->now;
        search->now = search->next;
        search->next = swap;
        search->next.count = 0;
        search->depth++;
        for (uint32_t i = 0; i < search->now.count && !search->is_bounded; i++)
            if (!expand(search, search->now.blocks + i * search->block_size,
                        search->now.entries[i]))
                return;
    }
}

/* ---------------------------------------------------------------- telling */

/* The steps from the first state, replayed without normal forms. Returns whether the replay ends
 * in the same violation. */
static bool replay(struct search *search)
{
    struct action path[PATH_MAX_STEPS];
    uint32_t count = 0;
    if (!search->violation_is_of_state)
        path[count++] = search->violation_action;
    for (uint32_t e = search->violation_parent; search->entries[e].parent != UINT32_MAX;
         e = search->entries[e].parent)
        if (count < PATH_MAX_STEPS)
            path[count++] = search->entries[e].action;
    uint8_t *before_block = need(malloc(search->block_size));
    struct system sys = world_system(search->scratch, search->plan);
    struct system before = world_system(before_block, search->plan);
    struct violation violation = {.name = NULL};
    begin(search, sys);
    for (uint32_t i = count; i > 0; i--) {
        char text[200];
        act_tell(sys, path[i - 1], text, sizeof(text));
        memcpy(before_block, search->scratch, search->block_size);
        act_do(sys, search->plan, path[i - 1], search->effects);
        printf("  %2u. [%lld ms] %s\n", count - i + 1,
               (long long)(sys.core->at_ms - WORLD_START_MS), text);
        for (uint32_t l = 0; l < search->effects->count; l++)
            printf("        %-9s %-10s %s\n", event_name(search->effects->lines[l].event),
                   search->effects->lines[l].object, search->effects->lines[l].text);
        invariants_check(before, sys, path[i - 1], search->plan,
                         search->scratch + search->block_size, &violation);
    }
    if (search->violation_is_of_state)
        liveness_check(sys, search->plan, search->scratch + search->block_size, &violation);
    free(before_block);
    return violation.name != NULL && strcmp(violation.name, search->violation.name) == 0;
}

/* Explore one plan. Returns the name of the violated invariant or NULL. */
static const char *explore(const struct plan *plan)
{
    struct search search = {.plan = plan,
                            .block_size = (world_size(plan) + 15) / 16 * 16,
                            .states_max = STATES_MAX / SLOWER,
                            .table_size = 1};
    while (search.table_size < search.states_max * 2)
        search.table_size *= 2;
    search.entries = need(malloc(search.states_max * sizeof(struct entry)));
    search.table = need(malloc(search.table_size * sizeof(uint32_t)));
    memset(search.table, 0xff, search.table_size * sizeof(uint32_t));
    search.scratch = need(calloc(1, search.block_size * 2 + sizeof(struct effects) + 16));
    search.effects = need(calloc(1, sizeof(struct effects)));
    run(&search);
    printf("%-30s %u accidents: %8u states, %9llu steps, depth %3u, %6u calm endings: %s\n",
           plan->name, plan->accidents, search.entry_count, (unsigned long long)search.steps,
           search.depth, search.lives,
           search.violation.name != NULL ? search.violation.name
           : search.is_bounded           ? "holds, up to the bound"
                                         : "holds, complete");
    if (search.violation.name != NULL) {
        printf("  %s: %s\n", search.violation.name, search.violation.text);
        if (!replay(&search))
            puts("  the replay does not show it: the normal form joins states that differ");
    }
    fflush(stdout);
    free(search.entries);
    free(search.table);
    free(search.now.blocks);
    free(search.now.entries);
    free(search.next.blocks);
    free(search.next.entries);
    free(search.scratch);
    free(search.effects);
    return search.violation.name;
}

#define TWO .nodes = 2, .controllers = 1
static const struct plan plans[] = {
    {.name = "observers, from nothing", TWO, .vips = 1, .accidents = 2, .may = MAY_COUNT},
    {.name = "observers",
     TWO,
     .vips = 1,
     .accidents = 4,
     .is_settled = true,
     .can_restart = true,
     .may = MAY_LEAD | MAY_DOUBT | MAY_COUNT},
    {.name = "1 address, from nothing",
     TWO,
     .vips = 1,
     .accidents = 2,
     .may = MAY_EVERYTHING - MAY_COUNT},
    {.name = "1 address, restarts, failback",
     TWO,
     .vips = 1,
     .accidents = 3,
     .is_settled = true,
     .can_restart = true,
     .failback_auto = true,
     .may = MAY_CUT | MAY_FAIL | MAY_REPEAT},
    {.name = "1 address",
     TWO,
     .vips = 1,
     .accidents = 4,
     .is_settled = true,
     .may = MAY_CUT | MAY_DELAY | MAY_REPEAT | MAY_FAIL | MAY_LOSE},
    {.name = "1 address, operators",
     TWO,
     .vips = 1,
     .accidents = 3,
     .is_settled = true,
     .may = MAY_CUT | MAY_PAUSE | MAY_MAINTAIN | MAY_FAILOVER | MAY_LEAD | MAY_LAG | MAY_DOUBT},
    {.name = "active, no address",
     TWO,
     .vips = 0,
     .accidents = 3,
     .is_settled = true,
     .run = RUN_ACTIVE,
     .may = MAY_CUT | MAY_FAIL | MAY_REPEAT | MAY_FAILOVER | MAY_MAINTAIN},
    {.name = "active, 1 address, restarts",
     TWO,
     .vips = 1,
     .accidents = 2,
     .is_settled = true,
     .run = RUN_ACTIVE,
     .can_restart = true,
     .may = MAY_CUT | MAY_FAIL | MAY_REPEAT},
    {.name = "2 addresses",
     TWO,
     .vips = 2,
     .accidents = 3,
     .is_settled = true,
     .may = MAY_CUT | MAY_DELAY | MAY_FAIL},
    {.name = "3 nodes",
     .nodes = 3,
     .controllers = 1,
     .vips = 1,
     .accidents = 3,
     .is_settled = true,
     .may = MAY_CUT | MAY_DELAY | MAY_REPEAT},
    {.name = "3 controllers",
     .nodes = 2,
     .controllers = 3,
     .vips = 1,
     .accidents = 4,
     .is_settled = true,
     .can_restart = true,
     .may = MAY_LEAD | MAY_DOUBT},
};

int main(void)
{
    const char *expected = EXPLORER_EXPECTS;
    if (SLOWER > 1)
        printf("built with sanitizers: at most %d states a plan\n", STATES_MAX / SLOWER);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        const char *violated = explore(&plans[i]);
        if (violated == NULL)
            continue;
        if (strcmp(expected, violated) == 0)
            return 0;
        if (expected[0] != '\0')
            printf("%s was found, but %s was planted\n", violated, expected);
        return 1;
    }
    if (expected[0] != '\0')
        printf("the planted mistake was not found (%s)\n", expected);
    return expected[0] != '\0';
}
