/* The other controllers, as the quorum process of one sees them: what quorum/cluster.h promises,
 * over a network that is cut as that of the core is. What is lost on a link breaks the link; once
 * it is made anew, both ends know. */
#include "orchestrator/quorum/cluster.h"

#include "tests/sim/whole.h"

#include <string.h>

enum { MEND_MIN_US = 20000, MEND_MAX_US = 400000 };

struct talk_head { /* before the bytes of a message */
    uint32_t from;
};

static struct whole_controller *controller_of(const struct quorum *quorum)
{
    return quorum->process->controller;
}

static bool is_cut(const struct whole *whole, uint32_t a, uint32_t b)
{
    return whole->world->cut[a][b] || whole->world->cut[b][a];
}

/* ---- links */

static void on_mend(struct whole_call *call)
{
    struct whole_controller *c = call->data;
    struct whole *whole = c->whole;
    uint32_t to;
    memcpy(&to, call->bytes, sizeof(to));
    struct whole_controller *other = &whole->controllers[to];
    if (!c->quorum.is_up || !c->is_talk_broken[to])
        return;
    if (is_cut(whole, c->id, to) || !other->quorum.is_up || other->quorum.is_stopped) {
        int64_t delay_us = sim_between(&whole->world->random, MEND_MIN_US, MEND_MAX_US);
        whole_send_in(whole, delay_us, NULL, on_mend, c, &to, sizeof(to));
        return;
    }
    whole_talk_connected(c, to);
}

static void break_link(struct whole_controller *c, uint32_t to)
{
    struct whole *whole = c->whole;
    if (c->is_talk_broken[to])
        return;
    c->is_talk_broken[to] = true;
    int64_t delay_us = sim_between(&whole->world->random, MEND_MIN_US, MEND_MAX_US);
    whole_send_in(whole, delay_us, NULL, on_mend, c, &to, sizeof(to));
}

void whole_talk_break(struct whole_controller *controller)
{
    struct whole *whole = controller->whole;
    for (int32_t id = 1; id <= whole->controllers_count; id++) {
        if ((uint32_t)id == controller->id)
            continue;
        controller->is_talk_broken[id] = false;
        break_link(controller, (uint32_t)id);
        if (whole->controllers[id].quorum.is_up)
            break_link(&whole->controllers[id], controller->id);
    }
}

static void on_connected(struct whole_call *call)
{
    struct quorum *q = call->process->data;
    uint32_t peer;
    memcpy(&peer, call->bytes, sizeof(peer));
    call->process->controller->is_talk_broken[peer] = false; /* from now on */
    if (peer == q->leader) {
        proposals_restart(q);
        readers_restart(q);
    }
}

void whole_talk_connected(struct whole_controller *controller, uint32_t peer)
{
    if (controller->quorum.is_up)
        whole_send_in(controller->whole, 0, &controller->quorum, on_connected, NULL, &peer,
                      sizeof(peer));
}

/* ---- messages beside the log */

static void on_talk(struct whole_call *call)
{
    struct talk_head head;
    memcpy(&head, call->bytes, sizeof(head));
    Ephor__Talk *talk =
        ephor__talk__unpack(NULL, call->size - sizeof(head), call->bytes + sizeof(head));
    if (talk->body_case == EPHOR__TALK__BODY_FORWARD)
        proposals_on_forward(call->process->data, head.from, talk->forward);
    else if (talk->body_case == EPHOR__TALK__BODY_FORWARD_REFUSED)
        offers_on_refused(call->process->data, head.from, talk->forward_refused);
    ephor__talk__free_unpacked(talk, NULL);
}

