/* JSON from the view. */
#include "orchestrator/status/api.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/vips.h"
#include "orchestrator/sys/process.h"

static void write_time(struct jsonw *w, const char *key, int64_t wall_ms)
{
    char iso[40];
    jsonw_text(w, key, wall_ms > 0 ? view_iso_time(wall_ms, iso) : NULL);
}

static void write_at(struct jsonw *w, const char *key, const struct view *view, int64_t at_ms)
{
    write_time(w, key, view_wall_ms(view, at_ms));
}

/* null: it does not end by itself */
static void write_end(struct jsonw *w, const char *key, const struct view *view, int64_t until_ms)
{
    if (until_ms == 0)
        jsonw_null(w, key);
    else
        write_at(w, key, view, until_ms);
}

/* null: nothing is wrong */
static void write_diagnosis(struct jsonw *w, const struct diagnosis *diagnosis)
{
    if (diagnosis->kind == DIAGNOSIS_NONE) {
        jsonw_null(w, "diagnosis");
        return;
    }
    jsonw_object(w, "diagnosis");
    jsonw_text(w, "kind", diagnosis_name(diagnosis->kind));
    jsonw_text(w, "help", diagnosis_help(diagnosis->kind));
    jsonw_text(w, "evidence", diagnosis->evidence);
    jsonw_text(w, "next", diagnosis->next);
    jsonw_object_end(w);
}

/* ---------------------------------------------------------------- the cluster */

static void write_paused(struct jsonw *w, const struct view *view)
{
    const struct core *core = view->core;
    if (core == NULL || !core->is_paused) {
        jsonw_null(w, "paused");
        return;
    }
    jsonw_object(w, "paused");
    jsonw_text(w, "author", core->paused_author);
    jsonw_text(w, "reason", core->paused_reason);
    write_at(w, "since", view, core->paused_since_ms);
    write_end(w, "until", view, core->paused_until_ms);
    jsonw_object_end(w);
}

static void write_cluster(struct jsonw *w, const struct view *view)
{
    const struct feed *feed = view->feed;
    const struct core *core = view->core;
    jsonw_object(w, "cluster");
    jsonw_text(w, "name", core == NULL ? NULL : core->name);
    jsonw_text(w, "leader", core == NULL || core->leader == 0 ? NULL : core->leader_name);
    jsonw_int(w, "term", (int64_t)(feed->is_linked ? feed->term : feed->machine.term));
    jsonw_bool(w, "leading", feed->is_leading);
    jsonw_int(w, "rules", core == NULL ? 0 : core->rules);
    jsonw_int(w, "policy_index", (int64_t)feed->machine.policy_index);
    jsonw_text(w, "policy_digest", feed->machine.policy_digest);
    write_paused(w, view);
    jsonw_bool(w, "calm", feed->is_calm);
    jsonw_text(w, "calm_reason", feed->calm_text);
    jsonw_bool(w, "storage_ok", feed->is_storage_ok);
    jsonw_text(w, "storage_text", feed->storage_text);
    write_time(w, "at", view->now_wall_ms);
    jsonw_object_end(w);
}

