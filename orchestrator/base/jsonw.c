/* A streaming JSON writer. */
#include "orchestrator/base/jsonw.h"

#include "orchestrator/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){.out = out};
}

static void write_string(struct buf *out, const char *value)
{
    buf_text(out, "\"");
    while (*value != '\0') {
        char clean[256];
        size_t take = strnlen(value, 64);
        if (value[take] != '\0')
            while (take > 1 && ((unsigned char)value[take] & 0xc0) == 0x80)
                take--;
        text_sanitize(clean, sizeof(clean), value, take);
        value += take;
        for (const char *s = clean; *s != '\0'; s++) {
            if (*s == '"' || *s == '\\')
                buf_format(out, "\\%c", *s);
            else if (*s == '\n')
                buf_text(out, "\\n");
            else if (*s == '\t')
                buf_text(out, "\\t");
            else
                buf_append(out, s, 1);
        }
    }
    buf_text(out, "\"");
}

static void begin_value(struct jsonw *w, const char *key)
{
    if (w->comma)
        buf_text(w->out, ",");
    if (key != NULL) {
        write_string(w->out, key);
        buf_text(w->out, ":");
    }
    w->comma = true;
}

void jsonw_object(struct jsonw *w, const char *key)
{
    begin_value(w, key);
    buf_text(w->out, "{");
    w->comma = false;
}

void jsonw_object_end(struct jsonw *w)
{
    buf_text(w->out, "}");
    w->comma = true;
}

void jsonw_array(struct jsonw *w, const char *key)
{
    begin_value(w, key);
    buf_text(w->out, "[");
    w->comma = false;
}

void jsonw_array_end(struct jsonw *w)
{
    buf_text(w->out, "]");
    w->comma = true;
}

void jsonw_text(struct jsonw *w, const char *key, const char *value)
{
    begin_value(w, key);
    if (value == NULL)
        buf_text(w->out, "null");
    else
        write_string(w->out, value);
}

void jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
    begin_value(w, key);
    buf_format(w->out, "%" PRId64, value);
}

void jsonw_double(struct jsonw *w, const char *key, double value)
{
    begin_value(w, key);
    if (isfinite(value))
        buf_format(w->out, "%.6g", value);
    else
        buf_text(w->out, "null");
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
    begin_value(w, key);
    buf_text(w->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *key)
{
    begin_value(w, key);
    buf_text(w->out, "null");
}
