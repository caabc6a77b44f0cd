#include "orchestrator/quorum/cluster_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/raft/raft.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    CAUGHT_UP = 128, /* entries that a member may be behind when it gets its vote */
    WAITING_MAX = 8,
};

/* ---------------------------------------------------------------- answers */

void cluster_reply(struct quorum *q, uint32_t to, const Ephor__ClusterReply *reply)
{
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    Ephor__Talk talk = EPHOR__TALK__INIT;
    if (to != 0) {
        talk.body_case = EPHOR__TALK__BODY_REPLY;
        talk.reply = (Ephor__ClusterReply *)(uintptr_t)reply;
        cluster_talk(q, to, &talk);
        return;
    }
    m.body_case = EPHOR__MESSAGE__BODY_CLUSTER_REPLY;
    m.cluster_reply = (Ephor__ClusterReply *)(uintptr_t)reply;
    link_send(q->status.link, &m, -1);
}

static void reply(struct quorum *q, uint32_t to, uint64_t sequence, bool ok, const char *text)
{
    Ephor__ClusterReply answer = EPHOR__CLUSTER_REPLY__INIT;
    answer.sequence = sequence;
    answer.ok = ok;
    answer.text = (char *)(uintptr_t)text;
    answer.members = (Ephor__Membership *)(uintptr_t)engine_members(q->engine);
    cluster_reply(q, to, &answer);
}

/* ---------------------------------------------------------------- changes */

struct change { /* proposed and not yet decided; one at a time */
    struct quorum *quorum;
    bool is_asked; /* somebody waits for the answer */
    uint32_t from;
    uint64_t sequence;
    char text[256]; /* of success */
};

struct waiting_change {
    struct waiting_change *next;
    uint32_t from;
    Ephor__ClusterRequest *request;
};

/* Kept until the change under way is decided; a handful, for there are few operators. */
static bool keep_waiting(struct quorum *q, uint32_t from, const Ephor__ClusterRequest *r)
{
    struct waiting_change **at = &q->waiting_changes;
    int count = 0;
    for (; *at != NULL; at = &(*at)->next)
        count++;
    if (count == WAITING_MAX)
        return false;
    size_t size = ephor__cluster_request__get_packed_size(r);
    uint8_t *bytes = malloc(size + 1);
    struct waiting_change *waiting = malloc(sizeof(*waiting));
    PRE(bytes != NULL && waiting != NULL);
    ephor__cluster_request__pack(r, bytes);
    *waiting = (struct waiting_change){
        .from = from, .request = ephor__cluster_request__unpack(NULL, size, bytes)};
    free(bytes);
    *at = waiting;
    return true;
}

static struct waiting_change *take_waiting(struct quorum *q)
{
    struct waiting_change *waiting = q->waiting_changes;
    if (waiting != NULL)
        q->waiting_changes = waiting->next;
    return waiting;
}

static void free_waiting(struct waiting_change *waiting)
{
    ephor__cluster_request__free_unpacked(waiting->request, NULL);
    free(waiting);
}

static void on_changed(void *data, int err, uint64_t index)
{
    struct change *change = data;
    struct quorum *q = change->quorum;
    (void)index;
    q->change_is_pending = false;
    if (err == ERR_OK)
        log_info("cluster", "%s", change->text);
    if (change->is_asked)
        reply(q, change->from, change->sequence, err == ERR_OK,
              err == ERR_OK      ? change->text
              : err == ERR_AGAIN ? "another change of the members is under way, or the leader is "
                                   "changing; try again in a moment"
              : err == ERR_CANCELED
                  ? "the leader changed meanwhile; whether it was done is not known: see ephorctl "
                    "cluster status"
                  : err_text(err));
    free(change);
    cluster_go_on(q);
}

/* `members` is taken. */
static void propose(struct quorum *q, Ephor__Membership *members, struct change how)
{
    struct change *change = malloc(sizeof(*change));
    PRE(change != NULL);
    *change = how;
    change->quorum = q;
    q->change_is_pending = true;
    engine_change(q->engine, members, on_changed, change);
    ephor__membership__free_unpacked(members, NULL);
}

static Ephor__ClusterMember *member_of(Ephor__Membership *m, uint32_t id)
{
    return (Ephor__ClusterMember *)(uintptr_t)roster_find(m, id);
}

