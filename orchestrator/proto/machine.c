/* The state machine over the log. The only place where the core's block is allocated: when a
 * policy is adopted or a snapshot restored. */
#include "orchestrator/proto/machine.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/snapshot.h"
#include "orchestrator/proto/fact_message.h"
#include "orchestrator/proto/policy_message.h"

#include <stdlib.h>
#include <string.h>

void machine_init(struct machine *machine)
{
    memset(machine, 0, sizeof(*machine));
    registry_init(&machine->registry);
}

void machine_close(struct machine *machine)
{
    free(machine->core);
    if (machine->policy != NULL)
        ephor__policy__free_unpacked(machine->policy, NULL);
    free(machine->policy_bytes);
    history_close(&machine->history);
    machine_init(machine);
}

/* A state with this policy filled in and room for `retired` VIPs more. NULL: out of memory. */
static struct core *make_core(const Ephor__Policy *policy, uint32_t retired)
{
    struct core_shape shape = policy_shape(policy);
    shape.vips += retired;
    void *block = malloc(core_size(&shape));
    if (block == NULL)
        return NULL;
    struct core *core = core_init(block, &shape);
    policy_fill(policy, core);
    core_index_names(core);
    return core;
}

static Ephor__Policy *read_policy(const ProtobufCBinaryData *bytes, struct errbuf *e)
{
    Ephor__Policy *policy = ephor__policy__unpack(NULL, bytes->len, bytes->data);
    if (policy == NULL) {
        err_set(e, ERR_CORRUPT, "the policy cannot be read");
        return NULL;
    }
    if (policy_validate(policy, e) != ERR_OK) {
        ephor__policy__free_unpacked(policy, NULL);
        return NULL;
    }
    return policy;
}

/* Replace what the machine has. core and policy are taken; the policy's bytes of before go to *old,
 * for the caller. */
static bool become(struct machine *machine, struct core *core, Ephor__Policy *policy,
                   const ProtobufCBinaryData *bytes, const char *digest, ProtobufCBinaryData *old)
{
    uint8_t *copy = malloc(bytes->len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, bytes->data, bytes->len);
    *old = (ProtobufCBinaryData){.data = machine->policy_bytes, .len = machine->policy_size};
    free(machine->core);
    if (machine->policy != NULL)
        ephor__policy__free_unpacked(machine->policy, NULL);
    machine->core = core;
    machine->policy = policy;
    machine->policy_bytes = copy;
    machine->policy_size = bytes->len;
    machine->policy_index = core->policy_index;
    text_copy(machine->policy_digest, sizeof(machine->policy_digest), digest);
    return true;
}

static void remember(struct machine *machine, const Ephor__PolicyAdopted *adopted, int64_t wall_ms,
                     ProtobufCBinaryData *old)
{
    struct past_policy policy = {.index = machine->policy_index, .wall_ms = wall_ms};
    text_copy(policy.author, sizeof(policy.author), adopted->author);
    text_copy(policy.changes, sizeof(policy.changes), adopted->changes);
    text_copy(policy.digest, sizeof(policy.digest), adopted->digest);
    history_add(&machine->history, &policy, old->data, old->len);
}

/* Who proposed it knew which policy it would replace. */
static bool is_condition_kept(const struct machine *machine, const Ephor__PolicyAdopted *adopted,
                              char *refusal)
{
    if (adopted->replaces[0] == '\0' || strcmp(adopted->replaces, machine->policy_digest) == 0)
        return true;
    text_format(refusal, LINE_SIZE,
                "another policy came into force meanwhile (number %llu): look at the difference "
                "to that one",
                (unsigned long long)machine->policy_index);
    return false;
}

/* Does it ask for what is in force already? Without a condition it is adopted anew. */
static bool is_in_force(const struct machine *machine, const Ephor__PolicyAdopted *adopted)
{
    return adopted->replaces[0] != '\0' && machine->core != NULL &&
           strcmp(adopted->digest, machine->policy_digest) == 0;
}

