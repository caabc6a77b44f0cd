/* HTTP: does a GET bring an accepted status, the wanted text, in time, with a certificate that
 * lasts? Times of each step become performance data. Redirects are answers, not followed. */
#include "checks/check_ops.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/http_client.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 64 << 10 };
static const int64_t DAY_MS = 86400000;

struct http_run {
    struct check_run *run;
    struct http_call *call;
    int64_t timeout_ms;
    int status_min, status_max;
    int64_t warning_days, critical_days; /* 0 = do not look */
    char *wanted;                        /* NULL = any body */
};

static void http_free(struct http_run *http)
{
    free(http->wanted);
    free(http);
}

/* No answer: what does it say about the target? */
static void say_failed(struct http_run *http, const struct http_answer *answer)
{
    static const struct {
        int err;
        Ephor__State state;
        const char *reason;
    } meanings[] = {
        {ERR_TIMEOUT, EPHOR__STATE__STATE_CRITICAL, "timeout"},
        {ERR_REFUSED, EPHOR__STATE__STATE_CRITICAL, "refused"},
        {ERR_UNREACHABLE, EPHOR__STATE__STATE_CRITICAL, "unreachable"},
        {ERR_CLOSED, EPHOR__STATE__STATE_CRITICAL, "closed"},
        {ERR_DENIED, EPHOR__STATE__STATE_CRITICAL, "certificate"},
        {ERR_PROTOCOL, EPHOR__STATE__STATE_CRITICAL, "protocol"},
        {ERR_NOT_FOUND, EPHOR__STATE__STATE_UNKNOWN, "resolve"},
        {ERR_INVALID, EPHOR__STATE__STATE_UNKNOWN, "unsupported"},
    };
    Ephor__State state = EPHOR__STATE__STATE_UNKNOWN;
    const char *reason = "local";
    char duration[32], text[64];
    const char *say = answer->text;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].err == answer->err) {
            state = meanings[i].state;
            reason = meanings[i].reason;
        }
    }
    if (answer->err == ERR_TIMEOUT) {
        text_from_duration(duration, sizeof(duration), http->timeout_ms);
        text_format(text, sizeof(text), "%s within %s",
                    answer->is_connected ? "connected, but no answer" : "no answer", duration);
        say = text;
        reason = answer->is_connected ? "hung" : reason;
    } else if (answer->err == ERR_REFUSED) {
        say = "connection refused";
    }
    check_say(http->run, state, reason, "%s", say);
}

/* An answer came; now its status, body and certificate. The worst of them is said. */
static void say_answer(struct http_run *http, const struct http_answer *answer)
{
    char duration[32];
    check_format_us(duration, sizeof(duration), answer->total_us);
    if (answer->status < http->status_min || answer->status > http->status_max) {
        check_say(http->run, EPHOR__STATE__STATE_CRITICAL, "status", "HTTP %d, wanted %d-%d",
                  answer->status, http->status_min, http->status_max);
        return;
    }
    if (http->wanted != NULL &&
        memmem(answer->body, answer->body_size, http->wanted, strlen(http->wanted)) == NULL) {
        check_say(http->run, EPHOR__STATE__STATE_CRITICAL, "body",
                  "HTTP %d in %s, but '%.200s' is not in the first %zu bytes of the body",
                  answer->status, duration, http->wanted, answer->body_size);
        return;
    }
    check_say(http->run, EPHOR__STATE__STATE_OK, NULL, "HTTP %d in %s, %zu%s bytes", answer->status,
              duration, answer->body_size, answer->is_body_cut ? "+" : "");
}

