/* ephorctl cluster remove, promote, transfer: change who is in the cluster, and who leads it. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static int post(const struct ctl *ctl, const char *path, const char *name)
{
    json_t *body = json_object();
    if (name != NULL)
        json_object_set_new(body, "name", json_string(name));
    if (ctl->reason != NULL)
        json_object_set_new(body, "reason", json_string(ctl->reason));
    return ctl_post(ctl, path, body, NULL);
}

int ask_cluster_remove(const struct ctl *ctl)
{
    if (!ctl->is_json)
        printf("%s will be no part of the cluster any more; its disk is not touched.\n"
               "To come back it has to be added anew, with an empty state directory.\n",
               ctl->operands[1]);
    if (!ask_yes(ctl, "Remove it?"))
        return CTL_FAILED;
    return post(ctl, "/api/v1/cluster/remove", ctl->operands[1]);
}

int ask_cluster_promote(const struct ctl *ctl)
{
    return post(ctl, "/api/v1/cluster/promote", ctl->operands[1]);
}

int ask_cluster_transfer(const struct ctl *ctl)
{
    return post(ctl, "/api/v1/cluster/transfer", ctl->operand_count > 1 ? ctl->operands[1] : NULL);
}
