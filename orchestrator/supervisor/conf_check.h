/* Is each value what its row of the schema says? */
#ifndef SUPERVISOR_CONF_CHECK_H
#define SUPERVISOR_CONF_CHECK_H

#include "orchestrator/supervisor/conf_doc.h"

/* One value. It may be rewritten: a duration gets its milliseconds as number, a number that is
 * meant as text (a user, a status) becomes a string. */
void conf_check_value(struct conf_issues *issues, const struct conf_row *row,
                      struct conf_value *value);

/* All of one file. What is missing is not looked for: it may be in another file. */
void conf_check_file(struct conf_issues *issues, struct conf_value *root);

/* Are the required settings there, after merging? */
void conf_check_required(struct conf_issues *issues, struct conf_doc *doc);

#endif
