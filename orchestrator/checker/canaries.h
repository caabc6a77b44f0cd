/* Canaries: what tells a controller that its own network works, whatever its targets do. Each is
 * asked once a second. Run by the first checker of a controller. */
#ifndef CHECKER_CANARIES_H
#define CHECKER_CANARIES_H

#include "checks/check_ops.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

enum { CANARIES_MAX = 16 };

struct canaries;

/* loop and context are borrowed. NULL: out of memory. */
struct canaries *canaries_new(struct check_context *context);

/* These from now on: "gateway", an IP address (ping) or HOST:PORT (a connection, or a refusal).
 * What is known of those that stay is kept. */
void canaries_set(struct canaries *canaries, char **names, size_t count);

/* What is known now, for a message: `list` and its texts are borrowed until the next call of
 * anything here. Returns how many. */
size_t canaries_list(struct canaries *canaries, Ephor__Canary list[CANARIES_MAX]);

/* Nothing is asked any more; what is under way ends by itself. */
void canaries_free(struct canaries *canaries);

#endif
