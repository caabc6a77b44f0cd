/* Calls of the API, and their errors in words and exit statuses. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/api_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALL_MS = 15000, /* the daemon gives up after 10 s and says so */
    PATH_SIZE = 1024,
};

int ctl_exit_of(int err)
{
    return err == ERR_NOT_FOUND || err == ERR_REFUSED || err == ERR_TIMEOUT ? CTL_NO_LEADER
                                                                            : CTL_FAILED;
}

static int exit_of_status(uint32_t status)
{
    if (status == 409)
        return CTL_REFUSED;
    if (status == 503)
        return CTL_NO_LEADER;
    return status == 400 ? CTL_USAGE : CTL_FAILED;
}

const char *ctl_encode(char *dst, size_t dst_size, const char *value)
{
    size_t used = 0;
    for (; *value != '\0' && used + 4 < dst_size; value++) {
        unsigned char c = (unsigned char)*value;
        if (isalnum(c) || strchr("-_.", c) != NULL)
            dst[used++] = (char)c;
        else
            used += (size_t)snprintf(dst + used, 4, "%%%02X", c);
    }
    dst[used] = '\0';
    return dst;
}

/* Tell an answer that is not a success. */
static int tell_refusal(const struct ctl *ctl, uint32_t status, const json_t *json)
{
    const char *message = json_text(json_object_get(json, "error"), "message");
    if (ctl->is_json && json != NULL)
        out_json(json);
    if (message[0] != '\0')
        out_error("%s", message);
    else
        out_error("ephord answered with HTTP status %u", status);
    return exit_of_status(status);
}

static int call(const struct ctl *ctl, const char *path, const char *body, json_t **json)
{
    struct api_answer answer;
    struct errbuf e = {.text = ""};
    json_error_t error;
    *json = NULL;
    int err = api_call(ctl->socket, path, body, CALL_MS, &answer, &e);
    if (err != ERR_OK) {
        out_error("%s", e.text);
        return ctl_exit_of(err);
    }
    json_t *read = json_loadb(buf_string(&answer.body), answer.body.size, 0, &error);
    api_answer_close(&answer);
    if (answer.status != 200) {
        int status = tell_refusal(ctl, answer.status, read);
        json_decref(read);
        return status;
    }
    if (read == NULL) {
        out_error("the answer of ephord at %s cannot be read: %s", ctl->socket, error.text);
        return CTL_FAILED;
    }
    *json = read;
    return CTL_OK;
}

/* With what makes it consistent, if that is wanted. */
static bool make_path(const struct ctl *ctl, const char *path, char whole[PATH_SIZE])
{
    if (text_format(whole, PATH_SIZE, "%s%s", path,
                    !ctl->is_consistent         ? ""
                    : strchr(path, '?') == NULL ? "?consistent=1"
                                                : "&consistent=1"))
        return true;
    out_error("an argument is too long");
    return false;
}

int ctl_get(const struct ctl *ctl, const char *path, json_t **json)
{
    char whole[PATH_SIZE];
    *json = NULL;
    return make_path(ctl, path, whole) ? call(ctl, whole, NULL, json) : CTL_USAGE;
}

void ctl_add_span(const struct ctl *ctl, json_t *body, int64_t usual_ms)
{
    int64_t span_ms = ctl->span_ms == 0 ? usual_ms : ctl->span_ms;
    if (span_ms != SPAN_FOREVER)
        json_object_set_new(body, "for_ms", json_integer(span_ms));
}

int ctl_fetch(const struct ctl *ctl, const char *path, struct buf *bytes)
{
    struct api_answer answer;
    struct errbuf e = {.text = ""};
    json_error_t error;
    char whole[PATH_SIZE];
    if (!make_path(ctl, path, whole))
        return CTL_USAGE;
    int err = api_call(ctl->socket, whole, NULL, CALL_MS, &answer, &e);
    if (err != ERR_OK) {
        out_error("%s", e.text);
        return ctl_exit_of(err);
    }
    if (answer.status == 200) {
        *bytes = answer.body;
        return CTL_OK;
    }
    json_t *read = json_loadb(buf_string(&answer.body), answer.body.size, 0, &error);
    api_answer_close(&answer);
    int status = tell_refusal(ctl, answer.status, read);
    json_decref(read);
    return status;
}

uint32_t ctl_try(const struct ctl *ctl, const char *path, json_t *body, char *message, size_t size)
{
    struct api_answer answer;
    struct errbuf e = {.text = ""};
    json_error_t error;
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    message[0] = '\0';
    if (text == NULL || api_call(ctl->socket, path, text, CALL_MS, &answer, &e) != ERR_OK) {
        free(text);
        return 0;
    }
    free(text);
    json_t *read = json_loadb(buf_string(&answer.body), answer.body.size, 0, &error);
    text_copy(message, size, json_text(json_object_get(read, "error"), "message"));
    json_decref(read);
    api_answer_close(&answer);
    return answer.status;
}

int ctl_send(const struct ctl *ctl, const char *path, json_t *body, json_t **json)
{
    char *text = json_dumps(body, JSON_COMPACT);
    *json = NULL;
    json_decref(body);
    if (text == NULL) {
        out_error("out of memory, or an argument is not UTF-8");
        return CTL_FAILED;
    }
    int status = call(ctl, path, text, json);
    free(text);
    return status;
}

int ctl_post(const struct ctl *ctl, const char *path, json_t *body, json_t **json)
{
    json_t *answer;
    int status = ctl_send(ctl, path, body, &answer);
    if (status == CTL_OK && ctl->is_json) {
        out_json(answer);
    } else if (status == CTL_OK) {
        out_text(json_text(answer, "message"));
        putchar('\n');
    }
    if (json != NULL)
        *json = answer;
    else
        json_decref(answer);
    return status;
}
