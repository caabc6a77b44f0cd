/* Pages from pieces. */
#include "orchestrator/status/page.h"

#include "orchestrator/base/text.h"
#include "orchestrator/status/html.h"
#include "orchestrator/status/page_pieces.h"

enum { PIECE_MAX = 1 << 20, NAMES_MAX = 16 };

/* ---------------------------------------------------------------- head and foot */

static void page_icon(const struct view *view, struct buf *out)
{
    static const char *const colours[] = {"%2315803d", "%23b45309", "%23b91c1c", "%236b7280"};
    buf_format(out,
               "<link rel=\"icon\" id=\"icon\" href=\"data:image/svg+xml,"
               "%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E"
               "%%3Ccircle cx='8' cy='8' r='7' fill='%s'/%%3E%%3C/svg%%3E\">\n",
               colours[view->state & 3]);
}

static void page_begin(const struct view *view, const struct page_assets *assets, const char *title,
                       struct buf *out)
{
    const char *cluster = view->core == NULL ? "" : view->core->name;
    html_format(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    if (title[0] != '\0')
        html_format(out, "%s - ", title);
    else if (view->problem_total > 0)
        html_format(out, "(%u!) ", view->problem_total);
    html_format(out, "%s%sEphor</title>\n", cluster, cluster[0] != '\0' ? " - " : "");
    page_icon(view, out);
    html_format(out,
                "<link rel=\"stylesheet\" href=\"/style.css?v=%s\">"
                "<script defer src=\"/app.js?v=%s\"></script>"
                "<noscript><meta http-equiv=\"refresh\" content=\"15\"></noscript></head>\n",
                assets->style_tag, assets->script_tag);
    html_format(out,
                "<body data-policy=\"%llu\"><a class=\"skip\" href=\"#main\">Skip to content"
                "</a>\n<header><a class=\"brand\" href=\"/\">Ephor</a> <span "
                "class=\"cluster\">%s</span>",
                (unsigned long long)view->feed->machine.policy_index, cluster);
    buf_text(out, "<span class=\"live\"><span id=\"live\" aria-live=\"off\">");
    html_format(out,
                "as of %s</span> <button id=\"hold\" type=\"button\" hidden>Pause updates"
                "</button></span></header>\n<main id=\"main\">\n",
                view->feed->is_linked ? "page load" : "the last contact");
}

static void page_end(const struct view *view, struct buf *out)
{
    char iso[40];
    html_format(out, "</main>\n<footer>Ephor %s on %s. Made at <time datetime=\"%s\">%s</time>. ",
                EPHOR_VERSION, view->feed->controller_name, view_iso_time(view->now_wall_ms, iso),
                iso);
    buf_text(out, "<a href=\"/api/v1/status\">JSON</a> <a href=\"/metrics\">Metrics</a>"
                  "</footer></body></html>\n");
}

/* ---------------------------------------------------------------- the journal */

void page_line(const struct view *view, const struct line *line, struct buf *out)
{
    static const enum state marks[] = {STATE_CRITICAL, STATE_WARNING, STATE_OK};
    static const char *const words[] = {"error", "warning", "info"};
    html_format(out, "<tr role=\"row\" id=\"line-%llu-%u\" class=\"%s\">",
                (unsigned long long)line->index, line->number, words[line->severity]);
    cell_begin(out, "When");
    html_time(out, view, line->wall_ms);
    cell_end(out);
    cell_begin(out, "What");
    html_format(out, "<span class=\"state %s\"><i aria-hidden=\"true\">%s</i> %s</span>",
                line->severity == SEVERITY_INFO ? "plain" : state_name(marks[line->severity]),
                line->severity == SEVERITY_INFO ? "\xc2\xb7"
                                                : html_state_shape(marks[line->severity]),
                line->event);
    cell_end(out);
    cell_begin(out, "About");
    html_text(out, line->object);
    cell_end(out);
    cell_begin(out, "Text");
    html_text(out, line->text);
    cell_end(out);
    buf_text(out, "</tr>\n");
}

/* Is the line about one of these names (NULL-terminated)? All are about none. */
static bool is_about_any(const struct line *line, const char *const *names)
{
    bool is_about = names[0] == NULL;
    for (; *names != NULL; names++)
        is_about = is_about || line_is_about(line, *names);
    return is_about;
}

static void page_journal(const struct view *view, const char *const *names, struct buf *out)
{
    static const char *const columns[] = {"When", "What", "About", "Text", NULL};
    const struct lines *lines = view->feed->lines;
    uint32_t shown = 0;
    buf_text(out, "<section class=\"journal\"><h2>Journal</h2>");
    buf_text(out, "<div id=\"about\" data-names=\"");
    for (size_t i = 0; names[i] != NULL; i++)
        html_format(out, "%s%s", i > 0 ? " " : "", names[i]);
    buf_text(out, "\" hidden></div>");
    table_begin(out, "The newest lines, newest first", columns, "journal");
    for (uint32_t i = lines_count(lines); i > 0 && shown < PAGE_JOURNAL_MAX; i--) {
        const struct line *line = lines_at(lines, i - 1);
        if (is_about_any(line, names)) {
            page_line(view, line, out);
            shown++;
        }
    }
    table_end(out);
    if (shown == 0)
        buf_text(out, "<p class=\"dim\">Nothing yet.</p>");
    buf_text(out, "</section>\n");
}

/* ---------------------------------------------------------------- the overview */

static void overview_services(const struct view *view, struct buf *out)
{
    buf_text(out, "<section><h2>Services</h2><div class=\"cards\">\n");
    for (int32_t i = 0; i < core_service_count(view->core) && i < PAGE_SERVICES_MAX; i++)
        piece_service(view, i, out);
    buf_text(out, "</div>");
    if (core_service_count(view->core) == 0)
        buf_text(out, "<p class=\"dim\">The policy names none.</p>");
    if (core_service_count(view->core) > PAGE_SERVICES_MAX)
        html_format(out, "<p>and %d more: see <a href=\"/api/v1/status\">the API</a></p>",
                    core_service_count(view->core) - PAGE_SERVICES_MAX);
    buf_text(out, "</section>\n");
}

static void overview_nodes(const struct view *view, struct buf *out)
{
    static const char *const columns[] = {"Node",  "State",       "Address", "Reach",
                                          "Holds", "Maintenance", NULL};
    buf_text(out, "<section class=\"nodes\"><h2>Nodes</h2>");
    table_begin(out, "Nodes", columns, "");
    for (int32_t i = 0; i < core_node_count(view->core); i++)
        piece_node(view, i, out);
    table_end(out);
    buf_text(out, "</section>\n");
}

static const char *const check_columns[] = {"Check", "State",  "Last answer", "Since",
                                            "Took",  "Looked", NULL};

/* Those that are not well first, then the others in the policy's order. */
static void overview_checks(const struct view *view, struct buf *out)
{
    int32_t count = core_check_count(view->core);
    int32_t shown = 0;
    buf_text(out, "<section class=\"checks\"><h2>Checks</h2>");
    table_begin(out, "Checks", check_columns, "");
    for (int wanted_ok = 0; wanted_ok < 2; wanted_ok++) {
        for (int32_t i = 0; i < count && shown < PAGE_CHECKS_MAX; i++) {
            if ((core_check(view->core, i)->state == STATE_OK) == wanted_ok) {
                piece_check(view, i, out);
                shown++;
            }
        }
    }
    table_end(out);
    if (count > shown)
        html_format(out, "<p>and %d more: see <a href=\"/api/v1/status\">the API</a></p>",
                    count - shown);
    buf_text(out, "</section>\n");
}

void page_overview(const struct view *view, const struct page_assets *assets, struct buf *out)
{
    page_begin(view, assets, "", out);
    piece_banner(view, out);
    piece_problems(view, out);
    if (view->core != NULL) {
        overview_services(view, out);
        overview_nodes(view, out);
        overview_checks(view, out);
    }
    page_journal(view, (const char *const[]){NULL}, out);
    piece_processes(view, out);
    page_end(view, out);
}

/* ---------------------------------------------------------------- one service */

static void service_checks(const struct view *view, int32_t service, struct buf *out)
{
    const struct service *s = core_service(view->core, service);
    buf_text(out, "<section class=\"checks\"><h2>Checks</h2>");
    table_begin(out, "Checks of its members, nodes and addresses", check_columns, "");
    for (int32_t i = 0; i < core_check_count(view->core); i++) {
        const struct check *check = core_check(view->core, i);
        bool is_its =
            check->scope == SCOPE_VIP && core_vip(view->core, check->target)->service == service;
        for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++)
            is_its =
                is_its || (check->scope == SCOPE_MEMBER && check->target == m) ||
                (check->scope == SCOPE_NODE && check->target == core_member(view->core, m)->node);
        if (is_its)
            piece_check(view, i, out);
    }
    table_end(out);
    buf_text(out, "</section>\n");
}

