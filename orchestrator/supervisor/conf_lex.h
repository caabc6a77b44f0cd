/* What libconfig would get wrong, or say badly, found before it reads the text. */
#ifndef SUPERVISOR_CONF_LEX_H
#define SUPERVISOR_CONF_LEX_H

#include "orchestrator/supervisor/conf_issues.h"

/* True if libconfig may read it. *long_string_line: the first string that goes over several lines
 * (perhaps its closing quote is missing), 0 = none. */
bool conf_lex(struct conf_issues *issues, const struct conf_file *file, const char *text,
              size_t size, uint32_t *long_string_line);

#endif
