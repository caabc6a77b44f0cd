/* Any bytes as messages of observers to a controller that leads: taken, or the link is ended; never
 * a crash, and what is proposed can always be applied. For libFuzzer: the input is a run of frames,
 * each a byte that says what happens to which of two observers, two for the size, and that many
 * bytes. */
#include "orchestrator/quorum/observers.h"

#include "orchestrator/base/log.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { ONE = 1001, OBSERVERS = 2, CHECKS = 4 };
enum what { LINK = 2, LOSE = 4, LATER = 8, FAIL = 16, ADOPT = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct timer {
    timer_cb *cb;
    void *data;
    bool is_started;
};

static struct { /* all that this program has */
    struct quorum q;
    struct effects effects;
    struct timer timer;
    int64_t now_ms;
    uint64_t written;
    Ephor__Fact *proposed;
    proposal_then *then;
    bool is_linked[OBSERVERS];
} w;

/* ---------------------------------------------------------------- what is played */

int64_t now_mono_ms(void)
{
    return w.now_ms;
}

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    (void)loop;
    w.timer = (struct timer){cb, data, false};
    return &w.timer;
}

void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    (void)delay_ms, (void)repeat_ms;
    timer->is_started = true;
}

void timer_free(struct timer *timer)
{
    (void)timer;
}

const Ephor__Membership *engine_members(const struct engine *engine)
{
    static const Ephor__Membership none = EPHOR__MEMBERSHIP__INIT;
    (void)engine;
    return &none;
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    (void)mesh, (void)id, (void)channel, (void)bytes, (void)size;
    return ERR_OK;
}

size_t mesh_queued(const struct mesh *mesh)
{
    (void)mesh;
    return 0;
}

void mesh_drop_observer(struct mesh *mesh, uint32_t id)
{
    (void)mesh;
    w.is_linked[id - ONE] = false;
    observers_on_lost(w.q.observers, id);
}

static void apply(Ephor__Fact *fact)
{
    fact->at_ms = (int64_t)++w.written;
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    if (bytes == NULL)
        abort();
    size_t size = ephor__fact__pack(fact, bytes);
    machine_apply(&w.q.machine, w.written, 1, bytes, size, &w.effects, NULL);
    free(bytes);
}

void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then)
{
    (void)quorum, (void)kind, (void)peer, (void)sequence;
    if (w.proposed != NULL)
        abort(); /* one at a time */
    uint8_t *bytes = malloc(ephor__fact__get_packed_size(fact) + 1);
    if (bytes == NULL)
        abort();
    size_t size = ephor__fact__pack(fact, bytes);
    w.proposed = ephor__fact__unpack(NULL, size, bytes);
    w.then = then;
    free(bytes);
    if (w.proposed == NULL)
        abort();
}

static void end_proposal(bool fails)
{
    Ephor__Fact *fact = w.proposed;
    if (fact == NULL)
        return;
    w.proposed = NULL;
    if (!fails) {
        apply(fact);
        if (w.effects.count > 0 && w.effects.lines[0].event == EVENT_REFUSED)
            abort(); /* it was proposed in vain */
    }
    ephor__fact__free_unpacked(fact, NULL);
    w.then(&w.q, fails ? ERR_AGAIN : ERR_OK, w.written);
}

/* ---------------------------------------------------------------- the world */

static void adopt(void)
{
    static char name[] = "p", node[] = "n", address[] = "192.0.2.1", digest[] = "d";
    char ids[CHECKS][8];
    Ephor__Policy policy = EPHOR__POLICY__INIT;
    Ephor__Node n = EPHOR__NODE__INIT, *nodes[] = {&n};
    Ephor__Check checks[CHECKS], *list[CHECKS];
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    uint8_t bytes[2000];
    policy.version = 1;
    policy.name = name;
    n.name = node;
    n.address = address;
    policy.nodes = nodes;
    policy.n_nodes = 1;
    for (int i = 0; i < CHECKS; i++) {
        Ephor__Check *c = list[i] = &checks[i];
        ephor__check__init(c);
        memcpy(ids[i], "node/0", 7);
        ids[i][5] = (char)('0' + i);
        c->id = ids[i];
        c->name = name;
        c->kind = EPHOR__CHECK_KIND__TCP;
        c->scope = EPHOR__SCOPE__NODE;
        c->interval_ms = c->timeout_ms = c->retry_ms = 1000;
        c->fall = c->rise = 2;
        c->host = address;
        c->port = 80;
        c->observers = OBSERVERS_MAX;
    }
    policy.checks = list;
    policy.n_checks = CHECKS;
    if (ephor__policy__get_packed_size(&policy) > sizeof(bytes))
        abort();
    adopted.policy.data = bytes;
    adopted.policy.len = ephor__policy__pack(&policy, bytes);
    adopted.digest = digest;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    apply(&fact);
    if (w.q.machine.policy_index != w.written)
        abort();
    w.q.machine.core->rules = core_rules_max;
    observers_on_policy(w.q.observers);
}

static void add_observer(uint8_t key)
{
    char name[] = "o0";
    uint8_t fingerprint[OBSERVER_KEY_SIZE];
    Ephor__Observer observer = EPHOR__OBSERVER__INIT;
    Ephor__ObserverChange change = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    memset(fingerprint, key, sizeof(fingerprint));
    name[1] = (char)('0' + key);
    observer.name = name;
    observer.fingerprint = (ProtobufCBinaryData){.len = sizeof(fingerprint), .data = fingerprint};
    change.added = &observer;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &change;
    apply(&fact);
}

static void begin(void)
{
    memset(&w, 0, sizeof(w));
    log_init("fuzz", LOG_LEVEL_ERROR);
    w.now_ms = 1000000;
    machine_init(&w.q.machine);
    w.q.mesh = (struct mesh *)(void *)&w; /* not looked at */
    w.q.is_leading = true;
    w.q.term = w.q.leader_told_term = w.q.leader_term = 1;
    w.q.observers = observers_new(&w.q);
    if (w.q.observers == NULL)
        abort();
    adopt();
    for (uint8_t i = 0; i < OBSERVERS; i++)
        add_observer(i);
    if (w.q.machine.registry.count != OBSERVERS)
        abort();
}

static void end(void)
{
    observers_free(w.q.observers);
    machine_close(&w.q.machine);
    if (w.proposed != NULL)
        ephor__fact__free_unpacked(w.proposed, NULL);
}

static void happen(uint8_t what, const uint8_t *bytes, size_t size)
{
    uint32_t which = what & 1;
    if ((what & LOSE) != 0 && w.is_linked[which])
        mesh_drop_observer(w.q.mesh, ONE + which);
    if ((what & LINK) != 0 && !w.is_linked[which]) {
        w.is_linked[which] = true;
        observers_on_linked(w.q.observers, ONE + which);
    }
    if (w.is_linked[which])
        observers_on_frame(w.q.observers, ONE + which, bytes, size);
    if ((what & ADOPT) != 0)
        adopt();
    if ((what & LATER) != 0)
        w.now_ms += 1500;
    if (w.timer.is_started) {
        w.timer.is_started = false;
        w.timer.cb(w.timer.data);
    }
    observers_work(w.q.observers);
    end_proposal((what & FAIL) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    while (size >= 3) {
        size_t length = (size_t)data[1] | (size_t)data[2] << 8;
        if (length > size - 3)
            length = size - 3;
        happen(data[0], data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
    end();
    return 0;
}
