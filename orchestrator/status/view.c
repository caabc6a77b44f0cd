/* Collecting the view: indexes, problems in plain words, the state of everything. */
#include "orchestrator/status/view.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/survey.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400 };

/* ---------------------------------------------------------------- questions */

bool view_is_worse(enum state a, enum state b)
{
    static const int rank[] = {0, 1, 3, 2};
    return rank[a & 3] > rank[b & 3];
}

int64_t view_wall_ms(const struct view *view, int64_t at_ms)
{
    if (view->core == NULL || at_ms <= 0 || view->core->wall_ms <= 0)
        return 0;
    return view->core->wall_ms - (view->core->at_ms - at_ms);
}

bool view_result(const struct view *view, int32_t check, struct observed *result)
{
    return observed_read(view->feed->results, (uint32_t)check, result) &&
           result->policy_index == view->core->policy_index;
}

enum rule view_service_rule(const struct view *view, int32_t service, char text[LINE_SIZE])
{
    struct explanation list[EXPLANATIONS_MAX];
    uint32_t count = core_explain(view->core, service, list);
    text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].decides) {
            text_copy(text, LINE_SIZE, list[i].text);
            return list[i].rule;
        }
    }
    return RULE_NONE;
}

const char *view_node_name(const struct view *view, int32_t node)
{
    return node == NONE ? NULL : core_node(view->core, node)->name;
}

const char *view_active_node(const struct view *view, int32_t service)
{
    int32_t active = core_service(view->core, service)->active;
    return active == NONE ? NULL : view_node_name(view, core_member(view->core, active)->node);
}

bool view_is_observer(const struct feed *feed)
{
    return feed->is_linked && feed->state != NULL && feed->state->looks != NULL;
}

bool view_is_ready(const struct feed *feed, char text[ERR_TEXT_SIZE])
{
    const struct core *core = feed->machine.core;
    text[0] = '\0';
    if (!feed->is_linked)
        text_copy(text, ERR_TEXT_SIZE, "the quorum process is not there; it is being started");
    else if (view_is_observer(feed))
        text_copy(text, ERR_TEXT_SIZE,
                  "this is an observer, which looks and decides nothing: ask a controller");
    else if (!feed->is_fed)
        text_copy(text, ERR_TEXT_SIZE, "the state is being read");
    else if (feed->trouble[0] != '\0')
        text_copy(text, ERR_TEXT_SIZE, feed->trouble);
    else if (core == NULL)
        text_copy(text, ERR_TEXT_SIZE, "no policy was adopted yet");
    else if (!feed->is_leading && core->leader == 0)
        text_copy(text, ERR_TEXT_SIZE, "no controller leads");
    return text[0] == '\0';
}

const Ephor__Certificate *view_certificate(const struct feed *feed, uint32_t id)
{
    const Ephor__FeedState *state = feed->state;
    if (state == NULL || id == feed->controller)
        return state == NULL ? NULL : state->certificate;
    for (size_t i = 0; i < state->n_peers; i++) {
        if (state->peers[i]->id == id)
            return state->peers[i]->certificate;
    }
    return NULL;
}

int64_t view_days_left(const Ephor__Certificate *certificate, int64_t now_wall_ms)
{
    int64_t left_s = certificate->expires_s - now_wall_ms / 1000;
    return left_s >= 0 ? left_s / DAY_S : (left_s - DAY_S + 1) / DAY_S;
}

