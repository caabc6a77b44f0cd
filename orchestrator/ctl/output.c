/* Words on the terminal. What others wrote (plugins, operators) must not drive the terminal. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/now.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void out_error(const char *fmt, ...)
{
    va_list ap;
    char text[ERR_TEXT_SIZE];
    fflush(stdout);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fputs("ephorctl: ", stderr);
    for (const char *s = text; *s != '\0'; s++)
        putc((unsigned char)*s < 0x20 ? ' ' : *s, stderr);
    putc('\n', stderr);
}

void out_text(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
        if (*s == '\n')
            fputs(" | ", stdout);
        else if (*s < 0x20 || *s == 0x7f)
            putchar(' ');
        else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) /* C1 controls in UTF-8 */
            s++, putchar('?');
        else
            putchar(*s);
    }
}

void out_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
}

/* ---------------------------------------------------------------- states */

static const struct {
    const char *state, *word, *colour, *escape;
} states[] = {{"ok", "\xe2\x97\x8f ok", "green", "\033[32m"},
              {"warning", "\xe2\x96\xb2 warning", "brown", "\033[33m"},
              {"critical", "\xe2\x96\xa0 critical", "red", "\033[31m"},
              {"unknown", "? unknown", "magenta", "\033[35m"}};

static size_t find_state(const char *state)
{
    size_t i = 0;
    while (i < 3 && strcmp(states[i].state, state) != 0)
        i++;
    return i;
}

const char *out_state_word(const char *state, char dst[32])
{
    text_copy(dst, 32, states[find_state(state)].word);
    return dst;
}

const char *out_state_colour(const char *state)
{
    return states[find_state(state)].colour;
}

void out_state(const struct ctl *ctl, const char *state)
{
    size_t i = find_state(state);
    printf("%s%s%s", ctl->has_colour ? states[i].escape : "", states[i].word,
           ctl->has_colour ? "\033[0m" : "");
}

/* ---------------------------------------------------------------- moments */

/* Seconds since the epoch of "2026-11-23T10:00:00.000Z"; -1 if it is not one. */
static time_t read_moment(const json_t *moment)
{
    struct tm tm = {0};
    const char *text = json_string_value(moment);
    if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return -1;
    return timegm(&tm);
}

const char *out_age(const json_t *moment, char dst[32])
{
    time_t at = read_moment(moment);
    if (at < 0)
        text_copy(dst, 32, "-");
    else
        text_from_age(dst, 32, now_wall_ms() - (int64_t)at * 1000);
    return dst;
}

/* ....-..-..T..:..:..[.mmm]Z */
int64_t out_moment_ms(const json_t *moment)
{
    const char *text = json_string_value(moment);
    time_t at = read_moment(moment);
    int64_t ms = 0;
    char digits[4] = "";
    if (text == NULL || at < 0)
        return 0;
    if (strlen(text) >= 24 && text[19] == '.')
        text_copy(digits, sizeof(digits), text + 20);
    text_parse_int(digits, 0, 999, &ms);
    return (int64_t)at * 1000 + ms;
}

const char *out_clock(const json_t *moment, char dst[32])
{
    time_t at = read_moment(moment);
    struct tm tm;
    text_copy(dst, 32, "-");
    if (at >= 0 && localtime_r(&at, &tm) != NULL)
        strftime(dst, 32, "%m-%d %H:%M:%S", &tm);
    return dst;
}

/* ---------------------------------------------------------------- JSON */

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

bool json_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *json_find(const json_t *array, const char *key, const char *value)
{
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element)
    {
        if (strcmp(json_text(element, key), value) == 0)
            return element;
    }
    return NULL;
}

/* ---------------------------------------------------------------- questions */

bool ask_yes(const struct ctl *ctl, const char *question)
{
    char answer[16] = "";
    if (ctl->says_yes)
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        out_error("there is no terminal to ask on; add --yes to go ahead");
        return false;
    }
    printf("%s [y/N] ", question);
    fflush(stdout);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}
