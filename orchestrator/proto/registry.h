/* The observers that operators have added: controllers without a place in the log, which only look.
 * Replicated state beside the core, which knows nothing of single observers. */
#ifndef PROTO_REGISTRY_H
#define PROTO_REGISTRY_H

#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    OBSERVER_KEY_SIZE = 32,
    OBSERVER_ID_FIRST = 1001, /* ids of controllers are below */
    OBSERVER_RULES = 3,       /* the first ones that know of observers */
};

struct observer {
    uint32_t id; /* never used again */
    char name[NAME_SIZE];
    uint8_t fingerprint[OBSERVER_KEY_SIZE]; /* SHA-256 of its public key */
    int64_t since_wall_ms;                  /* when it was added */
};

struct registry {
    struct observer observers[OBSERVERS_MAX]; /* by id, the oldest first */
    uint32_t count;
    uint32_t next_id;
};

void registry_init(struct registry *registry);

/* NULL: there is none. */
const struct observer *registry_find(const struct registry *registry, uint32_t id);
const struct observer *registry_find_name(const struct registry *registry, const char *name);
const struct observer *registry_find_key(const struct registry *registry,
                                         const uint8_t fingerprint[OBSERVER_KEY_SIZE]);

/* Why this change cannot be made; NULL: it can. */
const char *registry_refusal(const struct registry *registry, const Ephor__ObserverChange *change);

/* Make it, and say in effects (may be NULL) what became of it; refused, it changes nothing. */
bool registry_apply(struct registry *registry, const Ephor__ObserverChange *change, int64_t wall_ms,
                    struct effects *effects);

/* Between the registry and its messages, whose names and keys are borrowed. */
struct registry_messages {
    Ephor__Observer observers[OBSERVERS_MAX];
    Ephor__Observer *pointers[OBSERVERS_MAX];
};
void registry_to_messages(const struct registry *registry, struct registry_messages *messages);

/* Is it what a registry may be? Only then it may be restored. next_id: 0 if there never was one. */
bool registry_is_sound(Ephor__Observer *const *observers, size_t count, uint32_t next_id);
void registry_restore(struct registry *registry, Ephor__Observer *const *observers, size_t count,
                      uint32_t next_id);

#endif