static void set_bytes(ProtobufCBinaryData *to, const void *bytes, size_t size)
{
    free(to->data);
    to->data = malloc(size + 1);
    PRE(to->data != NULL);
    memcpy(to->data, bytes, size);
    to->len = size;
}

static void set_text(char **to, const char *text)
{
    if (*to != protobuf_c_empty_string)
        free(*to);
    *to = strdup(text);
    PRE(*to != NULL);
}

/* ---------------------------------------------------------------- a leader's duties */

static bool is_as_set_up(const struct quorum *q, const Ephor__ClusterMember *self)
{
    if (self->seat == 0 || self->incarnation != engine_incarnation(q->engine) ||
        strcmp(self->name, q->controller_name) != 0)
        return false;
    if (q->certificate.identity == NULL)
        return true;
    return strcmp(self->address, q->address) == 0 &&
           self->fingerprint.len == TLS_FINGERPRINT_SIZE &&
           memcmp(self->fingerprint.data, tls_identity_fingerprint(q->certificate.identity),
                  TLS_FINGERPRINT_SIZE) == 0;
}

/* What the log says of this controller is what its own files say. */
static bool introduce_self(struct quorum *q, const Ephor__Membership *now)
{
    const Ephor__ClusterMember *self = roster_find(now, q->controller);
    uint64_t cluster = q->cluster;
    if (self == NULL || (now->cluster != 0 && is_as_set_up(q, self)))
        return false;
    Ephor__Membership *m = roster_copy(now);
    Ephor__ClusterMember *to = member_of(m, q->controller);
    if (cluster == 0 && getrandom(&cluster, sizeof(cluster), 0) != (ssize_t)sizeof(cluster))
        cluster = (uint64_t)now_wall_ms();
    if (m->cluster == 0)
        m->cluster = cluster;
    to->seat = to->seat == 0 ? to->id : to->seat;
    to->incarnation = engine_incarnation(q->engine);
    set_text(&to->name, q->controller_name);
    if (q->certificate.identity != NULL) {
        set_text(&to->address, q->address);
        set_bytes(&to->fingerprint, tls_identity_fingerprint(q->certificate.identity),
                  TLS_FINGERPRINT_SIZE);
    }
    propose(q, m, (struct change){.text = "this controller has told the others who it is"});
    return true;
}

static bool is_caught_up(const struct quorum *q, const Ephor__ClusterMember *member)
{
    struct engine_peer peer;
    return engine_peer(q->engine, member->id, &peer) && !peer.is_snapshotting &&
           now_mono_ms() - peer.answered_ms < 2 * q->fresh_ms &&
           peer.match_index + CAUGHT_UP >= engine_commit_index(q->engine);
}

static bool promote_who_caught_up(struct quorum *q, const Ephor__Membership *now)
{
    for (size_t i = 0; i < now->n_members; i++) {
        const Ephor__ClusterMember *member = now->members[i];
        if (member->kind != EPHOR__MEMBER_KIND__LEARNER || member->wanted == member->kind ||
            member->incarnation == 0 || !is_caught_up(q, member))
            continue;
        Ephor__Membership *m = roster_copy(now);
        struct change how = {0};
        m->members[i]->kind = member->wanted;
        text_format(how.text, sizeof(how.text), "controller %s has caught up and votes now",
                    member->name);
        propose(q, m, how);
        return true;
    }
    return false;
}

static bool admit_unmet(struct quorum *q, const Ephor__Membership *now)
{
    const Ephor__ClusterMember *member = roster_find(now, q->unmet_id);
    uint64_t incarnation = q->unmet_incarnation;
    q->unmet_id = 0;
    if (member == NULL || member->incarnation != 0)
        return false;
    Ephor__Membership *m = roster_copy(now);
    struct change how = {0};
    member_of(m, member->id)->incarnation = incarnation;
    text_format(how.text, sizeof(how.text), "controller %s was met for the first time",
                member->name);
    propose(q, m, how);
    return true;
}

void cluster_work(struct quorum *q)
{
    const Ephor__Membership *now = engine_members(q->engine);
    if (!q->is_leading || q->change_is_pending || q->waiting_changes != NULL)
        return;
    if (!introduce_self(q, now) && !admit_unmet(q, now))
        promote_who_caught_up(q, now);
}

