/* All files of one configuration, merged, with the defaults of the schema; and how the value of a
 * setting is found in it: its own, or that of `defaults`, or the schema's. */
#ifndef SUPERVISOR_CONF_DOC_H
#define SUPERVISOR_CONF_DOC_H

#include "orchestrator/supervisor/conf_issues.h"
#include "orchestrator/supervisor/conf_schema.h"

struct conf_doc {
    struct conf_arena *arena;
    const struct conf_file *files[CONF_FILES_MAX];
    uint32_t file_count;
    struct conf_value *root;       /* of all files */
    struct conf_value **fallbacks; /* by row; NULL: that row has none */
    bool is_partial;               /* something could not be read */
};

/* Fill doc->fallbacks. */
void conf_doc_init(struct conf_doc *doc, struct conf_arena *arena);

/* Where settings are looked up. */
struct conf_scope {
    const struct conf_doc *doc;
    const char *prefix;             /* of the schema: "checks.*" */
    const struct conf_value *own;   /* the group; NULL: none */
    const struct conf_value *other; /* the group to look in next; NULL: none */
};

struct conf_scope conf_scope_top(const struct conf_doc *doc, const char *group);
struct conf_scope conf_scope_of(const struct conf_doc *doc, const char *prefix,
                                const struct conf_value *own); /* with its `defaults` */

/* The value in force, or NULL: none, or a bad one. */
struct conf_value *conf_setting(const struct conf_scope *scope, const char *name);

/* The same, of a setting whose type is known and which has a value: by a default of the schema,
 * because it is required, or else 0, false or "". */
int64_t conf_setting_number(const struct conf_scope *scope, const char *name);
uint32_t conf_setting_u32(const struct conf_scope *scope, const char *name);
bool conf_setting_bool(const struct conf_scope *scope, const char *name);
const char *conf_setting_text(const struct conf_scope *scope, const char *name);
int conf_setting_choice(const struct conf_scope *scope, const char *name);

/* Relative to the directory of the file that says so; "" stays "". Lives in the arena. */
const char *conf_value_absolute(struct conf_arena *arena, const struct conf_value *value);
const char *conf_setting_path(const struct conf_scope *scope, const char *name);

/* The child groups of root.map, NULL if there is no such (good) map. */
struct conf_value *conf_doc_map(const struct conf_doc *doc, const char *map);

/* A walk over the children of value (may be NULL) that are groups. */
struct conf_value *conf_next_group(struct conf_value *child);
#define CONF_EACH_GROUP(child, value)                                                            \
    for (struct conf_value * (child) = conf_next_group((value) == NULL ? NULL : (value)->first); \
         (child) != NULL; (child) = conf_next_group((child)->next))

/* Likewise over the texts of an array. */
struct conf_value *conf_next_text(struct conf_value *child);
#define CONF_EACH_TEXT(child, value)                                                            \
    for (struct conf_value * (child) = conf_next_text((value) == NULL ? NULL : (value)->first); \
         (child) != NULL; (child) = conf_next_text((child)->next))

#endif
