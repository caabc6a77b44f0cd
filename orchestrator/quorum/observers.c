#include "orchestrator/quorum/observers.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/fact_message.h"
#include "orchestrator/quorum/census.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum {
    SILENT_MAX_MS = 3000, /* an observer says something every second */
    GUIDE_MS = 1000,
    HOLD_MS = 2000,             /* a new leader, or policy, waits so long for the observers */
    GATHER_MS = 20,             /* changes of so long make one fact */
    POLICIES_QUEUED = 32 << 20, /* bytes of policies under way at once */
};

struct watcher { /* an observer that is linked */
    struct watcher *next;
    uint32_t id;
    char name[NAME_SIZE];
    char version[32];
    struct voice voice;
    char reason[TEXT_SIZE];  /* why it is mute */
    uint64_t reported_index; /* policy by which it looks; 0: it has not said */
    uint64_t policy_index;   /* that it was sent last on this link */
    uint64_t news;           /* that it was told */
    int64_t since_ms, heard_ms, guided_ms;
};

struct observers {
    struct quorum *quorum;
    struct watcher *watchers;
    struct census_table table;
    struct timer *gather;
    bool is_gathering;
    bool is_proposed;      /* one fact at a time */
    int64_t held_until_ms; /* the census in the log stays until then, unless all have reported */
    uint64_t news;         /* counts what all observers are to be told */
    uint64_t member_news;  /* of which the members are a part since then */
};

static struct watcher *find(const struct observers *o, uint32_t id)
{
    struct watcher *w = o->watchers;
    while (w != NULL && w->id != id)
        w = w->next;
    return w;
}

static bool is_up_to_date(const struct observers *o, const struct watcher *w)
{
    return o->table.policy_index != 0 && w->reported_index == o->table.policy_index;
}

/* ---------------------------------------------------------------- what they are told */

static int send_watch(const struct observers *o, const struct watcher *w, const Ephor__Watch *watch)
{
    size_t size = ephor__watch__get_packed_size(watch);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__watch__pack(watch, bytes);
    int err = mesh_send(o->quorum->mesh, w->id, MESH_WATCH, bytes, size);
    free(bytes);
    return err;
}

/* The leader's business; not to all at once, since what is sent waits in memory. */
static bool needs_policy(const struct observers *o, const struct watcher *w)
{
    const struct quorum *q = o->quorum;
    return q->is_leading && q->machine.policy_index != 0 &&
           w->reported_index != q->machine.policy_index &&
           w->policy_index != q->machine.policy_index;
}

static uint32_t *list_present(const struct observers *o, size_t *count)
{
    size_t all = 0;
    for (const struct watcher *w = o->watchers; w != NULL; w = w->next)
        all++;
    uint32_t *present = calloc(all + 1, sizeof(*present));
    PRE(present != NULL);
    *count = 0;
    for (const struct watcher *w = o->watchers; w != NULL; w = w->next)
        if (!w->voice.is_mute)
            present[(*count)++] = w->id;
    return present;
}

static void send_guide(struct observers *o, struct watcher *w, bool with_policy)
{
    const struct quorum *q = o->quorum;
    Ephor__Guide guide = EPHOR__GUIDE__INIT;
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    guide.term = q->leader_term;
    guide.leading = q->is_leading;
    guide.policy_index = q->machine.policy_index;
    if (q->is_leading)
        guide.present = list_present(o, &guide.n_present);
    if (with_policy) {
        guide.policy.data = q->machine.policy_bytes;
        guide.policy.len = q->machine.policy_size;
        guide.digest = (char *)(uintptr_t)q->machine.policy_digest;
    }
    if (w->news < o->member_news)
        guide.members = (Ephor__Membership *)(uintptr_t)engine_members(q->engine);
    watch.body_case = EPHOR__WATCH__BODY_GUIDE;
    watch.guide = &guide;
    if (send_watch(o, w, &watch) == ERR_OK) {
        w->news = o->news;
        w->guided_ms = now_mono_ms();
        if (with_policy)
            w->policy_index = q->machine.policy_index;
    }
    free(guide.present);
}

