/* libcurl, blocking, over a Unix socket. Event streams are taken apart as the standard of
 * server-sent events says: lines of "field: value", an empty line ends an event. */
#include "orchestrator/sys/api_client.h"

#include "orchestrator/base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { URL_SIZE = 2048, EVENT_MAX = 1 << 20, CONNECT_MS = 5000 };

int api_client_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? ERR_OK : ERR_NOMEM;
}

static const char *advice(int errno_value)
{
    if (errno_value == ENOENT || errno_value == ECONNREFUSED)
        return "; is it running? (systemctl status ephor)";
    if (errno_value == EACCES || errno_value == EPERM)
        return "; try again with sudo, or as an operator of the configuration";
    return "";
}

/* The words for a call that got no answer. */
static int no_answer(CURL *curl, CURLcode code, const char *socket_path, const char *details,
                     struct errbuf *e)
{
    long os_errno = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
    if (code == CURLE_COULDNT_CONNECT) {
        int err = os_errno == ENOENT         ? ERR_NOT_FOUND
                  : os_errno == ECONNREFUSED ? ERR_REFUSED
                                             : ERR_DENIED;
        return err_set(e, err, "cannot reach ephord at %s: %s%s", socket_path,
                       os_errno == 0 ? "no connection" : strerror((int)os_errno),
                       advice((int)os_errno));
    }
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_TIMEOUT, "ephord at %s does not answer", socket_path);
    return err_set(e, ERR_PROTOCOL, "ephord at %s: %s", socket_path,
                   details[0] != '\0' ? details : curl_easy_strerror(code));
}

static CURL *open_call(const char *socket_path, const char *path, char *details)
{
    char url[URL_SIZE];
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return NULL;
    text_format(url, sizeof(url), "http://localhost%s", path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "ephorctl");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    return curl;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    return buf_append(data, bytes, size) == ERR_OK ? size : 0;
}

int api_call(const char *socket_path, const char *path, const char *body, int64_t timeout_ms,
             struct api_answer *answer, struct errbuf *e)
{
    char details[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    long status = 0;
    buf_init(&answer->body, API_BODY_MAX);
    CURL *curl = open_call(socket_path, path, details);
    if (curl == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body);
    if (body != NULL) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    int err = ERR_OK;
    if (code != CURLE_OK)
        err = no_answer(curl, code, socket_path, details, e);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (uint32_t)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (err != ERR_OK)
        buf_close(&answer->body);
    return err;
}

void api_answer_close(struct api_answer *answer)
{
    buf_close(&answer->body);
}

/* ---------------------------------------------------------------- event streams */

struct events {
    struct buf in;
    struct buf text;
    char id[64], name[32];
    api_event_cb *cb;
    void *data;
    bool is_ended;
};

/* One line; an empty one ends an event. */
static void take_line(struct events *s, const char *line)
{
    if (line[0] == '\0') {
        if (s->text.size > 0 && !s->is_ended)
            s->is_ended = !s->cb(s->data, s->id, s->name, buf_string(&s->text));
        buf_clear(&s->text);
        s->name[0] = '\0';
    } else if (text_starts_with(line, "data: ")) {
        if (s->text.size > 0)
            buf_text(&s->text, "\n");
        buf_text(&s->text, line + 6);
    } else if (text_starts_with(line, "id: ")) {
        text_copy(s->id, sizeof(s->id), line + 4);
    } else if (text_starts_with(line, "event: ")) {
        text_copy(s->name, sizeof(s->name), line + 7);
    }
}

static size_t on_event_bytes(char *bytes, size_t one, size_t size, void *data)
{
    struct events *s = data;
    (void)one;
    if (buf_append(&s->in, bytes, size) != ERR_OK)
        return 0;
    size_t used = 0;
    for (char *end;
         !s->is_ended && (end = memchr(s->in.data + used, '\n', s->in.size - used)) != NULL;) {
        *end = '\0';
        take_line(s, s->in.data + used);
        used = (size_t)(end - s->in.data) + 1;
    }
    buf_consume(&s->in, used);
    return s->is_ended ? 0 : size;
}

int api_stream(const char *socket_path, const char *path, const char *last_id, api_event_cb *cb,
               void *data, struct errbuf *e)
{
    struct events s = {.cb = cb, .data = data};
    char details[CURL_ERROR_SIZE] = "", header[128];
    struct curl_slist *headers = NULL;
    int err = ERR_OK;
    CURL *curl = open_call(socket_path, path, details);
    if (curl == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    buf_init(&s.in, EVENT_MAX);
    buf_init(&s.text, EVENT_MAX);
    if (last_id[0] != '\0') {
        text_format(header, sizeof(header), "Last-Event-ID: %s", last_id);
        headers = curl_slist_append(NULL, header);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* the daemon pings more often */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_event_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &s);
    CURLcode code = curl_easy_perform(curl);
    if (s.is_ended)
        err = ERR_OK;
    else if (code == CURLE_OK || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR)
        err = err_set(e, ERR_CLOSED, "ephord at %s closed the stream", socket_path);
    else
        err = no_answer(curl, code, socket_path, details, e);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_close(&s.in);
    buf_close(&s.text);
    return err;
}
