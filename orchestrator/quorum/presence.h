/* Coming forward: the leader brings the members of the log onto the board and gives up whom it does
 * not hear; each controller says that it is there. Level-triggered: what the state machine says is
 * compared with what is, and the difference is proposed. */
#ifndef QUORUM_PRESENCE_H
#define QUORUM_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

struct quorum;

struct presence_state {
    bool is_board_proposed, is_own_proposed;
    uint64_t told_index;      /* the checkers were asked to tell all when this entry was applied */
    uint32_t absent_proposed; /* bits of seats */
    int64_t better_since_ms;  /* another one would lead better; 0: none would */
    int64_t handed_over_ms;   /* when that was tried last */
    int64_t actor_failed_ms;  /* when it was handed over because our actor did not answer */
};

/* Propose what is missing. Called with each entry, each beat and each change of leader. */
void presence_work(struct quorum *quorum);

/* Another term: what was proposed in the last one may be lost. */
void presence_restart(struct quorum *quorum);

/* Hand over to a controller that reaches more nodes. Once a second. */
void presence_watch_reach(struct quorum *quorum);

/* Hand over to any controller while our actor does not answer. With each beat. */
void presence_watch_actor(struct quorum *quorum);

#endif
