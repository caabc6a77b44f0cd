/* The merged files, and how the value of a setting is found. */
#include "orchestrator/supervisor/conf_doc.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_check.h"
#include "orchestrator/supervisor/conf_parse.h"

#include <string.h>

enum { FALLBACKS_SIZE_MAX = 64 << 10 };

/* The defaults are parsed like a file: "r<row> = <default>;". */
void conf_doc_init(struct conf_doc *doc, struct conf_arena *arena)
{
    struct conf_issues issues = {.arena = arena};
    struct buf text;
    *doc = (struct conf_doc){.arena = arena};
    doc->fallbacks = conf_arena_take(arena, conf_row_count * sizeof(*doc->fallbacks));
    doc->root = conf_value_new(arena, CONF_GROUP, NULL, NULL, 1);
    buf_init(&text, FALLBACKS_SIZE_MAX);
    for (size_t i = 0; i < conf_row_count; i++)
        if (conf_rows[i].fallback != NULL)
            buf_format(&text, "r%zu = %s;\n", i, conf_rows[i].fallback);
    struct conf_value *root = conf_parse(&issues, NULL, buf_string(&text), text.size);
    PRE(root != NULL && !text.failed);
    for (size_t i = 0; i < conf_row_count; i++) {
        char name[32];
        text_format(name, sizeof(name), "r%zu", i);
        struct conf_value *value = conf_value_child(root, name);
        if (value != NULL)
            conf_check_value(&issues, &conf_rows[i], value);
        doc->fallbacks[i] = value;
    }
    buf_close(&text);
    PRE(issues.errors == 0);
}

struct conf_scope conf_scope_top(const struct conf_doc *doc, const char *group)
{
    return (struct conf_scope){.doc = doc,
                               .prefix = group,
                               .own =
                                   *group == '\0' ? doc->root : conf_value_child(doc->root, group)};
}

struct conf_scope conf_scope_of(const struct conf_doc *doc, const char *prefix,
                                const struct conf_value *own)
{
    const struct conf_value *other = NULL;
    for (size_t i = 0; i < conf_row_count; i++)
        if (conf_rows[i].like != NULL && strcmp(conf_rows[i].like, prefix) == 0 &&
            text_starts_with(conf_rows[i].path, "defaults."))
            other = conf_value_child(conf_value_child(doc->root, "defaults"),
                                     conf_row_name(&conf_rows[i], "defaults"));
    return (struct conf_scope){.doc = doc, .prefix = prefix, .own = own, .other = other};
}

/* A group is bad when anything in it is; its good settings hold nevertheless. */
static bool is_good(const struct conf_value *value)
{
    return value != NULL && (!value->is_bad || value->kind == CONF_GROUP);
}

struct conf_value *conf_setting(const struct conf_scope *scope, const char *name)
{
    struct conf_value *value = conf_value_child(scope->own, name);
    if (value == NULL)
        value = conf_value_child(scope->other, name);
    if (value != NULL)
        return is_good(value) ? value : NULL;
    const struct conf_row *row = conf_row_find(scope->prefix, name);
    PRE(row != NULL);
    return scope->doc->fallbacks[row - conf_rows];
}

int64_t conf_setting_number(const struct conf_scope *scope, const char *name)
{
    const struct conf_value *value = conf_setting(scope, name);
    return value == NULL ? 0 : value->number;
}

uint32_t conf_setting_u32(const struct conf_scope *scope, const char *name)
{
    int64_t number = conf_setting_number(scope, name);
    PRE(number >= 0 && number <= UINT32_MAX);
    return (uint32_t)number;
}

bool conf_setting_bool(const struct conf_scope *scope, const char *name)
{
    return conf_setting_number(scope, name) != 0;
}

const char *conf_setting_text(const struct conf_scope *scope, const char *name)
{
    const struct conf_value *value = conf_setting(scope, name);
    return value == NULL || value->kind != CONF_STRING ? "" : value->text;
}

int conf_setting_choice(const struct conf_scope *scope, const char *name)
{
    const struct conf_row *row = conf_row_find(scope->prefix, name);
    PRE(row != NULL && row->choices != NULL);
    return conf_row_choice(row, conf_setting_text(scope, name));
}

const char *conf_value_absolute(struct conf_arena *arena, const struct conf_value *value)
{
    if (value->text[0] == '/' || value->text[0] == '\0' || value->file == NULL)
        return value->text;
    const char *directory = value->file->directory;
    return conf_arena_format(arena, "%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/",
                             value->text);
}

const char *conf_setting_path(const struct conf_scope *scope, const char *name)
{
    const struct conf_value *value = conf_setting(scope, name);
    return value == NULL || value->kind != CONF_STRING
               ? ""
               : conf_value_absolute(scope->doc->arena, value);
}

struct conf_value *conf_doc_map(const struct conf_doc *doc, const char *map)
{
    struct conf_value *value = conf_value_child(doc->root, map);
    return value != NULL && value->kind == CONF_GROUP ? value : NULL;
}

struct conf_value *conf_next_group(struct conf_value *child)
{
    while (child != NULL && child->kind != CONF_GROUP)
        child = child->next;
    return child;
}

struct conf_value *conf_next_text(struct conf_value *child)
{
    while (child != NULL && (child->kind != CONF_STRING || child->is_bad))
        child = child->next;
    return child;
}
