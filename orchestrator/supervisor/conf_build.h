/* From a merged and checked configuration to its two halves. */
#ifndef SUPERVISOR_CONF_BUILD_H
#define SUPERVISOR_CONF_BUILD_H

#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_doc.h"

struct conf {
    struct conf_arena arena;
    struct conf_doc doc;
    unsigned flags; /* CONF_ELSEWHERE */
    struct conf_local local;
    Ephor__Policy *policy; /* in the arena */
};

/* There must be no errors before. The policy, with every check of every target; tells an error if
 * it is too large. */
void conf_build_policy(struct conf_issues *issues, struct conf *conf);

/* The quorum's two numbers, by profile or as set. */
void conf_timing(const struct conf_doc *doc, uint32_t *election_ms, uint32_t *heartbeat_ms);

/* The local half. */
void conf_build_local(struct conf_issues *issues, struct conf *conf);

#endif