const char *view_iso_time(int64_t wall_ms, char dst[40])
{
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    size_t used = 0;
    dst[0] = '\0';
    if (wall_ms > 0 && gmtime_r(&seconds, &tm) != NULL)
        used = strftime(dst, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    if (used > 0)
        snprintf(dst + used, 40 - used, ".%03dZ", (int)(wall_ms % 1000));
    return dst;
}

static struct diagnosis own_disk(const struct view *view)
{
    struct diagnosis d = {.kind = DIAGNOSIS_ILL};
    text_format(d.evidence, LINE_SIZE, "disk: %s", view->feed->storage_text);
    text_format(d.next, LINE_SIZE, "on %s look at 'df' and 'dmesg'", view->feed->controller_name);
    return d;
}

void view_diagnose_controller(const struct view *view, uint32_t seat, struct diagnosis *diagnosis)
{
    const struct feed *feed = view->feed;
    bool is_own = strcmp(view->core->controllers[seat - 1].name, feed->controller_name) == 0;
    core_diagnose_controller(view->core, seat, diagnosis);
    if (is_own && !feed->is_storage_ok)
        *diagnosis = own_disk(view);
}

void view_diagnose_service(const struct view *view, int32_t service, struct diagnosis *diagnosis)
{
    const struct service *s = core_service(view->core, service);
    *diagnosis = (struct diagnosis){.kind = DIAGNOSIS_NONE};
    if (s->active != NONE)
        core_diagnose_member(view->core, s->active, diagnosis);
    for (int32_t m = s->member_first; s->active == NONE && m < s->member_first + s->member_count &&
                                      diagnosis->kind == DIAGNOSIS_NONE;
         m++)
        core_diagnose_member(view->core, m, diagnosis);
}

/* ---------------------------------------------------------------- problems */

static struct diagnosis *add_problem(struct view *view, enum state state, const char *object,
                                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Returns where its diagnosis goes: set by the caller, none by default. */
static struct diagnosis *add_problem(struct view *view, enum state state, const char *object,
                                     const char *fmt, ...)
{
    view->problem_total++;
    if (view_is_worse(state, view->state))
        view->state = state;
    if (view->problem_count == PROBLEMS_MAX)
        return &view->unkept;
    struct problem *problem = &view->problems[view->problem_count++];
    va_list ap;
    problem->number = view->problem_total;
    problem->state = state;
    text_copy(problem->object, sizeof(problem->object), object);
    va_start(ap, fmt);
    vsnprintf(problem->text, sizeof(problem->text), fmt, ap);
    va_end(ap);
    return &problem->diagnosis;
}

/* Of this controller; each tells of its own. */
static void find_certificate_problem(struct view *view)
{
    const Ephor__Certificate *own = view_certificate(view->feed, view->feed->controller);
    if (own == NULL)
        return;
    int64_t days = view_days_left(own, view->now_wall_ms);
    if (own->trouble[0] != '\0' && own->ca.len == 0)
        add_problem(view, STATE_CRITICAL, "certificate", "no links to other controllers: %s",
                    own->trouble);
    else if (own->trouble[0] != '\0')
        add_problem(view, STATE_WARNING, "certificate", "the one before stays in use: %s",
                    own->trouble);
    if (own->ca.len > 0 && days < 0)
        add_problem(view, STATE_CRITICAL, "certificate", "it has ended: ephorctl cluster renew");
    else if (own->ca.len > 0 && days < PKI_WARN_DAYS)
        add_problem(view, days < PKI_ALARM_DAYS ? STATE_CRITICAL : STATE_WARNING, "certificate",
                    "it ends in %lld days: ephorctl cluster renew", (long long)days);
}

static void find_own_problems(struct view *view)
{
    const struct feed *feed = view->feed;
    char why[ERR_TEXT_SIZE];
    if (!view_is_ready(feed, why) && !view_is_observer(feed))
        add_problem(view, view->core == NULL ? STATE_UNKNOWN : STATE_CRITICAL, "ephor", "%s%s", why,
                    view->core == NULL ? "" : "; what is shown is not fresh");
    if (!feed->is_storage_ok)
        *add_problem(view, STATE_CRITICAL, "storage", "%s; nothing new is decided",
                     feed->storage_text) = own_disk(view);
    find_certificate_problem(view);
    if (!feed->is_calm)
        add_problem(view, STATE_WARNING, "ephor", "only watches for a while: %s", feed->calm_text);
    if (feed->has_reloaded && !feed->is_reload_ok)
        add_problem(view, STATE_WARNING, "configuration",
                    "the last reload failed, the old one stays in force: %s", feed->reload_text);
    for (uint32_t i = 0; i < feed->process_count; i++) {
        const struct process_view *p = &feed->processes[i];
        if (!p->is_up)
            add_problem(view, STATE_WARNING, process_role_name(p->role), "process is not up%s%s",
                        p->reason[0] != '\0' ? ": " : "", p->reason);
    }
}

static void find_controller_problems(struct view *view)
{
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct controller_state *c = &view->core->controllers[seat - 1];
        char trouble[LINE_SIZE];
        if (!c->is_member)
            continue;
        struct diagnosis d;
        view_diagnose_controller(view, seat, &d);
        if (!core_controller_is_well(view->core, seat, trouble))
            *add_problem(view, STATE_WARNING, c->name, "%s", trouble) = d;
        else if (d.kind != DIAGNOSIS_NONE)
            *add_problem(view, STATE_WARNING, c->name, "%s", diagnosis_help(d.kind)) = d;
        if (core_file_differs(view->core, seat))
            add_problem(view, STATE_WARNING, c->name,
                        "its file is not the policy in force: 'ephorctl config diff' there");
    }
}

static void find_service_problems(struct view *view)
{
    char why[LINE_SIZE];
    for (int32_t i = 0; i < core_service_count(view->core); i++) {
        const struct service *s = core_service(view->core, i);
        if (s->state == STATE_OK)
            continue;
        const char *node = view_active_node(view, i);
        const struct member *m = s->active == NONE ? NULL : core_member(view->core, s->active);
        struct diagnosis *d;
        view_service_rule(view, i, why);
        if (node == NULL)
            d = add_problem(view, s->state, s->name, "is active nowhere: %s", why);
        else if (s->phase != PHASE_STEADY)
            d = add_problem(view, s->state, s->name, "is being moved: %s", phase_help(s->phase));
        else if (m->state != STATE_OK)
            d = add_problem(view, s->state, s->name, "%s on %s: %s",
                            state_name((enum state)m->state), node, m->text);
        else
            d = add_problem(view, s->state, s->name, "runs on %s, but not all is well", node);
        view_diagnose_service(view, i, d);
    }
}

static void find_member_problems(struct view *view)
{
    for (int32_t i = 0; i < core_member_count(view->core); i++) {
        const struct member *m = core_member(view->core, i);
        const struct service *s = core_service(view->core, m->service);
        if (m->state == STATE_OK || s->active == i || s->run == RUN_ACTIVE)
            continue;
        if (m->state == STATE_UNKNOWN && !m->is_known)
            continue; /* nobody has looked yet */
        char object[ID_SIZE];
        text_format(object, sizeof(object), "%s on %s", s->name, view_node_name(view, m->node));
        core_diagnose_member(
            view->core, i,
            add_problem(view, m->state == STATE_CRITICAL ? STATE_WARNING : (enum state)m->state,
                        object, "%s: %s", state_name((enum state)m->state), m->text));
    }
}

/* So that nobody forgets them. */
static void find_freezes(struct view *view)
{
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct controller_state *c = &view->core->controllers[seat - 1];
        if (c->frozen[0] != '\0' && (c->is_member || !view->core->is_board_known))
            add_problem(view, STATE_WARNING, c->name, "frozen by a file there: %s", c->frozen);
    }
    for (int32_t i = 0; i < core_node_count(view->core); i++) {
        const struct node *node = core_node(view->core, i);
        if (node->frozen[0] != '\0')
            add_problem(view, STATE_WARNING, node->name, "frozen by a file there: %s",
                        node->frozen);
    }
}

