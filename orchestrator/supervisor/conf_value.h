/* The configuration as a tree of values, each with the file and line it came from, merged from all
 * files. Everything lives in one arena and dies with it. The tree knows no settings; what a value
 * means is in conf_schema.h. */
#ifndef SUPERVISOR_CONF_VALUE_H
#define SUPERVISOR_CONF_VALUE_H

#include "orchestrator/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONF_FILES_MAX = 256,  /* read in one load */
    CONF_PATH_SIZE = 256,  /* "services.web.members[1].node", longer ones are cut */
    CONF_QUOTE_SIZE = 100, /* of a value repeated in a message */
};

struct conf_arena {
    struct conf_block *blocks;
};

/* Zeroed memory, aligned for anything. Never NULL: libconfig does not survive a lack of memory
 * either, so that reading a configuration without any could not be told apart. */
void *conf_arena_take(struct conf_arena *arena, size_t size);
char *conf_arena_text(struct conf_arena *arena, const char *text);
char *conf_arena_format(struct conf_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void conf_arena_close(struct conf_arena *arena);

struct conf_file {
    const char *name;      /* as messages show it */
    const char *directory; /* relative paths in the file start here; absolute where it is known */
    uint32_t order;        /* of reading */
};

enum conf_kind {
    CONF_BOOL,
    CONF_INT,
    CONF_FLOAT,
    CONF_STRING,
    CONF_ARRAY,
    CONF_LIST,
    CONF_GROUP,
};

struct conf_value {
    enum conf_kind kind;
    bool is_bad;                  /* told already, not to be used */
    const char *name;             /* NULL in arrays and lists */
    const struct conf_file *file; /* NULL: a default of the schema */
    uint32_t line;
    int64_t number; /* CONF_BOOL, CONF_INT */
    double real;    /* CONF_FLOAT */
    const char *text;
    struct conf_value *parent, *next, *first, *last;
    uint32_t count; /* of children */
    uint32_t order; /* among those of the parent, from 0 */
};

struct conf_value *conf_value_new(struct conf_arena *arena, enum conf_kind kind, const char *name,
                                  const struct conf_file *file, uint32_t line);
void conf_value_append(struct conf_value *parent, struct conf_value *child);

/* The child of that name, bad or not; NULL if none or if value is NULL or no group. */
struct conf_value *conf_value_child(const struct conf_value *value, const char *name);

bool conf_value_is_sequence(const struct conf_value *value); /* array or list */

/* Mark it and all above it. */
void conf_value_mark_bad(struct conf_value *value);

/* "services.web.members[1].node" */
const char *conf_value_path(const struct conf_value *value, char path[CONF_PATH_SIZE]);

/* The value as a message quotes it: one line, short, printable. */
const char *conf_value_quote(const struct conf_value *value, char quote[CONF_QUOTE_SIZE]);
const char *conf_text_quote(const char *text, char quote[CONF_QUOTE_SIZE]);

/* The name among `names` that was perhaps meant: ", did you mean 'x'?" or "". */
struct conf_guess {
    const char *wanted;
    const char *best;
    size_t distance;
};
void conf_guess_init(struct conf_guess *guess, const char *wanted);
void conf_guess_try(struct conf_guess *guess, const char *name);
const char *conf_guess_text(const struct conf_guess *guess, char text[CONF_QUOTE_SIZE]);

#endif
