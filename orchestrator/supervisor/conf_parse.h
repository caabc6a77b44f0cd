/* One file as a tree of values. The only user of libconfig. */
#ifndef SUPERVISOR_CONF_PARSE_H
#define SUPERVISOR_CONF_PARSE_H

#include "orchestrator/supervisor/conf_issues.h"

/* The outermost group, or NULL after telling why not. file may be NULL for text of our own. */
struct conf_value *conf_parse(struct conf_issues *issues, const struct conf_file *file,
                              const char *text, size_t size);

#endif
