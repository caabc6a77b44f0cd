/* The files of one configuration, read and merged. */
#ifndef SUPERVISOR_CONF_LOAD_H
#define SUPERVISOR_CONF_LOAD_H

#include "orchestrator/supervisor/conf_doc.h"

/* Read path and what it includes into doc, each file checked by itself. */
void conf_load_files(struct conf_issues *issues, struct conf_doc *doc, const char *path);

#endif
