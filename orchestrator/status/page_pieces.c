/* The pieces of pages. Tables carry their roles, so that they stay tables for screen readers when
 * the style lays their rows out as blocks on a narrow screen. */
#include "orchestrator/status/page_pieces.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/vips.h"
#include "orchestrator/status/html.h"
#include "orchestrator/status/observer_links.h"
#include "orchestrator/sys/process.h"

#include <string.h>

/* ---------------------------------------------------------------- tables */

void table_begin(struct buf *out, const char *caption, const char *const *columns,
                 const char *body_id)
{
    html_format(out,
                "<table role=\"table\"><caption>%s</caption><thead role=\"rowgroup\">"
                "<tr role=\"row\">",
                caption);
    for (; *columns != NULL; columns++)
        html_format(out, "<th role=\"columnheader\" scope=\"col\">%s</th>", *columns);
    buf_text(out, "</tr></thead><tbody role=\"rowgroup\"");
    if (body_id[0] != '\0')
        html_format(out, " id=\"%s\"", body_id);
    buf_text(out, ">\n");
}

void table_end(struct buf *out)
{
    buf_text(out, "</tbody></table>\n");
}

void cell_begin(struct buf *out, const char *label)
{
    html_format(out, "<td role=\"cell\" data-label=\"%s\">", label);
}

void cell_end(struct buf *out)
{
    buf_text(out, "</td>");
}

static void text_cell(struct buf *out, const char *label, const char *text)
{
    cell_begin(out, label);
    html_text(out, text);
    cell_end(out);
}

static void state_cell(struct buf *out, enum state state)
{
    cell_begin(out, "State");
    html_state(out, state);
    cell_end(out);
}

static void time_cell(const struct view *view, struct buf *out, const char *label, int64_t wall_ms)
{
    cell_begin(out, label);
    html_time(out, view, wall_ms);
    cell_end(out);
}

/* ---------------------------------------------------------------- banner, problems */

static void banner_facts(const struct view *view, struct buf *out)
{
    const struct core *core = view->core;
    const struct core_shape *shape = &core->shape;
    char digest[16];
    html_format(out, "<p>%u service%s on %u node%s, %u check%s, %u address%s. ", shape->services,
                shape->services == 1 ? "" : "s", shape->nodes, shape->nodes == 1 ? "" : "s",
                shape->checks, shape->checks == 1 ? "" : "s", shape->vips,
                shape->vips == 1 ? "" : "es");
    if (core->leader > 0)
        html_format(out, "%s leads in term %llu", core->leader_name,
                    (unsigned long long)core->term);
    else
        buf_text(out, "Nobody leads");
    text_format(digest, sizeof(digest), "%.8s", view->feed->machine.policy_digest);
    html_format(out, "%s. Policy <code title=\"%s\">%s</code>.</p>",
                core->leader == 0 || view->feed->is_leading ? "" : ", but not now",
                view->feed->machine.policy_digest, digest);
    if (core->is_paused) {
        html_format(out, "<p class=\"note\">\xe2\x80\x96 Paused by %s", core->paused_author);
        if (core->paused_reason[0] != '\0')
            html_format(out, " (%s)", core->paused_reason);
        buf_text(out, ", for ");
        html_time(out, view, view_wall_ms(view, core->paused_since_ms));
        html_until(out, view, core->paused_until_ms);
        buf_text(out, ": nothing happens by itself. <code>ephorctl resume</code> ends it.</p>");
    }
}

void piece_banner(const struct view *view, struct buf *out)
{
    const char *name = view->core == NULL ? "Ephor" : view->core->name;
    html_format(out,
                "<section id=\"banner\" class=\"banner %s\" role=\"status\" "
                "aria-live=\"polite\" data-state=\"%s\" data-title=\"",
                state_name(view->state), state_name(view->state));
    if (view->problem_total > 0)
        html_format(out, "(%u!) ", view->problem_total);
    html_format(out, "%s\"><h1><i aria-hidden=\"true\">%s</i> %s</h1>", name,
                html_state_shape(view->state), view->headline);
    if (view_is_observer(view->feed))
        buf_text(out,
                 "<p>It decides nothing; the state of the cluster is on the controllers' pages. "
                 "What follows is what is seen from here.</p>");
    else if (view->core == NULL)
        buf_text(out, "<p>No policy was adopted yet.</p>");
    else
        banner_facts(view, out);
    buf_text(out, "</section>\n");
}

