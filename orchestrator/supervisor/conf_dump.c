/* The effective configuration as text: one file, with `defaults` applied, relative paths made
 * absolute, and every setting that holds, whether said or not. Macros stay as they are, so that
 * the text can be read, and loaded again to the same policy. */
#include "orchestrator/supervisor/conf.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_build.h"

#include <string.h>

struct dump {
    struct buf *out;
    const struct conf_doc *doc;
    int depth;
    bool is_own_only; /* within an override: what it does not say is not said here */
};

static void dump_group(struct dump *dump, const struct conf_scope *scope);

/* ---------------------------------------------------------------- words */

static void indent(struct dump *dump)
{
    for (int i = 0; i < dump->depth; i++)
        buf_text(dump->out, "  ");
}

static void end_line(struct dump *dump, const struct conf_value *value)
{
    char quote[CONF_QUOTE_SIZE];
    if (value == NULL || value->file == NULL)
        buf_text(dump->out, "  # default\n");
    else
        buf_format(dump->out, "  # %s:%u\n", conf_text_quote(value->file->name, quote),
                   value->line);
}

static void put_string(struct dump *dump, const char *text)
{
    buf_text(dump->out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_format(dump->out, "\\%c", *text);
        else if (*text == '\n')
            buf_text(dump->out, "\\n");
        else if (*text == '\t')
            buf_text(dump->out, "\\t");
        else
            buf_append(dump->out, text, 1);
    }
    buf_text(dump->out, "\"");
}

/* A path of the file, made absolute; of a command only where its program has a directory. */
static void put_text(struct dump *dump, enum conf_type type, const struct conf_value *value)
{
    bool is_program = type == CONF_TYPE_WORD && value->order == 0 &&
                      strchr(value->text, '/') != NULL && strchr(value->text, '$') == NULL;
    put_string(dump, type == CONF_TYPE_PATH || is_program
                         ? conf_value_absolute(dump->doc->arena, value)
                         : value->text);
}

static void put_array(struct dump *dump, enum conf_type element, const struct conf_value *value)
{
    buf_text(dump->out, "[");
    CONF_EACH_TEXT(child, value)
    {
        buf_text(dump->out, child->order == 0 ? " " : ", ");
        put_text(dump, element, child);
    }
    buf_text(dump->out, value->count == 0 ? "]" : " ]");
}

static void dump_scalar(struct dump *dump, const struct conf_row *row, const char *name,
                        const struct conf_value *value)
{
    indent(dump);
    buf_format(dump->out, "%s = ", name);
    if (conf_value_is_sequence(value))
        put_array(dump, row->element, value);
    else if (value->kind == CONF_STRING)
        put_text(dump, row->type, value);
    else if (value->kind == CONF_BOOL)
        buf_text(dump->out, value->number != 0 ? "true" : "false");
    else
        buf_format(dump->out, "%lld", (long long)value->number);
    buf_text(dump->out, ";");
    end_line(dump, value);
}

/* ---------------------------------------------------------------- what holds others */

static void open_group(struct dump *dump, const char *name, const struct conf_value *value)
{
    indent(dump);
    buf_format(dump->out, "%s : {", name);
    end_line(dump, value);
    dump->depth++;
}

static void close_group(struct dump *dump)
{
    dump->depth--;
    indent(dump);
    buf_text(dump->out, "};\n");
}

static void dump_map(struct dump *dump, const struct conf_row *row, const struct conf_value *map)
{
    char prefix[CONF_PREFIX_SIZE];
    conf_row_prefix(row, prefix);
    CONF_EACH_GROUP(entry, map)
    {
        struct conf_scope scope = conf_scope_of(dump->doc, prefix, entry);
        open_group(dump, entry->name, entry);
        dump_group(dump, &scope);
        close_group(dump);
    }
}

static void dump_list(struct dump *dump, const struct conf_row *row, const char *name,
                      const struct conf_value *list)
{
    char prefix[CONF_PREFIX_SIZE];
    conf_row_prefix(row, prefix);
    indent(dump);
    buf_format(dump->out, "%s = (", name);
    end_line(dump, list);
    dump->depth++;
    CONF_EACH_GROUP(element, list)
    {
        struct conf_scope scope = conf_scope_of(dump->doc, prefix, element);
        indent(dump);
        buf_text(dump->out, "{");
        end_line(dump, element);
        dump->depth++;
        dump_group(dump, &scope);
        dump->depth--;
        indent(dump);
        buf_text(dump->out, element == list->last ? "}\n" : "},\n");
    }
    dump->depth--;
    indent(dump);
    buf_text(dump->out, ");\n");
}

