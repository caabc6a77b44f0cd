/* The words of a diagnosis: evidence and next step. */
#ifndef CORE_DIAGNOSE_TEXT_H
#define CORE_DIAGNOSE_TEXT_H

#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/survey.h"

/* Add text at the end, cut to LINE_SIZE. */
void diagnose_add(char line[LINE_SIZE], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "c1, c2 and c3" */
void diagnose_add_seats(const struct core *core, uint32_t seats, char line[LINE_SIZE]);

/* "c1 and c2: refused; c3: ok" */
void diagnose_write_sight(const struct core *core, const struct sight *sight, char line[LINE_SIZE]);

/* "; observers: 3 of 200 say critical, 197 ok" */
void diagnose_add_census(const struct census *census, char line[LINE_SIZE]);

/* What to do about it. check, node: NONE; seat: 0 where it concerns none. */
struct concern {
    int32_t check, node;
    uint32_t seat;
    enum cause cause;
};
void diagnose_write_next(const struct core *core, enum diagnosis_kind kind,
                         const struct concern *concern, char next[LINE_SIZE]);

#endif
