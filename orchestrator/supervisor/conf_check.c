/* The validator. Knows rows, no settings. Only what one value is by itself is judged here; what
 * values mean to each other is in conf_rules.c. */
#include "orchestrator/supervisor/conf_check.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_format.h"

#include <string.h>

enum { SETTINGS_MAX = 1000 /* in one group; far more than there are */ };

struct walk {
    struct conf_issues *issues;
    bool is_in_defaults;
};

static void check_group(const struct walk *walk, const char *prefix, struct conf_value *group);

static void tell_type(struct conf_issues *issues, enum conf_type type, struct conf_value *value)
{
    char quote[CONF_QUOTE_SIZE];
    char more[CONF_QUOTE_SIZE] = "";
    if (type == CONF_TYPE_DURATION && value->kind == CONF_INT)
        text_format(more, sizeof(more), "; write \"%llds\"", (long long)value->number);
    conf_issue(issues, value, NULL, "wanted %s, not %s%s", conf_type_text(type),
               conf_value_quote(value, quote), more);
}

/* ---------------------------------------------------------------- scalars */

static void check_duration(struct conf_issues *issues, const struct conf_row *row,
                           struct conf_value *value)
{
    char quote[CONF_QUOTE_SIZE], min[32], max[32];
    if (value->kind != CONF_STRING || !text_parse_duration(value->text, &value->number))
        tell_type(issues, CONF_TYPE_DURATION, value);
    else if (value->number < row->min || value->number > row->max)
        conf_issue(issues, value, NULL, "'%s' is out of range, %s to %s",
                   conf_text_quote(value->text, quote),
                   text_from_duration(min, sizeof(min), row->min),
                   text_from_duration(max, sizeof(max), row->max));
}

static void check_choice(struct conf_issues *issues, const struct conf_row *row,
                         struct conf_value *value)
{
    char quote[CONF_QUOTE_SIZE], guess_text[CONF_QUOTE_SIZE], choices[CONF_QUOTE_SIZE];
    char list[CONF_QUOTE_SIZE] = "";
    struct conf_guess guess;
    if (conf_row_choice(row, value->text) >= 0)
        return;
    conf_guess_init(&guess, value->text);
    text_copy(choices, sizeof(choices), row->choices);
    for (char *choice = choices; choice != NULL;) {
        char *bar = strchr(choice, '|');
        size_t used = strlen(list);
        if (bar != NULL)
            *bar++ = '\0';
        text_format(list + used, sizeof(list) - used, "%s\"%s\"", used == 0 ? "" : ", ", choice);
        conf_guess_try(&guess, choice);
        choice = bar;
    }
    conf_issue(issues, value, NULL, "'%s' is none of %s%s", conf_text_quote(value->text, quote),
               list, conf_guess_text(&guess, guess_text));
}

static bool is_clean(const char *text)
{
    char clean[CONF_QUOTE_SIZE];
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < 64 ? size - at : 64;
        while (piece < size - at && ((unsigned char)text[at + piece] & 0xc0) == 0x80 && piece < 80)
            piece++; /* to the end of a character */
        if (text_sanitize(clean, sizeof(clean), text + at, piece) != piece ||
            memcmp(clean, text + at, piece) != 0)
            return false;
        at += piece;
    }
    return true;
}

static void check_text(struct conf_issues *issues, const struct conf_row *row, enum conf_type type,
                       struct conf_value *value)
{
    char quote[CONF_QUOTE_SIZE];
    bool is_element = row->type == CONF_TYPE_ARRAY || row->type == CONF_TYPE_ACTION ||
                      row->type == CONF_TYPE_VANTAGE;
    int64_t max = is_element ? 4096 : row->max;
    const char *flaw = conf_format_flaw(type, value->text);
    conf_text_quote(value->text, quote);
    if (!is_clean(value->text))
        conf_issue(issues, value, NULL, "'%s' has control characters or is not UTF-8", quote);
    else if ((int64_t)strlen(value->text) > max)
        conf_issue(issues, value, NULL, "'%s' is longer than %lld bytes", quote, (long long)max);
    else if (*value->text == '\0' && (row->flags & CONF_NO_EMPTY) != 0)
        conf_issue(issues, value, NULL, "must not be empty");
    else if (flaw != NULL)
        conf_issue(issues, value, NULL, "'%s' %s", quote, flaw);
    else if (strchr(value->text, '\n') != NULL &&
             (type != CONF_TYPE_TEXT || (row->flags & CONF_HAS_MACROS) != 0))
        conf_issue(issues, value, NULL, "'%s' has a line break", quote);
}

