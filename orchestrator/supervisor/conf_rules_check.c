/* The rules of checks: each type has settings of its own, some of them required; macros must have a
 * meaning for what is looked at. */
#include "orchestrator/supervisor/conf_rules.h"

#include "orchestrator/base/text.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_format.h"
#include "orchestrator/supervisor/conf_macro.h"

#include <string.h>

struct check_rules {
    struct conf_issues *issues;
    struct conf_doc *doc;
    unsigned flags;
};

/* Settings of other types, which would do nothing. */
static void find_strangers(struct check_rules *rules, struct conf_value *check, const char *type)
{
    for (struct conf_value *child = check->first; child != NULL; child = child->next) {
        const struct conf_row *row = conf_row_find("checks.*", child->name);
        if (row != NULL && row->only != NULL && strcmp(row->only, type) != 0)
            conf_issue(rules->issues, child, NULL,
                       "belongs to checks of type \"%s\"; this check is of type \"%s\"", row->only,
                       type);
    }
}

static void check_macros(struct check_rules *rules, struct conf_value *check, Ephor__Scope scope)
{
    for (struct conf_value *child = check->first; child != NULL; child = child->next) {
        const struct conf_row *row = conf_row_find("checks.*", child->name);
        if (row == NULL || (row->flags & CONF_HAS_MACROS) == 0)
            continue;
        if (child->kind == CONF_STRING && !child->is_bad)
            conf_macro_check(rules->issues, child, scope);
        if (conf_value_is_sequence(child))
            CONF_EACH_TEXT(word, child)
        conf_macro_check(rules->issues, word, scope);
    }
}

static void check_command(struct check_rules *rules, struct conf_value *check)
{
    struct conf_value *command = conf_value_child(check, "command");
    struct errbuf e;
    if (command == NULL) {
        conf_issue(rules->issues, check, "command", "is missing");
        return;
    }
    if (command->is_bad || !conf_value_is_sequence(command))
        return;
    struct conf_value *program = command->first;
    if (strchr(program->text, '$') != NULL)
        conf_issue(rules->issues, program, NULL, "'%.80s': the program cannot be a macro",
                   program->text);
    else if (conf_plugin_path(rules->doc, command, rules->flags, &e) == NULL)
        conf_issue(rules->issues, program, NULL, "%.400s", e.text);
}

static void check_tcp(struct check_rules *rules, struct conf_value *check)
{
    if (conf_value_child(check, "port") == NULL)
        conf_issue(rules->issues, check, "port", "is missing");
}

static void check_url(struct check_rules *rules, struct conf_value *url)
{
    char quote[CONF_QUOTE_SIZE];
    size_t scheme = text_starts_with(url->text, "http://")    ? 7
                    : text_starts_with(url->text, "https://") ? 8
                                                              : 0;
    conf_text_quote(url->text, quote);
    if (scheme == 0)
        conf_issue(rules->issues, url, NULL, "'%s' begins with neither http:// nor https://",
                   quote);
    else if (url->text[scheme] == '\0' || strchr("/:?#", url->text[scheme]) != NULL)
        conf_issue(rules->issues, url, NULL, "'%s' has no host", quote);
    else if (strpbrk(url->text, " \t") != NULL)
        conf_issue(rules->issues, url, NULL, "'%s' has a blank; write %%20", quote);
}

static void check_http(struct check_rules *rules, struct conf_value *check)
{
    struct conf_scope scope = conf_scope_of(rules->doc, "checks.*", check);
    struct conf_value *url = conf_value_child(check, "url");
    struct conf_value *warning = conf_setting(&scope, "tls_warning_days");
    struct conf_value *critical = conf_setting(&scope, "tls_critical_days");
    if (url == NULL)
        conf_issue(rules->issues, check, "url", "is missing");
    else if (!url->is_bad && url->kind == CONF_STRING)
        check_url(rules, url);
    if (warning == NULL || critical == NULL || warning->number == 0 ||
        warning->number >= critical->number)
        return;
    struct conf_value *at = warning->file != NULL ? warning : critical;
    conf_issue(rules->issues, at, NULL,
               "tls_warning_days = %lld comes after tls_critical_days = %lld; a warning comes "
               "first",
               (long long)warning->number, (long long)critical->number);
}

/* More must agree than look: that check would never be critical. Observers look, too. */
static void check_agree(struct check_rules *rules, struct conf_value *check)
{
    struct conf_scope scope = conf_scope_of(rules->doc, "checks.*", check);
    struct conf_value *agree = conf_setting(&scope, "agree");
    const struct conf_value *vantage = conf_setting(&scope, "vantage");
    const char *observers = conf_setting_text(&scope, "observers");
    uint32_t needed, observing, look;
    if (agree == NULL || !conf_format_lookers(agree->text, &needed) || observers == NULL ||
        !conf_format_observers(observers, &observing))
        return;
    if (vantage != NULL && conf_value_is_sequence(vantage))
        look = vantage->count;
    else if (vantage == NULL || !conf_format_controllers(vantage->text, &look))
        look = CONTROLLERS_MAX;
    if (needed > look + observing && observing > 0)
        conf_issue(rules->issues, agree, NULL,
                   "%u can never agree, for %u controllers and at most %u observers look", needed,
                   look, observing);
    else if (needed > look + observing)
        conf_issue(rules->issues, agree, NULL,
                   "%u controllers can never agree, for vantage lets %u look", needed, look);
}

static void check_check(struct check_rules *rules, struct conf_value *check)
{
    struct conf_scope settings = conf_scope_of(rules->doc, "checks.*", check);
    int scope = conf_setting_choice(&settings, "scope");
    int kind = conf_setting_choice(&settings, "type");
    if (kind >= 0)
        find_strangers(rules, check, conf_setting_text(&settings, "type"));
    if (kind == EPHOR__CHECK_KIND__PLUGIN)
        check_command(rules, check);
    else if (kind == EPHOR__CHECK_KIND__TCP)
        check_tcp(rules, check);
    else if (kind == EPHOR__CHECK_KIND__HTTP)
        check_http(rules, check);
    check_agree(rules, check);
    if (scope >= 0)
        check_macros(rules, check, (Ephor__Scope)scope);
}

void conf_rules_checks(struct conf_issues *issues, struct conf_doc *doc, unsigned flags)
{
    struct check_rules rules = {issues, doc, flags};
    const struct conf_value *checks = conf_doc_map(doc, "checks");
    CONF_EACH_GROUP(check, checks)
    check_check(&rules, check);
}