static void write_controllers(struct jsonw *w, const struct view *view)
{
    jsonw_array(w, "controllers");
    for (uint32_t seat = 1; view->core != NULL && seat <= CONTROLLERS_MAX; seat++) {
        const struct controller_state *c = &view->core->controllers[seat - 1];
        char trouble[LINE_SIZE];
        struct diagnosis diagnosis;
        if (!c->is_member)
            continue;
        core_controller_is_well(view->core, seat, trouble);
        jsonw_object(w, NULL);
        jsonw_text(w, "name", c->name);
        jsonw_int(w, "seat", seat);
        jsonw_bool(w, "there", c->presence == PRESENCE_THERE);
        jsonw_bool(w, "looks", c->looks);
        jsonw_bool(w, "sees", core_sees(view->core, seat));
        jsonw_text(w, "trouble", trouble);
        jsonw_bool(w, "file_differs", core_file_differs(view->core, seat));
        jsonw_int(w, "rules", c->rules);
        view_diagnose_controller(view, seat, &diagnosis);
        write_diagnosis(w, &diagnosis);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

/* What each controller thinks of a check. */
static void write_opinions(struct jsonw *w, const struct view *view, int32_t check)
{
    jsonw_array(w, "opinions");
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct opinion *o = &core_check(view->core, check)->opinions[seat - 1];
        struct outlook outlook;
        if (!core_looks(view->core, check, seat, &outlook) ||
            (!view->core->is_board_known && !o->is_known))
            continue;
        jsonw_object(w, NULL);
        jsonw_text(w, "controller", view->core->controllers[seat - 1].name);
        jsonw_text(w, "state", o->is_known ? state_name((enum state)o->state) : NULL);
        if (o->is_known && o->attempts > 0) {
            jsonw_text(w, "suspect", state_name((enum state)o->suspect));
            jsonw_int(w, "attempts", o->attempts);
        }
        jsonw_text(w, "cause", cause_name((enum cause)o->cause));
        jsonw_bool(w, "counts", o->is_known && core_sees(view->core, seat));
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

/* What the observers say of it, by their newest answers; nothing if none look. */
static void write_census(struct jsonw *w, const struct census *census)
{
    char text[LINE_SIZE];
    if (census->seers == 0)
        return;
    core_census_text(census, text);
    jsonw_object(w, "census");
    jsonw_int(w, "seers", census->seers);
    for (enum state s = STATE_OK; s <= STATE_CRITICAL; s++)
        jsonw_int(w, state_name(s), census->newest[s]);
    jsonw_int(w, "silent", census->silent);
    jsonw_int(w, "doubters", census->doubters);
    jsonw_text(w, "text", text);
    jsonw_object_end(w);
}

/* ---------------------------------------------------------------- services */

static void write_vips(struct jsonw *w, const struct view *view, int32_t service)
{
    jsonw_array(w, "vips");
    for (int32_t i = 0; i < core_vip_count(view->core); i++) {
        const struct vip *vip = core_vip(view->core, i);
        if (vip->service != service)
            continue;
        jsonw_object(w, NULL);
        jsonw_text(w, "name", vip->name);
        jsonw_text(w, "address", vip->address);
        jsonw_text(w, "interface", vip->interface);
        jsonw_text(w, "holder", view_node_name(view, vip->holder));
        jsonw_text(w, "phase", vip_phase_name(vip->phase));
        jsonw_int(w, "lease_ms", vip_lease_ms(vip));
        jsonw_bool(w, "guarded", vip->is_guarded);
        write_at(w, "since", view, vip->since_ms);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void write_member(struct jsonw *w, const struct view *view, int32_t i)
{
    const struct member *m = core_member(view->core, i);
    char reason[TEXT_SIZE];
    struct diagnosis diagnosis;
    bool is_fit = core_is_fit(view->core, i, reason);
    jsonw_object(w, NULL);
    jsonw_text(w, "node", view_node_name(view, m->node));
    jsonw_int(w, "priority", m->priority);
    jsonw_text(w, "state", state_name((enum state)m->state));
    jsonw_bool(w, "active", core_service(view->core, m->service)->active == i);
    jsonw_text(w, "step", step_name(m->step));
    jsonw_text(w, "text", m->text);
    jsonw_bool(w, "fit", is_fit);
    jsonw_text(w, "unfit_reason", reason);
    core_diagnose_member(view->core, i, &diagnosis);
    write_diagnosis(w, &diagnosis);
    write_at(w, "since", view, m->since_ms);
    jsonw_array(w, "checks");
    for (int32_t c = view->member_check[i]; c != NONE; c = view->next_check[c])
        jsonw_text(w, NULL, core_check(view->core, c)->id);
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static void write_service(struct jsonw *w, const struct view *view, int32_t i)
{
    const struct service *s = core_service(view->core, i);
    char why[LINE_SIZE];
    struct diagnosis diagnosis;
    enum rule rule = view_service_rule(view, i, why);
    jsonw_object(w, NULL);
    jsonw_text(w, "name", s->name);
    jsonw_text(w, "state", state_name((enum state)s->state));
    write_at(w, "since", view, s->state_since_ms);
    jsonw_text(w, "phase", core_service_phase(view->core, i));
    jsonw_text(w, "active", view_active_node(view, i));
    jsonw_int(w, "rule", rule);
    jsonw_text(w, "rule_name", rule_name(rule));
    jsonw_text(w, "reason", why);
    view_diagnose_service(view, i, &diagnosis);
    write_diagnosis(w, &diagnosis);
    write_vips(w, view, i);
    jsonw_array(w, "members");
    for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++)
        write_member(w, view, m);
    jsonw_array_end(w);
    jsonw_object_end(w);
}

/* ---------------------------------------------------------------- nodes, checks, the rest */

static void write_node(struct jsonw *w, const struct view *view, int32_t i)
{
    const struct node *node = core_node(view->core, i);
    const struct channel *channel = feed_channel(view->feed, i);
    struct diagnosis diagnosis;
    jsonw_object(w, NULL);
    jsonw_text(w, "name", node->name);
    jsonw_text(w, "address", node->address);
    jsonw_text(w, "state", state_name((enum state)node->state));
    if (node->reach == REACH_UNKNOWN)
        jsonw_null(w, "reachable");
    else
        jsonw_bool(w, "reachable", node->reach == REACH_UP);
    jsonw_text(w, "channel",
               channel == NULL                              ? "not known"
               : channel->text[0] == '\0' && channel->is_up ? "up"
                                                            : channel->text);
    jsonw_int(w, "rtt_us", channel == NULL ? 0 : channel->rtt_us);
    jsonw_bool(w, "maintenance", node->in_maintenance);
    jsonw_text(w, "maintenance_author", node->maintenance_author);
    jsonw_text(w, "maintenance_reason", node->maintenance_reason);
    write_end(w, "maintenance_until", view, node->maintenance_until_ms);
    core_diagnose_node(view->core, i, &diagnosis);
    write_diagnosis(w, &diagnosis);
    jsonw_array(w, "parents");
    for (int p = 0; p < PARENTS_MAX && node->parents[p] != NONE; p++)
        jsonw_text(w, NULL, view_node_name(view, node->parents[p]));
    jsonw_array_end(w);
    jsonw_array(w, "holding");
    for (uint32_t h = 0; channel != NULL && h < channel->holding_count; h++)
        jsonw_text(w, NULL, channel->holding[h]);
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static void write_check(struct jsonw *w, const struct view *view, int32_t i)
{
    static const char *const scopes[] = {"member", "node", "vip"};
    const struct check *check = core_check(view->core, i);
    struct observed r = {.state = STATE_UNKNOWN};
    struct diagnosis diagnosis;
    bool has_result = view_result(view, i, &r);
    jsonw_object(w, NULL);
    jsonw_text(w, "id", check->id);
    jsonw_text(w, "name", check->name);
    jsonw_text(w, "scope", scopes[check->scope % 3]);
    jsonw_text(w, "state", state_name((enum state)check->state));
    jsonw_text(w, "observed", has_result ? state_name((enum state)r.state) : NULL);
    jsonw_text(w, "output", has_result ? r.output : check->text);
    jsonw_text(w, "reason", has_result ? r.reason : "");
    jsonw_text(w, "perfdata", has_result ? r.perfdata : "");
    jsonw_double(w, "duration_ms", has_result ? (double)r.duration_us / 1000.0 : 0);
    jsonw_int(w, "attempt", has_result ? r.attempt : 0);
    jsonw_int(w, "runs", has_result ? (int64_t)r.runs : 0);
    write_at(w, "since", view, check->since_ms);
    core_diagnose_check(view->core, i, &diagnosis);
    write_diagnosis(w, &diagnosis);
    write_opinions(w, view, i);
    write_census(w, &check->census);
    jsonw_object_end(w);
}

static void write_processes(struct jsonw *w, const struct feed *feed)
{
    jsonw_array(w, "processes");
    for (uint32_t i = 0; i < feed->process_count; i++) {
        const struct process_view *p = &feed->processes[i];
        jsonw_object(w, NULL);
        jsonw_text(w, "role", process_role_name(p->role));
        jsonw_int(w, "instance", p->instance);
        jsonw_int(w, "pid", p->pid);
        jsonw_bool(w, "up", p->is_up);
        jsonw_int(w, "restarts", p->restarts);
        jsonw_text(w, "reason", p->reason);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void write_rest(struct jsonw *w, const struct view *view)
{
    const struct feed *feed = view->feed;
    write_processes(w, feed);
    jsonw_array(w, "problems");
    for (uint32_t i = 0; i < view->problem_count; i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "state", state_name(view->problems[i].state));
        jsonw_text(w, "object", view->problems[i].object);
        jsonw_text(w, "text", view->problems[i].text);
        write_diagnosis(w, &view->problems[i].diagnosis);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object(w, "config");
    jsonw_text(w, "path", feed->config_path);
    jsonw_bool(w, "last_reload_ok", !feed->has_reloaded || feed->is_reload_ok);
    jsonw_text(w, "last_reload_text", feed->reload_text);
    jsonw_object_end(w);
}

typedef void write_one_fn(struct jsonw *w, const struct view *view, int32_t i);

static void write_all(struct jsonw *w, const char *key, const struct view *view, uint32_t count,
                      write_one_fn *write_one)
{
    jsonw_array(w, key);
    for (int32_t i = 0; i < (int32_t)count; i++)
        write_one(w, view, i);
    jsonw_array_end(w);
}

static void write_looks(struct jsonw *w, const Ephor__FeedLooks *looks)
{
    jsonw_object(w, "observer");
    jsonw_int(w, "policy_index", (int64_t)looks->policy_index);
    jsonw_bool(w, "sees", looks->sees);
    jsonw_text(w, "reason", looks->reason);
    jsonw_int(w, "silent", looks->silent);
    for (size_t i = 0; i < looks->n_states && i <= STATE_UNKNOWN; i++)
        jsonw_int(w, state_name((enum state)i), looks->states[i]);
    jsonw_object_end(w);
}

void api_status(const struct view *view, struct buf *out)
{
    static const struct core_shape nothing = {0};
    const struct core_shape *shape = view->core == NULL ? &nothing : &view->core->shape;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    write_cluster(&w, view);
    write_controllers(&w, view);
    if (view_is_observer(view->feed))
        write_looks(&w, view->feed->state->looks);
    jsonw_text(&w, "state", state_name(view->state));
    jsonw_text(&w, "headline", view->headline);
    write_all(&w, "services", view, shape->services, write_service);
    write_all(&w, "nodes", view, shape->nodes, write_node);
    write_all(&w, "checks", view, shape->checks, write_check);
    write_rest(&w, view);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}

/* ---------------------------------------------------------------- why, journal, errors */

void api_why(const struct view *view, int32_t service, struct buf *out)
{
    struct explanation list[EXPLANATIONS_MAX];
    uint32_t count = core_explain(view->core, service, list);
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "rules");
    for (uint32_t i = 0; i < count; i++) {
        jsonw_object(&w, NULL);
        jsonw_int(&w, "rule", list[i].rule);
        jsonw_text(&w, "name", rule_name(list[i].rule));
        jsonw_text(&w, "help", rule_help(list[i].rule));
        jsonw_bool(&w, "decides", list[i].decides);
        jsonw_text(&w, "text", list[i].text);
        jsonw_object_end(&w);
    }
    jsonw_array_end(&w);
    jsonw_array(&w, "services"); /* of one, in the form of the status */
    write_service(&w, view, service);
    jsonw_array_end(&w);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}

void api_line_begin(struct jsonw *w, const struct line *line)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "index", (int64_t)line->index);
    jsonw_int(w, "line", line->number);
    write_time(w, "at", line->wall_ms);
    jsonw_text(w, "severity", severity_name(line->severity));
    jsonw_text(w, "event", line->event);
    jsonw_text(w, "object", line->object);
    jsonw_text(w, "text", line->text);
    jsonw_int(w, "term", (int64_t)line->term);
}

void api_journal(const struct feed *feed, uint32_t count, const char *object, struct buf *out)
{
    uint32_t first = lines_count(feed->lines), found = 0;
    struct jsonw w;
    while (first > 0 && found < count)
        found += line_is_about(lines_at(feed->lines, --first), object);
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "lines");
    for (uint32_t i = first; i < lines_count(feed->lines); i++) {
        const struct line *line = lines_at(feed->lines, i);
        if (!line_is_about(line, object))
            continue;
        api_line_begin(&w, line);
        jsonw_object_end(&w);
    }
    jsonw_array_end(&w);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}

void api_error(const char *code, const char *message, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_object(&w, "error");
    jsonw_text(&w, "code", code);
    jsonw_text(&w, "message", message);
    jsonw_object_end(&w);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}