static void find_node_problems(struct view *view)
{
    for (int32_t i = 0; i < core_node_count(view->core); i++) {
        const struct node *node = core_node(view->core, i);
        struct diagnosis d;
        core_diagnose_node(view->core, i, &d);
        if (node->state != STATE_OK)
            *add_problem(view, (enum state)node->state, node->name, "node is %s",
                         state_name((enum state)node->state)) = d;
        if (node->reach == REACH_DOWN && survey_has_member(view->core, i))
            *add_problem(view, STATE_WARNING, node->name, "cannot be worked on: %s",
                         node->reach_text) = d;
        else if (node->state == STATE_OK && d.kind != DIAGNOSIS_NONE)
            *add_problem(view, STATE_WARNING, node->name, "%s", diagnosis_help(d.kind)) = d;
    }
}

static void find_vip_problems(struct view *view)
{
    for (int32_t i = 0; i < core_vip_count(view->core); i++) {
        const struct vip *vip = core_vip(view->core, i);
        const char *node = view_node_name(view, vip->holder);
        if (vip->is_retired)
            add_problem(view, STATE_WARNING, vip->name, "%s left the policy and is still with %s",
                        vip->address, node == NULL ? "nobody" : node);
        else if (vip->phase != VIP_HELD)
            add_problem(view, STATE_WARNING, vip->name, "%s is %s%s%s: %s", vip->address,
                        vip_phase_name(vip->phase), node == NULL ? "" : ", ",
                        node == NULL ? "" : node, vip_phase_help(vip->phase));
    }
    for (int32_t i = 0; i < core_check_count(view->core); i++) {
        const struct check *check = core_check(view->core, i);
        if (check->scope == SCOPE_VIP && check->state != STATE_OK && check->is_known)
            core_diagnose_check(view->core, i,
                                add_problem(view, (enum state)check->state, check->id, "%s: %s",
                                            state_name((enum state)check->state), check->text));
    }
}

