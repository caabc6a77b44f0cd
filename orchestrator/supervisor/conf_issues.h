/* What is wrong with a configuration: collected in any order, told sorted by place. */
#ifndef SUPERVISOR_CONF_ISSUES_H
#define SUPERVISOR_CONF_ISSUES_H

#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_value.h"

struct conf_issue {
    bool is_warning;
    const struct conf_file *file;
    uint32_t line; /* 0: the file as a whole */
    const char *text;
    struct conf_issue *next;
};

struct conf_issues {
    struct conf_arena *arena;
    struct conf_issue *first, *last;
    uint32_t errors, warnings;
};

/* An error that has no value yet: the text of a file cannot be read. */
void conf_issue_at(struct conf_issues *issues, const struct conf_file *file, uint32_t line,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* An error at a value, which becomes bad. With `name`, it is about that (missing) child of it. */
void conf_issue(struct conf_issues *issues, struct conf_value *value, const char *name,
                const char *fmt, ...) __attribute__((format(printf, 4, 5)));

void conf_warn(struct conf_issues *issues, const struct conf_value *value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Write them all to the report. */
void conf_issues_tell(const struct conf_issues *issues, struct conf_report *report);

#endif
