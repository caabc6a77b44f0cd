#include "checks/cause.h"

#include <string.h>

Ephor__Cause cause_of(const struct observation *o)
{
    static const struct {
        const char *reason;
        Ephor__Cause cause;
    } causes[] = {
        {"refused", EPHOR__CAUSE__CAUSE_REFUSED}, {"timeout", EPHOR__CAUSE__CAUSE_SILENT},
        {"hung", EPHOR__CAUSE__CAUSE_HUNG},       {"unreachable", EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {"closed", EPHOR__CAUSE__CAUSE_BROKEN},   {"slow", EPHOR__CAUSE__CAUSE_SLOW},
        {"resolve", EPHOR__CAUSE__CAUSE_NAME},    {"certificate", EPHOR__CAUSE__CAUSE_CERTIFICATE},
    };
    if (o->state == EPHOR__STATE__STATE_OK)
        return EPHOR__CAUSE__CAUSE_NONE;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (strcmp(o->reason, causes[i].reason) == 0)
            return causes[i].cause;
    return o->state == EPHOR__STATE__STATE_UNKNOWN && o->reason[0] != '\0'
               ? EPHOR__CAUSE__CAUSE_LOCAL
               : EPHOR__CAUSE__CAUSE_WRONG;
}
