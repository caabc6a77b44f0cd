/* The board: which controllers there are, which of them have come forward, and whose opinions
 * count. What the log's membership says comes in as a fact of the leader; that a controller is
 * there, as a fact of its own. */
#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include "orchestrator/core/core.h"

void board_apply(struct core *core, const struct fact *fact, struct effects *effects);
void board_apply_presence(struct core *core, const struct fact *fact, struct effects *effects);
void board_apply_leader(struct core *core, const struct fact *fact, struct effects *effects);
void board_apply_sight(struct core *core, const struct fact *fact, struct effects *effects);
void board_apply_calm(struct core *core, const struct fact *fact, struct effects *effects);
void board_apply_freeze(struct core *core, const struct fact *f, struct effects *effects);
void board_apply_reach(struct core *core, const struct fact *fact, struct effects *effects);

/* Is it one of CONTROLLERS_MAX? Says so if not. */
bool board_has_seat(uint32_t controller, struct effects *effects);

/* The name of a seat, for the journal: into text if it is not known. */
const char *board_name(const struct core *core, uint32_t seat, char text[NAME_SIZE]);

#endif
