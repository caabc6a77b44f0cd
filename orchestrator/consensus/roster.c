#include "orchestrator/consensus/roster.h"

#include "orchestrator/base/contract.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* In front of a StoredSnapshot. The first format was the state alone, a message that cannot begin
 * with these bytes: they would be a field 8 of 32 bits. */
static const unsigned char magic[4] = {'E', 'S', 'N', 1};

Ephor__Membership *roster_copy(const Ephor__Membership *m)
{
    size_t size = ephor__membership__get_packed_size(m);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return NULL;
    ephor__membership__pack(m, bytes);
    Ephor__Membership *copy = ephor__membership__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

const Ephor__ClusterMember *roster_find(const Ephor__Membership *m, uint32_t id)
{
    for (size_t i = 0; m != NULL && i < m->n_members; i++) {
        if (m->members[i]->id == id)
            return m->members[i];
    }
    return NULL;
}

const Ephor__ClusterMember *roster_find_name(const Ephor__Membership *m, const char *name)
{
    for (size_t i = 0; m != NULL && i < m->n_members; i++) {
        if (strcmp(m->members[i]->name, name) == 0)
            return m->members[i];
    }
    return NULL;
}

uint32_t roster_voters(const Ephor__Membership *m)
{
    uint32_t count = 0;
    for (size_t i = 0; i < m->n_members; i++)
        count += m->members[i]->kind != EPHOR__MEMBER_KIND__LEARNER;
    return count;
}

static void free_membership(Ephor__Membership *m)
{
    if (m != NULL)
        ephor__membership__free_unpacked(m, NULL);
}

void roster_init(struct roster *roster, uint64_t index, Ephor__Membership *now)
{
    *roster = (struct roster){.index = index, .index_before = index, .now = now};
}

void roster_close(struct roster *roster)
{
    free_membership(roster->now);
    free_membership(roster->before);
    *roster = (struct roster){0};
}

void roster_adopt(struct roster *roster, uint64_t index, Ephor__Membership *m)
{
    free_membership(roster->before);
    roster->before = roster->now;
    roster->index_before = roster->index;
    roster->now = m;
    roster->index = index;
}

void roster_revert(struct roster *roster)
{
    PRE(roster->before != NULL);
    free_membership(roster->now);
    roster->now = roster->before;
    roster->index = roster->index_before;
    roster->before = NULL;
}

const Ephor__Membership *roster_at(const struct roster *roster, uint64_t index,
                                   uint64_t *membership_index)
{
    bool is_now = roster->index <= index;
    *membership_index = is_now ? roster->index : roster->index_before;
    if (is_now)
        return roster->now;
    return roster->index_before <= index ? roster->before : NULL;
}

void *stored_snapshot_pack(const Ephor__Membership *m, uint64_t membership_index, const void *state,
                           size_t size, size_t *packed_size)
{
    Ephor__StoredSnapshot stored = EPHOR__STORED_SNAPSHOT__INIT;
    stored.membership = (Ephor__Membership *)(uintptr_t)m;
    stored.membership_index = membership_index;
    stored.state.data = (uint8_t *)(uintptr_t)state;
    stored.state.len = size;
    *packed_size = sizeof(magic) + ephor__stored_snapshot__get_packed_size(&stored);
    unsigned char *bytes = malloc(*packed_size);
    if (bytes == NULL)
        return NULL;
    memcpy(bytes, magic, sizeof(magic));
    ephor__stored_snapshot__pack(&stored, bytes + sizeof(magic));
    return bytes;
}

int stored_snapshot_open(struct stored_snapshot *stored, const void *bytes, size_t size,
                         struct errbuf *e)
{
    *stored = (struct stored_snapshot){.state = bytes, .size = size};
    if (size < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
        return ERR_OK;
    stored->packed = ephor__stored_snapshot__unpack(NULL, size - sizeof(magic),
                                                    (const uint8_t *)bytes + sizeof(magic));
    if (stored->packed == NULL || stored->packed->membership == NULL)
        return err_set(e, ERR_CORRUPT, "the snapshot of %zu bytes cannot be read", size);
    stored->state = stored->packed->state.data;
    stored->size = stored->packed->state.len;
    stored->membership_index = stored->packed->membership_index;
    return ERR_OK;
}

void stored_snapshot_close(struct stored_snapshot *stored)
{
    if (stored->packed != NULL)
        ephor__stored_snapshot__free_unpacked(stored->packed, NULL);
    *stored = (struct stored_snapshot){0};
}
