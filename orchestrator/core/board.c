#include "orchestrator/core/board.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/verdict.h"

#include <string.h>

bool board_has_seat(uint32_t controller, struct effects *effects)
{
    if (controller >= 1 && controller <= CONTROLLERS_MAX)
        return true;
    journal_add(effects, SEVERITY_WARNING, EVENT_REFUSED, "controller", "there is no controller %u",
                controller);
    return false;
}

const char *board_name(const struct core *core, uint32_t seat, char text[NAME_SIZE])
{
    const struct controller_state *c = &core->controllers[seat - 1];
    if (c->name[0] != '\0')
        return c->name;
    text_format(text, NAME_SIZE, "controller %u", seat);
    return text;
}

/* ---------------------------------------------------------------- rules */

/* What every controller knows is followed from now on, and for good. */
static void follow_rules(struct core *core, struct effects *effects)
{
    uint32_t known = UINT32_MAX;
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        if (core->controllers[i].is_member && core->controllers[i].rules < known)
            known = core->controllers[i].rules;
    if (known == UINT32_MAX || known <= core->rules)
        return;
    journal_add(effects, SEVERITY_INFO, EVENT_POLICY, core->name,
                "every controller knows rules %u: they are followed from now on (%u until now)",
                known, core->rules);
    core->rules = known;
}

/* ---------------------------------------------------------------- facts */

void board_apply(struct core *core, const struct fact *f, struct effects *effects)
{
    core->is_board_known = core->is_stale = true;
    effects->board_changed = true;
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++) {
        struct controller_state *c = &core->controllers[i];
        const struct seat *seat = &f->board.seats[i];
        bool is_new = seat->is_taken && (!c->is_member || strcmp(c->name, seat->name) != 0);
        if (is_new || !seat->is_taken) {
            bool has_left = c->is_member;
            if (has_left)
                journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, c->name,
                            "is no controller any more");
            *c = (struct controller_state){.is_member = seat->is_taken};
            verdict_forget(core, i + 1);
            for (int32_t n = 0; n < core_node_count(core); n++)
                core_node(core, n)->reach_by[i] = REACH_UNKNOWN;
        }
        if (!seat->is_taken)
            continue;
        text_copy(c->name, sizeof(c->name), seat->name);
        c->looks = seat->looks;
        c->votes = seat->votes;
        if (is_new)
            journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, c->name, "is a controller (%s)",
                        !c->looks   ? "a witness"
                        : !c->votes ? "without a vote"
                                    : "with a vote");
    }
    follow_rules(core, effects);
}

void board_apply_presence(struct core *core, const struct fact *f, struct effects *effects)
{
    char text[NAME_SIZE];
    if (!board_has_seat(f->presence.controller, effects))
        return;
    struct controller_state *c = &core->controllers[f->presence.controller - 1];
    const char *name = board_name(core, f->presence.controller, text);
    core->is_stale = true;
    effects->board_changed |= (c->presence == PRESENCE_ABSENT) == f->presence.is_there;
    if (!f->presence.is_there) {
        c->presence = PRESENCE_ABSENT;
        verdict_forget(core, f->presence.controller);
        if (!c->is_missed)
            journal_add(effects, SEVERITY_WARNING, EVENT_CONTROLLER, name, "is absent%s%s",
                        f->presence.text[0] ? ": " : "", f->presence.text);
        c->is_missed = true;
        return;
    }
    if (c->run != f->presence.run) {
        verdict_forget(core, f->presence.controller); /* it began anew: it has to look again */
        c->is_blind = c->is_not_calm = false;
    }
    if (c->is_missed)
        journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, name, "is back");
    if (c->file != f->presence.file && f->presence.text[0] != '\0')
        journal_add(effects, SEVERITY_INFO, EVENT_CONTROLLER, name, "%s", f->presence.text);
    c->presence = PRESENCE_THERE;
    c->is_missed = false;
    c->run = f->presence.run;
    c->rules = f->presence.rules;
    c->file = f->presence.file;
    follow_rules(core, effects);
}

static void reach_set(struct core *core, int32_t i, enum reach reach, const char *text,
                      struct effects *effects)
{
    struct node *node = core_node(core, i);
    if (node->reach == reach && strcmp(node->reach_text, text) == 0)
        return;
    if (node->reach != reach) {
        node->reach_since_ms = core->at_ms;
        stale_node(core, i);
    }
    node->reach = (uint8_t)reach;
    text_copy(node->reach_text, sizeof(node->reach_text), text);
    journal_add(effects, reach == REACH_UP ? SEVERITY_INFO : SEVERITY_ERROR, EVENT_REACH,
                node->name, "%s%s%s",
                reach == REACH_UP ? "can be worked on" : "cannot be worked on", text[0] ? ": " : "",
                text);
}