/* Most see it well, some do not; unless it is told of its node or of a controller already. */
static void find_dissent(struct view *view)
{
    struct diagnosis check, node;
    for (int32_t i = 0; i < core_check_count(view->core); i++) {
        const struct check *c = core_check(view->core, i);
        if (c->state != STATE_OK)
            continue;
        core_diagnose_check(view->core, i, &check);
        if (check.kind == DIAGNOSIS_NONE || check.kind == DIAGNOSIS_CUT_OFF ||
            check.kind == DIAGNOSIS_ILL)
            continue;
        int32_t target = c->scope == SCOPE_NODE     ? c->target
                         : c->scope == SCOPE_MEMBER ? core_member(view->core, c->target)->node
                                                    : NONE;
        node.kind = DIAGNOSIS_NONE;
        if (target != NONE)
            core_diagnose_node(view->core, target, &node);
        if (node.kind == DIAGNOSIS_NONE)
            *add_problem(view, STATE_WARNING, c->id, "%s", diagnosis_help(check.kind)) = check;
    }
}

static void find_common_problem(struct view *view)
{
    struct diagnosis d;
    core_diagnose_all(view->core, &d);
    if (d.kind != DIAGNOSIS_NONE)
        *add_problem(view, STATE_CRITICAL, view->core->name, "%s", diagnosis_help(d.kind)) = d;
}

/* ---- of an observer */

static uint32_t count_linked(const Ephor__FeedState *state)
{
    uint32_t linked = 0;
    for (size_t i = 0; i < state->n_peers; i++)
        linked += state->peers[i]->connected ? 1 : 0;
    return linked;
}

static const char *name_of_member(const Ephor__FeedState *state, uint32_t id)
{
    for (size_t i = 0; state->members != NULL && i < state->members->n_members; i++)
        if (state->members->members[i]->id == id)
            return state->members->members[i]->name;
    return "a controller";
}

static void find_looks_problems(struct view *view)
{
    const Ephor__FeedState *state = view->feed->state;
    const Ephor__FeedLooks *looks = state->looks;
    bool is_alone = count_linked(state) == 0;
    for (size_t i = 0; i < state->n_peers; i++)
        if (!state->peers[i]->connected)
            add_problem(view, is_alone ? STATE_CRITICAL : STATE_WARNING,
                        name_of_member(state, state->peers[i]->id), "is not linked: %s",
                        state->peers[i]->text);
    if (looks->policy_index == 0)
        add_problem(view, STATE_UNKNOWN, "observer", "no leader has told it the policy yet");
    if (!looks->sees)
        add_problem(view, STATE_WARNING, "observer", "what it sees is not counted: %s",
                    looks->reason);
    for (size_t i = 0; i < looks->n_wrong; i++)
        add_problem(view, (enum state)looks->wrong[i]->state, looks->wrong[i]->check, "%s: %s",
                    state_name((enum state)looks->wrong[i]->state), looks->wrong[i]->text);
}

