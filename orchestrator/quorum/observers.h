/* The observers that are linked to this controller: what they are told, what they say, and the
 * census of it that the leader proposes. Every controller does all of this but the last, so that
 * the next leader goes on where this one was. */
#ifndef QUORUM_OBSERVERS_H
#define QUORUM_OBSERVERS_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/tls_identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quorum;
struct observers;

struct observers *observers_new(struct quorum *quorum); /* NULL: out of memory */
void observers_free(struct observers *observers);       /* NULL is fine */

/* For the links (mesh.h). */
bool observers_is_key(const struct observers *observers,
                      const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]);
const char *observers_judge(const struct observers *observers, const Ephor__Hello *hello,
                            const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]);
void observers_on_linked(struct observers *observers, uint32_t id);
void observers_on_lost(struct observers *observers, uint32_t id);
void observers_on_frame(struct observers *observers, uint32_t id, const uint8_t *bytes,
                        size_t size);

/* Another policy is in force; the members are others; this controller leads, or another one. */
void observers_on_policy(struct observers *observers);
void observers_on_members(struct observers *observers);
void observers_on_leader(struct observers *observers);

/* Verdicts that changed or are doubted: the leader tells those who look. */
void observers_send_verdicts(struct observers *observers, const Ephor__Verdicts *verdicts);

/* At each beat: who is silent goes; what has changed is told and counted. */
void observers_work(struct observers *observers);

/* For the status process; the array is heap until observers_feed_free, what it points to is not. */
void observers_feed(const struct observers *observers, Ephor__FeedState *feed);
void observers_feed_free(Ephor__FeedState *feed);

#endif