/* People write 64101 for a user, 200 for a status and 2 for two controllers; all are texts here. */
static void make_text(struct conf_issues *issues, enum conf_type type, struct conf_value *value)
{
    if (value->kind != CONF_INT ||
        (type != CONF_TYPE_USER && type != CONF_TYPE_STATUS && type != CONF_TYPE_AGREE &&
         type != CONF_TYPE_VANTAGE && type != CONF_TYPE_OBSERVERS))
        return;
    value->kind = CONF_STRING;
    value->text = conf_arena_format(issues->arena, "%lld", (long long)value->number);
}

static void check_scalar(struct conf_issues *issues, const struct conf_row *row,
                         enum conf_type type, struct conf_value *value)
{
    make_text(issues, type, value);
    if (type == CONF_TYPE_DURATION) {
        check_duration(issues, row, value);
    } else if (type == CONF_TYPE_BOOL) {
        if (value->kind != CONF_BOOL)
            tell_type(issues, type, value);
    } else if (type == CONF_TYPE_INT) {
        if (value->kind != CONF_INT)
            tell_type(issues, type, value);
        else if (value->number < row->min || value->number > row->max)
            conf_issue(issues, value, NULL, "%lld is out of range, %lld to %lld",
                       (long long)value->number, (long long)row->min, (long long)row->max);
    } else if (value->kind != CONF_STRING) {
        tell_type(issues, type, value);
    } else if (type == CONF_TYPE_CHOICE) {
        check_choice(issues, row, value);
    } else {
        check_text(issues, row, type, value);
    }
}

/* ---------------------------------------------------------------- what holds others */

/* False if there are so many that it is not worth while to look at them. */
static bool check_count(struct conf_issues *issues, const struct conf_row *row,
                        struct conf_value *value)
{
    if (value->count > row->max)
        conf_issue(issues, value, NULL, "%u entries are too many; at most %lld are possible",
                   value->count, (long long)row->max);
    else if (value->count < row->min)
        conf_issue(issues, value, NULL, "must not be empty");
    return value->count <= row->max;
}

static void check_array(struct conf_issues *issues, const struct conf_row *row,
                        enum conf_type element, struct conf_value *value)
{
    if (!conf_value_is_sequence(value)) {
        tell_type(issues, row->type, value);
        return;
    }
    if (!check_count(issues, row, value))
        return;
    for (struct conf_value *child = value->first; child != NULL; child = child->next)
        check_scalar(issues, row, element, child);
}

static void check_list(const struct walk *walk, const struct conf_row *row,
                       struct conf_value *value)
{
    char prefix[CONF_PREFIX_SIZE];
    if (!conf_value_is_sequence(value)) {
        tell_type(walk->issues, row->type, value);
        return;
    }
    if (!check_count(walk->issues, row, value))
        return;
    for (struct conf_value *child = value->first; child != NULL; child = child->next) {
        if (child->kind == CONF_GROUP)
            check_group(walk, conf_row_prefix(row, prefix), child);
        else
            tell_type(walk->issues, CONF_TYPE_GROUP, child);
    }
}

static void check_map(const struct walk *walk, const struct conf_row *row, struct conf_value *value)
{
    char prefix[CONF_PREFIX_SIZE];
    if (!check_count(walk->issues, row, value))
        return;
    for (struct conf_value *child = value->first; child != NULL; child = child->next) {
        const char *flaw = conf_format_flaw(CONF_TYPE_NAME, child->name);
        if (flaw != NULL)
            conf_issue(walk->issues, child, NULL, "%s", flaw);
        if (child->kind == CONF_GROUP)
            check_group(walk, conf_row_prefix(row, prefix), child);
        else
            tell_type(walk->issues, CONF_TYPE_GROUP, child);
    }
}

static void check_in(const struct walk *walk, const struct conf_row *row, struct conf_value *value)
{
    char prefix[CONF_PREFIX_SIZE];
    bool is_group = row->type == CONF_TYPE_GROUP || row->type == CONF_TYPE_MAP;
    if (is_group && value->kind != CONF_GROUP) {
        tell_type(walk->issues, row->type, value);
    } else if (row->type == CONF_TYPE_GROUP) {
        struct walk inner = *walk;
        inner.is_in_defaults = text_starts_with(row->path, "defaults.");
        check_group(&inner, conf_row_prefix(row, prefix), value);
    } else if (row->type == CONF_TYPE_MAP) {
        check_map(walk, row, value);
    } else if (row->type == CONF_TYPE_LIST) {
        check_list(walk, row, value);
    } else if (row->type == CONF_TYPE_ACTION) {
        if (value->kind == CONF_GROUP)
            check_group(walk, conf_row_prefix(row, prefix), value);
        else
            check_array(walk->issues, row, CONF_TYPE_WORD, value);
    } else if (row->type == CONF_TYPE_VANTAGE && conf_value_is_sequence(value)) {
        check_array(walk->issues, row, CONF_TYPE_NAME, value);
    } else if (row->type == CONF_TYPE_ARRAY) {
        check_array(walk->issues, row, row->element, value);
    } else {
        check_scalar(walk->issues, row, row->type, value);
    }
}

