/* Observers on the stage: added and removed by the machine, as the leader would have it do. */
#include "orchestrator/base/text.h"
#include "tests/ctl/stage_parts.h"

#include <string.h>

void stage_change_cluster(struct stage *s, const Ephor__ClusterRequest *r)
{
    uint8_t key[OBSERVER_KEY_SIZE] = {1};
    Ephor__ClusterMember member = EPHOR__CLUSTER_MEMBER__INIT, *list[] = {&member};
    Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__ObserverChange change = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Observer added = EPHOR__OBSERVER__INIT;
    Ephor__ClusterReply reply = EPHOR__CLUSTER_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    added.name = r->name;
    added.fingerprint = r->fingerprint;
    change.author = r->author;
    if (r->observer)
        change.added = &added;
    else
        change.removed = r->name;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &change;
    stage_apply(s, &fact);
    const struct observer *observer = registry_find_name(&s->machine.registry, r->name);
    member.id = 1;
    member.name = (char *)(uintptr_t) "c1";
    member.address = (char *)(uintptr_t) "192.0.2.1:7473";
    member.fingerprint.data = key;
    member.fingerprint.len = sizeof(key);
    members.members = list;
    members.n_members = 1;
    reply.sequence = r->sequence;
    reply.ok = s->effects->is_accepted;
    reply.text = s->effects->reply;
    reply.members = &members;
    reply.observer = reply.ok && observer != NULL ? observer->id : 0;
    m.body_case = EPHOR__MESSAGE__BODY_CLUSTER_REPLY;
    m.cluster_reply = &reply;
    link_send(s->quorum, &m, -1);
}

void stage_observe(struct stage *s, const char *name, bool sees, const char *reason)
{
    const struct observer *observer = registry_find_name(&s->machine.registry, name);
    if (observer == NULL || s->observer_count == OBSERVERS_PLAYED_MAX)
        return;
    Ephor__FeedObserver *link = &s->observers[s->observer_count];
    ephor__feed_observer__init(link);
    link->id = observer->id;
    link->sees = sees;
    text_copy(s->observer_texts[s->observer_count], 64, reason);
    link->reason = s->observer_texts[s->observer_count];
    link->version = (char *)(uintptr_t) "0.1";
    link->since_ms = 5000;
    link->follows = true;
    s->observer_pointers[s->observer_count++] = link;
}
