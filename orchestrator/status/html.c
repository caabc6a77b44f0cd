/* Escaping. What plugins print is hostile until shown otherwise. */
#include "orchestrator/status/html.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

enum { CHUNK = 256 };

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void append_clean(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "&<>\"'");
        buf_append(out, text, plain);
        text += plain;
        if (*text != '\0')
            buf_text(out, entity(*text++));
    }
}

void html_text(struct buf *out, const char *text)
{
    char clean[3 * CHUNK + 4]; /* each bad byte becomes three */
    while (*text != '\0') {
        size_t take = strnlen(text, CHUNK);
        if (text[take] != '\0')
            for (size_t back = 0; back < 3 && ((unsigned char)text[take] & 0xc0) == 0x80; back++)
                take--;
        text_sanitize(clean, sizeof(clean), text, take);
        append_clean(out, clean);
        text += take;
    }
}

void html_format(struct buf *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    while (*fmt != '\0') {
        size_t plain = strcspn(fmt, "%");
        buf_append(out, fmt, plain);
        fmt += plain;
        if (*fmt == '\0')
            break;
        fmt++;
        if (*fmt == 's')
            html_text(out, va_arg(ap, const char *));
        else if (*fmt == 'd')
            buf_format(out, "%d", va_arg(ap, int));
        else if (*fmt == 'u')
            buf_format(out, "%u", va_arg(ap, unsigned));
        else if (strncmp(fmt, "lld", 3) == 0 || strncmp(fmt, "llu", 3) == 0)
            buf_format(out, fmt[2] == 'd' ? "%lld" : "%llu", va_arg(ap, long long));
        else if (*fmt == '%')
            buf_text(out, "%");
        else
            NEVER("a conversion that html_format does not know");
        fmt += *fmt == 'l' ? 3 : 1;
    }
    va_end(ap);
}

void html_path(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        if (isalnum((unsigned char)*name) || strchr("-_.~", *name) != NULL)
            buf_append(out, name, 1);
        else
            buf_format(out, "%%%02X", (unsigned)(unsigned char)*name);
    }
}

void html_time(struct buf *out, const struct view *view, int64_t wall_ms)
{
    char iso[40], age[32];
    if (wall_ms <= 0) {
        buf_text(out, "never");
        return;
    }
    view_iso_time(wall_ms, iso);
    html_format(out, "<time datetime=\"%s\" title=\"%s\">%s</time>", iso, iso,
                view->is_patch ? "now"
                               : text_from_age(age, sizeof(age), view->now_wall_ms - wall_ms));
}

void html_until(struct buf *out, const struct view *view, int64_t until_ms)
{
    char iso[40], text[32];
    if (until_ms <= 0 || view_iso_time(view_wall_ms(view, until_ms), iso)[0] == '\0')
        return;
    text_format(text, sizeof(text), "%.10s %.8s UTC", iso, iso + 11);
    html_format(out, ", until <time datetime=\"%s\">%s</time>", iso, text);
}

const char *html_state_shape(enum state state)
{
    static const char *const shapes[] = {"\xe2\x97\x8f", "\xe2\x96\xb2", "\xe2\x96\xa0", "?"};
    return shapes[state & 3];
}

void html_state(struct buf *out, enum state state)
{
    html_format(out, "<span class=\"state %s\"><i aria-hidden=\"true\">%s</i> %s</span>",
                state_name(state), html_state_shape(state), state_name(state));
}