void conf_check_value(struct conf_issues *issues, const struct conf_row *row,
                      struct conf_value *value)
{
    struct walk walk = {.issues = issues};
    check_in(&walk, row, value);
}

/* ---------------------------------------------------------------- names of settings */

static bool is_allowed(const struct walk *walk, const struct conf_row *row)
{
    return !walk->is_in_defaults || (row->flags & CONF_IN_DEFAULTS) != 0;
}

/* The group in which a setting of that name belongs, if it is one only. */
static const char *home_of(const char *name, char home[CONF_PREFIX_SIZE])
{
    const char *found = NULL;
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *dot = strrchr(conf_rows[i].path, '.');
        const char *own = dot == NULL ? conf_rows[i].path : dot + 1;
        if (strcmp(own, name) != 0 || strchr(conf_rows[i].path, ']') != NULL)
            continue;
        if (found != NULL)
            return NULL;
        found = home;
        text_format(home, CONF_PREFIX_SIZE, "%.*s",
                    dot == NULL ? 0 : (int)(dot - conf_rows[i].path), conf_rows[i].path);
    }
    return found;
}

static void tell_unknown(const struct walk *walk, const char *prefix, struct conf_value *value)
{
    char text[CONF_QUOTE_SIZE], home[CONF_PREFIX_SIZE];
    struct conf_guess guess;
    conf_guess_init(&guess, value->name);
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *name = conf_row_name(&conf_rows[i], prefix);
        if (name != NULL && is_allowed(walk, &conf_rows[i]))
            conf_guess_try(&guess, name);
    }
    conf_guess_text(&guess, text);
    if (text[0] == '\0' && home_of(value->name, home) != NULL)
        text_format(text, sizeof(text), "; it belongs %s%s",
                    home[0] == '\0' ? "outside of all groups" : "in ", home);
    conf_issue(walk->issues, value, NULL, "unknown setting%s", text);
}

static void check_group(const struct walk *walk, const char *prefix, struct conf_value *group)
{
    if (group->count > SETTINGS_MAX) {
        conf_issue(walk->issues, group, NULL, "has %u settings; there are not so many",
                   group->count);
        return;
    }
    for (struct conf_value *child = group->first; child != NULL; child = child->next) {
        const struct conf_row *row = conf_row_find(prefix, child->name);
        if (row == NULL)
            tell_unknown(walk, prefix, child);
        else if (is_allowed(walk, row))
            check_in(walk, row, child);
        else
            conf_issue(walk->issues, child, NULL, "has no default; it is said for each one");
    }
}

void conf_check_file(struct conf_issues *issues, struct conf_value *root)
{
    struct walk walk = {.issues = issues};
    check_group(&walk, "", root);
}

/* ---------------------------------------------------------------- required settings */

static void require_in(struct conf_issues *issues, struct conf_doc *doc, const char *prefix,
                       struct conf_value *group);

static void require_below(struct conf_issues *issues, struct conf_doc *doc,
                          const struct conf_row *row, struct conf_value *value)
{
    char prefix[CONF_PREFIX_SIZE];
    conf_row_prefix(row, prefix);
    if (row->type == CONF_TYPE_MAP || row->type == CONF_TYPE_LIST) {
        if (!value->is_bad && !check_count(issues, row, value))
            return;
        CONF_EACH_GROUP(child, value)
        require_in(issues, doc, prefix, child);
    } else if (value->kind == CONF_GROUP && !text_starts_with(row->path, "defaults")) {
        require_in(issues, doc, prefix, value);
    }
}

static void require_in(struct conf_issues *issues, struct conf_doc *doc, const char *prefix,
                       struct conf_value *group)
{
    struct conf_scope scope = conf_scope_of(doc, prefix, group);
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *name = conf_row_name(&conf_rows[i], prefix);
        if (name == NULL)
            continue;
        struct conf_value *value = conf_value_child(group, name);
        if (value != NULL)
            require_below(issues, doc, &conf_rows[i], value);
        else if ((conf_rows[i].flags & CONF_REQUIRED) != 0 &&
                 conf_value_child(scope.other, name) == NULL)
            conf_issue(issues, group, name, "is missing");
    }
}

void conf_check_required(struct conf_issues *issues, struct conf_doc *doc)
{
    require_in(issues, doc, "", doc->root);
}
