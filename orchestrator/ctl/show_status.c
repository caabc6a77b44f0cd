/* ephorctl status: what is the case, at a glance. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct libscols_table *new_table(const struct ctl *ctl, const char *const *columns)
{
    struct libscols_table *table = scols_new_table();
    if (table == NULL)
        return NULL;
    scols_table_enable_colors(table, ctl->has_colour);
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
    for (size_t i = 0; columns[i] != NULL; i++)
        scols_table_new_column(table, columns[i], 0,
                               (i == 0 ? SCOLS_FL_TREE : 0) |
                                   (columns[i + 1] == NULL ? SCOLS_FL_TRUNC : 0));
    return table;
}

static struct libscols_line *new_line(struct libscols_table *table, struct libscols_line *parent,
                                      const char *const *cells, const char *state)
{
    struct libscols_line *line = scols_table_new_line(table, parent);
    char word[32];
    for (size_t i = 0; line != NULL && cells[i] != NULL; i++)
        scols_line_set_data(line, i, cells[i]);
    if (line != NULL) { /* the state is always the second column */
        scols_line_set_data(line, 1, out_state_word(state, word));
        scols_cell_set_color(scols_line_get_cell(line, 1), out_state_colour(state));
    }
    return line;
}

static void print_table(struct libscols_table *table)
{
    if (table == NULL)
        return;
    if (scols_table_get_nlines(table) > 0) {
        scols_print_table(table);
        putchar('\n');
    }
    scols_unref_table(table);
}

/* ---------------------------------------------------------------- the parts */

static void print_head(const struct ctl *ctl, const json_t *status)
{
    const json_t *cluster = json_object_get(status, "cluster");
    const json_t *paused = json_object_get(cluster, "paused");
    const char *leader = json_text(cluster, "leader");
    if (json_is_object(json_object_get(status, "observer"))) {
        out_state(ctl, json_text(status, "state"));
        printf("  %s.\nWhat it decides: nothing. 'ephorctl status' on a controller tells of the "
               "cluster.\n\n",
               json_text(status, "headline"));
        return;
    }
    out_text(json_text(cluster, "name"));
    fputs("  ", stdout);
    out_state(ctl, json_text(status, "state"));
    printf("  %s  leader %s (term %lld)  policy %.8s\n", json_text(status, "headline"),
           leader[0] != '\0' ? leader : "nobody",
           (long long)json_integer_value(json_object_get(cluster, "term")),
           json_text(cluster, "policy_digest"));
    if (json_is_object(paused)) {
        char age[32];
        printf("PAUSED by ");
        out_text(json_text(paused, "author"));
        printf(" %s ago", out_age(json_object_get(paused, "since"), age));
        if (json_text(paused, "reason")[0] != '\0') {
            fputs(": ", stdout);
            out_text(json_text(paused, "reason"));
        }
        if (json_is_string(json_object_get(paused, "until")))
            printf("; until %s", out_clock(json_object_get(paused, "until"), age));
        puts("; nothing happens by itself ('ephorctl resume' ends it)");
    }
    putchar('\n');
}

static void describe_vips(const json_t *service, char dst[256])
{
    size_t i;
    const json_t *vip;
    dst[0] = '\0';
    json_array_foreach(json_object_get(service, "vips"), i, vip)
    {
        size_t used = strlen(dst);
        const char *holder = json_text(vip, "holder");
        text_format(dst + used, 256 - used, "%s%s %s%s%s", i > 0 ? ", " : "",
                    json_text(vip, "address"), json_text(vip, "phase"),
                    holder[0] != '\0' ? " by " : "", holder);
    }
}

static void add_member(struct libscols_table *table, struct libscols_line *parent,
                       const json_t *member)
{
    bool is_active = json_flag(member, "active");
    const char *note = !json_flag(member, "fit") && !is_active ? json_text(member, "unfit_reason")
                                                               : json_text(member, "text");
    const char *step = json_text(member, "step");
    char age[32];
    const char *cells[] = {json_text(member, "node"),
                           "",
                           is_active                  ? "active"
                           : json_flag(member, "fit") ? "standby"
                                                      : "not fit",
                           "",
                           out_age(json_object_get(member, "since"), age),
                           strcmp(step, "idle") != 0 ? step : note,
                           NULL};
    new_line(table, parent, cells, json_text(member, "state"));
}

