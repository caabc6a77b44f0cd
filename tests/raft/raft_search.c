/* Every world is kept as its normal form while it waits to be looked into, afterwards as a hash of
 * 128 bits with the world and the action it was first reached by. A message is lost only when there
 * is no room for it any more: until then one that never arrives is the same as a lost one. */
#include "tests/raft/raft_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_STEPS = 200 };

struct entry { /* one world: how it was first reached */
    uint64_t hash[2];
    uint32_t parent;
    struct action action;
};

struct frontier { /* size, number, form; size, ... */
    uint8_t *bytes;
    size_t used, capacity;
};

struct search {
    const struct plan *plan;
    struct entry *entries;
    uint32_t entry_count;
    uint32_t *table;
    uint32_t table_size; /* a power of two */
    struct frontier now, next;
    struct world at, to, kept;
    struct outcome outcome;
    struct violation violation;
    uint32_t violation_parent;
    struct action violation_action;
};

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("raft_explorer: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

/* ---- worlds met */

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

/* True: this one is new; it was entered. */
static bool enter(struct search *search, const uint8_t *form, size_t size, uint32_t parent,
                  struct action action)
{
    uint64_t hash[2];
    hash_bytes(form, size, hash);
    uint32_t at = (uint32_t)hash[0] & (search->table_size - 1);
    for (; search->table[at] != UINT32_MAX; at = (at + 1) & (search->table_size - 1))
        if (memcmp(search->entries[search->table[at]].hash, hash, sizeof(hash)) == 0)
            return false;
    search->table[at] = search->entry_count;
    search->entries[search->entry_count++] =
        (struct entry){.hash = {hash[0], hash[1]}, .parent = parent, .action = action};
    return true;
}

static void frontier_add(struct frontier *frontier, const uint8_t *form, size_t size,
                         uint32_t number)
{
    uint16_t form_size = (uint16_t)size;
    size_t wanted = frontier->used + sizeof(form_size) + sizeof(number) + size;
    if (wanted > frontier->capacity) {
        frontier->capacity = 2 * wanted + FORM_MAX;
        frontier->bytes = need(realloc(frontier->bytes, frontier->capacity));
    }
    uint8_t *at = frontier->bytes + frontier->used;
    memcpy(at, &form_size, sizeof(form_size));
    memcpy(at + sizeof(form_size), &number, sizeof(number));
    memcpy(at + sizeof(form_size) + sizeof(number), form, size);
    frontier->used = wanted;
}

/* ---- searching */

static bool is_bounded(const struct search *search)
{
    return search->entry_count == search->plan->states_max;
}

static void arrive(struct search *search, struct world *w, uint32_t parent, struct action action)
{
    uint8_t form[FORM_MAX], names[SERVERS + 1];
    size_t size = form_of(w, search->plan, form, names);
    if (!is_bounded(search) && enter(search, form, size, parent, action))
        frontier_add(&search->next, form, size, search->entry_count - 1);
}

/* If more is on its way than the plan allows for, each choice of what is lost is a world. */
static void arrive_with_losses(struct search *search, uint32_t parent, struct action action)
{
    struct world *to = &search->to;
    if (to->mail_count <= search->plan->mail) {
        action.kept = UINT16_MAX;
        arrive(search, to, parent, action);
        return;
    }
    for (uint32_t kept = 0; kept < 1u << to->mail_count; kept++) {
        if (__builtin_popcount(kept) != search->plan->mail)
            continue;
        search->kept = *to;
        action.kept = (uint16_t)kept;
        mail_keep(&search->kept, action.kept);
        arrive(search, &search->kept, parent, action);
    }
}

/* Everything that can happen to one world. False: a law was broken. */
static bool expand(struct search *search, const uint8_t *form, uint32_t number)
{
    struct action actions[ACTIONS_MAX];
    form_read(&search->at, search->plan, form);
    uint32_t count = acts_of(&search->at, search->plan, actions);
    for (uint32_t i = 0; i < count && !is_bounded(search); i++) {
        search->to = search->at;
        act_do(&search->to, search->plan, actions[i]);
        search->outcome.steps++;
        if (search->to.violation.name == NULL && !act_is_within(&search->to, search->plan))
            continue;
        mail_tidy(&search->to, search->plan);
        laws_check(&search->at, &search->to, search->plan);
        if (search->to.violation.name != NULL) {
            search->violation = search->to.violation;
            search->violation_parent = number;
            search->violation_action = actions[i];
            return false;
        }
        arrive_with_losses(search, number, actions[i]);
    }
    return true;
}

static bool expand_all(struct search *search)
{
    for (size_t at = 0; at < search->now.used && !is_bounded(search);) {
        uint16_t size;
        uint32_t number;
        memcpy(&size, search->now.bytes + at, sizeof(size));
        memcpy(&number, search->now.bytes + at + sizeof(size), sizeof(number));
        at += sizeof(size) + sizeof(number);
        if (!expand(search, search->now.bytes + at, number))
            return false;
        at += size;
    }
    return true;
}

static void begin(struct world *w, const struct plan *plan)
{
    space_init(w, plan);
    if (plan->is_settled)
        acts_settle(w, plan);
}

static void run(struct search *search)
{
    begin(&search->at, search->plan);
    if (search->at.violation.name != NULL) {
        search->violation = search->at.violation;
        search->violation_parent = UINT32_MAX;
        return;
    }
    arrive(search, &search->at, UINT32_MAX, (struct action){0});
    while (search->next.used > 0 && !is_bounded(search)) {
        struct frontier swap = search->now;
        search->now = search->next;
        search->next = swap;
        search->next.used = 0;
        search->outcome.depth++;
        if (!expand_all(search))
            return;
    }
}

/* ---- telling */

/* Where a message of the other world is among these, or the number of these. */
static uint32_t find_mail(const struct world *w, struct mail m, const uint8_t *names)
{
    uint32_t i = 0;
    m.from = names[m.from];
    m.to = names[m.to];
    while (i < w->mail_count && memcmp(&w->mail[i], &m, sizeof(m)) != 0)
        i++;
    return i;
}

/* Keep what the other world kept. False: the two are not the same. */
static bool keep_alike(struct world *w, const struct world *other, const uint8_t *names)
{
    struct mail kept[MAIL_MAX];
    for (uint32_t i = 0; i < other->mail_count; i++) {
        uint32_t at = find_mail(w, other->mail[i], names);
        if (at == w->mail_count)
            return false;
        kept[i] = w->mail[at];
        w->mail[at].type = 0;
    }
    memcpy(w->mail, kept, other->mail_count * sizeof(kept[0]));
    w->mail_count = other->mail_count;
    return true;
}

/* One step in both worlds: `at` is of the normal form, and names tells what its servers are called
 * in the other one, which is never brought into it. */
static bool replay_step(struct search *search, struct world *real, struct action action,
                        uint8_t *names)
{
    static const uint8_t same[] = {0, 1, 2, 3};
    uint8_t form[FORM_MAX], shuffle[SERVERS + 1], before[SERVERS + 1];
    struct action mapped = action;
    char text[300];
    mapped.a = names[action.a];
    if (action.act == ACT_TRANSFER || action.act == ACT_CONNECT || action.act == ACT_HEAR)
        mapped.b = names[action.b];
    if (action.act == ACT_DELIVER || action.act == ACT_DOUBLE)
        mapped.b = (uint8_t)find_mail(real, search->at.mail[action.b], names);
    if ((action.act == ACT_DELIVER || action.act == ACT_DOUBLE) && mapped.b == real->mail_count)
        return false;
    act_tell(real, mapped, same, text, sizeof(text));
    puts(text);
    search->to = *real;
    act_do(real, search->plan, mapped);
    mail_tidy(real, search->plan);
    laws_check(&search->to, real, search->plan);
    world_tell(real, same);
    act_do(&search->at, search->plan, action);
    mail_tidy(&search->at, search->plan);
    mail_keep(&search->at, action.kept);
    if (real->violation.name != NULL)
        return true;
    if (!keep_alike(real, &search->at, names))
        return false;
    form_of(&search->at, search->plan, form, shuffle);
    memcpy(before, names, sizeof(before));
    for (uint32_t id = 1; id <= SERVERS; id++)
        names[shuffle[id]] = before[id];
    form_read(&search->at, search->plan, form);
    return true;
}

/* The steps from the first world, replayed without normal forms. Returns whether the replay ends
 * with the same law broken. */
static bool replay(struct search *search)
{
    struct action path[PATH_MAX_STEPS];
    uint8_t names[] = {0, 1, 2, 3}, form[FORM_MAX], shuffle[SERVERS + 1];
    uint32_t count = 0;
    struct world *real = need(malloc(sizeof(*real)));
    begin(real, search->plan);
    if (search->violation_parent == UINT32_MAX) {
        free(real);
        return true; /* the beginning itself */
    }
    path[count++] = search->violation_action;
    for (uint32_t e = search->violation_parent; search->entries[e].parent != UINT32_MAX;
         e = search->entries[e].parent)
        if (count < PATH_MAX_STEPS)
            path[count++] = search->entries[e].action;
    search->at = *real;
    form_of(&search->at, search->plan, form, shuffle);
    for (uint8_t id = 1; id <= SERVERS; id++)
        names[shuffle[id]] = id;
    form_read(&search->at, search->plan, form);
    bool goes_on = true;
    for (uint32_t i = count; i > 0 && goes_on; i--) {
        printf("  %2u. ", count - i + 1);
        goes_on = replay_step(search, real, path[i - 1], names);
    }
    bool is_same = goes_on && real->violation.name != NULL &&
                   strcmp(real->violation.name, search->violation.name) == 0;
    free(real);
    return is_same;
}

static void tell(struct search *search)
{
    const struct outcome *o = &search->outcome;
    printf("%-34s %8u states, %9llu steps, depth %2u: %s\n", search->plan->name, o->states,
           (unsigned long long)o->steps, o->depth,
           o->violated != NULL ? o->violated
           : o->is_complete    ? "holds, complete"
                               : "holds, up to the bound");
    if (o->violated != NULL) {
        printf("  %s: %s\n", search->violation.name, search->violation.text);
        search->outcome.is_replayed = replay(search);
        if (!search->outcome.is_replayed)
            puts("  the replay does not show it: the normal form joins worlds that differ");
    }
    fflush(stdout);
}

struct outcome explore(const struct plan *plan)
{
    struct search *search = need(calloc(1, sizeof(*search)));
    search->plan = plan;
    search->table_size = 1024;
    while (search->table_size < plan->states_max + plan->states_max / 2)
        search->table_size *= 2;
    search->entries = need(malloc(plan->states_max * sizeof(struct entry)));
    search->table = need(malloc(search->table_size * sizeof(uint32_t)));
    memset(search->table, 0xff, search->table_size * sizeof(uint32_t));
    run(search);
    search->outcome.states = search->entry_count;
    search->outcome.violated = search->violation.name;
    search->outcome.is_complete = !is_bounded(search);
    tell(search);
    struct outcome outcome = search->outcome;
    free(search->entries);
    free(search->table);
    free(search->now.bytes);
    free(search->next.bytes);
    free(search);
    return outcome;
}
