/* The words of a configuration file. */
#include "orchestrator/supervisor/conf_token.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

void conf_tokens_init(struct conf_tokens *tokens, const char *text, size_t size)
{
    *tokens = (struct conf_tokens){.at = text, .end = text + size, .line = 1};
}

static bool is_at(const struct conf_tokens *t, const char *what)
{
    size_t size = strlen(what);
    return (size_t)(t->end - t->at) >= size && memcmp(t->at, what, size) == 0;
}

static void step(struct conf_tokens *t)
{
    if (*t->at == '\n')
        t->line++;
    t->at++;
}

/* Over one block comment; false if it is not closed. */
static bool skip_block(struct conf_tokens *t)
{
    t->at += 2;
    while (t->at < t->end && !is_at(t, "*/"))
        step(t);
    if (t->at == t->end)
        return false;
    t->at += 2;
    return true;
}

/* Over white space and comments; false if a comment is not closed. open gets where it begins. */
static bool skip_blank(struct conf_tokens *t, struct conf_token *open)
{
    while (t->at < t->end) {
        if (isspace((unsigned char)*t->at)) {
            step(t);
        } else if (*t->at == '#' || is_at(t, "//")) {
            while (t->at < t->end && *t->at != '\n')
                t->at++;
        } else if (is_at(t, "/*")) {
            *open = (struct conf_token){CONF_TOKEN_OPEN_COMMENT, t->at, 2, t->line};
            if (!skip_block(t))
                return false;
        } else {
            break;
        }
    }
    return true;
}

static struct conf_token read_string(struct conf_tokens *t)
{
    struct conf_token token = {CONF_TOKEN_STRING, t->at, 0, t->line};
    t->at++;
    while (t->at < t->end && *t->at != '"') {
        if (*t->at == '\\' && t->end - t->at > 1)
            t->at++;
        step(t);
    }
    if (t->at == t->end) {
        token.kind = CONF_TOKEN_OPEN_STRING;
        return token;
    }
    t->at++;
    token.size = (size_t)(t->at - token.text);
    if (t->line != token.line && t->long_string_line == 0)
        t->long_string_line = token.line;
    return token;
}

static bool is_word_start(char c)
{
    return isalpha((unsigned char)c) || c == '*' || c == '_';
}

static bool is_word(char c)
{
    return is_word_start(c) || isdigit((unsigned char)c) || c == '-';
}

static bool is_number_start(const struct conf_tokens *t)
{
    char c = *t->at;
    char next = t->end - t->at > 1 ? t->at[1] : '\0';
    return isdigit((unsigned char)c) ||
           ((c == '-' || c == '+' || c == '.') && (isdigit((unsigned char)next) || next == '.'));
}

struct conf_token conf_tokens_next(struct conf_tokens *t)
{
    struct conf_token open;
    if (!skip_blank(t, &open))
        return open;
    struct conf_token token = {CONF_TOKEN_END, t->at, 0, t->line};
    if (t->at == t->end)
        return token;
    if (*t->at == '"')
        return read_string(t);
    if (is_word_start(*t->at)) {
        token.kind = CONF_TOKEN_WORD;
        while (t->at < t->end && is_word(*t->at))
            t->at++;
    } else if (is_number_start(t)) {
        token.kind = CONF_TOKEN_NUMBER;
        while (t->at < t->end && (is_word(*t->at) || *t->at == '.' || *t->at == '+'))
            t->at++;
    } else {
        token.kind = CONF_TOKEN_MARK;
        t->at++;
    }
    token.size = (size_t)(t->at - token.text);
    return token;
}