static void print_services(const struct ctl *ctl, const json_t *status)
{
    static const char *const columns[] = {"SERVICE", "STATE", "ACTIVE", "ADDRESS",
                                          "SINCE",   "NOTE",  NULL};
    struct libscols_table *table = new_table(ctl, columns);
    size_t i, m;
    const json_t *service, *member;
    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        char vips[256], age[32];
        const char *active = json_text(service, "active");
        const char *phase = json_text(service, "phase");
        describe_vips(service, vips);
        const char *cells[] = {json_text(service, "name"),
                               "",
                               active[0] != '\0' ? active : "nowhere",
                               vips,
                               out_age(json_object_get(service, "since"), age),
                               strcmp(phase, "steady") != 0 ? phase : json_text(service, "reason"),
                               NULL};
        struct libscols_line *line = new_line(table, NULL, cells, json_text(service, "state"));
        json_array_foreach(json_object_get(service, "members"), m, member)
            add_member(table, line, member);
    }
    print_table(table);
}

static void describe_maintenance(const json_t *node, char note[256])
{
    const json_t *until = json_object_get(node, "maintenance_until");
    const char *reason = json_text(node, "maintenance_reason");
    char clock[32];
    text_format(note, 256, "maintenance by %s%s%s%s%s", json_text(node, "maintenance_author"),
                json_is_string(until) ? " until " : "",
                json_is_string(until) ? out_clock(until, clock) : "", reason[0] != '\0' ? ": " : "",
                reason);
}

static void print_nodes(const struct ctl *ctl, const json_t *status)
{
    static const char *const columns[] = {"NODE", "STATE", "ADDRESS", "REACH", "NOTE", NULL};
    struct libscols_table *table = new_table(ctl, columns);
    size_t i;
    const json_t *node;
    json_array_foreach(json_object_get(status, "nodes"), i, node)
    {
        const json_t *reachable = json_object_get(node, "reachable");
        char note[256] = "";
        if (json_flag(node, "maintenance"))
            describe_maintenance(node, note);
        else if (strstr(json_text(node, "channel"), "; ") != NULL)
            text_copy(note, sizeof(note), strstr(json_text(node, "channel"), "; ") + 2);
        else if (!json_is_true(reachable))
            text_copy(note, sizeof(note), json_text(node, "channel"));
        const char *cells[] = {json_text(node, "name"),
                               "",
                               json_text(node, "address"),
                               json_is_true(reachable)    ? "yes"
                               : json_is_false(reachable) ? "no"
                                                          : "not yet",
                               note,
                               NULL};
        new_line(table, NULL, cells, json_text(node, "state"));
    }
    print_table(table);
}

static void print_problems(const struct ctl *ctl, const json_t *status)
{
    size_t i;
    const json_t *problem;
    json_array_foreach(json_object_get(status, "problems"), i, problem)
    {
        out_state(ctl, json_text(problem, "state"));
        printf("  ");
        out_text(json_text(problem, "object"));
        printf(": ");
        out_text(json_text(problem, "text"));
        if (json_is_object(json_object_get(problem, "diagnosis")))
            printf(" [%s]", json_text(json_object_get(problem, "diagnosis"), "kind"));
        putchar('\n');
    }
}

/* ---------------------------------------------------------------- the subcommand */

static int nagios_code(const char *state)
{
    return strcmp(state, "ok") == 0         ? 0
           : strcmp(state, "warning") == 0  ? 1
           : strcmp(state, "critical") == 0 ? 2
                                            : 3;
}

static int show_once(const struct ctl *ctl)
{
    json_t *status;
    int code = ctl_get(ctl, "/api/v1/status", &status);
    if (code != CTL_OK)
        return ctl->wants_exit_code ? 3 : code;
    if (ctl->watch_s > 0)
        fputs("\033[H\033[2J", stdout);
    if (ctl->is_json) {
        out_json(status);
    } else {
        print_head(ctl, status);
        print_services(ctl, status);
        print_nodes(ctl, status);
        print_problems(ctl, status);
    }
    fflush(stdout);
    if (ctl->wants_exit_code)
        code = nagios_code(json_text(status, "state"));
    json_decref(status);
    return code;
}

int show_status(const struct ctl *ctl)
{
    setlocale(LC_CTYPE, "");
    int code = show_once(ctl);
    while (ctl->watch_s > 0) {
        sleep((unsigned)ctl->watch_s);
        code = show_once(ctl);
    }
    return code;
}
