/* Text helpers. No locale, no allocation. */
#include "orchestrator/base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DISTANCE_MAX = 63, NAME_MAX_BYTES = 47 };

/* Move `end` back so that no UTF-8 sequence is cut in two. */
static size_t utf8_boundary(const char *text, size_t end)
{
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

bool text_copy(char *dst, size_t dst_size, const char *src)
{
    size_t size = strlen(src);
    bool fits = size < dst_size;
    if (!fits)
        size = utf8_boundary(src, dst_size - 1);
    memcpy(dst, src, size);
    dst[size] = '\0';
    return fits;
}

bool text_format(char *dst, size_t dst_size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(dst, dst_size, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < dst_size)
        return true;
    size_t end = dst_size - 1;
    while (end > 0 && ((unsigned char)dst[end - 1] & 0xc0) == 0x80)
        end--;
    if (end > 0 && ((unsigned char)dst[end - 1] & 0xc0) == 0xc0)
        end--;
    else
        end = dst_size - 1;
    dst[end] = '\0';
    return false;
}

/* Length of the valid UTF-8 sequence at s, or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

size_t text_sanitize(char *dst, size_t dst_size, const char *src, size_t src_size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const unsigned char *s = (const unsigned char *)src;
    size_t out = 0;
    for (size_t in = 0; in < src_size && s[in] != '\0';) {
        size_t n = utf8_sequence(s + in, src_size - in);
        const char *piece = n == 0 ? replacement : src + in;
        size_t piece_size = n == 0 ? 3 : n;
        if ((s[in] < 0x20 && s[in] != '\n' && s[in] != '\t') || s[in] == 0x7f)
            piece = " ";
        if (out + piece_size >= dst_size)
            break;
        memcpy(dst + out, piece, piece_size);
        out += piece_size;
        in += n == 0 ? 1 : n;
    }
    dst[out] = '\0';
    return out;
}

size_t text_distance(const char *a, const char *b)
{
    size_t row[DISTANCE_MAX + 1];
    size_t na = strnlen(a, DISTANCE_MAX);
    size_t nb = strnlen(b, DISTANCE_MAX);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", 1},          {"s", 1000},         {"m", 60 * 1000},     {"min", 60 * 1000},
    {"h", 3600 * 1000}, {"d", 86400 * 1000}, {"w", 604800 * 1000}, {NULL, 0}};

static const struct unit size_units[] = {{"", 1},          {"B", 1},           {"KB", 1000},
                                         {"MB", 1000000},  {"GB", 1000000000}, {"KiB", 1 << 10},
                                         {"MiB", 1 << 20}, {"GiB", 1 << 30},   {NULL, 0}};

/* One "<digits><unit>"; moves *text behind it. False if none, unknown, or too large. */
static bool parse_quantity(const char **text, const struct unit *units, int64_t *value)
{
    const char *s = *text;
    int64_t number = 0;
    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s); s++) {
        number = number * 10 + (*s - '0');
        if (number > (int64_t)1e15)
            return false;
    }
    const char *unit = s;
    while (isalpha((unsigned char)*s))
        s++;
    for (; units->name != NULL; units++) {
        if (strlen(units->name) == (size_t)(s - unit) &&
            memcmp(units->name, unit, (size_t)(s - unit)) == 0) {
            if (number > (INT64_MAX / 4) / units->factor)
                return false;
            *value = number * units->factor;
            *text = s;
            return true;
        }
    }
    return false;
}

bool text_parse_duration(const char *text, int64_t *ms)
{
    int64_t total = 0;
    do {
        int64_t part;
        if (!parse_quantity(&text, duration_units, &part))
            return false;
        total += part;
        if (total > INT64_MAX / 4)
            return false;
    } while (*text != '\0');
    *ms = total;
    return true;
}

const char *text_from_duration(char *dst, size_t dst_size, int64_t ms)
{
    static const struct unit down[] = {
        {"d", 86400 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
    for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++) {
        if ((ms != 0 && ms % down[i].factor == 0) || down[i].factor == 1) {
            text_format(dst, dst_size, "%lld%s", (long long)(ms / down[i].factor),
                        ms == 0 ? "s" : down[i].name);
            break;
        }
    }
    return dst;
}

const char *text_from_age(char *dst, size_t dst_size, int64_t ms)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;
    if (s < 120)
        text_format(dst, dst_size, "%llds", (long long)s);
    else if (s < 7200)
        text_format(dst, dst_size, "%lldm", (long long)(s / 60));
    else if (s < 172800)
        text_format(dst, dst_size, "%lldh", (long long)(s / 3600));
    else
        text_format(dst, dst_size, "%lldd", (long long)(s / 86400));
    return dst;
}

bool text_parse_size(const char *text, int64_t *bytes)
{
    return parse_quantity(&text, size_units, bytes) && *text == '\0';
}

bool text_parse_int(const char *text, int64_t min, int64_t max, int64_t *value)
{
    bool negative = *text == '-';
    if (negative)
        text++;
    if (!isdigit((unsigned char)*text))
        return false;
    int64_t number = 0;
    for (; isdigit((unsigned char)*text); text++) {
        if (number > (INT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (*text - '0');
    }
    if (negative)
        number = -number;
    if (*text != '\0' || number < min || number > max)
        return false;
    *value = number;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool text_parse_hex(const char *text, unsigned char *bytes, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool text_is_name(const char *text)
{
    if (!isalpha((unsigned char)*text) || strlen(text) > NAME_MAX_BYTES)
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
            return false;
    return true;
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *s = text; (s = strstr(s, word)) != NULL; s += size) {
        bool begins = s == text || (!isalnum((unsigned char)s[-1]) && s[-1] != '-' && s[-1] != '_');
        char next = s[size];
        if (begins && !isalnum((unsigned char)next) && next != '-' && next != '_')
            return true;
    }
    return false;
}
