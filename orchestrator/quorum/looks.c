#include "orchestrator/quorum/looks.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_message.h"

#include <stdlib.h>
#include <string.h>

enum { WRONG_MAX = 50 }; /* checks that the status process is told of */

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    PRE(memory != NULL);
    return memory;
}

static size_t count_of(const struct looks *looks)
{
    return looks->policy == NULL ? 0 : looks->policy->n_checks;
}

static void forget(struct look *look)
{
    free(look->text);
    *look = (struct look){.outlook = look->outlook};
}

/* ---------------------------------------------------------------- the policy */

void looks_close(struct looks *looks)
{
    for (size_t i = 0; i < count_of(looks); i++)
        forget(&looks->list[i]);
    free(looks->list);
    free(looks->bytes);
    if (looks->policy != NULL)
        ephor__policy__free_unpacked(looks->policy, NULL);
    *looks = (struct looks){0};
}

/* ---- opinions go over by identity */

struct known {
    const char *id;
    struct look *look;
};

static int compare_known(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->id, ((const struct known *)b)->id);
}

static void carry_over(struct looks *old, struct looks *fresh)
{
    struct known *known = take(count_of(old), sizeof(*known));
    size_t count = count_of(old);
    for (size_t i = 0; i < count; i++)
        known[i] = (struct known){.id = old->policy->checks[i]->id, .look = &old->list[i]};
    qsort(known, count, sizeof(*known), compare_known);
    for (size_t i = 0; i < count_of(fresh); i++) {
        struct known key = {.id = fresh->policy->checks[i]->id};
        struct known *found = bsearch(&key, known, count, sizeof(*known), compare_known);
        if (found == NULL)
            continue;
        fresh->list[i] = *found->look;
        found->look->text = NULL;
    }
    free(known);
}

int looks_adopt(struct looks *looks, uint64_t index, const uint8_t *bytes, size_t size,
                struct errbuf *e)
{
    Ephor__Policy *policy = ephor__policy__unpack(NULL, size, bytes);
    int err =
        policy == NULL ? err_set(e, ERR_INVALID, "it cannot be read") : policy_validate(policy, e);
    if (err != ERR_OK) {
        if (policy != NULL)
            ephor__policy__free_unpacked(policy, NULL);
        return err;
    }
    struct looks fresh = {.policy_index = index, .policy = policy, .size = size};
    fresh.list = take(policy->n_checks, sizeof(fresh.list[0]));
    fresh.bytes = take(size, 1);
    memcpy(fresh.bytes, bytes, size);
    carry_over(looks, &fresh);
    looks_close(looks);
    *looks = fresh;
    return ERR_OK;
}

/* ---------------------------------------------------------------- which are this one's */

/* Among those who are there, this one too: how many come before it, by `weight` or by id? */
static struct outlook choose(const Ephor__Check *check, uint32_t self, const uint32_t *present,
                             size_t count)
{
    uint64_t hash = policy_check_hash(check);
    uint64_t own = core_weight(hash, self);
    uint32_t others = 0, before = 0, above = 0;
    if (check->observers == 0)
        return (struct outlook){0, 0};
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = core_weight(hash, present[i]);
        if (present[i] == self)
            continue;
        others++;
        before += present[i] < self;
        above += weight > own || (weight == own && present[i] < self);
    }
    if (check->observers > others)
        return (struct outlook){before, others + 1};
    if (above < check->observers)
        return (struct outlook){above, check->observers};
    return (struct outlook){0, 0};
}

bool looks_choose(struct looks *looks, uint32_t self, const uint32_t *present, size_t count)
{
    bool is_changed = false;
    for (size_t i = 0; i < count_of(looks); i++) {
        struct look *look = &looks->list[i];
        struct outlook outlook = choose(looks->policy->checks[i], self, present, count);
        if (outlook.rank == look->outlook.rank && outlook.count == look->outlook.count)
            continue;
        is_changed = true;
        if (outlook.count == 0)
            forget(look);
        look->outlook = outlook;
    }
    return is_changed;
}

/* ---------------------------------------------------------------- what is seen */

static void take_change(struct look *look, const Ephor__OpinionChange *change)
{
    forget(look);
    look->is_known = true;
    look->state = (uint8_t)change->state;
    look->suspect = (uint8_t)change->suspect;
    look->attempts = (uint8_t)(change->attempts < ATTEMPTS_MAX ? change->attempts : ATTEMPTS_MAX);
    look->cause = (uint8_t)change->cause;
    if (change->state != EPHOR__STATE__STATE_OK || change->attempts > 0)
        look->text = strdup(change->text);
}

