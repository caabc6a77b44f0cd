#include "orchestrator/proto/registry.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/journal.h"

#include <string.h>

void registry_init(struct registry *registry)
{
    memset(registry, 0, sizeof(*registry));
    registry->next_id = OBSERVER_ID_FIRST;
}

/* ---------------------------------------------------------------- questions */

const struct observer *registry_find(const struct registry *registry, uint32_t id)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (registry->observers[i].id == id)
            return &registry->observers[i];
    return NULL;
}

const struct observer *registry_find_name(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (strcmp(registry->observers[i].name, name) == 0)
            return &registry->observers[i];
    return NULL;
}

const struct observer *registry_find_key(const struct registry *registry,
                                         const uint8_t fingerprint[OBSERVER_KEY_SIZE])
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (memcmp(registry->observers[i].fingerprint, fingerprint, OBSERVER_KEY_SIZE) == 0)
            return &registry->observers[i];
    return NULL;
}

static const char *why_not_add(const struct registry *registry, const Ephor__Observer *added)
{
    if (!text_is_name(added->name))
        return "an observer's name is a letter and then up to 46 letters, digits, '_' and '-'";
    if (added->fingerprint.len != OBSERVER_KEY_SIZE)
        return "the fingerprint of its key is missing";
    if (registry_find_name(registry, added->name) != NULL)
        return "there is an observer of that name already; remove it first";
    if (registry_find_key(registry, added->fingerprint.data) != NULL)
        return "another observer has that key";
    return registry->count == OBSERVERS_MAX ? "a cluster has at most 512 observers" : NULL;
}

const char *registry_refusal(const struct registry *registry, const Ephor__ObserverChange *change)
{
    bool is_removal = change->removed[0] != '\0';
    if ((change->added != NULL) == is_removal)
        return "one observer is added or removed at a time";
    if (!is_removal)
        return why_not_add(registry, change->added);
    return registry_find_name(registry, change->removed) == NULL
               ? "there is no observer of that name; see ephorctl cluster status"
               : NULL;
}

/* ---------------------------------------------------------------- changes */

static void put(struct registry *registry, uint32_t id, const Ephor__Observer *from,
                int64_t since_wall_ms)
{
    struct observer *to = &registry->observers[registry->count++];
    *to = (struct observer){.id = id, .since_wall_ms = since_wall_ms};
    text_copy(to->name, sizeof(to->name), from->name);
    memcpy(to->fingerprint, from->fingerprint.data, sizeof(to->fingerprint));
}

static void take_out(struct registry *registry, const char *name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < registry->count; i++)
        if (strcmp(registry->observers[i].name, name) != 0)
            registry->observers[kept++] = registry->observers[i];
    registry->count = kept;
}

bool registry_apply(struct registry *registry, const Ephor__ObserverChange *change, int64_t wall_ms,
                    struct effects *effects)
{
    const char *refusal = registry_refusal(registry, change);
    if (refusal != NULL) {
        journal_add(effects, SEVERITY_WARNING, EVENT_REFUSED, "observer", "%s", refusal);
        journal_reply(effects, false, "%s", refusal);
        return false;
    }
    if (change->added != NULL) {
        uint32_t id = registry->next_id++;
        put(registry, id, change->added, wall_ms);
        journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, change->added->name,
                    "added as an observer by %s", change->author);
        journal_reply(effects, true, "observer %s was added with id %u", change->added->name, id);
        return true;
    }
    take_out(registry, change->removed);
    journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, change->removed,
                "an observer until now, removed by %s", change->author);
    journal_reply(effects, true, "observer %s was removed", change->removed);
    return true;
}

/* ---------------------------------------------------------------- snapshots */

void registry_to_messages(const struct registry *registry, struct registry_messages *messages)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        const struct observer *from = &registry->observers[i];
        Ephor__Observer *to = &messages->observers[i];
        ephor__observer__init(to);
        to->id = from->id;
        to->name = (char *)(uintptr_t)from->name;
        to->fingerprint.data = (uint8_t *)(uintptr_t)from->fingerprint;
        to->fingerprint.len = sizeof(from->fingerprint);
        to->since_wall_ms = from->since_wall_ms;
        messages->pointers[i] = to;
    }
}

static bool are_alike(const Ephor__Observer *a, const Ephor__Observer *b)
{
    return strcmp(a->name, b->name) == 0 ||
           memcmp(a->fingerprint.data, b->fingerprint.data, OBSERVER_KEY_SIZE) == 0;
}

bool registry_is_sound(Ephor__Observer *const *observers, size_t count, uint32_t next_id)
{
    uint32_t last_id = OBSERVER_ID_FIRST - 1;
    if (count > OBSERVERS_MAX || (next_id != 0 && next_id < OBSERVER_ID_FIRST))
        return false;
    for (size_t i = 0; i < count; i++) {
        const Ephor__Observer *observer = observers[i];
        if (observer->id <= last_id || observer->id >= next_id || !text_is_name(observer->name) ||
            observer->fingerprint.len != OBSERVER_KEY_SIZE)
            return false;
        for (size_t before = 0; before < i; before++)
            if (are_alike(observers[before], observer))
                return false;
        last_id = observer->id;
    }
    return true;
}

void registry_restore(struct registry *registry, Ephor__Observer *const *observers, size_t count,
                      uint32_t next_id)
{
    registry_init(registry);
    for (size_t i = 0; i < count; i++)
        put(registry, observers[i]->id, observers[i], observers[i]->since_wall_ms);
    if (next_id != 0)
        registry->next_id = next_id;
}
