/* What the values mean to each other, after merging. */
#ifndef SUPERVISOR_CONF_RULES_H
#define SUPERVISOR_CONF_RULES_H

#include "orchestrator/supervisor/conf_doc.h"

/* All rules. flags: CONF_ELSEWHERE. */
void conf_rules(struct conf_issues *issues, struct conf_doc *doc, unsigned flags);

/* Those of the checks alone (conf_rules_check.c). */
void conf_rules_checks(struct conf_issues *issues, struct conf_doc *doc, unsigned flags);

/* Those about files of this machine (conf_paths.c). */
void conf_rules_files(struct conf_issues *issues, struct conf_doc *doc);

/* The program of a plugin's command as an absolute path; NULL: not found, e says why. With
 * CONF_ELSEWHERE nothing is looked at. */
const char *conf_plugin_path(const struct conf_doc *doc, const struct conf_value *command,
                             unsigned flags, struct errbuf *e);

/* The settings with which a node is reached. */
struct conf_scope conf_scope_ssh(const struct conf_doc *doc, const struct conf_value *node);

bool conf_node_is_local(const struct conf_doc *doc, const struct conf_value *node);

#endif