static void write_looks_headline(struct view *view)
{
    const Ephor__FeedState *state = view->feed->state;
    const Ephor__FeedLooks *looks = state->looks;
    uint32_t checks = looks->silent;
    for (size_t i = 0; i < looks->n_states; i++)
        checks += looks->states[i];
    text_format(
        view->headline, sizeof(view->headline),
        "An observer: it looks at %u check%s for %u of %zu controllers, and %u of them %s ok",
        checks, checks == 1 ? "" : "s", count_linked(state), state->n_peers,
        looks->n_states > 0 ? looks->states[STATE_OK] : 0,
        looks->n_states > 0 && looks->states[STATE_OK] == 1 ? "is" : "are");
}

static int by_state(const void *a, const void *b)
{
    const struct problem *x = a, *y = b;
    if (x->state != y->state)
        return view_is_worse(x->state, y->state) ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void write_headline(struct view *view)
{
    uint32_t bad = 0, total = view->core == NULL ? 0 : view->core->shape.services;
    for (uint32_t i = 0; i < total; i++)
        bad += core_service(view->core, (int32_t)i)->state != STATE_OK;
    if (view_is_observer(view->feed))
        write_looks_headline(view);
    else if (view->core == NULL)
        text_copy(view->headline, sizeof(view->headline), "Nothing is known yet");
    else if (bad > 0)
        text_format(view->headline, sizeof(view->headline), "%u of %u service%s need%s attention",
                    bad, total, total == 1 ? "" : "s", bad == 1 ? "s" : "");
    else if (view->problem_total > 0)
        text_format(view->headline, sizeof(view->headline), "%s up, with %u problem%s",
                    total == 1 ? "The service is" : "All services are", view->problem_total,
                    view->problem_total == 1 ? "" : "s");
    else
        text_copy(view->headline, sizeof(view->headline),
                  total == 1 ? "The service is up" : "All services are up");
}

/* ---------------------------------------------------------------- life */

static int index_checks(struct view *view)
{
    const struct core *core = view->core;
    view->member_check = malloc((core->shape.members + 1) * sizeof(int32_t));
    view->next_check = malloc((core->shape.checks + 1) * sizeof(int32_t));
    if (view->member_check == NULL || view->next_check == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < core_member_count(core); i++)
        view->member_check[i] = NONE;
    for (int32_t i = core_check_count(core) - 1; i >= 0; i--) {
        const struct check *check = core_check(core, i);
        if (check->scope != SCOPE_MEMBER)
            continue;
        view->next_check[i] = view->member_check[check->target];
        view->member_check[check->target] = i;
    }
    return ERR_OK;
}

int view_init(struct view *view, const struct feed *feed, int64_t now_wall_ms)
{
    *view = (struct view){.feed = feed, .core = feed->machine.core, .now_wall_ms = now_wall_ms};
    view->problems = calloc(PROBLEMS_MAX, sizeof(*view->problems));
    if (view->problems == NULL || (view->core != NULL && index_checks(view) != ERR_OK)) {
        view_close(view);
        return ERR_NOMEM;
    }
    find_own_problems(view);
    if (view_is_observer(feed))
        find_looks_problems(view);
    if (view->core != NULL) {
        if (view->core->is_paused)
            add_problem(view, STATE_WARNING, "ephor", "paused by %s%s%s: nothing happens by itself",
                        view->core->paused_author, view->core->paused_reason[0] ? ", " : "",
                        view->core->paused_reason);
        find_freezes(view);
        find_controller_problems(view);
        find_common_problem(view);
        find_service_problems(view);
        find_vip_problems(view);
        find_node_problems(view);
        find_member_problems(view);
        find_dissent(view);
    }
    qsort(view->problems, view->problem_count, sizeof(*view->problems), by_state);
    write_headline(view);
    return ERR_OK;
}

void view_close(struct view *view)
{
    free(view->problems);
    free(view->member_check);
    free(view->next_check);
    view->problems = NULL;
    view->member_check = view->next_check = NULL;
}
