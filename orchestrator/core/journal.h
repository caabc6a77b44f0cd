/* Writing journal lines into the effects of a step. */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "orchestrator/core/core.h"

/* effects may be NULL: nothing is written. */
void journal_add(struct effects *effects, enum severity severity, enum event event,
                 const char *object, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

void journal_reply(struct effects *effects, bool is_accepted, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "web on n1" for a member; dst of at least ID_SIZE bytes. */
const char *journal_member(const struct core *core, int32_t member, char *dst);

#endif
