/* What would be done if: the rules played on a copy of the state. What fails stays failed, every
 * order that can be carried out is, after a plausible time; nothing else happens. Pure: the copy is
 * the caller's, and is changed. */
#ifndef CORE_FORECAST_H
#define CORE_FORECAST_H

#include "orchestrator/core/core.h"

enum forecast_kind {
    FORECAST_FAIL,        /* the service fails on this node; NONE: on its active one */
    FORECAST_DOWN,        /* the node is silent */
    FORECAST_STUCK,       /* commands on the node fail */
    FORECAST_MAINTENANCE, /* an operator takes the node away */
    FORECAST_FAILOVER,    /* an operator moves the service; NONE: to its best fit member */
};

struct forecast_wish {
    enum forecast_kind kind;
    int32_t service, node; /* NONE where the kind has none */
};

enum { FORECAST_WISHES_MAX = 8 };

struct forecast {
    struct forecast_wish wishes[FORECAST_WISHES_MAX];
    uint32_t count;
    bool restart_helps; /* what was restarted works again */
};

/* after_ms: since the beginning. line is borrowed. */
typedef void forecast_line_fn(void *data, int64_t after_ms, const struct journal_line *line);

/* Play until nothing happens any more, or a quarter of an hour is over. effects is scratch. False:
 * it did not come to an end. */
bool forecast_play(struct core *copy, const struct forecast *forecast, struct effects *effects,
                   forecast_line_fn *on_line, void *data);

#endif