/* Who leads now may reach other nodes than the one before. */
static void reach_of_leader(struct core *core, struct effects *effects)
{
    for (int32_t i = 0; i < core_node_count(core); i++) {
        struct node *node = core_node(core, i);
        enum reach reach = (enum reach)node->reach_by[core->leader - 1];
        char text[TEXT_SIZE];
        text_format(text, sizeof(text), "%s does not reach it", core->leader_name);
        if (reach != REACH_UNKNOWN && reach != node->reach)
            reach_set(core, i, reach, reach == REACH_UP ? "" : text, effects);
    }
}

void board_apply_leader(struct core *core, const struct fact *f, struct effects *effects)
{
    if (!board_has_seat(f->leader.controller, effects))
        return;
    core->leader = f->leader.controller;
    core->is_stale = true;
    text_copy(core->leader_name, sizeof(core->leader_name), f->leader.name);
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        core->controllers[i].presence = PRESENCE_UNCONFIRMED;
    journal_add(effects, SEVERITY_INFO, EVENT_LEADER, core->leader_name, "leads in term %llu",
                (unsigned long long)core->term);
    reach_of_leader(core, effects);
}

void board_apply_sight(struct core *core, const struct fact *f, struct effects *effects)
{
    char text[NAME_SIZE];
    if (!board_has_seat(f->sight.controller, effects))
        return;
    struct controller_state *c = &core->controllers[f->sight.controller - 1];
    core->is_stale = true;
    verdict_forget(core, f->sight.controller);
    text_copy(c->sight_reason, sizeof(c->sight_reason), f->sight.sees ? "" : f->sight.reason);
    if (c->is_blind == !f->sight.sees)
        return;
    c->is_blind = !f->sight.sees;
    effects->board_changed = true;
    journal_add(effects, c->is_blind ? SEVERITY_WARNING : SEVERITY_INFO, EVENT_SIGHT,
                board_name(core, f->sight.controller, text), "%s%s%s",
                c->is_blind ? "cannot see" : "sees again", f->sight.reason[0] ? ": " : "",
                f->sight.reason);
}

void board_apply_calm(struct core *core, const struct fact *f, struct effects *effects)
{
    char text[NAME_SIZE];
    if (!board_has_seat(f->calm.controller, effects))
        return;
    struct controller_state *c = &core->controllers[f->calm.controller - 1];
    if (c->is_not_calm == !f->calm.calm)
        return;
    c->is_not_calm = !f->calm.calm;
    core->is_stale = true;
    text_copy(c->reason, sizeof(c->reason), f->calm.reason);
    journal_add(effects, c->is_not_calm ? SEVERITY_WARNING : SEVERITY_INFO, EVENT_CALM,
                board_name(core, f->calm.controller, text), "%s%s%s",
                c->is_not_calm ? "only watches for a while" : "is calm again",
                f->calm.reason[0] ? ": " : "", f->calm.reason);
}

/* Rules 4: before them nobody says it. */
void board_apply_freeze(struct core *core, const struct fact *f, struct effects *effects)
{
    char name[NAME_SIZE];
    if (core->rules < RULES_GUARD || !board_has_seat(f->freeze.controller, effects))
        return;
    struct controller_state *c = &core->controllers[f->freeze.controller - 1];
    if (strcmp(c->frozen, f->freeze.text) == 0)
        return;
    text_copy(c->frozen, sizeof(c->frozen), f->freeze.text);
    stale_services(core);
    journal_add(effects, SEVERITY_WARNING, EVENT_FREEZE,
                board_name(core, f->freeze.controller, name), "%s%s",
                c->frozen[0] ? "frozen by a file there: " : "not frozen any more", c->frozen);
}

static void node_freeze(struct core *core, int32_t i, const char *text, struct effects *effects)
{
    struct node *node = core_node(core, i);
    if (core->rules < RULES_GUARD || strcmp(node->frozen, text) == 0)
        return;
    text_copy(node->frozen, sizeof(node->frozen), text);
    stale_node(core, i);
    journal_add(effects, SEVERITY_WARNING, EVENT_FREEZE, node->name, "%s%s",
                node->frozen[0] ? "frozen by a file there: " : "not frozen any more", node->frozen);
}

