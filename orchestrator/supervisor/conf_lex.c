/* Before libconfig: it takes 4294967296 for 0, an unclosed comment for the rest of the file, ends
 * at the first NUL byte, and says "syntax error" at the last line for a brace that was left open at
 * the first. Here these are found with the line at which they begin, together with the mistakes
 * that people make most (text without quotes, a comma too many, a name given twice), all of them
 * in one pass. What this does not find is left to libconfig. */
#include "orchestrator/supervisor/conf_lex.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_token.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEPTH_MAX = 32,        /* of nesting; the settings need 5 */
    NAMES_MAX = 1 << 20,   /* a file of 4 MiB cannot hold more settings */
    NO_OWNER = UINT32_MAX, /* of the outermost group */
};

struct name {
    uint32_t group; /* number of the bracket that it is directly in */
    uint32_t owner; /* index of the name whose value that bracket is */
    const char *text;
    size_t size;
    uint32_t line;
};

struct bracket {
    char close;
    uint32_t line;
    uint32_t group;
    uint32_t owner;
};

struct lex {
    struct conf_issues *issues;
    const struct conf_file *file;
    struct bracket stack[DEPTH_MAX];
    uint32_t depth, groups;
    struct name *names;
    uint32_t name_count, name_capacity;
    struct conf_token before; /* the token before this one */
    bool is_ok, is_too_deep, is_strange, is_include;
};

