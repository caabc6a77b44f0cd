/* The rules of diagnose.h, in its order. */
#include "orchestrator/core/diagnose.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/board.h"
#include "orchestrator/core/diagnose_text.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/survey.h"
#include "orchestrator/core/verdict.h"

#include <string.h>

enum { MANY_MIN = 3, MANY_MS = 10000, MANY_LOOKS_MAX = 16 };

/* ---------------------------------------------------------------- a controller */

/* cause: of what is said of it, as far as it has one. */
static enum diagnosis_kind kind_of_controller(const struct core *core, uint32_t seat,
                                              enum cause *cause)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    const struct dissent *d = &c->dissent;
    *cause = CAUSE_NONE;
    if (core->is_board_known && !c->is_member)
        return DIAGNOSIS_NONE;
    if (c->presence == PRESENCE_ABSENT || c->is_blind)
        return DIAGNOSIS_CUT_OFF;
    if (c->is_not_calm)
        return DIAGNOSIS_ILL;
    *cause = CAUSE_SILENT;
    if (2 * d->lost > d->asked && survey_loses_several(core, seat))
        return DIAGNOSIS_CUT_OFF;
    *cause = d->name > 0 ? CAUSE_NAME : CAUSE_LOCAL;
    return d->name + d->local > 0 ? DIAGNOSIS_ILL : DIAGNOSIS_NONE;
}

static void write_controller(const struct core *core, uint32_t seat, enum cause cause,
                             char line[LINE_SIZE])
{
    const struct controller_state *c = &core->controllers[seat - 1];
    const struct dissent *d = &c->dissent;
    char name[NAME_SIZE];
    const char *who = board_name(core, seat, name);
    const char *example = "";
    if (cause == CAUSE_NAME || cause == CAUSE_LOCAL) {
        int32_t check = survey_example(core, seat, cause);
        example = check == NONE ? "" : core_check(core, check)->id;
    }
    line[0] = '\0';
    if (c->presence == PRESENCE_ABSENT)
        diagnose_add(line,
                     "%s is not heard by %s, which leads: cut off, stopped, or its disk fails", who,
                     core->leader_name);
    else if (c->is_blind)
        diagnose_add(line, "%s says that it cannot see: %s", who, c->sight_reason);
    else if (c->is_not_calm)
        diagnose_add(line, "%s is late: %s", who, c->reason);
    else if (cause == CAUSE_SILENT)
        diagnose_add(line, "%s gets no answer to %d of its %d checks; others do", who, d->lost,
                     d->asked);
    else if (cause == CAUSE_NAME)
        diagnose_add(line, "DNS: on %s the name of %s does not resolve; on others it does", who,
                     example);
    else
        diagnose_add(line, "%s cannot ask %s; others can", who, example);
}

void core_diagnose_controller(const struct core *core, uint32_t seat, struct diagnosis *diagnosis)
{
    struct concern concern = {.check = NONE, .node = NONE, .seat = seat};
    *diagnosis = (struct diagnosis){.kind = kind_of_controller(core, seat, &concern.cause)};
    if (diagnosis->kind == DIAGNOSIS_NONE)
        return;
    write_controller(core, seat, concern.cause, diagnosis->evidence);
    diagnose_write_next(core, diagnosis->kind, &concern, diagnosis->next);
}

/* ---------------------------------------------------------------- a node */

struct ground {          /* of a node */
    uint32_t hear, lose; /* seats: some of its checks are answered; all are lost */
    uint32_t part;       /* of those that hear: some are lost */
    uint32_t ssh_up, ssh_down;
};

static struct ground ground_of(const struct core *core, int32_t i)
{
    const struct node *node = core_node(core, i);
    struct ground g = {.hear = 0};
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        if (!survey_counts(core, seat))
            continue;
        struct reading r = survey_reading(core, i, seat);
        if (r.asked > 0 && r.lost == r.asked)
            g.lose |= SEAT_BIT(seat);
        else if (r.asked > 0)
            g.hear |= SEAT_BIT(seat);
        if (r.lost > 0 && r.lost < r.asked)
            g.part |= SEAT_BIT(seat);
        if (node->reach_by[seat - 1] == REACH_UP)
            g.ssh_up |= SEAT_BIT(seat);
        if (node->reach_by[seat - 1] == REACH_DOWN)
            g.ssh_down |= SEAT_BIT(seat);
    }
    return g;
}

static bool is_dead(const struct ground *g)
{
    return g->lose != 0 && g->hear == 0 && g->ssh_up == 0;
}

