/* Answers. */
#include "orchestrator/status/answers.h"

#include "orchestrator/status/api.h"

#include <string.h>

#define CONTENT_SECURITY                                                              \
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " \
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const char *const answer_headers[] = {"Cache-Control",
                                      "no-cache",
                                      "Content-Security-Policy",
                                      CONTENT_SECURITY,
                                      "X-Content-Type-Options",
                                      "nosniff",
                                      "Referrer-Policy",
                                      "no-referrer",
                                      "X-Accel-Buffering",
                                      "no",
                                      NULL};

static const char *const lasting_headers[] = {"Cache-Control",
                                              "public, max-age=31536000, immutable",
                                              "X-Content-Type-Options", "nosniff", NULL};

void answers_init(struct http_counts *counts)
{
#define HANDLER(name, text) text,
    _Static_assert((int)HANDLER_COUNT <= (int)HTTP_HANDLERS_MAX, "each is counted");
    static const char *const handlers[] = {HANDLER_LIST(HANDLER)};
#undef HANDLER
    static const uint32_t codes[] = {200, 400, 403, 404, 405, 409, 413, 415, 500, 503, 504};
    *counts = (struct http_counts){.handlers = handlers,
                                   .handler_count = HANDLER_COUNT,
                                   .codes = codes,
                                   .code_count = sizeof(codes) / sizeof(codes[0])};
}

void answers_count(struct http_counts *counts, enum handler handler, uint32_t status)
{
    for (uint32_t i = 0; i < counts->code_count; i++)
        if (counts->codes[i] == status)
            counts->requests[handler][i]++;
}

void answer_send(struct http_counts *counts, enum handler handler, struct http_request *request,
                 uint32_t status, const char *type, bool is_lasting, const struct buf *body)
{
    if (body->failed) {
        answer_error(counts, handler, request, 500, "too_large",
                     "the answer is too large; ask for a part of it");
        return;
    }
    answers_count(counts, handler, status);
    http_answer(request,
                &(struct http_answer){.status = status,
                                      .type = type,
                                      .headers = is_lasting ? lasting_headers : answer_headers,
                                      .body = body->data,
                                      .size = body->size});
}

void answer_error(struct http_counts *counts, enum handler handler, struct http_request *request,
                  uint32_t status, const char *code, const char *message)
{
    struct buf body;
    buf_init(&body, 16384);
    api_error(code, message, &body);
    answers_count(counts, handler, status);
    http_answer(request, &(struct http_answer){.status = status,
                                               .type = "application/json",
                                               .headers = answer_headers,
                                               .body = body.data,
                                               .size = body.size});
    buf_close(&body);
}
