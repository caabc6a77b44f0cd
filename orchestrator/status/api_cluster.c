/* The controllers as JSON: members from the log, links and progress from the quorum process. */
#include "orchestrator/status/api.h"

#include "orchestrator/base/text.h"
#include "orchestrator/status/observer_links.h"

static const char *kind_name(Ephor__MemberKind kind)
{
    if (kind == EPHOR__MEMBER_KIND__VOTER)
        return "voter";
    return kind == EPHOR__MEMBER_KIND__WITNESS ? "witness" : "learner";
}

static const Ephor__FeedPeer *find_peer(const Ephor__FeedState *state, uint32_t id)
{
    for (size_t i = 0; state != NULL && i < state->n_peers; i++) {
        if (state->peers[i]->id == id)
            return state->peers[i];
    }
    return NULL;
}

static void write_hex(struct jsonw *w, const char *key, const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char text[65] = "";
    for (size_t i = 0; i < bytes->len && i < 32; i++) {
        text[2 * i] = digits[bytes->data[i] >> 4];
        text[2 * i + 1] = digits[bytes->data[i] & 15];
        text[2 * i + 2] = '\0';
    }
    jsonw_text(w, key, text);
}

static void write_peer(struct jsonw *w, const Ephor__FeedState *state, const Ephor__FeedPeer *peer)
{
    char link[400];
    text_format(link, sizeof(link), "up, but not with this controller's newest certificate: %s",
                peer->text);
    jsonw_bool(w, "connected", peer->connected);
    jsonw_text(w, "link", !peer->connected ? peer->text : peer->text[0] == '\0' ? "up" : link);
    if (!state->leading)
        return;
    jsonw_int(w, "match_index", (int64_t)peer->match_index);
    jsonw_int(w, "behind",
              (int64_t)(state->last_index > peer->match_index
                            ? state->last_index - peer->match_index
                            : 0));
    if (peer->answered_ms >= 0)
        jsonw_int(w, "answered_ms_ago", peer->answered_ms);
    jsonw_bool(w, "receiving_snapshot", peer->snapshotting);
}

static void write_certificate(struct jsonw *w, const Ephor__Certificate *certificate,
                              int64_t now_wall_ms)
{
    char iso[40];
    if (certificate == NULL)
        return;
    jsonw_object(w, "certificate");
    if (certificate->expires_s > 0) {
        jsonw_text(w, "expires", view_iso_time(certificate->expires_s * 1000, iso));
        jsonw_int(w, "days_left", view_days_left(certificate, now_wall_ms));
    }
    write_hex(w, "ca", &certificate->ca);
    if (certificate->trouble[0] != '\0')
        jsonw_text(w, "problem", certificate->trouble);
    jsonw_object_end(w);
}

