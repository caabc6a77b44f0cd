/* Open addressing, at most half full; a place holds a number + 1, or 0. */
#include "orchestrator/core/names.h"

#include <string.h>

enum { FEW = 8 }; /* so many are looked through as fast */

enum noun { NOUN_NODE, NOUN_SERVICE, NOUN_CHECK, NOUN_VIP, NOUNS };

static uint32_t count_of(const struct core_shape *shape, enum noun noun)
{
    const uint32_t counts[NOUNS] = {shape->nodes, shape->services, shape->checks, shape->vips};
    return counts[noun];
}

static size_t capacity_of(const struct core_shape *shape, enum noun noun)
{
    size_t count = count_of(shape, noun), capacity = 4 * FEW;
    if (count <= FEW)
        return 0;
    while (capacity < 2 * count)
        capacity *= 2;
    return capacity;
}

size_t names_slots(const struct core_shape *shape)
{
    size_t slots = 0;
    for (int noun = 0; noun < NOUNS; noun++)
        slots += capacity_of(shape, (enum noun)noun);
    return slots;
}

static const char *name_of(const struct core *core, enum noun noun, int32_t i)
{
    if (noun == NOUN_NODE)
        return core_node(core, i)->name;
    if (noun == NOUN_SERVICE)
        return core_service(core, i)->name;
    return noun == NOUN_CHECK ? core_check(core, i)->id : core_vip(core, i)->name;
}

static uint32_t *table_of(const struct core *core, enum noun noun)
{
    uint32_t *table = (uint32_t *)(void *)((char *)(uintptr_t)core + core->name_offset);
    for (int before = 0; before < (int)noun; before++)
        table += capacity_of(&core->shape, (enum noun)before);
    return table;
}

/* FNV-1a, then mixed so that its low bits depend on all of the name. */
static size_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

void core_index_names(struct core *core)
{
    for (int n = 0; n < NOUNS; n++) {
        enum noun noun = (enum noun)n;
        size_t capacity = capacity_of(&core->shape, noun);
        uint32_t *table = table_of(core, noun);
        memset(table, 0, capacity * sizeof(table[0]));
        for (uint32_t i = 0; capacity > 0 && i < count_of(&core->shape, noun); i++) {
            const char *name = name_of(core, noun, (int32_t)i);
            size_t at = hash_of(name) & (capacity - 1);
            while (table[at] != 0)
                at = (at + 1) & (capacity - 1);
            if (name[0] != '\0')
                table[at] = i + 1;
        }
    }
    core->has_names = true;
}

/* Among `from` and those behind it, one by one. */
static int32_t look_through(const struct core *core, enum noun noun, int32_t from, const char *name)
{
    for (int32_t i = from; i < (int32_t)count_of(&core->shape, noun); i++)
        if (strcmp(name_of(core, noun, i), name) == 0)
            return i;
    return NONE;
}

static int32_t find(const struct core *core, enum noun noun, const char *name)
{
    size_t capacity = core->has_names ? capacity_of(&core->shape, noun) : 0;
    const uint32_t *table = table_of(core, noun);
    if (capacity == 0)
        return look_through(core, noun, 0, name);
    for (size_t at = hash_of(name) & (capacity - 1); table[at] != 0; at = (at + 1) & (capacity - 1))
        if (strcmp(name_of(core, noun, (int32_t)(table[at] - 1)), name) == 0)
            return (int32_t)(table[at] - 1);
    return NONE;
}

int32_t core_find_node(const struct core *core, const char *name)
{
    return find(core, NOUN_NODE, name);
}

int32_t core_find_service(const struct core *core, const char *name)
{
    return find(core, NOUN_SERVICE, name);
}

int32_t core_find_check(const struct core *core, const char *id)
{
    return find(core, NOUN_CHECK, id);
}

/* Retired ones came when the table was made already; they are the last. */
int32_t core_find_vip(const struct core *core, const char *name)
{
    int32_t i = find(core, NOUN_VIP, name), retired = core_vip_count(core);
    while (retired > 0 && core_vip(core, retired - 1)->is_retired)
        retired--;
    return i != NONE ? i : look_through(core, NOUN_VIP, retired, name);
}