static void word_chip(const struct diagnosis *diagnosis, struct buf *out)
{
    if (diagnosis->kind != DIAGNOSIS_NONE)
        html_format(out, "<span class=\"chip bad\" title=\"%s\">%s</span> ",
                    diagnosis_help(diagnosis->kind), diagnosis_name(diagnosis->kind));
}

void piece_problems(const struct view *view, struct buf *out)
{
    html_format(out,
                "<section id=\"problems\"%s aria-labelledby=\"problems-title\">"
                "<h2 id=\"problems-title\">Problems</h2><ul class=\"problems\">\n",
                view->problem_total == 0 ? " hidden" : "");
    for (uint32_t i = 0; i < view->problem_count; i++) {
        const struct problem *p = &view->problems[i];
        buf_text(out, "<li>");
        html_state(out, p->state);
        html_format(out, " <b>%s</b> ", p->object);
        word_chip(&p->diagnosis, out);
        html_format(out, "<span>%s</span>", p->text);
        if (p->diagnosis.evidence[0] != '\0')
            html_format(out, "<br><small>%s. Next: %s.</small>", p->diagnosis.evidence,
                        p->diagnosis.next);
        buf_text(out, "</li>\n");
    }
    if (view->problem_total > view->problem_count)
        html_format(out, "<li>and %u more</li>", view->problem_total - view->problem_count);
    buf_text(out, "</ul></section>\n");
}

/* ---------------------------------------------------------------- services */

static void service_vips(const struct view *view, int32_t service, struct buf *out)
{
    for (int32_t i = 0; i < core_vip_count(view->core); i++) {
        const struct vip *vip = core_vip(view->core, i);
        const char *holder = view_node_name(view, vip->holder);
        char lease[32];
        if (vip->service != service)
            continue;
        html_format(out, "<li><code>%s</code> <span class=\"chip %s\" title=\"%s\">%s</span> ",
                    vip->address, vip->phase == VIP_HELD ? "good" : "busy",
                    vip_phase_help(vip->phase), vip_phase_name(vip->phase));
        if (holder != NULL)
            html_format(out, "%s <b>%s</b>", vip->phase == VIP_HELD ? "by" : "\xe2\x80\x93",
                        holder);
        html_format(out, " <span class=\"dim\">%s on %s, lease %s%s</span></li>\n", vip->name,
                    vip->interface, text_from_duration(lease, sizeof(lease), vip_lease_ms(vip)),
                    vip->is_guarded ? ", guarded by nft" : "");
    }
}

static void member_row(const struct view *view, int32_t i, struct buf *out)
{
    const struct member *m = core_member(view->core, i);
    bool is_active = core_service(view->core, m->service)->active == i;
    char reason[TEXT_SIZE];
    struct diagnosis diagnosis;
    bool is_fit = core_is_fit(view->core, i, reason);
    buf_text(out, is_active ? "<tr role=\"row\" class=\"active\">" : "<tr role=\"row\">");
    html_format(out, "<th role=\"rowheader\" scope=\"row\">%s", view_node_name(view, m->node));
    buf_text(out, is_active ? " <span>active</span></th>" : "</th>");
    state_cell(out, (enum state)m->state);
    cell_begin(out, "Priority");
    html_format(out, "%d", m->priority);
    cell_end(out);
    cell_begin(out, "Now");
    if (m->step != STEP_IDLE)
        html_format(out, "<span class=\"chip busy\">%s</span> ", step_name(m->step));
    core_diagnose_member(view->core, i, &diagnosis);
    word_chip(&diagnosis, out);
    if (!is_fit && !is_active)
        html_format(out, "not fit: %s", reason);
    else if (m->text[0] != '\0')
        html_text(out, m->text);
    else
        buf_text(out, is_active ? "serves" : "fit to take over");
    cell_end(out);
    buf_text(out, "</tr>\n");
}

static void service_members(const struct view *view, const struct service *s, struct buf *out)
{
    static const char *const columns[] = {"Member", "State", "Priority", "Now", NULL};
    table_begin(out, "Members", columns, "");
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++)
        member_row(view, i, out);
    table_end(out);
}

