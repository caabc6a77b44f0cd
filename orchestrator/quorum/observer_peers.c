/* The links of an observer to its checkers and its status process. */
#include "orchestrator/quorum/observer_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"

#include <stdlib.h>
#include <unistd.h>

static const char only_looks[] = "this is an observer, which looks and decides nothing: ask a "
                                 "controller";

/* ---------------------------------------------------------------- to checkers */

static void send_to_checkers(struct observer_process *o, const Ephor__Message *m)
{
    for (int i = 0; i < OBSERVER_CHECKERS_MAX; i++)
        link_send(o->checkers[i].link, m, -1);
}

static void send_policy_to(const struct observer_process *o, struct link *link)
{
    Ephor__Adopted adopted = EPHOR__ADOPTED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    Ephor__Outlook outlook;
    if (link == NULL || o->looks.policy_index == 0)
        return;
    looks_outlook(&o->looks, &outlook);
    adopted.index = o->looks.policy_index;
    adopted.policy.data = o->looks.bytes;
    adopted.policy.len = o->looks.size;
    adopted.outlook = &outlook;
    m.body_case = EPHOR__MESSAGE__BODY_ADOPTED;
    m.adopted = &adopted;
    link_send(link, &m, -1);
    looks_free_outlook(&outlook);
}

void observer_send_policy(struct observer_process *o)
{
    for (int i = 0; i < OBSERVER_CHECKERS_MAX; i++)
        send_policy_to(o, o->checkers[i].link);
}

void observer_send_outlook(struct observer_process *o)
{
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    Ephor__Outlook outlook;
    if (o->looks.policy_index == 0)
        return;
    looks_outlook(&o->looks, &outlook);
    m.body_case = EPHOR__MESSAGE__BODY_OUTLOOK;
    m.outlook = &outlook;
    send_to_checkers(o, &m);
    looks_free_outlook(&outlook);
}

void observer_send_verdicts(struct observer_process *o, const Ephor__Verdicts *verdicts)
{
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_VERDICTS;
    m.verdicts = (Ephor__Verdicts *)(uintptr_t)verdicts;
    send_to_checkers(o, &m);
}

/* ---------------------------------------------------------------- to the status process */

static void feed_peers(const struct observer_process *o, Ephor__FeedState *feed)
{
    Ephor__FeedPeer *list = calloc(o->members->n_members + 1, sizeof(*list));
    feed->peers = calloc(o->members->n_members + 1, sizeof(feed->peers[0]));
    PRE(list != NULL && feed->peers != NULL);
    for (size_t i = 0; i < o->members->n_members; i++) {
        Ephor__FeedPeer *to = &list[i];
        const char *text;
        ephor__feed_peer__init(to);
        to->id = o->members->members[i]->id;
        to->connected = mesh_is_connected(o->mesh, to->id, &text);
        to->text = (char *)(uintptr_t)text;
        to->answered_ms = -1;
        feed->peers[feed->n_peers++] = to;
    }
    feed->peers[feed->n_peers] = list; /* to be freed */
}

void observer_feed(struct observer_process *o)
{
    Ephor__FeedState feed = EPHOR__FEED_STATE__INIT;
    Ephor__FeedLooks looks;
    Ephor__Certificate certificate = EPHOR__CERTIFICATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    if (o->status.link == NULL)
        return;
    feed.role = (char *)(uintptr_t) "observer";
    feed.term = o->term;
    feed.leader = o->leader;
    feed.storage_ok = true;
    feed.calm = o->calm.is_calm;
    feed.calm_text = o->calm.text;
    feed.fresh_ms = -1;
    feed.members = o->members;
    certificate_feed(&o->certificate, &certificate);
    feed.certificate = &certificate;
    looks_feed(&o->looks, &looks);
    looks.sees = o->sees;
    looks.reason = o->reason;
    feed.looks = &looks;
    feed_peers(o, &feed);
    m.body_case = EPHOR__MESSAGE__BODY_FEED_STATE;
    m.feed_state = &feed;
    link_send(o->status.link, &m, -1);
    free(feed.peers[feed.n_peers]);
    free(feed.peers);
    looks_free_feed(&looks);
}