/* What happened to the service and to its addresses. */
static void service_journal(const struct view *view, int32_t service, struct buf *out)
{
    const char *names[NAMES_MAX + 1] = {core_service(view->core, service)->name};
    size_t count = 1;
    for (int32_t i = 0; i < core_vip_count(view->core) && count < NAMES_MAX; i++)
        if (core_vip(view->core, i)->service == service)
            names[count++] = core_vip(view->core, i)->name;
    page_journal(view, names, out);
}

void page_service(const struct view *view, int32_t service, const struct page_assets *assets,
                  struct buf *out)
{
    const struct service *s = core_service(view->core, service);
    page_begin(view, assets, s->name, out);
    html_format(out, "<nav><a href=\"/\">All services</a></nav><h1 class=\"title\">%s</h1>\n",
                s->name);
    buf_text(out, "<div class=\"two\">");
    piece_service(view, service, out);
    piece_why(view, service, out);
    buf_text(out, "</div>");
    piece_matrix(view, service, out);
    service_checks(view, service, out);
    service_journal(view, service, out);
    page_end(view, out);
}

void page_error(const struct view *view, const struct page_assets *assets, uint32_t status,
                const char *message, struct buf *out)
{
    page_begin(view, assets, message, out);
    html_format(out,
                "<section class=\"banner unknown\"><h1>%u</h1><p>%s</p><p><a href=\"/\">To "
                "the overview</a></p></section>\n",
                status, message);
    page_end(view, out);
}