static void guide_all(struct observers *o)
{
    int64_t now_ms = now_mono_ms();
    for (struct watcher *w = o->watchers; w != NULL; w = w->next) {
        bool with_policy = needs_policy(o, w) && mesh_queued(o->quorum->mesh) <= POLICIES_QUEUED;
        if (with_policy || w->news != o->news || now_ms - w->guided_ms >= GUIDE_MS)
            send_guide(o, w, with_policy);
    }
}

static bool asks_observers(const Ephor__Policy *policy, const Ephor__Verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->n_verdicts; i++)
        if (verdicts->verdicts[i]->check < policy->n_checks &&
            policy->checks[verdicts->verdicts[i]->check]->observers > 0)
            return true;
    return verdicts->forget;
}

void observers_send_verdicts(struct observers *o, const Ephor__Verdicts *verdicts)
{
    Ephor__Watch watch = EPHOR__WATCH__INIT;
    if (o == NULL || o->watchers == NULL || !o->quorum->is_leading ||
        !asks_observers(o->quorum->machine.policy, verdicts))
        return;
    watch.body_case = EPHOR__WATCH__BODY_VERDICTS;
    watch.verdicts = (Ephor__Verdicts *)(uintptr_t)verdicts;
    for (const struct watcher *w = o->watchers; w != NULL; w = w->next)
        send_watch(o, w, &watch);
}

/* ---------------------------------------------------------------- the census */

static bool is_held(const struct observers *o)
{
    uint32_t waited_for = o->quorum->machine.registry.count;
    for (const struct watcher *w = o->watchers; w != NULL; w = w->next)
        waited_for -= waited_for > 0 && is_up_to_date(o, w) ? 1 : 0;
    return waited_for > 0 && now_mono_ms() < o->held_until_ms;
}

static bool is_told(const struct core *core, const struct census_change *c)
{
    const struct census *told = &core_check(core, (int32_t)c->check)->census;
    for (int i = 0; i < 3; i++)
        if (told->votes[i] != c->votes[i] || told->newest[i] != c->newest[i] ||
            told->answers[i] != c->answers[i])
            return false;
    return told->seers == c->seers && told->silent == c->silent && told->doubters == c->doubters;
}

static void propose(struct observers *o);

static void on_told(struct quorum *q, int err, uint64_t index)
{
    struct observers *o = q->observers;
    (void)index;
    o->is_proposed = false;
    if (err != ERR_OK)
        census_tell_all(&o->table);
    else
        propose(o);
}

struct batch {
    struct census_change changes[OPINIONS_MAX];
    Ephor__CensusCheck checks[OPINIONS_MAX];
    Ephor__CensusCheck *pointers[OPINIONS_MAX];
    size_t count;
};

static void batch_fill(struct observers *o, struct batch *batch)
{
    batch->count = 0;
    while (batch->count < OPINIONS_MAX) {
        struct census_change *c = &batch->changes[batch->count];
        Ephor__CensusCheck *to = &batch->checks[batch->count];
        if (!census_take(&o->table, c))
            break;
        if (is_told(o->quorum->machine.core, c))
            continue;
        ephor__census_check__init(to);
        to->check = c->check;
        to->seers = c->seers;
        to->silent = c->silent;
        to->doubters = c->doubters;
        to->votes = c->votes;
        to->newest = c->newest;
        to->answers = c->answers;
        to->n_votes = to->n_newest = to->n_answers = 3;
        batch->pointers[batch->count++] = to;
    }
}

static void propose(struct observers *o)
{
    struct quorum *q = o->quorum;
    struct batch batch;
    Ephor__Census census = EPHOR__CENSUS__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    if (!q->is_leading || q->leader_told_term != q->term || o->is_proposed ||
        q->machine.core == NULL || q->machine.core->rules < OBSERVER_RULES ||
        o->table.policy_index != q->machine.policy_index || o->table.dirty_count == 0 || is_held(o))
        return;
    batch_fill(o, &batch);
    if (batch.count == 0)
        return;
    census.policy_index = o->table.policy_index;
    census.checks = batch.pointers;
    census.n_checks = batch.count;
    fact.body_case = EPHOR__FACT__BODY_CENSUS;
    fact.census = &census;
    o->is_proposed = true;
    proposals_add(q, PROPOSAL_OF_LEADER, &fact, NULL, 0, on_told);
}

