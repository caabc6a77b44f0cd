/* ephorctl why --at: what was known and decided at a moment of the past, as the journal tells it:
 * of each thing the last word before it. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/now.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 64, DAY_MS = 24 * 3600 * 1000 };

/* "10m" or "10m ago"; "HH:MM[:SS]" of the last 24 hours; "YYYY-MM-DD HH:MM[:SS]", with a T between
 * and a Z behind it in UTC. */
static bool read_time(const char *text, int64_t *wall_ms)
{
    static const char *const days[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S",
                                       "%Y-%m-%dT%H:%M"};
    static const char *const hours[] = {"%H:%M:%S", "%H:%M"};
    int64_t now_ms = now_wall_ms(), ago_ms;
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    char span[32];
    text_copy(span, sizeof(span), text);
    span[strcspn(span, " ")] = '\0';
    if (text_parse_duration(span, &ago_ms)) {
        *wall_ms = now_ms - ago_ms;
        return true;
    }
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        tm = (struct tm){.tm_isdst = -1};
        const char *rest = strptime(text, days[i], &tm);
        bool is_utc = rest != NULL && strcmp(rest, "Z") == 0;
        if (rest == NULL || (rest[0] != '\0' && !is_utc))
            continue;
        *wall_ms = (int64_t)(is_utc ? timegm(&tm) : mktime(&tm)) * 1000;
        return true;
    }
    for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
        localtime_r(&now, &tm);
        tm.tm_sec = 0;
        const char *rest = strptime(text, hours[i], &tm);
        if (rest == NULL || rest[0] != '\0')
            continue;
        *wall_ms = (int64_t)mktime(&tm) * 1000;
        if (*wall_ms > now_ms)
            *wall_ms -= DAY_MS;
        return true;
    }
    return false;
}

struct words { /* the last ones, oldest first */
    const json_t *lines[WORDS_MAX];
    size_t count;
};

static bool is_same_matter(const json_t *a, const json_t *b)
{
    return strcmp(json_text(a, "event"), json_text(b, "event")) == 0 &&
           strcmp(json_text(a, "object"), json_text(b, "object")) == 0;
}

/* A newer word about the same goes behind all others, and the old one goes. */
static void take(struct words *words, const json_t *line)
{
    size_t at = 0;
    while (at < words->count && !is_same_matter(words->lines[at], line))
        at++;
    if (at == words->count && words->count == WORDS_MAX)
        at = 0;
    if (at < words->count) {
        memmove(&words->lines[at], &words->lines[at + 1],
                (words->count - at - 1) * sizeof(words->lines[0]));
        words->count--;
    }
    words->lines[words->count++] = line;
}

/* What it concerns: it, who led, and what held everything. */
static bool concerns(const json_t *line, const json_t *status, const char *name)
{
    const char *text = json_text(line, "text");
    bool is_switch = line_is_of(line, "operator") &&
                     (strstr(text, "pause") != NULL || strstr(text, "resumed") != NULL ||
                      strstr(text, name) != NULL);
    return is_switch || line_is_of(line, "leader") || line_is_of(line, "freeze") ||
           line_is_about(line, status, name);
}

static void print_words(const char *name, int64_t at_ms, const struct words *words,
                        const json_t *oldest)
{
    time_t at = (time_t)(at_ms / 1000);
    struct tm tm;
    char clock[32] = "";
    if (localtime_r(&at, &tm) != NULL)
        strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s at %s: the last word of each thing before it\n\n", name, clock);
    for (size_t i = 0; i < words->count; i++) {
        printf("%s  %-9s  ", out_clock(json_object_get(words->lines[i], "at"), clock),
               json_text(words->lines[i], "event"));
        out_text(json_text(words->lines[i], "object"));
        fputs(": ", stdout);
        out_text(json_text(words->lines[i], "text"));
        putchar('\n');
    }
    if (words->count == 0)
        printf("the journal has nothing about it that is so old; it begins at %s\n",
               oldest == NULL ? "no time" : out_clock(json_object_get(oldest, "at"), clock));
}

int show_why_at(const struct ctl *ctl)
{
    const char *name = ctl->operands[0];
    struct words words = {.count = 0};
    int64_t at_ms;
    json_t *status, *journal;
    size_t i;
    const json_t *line;
    if (!read_time(ctl->at, &at_ms)) {
        out_error(
            "'%s' is not a time: write 03:12, \"2026-11-23 03:12:05\", or 10m for ten minutes ago",
            ctl->at);
        return CTL_USAGE;
    }
    int code = ctl_get_past(ctl, &status, &journal);
    const json_t *lines = json_object_get(journal, "lines");
    json_t *told = json_array();
    json_array_foreach(lines, i, line) if (out_moment_ms(json_object_get(line, "at")) <= at_ms &&
                                           concerns(line, status, name)) take(&words, line);
    for (i = 0; ctl->is_json && i < words.count; i++)
        json_array_append(told, (json_t *)(uintptr_t)words.lines[i]);
    if (code == CTL_OK && ctl->is_json)
        out_json(told);
    else if (code == CTL_OK)
        print_words(name, at_ms, &words, json_array_get(lines, 0));
    json_decref(told);
    json_decref(status);
    json_decref(journal);
    return code;
}
