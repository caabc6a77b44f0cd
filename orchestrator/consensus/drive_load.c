/* What the file holds becomes the core's beginning: at the start, and again after the storage has
 * failed and works again. Blocking; everything was verified when the store was opened. */
#include "orchestrator/consensus/engine_state.h"

#include "orchestrator/base/log.h"
#include "orchestrator/proto/raft_message.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    READ_MAX = 1 << 24,
    TRAILING = 1024,
    ELECTION_MS = 300,
    LOG_MAX = 131072, /* entries; a snapshot is due long before */
    APPEND_BYTES_MAX = 256 << 10,
    WINDOW_BYTES = 4 << 20, /* a policy fact fits, and a slow link still turns around quickly */
    CHUNK_BYTES = 256 << 10,
};

struct loading {
    struct engine *engine;
    struct raft_membership membership;
    int err;
};

static void on_stored_entry(void *data, const struct store_entry *stored)
{
    struct loading *loading = data;
    struct engine *engine = loading->engine;
    struct errbuf e;
    struct raft_entry entry = {.term = stored->term,
                               .size = (uint32_t)stored->size,
                               .kind = (enum raft_entry_kind)stored->kind};
    if (loading->err != ERR_OK)
        return;
    if (entry.kind == RAFT_ENTRY_CONFIG) {
        entry.membership = &loading->membership;
        loading->err = membership_from_bytes(stored->bytes, stored->size, &loading->membership, &e);
        if (loading->err != ERR_OK)
            return;
    }
    struct log_entry *copy = log_entry_new(entry.kind, stored->term, stored->bytes, stored->size);
    loading->err = log_cache_append(&engine->cache, copy);
    if (loading->err != ERR_OK)
        return;
    raft_load(engine->raft, stored->index, &entry);
    if (entry.kind == RAFT_ENTRY_CONFIG && stored->index > engine->roster.index)
        roster_adopt(&engine->roster, stored->index,
                     ephor__membership__unpack(NULL, copy->size, copy->bytes));
}

/* Before any configuration entry: a founder is alone, whoever joins knows of nobody. */
Ephor__Membership *drive_first_membership(const struct engine *engine)
{
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember self = EPHOR__CLUSTER_MEMBER__INIT;
    Ephor__ClusterMember *members[1] = {&self};
    self.id = engine->controller;
    self.kind = self.wanted = EPHOR__MEMBER_KIND__VOTER;
    self.name = (char *)(uintptr_t)engine->name;
    m.next_id = engine->controller + 1;
    if (!store_state(engine->store)->joins) {
        m.n_members = 1;
        m.members = members;
    }
    return roster_copy(&m);
}

static int load_snapshot(struct engine *engine, struct raft_snapshot *meta, struct errbuf *e)
{
    struct store_snapshot stored;
    struct stored_snapshot opened = {0};
    int err = store_snapshot_read(engine->store, &stored, e);
    if (err != ERR_OK)
        return err;
    err = stored_snapshot_open(&opened, stored.bytes, stored.size, e);
    Ephor__Membership *m = opened.packed != NULL ? roster_copy(opened.packed->membership)
                                                 : drive_first_membership(engine);
    size_t size = stored.size;
    struct kept_snapshot *kept = NULL;
    if (err == ERR_OK && stored.index > 0 && opened.packed == NULL) {
        /* The first format: from here on it carries its membership. */
        void *packed = stored_snapshot_pack(m, 0, stored.bytes, stored.size, &size);
        kept = packed == NULL ? NULL : kept_snapshot_new(stored.index, packed, size);
        free(packed);
    } else if (err == ERR_OK && stored.index > 0) {
        kept = kept_snapshot_new(stored.index, stored.bytes, stored.size);
    }
    if (err == ERR_OK && (m == NULL || (stored.index > 0 && kept == NULL)))
        err = err_set(e, ERR_NOMEM, "out of memory for the snapshot");
    if (err == ERR_OK)
        err = membership_from_message(m, &meta->membership, e);
    meta->index = stored.index;
    meta->term = stored.term;
    meta->size = size;
    meta->membership_index = opened.membership_index;
    free((void *)(uintptr_t)stored.bytes);
    stored_snapshot_close(&opened);
    if (err != ERR_OK) {
        if (m != NULL)
            ephor__membership__free_unpacked(m, NULL);
        free(kept);
        return err;
    }
    if (kept != NULL) {
        kept->term = stored.term;
        kept->next = engine->kept;
        engine->kept = kept;
    }
    roster_close(&engine->roster);
    roster_init(&engine->roster, meta->membership_index, m);
    return ERR_OK;
}

/* What is damaged and what others have, too, is done without until they give it back. */
int drive_open(struct engine *engine, const struct engine_params *params, struct errbuf *e)
{
    struct errbuf said, why;
    int err = store_open(params->state_dir, params->controller, params->joins, &engine->store, e);
    if (err != ERR_CORRUPT)
        return err;
    if (store_repair(params->state_dir, params->controller, &said, &why) != ERR_OK) {
        log_warning("storage", "it cannot be repaired from the other controllers: %s", why.text);
        return err;
    }
    log_warning("storage", "%s; look after the disk", said.text);
    return store_open(params->state_dir, params->controller, params->joins, &engine->store, e);
}

int drive_load(struct engine *engine, struct errbuf *e)
{
    const struct store_state *state = store_state(engine->store);
    struct loading loading = {.engine = engine};
    struct raft_snapshot meta = {0};
    while (engine->kept != NULL) {
        struct kept_snapshot *next = engine->kept->next;
        free(engine->kept);
        engine->kept = next;
    }
    int err = load_snapshot(engine, &meta, e);
    if (err != ERR_OK)
        return err;
    raft_init(engine->raft, &engine->raft_params, state->term, state->voted_for, &meta);
    log_cache_reset(&engine->cache, state->first_index);
    err = store_read(engine->store, state->first_index, READ_MAX, on_stored_entry, &loading, e);
    if (err == ERR_OK && loading.err != ERR_OK)
        err = err_set(e, loading.err, "load the log: %s", err_text(loading.err));
    if (err != ERR_OK)
        return err;
    if (state->lost_index != 0)
        raft_lost(engine->raft, state->lost_index, state->lost_term);
    engine->snapshots.index = meta.index;
    engine->snapshots.log_size_bytes = engine->cache.size_bytes;
    engine->members_changed = true;
    engine->has_failed = false;
    raft_start(engine->raft, now_mono_ms());
    return ERR_OK;
}

static uint64_t draw_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (uint64_t)now_mono_ms();
    return seed;
}

struct raft_params drive_params(const struct engine_params *params, const struct store_state *state)
{
    uint32_t election_ms = params->election_ms == 0 ? ELECTION_MS : params->election_ms;
    uint32_t heartbeat_ms = params->heartbeat_ms == 0 ? election_ms / 6 : params->heartbeat_ms;
    uint64_t entries = state->last_index - state->first_index + 1;
    uint32_t trailing = params->trailing == 0 ? TRAILING : params->trailing;
    return (struct raft_params){.id = params->controller,
                                .election_ms = election_ms,
                                .heartbeat_ms = heartbeat_ms > 0 ? heartbeat_ms : 1,
                                .append_bytes_max = APPEND_BYTES_MAX,
                                .window_bytes = WINDOW_BYTES,
                                .chunk_bytes = CHUNK_BYTES,
                                .trailing = trailing,
                                .log_max = LOG_MAX + (uint32_t)entries,
                                .seed = draw_seed()};
}
