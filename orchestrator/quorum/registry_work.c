#include "orchestrator/quorum/registry_work.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"

#include <string.h>

bool registry_work_is_for(const struct quorum *q, const Ephor__ClusterRequest *r)
{
    if (r->verb == EPHOR__CLUSTER_VERB__CLUSTER_ADD)
        return r->observer;
    return r->verb == EPHOR__CLUSTER_VERB__CLUSTER_REMOVE &&
           registry_find_name(&q->machine.registry, r->name) != NULL;
}

const char *registry_work_clash(const struct quorum *q, const Ephor__ClusterRequest *r)
{
    if (registry_find_name(&q->machine.registry, r->name) != NULL)
        return "an observer has that name";
    if (r->fingerprint.len == OBSERVER_KEY_SIZE &&
        registry_find_key(&q->machine.registry, r->fingerprint.data) != NULL)
        return "an observer has that key";
    return NULL;
}

/* ---------------------------------------------------------------- judgement */

static bool is_key_of_member(const Ephor__Membership *m, const ProtobufCBinaryData *key)
{
    for (size_t i = 0; i < m->n_members; i++)
        if (key->len > 0 && m->members[i]->fingerprint.len == key->len &&
            memcmp(m->members[i]->fingerprint.data, key->data, key->len) == 0)
            return true;
    return false;
}

/* What the machine cannot know of: the links, the rules and the members. */
static const char *judge_add(const struct quorum *q, const Ephor__ClusterRequest *r)
{
    const Ephor__Membership *members = engine_members(q->engine);
    if (q->mesh == NULL)
        return "this controller has no certificates yet; run ephorctl cluster init first and "
               "restart ephord";
    if (r->address[0] != '\0')
        return "an observer has no address: it is the one that connects";
    if (q->machine.core == NULL)
        return "there is no policy yet; add observers once there is one";
    if (q->machine.core->rules < OBSERVER_RULES)
        return "some controllers run a version that does not know observers; upgrade them first";
    if (roster_find_name(members, r->name) != NULL)
        return "a controller of that name is a member";
    return is_key_of_member(members, &r->fingerprint) ? "a controller has that key" : NULL;
}

/* ---------------------------------------------------------------- the change */

static void answer(struct quorum *q, const struct registry_work *work, bool is_ok, const char *text)
{
    Ephor__ClusterReply reply = EPHOR__CLUSTER_REPLY__INIT;
    const struct observer *observer = registry_find_name(&q->machine.registry, work->name);
    reply.sequence = work->sequence;
    reply.ok = is_ok;
    reply.text = (char *)(uintptr_t)text;
    reply.members = (Ephor__Membership *)(uintptr_t)engine_members(q->engine);
    if (is_ok && observer != NULL) /* otherwise it was removed */
        reply.observer = observer->id;
    cluster_reply(q, work->from, &reply);
}

static const char *describe(int err)
{
    if (err == ERR_AGAIN)
        return "the leader is changing; try again in a moment";
    return err == ERR_CANCELED || err == ERR_TIMEOUT
               ? "whether it was done is not known: see ephorctl cluster status"
               : err_text(err);
}

static void on_applied(struct quorum *q, int err, uint64_t index)
{
    (void)index;
    q->change_is_pending = false;
    if (err == ERR_OK) /* effects are still those of this entry: proposals end right behind it */
        answer(q, &q->registry_work, q->effects->is_accepted, q->effects->reply);
    else
        answer(q, &q->registry_work, false, describe(err));
    cluster_go_on(q);
}

static void propose(struct quorum *q, Ephor__ObserverChange *change)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = change;
    q->change_is_pending = true;
    proposals_add(q, PROPOSAL_OF_LEADER, &fact, NULL, 0, on_applied);
}

void registry_work_start(struct quorum *q, uint32_t from, const Ephor__ClusterRequest *r)
{
    Ephor__ObserverChange change = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Observer added = EPHOR__OBSERVER__INIT;
    struct registry_work *work = &q->registry_work;
    const char *refusal = NULL;
    bool is_add = r->verb == EPHOR__CLUSTER_VERB__CLUSTER_ADD;
    *work = (struct registry_work){.from = from, .sequence = r->sequence};
    text_copy(work->name, sizeof(work->name), r->name);
    change.author = r->author;
    added.name = r->name;
    added.fingerprint = r->fingerprint;
    if (is_add) {
        change.added = &added;
        refusal = judge_add(q, r);
    } else {
        change.removed = r->name;
    }
    if (refusal == NULL)
        refusal = registry_refusal(&q->machine.registry, &change);
    if (refusal != NULL) {
        answer(q, work, false, refusal);
        return;
    }
    log_info("cluster", "%s asks: observer %s is to be %s", r->author, r->name,
             is_add ? "added" : "removed");
    propose(q, &change);
}
