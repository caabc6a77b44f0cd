/* Those who want to read nothing old: they wait until the leader has said up to which entry that
 * is, and until those are applied here. One question to the leader serves all who came before it
 * was asked; who comes later waits for the next. */
#ifndef QUORUM_READERS_H
#define QUORUM_READERS_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;
struct peer;

struct reader; /* one who waits */

struct readers {
    struct timer *look;
    struct reader *head, **end; /* as they came, so that deadlines rise */
    uint32_t count;
    uint64_t question; /* the number of the last one; drawn at the start, so that an answer to a
                          process that is gone is none to this one */
    bool is_asking;    /* it is not answered yet */
    uint32_t asked;    /* whom; its id */
    int64_t asked_ms;
    uint32_t serving; /* questions of others that the engine works on */
};

/* False: out of memory. */
bool readers_open(struct quorum *quorum);
void readers_close(struct quorum *quorum); /* nobody is told anything */

/* The process at the other end of a link wants to read; it is told ReadReply{sequence}. */
void readers_add(struct quorum *quorum, struct peer *peer, uint64_t sequence);

/* Somebody else leads, or can be reached anew: ask again. */
void readers_restart(struct quorum *quorum);

/* Another controller asks for an index, and another one answers. */
void readers_on_question(struct quorum *quorum, uint32_t from, const Ephor__ReadQuestion *question);
void readers_on_answer(struct quorum *quorum, uint32_t from, const Ephor__ReadAnswer *answer);

#endif