static void on_gathered(void *data)
{
    struct observers *o = data;
    o->is_gathering = false;
    propose(o);
}

static void gather(struct observers *o)
{
    if (!o->quorum->is_leading || o->is_gathering || o->table.dirty_count == 0)
        return;
    o->is_gathering = true;
    timer_start(o->gather, GATHER_MS, 0);
}

/* ---------------------------------------------------------------- what they say */

static bool take_opinion(struct observers *o, struct watcher *w, const Ephor__OpinionChange *c)
{
    struct said said = {.looks = true,
                        .is_known = true,
                        .state = (uint8_t)c->state,
                        .suspect = (uint8_t)c->suspect,
                        .attempts =
                            (uint8_t)(c->attempts < ATTEMPTS_MAX ? c->attempts : ATTEMPTS_MAX)};
    return (unsigned)c->state <= STATE_UNKNOWN && (unsigned)c->suspect <= STATE_UNKNOWN &&
           census_say(&o->table, &w->voice, c->check, said);
}

static void take_sight(struct observers *o, struct watcher *w, const Ephor__Report *report)
{
    if (w->voice.is_mute == report->sees) {
        o->news++; /* who is present */
        log_info("observer", "%s %s%s", w->name,
                 report->sees ? "can see again" : "says that it cannot see: ",
                 report->sees ? "" : report->reason);
    }
    census_mute(&o->table, &w->voice, !report->sees);
    text_copy(w->reason, sizeof(w->reason), report->sees ? "" : report->reason);
}

/* False: it makes no sense. */
static bool take_report(struct observers *o, struct watcher *w, const Ephor__Report *report)
{
    const struct said silent = {.looks = true};
    const Ephor__Opinions *opinions = report->opinions;
    bool makes_sense = opinions != NULL;
    take_sight(o, w, report);
    text_copy(w->version, sizeof(w->version), report->version);
    if (report->full)
        census_hush(&o->table, &w->voice);
    if (opinions == NULL)
        return false;
    if (report->full)
        w->reported_index = opinions->policy_index;
    if (!is_up_to_date(o, w) || opinions->policy_index != w->reported_index)
        return true;
    for (size_t i = 0; makes_sense && i < report->n_silent; i++)
        makes_sense = census_say(&o->table, &w->voice, report->silent[i], silent);
    for (size_t i = 0; makes_sense && i < opinions->n_changes; i++)
        makes_sense = take_opinion(o, w, opinions->changes[i]);
    return makes_sense;
}

void observers_on_frame(struct observers *o, uint32_t id, const uint8_t *bytes, size_t size)
{
    struct watcher *w = find(o, id);
    Ephor__Watch *watch = ephor__watch__unpack(NULL, size, bytes);
    bool makes_sense = w != NULL && watch != NULL &&
                       watch->body_case == EPHOR__WATCH__BODY_REPORT &&
                       take_report(o, w, watch->report);
    if (watch != NULL)
        ephor__watch__free_unpacked(watch, NULL);
    if (w == NULL)
        return;
    w->heard_ms = now_mono_ms();
    gather(o);
    if (makes_sense)
        return;
    log_warning("observer", "%s sent what makes no sense", w->name);
    mesh_drop_observer(o->quorum->mesh, id);
}

/* ---------------------------------------------------------------- links */

bool observers_is_key(const struct observers *o, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    return registry_find_key(&o->quorum->machine.registry, fingerprint) != NULL;
}

const char *observers_judge(const struct observers *o, const Ephor__Hello *hello,
                            const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    const struct observer *r = registry_find(&o->quorum->machine.registry, hello->id);
    if (r == NULL)
        return "it is no observer of this cluster; add it with ephorctl cluster add --observer";
    if (memcmp(r->fingerprint, fingerprint, TLS_FINGERPRINT_SIZE) != 0)
        return "its key is not the one of that observer";
    return NULL;
}