bool machine_may_adopt(const struct machine *machine, const Ephor__PolicyAdopted *adopted,
                       char *refusal)
{
    struct errbuf e = {.text = ""};
    if (is_in_force(machine, adopted))
        return true;
    if (!is_condition_kept(machine, adopted, refusal))
        return false;
    Ephor__Policy *policy = read_policy(&adopted->policy, &e);
    if (policy == NULL) {
        text_copy(refusal, LINE_SIZE, e.text);
        return false;
    }
    struct core *core = make_core(policy, 0);
    text_copy(refusal, LINE_SIZE, "out of memory");
    bool may_adopt = core != NULL && core_may_adopt(core, machine->core, refusal);
    free(core);
    ephor__policy__free_unpacked(policy, NULL);
    return may_adopt;
}

/* A state for this policy, with room for the VIPs that leave. NULL: out of memory. */
static struct core *make_successor(const Ephor__Policy *policy, const struct core *old)
{
    struct core *core = make_core(policy, 0);
    uint32_t retiring = core == NULL ? 0 : core_retiring(old, core);
    if (retiring == 0)
        return core;
    free(core);
    return make_core(policy, retiring);
}

static bool adopt(struct machine *machine, const Ephor__Fact *fact, struct effects *effects)
{
    const Ephor__PolicyAdopted *adopted = fact->policy;
    struct errbuf e = {.text = ""};
    char refusal[LINE_SIZE] = "out of memory";
    struct core *fresh = NULL;
    Ephor__Policy *policy = NULL;
    ProtobufCBinaryData old;
    if (is_in_force(machine, adopted)) {
        journal_reply(effects, true, "unchanged");
        return false;
    }
    if (!fact_has_times(fact)) {
        text_copy(refusal, sizeof(refusal), "its times are none");
        goto refuse;
    }
    if (!is_condition_kept(machine, adopted, refusal))
        goto refuse;
    policy = read_policy(&adopted->policy, &e);
    if (policy == NULL) {
        text_copy(refusal, sizeof(refusal), e.text);
        goto refuse;
    }
    fresh = make_successor(policy, machine->core);
    if (fresh == NULL)
        goto refuse;
    fresh->term = machine->term;
    fresh->policy_file = policy_digest_number(adopted->digest);
    if (!core_adopt(fresh, machine->core, machine->index, fact->at_ms, fact->wall_ms, effects,
                    refusal))
        goto refuse;
    if (become(machine, fresh, policy, &adopted->policy, adopted->digest, &old)) {
        remember(machine, adopted, fact->wall_ms, &old);
        if (adopted->changes[0] != '\0')
            journal_add(effects, SEVERITY_INFO, EVENT_POLICY, fresh->name, "by %s: %s",
                        adopted->author, adopted->changes);
        journal_reply(effects, true, "adopted");
        return true;
    }

refuse:
    effects_clear(effects);
    journal_add(effects, SEVERITY_ERROR, EVENT_REFUSED, "policy", "%.200s", refusal);
    journal_reply(effects, false, "%s", refusal);
    free(fresh);
    if (policy != NULL)
        ephor__policy__free_unpacked(policy, NULL);
    return false;
}

/* The place of an author; a new one takes a free place, or that of the one longest unheard of. */
static struct author *place_of(struct machine *machine, uint32_t id)
{
    struct author *free_place = &machine->authors[0];
    for (uint32_t i = 0; i < AUTHORS_MAX; i++) {
        struct author *author = &machine->authors[i];
        if (author->id == id)
            return author;
        if (author->heard_index < free_place->heard_index)
            free_place = author;
    }
    *free_place = (struct author){.id = id};
    return free_place;
}

/* Is it the first time that the log has this? An author sends again, in order, what it has not
 * seen applied. */
static bool is_first_time(struct machine *machine, const Ephor__Fact *fact)
{
    machine->last =
        (struct author){.id = fact->author, .run = fact->run, .sequence = fact->sequence};
    if (fact->author == 0)
        return true;
    struct author *author = place_of(machine, fact->author);
    if (fact->previous > (author->run == fact->run ? author->sequence : 0)) {
        machine->last.id = 0; /* the one before it was lost: both are sent again, in order */
        return false;
    }
    author->heard_index = machine->index;
    if (author->run == fact->run && fact->sequence <= author->sequence)
        return false;
    if (author->run_before == fact->run && fact->run != 0)
        return false;
    if (author->run != fact->run)
        author->run_before = author->run;
    author->run = fact->run;
    author->sequence = fact->sequence;
    return true;
}

