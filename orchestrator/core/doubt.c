#include "orchestrator/core/doubt.h"

#include "orchestrator/base/text.h"

bool doubt_sees(const struct outward *o, char reason[TEXT_SIZE])
{
    bool is_linked = o->peers > 0 && 2 * o->peers_up >= o->peers;
    reason[0] = '\0';
    if (o->silent_nodes == 0 || 2 * o->silent_nodes < o->nodes || o->canaries_up > 0)
        return true;
    if (o->canaries > 0)
        text_format(reason, TEXT_SIZE,
                    "it is cut off: %u of its %u nodes went silent, and no canary answers",
                    o->silent_nodes, o->nodes);
    else if (o->silent_nodes >= 2 && 2 * o->silent_nodes > o->nodes && !is_linked)
        text_format(reason, TEXT_SIZE,
                    "%u of its %u nodes went silent, and nothing tells that it is not cut off",
                    o->silent_nodes, o->nodes);
    return reason[0] == '\0';
}