void board_apply_reach(struct core *core, const struct fact *f, struct effects *effects)
{
    uint32_t seat = f->reach.controller;
    if (seat == 0 && !core->is_board_known)
        seat = core->leader;
    int32_t i = core_find_node(core, f->reach.node);
    enum reach reach = f->reach.reachable ? REACH_UP : REACH_DOWN;
    if (i == NONE) {
        journal_add(effects, SEVERITY_INFO, EVENT_REFUSED, "reach", "there is no node '%s'",
                    f->reach.node);
        return;
    }
    if (seat != 0 || core->is_board_known) { /* before there is a leader, it is just taken */
        if (!board_has_seat(seat, effects))
            return;
        core_node(core, i)->reach_by[seat - 1] = (uint8_t)reach;
    }
    core_node(core, i)->is_to_diagnose = true;
    if (core->rules >= RULES_GUARD && f->reach.guard != GUARD_UNTOLD &&
        f->reach.guard != core_node(core, i)->guard) {
        core_node(core, i)->guard = f->reach.guard;
        stale_node(core, i);
    }
    if (f->reach.reachable)
        node_freeze(core, i, f->reach.frozen, effects);
    if (seat == core->leader)
        reach_set(core, i, reach, f->reach.text, effects);
}

/* ---------------------------------------------------------------- questions */

static bool is_able(const struct core *core, uint32_t seat)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    if (c->is_blind || !core->is_board_known)
        return !c->is_blind;
    return c->is_member && c->looks && c->presence == PRESENCE_THERE;
}

/* Who lagged leaves the judgement to the others, if there are any; alone it just does not act. */
bool core_sees(const struct core *core, uint32_t seat)
{
    if (!is_able(core, seat) || !core->controllers[seat - 1].is_not_calm)
        return is_able(core, seat);
    for (uint32_t other = 1; other <= CONTROLLERS_MAX && core->is_board_known; other++)
        if (is_able(core, other) && !core->controllers[other - 1].is_not_calm)
            return false;
    return true;
}

bool core_controller_is_well(const struct core *core, uint32_t seat, char trouble[LINE_SIZE])
{
    const struct controller_state *c = &core->controllers[seat - 1];
    trouble[0] = '\0';
    if (c->presence == PRESENCE_ABSENT)
        text_copy(trouble, LINE_SIZE, "absent: the leader does not hear it");
    else if (c->presence == PRESENCE_UNCONFIRMED)
        text_copy(trouble, LINE_SIZE, "has not come forward since the leader changed");
    else if (c->is_blind)
        text_format(trouble, LINE_SIZE, "cannot see: %s", c->sight_reason);
    else if (c->is_not_calm)
        text_format(trouble, LINE_SIZE, "only watches: %s", c->reason);
    return trouble[0] == '\0';
}

bool core_is_gathered(const struct core *core, uint32_t *there, uint32_t *awaited)
{
    uint32_t all = 0, present = 0, unconfirmed = 0;
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++) {
        const struct controller_state *c = &core->controllers[i];
        if (!c->is_member || !c->looks)
            continue;
        all++;
        present += c->presence == PRESENCE_THERE;
        unconfirmed += c->presence == PRESENCE_UNCONFIRMED;
    }
    if (there != NULL)
        *there = present;
    if (awaited != NULL)
        *awaited = unconfirmed;
    return !core->is_board_known || 2 * present > all || unconfirmed == 0;
}

bool core_file_differs(const struct core *core, uint32_t seat)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    return c->is_member && c->file != 0 && c->file != core->policy_file;
}

static uint32_t nodes_reached(const struct core *core, uint32_t seat)
{
    uint32_t count = 0;
    for (int32_t i = 0; i < core_node_count(core); i++)
        count += core_node(core, i)->reach_by[seat - 1] == REACH_UP;
    return count;
}

static bool reaches_all_of(const struct core *core, uint32_t seat, uint32_t other)
{
    for (int32_t i = 0; i < core_node_count(core); i++) {
        const struct node *node = core_node(core, i);
        if (node->reach_by[other - 1] == REACH_UP && node->reach_by[seat - 1] != REACH_UP)
            return false;
    }
    return true;
}

uint32_t core_better_leader(const struct core *core)
{
    if (core->leader == 0)
        return 0;
    uint32_t best = 0, most = nodes_reached(core, core->leader);
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        uint32_t count = nodes_reached(core, seat);
        if (core->controllers[seat - 1].votes && core_sees(core, seat) && count > most &&
            reaches_all_of(core, seat, core->leader)) {
            best = seat;
            most = count;
        }
    }
    return best;
}
