/* Following the log. Facts are applied by the same machine as in the quorum process, so the
 * journal lines and the answers need not be sent: they come out of the step here too. */
#include "orchestrator/status/feed.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

int feed_init(struct feed *feed)
{
    *feed = (struct feed){.is_storage_ok = true, .is_calm = true};
    machine_init(&feed->machine);
    feed->effects = calloc(1, sizeof(*feed->effects));
    feed->lines = lines_new();
    return feed->effects == NULL || feed->lines == NULL ? ERR_NOMEM : ERR_OK;
}

void feed_close(struct feed *feed)
{
    if (feed->state != NULL)
        ephor__feed_state__free_unpacked(feed->state, NULL);
    machine_close(&feed->machine);
    counts_close(&feed->counts);
    observed_close(feed->results);
    lines_free(feed->lines);
    free(feed->effects);
    free(feed->channels);
    *feed = (struct feed){0};
}

void feed_begin(struct feed *feed)
{
    machine_close(&feed->machine);
    lines_clear(feed->lines);
    memset(feed->replies, 0, sizeof(feed->replies));
    feed->is_linked = true;
    feed->is_fed = feed->is_leading = false;
    feed->trouble[0] = '\0';
}

/* What was known stays to be seen; the views say that it is not fresh. */
void feed_end(struct feed *feed)
{
    feed->is_linked = feed->is_leading = false;
}

/* ---------------------------------------------------------------- from the quorum process */

static void take_snapshot(struct feed *feed, const Ephor__FeedSnapshot *m)
{
    struct errbuf e = {.text = ""};
    feed->is_fed = true;
    machine_close(&feed->machine);
    feed->machine.index = m->index;
    feed->machine.term = m->term;
    if (m->snapshot == NULL)
        return; /* there is no state yet */
    size_t size = ephor__snapshot__get_packed_size(m->snapshot);
    uint8_t *bytes = malloc(size + 1);
    int err = ERR_NOMEM;
    if (bytes != NULL) {
        ephor__snapshot__pack(m->snapshot, bytes);
        err = machine_restore(&feed->machine, m->index, m->term, bytes, size, &e);
    }
    free(bytes);
    if (err == ERR_OK) {
        counts_adopt(&feed->counts, feed->machine.core);
        return;
    }
    text_format(feed->trouble, sizeof(feed->trouble), "the state cannot be read: %.900s",
                e.text[0] != '\0' ? e.text : err_text(err));
    log_error("feed", "%s", feed->trouble);
}

static void keep_reply(struct feed *feed, uint64_t index)
{
    struct reply *reply = &feed->replies[feed->reply_next++ % REPLIES_MAX];
    reply->index = index;
    reply->is_accepted = feed->effects->is_accepted;
    text_copy(reply->text, sizeof(reply->text), feed->effects->reply);
}

static void take_fact(struct feed *feed, const Ephor__FeedFact *m)
{
    bool adopted = false;
    if (!feed->is_fed || feed->trouble[0] != '\0' || m->index <= feed->machine.index)
        return;
    Ephor__Fact *fact = ephor__fact__unpack(NULL, m->fact.len, m->fact.data);
    machine_apply(&feed->machine, m->index, m->term, m->fact.data, m->fact.len, feed->effects,
                  &adopted);
    const struct core *core = feed->machine.core;
    int64_t wall_ms = fact != NULL ? fact->wall_ms : core != NULL ? core->wall_ms : 0;
    lines_add_effects(feed->lines, m->index, m->term, wall_ms, feed->effects);
    if (feed->effects->has_reply)
        keep_reply(feed, m->index);
    if (adopted)
        counts_adopt(&feed->counts, core);
    if (fact != NULL) {
        counts_fact(&feed->counts, fact, core);
        ephor__fact__free_unpacked(fact, NULL);
    }
}

static void keep_state(struct feed *feed, const Ephor__FeedState *m)
{
    size_t size = ephor__feed_state__get_packed_size(m);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return;
    ephor__feed_state__pack(m, bytes);
    if (feed->state != NULL)
        ephor__feed_state__free_unpacked(feed->state, NULL);
    feed->state = ephor__feed_state__unpack(NULL, size, bytes);
    free(bytes);
}

static void take_state(struct feed *feed, const Ephor__FeedState *m)
{
    keep_state(feed, m);
    feed->is_leading = m->leading;
    feed->term = m->term;
    feed->commit_index = m->commit_index;
    feed->applied_index = m->applied_index;
    feed->is_storage_ok = m->storage_ok;
    feed->is_calm = m->calm;
    text_copy(feed->storage_text, sizeof(feed->storage_text), m->storage_text);
    text_copy(feed->calm_text, sizeof(feed->calm_text), m->calm_text);
}

