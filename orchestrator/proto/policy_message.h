/* The policy between its message and the policy fields of a core. */
#ifndef PROTO_POLICY_MESSAGE_H
#define PROTO_POLICY_MESSAGE_H

#include "orchestrator/base/err.h"
#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/proto/history.h"

/* Is this policy whole and consistent: names and texts within their sizes, indexes in range,
 * members grouped by service? Everything behind this may rely on it. */
int policy_validate(const Ephor__Policy *policy, struct errbuf *e);

/* The shape of a core for a valid policy; retired VIPs come on top. */
struct core_shape policy_shape(const Ephor__Policy *policy);

/* Fill the policy fields of a core made with that shape. */
void policy_fill(const Ephor__Policy *policy, struct core *core);

/* A number for a check's identity: the same everywhere and for ever. */
uint64_t policy_check_hash(const Ephor__Check *check);

/* The digest of a policy as a number, as the board compares it; 0 for "". */
uint64_t policy_digest_number(const char *digest);

/* What stands for a policy's bytes wherever two policies are compared. */
void policy_digest(const void *bytes, size_t size, char digest[DIGEST_SIZE]);

#endif