void piece_service(const struct view *view, int32_t service, struct buf *out)
{
    const struct service *s = core_service(view->core, service);
    const char *phase = core_service_phase(view->core, service);
    const char *node = view_active_node(view, service);
    char why[LINE_SIZE];
    enum rule rule = view_service_rule(view, service, why);
    html_format(out, "<article id=\"service-%d\" class=\"card %s\"><h3>", service,
                state_name((enum state)s->state));
    html_state(out, (enum state)s->state);
    buf_text(out, " <a href=\"/services/");
    html_path(out, s->name);
    html_format(out, "\">%s</a> <span class=\"chip %s\">%s</span></h3>\n<p>", s->name,
                strcmp(phase, "steady") == 0 ? "calm" : "busy", phase);
    if (node == NULL)
        buf_text(out, "Active nowhere");
    else
        html_format(out, "Active on <b>%s</b>", node);
    buf_text(out, ", ");
    buf_text(out, state_name((enum state)s->state));
    buf_text(out, " for ");
    html_time(out, view, view_wall_ms(view, s->state_since_ms));
    buf_text(out, "</p>\n<ul class=\"vips\">");
    service_vips(view, service, out);
    html_format(out,
                "</ul><p class=\"why\"><span class=\"rule\" title=\"%s\">rule %d %s</span> "
                "%s</p>\n",
                rule_help(rule), (int)rule, rule_name(rule), why);
    service_members(view, s, out);
    buf_text(out, "</article>\n");
}

void piece_why(const struct view *view, int32_t service, struct buf *out)
{
    struct explanation list[EXPLANATIONS_MAX];
    uint32_t count = core_explain(view->core, service, list);
    html_format(out,
                "<section id=\"why-%d\" class=\"whybox\"><h2>Why</h2>"
                "<p class=\"dim\">The rules in the order in which they were looked at; the "
                "marked one settles it.</p><ol class=\"gates\">\n",
                service);
    for (uint32_t i = 0; i < count; i++) {
        const struct explanation *e = &list[i];
        buf_text(out, e->decides ? "<li class=\"decides\">" : "<li>");
        html_format(out, "<span class=\"rule\">rule %d %s</span> ", (int)e->rule,
                    rule_name(e->rule));
        if (e->decides)
            buf_text(out, "<span class=\"chip now\">settles it</span> ");
        html_format(out, "<span>%s</span><br><small>%s</small></li>\n", e->text,
                    rule_help(e->rule));
    }
    buf_text(out, "</ol></section>\n");
}

/* ---------------------------------------------------------------- nodes, checks, processes */

static void node_reach(const struct view *view, const struct node *node,
                       const struct channel *channel, struct buf *out)
{
    (void)view;
    if (node->reach == REACH_DOWN)
        html_format(out, "<span class=\"chip bad\">cannot be worked on</span> %s",
                    node->reach_text);
    else if (node->reach == REACH_UNKNOWN)
        buf_text(out, "not reached yet");
    else
        buf_text(out, "can be worked on");
    if (channel != NULL && channel->is_up && channel->rtt_us > 0 && node->reach != REACH_DOWN)
        html_format(out, " <span class=\"dim\">%lld.%d ms</span>",
                    (long long)(channel->rtt_us / 1000), (int)(channel->rtt_us % 1000 / 100));
    else if (channel != NULL && !channel->is_up && node->reach != REACH_DOWN)
        html_format(out, " <span class=\"dim\">%s</span>", channel->text);
}

void piece_node(const struct view *view, int32_t i, struct buf *out)
{
    const struct node *node = core_node(view->core, i);
    const struct channel *channel = feed_channel(view->feed, i);
    html_format(out, "<tr role=\"row\" id=\"node-%d\"><th role=\"rowheader\" scope=\"row\">%s</th>",
                i, node->name);
    state_cell(out, (enum state)node->state);
    text_cell(out, "Address", node->is_local ? "this machine" : node->address);
    cell_begin(out, "Reach");
    node_reach(view, node, channel, out);
    cell_end(out);
    cell_begin(out, "Holds");
    if (channel == NULL || channel->holding_count == 0)
        buf_text(out, "<span class=\"dim\">nothing</span>");
    for (uint32_t h = 0; channel != NULL && h < channel->holding_count; h++)
        html_format(out, "<code>%s</code> ", channel->holding[h]);
    cell_end(out);
    cell_begin(out, "Maintenance");
    if (node->in_maintenance) {
        html_format(out, "\xe2\x80\x96 by %s%s%s, ", node->maintenance_author,
                    node->maintenance_reason[0] ? ": " : "", node->maintenance_reason);
        html_time(out, view, view_wall_ms(view, node->maintenance_since_ms));
        html_until(out, view, node->maintenance_until_ms);
    } else {
        buf_text(out, "<span class=\"dim\">no</span>");
    }
    cell_end(out);
    buf_text(out, "</tr>\n");
}

