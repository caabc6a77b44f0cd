/* Who sees what: the controllers, and all observers together, as columns, the checks of a service
 * as rows. */
#include "orchestrator/status/html.h"
#include "orchestrator/status/page_pieces.h"

#include <stdio.h>

/* What one controller sees of one check. */
static void matrix_cell(const struct view *view, int32_t i, uint32_t seat, struct buf *out)
{
    const struct check *check = core_check(view->core, i);
    const struct opinion *o = &check->opinions[seat - 1];
    struct outlook outlook;
    cell_begin(out, view->core->controllers[seat - 1].name);
    if (!core_looks(view->core, i, seat, &outlook)) {
        buf_text(out, "<span class=\"dim\">does not look</span>");
    } else if (!o->is_known) {
        html_format(out, "<span class=\"dim\">%s</span>",
                    core_sees(view->core, seat) ? "not yet" : "cannot see");
    } else {
        enum state state = (enum state)(o->attempts > 0 ? o->suspect : o->state);
        html_state(out, state);
        if (state != STATE_OK)
            html_format(out, " %s", cause_name((enum cause)o->cause));
        if (!core_sees(view->core, seat))
            buf_text(out, " <span class=\"dim\">(does not count)</span>");
    }
    cell_end(out);
}

static bool is_of_service(const struct view *view, const struct check *check,
                          const struct service *s, int32_t service)
{
    if (check->scope == SCOPE_VIP)
        return core_vip(view->core, check->target)->service == service;
    for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++)
        if (check->scope == SCOPE_MEMBER ? check->target == m
                                         : check->target == core_member(view->core, m)->node)
            return true;
    return false;
}

static void census_cell(const struct census *census, struct buf *out)
{
    char text[LINE_SIZE];
    core_census_text(census, text);
    cell_begin(out, "Observers");
    html_format(out, "%s", text);
    cell_end(out);
}

static void matrix_row(const struct view *view, int32_t i, bool is_observed, struct buf *out)
{
    struct diagnosis diagnosis;
    html_format(out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">%s</th>",
                core_check(view->core, i)->id);
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (view->core->controllers[seat - 1].is_member && view->core->controllers[seat - 1].looks)
            matrix_cell(view, i, seat, out);
    if (is_observed)
        census_cell(&core_check(view->core, i)->census, out);
    core_diagnose_check(view->core, i, &diagnosis);
    cell_begin(out, "Diagnosis");
    if (diagnosis.kind != DIAGNOSIS_NONE)
        html_format(out, "<span class=\"chip bad\" title=\"%s\">%s</span>",
                    diagnosis_help(diagnosis.kind), diagnosis_name(diagnosis.kind));
    cell_end(out);
    buf_text(out, "</tr>\n");
}

static bool is_observed(const struct view *view, const struct service *s, int32_t service)
{
    for (int32_t i = 0; i < core_check_count(view->core); i++)
        if (core_check(view->core, i)->census.seers > 0 &&
            is_of_service(view, core_check(view->core, i), s, service))
            return true;
    return false;
}

void piece_matrix(const struct view *view, int32_t service, struct buf *out)
{
    const struct core *core = view->core;
    const struct service *s = core_service(core, service);
    const char *columns[CONTROLLERS_MAX + 4] = {"Check"};
    bool has_census = is_observed(view, s, service);
    size_t count = 1;
    int32_t rows = 0;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (core->controllers[seat - 1].is_member && core->controllers[seat - 1].looks)
            columns[count++] = core->controllers[seat - 1].name;
    if (has_census)
        columns[count++] = "Observers";
    columns[count] = "Diagnosis";
    html_format(out, "<section id=\"matrix-%d\"><h2>Who sees what</h2>", service);
    table_begin(out, "What each controller sees of each check", columns, "");
    for (int32_t i = 0; i < core_check_count(core) && rows < MATRIX_ROWS_MAX; i++) {
        if (is_of_service(view, core_check(core, i), s, service)) {
            matrix_row(view, i, has_census, out);
            rows++;
        }
    }
    table_end(out);
    buf_text(out, "</section>\n");
}
