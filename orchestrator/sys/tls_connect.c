/* Connecting: the name is resolved on the pool, which cannot be called off; so what waits for it is
 * an allocation of its own that knows whether its link is still there. */
#include "orchestrator/base/text.h"
#include "orchestrator/sys/tls_link.h"
#include "orchestrator/sys/tls_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dial {
    struct tls_link *link; /* NULL: it was freed meanwhile */
    uint8_t alpn[TLS_ALPN_SIZE];
    bool is_resolved; /* the name's answer came, with or without success */
};

static void dial_release(struct dial *dial)
{
    if (dial->is_resolved && dial->link == NULL)
        free(dial);
}

static void on_link_end(void *data)
{
    struct dial *dial = data;
    dial->link = NULL;
    dial_release(dial);
}

static void on_resolved(void *data, int err, const struct sockaddr *address, socklen_t size)
{
    struct dial *dial = data;
    dial->is_resolved = true;
    if (dial->link == NULL) {
        dial_release(dial);
        return;
    }
    if (err != ERR_OK) {
        tls_link_fail(dial->link, ERR_NOT_FOUND, "its host name is not found");
        return;
    }
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        tls_link_fail(dial->link, err_from_errno(errno), strerror(errno));
        return;
    }
    int errno_value = connect(fd, address, size) == 0 ? 0 : errno;
    err = tls_link_start(dial->link, fd, address);
    if (err != ERR_OK)
        tls_link_fail(dial->link, err, err_text(err));
    else if (errno_value != 0 && errno_value != EINPROGRESS)
        tls_link_fail(dial->link, err_from_errno(errno_value), strerror(errno_value));
}

int tls_connect(struct loop *loop, const struct tls_connect_params *params,
                const struct tls_link_ops *ops, void *data, struct tls_link **link,
                struct errbuf *e)
{
    *link = NULL;
    struct dial *dial = calloc(1, sizeof(*dial));
    if (dial == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    struct tls_link_plan plan = {.loop = loop,
                                 .limits = &params->limits,
                                 .ops = ops,
                                 .data = data,
                                 .guard = {.pin = params->pin, .alpn = dial->alpn}};
    if (!tls_alpn_add(dial->alpn, sizeof(dial->alpn), &plan.guard.alpn_size, params->alpn)) {
        free(dial);
        return err_set(e, ERR_INVALID, "protocol name '%.40s' has to have 1 to %d bytes",
                       params->alpn, TLS_ALPN_SIZE - 1);
    }
    dial->link = tls_link_new(&plan, params->identity);
    if (dial->link == NULL) {
        free(dial);
        return err_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    int err = loop_resolve(loop, params->host, params->port, on_resolved, dial);
    if (err != ERR_OK) {
        tls_link_free(dial->link);
        free(dial);
        return err_set(e, err, "cannot look up '%.100s': %s", params->host, err_text(err));
    }
    tls_link_on_end(dial->link, on_link_end, dial);
    *link = dial->link;
    return ERR_OK;
}