static void take_journal(struct feed *feed, const Ephor__FeedJournal *m)
{
    for (size_t i = 0; i < m->n_lines; i++)
        lines_add_message(feed->lines, m->lines[i]);
}

/* ---------------------------------------------------------------- from the others */

static struct channel *find_channel(const struct feed *feed, uint32_t hint, const char *node)
{
    for (uint32_t n = 0; n < feed->channel_count; n++) { /* mostly in the policy's order */
        struct channel *channel = &feed->channels[(hint + n) % feed->channel_count];
        if (strcmp(channel->node, node) == 0)
            return channel;
    }
    return NULL;
}

static struct channel *make_channel(struct feed *feed, const char *node)
{
    struct channel *channel = find_channel(feed, 0, node);
    if (channel != NULL || feed->channel_count == CHANNELS_MAX || strlen(node) >= NAME_SIZE)
        return channel;
    struct channel *grown =
        realloc(feed->channels, (feed->channel_count + 1) * sizeof(*feed->channels));
    if (grown == NULL)
        return NULL;
    feed->channels = grown;
    channel = &grown[feed->channel_count++];
    *channel = (struct channel){0};
    text_copy(channel->node, sizeof(channel->node), node);
    return channel;
}

static void take_channel(struct feed *feed, const Ephor__NodeChannel *m)
{
    struct channel *channel = make_channel(feed, m->node);
    if (channel == NULL)
        return;
    channel->is_up = m->up;
    channel->rtt_us = m->rtt_us;
    channel->holding_count = 0;
    text_copy(channel->text, sizeof(channel->text), m->text);
    for (size_t i = 0; i < m->n_holding && i < HOLDING_MAX; i++)
        text_copy(channel->holding[channel->holding_count++], ADDRESS_SIZE, m->holding[i]);
}

void feed_lose_channels(struct feed *feed)
{
    feed->channel_count = 0;
}

static void take_process(struct feed *feed, const Ephor__ProcessState *m)
{
    uint32_t i = 0;
    while (i < feed->process_count &&
           (feed->processes[i].role != m->role || feed->processes[i].instance != m->instance))
        i++;
    if (i == PROCESSES_MAX)
        return;
    if (i == feed->process_count)
        feed->process_count++;
    struct process_view *process = &feed->processes[i];
    process->role = m->role;
    process->instance = m->instance;
    process->pid = m->pid;
    process->is_up = m->up;
    process->restarts = m->restarts;
    process->since_wall_ms = m->since_wall_ms;
    text_copy(process->reason, sizeof(process->reason), m->reason);
}

static void take_reloaded(struct feed *feed, const Ephor__Reloaded *m)
{
    feed->has_reloaded = true;
    feed->is_reload_ok = m->ok;
    feed->reload_wall_ms = m->wall_ms;
    if (m->ok)
        feed->reload_ok_wall_ms = m->wall_ms;
    text_copy(feed->reload_text, sizeof(feed->reload_text), m->text);
}

/* Every message of the feed and what takes it; the rest is somebody else's. */
bool feed_take(struct feed *feed, const Ephor__Message *m)
{
    if (m->body_case == EPHOR__MESSAGE__BODY_FEED_FACT)
        take_fact(feed, m->feed_fact);
    else if (m->body_case == EPHOR__MESSAGE__BODY_FEED_STATE)
        take_state(feed, m->feed_state);
    else if (m->body_case == EPHOR__MESSAGE__BODY_FEED_SNAPSHOT)
        take_snapshot(feed, m->feed_snapshot);
    else if (m->body_case == EPHOR__MESSAGE__BODY_FEED_JOURNAL)
        take_journal(feed, m->feed_journal);
    else if (m->body_case == EPHOR__MESSAGE__BODY_NODE_CHANNEL)
        take_channel(feed, m->node_channel);
    else if (m->body_case == EPHOR__MESSAGE__BODY_PROCESS_STATE)
        take_process(feed, m->process_state);
    else if (m->body_case == EPHOR__MESSAGE__BODY_RELOADED)
        take_reloaded(feed, m->reloaded);
    else
        return false;
    return true;
}

/* ---------------------------------------------------------------- questions */

const struct reply *feed_reply(const struct feed *feed, uint64_t index)
{
    for (uint32_t i = 0; i < REPLIES_MAX; i++)
        if (feed->replies[i].index == index && index > 0)
            return &feed->replies[i];
    return NULL;
}

const struct channel *feed_channel(const struct feed *feed, int32_t node)
{
    return find_channel(feed, (uint32_t)node, core_node(feed->machine.core, node)->name);
}
