#include "orchestrator/proto/raft_message.h"

#include "orchestrator/base/contract.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 65536 };

/* ---- membership */

int membership_from_message(const Ephor__Membership *from, struct raft_membership *to,
                            struct errbuf *e)
{
    memset(to, 0, sizeof(*to));
    if (from == NULL || from->n_members > RAFT_MEMBERS_MAX)
        return err_set(e, ERR_INVALID, "a membership of %zu members; at most %d can be",
                       from == NULL ? 0 : from->n_members, RAFT_MEMBERS_MAX);
    for (size_t i = 0; i < from->n_members; i++) {
        const Ephor__ClusterMember *member = from->members[i];
        if (member->id == 0 || member->kind < EPHOR__MEMBER_KIND__VOTER ||
            member->kind > EPHOR__MEMBER_KIND__WITNESS)
            return err_set(e, ERR_INVALID, "a member with id %u and kind %d", member->id,
                           (int)member->kind);
        to->members[to->count++] = (struct raft_member){member->id, (enum raft_kind)member->kind};
    }
    return ERR_OK;
}

int membership_from_bytes(const void *bytes, size_t size, struct raft_membership *to,
                          struct errbuf *e)
{
    Ephor__Membership *m =
        size > MEMBERSHIP_BYTES_MAX ? NULL : ephor__membership__unpack(NULL, size, bytes);
    if (m == NULL)
        return err_set(e, ERR_INVALID, "these %zu bytes are no membership", size);
    int err = membership_from_message(m, to, e);
    if (err == ERR_OK && to->count == 0)
        err = err_set(e, ERR_INVALID, "a membership without members");
    ephor__membership__free_unpacked(m, NULL);
    return err;
}

/* ---- to bytes */

static void fill_snapshot(const struct raft_snapshot *from, const Ephor__Membership *membership,
                          Ephor__SnapshotMeta *to)
{
    to->index = from->index;
    to->term = from->term;
    to->size = from->size;
    to->membership_index = from->membership_index;
    to->membership = (Ephor__Membership *)(uintptr_t)membership;
}

static void fill(const struct raft_message *from, Ephor__RaftMessage *to)
{
    to->type = from->type;
    to->term = from->term;
    to->index = from->index;
    to->index_term = from->index_term;
    to->granted = from->granted;
    to->is_transfer = from->is_transfer;
    to->wants_snapshot = from->wants_snapshot;
    to->has_lost = from->has_lost;
    to->refused = from->refused;
    to->commit = from->commit;
    to->sent_ms = from->sent_ms;
    to->offset = from->offset;
    to->flight = from->flight;
}

static int pack(const Ephor__RaftMessage *m, struct buf *out)
{
    size_t size = ephor__raft_message__get_packed_size(m);
    char *to = buf_reserve(out, size);
    if (to == NULL)
        return ERR_LIMIT;
    ephor__raft_message__pack(m, (uint8_t *)to);
    buf_commit(out, size);
    return ERR_OK;
}

int raft_message_pack(const struct raft_message *m, const struct raft_cargo *cargo, struct buf *out)
{
    Ephor__RaftMessage packed = EPHOR__RAFT_MESSAGE__INIT;
    Ephor__SnapshotMeta snapshot = EPHOR__SNAPSHOT_META__INIT;
    Ephor__LogEntry **entries = NULL;
    fill(m, &packed);
    if (m->type == RAFT_APPEND && m->count > 0) {
        entries = calloc(m->count, sizeof(entries[0]));
        if (entries == NULL)
            return ERR_NOMEM;
        for (uint32_t i = 0; i < m->count; i++)
            entries[i] = (Ephor__LogEntry *)(uintptr_t)&cargo->entries[i];
        packed.n_entries = m->count;
        packed.entries = entries;
    }
    if (m->type == RAFT_SNAPSHOT) {
        fill_snapshot(m->snapshot, cargo->membership, &snapshot);
        packed.snapshot = &snapshot;
        packed.chunk.data = (uint8_t *)(uintptr_t)cargo->chunk;
        packed.chunk.len = m->size;
    }
    int err = pack(&packed, out);
    free(entries);
    return err;
}

/* ---- from bytes */