static bool is_down(const struct core *core, int32_t node)
{
    struct ground g = ground_of(core, node);
    return core_node(core, node)->state == STATE_CRITICAL || is_dead(&g);
}

static bool is_behind_failed_parents(const struct core *core, int32_t node)
{
    const int32_t *parents = core_node(core, node)->parents;
    if (parents[0] == NONE)
        return false;
    for (int i = 0; i < PARENTS_MAX && parents[i] != NONE; i++)
        if (!is_down(core, parents[i]))
            return false;
    return true;
}

/* Only one controller tells anything, and it hears from no node at all. */
static bool is_alone_in_silence(const struct core *core, uint32_t seats)
{
    uint32_t nodes = 0;
    for (int32_t i = 0; i < core_node_count(core); i++) {
        struct ground g = ground_of(core, i);
        if (g.hear != 0 || (g.lose & ~seats) != 0)
            return false;
        nodes += g.lose != 0;
    }
    return survey_count(seats) == 1 && nodes > 1;
}

/* Nothing comes back from something on the node. */
static enum diagnosis_kind kind_of_lost(const struct core *core, int32_t node)
{
    struct ground g = ground_of(core, node);
    if (g.hear == 0 && is_behind_failed_parents(core, node))
        return DIAGNOSIS_PARENT;
    if (is_alone_in_silence(core, g.lose))
        return DIAGNOSIS_UNKNOWN;
    return is_dead(&g) ? DIAGNOSIS_DEAD : DIAGNOSIS_NETWORK;
}

static void write_ground(const struct core *core, const struct ground *g, char line[LINE_SIZE])
{
    struct sight sight = {.good = g->hear & ~g->part};
    line[0] = '\0';
    sight.by_cause[CAUSE_SILENT] = g->lose;
    diagnose_write_sight(core, &sight, line);
    if (g->part != 0) {
        diagnose_add(line, "%s", line[0] != '\0' ? "; " : "");
        diagnose_add_seats(core, g->part, line);
        diagnose_add(line, ": in part");
    }
    if (g->ssh_up != 0) {
        diagnose_add(line, "; SSH works from ");
        diagnose_add_seats(core, g->ssh_up, line);
    } else if (g->ssh_down != 0) {
        diagnose_add(line, "; no SSH");
    }
}

static uint32_t cut_off_seats(const struct core *core)
{
    enum cause cause;
    uint32_t seats = 0;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (kind_of_controller(core, seat, &cause) == DIAGNOSIS_CUT_OFF)
            seats |= SEAT_BIT(seat);
    return seats;
}

/* What is to be seen of the node as a whole; NONE: nothing, beyond its checks one by one. */
static enum diagnosis_kind kind_of_ground(const struct core *core, int32_t node,
                                          const struct ground *g, uint32_t *seat)
{
    uint32_t off = cut_off_seats(core);
    *seat = 0;
    if (g->lose != 0 && g->hear == 0)
        return kind_of_lost(core, node);
    uint32_t lose = g->lose & ~off, part = g->part & ~off;
    *seat = survey_only(lose | part);
    if (*seat != 0 && survey_count(g->hear | g->lose) > 1)
        return DIAGNOSIS_PATH;
    if (lose != 0 || part != 0)
        return DIAGNOSIS_NETWORK;
    return DIAGNOSIS_NONE;
}

/* Nobody works on a node without members: a switch, say. */
static enum diagnosis_kind kind_of_ssh(const struct core *core, int32_t node,
                                       const struct ground *g, uint32_t *seat)
{
    uint32_t down = g->ssh_down & ~cut_off_seats(core);
    *seat = survey_only(down);
    if (down == 0 || !survey_has_member(core, node))
        return DIAGNOSIS_NONE;
    if (g->ssh_up != 0 && *seat == 0)
        return DIAGNOSIS_NETWORK;
    return g->ssh_up != 0 ? DIAGNOSIS_PATH : DIAGNOSIS_WRONG;
}