static void check_numbers(const struct observed *result, struct buf *out)
{
    if (result->duration_us >= 1000000)
        html_format(out, "%lld.%d s", (long long)(result->duration_us / 1000000),
                    (int)(result->duration_us % 1000000 / 100000));
    else
        html_format(out, "%lld ms", (long long)((result->duration_us + 999) / 1000));
}

/* Behind what this controller was answered. */
static void observed_by_others(const struct census *census, struct buf *out)
{
    char text[LINE_SIZE];
    core_census_text(census, text);
    if (text[0] != '\0')
        html_format(out, " <span class=\"dim\">observers: %s</span>", text);
}

void piece_check(const struct view *view, int32_t i, struct buf *out)
{
    const struct check *check = core_check(view->core, i);
    struct observed result;
    bool has_result = view_result(view, i, &result);
    html_format(out, "<tr role=\"row\" id=\"check-%d\"><th role=\"rowheader\" scope=\"row\">%s", i,
                check->id);
    buf_text(out, check->failover ? "</th>" : " <small>informs only</small></th>");
    state_cell(out, (enum state)check->state);
    cell_begin(out, "Last answer");
    if (!has_result) {
        bool is_theirs = check->census.seers > 0 && text_starts_with(check->text, "observers: ");
        html_text(out, !check->is_known ? "nobody has looked yet" : is_theirs ? "" : check->text);
    } else {
        if (result.state != check->state && result.state <= STATE_UNKNOWN)
            html_format(out, "<span class=\"chip busy\">now %s, seen %u times</span> ",
                        state_name((enum state)result.state), result.attempt);
        if (result.reason[0] != '\0')
            html_format(out, "<span class=\"chip bad\">%s</span> ", result.reason);
        html_format(out, "<span class=\"output\">%s%s</span>", result.output,
                    result.is_truncated ? " \xe2\x80\xa6" : "");
    }
    observed_by_others(&check->census, out);
    cell_end(out);
    time_cell(view, out, "Since", view_wall_ms(view, check->since_ms));
    cell_begin(out, "Took");
    if (has_result)
        check_numbers(&result, out);
    cell_end(out);
    time_cell(view, out, "Looked", has_result ? result.started_wall_ms : 0);
    buf_text(out, "</tr>\n");
}

void piece_processes(const struct view *view, struct buf *out)
{
    static const char *const columns[] = {"Process", "Up", "Pid", "Restarts", "Ended last", NULL};
    struct observer_links counts = observer_links_counted(view->feed);
    char text[LINE_SIZE];
    buf_text(out, "<section id=\"processes\">");
    table_begin(out, "Processes", columns, "");
    for (uint32_t i = 0; i < view->feed->process_count; i++) {
        const struct process_view *p = &view->feed->processes[i];
        html_format(out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">%s %u</th>",
                    process_role_name(p->role), p->instance);
        cell_begin(out, "Up");
        html_state(out, p->is_up ? STATE_OK : STATE_WARNING);
        buf_text(out, " ");
        html_time(out, view, p->since_wall_ms);
        cell_end(out);
        cell_begin(out, "Pid");
        html_format(out, "%d", p->pid);
        cell_end(out);
        cell_begin(out, "Restarts");
        html_format(out, "%u", p->restarts);
        cell_end(out);
        text_cell(out, "Ended last", p->reason[0] != '\0' ? p->reason : "never");
        buf_text(out, "</tr>\n");
    }
    table_end(out);
    if (counts.added > 0)
        html_format(out, "<p>%s.</p>\n", observer_links_in_words(&counts, text));
    buf_text(out, "</section>\n");
}