void observers_on_linked(struct observers *o, uint32_t id)
{
    const struct observer *r = registry_find(&o->quorum->machine.registry, id);
    struct watcher *w = calloc(1, sizeof(*w));
    PRE(w != NULL && r != NULL);
    w->id = id;
    text_copy(w->name, sizeof(w->name), r->name);
    w->since_ms = w->heard_ms = now_mono_ms();
    w->next = o->watchers;
    o->watchers = w;
    o->news++;
    log_info("observer", "%s is linked", w->name);
    send_guide(o, w, false);
}

void observers_on_lost(struct observers *o, uint32_t id)
{
    struct watcher **at = &o->watchers;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct watcher *w = *at;
    *at = w->next;
    census_hush(&o->table, &w->voice);
    log_info("observer", "the link to %s is lost", w->name);
    free(w);
    o->news++;
    gather(o);
}

static bool is_to_go(const struct observers *o, const struct watcher *w)
{
    return now_mono_ms() - w->heard_ms > SILENT_MAX_MS ||
           registry_find(&o->quorum->machine.registry, w->id) == NULL;
}

static void drop_silent(struct observers *o)
{
    for (struct watcher *w = o->watchers, *next; w != NULL; w = next) {
        next = w->next;
        if (is_to_go(o, w))
            mesh_drop_observer(o->quorum->mesh, w->id);
    }
}

/* ---------------------------------------------------------------- the rest */

void observers_on_policy(struct observers *o)
{
    const struct quorum *q = o->quorum;
    for (struct watcher *w = o->watchers; w != NULL; w = w->next)
        census_hush(&o->table, &w->voice);
    census_begin(&o->table, q->machine.policy_index, q->machine.core->shape.checks);
    census_tell_all(&o->table);
    o->held_until_ms = now_mono_ms() + HOLD_MS;
    o->news++;
}

void observers_on_members(struct observers *o)
{
    o->member_news = ++o->news;
}

void observers_on_leader(struct observers *o)
{
    o->is_proposed = false;
    o->held_until_ms = now_mono_ms() + HOLD_MS;
    o->news++;
    census_tell_all(&o->table);
}

void observers_work(struct observers *o)
{
    if (o->quorum->mesh == NULL)
        return;
    drop_silent(o);
    guide_all(o);
    propose(o);
}

struct observers *observers_new(struct quorum *quorum)
{
    struct observers *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->quorum = quorum;
    o->news = o->member_news = 1;
    o->gather = timer_new(quorum->loop, on_gathered, o);
    if (o->gather != NULL)
        return o;
    free(o);
    return NULL;
}

void observers_free(struct observers *o)
{
    if (o == NULL)
        return;
    while (o->watchers != NULL)
        observers_on_lost(o, o->watchers->id);
    timer_free(o->gather);
    census_close(&o->table);
    free(o);
}

void observers_feed(const struct observers *o, Ephor__FeedState *feed)
{
    size_t count = 0;
    for (const struct watcher *w = o->watchers; w != NULL; w = w->next)
        count++;
    feed->observers = calloc(count + 1, sizeof(feed->observers[0]));
    PRE(feed->observers != NULL);
    for (struct watcher *w = o->watchers; w != NULL; w = w->next) {
        Ephor__FeedObserver *to = malloc(sizeof(*to));
        PRE(to != NULL);
        ephor__feed_observer__init(to);
        to->id = w->id;
        to->sees = !w->voice.is_mute;
        to->reason = w->reason;
        to->version = w->version;
        to->since_ms = now_mono_ms() - w->since_ms;
        to->follows = is_up_to_date(o, w);
        feed->observers[feed->n_observers++] = to;
    }
}

void observers_feed_free(Ephor__FeedState *feed)
{
    for (size_t i = 0; i < feed->n_observers; i++)
        free(feed->observers[i]);
    free(feed->observers);
}