int cluster_talk(struct quorum *quorum, uint32_t to, const Ephor__Talk *talk)
{
    struct whole_controller *c = controller_of(quorum);
    struct whole *whole = c->whole;
    struct sim_random *random = &whole->world->random;
    uint8_t bytes[16384];
    struct talk_head head = {c->id};
    if (quorum->process->is_dark || c->is_talk_broken[to])
        return ERR_AGAIN;
    if (is_cut(whole, c->id, to) || !whole->controllers[to].quorum.is_up) {
        break_link(c, to);
        return sim_percent(random, 50) ? ERR_OK : ERR_AGAIN;
    }
    size_t size = ephor__talk__get_packed_size(talk);
    if (size + sizeof(head) > sizeof(bytes))
        return ERR_LIMIT;
    memcpy(bytes, &head, sizeof(head));
    ephor__talk__pack(talk, bytes + sizeof(head));
    const struct sim_profile *net = &whole->world->profile;
    int64_t at_us = whole->world->now_us + net->delay_us + sim_between(random, 0, net->jitter_us);
    if (at_us < c->talk_us[to])
        at_us = c->talk_us[to];
    c->talk_us[to] = at_us;
    whole_send_in(whole, at_us - whole->world->now_us, &whole->controllers[to].quorum, on_talk,
                  NULL, bytes, size + sizeof(head));
    return ERR_OK;
}

/* ---- the rest of the interface */

int cluster_open(struct quorum *quorum, const Ephor__Setup *setup, struct errbuf *e)
{
    (void)setup;
    (void)e;
    quorum->seat = quorum->controller;
    return ERR_OK;
}

void cluster_close(struct quorum *quorum)
{
    (void)quorum;
}

int cluster_listen(struct quorum *quorum, int fd, struct errbuf *e)
{
    (void)quorum;
    (void)fd;
    (void)e;
    return ERR_OK;
}

void cluster_reload(struct quorum *quorum, const Ephor__Setup *setup)
{
    (void)quorum;
    (void)setup;
}

void cluster_watch(struct quorum *quorum)
{
    (void)quorum;
}

void cluster_on_members(struct quorum *quorum, const Ephor__Membership *members)
{
    (void)quorum;
    (void)members;
}

void cluster_work(struct quorum *quorum)
{
    (void)quorum;
}

void cluster_on_request(struct quorum *quorum, uint32_t from, const Ephor__ClusterRequest *request)
{
    (void)quorum;
    (void)from;
    (void)request;
}

bool cluster_is_alone(const struct quorum *quorum)
{
    return controller_of(quorum)->whole->controllers_count == 1;
}

void cluster_count_peers(const struct quorum *quorum, uint32_t *peers, uint32_t *linked)
{
    const struct whole_controller *c = controller_of(quorum);
    *peers = (uint32_t)c->whole->controllers_count - 1;
    *linked = 0;
    for (int32_t id = 1; id <= c->whole->controllers_count; id++)
        *linked += (uint32_t)id != c->id && !c->is_talk_broken[id] &&
                   !is_cut(c->whole, c->id, (uint32_t)id);
}

bool cluster_is_witness(const struct quorum *quorum)
{
    (void)quorum;
    return false;
}

uint32_t cluster_seat_of(const struct quorum *quorum, uint32_t id)
{
    (void)quorum;
    return id;
}

const char *cluster_name_of(const struct quorum *quorum, uint32_t id)
{
    static const char *const names[] = {"", "c1", "c2", "c3", "c4", "c5"};
    (void)quorum;
    return names[id];
}

void cluster_feed(const struct quorum *quorum, Ephor__FeedState *feed)
{
    (void)quorum;
    (void)feed;
}

void cluster_feed_free(Ephor__FeedState *feed)
{
    (void)feed;
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    (void)mesh;
    (void)id;
    (void)channel;
    (void)bytes;
    (void)size;
    return ERR_AGAIN;
}

/* ---- observers: none here */

struct observers *observers_new(struct quorum *quorum)
{
    return (struct observers *)(void *)quorum; /* not looked at */
}

void observers_free(struct observers *observers)
{
    (void)observers;
}

void observers_on_policy(struct observers *observers)
{
    (void)observers;
}

void observers_on_members(struct observers *observers)
{
    (void)observers;
}

void observers_on_leader(struct observers *observers)
{
    (void)observers;
}

void observers_work(struct observers *observers)
{
    (void)observers;
}

void observers_send_verdicts(struct observers *observers, const Ephor__Verdicts *verdicts)
{
    (void)observers, (void)verdicts;
}