static void judge_certificate(struct http_run *http, const struct http_answer *answer)
{
    if (answer->certificate_end_ms == 0)
        return;
    int64_t left_ms = answer->certificate_end_ms - now_wall_ms();
    int64_t days = left_ms / DAY_MS;
    Ephor__State state = EPHOR__STATE__STATE_OK;
    if (left_ms < http->critical_days * DAY_MS || left_ms <= 0)
        state = EPHOR__STATE__STATE_CRITICAL;
    else if (left_ms < http->warning_days * DAY_MS)
        state = EPHOR__STATE__STATE_WARNING;
    if (state == EPHOR__STATE__STATE_OK || http->run->observation.state != EPHOR__STATE__STATE_OK)
        return;
    if (left_ms <= 0)
        check_say(http->run, state, "certificate", "HTTP %d, but the certificate has expired",
                  answer->status);
    else
        check_say(http->run, state, "certificate",
                  "HTTP %d, but the certificate ends in %lld days (warning below %lld, critical "
                  "below %lld)",
                  answer->status, (long long)days, (long long)http->warning_days,
                  (long long)http->critical_days);
}

static void fill_perfdata(struct http_run *http, const struct http_answer *answer)
{
    char *out = http->run->observation.perfdata;
    size_t size = sizeof(http->run->observation.perfdata);
    text_format(out, size,
                "time=%.6fs;;;0;%.3f time_resolve=%.6fs;;;0 time_connect=%.6fs;;;0 "
                "time_tls=%.6fs;;;0 time_firstbyte=%.6fs;;;0 size=%zuB;;;0 status=%d",
                (double)answer->total_us / 1e6, (double)http->timeout_ms / 1e3,
                (double)answer->resolve_us / 1e6, (double)answer->connect_us / 1e6,
                (double)answer->tls_us / 1e6, (double)answer->first_byte_us / 1e6,
                answer->body_size, answer->status);
    if (answer->certificate_end_ms != 0) {
        size_t used = strlen(out);
        text_format(out + used, size - used, " certificate=%.2fd;%lld:;%lld:",
                    (double)(answer->certificate_end_ms - now_wall_ms()) / (double)DAY_MS,
                    (long long)http->warning_days, (long long)http->critical_days);
    }
}

static void on_answer(void *data, const struct http_answer *answer)
{
    struct http_run *http = data;
    struct check_run *run = http->run;
    if (answer->err != ERR_OK) {
        say_failed(http, answer);
    } else {
        say_answer(http, answer);
        judge_certificate(http, answer);
        fill_perfdata(http, answer);
    }
    http_free(http);
    check_finish(run);
}

static struct http_run *http_new(struct check_run *run, const Ephor__Check *check)
{
    struct http_run *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return NULL;
    http->run = run;
    http->timeout_ms = check->timeout_ms;
    http->status_min = (int)check->http_status_min;
    http->status_max = (int)check->http_status_max;
    http->warning_days = check->tls_warning_days;
    http->critical_days = check->tls_critical_days;
    if (check->http_body[0] != '\0') {
        http->wanted = strdup(check->http_body);
        if (http->wanted == NULL) {
            free(http);
            return NULL;
        }
    }
    return http;
}

static int http_check_start(struct check_run *run, const Ephor__Check *check)
{
    struct errbuf e = {.text = ""};
    struct http_run *http = http_new(run, check);
    if (http == NULL)
        return ERR_NOMEM;
    struct http_request request = {
        .url = check->url,
        .virtual_host = check->http_host,
        .ca_path = check->tls_ca,
        .tls_verify = check->tls_verify,
        .wants_certificate = check->tls_warning_days > 0 || check->tls_critical_days > 0,
        .keepalive = check->keepalive,
        .timeout_ms = check->timeout_ms,
        .body_max = BODY_MAX,
    };
    int err = http_start(&http->call, run->context->http, &request, on_answer, http, &e);
    run->impl = http;
    if (err == ERR_OK)
        return ERR_OK;
    http_free(http);
    if (err == ERR_NOMEM)
        return err;
    check_say(run, EPHOR__STATE__STATE_UNKNOWN, "unsupported", "%s", e.text);
    return check_finish_later(run);
}

static void http_check_cancel(struct check_run *run)
{
    struct http_run *http = run->impl;
    check_say(run, EPHOR__STATE__STATE_UNKNOWN, "canceled", "canceled");
    http_drop(http->call);
    http_free(http);
    if (check_finish_later(run) != ERR_OK)
        check_finish(run);
}

const struct check_ops check_http_ops = {http_check_start, http_check_cancel};