/* The core knows nothing of it, nor does its time go on. */
static void change_observers(struct machine *machine, const Ephor__Fact *fact,
                             struct effects *effects)
{
    if (fact_has_times(fact)) {
        registry_apply(&machine->registry, fact->observer, fact->wall_ms, effects);
        return;
    }
    journal_add(effects, SEVERITY_WARNING, EVENT_REFUSED, "observer", "its times are none");
    journal_reply(effects, false, "its times are none");
}

void machine_apply(struct machine *machine, uint64_t index, uint64_t term, const void *bytes,
                   size_t size, struct effects *effects, bool *adopted)
{
    struct fact_parts parts;
    struct fact fact;
    effects_clear(effects);
    if (adopted != NULL)
        *adopted = false;
    machine->index = index;
    machine->term = term;
    machine->last.id = 0;
    Ephor__Fact *message = ephor__fact__unpack(NULL, size, bytes);
    if (message == NULL) {
        journal_add(effects, SEVERITY_ERROR, EVENT_REFUSED, "log", "entry %llu is not a fact",
                    (unsigned long long)index);
        return;
    }
    if (fact_has_times(message))
        machine->wall_ms = message->wall_ms;
    if (!is_first_time(machine, message)) {
        ephor__fact__free_unpacked(message, NULL);
        return;
    }
    if (message->body_case == EPHOR__FACT__BODY_POLICY) {
        bool is_new = adopt(machine, message, effects);
        if (adopted != NULL)
            *adopted = is_new;
    } else if (machine->core == NULL) {
        journal_reply(effects, false, "no policy was adopted yet");
    } else if (message->body_case == EPHOR__FACT__BODY_OBSERVER) {
        change_observers(machine, message, effects);
    } else if (fact_from_message(message, index, term, &fact, &parts)) {
        core_step(machine->core, &fact, effects);
    } else {
        journal_add(effects, SEVERITY_WARNING, EVENT_REFUSED, "log",
                    "entry %llu is not known to this version", (unsigned long long)index);
    }
    ephor__fact__free_unpacked(message, NULL);
}

struct messages { /* what a snapshot points to */
    Ephor__Author authors[AUTHORS_MAX], *author_pointers[AUTHORS_MAX];
    Ephor__PastPolicy past[HISTORY_MAX], *past_pointers[HISTORY_MAX];
    struct registry_messages registry;
};

static void add_authors(const struct machine *machine, struct messages *messages,
                        Ephor__Snapshot *snapshot)
{
    snapshot->authors = messages->author_pointers;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++) {
        if (machine->authors[i].id == 0)
            continue;
        Ephor__Author *author = &messages->authors[snapshot->n_authors];
        ephor__author__init(author);
        author->id = machine->authors[i].id;
        author->run = machine->authors[i].run;
        author->sequence = machine->authors[i].sequence;
        author->run_before = machine->authors[i].run_before;
        author->heard_index = machine->authors[i].heard_index;
        snapshot->authors[snapshot->n_authors++] = author;
    }
}

/* A cluster that never had an observer has the snapshots that earlier versions make, too. */
static void add_observers(const struct machine *machine, struct messages *messages,
                          Ephor__Snapshot *snapshot)
{
    if (machine->registry.next_id == OBSERVER_ID_FIRST)
        return;
    registry_to_messages(&machine->registry, &messages->registry);
    snapshot->observers = messages->registry.pointers;
    snapshot->n_observers = machine->registry.count;
    snapshot->next_observer = machine->registry.next_id;
}

uint8_t *machine_snapshot(const struct machine *machine, size_t *size)
{
    if (machine->core == NULL)
        return NULL;
    Ephor__Snapshot snapshot = EPHOR__SNAPSHOT__INIT;
    struct messages *messages = malloc(sizeof(*messages));
    uint8_t *out = NULL;
    snapshot.policy_index = machine->policy_index;
    snapshot.policy.data = machine->policy_bytes;
    snapshot.policy.len = machine->policy_size;
    snapshot.policy_digest = (char *)(uintptr_t)machine->policy_digest;
    snapshot.core.len = snapshot_size(machine->core);
    snapshot.core.data = malloc(snapshot.core.len);
    if (snapshot.core.data != NULL && messages != NULL) {
        snapshot_write(machine->core, snapshot.core.data);
        add_authors(machine, messages, &snapshot);
        add_observers(machine, messages, &snapshot);
        snapshot.history = messages->past_pointers;
        snapshot.n_history =
            history_to_messages(&machine->history, messages->past, messages->past_pointers);
        *size = ephor__snapshot__get_packed_size(&snapshot);
        out = malloc(*size);
    }
    if (out != NULL)
        ephor__snapshot__pack(&snapshot, out);
    free(snapshot.core.data);
    free(messages);
    return out;
}

