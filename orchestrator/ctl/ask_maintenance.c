/* ephorctl maintenance: take the services from a node, or give it back. */
#include "orchestrator/ctl/ctl.h"

int ask_maintenance(const struct ctl *ctl)
{
    json_t *body = json_pack("{s:s,s:b}", "node", ctl->operands[0], "on", !ctl->is_off);
    if (!ctl->is_off)
        ctl_add_span(ctl, body, MAINTENANCE_MS);
    if (ctl->reason != NULL)
        json_object_set_new(body, "reason", json_string(ctl->reason));
    return ctl_post(ctl, "/api/v1/maintenance", body, NULL);
}