static int open_entries(struct raft_mail *mail, struct errbuf *e)
{
    const Ephor__RaftMessage *m = mail->packed;
    size_t count = m->n_entries;
    if (count == 0)
        return ERR_OK;
    if (count > ENTRIES_MAX || mail->message.type != RAFT_APPEND)
        return err_set(e, ERR_INVALID, "%zu entries in one message", count);
    mail->entries = calloc(count, sizeof(mail->entries[0]));
    if (mail->entries == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    uint32_t configs = 0;
    for (size_t i = 0; i < count; i++)
        configs += m->entries[i]->kind == RAFT_ENTRY_CONFIG;
    mail->memberships = calloc(configs + 1, sizeof(mail->memberships[0]));
    if (mail->memberships == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    configs = 0;
    for (size_t i = 0; i < count; i++) {
        const Ephor__LogEntry *from = m->entries[i];
        struct raft_entry *to = &mail->entries[i];
        if (from->kind < RAFT_ENTRY_NOOP || from->kind > RAFT_ENTRY_CONFIG || from->term == 0)
            return err_set(e, ERR_INVALID, "an entry of kind %u and term %lu", from->kind,
                           (unsigned long)from->term);
        *to = (struct raft_entry){.term = from->term,
                                  .size = (uint32_t)from->bytes.len,
                                  .kind = (enum raft_entry_kind)from->kind};
        if (to->kind != RAFT_ENTRY_CONFIG)
            continue;
        to->membership = &mail->memberships[configs];
        int err = membership_from_bytes(from->bytes.data, from->bytes.len,
                                        &mail->memberships[configs++], e);
        if (err != ERR_OK)
            return err;
    }
    mail->message.entries = mail->entries;
    mail->message.count = (uint32_t)count;
    return ERR_OK;
}

/* Terms never fall, and none is above the sender's. */
static int check_terms(const struct raft_message *m, struct errbuf *e)
{
    uint64_t term = m->index_term;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->entries[i].term < term || m->entries[i].term > m->term)
            return err_set(e, ERR_INVALID, "an entry of term %lu after one of term %lu",
                           (unsigned long)m->entries[i].term, (unsigned long)term);
        term = m->entries[i].term;
    }
    return ERR_OK;
}

static int open_snapshot(struct raft_mail *mail, struct errbuf *e)
{
    const Ephor__RaftMessage *m = mail->packed;
    const Ephor__SnapshotMeta *s = m->snapshot;
    if (mail->message.type != RAFT_SNAPSHOT)
        return ERR_OK;
    if (s == NULL || s->index == 0 || s->term == 0 || s->term > m->term || s->size == 0 ||
        s->index != m->index || s->membership_index > s->index || m->offset > s->size ||
        m->chunk.len > s->size - m->offset || m->chunk.len > UINT32_MAX)
        return err_set(e, ERR_INVALID, "a snapshot that contradicts itself");
    mail->snapshot = (struct raft_snapshot){.index = s->index,
                                            .term = s->term,
                                            .size = s->size,
                                            .membership_index = s->membership_index};
    int err = membership_from_message(s->membership, &mail->snapshot.membership, e);
    if (err == ERR_OK && mail->snapshot.membership.count == 0)
        err = err_set(e, ERR_INVALID, "a snapshot without members");
    mail->message.snapshot = &mail->snapshot;
    mail->message.size = (uint32_t)m->chunk.len;
    return err;
}

static void open_message(struct raft_mail *mail, uint32_t from, uint32_t to)
{
    const Ephor__RaftMessage *m = mail->packed;
    mail->message = (struct raft_message){.type = (enum raft_message_type)m->type,
                                          .from = from,
                                          .to = to,
                                          .term = m->term,
                                          .index = m->index,
                                          .index_term = m->index_term,
                                          .granted = m->granted,
                                          .is_transfer = m->is_transfer,
                                          .wants_snapshot = m->wants_snapshot,
                                          .has_lost = m->has_lost,
                                          .refused = m->refused,
                                          .commit = m->commit,
                                          .sent_ms = m->sent_ms,
                                          .offset = m->offset,
                                          .flight = m->flight};
}

int raft_mail_open(struct raft_mail *mail, uint32_t from, uint32_t to, const void *bytes,
                   size_t size, struct errbuf *e)
{
    memset(mail, 0, sizeof(*mail));
    mail->packed = ephor__raft_message__unpack(NULL, size, bytes);
    if (mail->packed == NULL)
        return err_set(e, ERR_INVALID, "these %zu bytes are no message of the log", size);
    const Ephor__RaftMessage *m = mail->packed;
    int err = ERR_OK;
    if (m->type < RAFT_PREVOTE || m->type > RAFT_TIMEOUT_NOW || m->index > INT64_MAX ||
        m->term > INT64_MAX || m->commit > INT64_MAX || m->refused > INT64_MAX)
        err = err_set(e, ERR_INVALID, "a message of type %u with impossible numbers", m->type);
    open_message(mail, from, to);
    if (err == ERR_OK)
        err = open_entries(mail, e);
    if (err == ERR_OK)
        err = check_terms(&mail->message, e);
    if (err == ERR_OK)
        err = open_snapshot(mail, e);
    if (err != ERR_OK)
        raft_mail_close(mail);
    return err;
}

void raft_mail_close(struct raft_mail *mail)
{
    if (mail->packed != NULL)
        ephor__raft_message__free_unpacked(mail->packed, NULL);
    free(mail->entries);
    free(mail->memberships);
    memset(mail, 0, sizeof(*mail));
}