/* A snapshot of before there was a history knows the policy in force only. */
static int restore_history(const Ephor__Snapshot *snapshot, struct history *history)
{
    struct past_policy policy = {.index = snapshot->policy_index};
    if (snapshot->n_history > 0)
        return history_from_messages(history, snapshot->history, snapshot->n_history);
    text_copy(policy.digest, sizeof(policy.digest), snapshot->policy_digest);
    *history = (struct history){.count = 0};
    history_add(history, &policy, NULL, 0);
    return ERR_OK;
}

static int restore(struct machine *machine, const Ephor__Snapshot *snapshot, struct errbuf *e)
{
    struct history history;
    ProtobufCBinaryData old;
    struct core_shape shape;
    struct core *core = NULL;
    Ephor__Policy *policy = read_policy(&snapshot->policy, e);
    if (policy == NULL)
        return ERR_CORRUPT;
    if (!snapshot_shape(snapshot->core.data, snapshot->core.len, &shape) ||
        shape.vips < policy->n_vips || shape.vips > policy->n_vips + 10000) {
        err_set(e, ERR_CORRUPT, "the snapshot is damaged or of another version");
        goto fail;
    }
    core = make_core(policy, shape.vips - (uint32_t)policy->n_vips);
    if (core == NULL) {
        err_set(e, ERR_NOMEM, "out of memory");
        goto fail;
    }
    core->policy_index = snapshot->policy_index;
    core->policy_file = policy_digest_number(snapshot->policy_digest);
    if (!snapshot_read(core, snapshot->core.data, snapshot->core.len)) {
        err_set(e, ERR_CORRUPT, "the snapshot is damaged");
        goto fail;
    }
    if (!registry_is_sound(snapshot->observers, snapshot->n_observers, snapshot->next_observer)) {
        err_set(e, ERR_CORRUPT, "the snapshot's observers make no sense");
        goto fail;
    }
    if (restore_history(snapshot, &history) != ERR_OK) {
        err_set(e, ERR_NOMEM, "out of memory");
        goto fail;
    }
    if (become(machine, core, policy, &snapshot->policy, snapshot->policy_digest, &old)) {
        free(old.data);
        history_close(&machine->history);
        machine->history = history;
        registry_restore(&machine->registry, snapshot->observers, snapshot->n_observers,
                         snapshot->next_observer);
        return ERR_OK;
    }
    history_close(&history);

fail:
    free(core);
    ephor__policy__free_unpacked(policy, NULL);
    return ERR_CORRUPT;
}

static struct author author_from(const Ephor__Author *author)
{
    return (struct author){.id = author->id,
                           .run = author->run,
                           .sequence = author->sequence,
                           .run_before = author->run_before,
                           .heard_index = author->heard_index};
}

int machine_restore(struct machine *machine, uint64_t index, uint64_t term, const void *bytes,
                    size_t size, struct errbuf *e)
{
    Ephor__Snapshot *snapshot = ephor__snapshot__unpack(NULL, size, bytes);
    if (snapshot == NULL)
        return err_set(e, ERR_CORRUPT, "the snapshot cannot be read");
    int err = restore(machine, snapshot, e);
    if (err == ERR_OK) {
        machine->index = index;
        machine->term = term;
        machine->wall_ms = machine->core->wall_ms;
        memset(machine->authors, 0, sizeof(machine->authors));
        for (size_t i = 0; i < snapshot->n_authors && i < AUTHORS_MAX; i++)
            machine->authors[i] = author_from(snapshot->authors[i]);
    }
    ephor__snapshot__free_unpacked(snapshot, NULL);
    return err;
}