bool looks_take(struct looks *looks, const Ephor__Opinions *opinions)
{
    if (opinions->policy_index != looks->policy_index)
        return false;
    for (size_t i = 0; i < opinions->n_changes; i++) {
        uint32_t check = opinions->changes[i]->check;
        if (check < count_of(looks) && looks->list[check].outlook.count > 0)
            take_change(&looks->list[check], opinions->changes[i]);
    }
    return true;
}

/* ---------------------------------------------------------------- for others */

void looks_outlook(const struct looks *looks, Ephor__Outlook *outlook)
{
    size_t count = count_of(looks);
    Ephor__CheckOutlook *list = take(count, sizeof(*list));
    ephor__outlook__init(outlook);
    outlook->policy_index = looks->policy_index;
    outlook->others = take(count, sizeof(outlook->others[0]));
    for (size_t i = 0; i < count; i++) {
        Ephor__CheckOutlook *to = &list[outlook->n_others];
        if (looks->list[i].outlook.count == 0)
            continue;
        ephor__check_outlook__init(to);
        to->check = (uint32_t)i;
        to->rank = looks->list[i].outlook.rank;
        to->count = looks->list[i].outlook.count;
        outlook->others[outlook->n_others++] = to;
    }
    if (outlook->n_others == 0)
        free(list);
}

void looks_free_outlook(Ephor__Outlook *outlook)
{
    if (outlook->n_others > 0)
        free(outlook->others[0]);
    free(outlook->others);
}

void looks_report(const struct looks *looks, Ephor__Report *report)
{
    size_t count = count_of(looks);
    Ephor__OpinionChange *list = take(count, sizeof(*list));
    Ephor__Opinions *opinions = take(1, sizeof(*opinions));
    ephor__opinions__init(opinions);
    opinions->policy_index = looks->policy_index;
    opinions->changes = take(count, sizeof(opinions->changes[0]));
    report->full = true;
    report->opinions = opinions;
    report->silent = take(count, sizeof(report->silent[0]));
    for (size_t i = 0; i < count; i++) {
        const struct look *look = &looks->list[i];
        Ephor__OpinionChange *to = &list[opinions->n_changes];
        if (look->outlook.count == 0)
            continue;
        if (!look->is_known) {
            report->silent[report->n_silent++] = (uint32_t)i;
            continue;
        }
        ephor__opinion_change__init(to);
        to->check = (uint32_t)i;
        to->state = (Ephor__State)look->state;
        to->suspect = (Ephor__State)look->suspect;
        to->attempts = look->attempts;
        to->cause = (Ephor__Cause)look->cause;
        opinions->changes[opinions->n_changes++] = to;
    }
    if (opinions->n_changes == 0)
        free(list);
}

void looks_free_report(Ephor__Report *report)
{
    if (report->opinions->n_changes > 0)
        free(report->opinions->changes[0]);
    free(report->opinions->changes);
    free(report->opinions);
    free(report->silent);
}

void looks_feed(const struct looks *looks, Ephor__FeedLooks *feed)
{
    Ephor__FeedLook *list = take(WRONG_MAX, sizeof(*list));
    ephor__feed_looks__init(feed);
    feed->policy_index = looks->policy_index;
    feed->states = take(4, sizeof(feed->states[0]));
    feed->n_states = 4;
    feed->wrong = take(WRONG_MAX, sizeof(feed->wrong[0]));
    for (size_t i = 0; i < count_of(looks); i++) {
        const struct look *look = &looks->list[i];
        Ephor__FeedLook *to = &list[feed->n_wrong];
        if (look->outlook.count == 0)
            continue;
        feed->silent += !look->is_known;
        if (!look->is_known)
            continue;
        feed->states[look->state]++;
        if (look->state == STATE_OK || feed->n_wrong == WRONG_MAX)
            continue;
        ephor__feed_look__init(to);
        to->check = looks->policy->checks[i]->id;
        to->state = (Ephor__State)look->state;
        to->text = look->text == NULL ? to->text : look->text;
        feed->wrong[feed->n_wrong++] = to;
    }
    if (feed->n_wrong == 0)
        free(list);
}

void looks_free_feed(Ephor__FeedLooks *feed)
{
    if (feed->n_wrong > 0)
        free(feed->wrong[0]);
    free(feed->wrong);
    free(feed->states);
}
