/* Why: the gates of the rules, written down by the functions that decide. */
#include "orchestrator/core/core.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/decide.h"

static void add_regrant(const struct core *core, const struct vip *vip, struct gates *gates)
{
    if (gates->count == EXPLANATIONS_MAX)
        return;
    struct explanation *e = &gates->list[gates->count++];
    e->rule = RULE_REGRANT;
    e->decides = false;
    text_format(e->text, sizeof(e->text), "%s is gone from %s; it is put back", vip->address,
                core_node(core, vip->holder)->name);
}

/* Rule 15 beside the others: an address that is not where it belongs. */
static void explain_vips(const struct core *core, int32_t service, struct gates *gates)
{
    for (int32_t i = 0; i < core_vip_count(core); i++) {
        const struct vip *vip = core_vip(core, i);
        if (vip->service == service && vip->phase == VIP_LOST)
            add_regrant(core, vip, gates);
    }
}

uint32_t core_explain(const struct core *core, int32_t service,
                      struct explanation explanations[EXPLANATIONS_MAX])
{
    struct gates gates = {.list = explanations};
    struct decision decision;
    decide_service(core, service, &gates, &decision);
    explain_vips(core, service, &gates);
    return gates.count;
}
