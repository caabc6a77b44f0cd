/* The links to the other controllers and to observers: opened, and what comes over them. */
#include "orchestrator/quorum/cluster_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { UNHEARD_MAX_MS = 1000 };

/* ---------------------------------------------------------------- talk */

int cluster_talk(struct quorum *q, uint32_t to, const Ephor__Talk *talk)
{
    if (q->mesh == NULL)
        return ERR_AGAIN;
    size_t size = ephor__talk__get_packed_size(talk);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__talk__pack(talk, bytes);
    int err = mesh_send(q->mesh, to, MESH_TALK, bytes, size);
    free(bytes);
    return err;
}

/* ---------------------------------------------------------------- links */

static void on_talk(struct quorum *q, uint32_t from, const uint8_t *bytes, size_t size)
{
    Ephor__Talk *talk = ephor__talk__unpack(NULL, size, bytes);
    if (talk == NULL) {
        log_warning("peer", "controller %u sent what makes no sense", from);
        return;
    }
    if (talk->body_case == EPHOR__TALK__BODY_FORWARD)
        proposals_on_forward(q, from, talk->forward);
    else if (talk->body_case == EPHOR__TALK__BODY_FORWARD_REFUSED)
        offers_on_refused(q, from, talk->forward_refused);
    else if (talk->body_case == EPHOR__TALK__BODY_REQUEST)
        cluster_on_request(q, from, talk->request);
    else if (talk->body_case == EPHOR__TALK__BODY_REPLY)
        cluster_reply(q, 0, talk->reply);
    else if (talk->body_case == EPHOR__TALK__BODY_READ_QUESTION)
        readers_on_question(q, from, talk->read_question);
    else if (talk->body_case == EPHOR__TALK__BODY_READ_ANSWER)
        readers_on_answer(q, from, talk->read_answer);
    ephor__talk__free_unpacked(talk, NULL);
}

static void on_frame(void *data, uint32_t from, enum mesh_channel channel, const uint8_t *bytes,
                     size_t size)
{
    struct quorum *q = data;
    if (channel == MESH_WATCH) {
        observers_on_frame(q->observers, from, bytes, size);
    } else if (channel == MESH_LOG) {
        engine_receive(q->engine, from, bytes, size);
        quorum_note_leader(q);
    } else {
        on_talk(q, from, bytes, size);
    }
}

static void on_connected(void *data, uint32_t id, enum mesh_channel channel)
{
    struct quorum *q = data;
    if (channel == MESH_WATCH) {
        observers_on_linked(q->observers, id);
    } else if (channel == MESH_LOG) {
        engine_connected(q->engine, id);
    } else if (id == q->leader) {
        proposals_restart(q);
        readers_restart(q);
    }
}

static void on_unmet(void *data, uint32_t id, uint64_t incarnation)
{
    struct quorum *q = data;
    q->unmet_id = id;
    q->unmet_incarnation = incarnation;
    cluster_work(q);
}

static bool is_observer_key(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    const struct quorum *q = data;
    return observers_is_key(q->observers, fingerprint);
}

static const char *judge_observer(void *data, const Ephor__Hello *hello,
                                  const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    const struct quorum *q = data;
    return observers_judge(q->observers, hello, fingerprint);
}

static void on_lost(void *data, uint32_t observer)
{
    struct quorum *q = data;
    observers_on_lost(q->observers, observer);
}

static Ephor__Membership *contacts_of(const Ephor__Setup *setup)
{
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    m.members = setup->contacts;
    m.n_members = setup->n_contacts;
    return roster_copy(&m);
}

int cluster_open(struct quorum *q, const Ephor__Setup *setup, struct errbuf *e)
{
    static const struct mesh_ops ops = {on_frame,        on_connected,   on_unmet,
                                        is_observer_key, judge_observer, on_lost};
    q->cluster = setup->cluster;
    text_copy(q->address, sizeof(q->address), setup->address);
    if (q->cluster == 0)
        return ERR_OK;
    certificate_take(&q->certificate, setup);
    struct mesh_params params = {
        .id = q->controller,
        .cluster = q->cluster,
        .incarnation = engine_incarnation(q->engine),
        .identity = q->certificate.identity,
        .unheard_max_ms = 3 * q->fresh_ms > UNHEARD_MAX_MS ? 3 * q->fresh_ms : UNHEARD_MAX_MS};
    q->mesh = mesh_new(q->loop, &params, &ops, q);
    q->contacts = contacts_of(setup);
    if (q->mesh == NULL || q->contacts == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    cluster_on_members(q, engine_members(q->engine));
    return ERR_OK;
}

void cluster_close(struct quorum *q)
{
    cluster_drop_waiting(q);
    mesh_free(q->mesh);
    certificate_close(&q->certificate);
    if (q->contacts != NULL)
        ephor__membership__free_unpacked(q->contacts, NULL);
    q->mesh = NULL;
    q->contacts = NULL;
}

int cluster_listen(struct quorum *q, int fd, struct errbuf *e)
{
    return mesh_listen(q->mesh, fd, e);
}

void cluster_reload(struct quorum *q, const Ephor__Setup *setup)
{
    if (q->mesh != NULL && certificate_take(&q->certificate, setup))
        mesh_use(q->mesh, q->certificate.identity);
}

void cluster_watch(struct quorum *q)
{
    if (q->mesh != NULL && certificate_watch(&q->certificate, now_mono_ms(), now_wall_ms() / 1000))
        mesh_use(q->mesh, q->certificate.identity);
}

void cluster_on_members(struct quorum *q, const Ephor__Membership *members)
{
    bool is_hint = members->n_members == 0;
    uint32_t seat = cluster_seat_of(q, q->controller);
    q->seat = seat == 0 || seat > CONTROLLERS_MAX ? 1 : seat;
    if (q->mesh == NULL)
        return;
    if (members->cluster != 0)
        mesh_set_cluster(q->mesh, members->cluster);
    mesh_set_members(q->mesh, is_hint ? q->contacts : members, is_hint);
}