/* ---------------------------------------------------------------- operators */

static uint32_t free_seat(const Ephor__Membership *m)
{
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        bool is_taken = false;
        for (size_t i = 0; i < m->n_members; i++)
            is_taken |= m->members[i]->seat == seat;
        if (!is_taken)
            return seat;
    }
    return 0;
}

static const char *judge_add(const struct quorum *q, const Ephor__Membership *now,
                             const Ephor__ClusterRequest *r)
{
    if (q->mesh == NULL)
        return "this controller has no certificates yet; run ephorctl cluster init first and "
               "restart ephord";
    if (!text_is_name(r->name))
        return "a controller's name is a letter and then up to 46 letters, digits, '_' and '-'";
    if (roster_find_name(now, r->name) != NULL)
        return "a controller of that name is a member already; remove it first";
    if (strrchr(r->address, ':') == NULL || strlen(r->address) > 127)
        return "the address must be HOST:PORT";
    if (r->fingerprint.len != TLS_FINGERPRINT_SIZE)
        return "the fingerprint of its key is missing";
    if (r->wanted < EPHOR__MEMBER_KIND__VOTER || r->wanted > EPHOR__MEMBER_KIND__WITNESS)
        return "a member is a voter, a learner or a witness";
    for (size_t i = 0; i < now->n_members; i++) {
        if (strcmp(now->members[i]->address, r->address) == 0)
            return "another controller has that address";
        if (now->members[i]->fingerprint.len == r->fingerprint.len &&
            memcmp(now->members[i]->fingerprint.data, r->fingerprint.data, r->fingerprint.len) == 0)
            return "another controller has that key";
    }
    if (registry_work_clash(q, r) != NULL)
        return registry_work_clash(q, r);
    return now->n_members >= CONTROLLERS_MAX || free_seat(now) == 0
               ? "a cluster has at most 9 controllers"
               : NULL;
}

static const char *prepare_add(struct quorum *q, const Ephor__ClusterRequest *r,
                               Ephor__Membership *m, struct change *how)
{
    const char *refusal = judge_add(q, m, r);
    if (refusal != NULL)
        return refusal;
    uint32_t seat = free_seat(m);
    Ephor__ClusterMember *member = malloc(sizeof(*member));
    Ephor__ClusterMember **members =
        realloc(m->members, (m->n_members + 1) * sizeof(m->members[0]));
    PRE(member != NULL && members != NULL);
    m->members = members;
    ephor__cluster_member__init(member);
    member->id = m->next_id++;
    member->seat = seat;
    member->kind = EPHOR__MEMBER_KIND__LEARNER;
    member->wanted = r->wanted;
    set_text(&member->name, r->name);
    set_text(&member->address, r->address);
    set_bytes(&member->fingerprint, r->fingerprint.data, r->fingerprint.len);
    m->members[m->n_members++] = member;
    text_format(how->text, sizeof(how->text), "controller %s was added with id %u", r->name,
                member->id);
    return NULL;
}

/* Would the voters that are left and can be reached be a majority of those that are left? */
static bool leaves_a_quorum(const struct quorum *q, const Ephor__Membership *m)
{
    uint32_t voters = 0, reached = 0;
    for (size_t i = 0; i < m->n_members; i++) {
        const Ephor__ClusterMember *member = m->members[i];
        struct engine_peer peer;
        if (member->kind == EPHOR__MEMBER_KIND__LEARNER)
            continue;
        voters++;
        reached +=
            member->id == q->controller || (engine_peer(q->engine, member->id, &peer) &&
                                            now_mono_ms() - peer.answered_ms < 2 * q->fresh_ms);
    }
    return voters > 0 && reached > voters / 2;
}

static const char *prepare_remove(struct quorum *q, const Ephor__ClusterRequest *r,
                                  Ephor__Membership *m, struct change *how)
{
    const Ephor__ClusterMember *gone = roster_find_name(m, r->name);
    if (gone == NULL)
        return "there is no controller and no observer of that name; see ephorctl cluster status";
    size_t kept = 0;
    for (size_t i = 0; i < m->n_members; i++) {
        Ephor__ClusterMember *member = m->members[i];
        if (member == gone)
            continue;
        m->members[kept++] = member;
    }
    m->n_members = kept;
    ephor__cluster_member__free_unpacked((Ephor__ClusterMember *)(uintptr_t)gone, NULL);
    text_format(how->text, sizeof(how->text), "controller %s was removed", r->name);
    return leaves_a_quorum(q, m) ? NULL
                                 : "of the voters that would be left, no majority can be reached: "
                                   "the cluster would stand still";
}

