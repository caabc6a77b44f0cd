/* A policy as objects with settings, in the words of ephor.conf(5): for telling two policies apart.
 * What the file says once (a check) and the policy has for each target is one object here. */
#ifndef PROTO_POLICY_SETTINGS_H
#define PROTO_POLICY_SETTINGS_H

#include "orchestrator/base/buf.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_noun { POLICY_NODE, POLICY_CHECK, POLICY_VIP, POLICY_SERVICE, POLICY_NOUNS };

struct policy_object {
    const char *name;
    uint32_t number; /* of the node, VIP or service; of the first check of that name */
};

struct policy_objects {
    const Ephor__Policy *policy;
    struct policy_object *sorted[POLICY_NOUNS]; /* by name */
    size_t counts[POLICY_NOUNS];
    uint32_t *by_id; /* numbers of checks, sorted by identity */
    /* Lists of numbers + 1, 0 is the end: the checks of a service or node, the VIPs of a service,
     * in the order of the policy; and a service's first member. */
    uint32_t *service_checks, *node_checks, *next_check, *service_vips, *next_vip, *first_member;
};

/* policy is borrowed, and must be valid (policy_validate). 0 or ERR_NOMEM; close in both cases. */
int policy_objects_init(struct policy_objects *objects, const Ephor__Policy *policy);
void policy_objects_close(struct policy_objects *objects);

enum { POLICY_SETTINGS_MAX = 40, POLICY_SETTINGS_SIZE_MAX = 4 << 20 };

struct policy_settings { /* of one object */
    struct buf text;
    struct {
        const char *name;
        size_t at; /* in text */
    } rows[POLICY_SETTINGS_MAX];
    size_t count;
};

void policy_settings_init(struct policy_settings *settings);
void policy_settings_close(struct policy_settings *settings);

/* Replace the content by the settings of an object, each value as the file would say it. Of a
 * check: what is the same for all of its targets. */
void policy_settings_take(struct policy_settings *settings, const struct policy_objects *objects,
                          enum policy_noun noun, uint32_t number);

/* The rest of a check: what may hold macros, as filled in for this target. */
void policy_settings_take_words(struct policy_settings *settings, const Ephor__Check *check);
bool policy_words_are_alike(const Ephor__Check *a, const Ephor__Check *b);

/* NULL: it has no such setting. */
const char *policy_settings_find(const struct policy_settings *settings, const char *name);

#endif
