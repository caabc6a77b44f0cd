/* The forms that a text setting can have. */
#ifndef SUPERVISOR_CONF_FORMAT_H
#define SUPERVISOR_CONF_FORMAT_H

#include "orchestrator/core/limits.h"
#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_schema.h"

/* What is wrong with text as a value of this type, for behind "'text' "; NULL: nothing. */
const char *conf_format_flaw(enum conf_type type, const char *text);

/* "10.0.0.1:80", "[::1]:80" */
bool conf_format_listen(const char *text, struct conf_listen *listen);

/* An address of a VIP in its shortest form, without prefix length. */
bool conf_format_address(const char *text, char address[ADDRESS_SIZE]);

bool conf_format_is_ip(const char *text);

/* "none", "all" (OBSERVERS_MAX) or how many, 1 to OBSERVERS_MAX. */
bool conf_format_observers(const char *text, uint32_t *count);

/* "200": how many controllers and observers, all together. */
bool conf_format_lookers(const char *text, uint32_t *count);

/* "2": how many controllers, 1 to CONTROLLERS_MAX. */
bool conf_format_controllers(const char *text, uint32_t *count);

/* "200", "200-399" */
bool conf_format_status(const char *text, uint32_t *min, uint32_t *max);

#endif