/* ---------------------------------------------------------------- from both */

static void answer_proposal(struct link *link, uint64_t sequence, int err, const char *text)
{
    Ephor__Proposed proposed = EPHOR__PROPOSED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    proposed.sequence = sequence;
    proposed.err = err;
    proposed.text = (char *)(uintptr_t)text;
    m.body_case = EPHOR__MESSAGE__BODY_PROPOSED;
    m.proposed = &proposed;
    link_send(link, &m, -1);
}

static void on_checker_message(struct observer_peer *peer, const Ephor__Message *m)
{
    if (m->body_case == EPHOR__MESSAGE__BODY_CHECKER_STATE)
        observer_on_checker(peer->observer, m->checker_state);
    if (m->body_case != EPHOR__MESSAGE__BODY_PROPOSE || m->propose->fact == NULL ||
        m->propose->fact->body_case != EPHOR__FACT__BODY_OPINIONS)
        return;
    answer_proposal(peer->link, m->propose->sequence, ERR_OK, "");
    observer_on_opinions(peer->observer, m->propose->fact->opinions);
}

static void refuse_request(struct link *link, uint64_t sequence)
{
    Ephor__ClusterReply reply = EPHOR__CLUSTER_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.text = (char *)(uintptr_t)only_looks;
    m.body_case = EPHOR__MESSAGE__BODY_CLUSTER_REPLY;
    m.cluster_reply = &reply;
    link_send(link, &m, -1);
}

static void refuse_rollback(struct link *link, uint64_t sequence)
{
    Ephor__PolicyReply reply = EPHOR__POLICY_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.text = (char *)(uintptr_t)only_looks;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_REPLY;
    m.policy_reply = &reply;
    link_send(link, &m, -1);
}

static void refuse_read(struct link *link, uint64_t sequence)
{
    Ephor__ReadReply reply = EPHOR__READ_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.text = (char *)(uintptr_t)only_looks;
    m.body_case = EPHOR__MESSAGE__BODY_READ_REPLY;
    m.read_reply = &reply;
    link_send(link, &m, -1);
}

static void on_status_message(struct observer_peer *peer, const Ephor__Message *m)
{
    if (m->body_case == EPHOR__MESSAGE__BODY_PROPOSE)
        answer_proposal(peer->link, m->propose->sequence, ERR_REFUSED, only_looks);
    else if (m->body_case == EPHOR__MESSAGE__BODY_CLUSTER_REQUEST)
        refuse_request(peer->link, m->cluster_request->sequence);
    else if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_ROLLBACK)
        refuse_rollback(peer->link, m->policy_rollback->sequence);
    else if (m->body_case == EPHOR__MESSAGE__BODY_READ)
        refuse_read(peer->link, m->read->sequence);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct observer_peer *peer = data;
    (void)fd;
    if (peer->role == EPHOR__ROLE__CHECKER)
        on_checker_message(peer, m);
    else
        on_status_message(peer, m);
}

static void on_close(void *data, const char *reason)
{
    struct observer_peer *peer = data;
    log_warning("link", "the %s process is gone: %s", process_role_name(peer->role), reason);
    link_free(peer->link);
    peer->link = NULL;
}

void observer_connect(struct observer_process *o, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops ops = {on_message, on_close};
    struct observer_peer *peer = role == EPHOR__ROLE__STATUS ? &o->status : NULL;
    if (role == EPHOR__ROLE__CHECKER && instance < OBSERVER_CHECKERS_MAX)
        peer = &o->checkers[instance];
    if (peer == NULL) {
        close(fd);
        return;
    }
    link_free(peer->link);
    *peer = (struct observer_peer){.observer = o, .role = role};
    peer->link = link_new(o->loop, fd, &ops, peer);
    if (role == EPHOR__ROLE__CHECKER)
        send_policy_to(o, peer->link);
    else
        observer_feed(o); /* and no state: there is none */
}

void observer_disconnect(struct observer_process *o)
{
    for (int i = 0; i < OBSERVER_CHECKERS_MAX; i++)
        link_free(o->checkers[i].link);
    link_free(o->status.link);
}
