/* What has to be worked out anew. A step looks only at what it changed: a check whose opinions
 * changed, its target, the service of that, and whatever's time has come. All of this is scratch,
 * no state: everything worked out anew gives the same (the explorer sees to that). */
#ifndef CORE_STALE_H
#define CORE_STALE_H

#include "orchestrator/core/core.h"

/* Make the lists of checks by target, of members by node, and of VIPs by service. */
void stale_link(struct core *core);

void stale_service(struct core *core, int32_t service); /* NONE is fine */
void stale_services(struct core *core);                 /* all */
void stale_node(struct core *core, int32_t node);       /* the services with members on it */

/* Services whose time has come. */
void stale_due(struct core *core);

#endif
