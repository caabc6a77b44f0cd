/* The log sink. A line is built in one buffer and written by one write(2), so that lines of
 * several processes never mix. Control characters become spaces: a line stays a line. */
#include "orchestrator/base/log.h"

#include "orchestrator/base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static struct {
    char role[16];
    enum log_level level;
    bool under_journal;
} sink = {.role = "ephor", .level = LOG_LEVEL_INFO};

void log_init(const char *role, enum log_level level)
{
    text_copy(sink.role, sizeof(sink.role), role);
    sink.level = level;
    sink.under_journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_level_parse(const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return -1;
}

static size_t write_prefix(char *line, size_t size, enum log_level level)
{
    static const char *const words[] = {"error  ", "warning", "info   ", "debug  "};
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    if (sink.under_journal)
        return (size_t)snprintf(line, size, "%s", priorities[level]);
    struct timespec now;
    struct tm tm;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    return (size_t)snprintf(line, size, "%s.%03ldZ %s ", date, now.tv_nsec / 1000000, words[level]);
}

static void write_line(enum log_level level, const char *event, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void write_line(enum log_level level, const char *event, const char *fmt, va_list ap)
{
    if (level > sink.level)
        return;
    char text[LINE_SIZE - 128];
    char line[LINE_SIZE];
    vsnprintf(text, sizeof(text), fmt, ap);
    size_t used = write_prefix(line, sizeof(line), level);
    used += (size_t)snprintf(line + used, sizeof(line) - used, "%s: %s: ", sink.role, event);
    used += text_sanitize(line + used, sizeof(line) - used - 1, text, strlen(text));
    for (size_t i = 0; i < used; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored; /* nowhere left to complain */
}

#define LOG_FUNCTION(name, level)                      \
    void name(const char *event, const char *fmt, ...) \
    {                                                  \
        va_list ap;                                    \
        va_start(ap, fmt);                             \
        write_line(level, event, fmt, ap);             \
        va_end(ap);                                    \
    }
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