/* Always as a group, so that the timeout is seen. */
static void dump_action(struct dump *dump, const char *name, const struct conf_value *value)
{
    bool is_group = value->kind == CONF_GROUP;
    struct conf_scope scope =
        conf_scope_of(dump->doc, "services.*.restart", is_group ? value : NULL);
    const struct conf_value *command = is_group ? conf_setting(&scope, "command") : value;
    const struct conf_value *timeout = conf_setting(&scope, "timeout");
    open_group(dump, name, value);
    indent(dump);
    buf_text(dump->out, "command = [");
    CONF_EACH_TEXT(word, command)
    {
        buf_text(dump->out, word->order == 0 ? " " : ", ");
        put_string(dump, word->text);
    }
    buf_text(dump->out, " ];");
    end_line(dump, command);
    dump_scalar(dump, conf_row_find("services.*.restart", "timeout"), "timeout", timeout);
    close_group(dump);
}

/* ---------------------------------------------------------------- settings */

static void dump_inner_group(struct dump *dump, const struct conf_scope *outer,
                             const struct conf_row *row, const char *name)
{
    char prefix[CONF_PREFIX_SIZE];
    const struct conf_value *own = conf_value_child(outer->own, name);
    struct conf_scope scope = {
        .doc = dump->doc, .prefix = conf_row_prefix(row, prefix), .own = own};
    struct dump inner = *dump;
    inner.is_own_only = row->like != NULL;
    if (own == NULL && dump->depth > 0)
        return;
    open_group(&inner, name, own);
    dump_group(&inner, &scope);
    close_group(&inner);
}

static void dump_setting(struct dump *dump, const struct conf_scope *scope,
                         const struct conf_row *row, const char *name)
{
    if (row->type == CONF_TYPE_GROUP) {
        dump_inner_group(dump, scope, row, name);
        return;
    }
    const struct conf_value *value =
        dump->is_own_only ? conf_value_child(scope->own, name) : conf_setting(scope, name);
    if (value == NULL)
        return;
    if (row->type == CONF_TYPE_MAP) {
        open_group(dump, name, value);
        dump_map(dump, row, value);
        close_group(dump);
    } else if (row->type == CONF_TYPE_LIST) {
        dump_list(dump, row, name, value);
    } else if (row->type == CONF_TYPE_ACTION) {
        dump_action(dump, name, value);
    } else {
        dump_scalar(dump, row, name, value);
    }
}

static void dump_group(struct dump *dump, const struct conf_scope *scope)
{
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *row = &conf_rows[i];
        const char *name = conf_row_name(row, scope->prefix);
        if (name == NULL ||
            (row->only != NULL && strcmp(row->only, conf_setting_text(scope, "type")) != 0))
            continue;
        bool is_applied = strcmp(row->path, "include") == 0 || strcmp(row->path, "defaults") == 0;
        if (!is_applied)
            dump_setting(dump, scope, row, name);
    }
}

void conf_dump(const struct conf *conf, struct buf *out)
{
    struct dump dump = {.out = out, .doc = &conf->doc};
    struct conf_scope top = conf_scope_top(&conf->doc, "");
    dump_group(&dump, &top);
}

/* ---------------------------------------------------------------- the table */

static void print_range(const struct conf_row *row, struct buf *out)
{
    char min[32], max[32];
    if (row->type == CONF_TYPE_INT)
        buf_format(out, ", %lld to %lld", (long long)row->min, (long long)row->max);
    else if (row->type == CONF_TYPE_DURATION)
        buf_format(out, ", %s to %s", text_from_duration(min, sizeof(min), row->min),
                   text_from_duration(max, sizeof(max), row->max));
    else if (row->type == CONF_TYPE_MAP || row->type == CONF_TYPE_LIST)
        buf_format(out, ", at most %lld", (long long)row->max);
    else if (row->type == CONF_TYPE_ARRAY)
        buf_format(out, " of at most %lld, each %s", (long long)row->max,
                   conf_type_text(row->element));
}

static void print_choices(const struct conf_row *row, struct buf *out)
{
    for (const char *choice = row->choices; *choice != '\0';) {
        size_t size = strcspn(choice, "|");
        buf_format(out, "%s\"%.*s\"", choice == row->choices ? "" : " or ", (int)size, choice);
        choice += size + (choice[size] == '|');
    }
}

static void print_row(const struct conf_row *row, struct buf *out)
{
    buf_format(out, "%s\n    ", row->path);
    if (row->choices != NULL)
        print_choices(row, out);
    else
        buf_text(out, conf_type_text(row->type));
    print_range(row, out);
    if (row->fallback != NULL)
        buf_format(out, "; default %s", row->fallback);
    else if ((row->flags & CONF_REQUIRED) != 0)
        buf_text(out, "; required");
    if (row->only != NULL)
        buf_format(out, "; for checks of type \"%s\"", row->only);
    if (row->like != NULL)
        buf_format(out, "; with the settings of %s", row->like);
    buf_format(out, "\n    %s\n", row->help);
}

void conf_print_schema(struct buf *out)
{
    for (size_t i = 0; i < conf_row_count; i++)
        print_row(&conf_rows[i], out);
}
