/* Messages of the consensus core to and from bytes. What comes from another controller is checked
 * here: afterwards it is well-formed, though it may still be wrong. */
#ifndef PROTO_RAFT_MESSAGE_H
#define PROTO_RAFT_MESSAGE_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/raft/raft.h"

enum { MEMBERSHIP_BYTES_MAX = 16384 };

/* The members as the core sees them. ERR_INVALID: ids, kinds or their number are impossible. */
int membership_from_message(const Ephor__Membership *from, struct raft_membership *to,
                            struct errbuf *e);

/* From the bytes of a LogEntry of kind 3. */
int membership_from_bytes(const void *bytes, size_t size, struct raft_membership *to,
                          struct errbuf *e);

/* What goes with a message when it is packed; all borrowed. */
struct raft_cargo {
    const Ephor__LogEntry *entries;      /* message.count of them */
    const Ephor__Membership *membership; /* of the snapshot */
    const void *chunk;                   /* message.size bytes */
};

/* Append the packed message to `out`. */
int raft_message_pack(const struct raft_message *m, const struct raft_cargo *cargo,
                      struct buf *out);

/* A received message with all that it points to. */
struct raft_mail {
    struct raft_message message;
    Ephor__RaftMessage *packed; /* for the bytes of entries and chunk */
    struct raft_entry *entries;
    struct raft_membership *memberships;
    struct raft_snapshot snapshot;
};

/* from and to: who the link's ends are. ERR_INVALID: not such a message; ERR_NOMEM. */
int raft_mail_open(struct raft_mail *mail, uint32_t from, uint32_t to, const void *bytes,
                   size_t size, struct errbuf *e);
void raft_mail_close(struct raft_mail *mail);

#endif