static void found(struct lex *lex, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void found(struct lex *lex, uint32_t line, const char *fmt, ...)
{
    char text[CONF_PATH_SIZE + CONF_QUOTE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    lex->is_ok = false;
    conf_issue_at(lex->issues, lex->file, line, "%s", text);
}

static bool is_mark(const struct conf_token *token, char c)
{
    return token->kind == CONF_TOKEN_MARK && *token->text == c;
}

/* ---------------------------------------------------------------- the text as bytes */

static void find_bytes(struct lex *lex, const char *text, size_t size)
{
    const char *zero = memchr(text, '\0', size);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        found(lex, 1, "the file begins with a byte order mark; save it as UTF-8 without one");
    if (zero == NULL)
        return;
    uint32_t line = 1;
    for (const char *c = text; c < zero; c++)
        line += *c == '\n';
    found(lex, line, "there is a NUL byte here; this is not a text file");
}

/* A string or comment without an end confuses everything after it, so nothing else is said. */
static void find_unclosed(struct lex *lex, struct conf_tokens tokens)
{
    struct conf_token token;
    do {
        token = conf_tokens_next(&tokens);
    } while (token.kind < CONF_TOKEN_OPEN_STRING && token.kind != CONF_TOKEN_END);
    if (token.kind == CONF_TOKEN_OPEN_COMMENT)
        found(lex, token.line, "the comment opened here is not closed");
    else if (token.kind == CONF_TOKEN_OPEN_STRING)
        found(lex, tokens.long_string_line != 0 ? tokens.long_string_line : token.line,
              "the string opened here is not closed");
}

/* ---------------------------------------------------------------- names */

static void add_name(struct lex *lex, const struct conf_token *token)
{
    const struct bracket *in = &lex->stack[lex->depth - 1];
    if (in->close != '}' || lex->name_count == NAMES_MAX)
        return;
    if (lex->name_count == lex->name_capacity) {
        uint32_t capacity = lex->name_capacity == 0 ? 256 : 2 * lex->name_capacity;
        struct name *names = realloc(lex->names, capacity * sizeof(*names));
        if (names == NULL)
            return; /* libconfig finds them too, in worse words */
        lex->names = names;
        lex->name_capacity = capacity;
    }
    lex->names[lex->name_count++] =
        (struct name){in->group, in->owner, token->text, token->size, token->line};
}

static int compare_names(const struct name *x, const struct name *y)
{
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return memcmp(x->text, y->text, x->size);
}

static int by_name(const void *a, const void *b)
{
    const struct name *x = *(const struct name *const *)a;
    const struct name *y = *(const struct name *const *)b;
    int order = compare_names(x, y);
    return order != 0 ? order : (x->text > y->text) - (x->text < y->text);
}

static void path_of(const struct lex *lex, const struct name *name, char path[CONF_PATH_SIZE])
{
    path[0] = '\0';
    if (name->owner != NO_OWNER)
        path_of(lex, &lex->names[name->owner], path);
    size_t used = strlen(path);
    text_format(path + used, CONF_PATH_SIZE - used, "%s%.*s", used == 0 ? "" : ".", (int)name->size,
                name->text);
}

static void find_duplicates(struct lex *lex)
{
    struct name **sorted = calloc(lex->name_count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return;
    for (uint32_t i = 0; i < lex->name_count; i++)
        sorted[i] = &lex->names[i];
    qsort(sorted, lex->name_count, sizeof(*sorted), by_name);
    for (uint32_t first = 0, i = 1; i < lex->name_count; i++) {
        char path[CONF_PATH_SIZE];
        if (compare_names(sorted[first], sorted[i]) != 0) {
            first = i;
            continue;
        }
        path_of(lex, sorted[i], path);
        found(lex, sorted[i]->line, "%s: is already in line %u", path, sorted[first]->line);
    }
    free(sorted);
}

/* ---------------------------------------------------------------- brackets */

static void open_bracket(struct lex *lex, const struct conf_token *token, char close)
{
    const struct bracket *in = &lex->stack[lex->depth - 1];
    uint32_t owner = in->owner;
    if (lex->name_count > 0 && lex->names[lex->name_count - 1].group == in->group)
        owner = lex->name_count - 1;
    if (lex->depth == DEPTH_MAX) {
        found(lex, token->line, "more than %d brackets in each other", DEPTH_MAX - 1);
        lex->is_too_deep = true;
        return;
    }
    lex->stack[lex->depth++] = (struct bracket){close, token->line, ++lex->groups, owner};
}

static char opening(char close)
{
    return close == '}' ? '{' : close == ']' ? '[' : '(';
}

static void close_bracket(struct lex *lex, const struct conf_token *token, char close)
{
    const struct bracket *in = &lex->stack[lex->depth - 1];
    if (lex->depth == 1)
        found(lex, token->line, "'%c' closes nothing", close);
    else if (in->close != close)
        found(lex, token->line, "'%c' cannot close the '%c' of line %u", close, opening(in->close),
              in->line);
    else if (close != '}' && is_mark(&lex->before, ','))
        found(lex, lex->before.line, "a ',' before '%c' is one too many; remove it", close);
    if (lex->depth > 1)
        lex->depth--;
}

static void look_at_mark(struct lex *lex, const struct conf_token *token)
{
    char c = *token->text;
    if (c == '=' || c == ':') {
        if (lex->before.kind == CONF_TOKEN_WORD)
            add_name(lex, &lex->before);
    } else if (c == '{' || c == '[' || c == '(') {
        open_bracket(lex, token, c == '{' ? '}' : c == '[' ? ']' : ')');
    } else if (c == '}' || c == ']' || c == ')') {
        close_bracket(lex, token, c);
    } else if (c == ';' && is_mark(&lex->before, ';')) {
        found(lex, token->line, "a ';' too many; remove it");
    } else if (c == '@') {
        lex->is_include = true;
        found(lex, token->line,
              "'@include' is not supported; write: include = [ \"conf.d/*.conf\" ];");
    } else if ((unsigned char)c >= 0x80 && !lex->is_strange) {
        lex->is_strange = true;
        found(lex, token->line, "a character outside of quotes that is not ASCII");
    }
}

/* ---------------------------------------------------------------- words and numbers */

static bool is_value_expected(const struct lex *lex)
{
    const struct bracket *in = &lex->stack[lex->depth - 1];
    if (is_mark(&lex->before, '=') || is_mark(&lex->before, ':'))
        return true;
    return in->close != '}' && lex->before.kind == CONF_TOKEN_MARK;
}

static void look_at_word(struct lex *lex, const struct conf_token *token)
{
    char quote[CONF_QUOTE_SIZE];
    bool is_truth = (token->size == 4 && strncasecmp(token->text, "true", 4) == 0) ||
                    (token->size == 5 && strncasecmp(token->text, "false", 5) == 0);
    text_format(quote, 64, "%.*s", (int)token->size, token->text);
    if (is_value_expected(lex) && !is_truth)
        found(lex, token->line, "text is written in quotes: \"%s\"", quote);
    else if (*token->text == '_')
        found(lex, token->line, "'%s': a name begins with a letter", quote);
}

static bool has_only(const char *text, const char *allowed)
{
    return *text != '\0' && text[strspn(text, allowed)] == '\0';
}

static bool is_hexadecimal(const char *text)
{
    return text_starts_with(text, "0x") || text_starts_with(text, "0X");
}

/* What libconfig takes for a number, without its suffix L or LL in `text`. */
static bool is_number(const char *text)
{
    char *end;
    if (is_hexadecimal(text))
        return has_only(text + 2, "0123456789abcdefABCDEF");
    if (!has_only(text, "0123456789.eE+-"))
        return false;
    strtod(text, &end);
    return end != text && *end == '\0';
}

static void look_at_number(struct lex *lex, const struct conf_token *token)
{
    char text[64], digits[64];
    text_format(text, sizeof(text), "%.*s", (int)token->size, token->text);
    text_copy(digits, sizeof(digits), text);
    size_t size = strlen(digits);
    while (size > 1 && digits[size - 1] == 'L' && strlen(text) - size < 2)
        digits[--size] = '\0';
    bool is_long = size < strlen(text);
    if (lex->stack[lex->depth - 1].close == '}' && !is_value_expected(lex)) {
        found(lex, token->line, "'%s': a name begins with a letter", text);
    } else if (!is_number(digits)) {
        found(lex, token->line, "'%s' is not a number; text is written in quotes: \"%s\"", text,
              text);
    } else if (is_hexadecimal(digits) || strpbrk(digits, ".eE") == NULL) {
        const char *start = digits + strspn(digits, "+-");
        unsigned long long number = strtoull(start, NULL, is_hexadecimal(digits) ? 16 : 10);
        long long max = is_long ? INT64_MAX : INT_MAX;
        if (number > (unsigned long long)max)
            found(lex, token->line, "%s: numbers end at %lld", text, max);
    }
}

static void look_at_string(struct lex *lex, const struct conf_token *token)
{
    bool is_told = lex->is_include; /* this is its file */
    lex->is_include = false;
    if (lex->before.kind != CONF_TOKEN_STRING && !is_value_expected(lex) && !is_told)
        found(lex, token->line, "a text that belongs to nothing; is a '=' or ',' missing?");
    for (size_t i = 0; i + 3 < token->size; i++) {
        if (token->text[i] != '\\')
            continue;
        if ((token->text[i + 1] == 'x' || token->text[i + 1] == 'X') && token->text[i + 2] == '0' &&
            token->text[i + 3] == '0')
            found(lex, token->line, "there is no '\\x00' in a string");
        i++;
    }
}

static void look_at_tokens(struct lex *lex, struct conf_tokens *tokens)
{
    lex->stack[lex->depth++] = (struct bracket){'}', 1, 0, NO_OWNER};
    lex->before = (struct conf_token){.kind = CONF_TOKEN_MARK, .text = "{", .size = 1, .line = 1};
    for (;;) {
        struct conf_token token = conf_tokens_next(tokens);
        if (token.kind == CONF_TOKEN_END || lex->is_too_deep)
            break;
        if (token.kind == CONF_TOKEN_MARK)
            look_at_mark(lex, &token);
        else if (token.kind == CONF_TOKEN_WORD)
            look_at_word(lex, &token);
        else if (token.kind == CONF_TOKEN_NUMBER)
            look_at_number(lex, &token);
        else
            look_at_string(lex, &token);
        lex->before = token;
    }
    for (uint32_t i = 1; i < lex->depth && !lex->is_too_deep; i++)
        found(lex, lex->stack[i].line, "the '%c' opened here is not closed",
              opening(lex->stack[i].close));
}

bool conf_lex(struct conf_issues *issues, const struct conf_file *file, const char *text,
              size_t size, uint32_t *long_string_line)
{
    struct lex lex = {.issues = issues, .file = file, .is_ok = true};
    struct conf_tokens tokens;
    *long_string_line = 0;
    find_bytes(&lex, text, size);
    conf_tokens_init(&tokens, text, size);
    if (lex.is_ok)
        find_unclosed(&lex, tokens);
    if (!lex.is_ok)
        return false;
    look_at_tokens(&lex, &tokens);
    find_duplicates(&lex);
    free(lex.names);
    if (!lex.is_ok && tokens.long_string_line != 0)
        found(&lex, tokens.long_string_line,
              "the string opened here goes on in the next line; is its closing quote missing?");
    *long_string_line = tokens.long_string_line;
    return lex.is_ok;
}
