/* A controller: its processes begin and end with the server of the core's simulator that is its
 * consensus. A machine takes all three with it; a process alone is begun anew by the supervisor,
 * which links it to the others again. */
#include "orchestrator/checker/checker.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINK_MIN_US = 1000, LINK_MAX_US = 20000 };

static struct whole_controller *of(void *data, const struct sim_server *server)
{
    struct whole *whole = data;
    return &whole->controllers[server->id];
}

/* ---- the end of a process: what its main does behind process_run */

static void release_quorum(struct process *process)
{
    struct quorum *q = process->data;
    machine_close(&q->machine);
    free(q->effects);
    offers_close(q);
    free(q);
}

static void release_actor(struct process *process)
{
    free(process->data);
}

static void release_checker(struct process *process)
{
    (void)process;
}

/* ---- begin */

static void on_link(struct whole_call *call)
{
    struct whole_controller *c = call->data;
    struct process *other = call->process;
    if (c->quorum.is_up)
        whole_link(&c->quorum, other);
}

static void link_soon(struct whole_controller *c, struct process *other)
{
    int64_t delay_us = sim_between(&c->whole->world->random, LINK_MIN_US, LINK_MAX_US);
    if (other->is_up)
        whole_call_in(c->whole, delay_us, other, NULL, on_link, c);
}

static void begin_actor(struct whole_controller *c)
{
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    Ephor__SshIdentity identity = EPHOR__SSH_IDENTITY__INIT, *list = &identity;
    uint8_t key = 1;
    char name[8];
    snprintf(name, sizeof(name), "c%u", c->id);
    setup.controller = c->id;
    setup.controller_name = name;
    identity.key.data = &key;
    identity.key.len = 1;
    setup.ssh = &list;
    setup.n_ssh = 1;
    setup.fresh_ms = (uint32_t)c->whole->world->profile.election_ms;
    whole_process_begin(&c->actor, actor_main, &setup);
}

static void offer_policy(struct whole_controller *c)
{
    Ephor__PolicyOffer offer = EPHOR__POLICY_OFFER__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    char digest[] = "d1", author[] = "start";
    offer.policy.data = c->whole->policy.bytes;
    offer.policy.len = c->whole->policy.size;
    offer.digest = digest;
    offer.author = author;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_OFFER;
    m.policy_offer = &offer;
    struct process *before = whole_enter(&c->quorum);
    c->quorum.ops->on_message(c->quorum.data, &m, -1);
    whole_enter(before);
}

static int quorum_process(uint32_t instance, int control_fd)
{
    return process_run(EPHOR__ROLE__QUORUM, instance, control_fd, &quorum_ops, quorum_new());
}

static void begin_quorum(struct whole_controller *c)
{
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    char name[8], dir[] = ".";
    snprintf(name, sizeof(name), "c%u", c->id);
    setup.controller = c->id;
    setup.controller_name = name;
    setup.state_dir = dir;
    setup.checker_count = 1;
    setup.fresh_ms = (uint32_t)c->whole->world->profile.election_ms;
    c->engine = whole_engine_new(c);
    whole_check_began(c);
    whole_process_begin(&c->quorum, quorum_process, &setup);
    struct quorum *q = c->quorum.data;
    q->proposals.run = sim_next(&c->whole->world->random) | 1; /* not what getrandom() gave */
    offer_policy(c);
    whole_talk_break(c);
}

/* ---- what the server tells */

static void on_start(void *data, struct sim_server *server)
{
    struct whole_controller *c = of(data, server);
    if (c->quorum.is_up && c->quorum.is_dark)
        whole_process_end(&c->quorum, release_quorum);
    if (!c->quorum.is_up) {
        begin_quorum(c);
        if (!c->actor.is_up)
            begin_actor(c);
        if (!c->checker.is_up)
            whole_checker_begin(c);
        link_soon(c, &c->actor);
        link_soon(c, &c->checker);
    }
    whole_engine_attach(c);
}

static void kill_all(struct whole_controller *c)
{
    whole_process_end(&c->actor, release_actor);
    whole_process_end(&c->checker, release_checker);
}

/* Only when nothing of it runs any more: the crash may have come from inside a step. */
static void on_kill(struct whole_call *call)
{
    struct whole_controller *c = call->data;
    if (!c->quorum.is_dark) /* it was begun anew already */
        return;
    whole_process_end(&c->quorum, release_quorum);
    whole_talk_break(c);
}

static void on_end(void *data, struct sim_server *server)
{
    struct whole_controller *c = of(data, server);
    whole_engine_detach(c);
    if (server->state == SIM_FAILED || !c->quorum.is_up)
        return; /* the process goes on without its disk */
    c->quorum.life++;
    c->quorum.is_dark = true;
    bool is_machine =
        c->whole->world->profile.has_reboots || sim_percent(&c->whole->world->random, 50);
    if (is_machine)
        kill_all(c);
    whole_call_in(c->whole, 0, NULL, NULL, on_kill, c);
}

static void on_stop(void *data, struct sim_server *server)
{
    struct whole_controller *c = of(data, server);
    whole_process_stop(&c->quorum);
    if (sim_percent(&c->whole->world->random, 60)) { /* the whole machine */
        whole_process_stop(&c->actor);
        whole_process_stop(&c->checker);
    }
}

static void on_continue(void *data, struct sim_server *server)
{
    struct whole_controller *c = of(data, server);
    whole_process_continue(&c->quorum);
    whole_process_continue(&c->actor);
    whole_process_continue(&c->checker);
}

static void on_applied(void *data, struct sim_server *server, const struct sim_entry *entry)
{
    whole_engine_applied(of(data, server), entry);
}

static void on_step(void *data, struct sim_server *server)
{
    whole_engine_stepped(of(data, server));
}

static void on_connected(void *data, struct sim_server *server, uint32_t peer)
{
    (void)data;
    (void)server;
    (void)peer;
}

static void on_event(void *data, void *event)
{
    whole_on_event(data, event);
    whole_check_now(data);
}

const struct sim_above whole_above = {.on_start = on_start,
                                      .on_end = on_end,
                                      .on_stop = on_stop,
                                      .on_continue = on_continue,
                                      .on_applied = on_applied,
                                      .on_step = on_step,
                                      .on_connected = on_connected,
                                      .on_event = on_event};

void whole_controller_init(struct whole *whole, uint32_t id)
{
    struct whole_controller *c = &whole->controllers[id];
    *c = (struct whole_controller){.id = id, .whole = whole, .server = &whole->world->servers[id]};
    struct process *processes[] = {&c->quorum, &c->actor, &c->checker};
    const Ephor__Role roles[] = {EPHOR__ROLE__QUORUM, EPHOR__ROLE__ACTOR, EPHOR__ROLE__CHECKER};
    for (int i = 0; i < 3; i++)
        *processes[i] = (struct process){.whole = whole, .controller = c, .role = roles[i]};
}

void whole_controller_close(struct whole_controller *controller)
{
    if (controller->id == 0)
        return;
    whole_process_end(&controller->quorum, release_quorum);
    kill_all(controller);
}