void core_diagnose_node(const struct core *core, int32_t i, struct diagnosis *diagnosis)
{
    const struct node *node = core_node(core, i);
    struct ground g = ground_of(core, i);
    struct concern concern = {.check = NONE, .node = i, .cause = CAUSE_SILENT};
    *diagnosis = (struct diagnosis){.kind = kind_of_ground(core, i, &g, &concern.seat)};
    if (diagnosis->kind == DIAGNOSIS_NONE && node->state != STATE_OK &&
        verdict_worst(core, node->checks) != NONE) {
        core_diagnose_check(core, verdict_worst(core, node->checks), diagnosis);
        return;
    }
    if (diagnosis->kind == DIAGNOSIS_NONE)
        diagnosis->kind = kind_of_ssh(core, i, &g, &concern.seat);
    if (diagnosis->kind == DIAGNOSIS_NONE)
        return;
    write_ground(core, &g, diagnosis->evidence);
    if (diagnosis->kind == DIAGNOSIS_WRONG)
        text_format(diagnosis->next, LINE_SIZE, "look at sshd on %s, and at the key: %s",
                    node->name, node->reach_text);
    else
        diagnose_write_next(core, diagnosis->kind, &concern, diagnosis->next);
}

/* ---------------------------------------------------------------- a check */

/* The cause that most of the bad give; of several the one that tells more, in this order. */
static enum cause most_frequent(const struct sight *sight)
{
    static const enum cause order[] = {CAUSE_CERTIFICATE, CAUSE_WRONG,  CAUSE_REFUSED, CAUSE_HUNG,
                                       CAUSE_BROKEN,      CAUSE_SLOW,   CAUSE_LOSS,    CAUSE_NAME,
                                       CAUSE_UNREACHABLE, CAUSE_SILENT, CAUSE_LOCAL};
    enum cause best = CAUSE_NONE;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (survey_count(sight->by_cause[order[i]]) > survey_count(sight->by_cause[best]))
            best = order[i];
    return best;
}

static enum diagnosis_kind kind_of_cause(enum cause cause)
{
    switch (cause) {
    case CAUSE_WRONG:
    case CAUSE_REFUSED:
    case CAUSE_BROKEN:
        return DIAGNOSIS_WRONG;
    case CAUSE_HUNG:
        return DIAGNOSIS_HUNG;
    case CAUSE_SLOW:
        return DIAGNOSIS_SLOW;
    case CAUSE_SILENT:
    case CAUSE_UNREACHABLE:
    case CAUSE_LOSS:
        return DIAGNOSIS_NETWORK;
    case CAUSE_NAME:
        return DIAGNOSIS_NAME;
    case CAUSE_CERTIFICATE:
        return DIAGNOSIS_CERTIFICATE;
    case CAUSE_LOCAL:
        return DIAGNOSIS_ILL;
    case CAUSE_NONE:
    case CAUSE_COUNT:
        break;
    }
    return DIAGNOSIS_UNKNOWN;
}

/* The network may be the reason when only one sees it so. */
static bool is_of_the_way(enum cause cause)
{
    return survey_is_lost(cause) || cause == CAUSE_REFUSED || cause == CAUSE_BROKEN ||
           cause == CAUSE_HUNG || cause == CAUSE_LOSS;
}

/* Some see it well. */
static enum diagnosis_kind kind_of_split(const struct sight *sight, enum cause cause)
{
    bool is_one = survey_count(sight->bad) == 1;
    if (is_one && is_of_the_way(cause))
        return DIAGNOSIS_PATH;
    return kind_of_cause(cause);
}

static enum diagnosis_kind kind_of_bad(const struct core *core, int32_t node,
                                       const struct sight *sight, enum cause cause)
{
    if (sight->good != 0)
        return kind_of_split(sight, cause);
    if (!survey_is_lost(cause))
        return kind_of_cause(cause);
    return node == NONE ? DIAGNOSIS_UNKNOWN : kind_of_lost(core, node);
}

/* Take out the controllers that are themselves the reason. Returns one of those that see it bad; 0:
 * there is none. */
static uint32_t set_odd_aside(const struct core *core, struct sight *sight)
{
    uint32_t first = 0;
    enum cause cause;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        if ((sight->bad & SEAT_BIT(seat)) == 0 ||
            kind_of_controller(core, seat, &cause) == DIAGNOSIS_NONE)
            continue;
        bool is_its_fault =
            cause == CAUSE_SILENT
                ? ((sight->by_cause[CAUSE_SILENT] | sight->by_cause[CAUSE_UNREACHABLE]) &
                   SEAT_BIT(seat)) != 0
                : (sight->by_cause[cause] & SEAT_BIT(seat)) != 0;
        if (!is_its_fault)
            continue;
        first = first == 0 ? seat : first;
        sight->bad &= ~SEAT_BIT(seat);
        for (enum cause other = CAUSE_NONE; other < CAUSE_COUNT; other++)
            sight->by_cause[other] &= ~SEAT_BIT(seat);
    }
    return first;
}

