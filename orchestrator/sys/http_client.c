/* The HTTP client over libcurl's multi interface: curl tells which sockets and which timer it
 * wants watched, the loop tells curl what happened. */
#include "orchestrator/sys/http_client.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { URL_MAX = 2048, CONNECTIONS_KEPT_MAX = 256 };

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct timer *timer;
};

struct socket_watch {
    struct http_client *client;
    curl_socket_t fd;
    struct watch *watch;
};

struct http_call {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    struct buf body;
    bool is_body_cut;
    char error[CURL_ERROR_SIZE];
    http_answer_cb *cb;
    void *data;
};

static void call_free(struct http_call *call)
{
    if (call->easy != NULL)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    buf_close(&call->body);
    free(call);
}

/* ------------------------------------------------------------------ the answer */

static int err_of_connect(CURL *easy)
{
    long errno_value = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &errno_value);
    int err = err_from_errno((int)errno_value);
    return err == ERR_OK ? ERR_REFUSED : err;
}

/* Giving up on a name says nothing about the target; curl tells it by its words only. */
static int err_of_timeout(const char *text)
{
    return text_starts_with(text, "Resolving timed out") ? ERR_NOT_FOUND : ERR_TIMEOUT;
}

static int err_of_curl(const struct http_call *call, CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
        return ERR_NOT_FOUND;
    case CURLE_COULDNT_CONNECT:
        return err_of_connect(call->easy);
    case CURLE_OPERATION_TIMEDOUT:
        return err_of_timeout(call->error);
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERR_DENIED;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return ERR_CLOSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default: /* TLS and HTTP that make no sense, in many variants */
        return ERR_PROTOCOL;
    }
}

static int64_t info_us(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return (int64_t)us;
}

/* curl counts each time from the start; we tell how long each step took. A step that did not
 * happen (no TLS, failed before) has 0. */
static void fill_times(CURL *easy, struct http_answer *answer)
{
    int64_t resolved_us = info_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected_us = info_us(easy, CURLINFO_CONNECT_TIME_T);
    int64_t secured_us = info_us(easy, CURLINFO_APPCONNECT_TIME_T);
    int64_t first_us = info_us(easy, CURLINFO_STARTTRANSFER_TIME_T);
    int64_t ready_us = secured_us > 0 ? secured_us : connected_us;
    answer->total_us = info_us(easy, CURLINFO_TOTAL_TIME_T);
    answer->resolve_us = resolved_us;
    answer->connect_us = connected_us > resolved_us ? connected_us - resolved_us : 0;
    answer->tls_us = secured_us > connected_us ? secured_us - connected_us : 0;
    answer->first_byte_us = first_us > ready_us ? first_us - ready_us : 0;
}

/* curl's time of connecting is set only after TLS. A kept connection may be dead. */
static bool is_newly_connected(CURL *easy)
{
    long connections = 0, local_port = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
    curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local_port);
    return connections > 0 && local_port > 0;
}

/* "Expire date:Nov 24 00:00:00 2026 GMT" of the server's own certificate, the first one. */
static int64_t certificate_end_ms(CURL *easy)
{
    static const char prefix[] = "Expire date:";
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs == 0)
        return 0;
    for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
        struct tm tm = {.tm_isdst = 0};
        if (text_starts_with(line->data, prefix) &&
            strptime(line->data + sizeof(prefix) - 1, "%b %d %H:%M:%S %Y", &tm) != NULL)
            return (int64_t)timegm(&tm) * 1000;
    }
    return 0;
}

static void finish(struct http_call *call, CURLcode code)
{
    struct http_answer answer = {.err = ERR_OK};
    long status = 0;
    if (code == CURLE_WRITE_ERROR && call->is_body_cut)
        code = CURLE_OK; /* we hung up ourselves */
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.err = err_of_curl(call, code);
    answer.text = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
    answer.status = (int)status;
    answer.body = buf_string(&call->body);
    answer.body_size = call->body.size;
    answer.is_body_cut = call->is_body_cut;
    fill_times(call->easy, &answer);
    answer.is_connected = is_newly_connected(call->easy);
    answer.certificate_end_ms = certificate_end_ms(call->easy);
    curl_multi_remove_handle(call->client->multi, call->easy);
    call->cb(call->data, &answer);
    call_free(call);
}

/* Tell every call that is over. A callback may start others, or drop them. */
static void tell_finished(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct http_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, message->data.result);
    }
}

/* ------------------------------------------------------------------ loop and curl */

static void on_timer(void *data)
{
    struct http_client *client = data;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    tell_finished(client);
}