static const char *prepare_promote(const Ephor__ClusterRequest *r, Ephor__Membership *m,
                                   struct change *how)
{
    Ephor__ClusterMember *member = (Ephor__ClusterMember *)(uintptr_t)roster_find_name(m, r->name);
    if (member == NULL)
        return "there is no controller of that name; see ephorctl cluster status";
    if (member->kind != EPHOR__MEMBER_KIND__LEARNER)
        return "it has a vote already";
    member->wanted = EPHOR__MEMBER_KIND__VOTER;
    text_format(how->text, sizeof(how->text),
                "controller %s gets its vote as soon as its log has caught up", r->name);
    return NULL;
}

static void transfer(struct quorum *q, uint32_t from, const Ephor__ClusterRequest *r)
{
    char text[256];
    const Ephor__ClusterMember *member =
        r->name[0] == '\0' ? NULL : roster_find_name(engine_members(q->engine), r->name);
    int err = ERR_NOT_FOUND;
    if (r->name[0] == '\0' || member != NULL)
        err = engine_transfer(q->engine, member == NULL ? 0 : member->id);
    if (err == ERR_OK)
        text_format(text, sizeof(text), "leadership is being handed over to %s",
                    member == NULL ? "whoever is closest" : member->name);
    else
        text_copy(text, sizeof(text),
                  err == ERR_NOT_FOUND ? "there is no such voter to hand over to"
                                       : "leadership is being handed over already");
    reply(q, from, r->sequence, err == ERR_OK, text);
}

static void change_members(struct quorum *q, uint32_t from, const Ephor__ClusterRequest *r)
{
    Ephor__Membership *m = roster_copy(engine_members(q->engine));
    struct change how = {.is_asked = true, .from = from, .sequence = r->sequence};
    const char *refusal;
    PRE(m != NULL);
    if (r->verb == EPHOR__CLUSTER_VERB__CLUSTER_ADD)
        refusal = prepare_add(q, r, m, &how);
    else if (r->verb == EPHOR__CLUSTER_VERB__CLUSTER_REMOVE)
        refusal = prepare_remove(q, r, m, &how);
    else
        refusal = prepare_promote(r, m, &how);
    if (refusal == NULL) {
        log_info("cluster", "%s asks: %s", r->author, how.text);
        propose(q, m, how);
        return;
    }
    ephor__membership__free_unpacked(m, NULL);
    reply(q, from, r->sequence, false, refusal);
}

void cluster_on_request(struct quorum *q, uint32_t from, const Ephor__ClusterRequest *r)
{
    if (q->is_leading && r->verb == EPHOR__CLUSTER_VERB__CLUSTER_TRANSFER) {
        transfer(q, from, r);
    } else if (q->is_leading && !q->change_is_pending) {
        if (registry_work_is_for(q, r))
            registry_work_start(q, from, r);
        else
            change_members(q, from, r);
    } else if (q->is_leading) {
        if (!keep_waiting(q, from, r))
            reply(q, from, r->sequence, false,
                  "other changes of the members are under way; try again in a moment");
    } else {
        Ephor__Talk talk = EPHOR__TALK__INIT;
        talk.body_case = EPHOR__TALK__BODY_REQUEST;
        talk.request = (Ephor__ClusterRequest *)(uintptr_t)r;
        if (from != 0 || q->leader == 0 || cluster_talk(q, q->leader, &talk) != ERR_OK)
            reply(q, from, r->sequence, false, "no leader can be reached; try again in a moment");
    }
}

void cluster_go_on(struct quorum *q)
{
    while (!q->change_is_pending) {
        struct waiting_change *waiting = take_waiting(q);
        if (waiting == NULL)
            break;
        cluster_on_request(q, waiting->from, waiting->request);
        free_waiting(waiting);
    }
    cluster_work(q);
}

void cluster_drop_waiting(struct quorum *q)
{
    for (struct waiting_change *w = take_waiting(q); w != NULL; w = take_waiting(q))
        free_waiting(w);
}
