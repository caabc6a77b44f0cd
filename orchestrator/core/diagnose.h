/* Diagnosis: what is wrong, in one word, from what all controllers see. Nothing is decided by it.
 *
 * The rules, in the order in which they are tried. "Lost" is an answer that is silent or
 * unreachable; only controllers that can see count.
 *
 * a controller
 *   it lagged, and only watches; its disk or another thing of its own       controller ill
 *   absent, or says itself that it sees nothing                             controller cut off
 *   more than half of its checks, on several nodes, are lost from it, and
 *   not from others                                                         controller cut off
 *   checks that cannot be asked from it, or whose names do not resolve
 *   there, while others ask them                                            controller ill
 * a check
 *   nobody who looks at it can see                                          controller cut off
 *   bad only from controllers of which one of the above is said             that
 *   bad from one, and good from others: lost, refused, broken or hung       path from one
 * controller good from some: lost from several, or partial loss                      node's network
 *   lost from all:  all parents of the node are down                        parent failed
 *                   one controller alone, and it loses all nodes            unknown
 *                   all of the node is lost from all, no SSH gets through   node dead
 *                   otherwise                                               node's network
 *   else what most of the bad answers were like: partial loss (node's network), name (name
 *   resolution), certificate, hung, slow, local (controller ill), wrong, refused or broken (service
 *   wrong); nothing of it known: unknown
 * a node
 *   lost from all                                                           as for its checks
 *   all lost from one controller                                            path from one
 * controller all lost from several, or some of its checks lost from everywhere       node's network
 *   else that of its worst check; then: its checks answer, but no SSH       service wrong
 * a member
 *   its node is dead, or a parent failed                                    that
 *   else that of its worst check
 * everything
 *   more than half of all nodes or services (and three at least) became critical within ten
 *   seconds, and no controller sees most of it otherwise                    many at once */
#ifndef CORE_DIAGNOSE_H
#define CORE_DIAGNOSE_H

#include "orchestrator/core/core.h"

struct diagnosis {
    enum diagnosis_kind kind;
    char evidence[LINE_SIZE]; /* who sees what: "c1 and c2: refused; c3: ok" */
    char next[LINE_SIZE];     /* what to do, one sentence; "" if nothing is wrong */
};

void core_diagnose_check(const struct core *core, int32_t check, struct diagnosis *diagnosis);
void core_diagnose_member(const struct core *core, int32_t member, struct diagnosis *diagnosis);
void core_diagnose_node(const struct core *core, int32_t node, struct diagnosis *diagnosis);
void core_diagnose_controller(const struct core *core, uint32_t seat, struct diagnosis *diagnosis);
void core_diagnose_all(const struct core *core, struct diagnosis *diagnosis);

/* At the end of a step: nodes that died or lost their parents, controllers that are cut off or ill,
 * many at once: told when it begins and when it ends. effects: NULL to tell nothing. */
void diagnose_tell(struct core *core, struct effects *effects);

#endif
