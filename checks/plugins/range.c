/* Threshold ranges. */
#include "checks/plugins/range.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* A number at *text, which moves behind it and an optional '%'. */
static bool take_number(const char **text, double *value)
{
    char *end;
    if (!isdigit((unsigned char)**text) && **text != '-' && **text != '+' && **text != '.')
        return false; /* strtod would take blanks, "inf" and "nan", too */
    *value = strtod(*text, &end);
    if (end == *text || !isfinite(*value))
        return false;
    *text = *end == '%' ? end + 1 : end;
    return true;
}

bool range_parse(const char *text, struct range *range)
{
    *range = (struct range){.start = 0, .end = INFINITY};
    if (*text == '@') {
        range->is_inverted = true;
        text++;
    }
    if (*text == '~' && text[1] == ':') {
        range->start = -INFINITY;
        text++;
    } else if (*text != ':') {
        double number;
        if (!take_number(&text, &number))
            return false;
        if (*text == '\0') {
            range->end = number;
            return number >= 0;
        }
        range->start = number;
    }
    if (*text != ':')
        return false;
    text++;
    if (*text != '\0' && !take_number(&text, &range->end))
        return false;
    return *text == '\0' && range->start <= range->end;
}

bool range_alerts(const struct range *range, double value)
{
    bool is_inside = value >= range->start && value <= range->end;
    return range->is_inverted ? is_inside : !is_inside;
}
