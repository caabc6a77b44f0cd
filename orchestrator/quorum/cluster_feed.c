/* Questions about the cluster; and all of it for the status process: members, links, progress, who
 * was refused. */
#include "orchestrator/base/contract.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- questions */

bool cluster_is_alone(const struct quorum *q)
{
    const Ephor__Membership *m = engine_members(q->engine);
    size_t others = 0;
    for (size_t i = 0; i < m->n_members; i++)
        others += m->members[i]->kind != EPHOR__MEMBER_KIND__LEARNER &&
                  m->members[i]->id != q->controller;
    return others == 0 && m->n_members > 0;
}

void cluster_count_peers(const struct quorum *q, uint32_t *peers, uint32_t *linked)
{
    const Ephor__Membership *m = engine_members(q->engine);
    const char *text;
    *peers = *linked = 0;
    for (size_t i = 0; i < m->n_members && q->mesh != NULL; i++) {
        if (m->members[i]->id == q->controller)
            continue;
        (*peers)++;
        *linked += mesh_is_connected(q->mesh, m->members[i]->id, &text);
    }
}

uint32_t cluster_seat_of(const struct quorum *q, uint32_t id)
{
    const Ephor__ClusterMember *member = roster_find(engine_members(q->engine), id);
    if (member == NULL)
        return 0;
    return member->seat != 0 ? member->seat : member->id; /* of a log that knew no seats */
}

const char *cluster_name_of(const struct quorum *q, uint32_t id)
{
    const Ephor__ClusterMember *member = roster_find(engine_members(q->engine), id);
    return member == NULL ? "" : member->name;
}

bool cluster_is_witness(const struct quorum *q)
{
    const Ephor__ClusterMember *self = roster_find(engine_members(q->engine), q->controller);
    return self != NULL && self->wanted == EPHOR__MEMBER_KIND__WITNESS;
}

static Ephor__Certificate *new_certificate(void)
{
    Ephor__Certificate *to = malloc(sizeof(*to));
    PRE(to != NULL);
    ephor__certificate__init(to);
    return to;
}

static Ephor__Certificate *feed_certificate(const struct mesh_certificate *shown)
{
    if (shown == NULL)
        return NULL;
    Ephor__Certificate *to = new_certificate();
    to->expires_s = shown->expires_wall_s;
    to->ca.data = (uint8_t *)(uintptr_t)shown->ca;
    to->ca.len = sizeof(shown->ca);
    return to;
}

static Ephor__FeedPeer *feed_peer(const struct quorum *q, const Ephor__ClusterMember *member)
{
    Ephor__FeedPeer *to = malloc(sizeof(*to));
    struct engine_peer peer;
    const char *text = "";
    PRE(to != NULL);
    ephor__feed_peer__init(to);
    to->id = member->id;
    to->connected = q->mesh != NULL && mesh_is_connected(q->mesh, member->id, &text);
    to->text = strdup(text);
    to->answered_ms = -1;
    if (q->mesh != NULL)
        to->certificate = feed_certificate(mesh_certificate(q->mesh, member->id));
    if (!engine_peer(q->engine, member->id, &peer))
        return to;
    to->match_index = peer.match_index;
    to->snapshotting = peer.is_snapshotting;
    if (peer.answered_ms > 0)
        to->answered_ms = now_mono_ms() - peer.answered_ms;
    return to;
}

static void add_count(Ephor__FeedState *feed, const char *reason, uint64_t count)
{
    Ephor__LinkCount *to = malloc(sizeof(*to));
    PRE(to != NULL);
    ephor__link_count__init(to);
    to->reason = (char *)(uintptr_t)reason;
    to->count = count;
    feed->refused[feed->n_refused++] = to;
}

static void feed_counts(const struct quorum *q, Ephor__FeedState *feed)
{
    struct tls_server_counts counts = mesh_counts(q->mesh);
    feed->refused = calloc(8, sizeof(feed->refused[0]));
    PRE(feed->refused != NULL);
    add_count(feed, "stranger", counts.strangers);
    add_count(feed, "bad_certificate", counts.bad_certificates);
    add_count(feed, "bad_protocol", counts.bad_protocols);
    add_count(feed, "garbage", counts.garbage);
    add_count(feed, "timeout", counts.timeouts);
    add_count(feed, "flood", counts.floods);
    add_count(feed, "too_many", counts.too_many);
}

void cluster_feed(const struct quorum *q, Ephor__FeedState *feed)
{
    const Ephor__Membership *members = engine_members(q->engine);
    struct engine_status status;
    engine_status(q->engine, &status);
    feed->leader = status.leader;
    feed->role = (char *)(uintptr_t)status.role;
    feed->term = status.term;
    feed->first_index = status.first_index;
    feed->last_index = status.last_index;
    feed->snapshot_index = status.snapshot_index;
    feed->lost_index = status.lost_index;
    feed->members = (Ephor__Membership *)(uintptr_t)members;
    int64_t since_ms = engine_fresh_since(q->engine);
    feed->fresh_ms = since_ms > 0 ? now_mono_ms() - since_ms : -1;
    feed->peers = calloc(members->n_members + 1, sizeof(feed->peers[0]));
    PRE(feed->peers != NULL);
    for (size_t i = 0; i < members->n_members; i++) {
        if (members->members[i]->id != q->controller)
            feed->peers[feed->n_peers++] = feed_peer(q, members->members[i]);
    }
    if (q->mesh == NULL)
        return;
    feed_counts(q, feed);
    observers_feed(q->observers, feed);
    feed->certificate = new_certificate();
    certificate_feed(&q->certificate, feed->certificate);
}

void cluster_feed_free(Ephor__FeedState *feed)
{
    for (size_t i = 0; i < feed->n_peers; i++) {
        free(feed->peers[i]->text);
        free(feed->peers[i]->certificate);
        free(feed->peers[i]);
    }
    for (size_t i = 0; i < feed->n_refused; i++)
        free(feed->refused[i]);
    observers_feed_free(feed);
    free(feed->certificate);
    free(feed->peers);
    free(feed->refused);
}
