/* ephorctl report: incidents of services, found in the journal. Without a number the latest of
 * them; with one its timeline in Markdown, for a post-mortem.
 *
 * An incident begins with the first line that says that a service fails, or that something is done
 * about it, and ends when it is active again, works again after a restart, or is well by itself.
 * Its number is that of its first entry in the log. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INCIDENTS_MAX = 256, BEFORE_MS = 2000 };

struct incident {
    const char *service;
    int64_t number;
    int64_t seen_ms, decided_ms, over_ms; /* 0: not (yet) */
    const char *cause, *end;
};

struct report {
    json_t *status, *journal;
    const json_t *lines;
    struct incident incidents[INCIDENTS_MAX];
    uint32_t count;
    bool is_cut; /* there are more */
};

/* ---------------------------------------------------------------- finding them */

static bool says(const json_t *line, const char *text)
{
    return strstr(json_text(line, "text"), text) != NULL;
}

static bool begins(const json_t *line)
{
    return (line_is_of(line, "member") && says(line, "is critical")) ||
           (line_is_of(line, "decision") && !says(line, "(rule 4,")) ||
           (line_is_of(line, "outcome") && strcmp(json_text(line, "severity"), "info") != 0);
}

static const char *end_of(const struct incident *incident, const json_t *line)
{
    if (line_is_of(line, "service") && text_starts_with(json_text(line, "text"), "is active on"))
        return json_text(line, "text");
    if (line_is_of(line, "member") && says(line, "works again after the restart"))
        return "it works again after the restart";
    if (line_is_of(line, "vip") && says(line, "is held by") && incident->decided_ms == 0)
        return json_text(line, "text");
    if (line_is_of(line, "member") && says(line, "is ok (was critical)") &&
        incident->decided_ms == 0)
        return "it works again by itself";
    return NULL;
}

static struct incident *add_incident(struct report *r, const char *service, const json_t *line)
{
    if (r->count == INCIDENTS_MAX) {
        r->is_cut = true;
        return NULL;
    }
    struct incident *incident = &r->incidents[r->count++];
    *incident = (struct incident){.service = service,
                                  .number = json_integer_value(json_object_get(line, "index")),
                                  .seen_ms = out_moment_ms(json_object_get(line, "at")),
                                  .cause = json_text(line, "text")};
    return incident;
}

static void find_of_service(struct report *r, const char *service)
{
    struct incident *open = NULL;
    size_t i;
    const json_t *line;
    json_array_foreach(r->lines, i, line)
    {
        if (!line_is_about(line, r->status, service))
            continue;
        if (open == NULL && begins(line))
            open = add_incident(r, service, line);
        if (open == NULL)
            continue;
        int64_t at_ms = out_moment_ms(json_object_get(line, "at"));
        if (line_is_of(line, "decision") && open->decided_ms == 0)
            open->decided_ms = at_ms;
        open->end = end_of(open, line);
        if (open->end == NULL)
            continue;
        open->over_ms = at_ms;
        open = NULL;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct incident *x = a, *y = b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number)
                                  : strcmp(x->service, y->service);
}

/* ---------------------------------------------------------------- telling */

static const char *span(char dst[32], int64_t from_ms, int64_t to_ms)
{
    if (from_ms == 0 || to_ms == 0)
        return "-";
    text_format(dst, 32, "%.3f s", (double)(to_ms - from_ms) / 1000);
    return dst;
}

static const json_t *line_of(const struct report *r, int64_t number)
{
    size_t i;
    const json_t *line;
    json_array_foreach(r->lines, i, line) if (json_integer_value(json_object_get(line, "index")) ==
                                              number) return line;
    return NULL;
}

/* Oldest first. */
static void print_list(const struct report *r)
{
    if (r->count == 0)
        puts("no incident is in the journal");
    for (uint32_t i = 0; i < r->count; i++) {
        const struct incident *incident = &r->incidents[i];
        char clock[32], took[32];
        printf("%6lld  %s  ", (long long)incident->number,
               out_clock(json_object_get(line_of(r, incident->number), "at"), clock));
        out_text(incident->service);
        fputs(": ", stdout);
        out_text(incident->cause);
        if (incident->over_ms == 0)
            puts("; it is not over yet");
        else
            printf("; %s, %s\n", incident->end, span(took, incident->seen_ms, incident->over_ms));
    }
}

