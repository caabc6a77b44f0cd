/* What is different between two policies, in the words of ephor.conf(5). */
#ifndef PROTO_POLICY_DIFF_H
#define PROTO_POLICY_DIFF_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stddef.h>
#include <stdint.h>

enum policy_change_kind { POLICY_ADDED, POLICY_REMOVED, POLICY_CHANGED };

struct policy_change { /* all borrowed, for the time of the call */
    enum policy_change_kind kind;
    const char *object;                /* "services.web"; "" = the policy as a whole */
    const char *setting;               /* POLICY_CHANGED: "hold_down" */
    const char *old_value, *new_value; /* as the file says it; NULL: not there */
    const char *example; /* the values are those of this check; NULL: they hold everywhere */
    uint32_t count;      /* so many checks change likewise */
};

typedef void policy_change_fn(void *data, const struct policy_change *change);

/* Tell every change from old to fresh, both valid (policy_validate). old may be NULL: all is new.
 * Telling nothing means that their packed bytes are the same. 0 or ERR_NOMEM. */
int policy_diff(const Ephor__Policy *old, const Ephor__Policy *fresh, policy_change_fn *tell,
                void *data);

/* The changes in one line: "services.web.hold_down, +services.db, and 3 more". */
void policy_diff_line(const Ephor__Policy *old, const Ephor__Policy *fresh, char line[LINE_SIZE]);

#endif
