/* $ADDRESS$ and its kin in the words of checks. */
#ifndef SUPERVISOR_CONF_MACRO_H
#define SUPERVISOR_CONF_MACRO_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/supervisor/conf_issues.h"

struct conf_macros { /* NULL: has no meaning for this target */
    const char *address, *node, *service, *vip;
};

/* Tell what is wrong with the macros of value's text for checks of that scope. */
void conf_macro_check(struct conf_issues *issues, struct conf_value *value, Ephor__Scope scope);

/* The text of a value that was checked, with the macros replaced. */
char *conf_macro_expand(struct conf_arena *arena, const char *text,
                        const struct conf_macros *macros);

#endif
