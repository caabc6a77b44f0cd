/* Macros. Each is replaced within its own word, so that no value can add words to a command. An
 * IPv6 address gets brackets where it is the host of a URL. */
#include "orchestrator/supervisor/conf_macro.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <string.h>

enum { EXPANDED_MAX = 256 << 10, MACRO_SIZE = 32 };

enum macro { MACRO_ADDRESS, MACRO_NODE, MACRO_SERVICE, MACRO_VIP, MACRO_DOLLAR };

static const struct {
    const char *name;
    enum macro macro;
    unsigned scopes; /* bits of Ephor__Scope in which it has a meaning */
} macros[] = {
    {"ADDRESS", MACRO_ADDRESS, 7},     /* of the node; with scope vip: of the VIP */
    {"HOSTADDRESS", MACRO_ADDRESS, 7}, /* as Nagios calls it */
    {"NODE", MACRO_NODE, 1 << EPHOR__SCOPE__MEMBER | 1 << EPHOR__SCOPE__NODE},
    {"HOSTNAME", MACRO_NODE, 1 << EPHOR__SCOPE__MEMBER | 1 << EPHOR__SCOPE__NODE},
    {"SERVICE", MACRO_SERVICE, 1 << EPHOR__SCOPE__MEMBER | 1 << EPHOR__SCOPE__VIP},
    {"SERVICEDESC", MACRO_SERVICE, 1 << EPHOR__SCOPE__MEMBER | 1 << EPHOR__SCOPE__VIP},
    {"VIP", MACRO_VIP, 1 << EPHOR__SCOPE__VIP},
    {"", MACRO_DOLLAR, 7},
};
enum { MACRO_COUNT = sizeof(macros) / sizeof(macros[0]) };

/* The macro that begins at the '$' of *at; moves *at behind it. MACRO_COUNT: none of that name,
 * which is then in name; its end is missing if *at is NULL. */
static size_t read_macro(const char **at, char name[MACRO_SIZE])
{
    const char *end = strchr(*at + 1, '$');
    if (end == NULL) {
        *at = NULL;
        return MACRO_COUNT;
    }
    text_format(name, MACRO_SIZE, "%.*s", (int)(end - *at - 1), *at + 1);
    *at = end + 1;
    for (size_t i = 0; i < MACRO_COUNT; i++)
        if (strcmp(macros[i].name, name) == 0)
            return i;
    return MACRO_COUNT;
}

static void tell_unknown(struct conf_issues *issues, struct conf_value *value, const char *name)
{
    char quote[CONF_QUOTE_SIZE], text[CONF_QUOTE_SIZE];
    struct conf_guess guess;
    conf_guess_init(&guess, name);
    for (size_t i = 0; i + 1 < MACRO_COUNT; i++)
        conf_guess_try(&guess, macros[i].name);
    text[0] = '\0';
    if (guess.best != NULL)
        text_format(text, sizeof(text), "; did you mean '$%s$'?", guess.best);
    conf_issue(issues, value, NULL, "unknown macro '$%s$'%s (write $$ for a dollar sign)",
               conf_text_quote(name, quote), text);
}

void conf_macro_check(struct conf_issues *issues, struct conf_value *value, Ephor__Scope scope)
{
    static const char *const scopes[] = {"member", "node", "vip"};
    char name[MACRO_SIZE], quote[CONF_QUOTE_SIZE];
    for (const char *at = strchr(value->text, '$'); at != NULL; at = strchr(at, '$')) {
        size_t i = read_macro(&at, name);
        if (at == NULL) {
            conf_issue(issues, value, NULL, "'%s' has a single '$'; write $$ for a dollar sign",
                       conf_text_quote(value->text, quote));
            return;
        }
        if (i == MACRO_COUNT) {
            tell_unknown(issues, value, name);
            return;
        }
        if ((macros[i].scopes & 1U << scope) == 0) {
            conf_issue(issues, value, NULL, "'$%s$' means nothing in a check with scope %s", name,
                       scopes[scope]);
            return;
        }
    }
}

/* Between "://" and the port, path or end? */
static bool is_url_host(const char *text, const char *start, const char *end)
{
    return start - text >= 3 && memcmp(start - 3, "://", 3) == 0 && strchr(":/?#", *end) != NULL;
}

static void append(struct buf *out, const struct conf_macros *values, enum macro macro,
                   bool is_in_url)
{
    switch (macro) {
    case MACRO_ADDRESS:
        PRE(values->address != NULL);
        if (is_in_url && strchr(values->address, ':') != NULL)
            buf_format(out, "[%s]", values->address);
        else
            buf_text(out, values->address);
        break;
    case MACRO_NODE:
        PRE(values->node != NULL);
        buf_text(out, values->node);
        break;
    case MACRO_SERVICE:
        PRE(values->service != NULL);
        buf_text(out, values->service);
        break;
    case MACRO_VIP:
        PRE(values->vip != NULL);
        buf_text(out, values->vip);
        break;
    case MACRO_DOLLAR:
        buf_text(out, "$");
        break;
    }
}

char *conf_macro_expand(struct conf_arena *arena, const char *text,
                        const struct conf_macros *values)
{
    char name[MACRO_SIZE];
    struct buf out;
    buf_init(&out, EXPANDED_MAX);
    for (const char *at = text; *at != '\0';) {
        if (*at != '$') {
            size_t size = strcspn(at, "$");
            buf_append(&out, at, size);
            at += size;
            continue;
        }
        const char *start = at;
        size_t i = read_macro(&at, name);
        PRE(i < MACRO_COUNT);
        append(&out, values, macros[i].macro, is_url_host(text, start, at));
    }
    PRE(!out.failed);
    char *expanded = conf_arena_text(arena, buf_string(&out));
    buf_close(&out);
    return expanded;
}
