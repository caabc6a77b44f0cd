/* Threshold ranges of the plugin interface: [@]start:end. A value alerts when it is outside of
 * start to end (both inclusive), with '@' when it is inside. "N" is 0:N, "N:" has no end, "~" is
 * minus infinity; a trailing '%' is ignored. For plugins; needs nothing but the C library. */
#ifndef PLUGINS_RANGE_H
#define PLUGINS_RANGE_H

#include <stdbool.h>

struct range {
    double start, end; /* may be infinite */
    bool is_inverted;
};

/* False if it is not a range. */
bool range_parse(const char *text, struct range *range);

bool range_alerts(const struct range *range, double value);

#endif
