/* The words of a configuration file, as libconfig splits them, each with its line. */
#ifndef SUPERVISOR_CONF_TOKEN_H
#define SUPERVISOR_CONF_TOKEN_H

#include <stddef.h>
#include <stdint.h>

enum conf_token_kind {
    CONF_TOKEN_END,
    CONF_TOKEN_MARK, /* one character: = : ; , { } [ ] ( ) and anything strange */
    CONF_TOKEN_WORD,
    CONF_TOKEN_NUMBER, /* begins like one */
    CONF_TOKEN_STRING, /* with its quotes */
    CONF_TOKEN_OPEN_STRING,
    CONF_TOKEN_OPEN_COMMENT,
};

struct conf_token {
    enum conf_token_kind kind;
    const char *text;
    size_t size;
    uint32_t line; /* of its first byte */
};

struct conf_tokens {
    const char *at, *end;
    uint32_t line;
    uint32_t long_string_line; /* the first string that goes over several lines, 0 = none */
};

void conf_tokens_init(struct conf_tokens *tokens, const char *text, size_t size);

/* After an open string or comment there is only the end. */
struct conf_token conf_tokens_next(struct conf_tokens *tokens);

#endif
