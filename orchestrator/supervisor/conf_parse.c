/* One file as a tree of values. libconfig's getters answer 0 or NULL for a wrong type and wrap
 * integers, so that none is called here before the type is known; and everything is copied, for
 * its strings die with config_destroy(). Names are dropped there, not judged. */
#include "orchestrator/supervisor/conf_parse.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_lex.h"

#include <libconfig.h>

#include <string.h>

static enum conf_kind kind_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return CONF_INT;
    case CONFIG_TYPE_FLOAT:
        return CONF_FLOAT;
    case CONFIG_TYPE_BOOL:
        return CONF_BOOL;
    case CONFIG_TYPE_ARRAY:
        return CONF_ARRAY;
    case CONFIG_TYPE_LIST:
        return CONF_LIST;
    case CONFIG_TYPE_GROUP:
        return CONF_GROUP;
    case CONFIG_TYPE_STRING:
        return CONF_STRING;
    default: /* an int of libconfig, not an enum */
        NEVER("type of a setting");
    }
}

/* Nesting was bounded by conf_lex(). */
static struct conf_value *copy(struct conf_arena *arena, const struct conf_file *file,
                               config_setting_t *from, uint32_t line)
{
    uint32_t own_line = config_setting_source_line(from);
    struct conf_value *to = conf_value_new(arena, kind_of(from), config_setting_name(from), file,
                                           own_line != 0 ? own_line : line);
    if (to->kind == CONF_INT) {
        to->number = config_setting_get_int64(from);
    } else if (to->kind == CONF_FLOAT) {
        to->real = config_setting_get_float(from);
    } else if (to->kind == CONF_BOOL) {
        to->number = config_setting_get_bool(from);
    } else if (to->kind == CONF_STRING) {
        const char *text = config_setting_get_string(from);
        to->text = conf_arena_text(arena, text == NULL ? "" : text);
    } else {
        config_setting_t *child;
        for (unsigned i = 0; (child = config_setting_get_elem(from, i)) != NULL; i++)
            conf_value_append(to, copy(arena, file, child, to->line));
    }
    return to;
}

/* Line number `line` of the text, without the white space around it. */
static void line_of(const char *text, uint32_t line, char out[CONF_QUOTE_SIZE])
{
    char raw[CONF_QUOTE_SIZE];
    for (uint32_t i = 1; i < line && (text = strchr(text, '\n')) != NULL; i++)
        text++;
    if (text == NULL)
        text = "";
    text += strspn(text, " \t\r\n");
    text_format(raw, sizeof(raw), "%.*s", (int)strcspn(text, "\r\n"), text);
    conf_text_quote(raw, out);
}

static void tell(struct conf_issues *issues, const struct conf_file *file, const char *text,
                 config_t *config, uint32_t long_string_line)
{
    char quote[CONF_QUOTE_SIZE];
    uint32_t line = (uint32_t)config_error_line(config);
    if (long_string_line != 0 && long_string_line <= line) {
        conf_issue_at(issues, file, long_string_line,
                      "the string opened here goes on in the next line; is its closing quote "
                      "missing?");
        return;
    }
    line_of(text, line, quote);
    conf_issue_at(issues, file, line, "%s at or before '%s'", config_error_text(config), quote);
}

struct conf_value *conf_parse(struct conf_issues *issues, const struct conf_file *file,
                              const char *text, size_t size)
{
    struct conf_value *root = NULL;
    uint32_t long_string_line;
    config_t config;
    if (!conf_lex(issues, file, text, size, &long_string_line))
        return NULL;
    config_init(&config);
    if (config_read_string(&config, text) == CONFIG_TRUE)
        root = copy(issues->arena, file, config_root_setting(&config), 1);
    else
        tell(issues, file, text, &config, long_string_line);
    config_destroy(&config);
    return root;
}
