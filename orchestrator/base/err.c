/* Error codes, their words, and messages that grow outward. */
#include "orchestrator/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
#define ERR_CASE(name, text) \
    case ERR_##name:         \
        return text;
        ERR_LIST(ERR_CASE)
#undef ERR_CASE
    default:
        return "unknown error";
    }
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return ERR_OK;
    case ENOMEM:
        return ERR_NOMEM;
    case EINVAL:
        return ERR_INVALID;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EAGAIN:
    case EINTR:
        return ERR_AGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return ERR_LIMIT;
    case ENOENT:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
        return ERR_UNREACHABLE;
    case EPIPE:
    case ECONNRESET:
        return ERR_CLOSED;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    default:
        return ERR_IO;
    }
}

int err_set(struct errbuf *e, int code, const char *fmt, ...)
{
    if (e != NULL) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
    }
    return code;
}

void err_wrap(struct errbuf *e, const char *fmt, ...)
{
    if (e == NULL)
        return;
    char inner[ERR_TEXT_SIZE];
    memcpy(inner, e->text, sizeof(inner));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(e->text))
        snprintf(e->text + used, sizeof(e->text) - used, ": %.*s", (int)(sizeof(e->text) - used),
                 inner);
}