/* ---------------------------------------------------------------- pieces that live */

struct emission {
    struct buf html;
    page_piece_fn *emit;
    void *data;
};

static void emit_piece(struct emission *e, const char *noun, int32_t number)
{
    char id[32];
    if (number == NONE)
        text_copy(id, sizeof(id), noun);
    else
        text_format(id, sizeof(id), "%s-%d", noun, number);
    if (!e->html.failed)
        e->emit(e->data, id, &e->html);
    buf_clear(&e->html);
}

/* On big systems only the first cards and rows live; the others are as of the page's load. */
void page_each_piece(const struct view *view, page_piece_fn *emit, void *data)
{
    struct emission e = {.emit = emit, .data = data};
    buf_init(&e.html, PIECE_MAX);
    piece_banner(view, &e.html);
    emit_piece(&e, "banner", NONE);
    piece_problems(view, &e.html);
    emit_piece(&e, "problems", NONE);
    piece_processes(view, &e.html);
    emit_piece(&e, "processes", NONE);
    for (int32_t i = 0;
         view->core != NULL && i < core_service_count(view->core) && i < PAGE_SERVICES_MAX; i++) {
        piece_service(view, i, &e.html);
        emit_piece(&e, "service", i);
        piece_why(view, i, &e.html);
        emit_piece(&e, "why", i);
        piece_matrix(view, i, &e.html);
        emit_piece(&e, "matrix", i);
    }
    for (int32_t i = 0; view->core != NULL && i < core_node_count(view->core); i++) {
        piece_node(view, i, &e.html);
        emit_piece(&e, "node", i);
    }
    for (int32_t i = 0;
         view->core != NULL && i < core_check_count(view->core) && i < PAGE_CHECKS_MAX; i++) {
        piece_check(view, i, &e.html);
        emit_piece(&e, "check", i);
    }
    buf_close(&e.html);
}
