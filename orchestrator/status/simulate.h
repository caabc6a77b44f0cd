/* What would be done if: core/forecast.h on a copy of the state, asked for by names. */
#ifndef STATUS_SIMULATE_H
#define STATUS_SIMULATE_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"
#include "orchestrator/status/view.h"
#include "orchestrator/sys/http_server.h"

/* Answer ?fail=SERVICE[@NODE],...&down=NODE,...&stuck=NODE,...&maintenance=NODE,...
 * &failover=SERVICE[@NODE]&restart_helps=1. ERR_INVALID: what is asked for makes no sense;
 * ERR_NOMEM. */
int simulate_answer(const struct view *view, const struct http_request *request, struct buf *out,
                    struct errbuf *e);

#endif
