/* What is wrong with a configuration. */
#include "orchestrator/supervisor/conf_issues.h"

#include "orchestrator/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ISSUE_SIZE = 640, /* of one line without its place */
    REPORT_MAX = 1 << 20,
    ISSUES_MAX = 200, /* told of each sort; nobody reads more in one go */
};

static void add(struct conf_issues *issues, bool is_warning, const struct conf_file *file,
                uint32_t line, const char *text)
{
    uint32_t *count = is_warning ? &issues->warnings : &issues->errors;
    if ((*count)++ >= ISSUES_MAX)
        return;
    struct conf_issue *issue = conf_arena_take(issues->arena, sizeof(*issue));
    issue->is_warning = is_warning;
    issue->file = file;
    issue->line = line;
    issue->text = conf_arena_text(issues->arena, text);
    if (issues->last == NULL)
        issues->first = issue;
    else
        issues->last->next = issue;
    issues->last = issue;
}

/* "path.name: message" */
static void add_at_value(struct conf_issues *issues, bool is_warning,
                         const struct conf_value *value, const char *name, const char *fmt,
                         va_list ap)
{
    char path[CONF_PATH_SIZE];
    char message[ISSUE_SIZE];
    char text[ISSUE_SIZE + CONF_PATH_SIZE];
    vsnprintf(message, sizeof(message), fmt, ap);
    conf_value_path(value, path);
    text_format(text, sizeof(text), "%s%s%s: %s", path, path[0] != '\0' && name != NULL ? "." : "",
                name == NULL ? "" : name, message);
    add(issues, is_warning, value->file, value->line, text);
}

void conf_issue_at(struct conf_issues *issues, const struct conf_file *file, uint32_t line,
                   const char *fmt, ...)
{
    char text[ISSUE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    add(issues, false, file, line, text);
}

void conf_issue(struct conf_issues *issues, struct conf_value *value, const char *name,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_at_value(issues, false, value, name, fmt, ap);
    va_end(ap);
    conf_value_mark_bad(value);
}

void conf_warn(struct conf_issues *issues, const struct conf_value *value, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_at_value(issues, true, value, NULL, fmt, ap);
    va_end(ap);
}

static int by_place(const void *a, const void *b)
{
    const struct conf_issue *x = *(const struct conf_issue *const *)a;
    const struct conf_issue *y = *(const struct conf_issue *const *)b;
    uint32_t x_order = x->file == NULL ? 0 : x->file->order;
    uint32_t y_order = y->file == NULL ? 0 : y->file->order;
    if (x_order != y_order)
        return x_order < y_order ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return strcmp(x->text, y->text);
}

static void tell(const struct conf_issue *issue, struct buf *out)
{
    if (issue->file != NULL)
        buf_format(out, "%s:", issue->file->name);
    if (issue->file != NULL && issue->line > 0)
        buf_format(out, "%u:", issue->line);
    buf_format(out, "%s%s%s\n", issue->file == NULL ? "" : " ",
               issue->is_warning ? "warning: " : "", issue->text);
}

void conf_issues_tell(const struct conf_issues *issues, struct conf_report *report)
{
    const struct conf_issue *sorted[2 * ISSUES_MAX];
    size_t count = 0;
    for (const struct conf_issue *i = issues->first; i != NULL; i = i->next)
        sorted[count++] = i;
    /* cppcheck-suppress uninitvar ; the first `count` of them were set above */
    qsort(sorted, count, sizeof(sorted[0]), by_place);
    for (size_t i = 0; i < count; i++)
        tell(sorted[i], sorted[i]->is_warning ? &report->warnings : &report->errors);
    if (issues->errors > ISSUES_MAX)
        buf_format(&report->errors, "and %u more errors\n", issues->errors - ISSUES_MAX);
    if (issues->warnings > ISSUES_MAX)
        buf_format(&report->warnings, "and %u more warnings\n", issues->warnings - ISSUES_MAX);
    report->error_count += issues->errors;
    report->warning_count += issues->warnings;
}

void conf_report_init(struct conf_report *report)
{
    *report = (struct conf_report){.error_count = 0};
    buf_init(&report->errors, REPORT_MAX);
    buf_init(&report->warnings, REPORT_MAX);
}

void conf_report_close(struct conf_report *report)
{
    buf_close(&report->errors);
    buf_close(&report->warnings);
}