static void on_socket_ready(void *data, int events)
{
    struct socket_watch *w = data;
    struct http_client *client = w->client;
    int running;
    curl_multi_socket_action(client->multi, w->fd,
                             (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
                                 (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0),
                             &running); /* w may be gone now */
    tell_finished(client);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *data)
{
    struct http_client *client = data;
    (void)multi;
    if (timeout_ms < 0)
        timer_stop(client->timer);
    else
        timer_start(client->timer, timeout_ms, 0);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct http_client *client = data;
    struct socket_watch *w = socket_data;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL)
            watch_free(w->watch);
        free(w);
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        if (w == NULL)
            return -1;
        *w = (struct socket_watch){.client = client, .fd = fd};
        w->watch = watch_new(client->loop, fd, on_socket_ready, w);
        if (w->watch == NULL) {
            free(w);
            return -1;
        }
        curl_multi_assign(client->multi, fd, w);
    }
    watch_set(w->watch,
              (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
    return 0;
}

struct http_client *http_client_new(struct loop *loop)
{
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return NULL;
    client->loop = loop;
    client->timer = timer_new(loop, on_timer, client);
    if (client->timer == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto fail;
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        curl_global_cleanup();
        goto fail;
    }
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT_MAX);
    return client;

fail:
    timer_free(client->timer);
    free(client);
    return NULL;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    curl_multi_cleanup(client->multi); /* closes kept connections through on_curl_socket */
    curl_global_cleanup();
    timer_free(client->timer);
    free(client);
}

/* ------------------------------------------------------------------ a call */

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    struct http_call *call = data;
    size_t room = call->body.size_max - call->body.size;
    (void)one;
    if (size <= room)
        return buf_append(&call->body, bytes, size) == ERR_OK ? size : 0;
    buf_append(&call->body, bytes, room);
    call->is_body_cut = true;
    return 0; /* that is enough: hang up */
}

static void set_plain_options(struct http_call *call, const struct http_request *request)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ephor");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->keepalive ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->keepalive ? 0L : 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* without it, giving up on a name waits for the resolver's thread and blocks the loop */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, request->tls_verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, request->tls_verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_CERTINFO, request->wants_certificate ? 1L : 0L);
}

/* Ask for virtual_host at the address in the URL: the URL gets the name (for SNI and certificate),
 * CURLOPT_CONNECT_TO the address, and the Host header is exactly what was given. */
static int set_virtual_host(struct http_call *call, CURLU *url, const char *virtual_host)
{
    char header[512], target[512], name[256];
    char *host = NULL;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return ERR_INVALID;
    bool fits = text_format(target, sizeof(target), "::%s:", host);
    curl_free(host);
    fits = text_format(header, sizeof(header), "Host: %s", virtual_host) && fits;
    fits = text_copy(name, sizeof(name), virtual_host) && fits;
    char *colon = strrchr(name, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) /* not the colons of [::1] */
        *colon = '\0';
    if (!fits || curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK)
        return ERR_INVALID;
    call->headers = curl_slist_append(NULL, header);
    call->connect_to = curl_slist_append(NULL, target);
    if (call->headers == NULL || call->connect_to == NULL)
        return ERR_NOMEM;
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    return ERR_OK;
}

static int set_url(struct http_call *call, const struct http_request *request, struct errbuf *e)
{
    CURLU *url = curl_url();
    char *whole = NULL;
    if (url == NULL)
        return ERR_NOMEM;
    int err = ERR_OK;
    CURLUcode code = strlen(request->url) > URL_MAX
                         ? CURLUE_MALFORMED_INPUT
                         : curl_url_set(url, CURLUPART_URL, request->url, 0);
    if (code != CURLUE_OK)
        err = err_set(e, ERR_INVALID, "URL '%.200s': %s", request->url, curl_url_strerror(code));
    if (err == ERR_OK && request->virtual_host != NULL && request->virtual_host[0] != '\0') {
        err = set_virtual_host(call, url, request->virtual_host);
        if (err == ERR_INVALID)
            err_set(e, err, "host '%.200s' is not a host name", request->virtual_host);
    }
    if (err == ERR_OK && curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        err = ERR_NOMEM;
    if (err == ERR_OK && curl_easy_setopt(call->easy, CURLOPT_URL, whole) != CURLE_OK)
        err = ERR_NOMEM;
    curl_free(whole);
    curl_url_cleanup(url);
    return err;
}

int http_start(struct http_call **call, struct http_client *client,
               const struct http_request *request, http_answer_cb *cb, void *data, struct errbuf *e)
{
    int err = ERR_NOMEM;
    *call = NULL;
    struct http_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_set(e, err, "%s", err_text(err));
    c->client = client;
    c->cb = cb;
    c->data = data;
    buf_init(&c->body, request->body_max);
    c->easy = curl_easy_init();
    if (c->easy == NULL)
        goto fail;
    set_plain_options(c, request);
    if (request->ca_path != NULL && request->ca_path[0] != '\0')
        curl_easy_setopt(c->easy, CURLOPT_CAINFO, request->ca_path);
    err = set_url(c, request, e);
    if (err == ERR_OK && curl_multi_add_handle(client->multi, c->easy) != CURLM_OK)
        err = ERR_NOMEM;
    if (err != ERR_OK)
        goto fail;
    *call = c;
    return ERR_OK;

fail:
    if (err == ERR_NOMEM)
        err_set(e, err, "%s", err_text(err));
    call_free(c);
    return err;
}

void http_drop(struct http_call *call)
{
    curl_multi_remove_handle(call->client->multi, call->easy);
    call_free(call);
}
