/* The requests that change something: who may, and what they must look like. */
#ifndef STATUS_ACTIONS_H
#define STATUS_ACTIONS_H

#include "orchestrator/status/routes.h"

/* Read the body, check who asks, propose. Takes the request. */
void actions_start(struct routes *routes, struct http_request *request, enum handler handler);

/* Is whoever asks one of those who may act? If not, the request is answered and gone. */
bool actions_are_open_to(struct routes *routes, struct http_request *request, enum handler handler);

#endif
