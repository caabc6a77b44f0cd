/* Performance data: 'label'=value[UOM];[warn];[crit];[min];[max], separated by spaces. One bad item
 * does not spoil its neighbours. Allocates nothing, knows no locale. Used by the status process for
 * metrics, and by checks to write their own. */
#ifndef CHECKS_PERFDATA_H
#define CHECKS_PERFDATA_H

#include <stdbool.h>
#include <stddef.h>

enum { PERFDATA_LABEL_SIZE = 128, PERFDATA_UNIT_SIZE = 16, PERFDATA_RANGE_SIZE = 64 };

enum perfdata_kind { /* what the unit means; values are as written, see scale */
                     PERFDATA_PLAIN,
                     PERFDATA_SECONDS,
                     PERFDATA_RATIO, /* written in percent */
                     PERFDATA_BYTES,
                     PERFDATA_COUNTER,
};

struct perfdata_item {
    char label[PERFDATA_LABEL_SIZE]; /* unquoted */
    char unit[PERFDATA_UNIT_SIZE];   /* as written */
    enum perfdata_kind kind;
    double scale;   /* value * scale is in base units: seconds, ratio, bytes, or as written */
    bool has_value; /* false: written as U, unknown */
    double value;
    char warning[PERFDATA_RANGE_SIZE]; /* ranges as written, "" = none */
    char critical[PERFDATA_RANGE_SIZE];
    bool has_min, has_max;
    double min, max;
};

/* The next good item from *cursor on, which moves behind it. False at the end. */
bool perfdata_next(const char **cursor, struct perfdata_item *item);

#endif