/* view: NULL if only the members are told of. */
static void write_members(struct jsonw *w, const Ephor__Membership *members,
                          const struct view *view)
{
    const Ephor__FeedState *state = view == NULL ? NULL : view->feed->state;
    jsonw_array(w, "members");
    for (size_t i = 0; members != NULL && i < members->n_members; i++) {
        const Ephor__ClusterMember *m = members->members[i];
        const Ephor__FeedPeer *peer = find_peer(state, m->id);
        jsonw_object(w, NULL);
        jsonw_int(w, "id", m->id);
        jsonw_text(w, "name", m->name);
        jsonw_text(w, "address", m->address);
        jsonw_text(w, "kind", kind_name(m->kind));
        jsonw_text(w, "wanted", kind_name(m->wanted));
        jsonw_bool(w, "met", m->incarnation != 0);
        jsonw_bool(w, "leads", state != NULL && state->leader == m->id);
        jsonw_bool(w, "is_this", view != NULL && m->id == view->feed->controller);
        write_hex(w, "fingerprint", &m->fingerprint);
        if (view != NULL)
            write_certificate(w, view_certificate(view->feed, m->id), view->now_wall_ms);
        if (peer != NULL)
            write_peer(w, state, peer);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void write_observer(struct jsonw *w, const struct observer *observer,
                           const Ephor__FeedObserver *link)
{
    const ProtobufCBinaryData key = {.data = (uint8_t *)(uintptr_t)observer->fingerprint,
                                     .len = sizeof(observer->fingerprint)};
    char iso[40];
    jsonw_object(w, NULL);
    jsonw_int(w, "id", observer->id);
    jsonw_text(w, "name", observer->name);
    jsonw_text(w, "since", view_iso_time(observer->since_wall_ms, iso));
    write_hex(w, "fingerprint", &key);
    jsonw_bool(w, "linked", link != NULL);
    if (link != NULL) {
        jsonw_int(w, "linked_for_ms", link->since_ms);
        jsonw_text(w, "version", link->version);
        jsonw_bool(w, "sees", link->sees);
        jsonw_text(w, "reason", link->reason);
        jsonw_bool(w, "follows", link->follows);
    }
    jsonw_object_end(w);
}

static void write_observers(struct jsonw *w, const struct feed *feed)
{
    const struct registry *registry = &feed->machine.registry;
    jsonw_array(w, "observers");
    for (uint32_t i = 0; i < registry->count; i++)
        write_observer(w, &registry->observers[i],
                       observer_links_find(feed, registry->observers[i].id));
    jsonw_array_end(w);
}

static const char *leader_name(const Ephor__FeedState *state)
{
    for (size_t i = 0; state->members != NULL && i < state->members->n_members; i++) {
        if (state->members->members[i]->id == state->leader)
            return state->members->members[i]->name;
    }
    return NULL;
}

static void write_log(struct jsonw *w, const Ephor__FeedState *state)
{
    jsonw_object(w, "log");
    jsonw_int(w, "term", (int64_t)state->term);
    jsonw_int(w, "first_index", (int64_t)state->first_index);
    jsonw_int(w, "last_index", (int64_t)state->last_index);
    jsonw_int(w, "commit_index", (int64_t)state->commit_index);
    jsonw_int(w, "applied_index", (int64_t)state->applied_index);
    jsonw_int(w, "snapshot_index", (int64_t)state->snapshot_index);
    if (state->lost_index != 0)
        jsonw_int(w, "repaired_up_to", (int64_t)state->lost_index);
    jsonw_bool(w, "storage_ok", state->storage_ok);
    jsonw_text(w, "storage_text", state->storage_text);
    jsonw_object_end(w);
}

void api_cluster(const struct view *view, struct buf *out)
{
    const struct feed *feed = view->feed;
    const Ephor__FeedState *state = feed->is_linked ? feed->state : NULL;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "controller", feed->controller_name);
    jsonw_int(&w, "id", feed->controller);
    if (state != NULL) {
        jsonw_text(&w, "role", state->role);
        jsonw_text(&w, "leader", leader_name(state));
        jsonw_bool(&w, "leading", state->leading);
        if (state->fresh_ms >= 0)
            jsonw_int(&w, "confirmed_ms_ago", state->fresh_ms);
        jsonw_bool(&w, "file_differs", state->file_differs);
        write_log(&w, state);
        jsonw_object(&w, "refused_links");
        for (size_t i = 0; i < state->n_refused; i++)
            jsonw_int(&w, state->refused[i]->reason, (int64_t)state->refused[i]->count);
        jsonw_object_end(&w);
        write_certificate(&w, state->certificate, view->now_wall_ms);
        write_members(&w, state->members, view);
        write_observers(&w, feed);
    }
    jsonw_object_end(&w);
    buf_text(out, "\n");
}

void api_cluster_reply(const Ephor__ClusterReply *reply, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "accepted", reply->ok);
    jsonw_text(&w, "message", reply->text);
    if (reply->observer != 0)
        jsonw_int(&w, "id", reply->observer);
    write_members(&w, reply->members, NULL);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}