/* Nobody says anything bad of it now. */
static void diagnose_without_bad(const struct core *core, const struct check *check,
                                 const struct sight *sight, struct diagnosis *diagnosis)
{
    struct concern concern = {.check = NONE, .node = NONE, .seat = survey_only(sight->unable)};
    if (check->state == STATE_OK)
        return;
    bool is_seen = (sight->good | sight->waiting) != 0 || check->census.seers > 0;
    diagnosis->kind = !is_seen && sight->unable != 0 ? DIAGNOSIS_CUT_OFF : DIAGNOSIS_UNKNOWN;
    diagnose_write_sight(core, sight, diagnosis->evidence);
    diagnose_add_census(&check->census, diagnosis->evidence);
    if (diagnosis->evidence[0] == '\0')
        text_copy(diagnosis->evidence, LINE_SIZE, "nobody has looked yet");
    diagnose_write_next(core, diagnosis->kind, &concern, diagnosis->next);
}

void core_diagnose_check(const struct core *core, int32_t i, struct diagnosis *diagnosis)
{
    const struct check *check = core_check(core, i);
    struct sight sight = survey_sight(core, i);
    struct concern concern = {.check = i, .node = survey_node(core, check)};
    *diagnosis = (struct diagnosis){.kind = DIAGNOSIS_NONE};
    if (sight.bad == 0) {
        diagnose_without_bad(core, check, &sight, diagnosis);
        return;
    }
    diagnose_write_sight(core, &sight, diagnosis->evidence);
    diagnose_add_census(&check->census, diagnosis->evidence);
    uint32_t odd = set_odd_aside(core, &sight);
    if (sight.bad == 0 && odd != 0) {
        concern.seat = odd;
        diagnosis->kind = kind_of_controller(core, odd, &concern.cause);
    } else {
        concern.cause = most_frequent(&sight);
        concern.seat = survey_only(sight.bad);
        diagnosis->kind = kind_of_bad(core, concern.node, &sight, concern.cause);
    }
    if (check->scope == SCOPE_VIP && concern.node == NONE && diagnosis->kind == DIAGNOSIS_UNKNOWN)
        diagnose_add(diagnosis->evidence, "; no node holds the address");
    diagnose_write_next(core, diagnosis->kind, &concern, diagnosis->next);
}

/* ---------------------------------------------------------------- a member, everything */

void core_diagnose_member(const struct core *core, int32_t i, struct diagnosis *diagnosis)
{
    const struct member *member = core_member(core, i);
    int32_t worst = verdict_worst(core, member->checks);
    *diagnosis = (struct diagnosis){.kind = DIAGNOSIS_NONE};
    if (member->state == STATE_OK)
        return;
    core_diagnose_node(core, member->node, diagnosis);
    if (diagnosis->kind != DIAGNOSIS_DEAD && diagnosis->kind != DIAGNOSIS_PARENT && worst != NONE)
        core_diagnose_check(core, worst, diagnosis);
}

typedef int64_t fallen_fn(const struct core *core, int32_t i); /* since when; NEVER_MS: it is not */

static int64_t node_fallen_ms(const struct core *core, int32_t i)
{
    const struct node *node = core_node(core, i);
    return node->state == STATE_CRITICAL ? node->since_ms : NEVER_MS;
}

static int64_t service_fallen_ms(const struct core *core, int32_t i)
{
    const struct service *s = core_service(core, i);
    return s->state == STATE_CRITICAL ? s->state_since_ms : NEVER_MS;
}

/* How many fell within MANY_MS, at most: windows that end at the newest falls are looked at. */
static uint32_t most_at_once(const struct core *core, int32_t count, fallen_fn *fallen_ms)
{
    int64_t end_ms = NEVER_MS;
    uint32_t most = 0;
    for (int look = 0; look < MANY_LOOKS_MAX; look++) {
        int64_t newest_ms = -1;
        uint32_t found = 0;
        for (int32_t i = 0; i < count; i++)
            if (fallen_ms(core, i) < end_ms && fallen_ms(core, i) > newest_ms)
                newest_ms = fallen_ms(core, i);
        if (newest_ms < 0)
            return most;
        for (int32_t i = 0; i < count; i++)
            found += fallen_ms(core, i) <= newest_ms && fallen_ms(core, i) >= newest_ms - MANY_MS;
        most = found > most ? found : most;
        end_ms = newest_ms;
    }
    return most;
}

static bool is_many(uint32_t fallen, int32_t count)
{
    return fallen >= MANY_MIN && 2 * fallen > (uint32_t)count;
}

