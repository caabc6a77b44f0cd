/* Every setting, one row each: the validator, the defaults, the dump, ephord --print-schema and
 * the test of ephor.conf(5) all read this one table. */
#ifndef SUPERVISOR_CONF_SCHEMA_H
#define SUPERVISOR_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
    CONF_TYPE_GROUP,
    CONF_TYPE_MAP,  /* a group of groups with names of the user's choice */
    CONF_TYPE_LIST, /* of groups */
    CONF_TYPE_BOOL,
    CONF_TYPE_INT,
    CONF_TYPE_DURATION,
    CONF_TYPE_CHOICE,
    CONF_TYPE_TEXT,
    CONF_TYPE_NAME,
    CONF_TYPE_PATH,
    CONF_TYPE_PATTERN,   /* of paths */
    CONF_TYPE_USER,      /* name or number of a user or group; "" where that has a meaning */
    CONF_TYPE_HOST,      /* host name or IP address */
    CONF_TYPE_ENDPOINT,  /* host:port */
    CONF_TYPE_LISTEN,    /* IP address:port */
    CONF_TYPE_ADDRESS,   /* IP address of a VIP */
    CONF_TYPE_INTERFACE, /* of the network */
    CONF_TYPE_STATUS,    /* "200" or "200-399" */
    CONF_TYPE_CANARY,
    CONF_TYPE_AGREE,
    CONF_TYPE_VANTAGE, /* a text, or an array of names */
    CONF_TYPE_OBSERVERS,
    CONF_TYPE_WORD,   /* of a command */
    CONF_TYPE_ARRAY,  /* of `element`s */
    CONF_TYPE_ACTION, /* a command, or a group of command and timeout */
};

enum {
    CONF_REQUIRED = 1,
    CONF_IN_DEFAULTS = 2, /* may stand in the group of `defaults` for this noun */
    CONF_HAS_MACROS = 4,
    CONF_NO_EMPTY = 8, /* text that must not be "" */
};

struct conf_row {
    const char *path; /* '*' stands for a name, "[]" for an element */
    enum conf_type type;
    enum conf_type element; /* CONF_TYPE_ARRAY */
    unsigned flags;
    int64_t min, max;     /* of the number, milliseconds, bytes of text, elements or entries */
    const char *choices;  /* "a|b|c" */
    const char *fallback; /* as libconfig text; NULL: none */
    const char *only;     /* the type of check that it belongs to; NULL: any */
    const char *like;     /* its settings are those of this path */
    const char *help;
};

extern const struct conf_row conf_rows[];
extern const size_t conf_row_count;

/* The row of the setting `name` in the group that `prefix` describes ("" or "checks.*"). */
const struct conf_row *conf_row_find(const char *prefix, const char *name);

/* If the row is a setting directly in that group: its name there; otherwise NULL. */
const char *conf_row_name(const struct conf_row *row, const char *prefix);

/* What the settings in this row's group, map entries or list elements have as prefix. */
enum { CONF_PREFIX_SIZE = 64 };
const char *conf_row_prefix(const struct conf_row *row, char prefix[CONF_PREFIX_SIZE]);

/* Position of text among the choices, -1: none. */
int conf_row_choice(const struct conf_row *row, const char *text);

/* "a duration such as \"10s\"" */
const char *conf_type_text(enum conf_type type);

#endif
