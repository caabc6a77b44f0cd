/* What an answer to a check was like: from the observation to the cause that opinions carry. */
#ifndef CHECKS_CAUSE_H
#define CHECKS_CAUSE_H

#include "checks/check_ops.h"

Ephor__Cause cause_of(const struct observation *observation);

#endif
