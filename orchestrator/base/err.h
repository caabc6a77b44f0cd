/* Errors. A function that can fail returns 0 or one of these negative codes; at the boundaries it
 * also fills a struct errbuf (its last parameter), which callers wrap outward:
 * "load /etc/ephor/ephor.conf: line 12: interval: '5x' is not a duration".
 * Messages are lower case, without a full stop, quote the value and say what to do if known. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_LIST(X)                \
    X(NOMEM, "out of memory")      \
    X(INVALID, "invalid value")    \
    X(IO, "input/output error")    \
    X(TIMEOUT, "timed out")        \
    X(CANCELED, "canceled")        \
    X(AGAIN, "not now, try again") \
    X(LIMIT, "limit reached")      \
    X(NOT_FOUND, "not found")      \
    X(EXISTS, "exists already")    \
    X(DENIED, "permission denied") \
    X(REFUSED, "refused")          \
    X(UNREACHABLE, "unreachable")  \
    X(PROTOCOL, "protocol error")  \
    X(CORRUPT, "data is damaged")  \
    X(CLOSED, "closed")            \
    X(NO_SPACE, "no space left")   \
    X(STALE, "too late")           \
    X(UNSUPPORTED, "not supported")

enum err_ordinal {
    ERR_ORDINAL_OK,
#define ERR_ORDINAL(name, text) ERR_ORDINAL_##name,
    ERR_LIST(ERR_ORDINAL)
#undef ERR_ORDINAL
};

enum err {
    ERR_OK = 0,
#define ERR_CODE(name, text) ERR_##name = -ERR_ORDINAL_##name,
    ERR_LIST(ERR_CODE)
#undef ERR_CODE
};

enum { ERR_TEXT_SIZE = 1024 };

struct errbuf {
    char text[ERR_TEXT_SIZE];
};

/* The words for a code; "unknown error" for one that is none of ours. */
const char *err_text(int code);

/* The code for an errno value. */
int err_from_errno(int errno_value);

/* Write the message; e may be NULL. Returns code, so that it can be returned in one line. */
int err_set(struct errbuf *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the message; e may be NULL. */
void err_wrap(struct errbuf *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