/* Does somebody see most of what is critical well? */
static bool is_seen_otherwise(const struct core *core)
{
    uint32_t critical[CONTROLLERS_MAX] = {0}, good[CONTROLLERS_MAX] = {0};
    for (int32_t i = 0; i < core_check_count(core); i++) {
        if (core_check(core, i)->state != STATE_CRITICAL || core_check(core, i)->scope == SCOPE_VIP)
            continue;
        struct sight sight = survey_sight(core, i);
        for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
            critical[seat - 1] += ((sight.good | sight.bad) & SEAT_BIT(seat)) != 0;
            good[seat - 1] += (sight.good & SEAT_BIT(seat)) != 0;
        }
    }
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (2 * good[seat - 1] > critical[seat - 1])
            return true;
    return false;
}

void core_diagnose_all(const struct core *core, struct diagnosis *diagnosis)
{
    struct concern concern = {.check = NONE, .node = NONE};
    int32_t nodes = core_node_count(core), services = core_service_count(core);
    *diagnosis = (struct diagnosis){.kind = DIAGNOSIS_NONE};
    uint32_t fallen_nodes = most_at_once(core, nodes, node_fallen_ms);
    uint32_t fallen_services = most_at_once(core, services, service_fallen_ms);
    bool are_nodes = is_many(fallen_nodes, nodes);
    if ((!are_nodes && !is_many(fallen_services, services)) || is_seen_otherwise(core))
        return;
    diagnosis->kind = DIAGNOSIS_MANY;
    text_format(diagnosis->evidence, LINE_SIZE,
                "%u of %d %s became critical within %d s, as seen from everywhere",
                are_nodes ? fallen_nodes : fallen_services, are_nodes ? nodes : services,
                are_nodes ? "nodes" : "services", MANY_MS / 1000);
    diagnose_write_next(core, DIAGNOSIS_MANY, &concern, diagnosis->next);
}

/* ---------------------------------------------------------------- the journal */

static void tell(const struct diagnosis *d, uint8_t *told, const char *object,
                 struct effects *effects)
{
    if (d->kind == DIAGNOSIS_NONE && *told != DIAGNOSIS_NONE)
        journal_add(effects, SEVERITY_INFO, EVENT_DIAGNOSIS, object, "%s: over",
                    diagnosis_name((enum diagnosis_kind) * told));
    else if (d->kind != *told)
        journal_add(effects, SEVERITY_WARNING, EVENT_DIAGNOSIS, object, "%s: %s",
                    diagnosis_name(d->kind), d->evidence);
    *told = (uint8_t)d->kind;
}

static void tell_node(struct core *core, int32_t i, struct effects *effects)
{
    struct diagnosis d = {.kind = DIAGNOSIS_NONE};
    struct ground g = ground_of(core, i);
    bool is_lost = g.lose != 0 && g.hear == 0;
    if (is_lost && (is_behind_failed_parents(core, i) ||
                    (is_dead(&g) && survey_count(g.lose) > 1))) /* one alone may be wrong */
        core_diagnose_node(core, i, &d);
    tell(&d, &core_node(core, i)->diagnosis, core_node(core, i)->name, effects);
    core_node(core, i)->is_to_diagnose = false;
}

/* Those of which something was seen; and what is behind others, when there are such. */
static bool tell_nodes(struct core *core, struct effects *effects)
{
    bool is_any = false;
    for (int32_t i = 0; i < core_node_count(core); i++)
        is_any = is_any || core_node(core, i)->is_to_diagnose;
    for (int32_t i = 0; i < core_node_count(core) && is_any; i++)
        if (core_node(core, i)->is_to_diagnose || core_node(core, i)->parents[0] != NONE)
            tell_node(core, i, effects);
    return is_any;
}

static void tell_controller(struct core *core, uint32_t seat, struct effects *effects)
{
    struct diagnosis d = {.kind = DIAGNOSIS_NONE};
    enum cause cause;
    char name[NAME_SIZE];
    uint8_t *told = &core->controllers[seat - 1].diagnosis;
    if (kind_of_controller(core, seat, &cause) == *told)
        return;
    core_diagnose_controller(core, seat, &d);
    tell(&d, told, board_name(core, seat, name), effects);
}

/* How many are down changes only with verdicts; these are told. */
void diagnose_tell(struct core *core, struct effects *effects)
{
    struct diagnosis d;
    bool is_any = tell_nodes(core, effects) || effects == NULL || effects->count > 0;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        tell_controller(core, seat, effects);
    if (!is_any)
        return;
    core_diagnose_all(core, &d);
    tell(&d, &core->diagnosis, core->name, effects);
}
