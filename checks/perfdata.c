/* The performance data parser. Numbers go through strtod only after their form was checked, so a
 * comma decimal, "nan" or "0x10" is a bad item and not a wrong number. LC_NUMERIC must be C. */
#include "checks/perfdata.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char field_ends[] = "; \t\r\n"; /* of a field; without the ';': of an item */

struct unit {
    const char *name;
    enum perfdata_kind kind;
    double scale;
};

/* K is 1000 and Ki is 1024, as in Icinga; some old plugins mean 1024 by KB. */
static const struct unit units[] = {
    {"s", PERFDATA_SECONDS, 1},      {"ms", PERFDATA_SECONDS, 1e-3},
    {"us", PERFDATA_SECONDS, 1e-6},  {"ns", PERFDATA_SECONDS, 1e-9},
    {"m", PERFDATA_SECONDS, 60},     {"h", PERFDATA_SECONDS, 3600},
    {"d", PERFDATA_SECONDS, 86400},  {"%", PERFDATA_RATIO, 0.01},
    {"c", PERFDATA_COUNTER, 1},      {"B", PERFDATA_BYTES, 1},
    {"KB", PERFDATA_BYTES, 1e3},     {"kB", PERFDATA_BYTES, 1e3},
    {"MB", PERFDATA_BYTES, 1e6},     {"GB", PERFDATA_BYTES, 1e9},
    {"TB", PERFDATA_BYTES, 1e12},    {"PB", PERFDATA_BYTES, 1e15},
    {"KiB", PERFDATA_BYTES, 0x1p10}, {"MiB", PERFDATA_BYTES, 0x1p20},
    {"GiB", PERFDATA_BYTES, 0x1p30}, {"TiB", PERFDATA_BYTES, 0x1p40},
    {"PiB", PERFDATA_BYTES, 0x1p50},
};

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* Length of the number at s, 0 if there is none. */
static size_t number_size(const char *s)
{
    size_t sign = *s == '+' || *s == '-' ? 1 : 0;
    size_t whole = digits(s + sign);
    size_t size = sign + whole;
    size_t fraction = 0;
    if (s[size] == '.') {
        fraction = digits(s + size + 1);
        size += 1 + fraction;
    }
    if (whole + fraction == 0)
        return 0;
    if (s[size] == 'e' || s[size] == 'E') {
        size_t exponent = 1 + (s[size + 1] == '+' || s[size + 1] == '-' ? 1U : 0U);
        size_t count = digits(s + size + exponent);
        if (count > 0)
            size += exponent + count;
    }
    return size;
}

static bool copy_part(char *dst, size_t dst_size, const char *src, size_t size)
{
    if (size >= dst_size)
        return false;
    memcpy(dst, src, size);
    dst[size] = '\0';
    return true;
}

/* Label and '=', quoted or not. Returns what is behind, or NULL. */
static const char *parse_label(const char *s, struct perfdata_item *item)
{
    size_t used = 0;
    if (*s != '\'') {
        size_t size = strcspn(s, " \t\r\n='|");
        if (size == 0 || s[size] != '=' || !copy_part(item->label, PERFDATA_LABEL_SIZE, s, size))
            return NULL;
        return s + size + 1;
    }
    for (s++; *s != '\0'; s++) {
        if (*s == '\'' && s[1] != '\'')
            break;
        if (*s == '\'')
            s++; /* two of them are one in the label */
        if (used + 1 >= PERFDATA_LABEL_SIZE)
            return NULL;
        item->label[used++] = *s;
    }
    item->label[used] = '\0';
    return used > 0 && s[0] == '\'' && s[1] == '=' ? s + 2 : NULL;
}

static void find_unit(struct perfdata_item *item)
{
    item->kind = PERFDATA_PLAIN;
    item->scale = 1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].name, item->unit) == 0) {
            item->kind = units[i].kind;
            item->scale = units[i].scale;
        }
    }
}

/* Value and unit. Returns what is behind (';', ' ' or the end), or NULL. */
static const char *parse_value(const char *s, struct perfdata_item *item)
{
    if (*s == 'U' && strchr(field_ends, s[1]) != NULL) { /* strchr finds the end, too */
        s++;
    } else {
        size_t size = number_size(s);
        if (size == 0)
            return NULL;
        item->value = strtod(s, NULL);
        item->has_value = isfinite(item->value);
        s += size;
    }
    size_t unit_size = strcspn(s, field_ends);
    if (strcspn(s, "0123456789,.=|'+-") < unit_size ||
        !copy_part(item->unit, PERFDATA_UNIT_SIZE, s, unit_size))
        return NULL;
    find_unit(item);
    return s + unit_size;
}

static bool parse_bound(const char *s, size_t size, double *value)
{
    if (size == 0 || number_size(s) != size)
        return false;
    *value = strtod(s, NULL);
    return isfinite(*value);
}

/* ";warn;crit;min;max;" as far as it goes; a field that makes no sense is left out. */
static const char *parse_fields(const char *s, struct perfdata_item *item)
{
    for (int field = 0; *s == ';'; field++) {
        size_t size = strcspn(++s, field_ends);
        if (field == 0)
            copy_part(item->warning, PERFDATA_RANGE_SIZE, s, size);
        else if (field == 1)
            copy_part(item->critical, PERFDATA_RANGE_SIZE, s, size);
        else if (field == 2)
            item->has_min = parse_bound(s, size, &item->min);
        else if (field == 3)
            item->has_max = parse_bound(s, size, &item->max);
        s += size;
    }
    return s;
}

bool perfdata_next(const char **cursor, struct perfdata_item *item)
{
    const char *s = *cursor;
    for (;;) {
        s += strspn(s, field_ends + 1);
        if (*s == '\0') {
            *cursor = s;
            return false;
        }
        *item = (struct perfdata_item){.label = ""};
        const char *end = parse_label(s, item);
        if (end != NULL)
            end = parse_value(end, item);
        if (end != NULL) {
            *cursor = parse_fields(end, item);
            return true;
        }
        s += strcspn(s, field_ends + 1);
    }
}