/* Text in a table: no bars, no line breaks. */
static void print_cell(const char *text)
{
    char cell[512];
    text_copy(cell, sizeof(cell), text);
    for (char *s = cell; *s != '\0'; s++)
        if (*s == '|')
            *s = '/';
    out_text(cell);
}

static bool is_about_all(const json_t *line)
{
    static const char *const events[] = {"leader", "node",      "reach",  "operator",  "sight",
                                         "calm",   "diagnosis", "freeze", "controller"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (line_is_of(line, events[i]))
            return true;
    return false;
}

static void print_timeline(const struct report *r, const struct incident *incident)
{
    size_t i;
    const json_t *line;
    puts("\n## Timeline\n\n| after | what | of | |\n| ---: | --- | --- | --- |");
    json_array_foreach(r->lines, i, line)
    {
        int64_t at_ms = out_moment_ms(json_object_get(line, "at"));
        bool is_in = at_ms >= incident->seen_ms - BEFORE_MS &&
                     (incident->over_ms == 0 || at_ms <= incident->over_ms);
        if (!is_in || !(line_is_about(line, r->status, incident->service) || is_about_all(line)))
            continue;
        printf("| %+.3f s | %s | ", (double)(at_ms - incident->seen_ms) / 1000,
               json_text(line, "event"));
        print_cell(json_text(line, "object"));
        fputs(" | ", stdout);
        print_cell(json_text(line, "text"));
        puts(" |");
    }
}

/* What is wrong now, since somebody has to do something about it. */
static void print_rest(const struct report *r)
{
    const json_t *problems = json_object_get(r->status, "problems"), *problem;
    size_t i;
    puts("## What remains to be done\n");
    if (json_array_size(problems) == 0)
        puts("Nothing is wrong now.");
    json_array_foreach(problems, i, problem)
    {
        const char *next = json_text(json_object_get(problem, "diagnosis"), "next");
        fputs("- ", stdout);
        out_text(json_text(problem, "object"));
        fputs(": ", stdout);
        out_text(json_text(problem, "text"));
        if (next[0] != '\0') {
            fputs(". Next: ", stdout);
            out_text(next);
        }
        putchar('\n');
    }
}

static void print_markdown(const struct report *r, const struct incident *incident)
{
    char took[32];
    printf("# Incident %lld: %s\n\n", (long long)incident->number, incident->service);
    printf("- **Began**: %s (UTC)\n", json_text(line_of(r, incident->number), "at"));
    fputs("- **What was seen**: ", stdout);
    out_text(incident->cause);
    printf("\n- **Decided after**: %s\n", span(took, incident->seen_ms, incident->decided_ms));
    printf("- **Over after**: %s", span(took, incident->seen_ms, incident->over_ms));
    printf("%s", incident->over_ms == 0 ? " (it is not over)" : ": ");
    out_text(incident->over_ms == 0 ? "" : incident->end);
    putchar('\n');
    print_timeline(r, incident);
    putchar('\n');
}

/* All that have the number; false: there is none. */
static bool print_number(const struct report *r, int64_t number)
{
    bool is_found = false;
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->incidents[i].number != number)
            continue;
        print_markdown(r, &r->incidents[i]);
        is_found = true;
    }
    if (is_found)
        print_rest(r);
    return is_found;
}

int report(const struct ctl *ctl)
{
    struct report r = {.count = 0};
    int64_t number = 0;
    size_t i;
    const json_t *service;
    if (ctl->operand_count > 0 && !text_parse_int(ctl->operands[0], 1, INT64_MAX, &number)) {
        out_error("'%s' is not the number of an incident", ctl->operands[0]);
        return CTL_USAGE;
    }
    int code = ctl_get_past(ctl, &r.status, &r.journal);
    r.lines = json_object_get(r.journal, "lines");
    json_array_foreach(json_object_get(r.status, "services"), i, service)
        find_of_service(&r, json_text(service, "name"));
    qsort(r.incidents, r.count, sizeof(r.incidents[0]), by_number);
    if (code == CTL_OK && number == 0) {
        print_list(&r);
        if (r.is_cut)
            printf("... and more: these are the first %d that were found\n", INCIDENTS_MAX);
    } else if (code == CTL_OK && !print_number(&r, number)) {
        out_error("no incident %lld is in the journal; 'ephorctl report' lists them",
                  (long long)number);
        code = CTL_FAILED;
    }
    json_decref(r.status);
    json_decref(r.journal);
    return code;
}
