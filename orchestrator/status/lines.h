/* The newest journal lines, for the page, the API and those who follow. */
#ifndef STATUS_LINES_H
#define STATUS_LINES_H

#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"

enum { LINES_MAX = 2000, EVENT_NAME_SIZE = 16 };

struct line {
    uint64_t index;  /* of the log entry */
    uint32_t number; /* within the entry */
    uint64_t term;
    int64_t wall_ms;
    enum severity severity;
    char event[EVENT_NAME_SIZE];
    char object[ID_SIZE];
    char text[LINE_SIZE];
};

struct lines;

struct lines *lines_new(void); /* NULL: out of memory */
void lines_free(struct lines *lines);
void lines_clear(struct lines *lines);

/* Keep a line (copied); the oldest one goes when there are too many. A line that is not newer than
 * the newest is known already and left out. */
void lines_add(struct lines *lines, const struct line *line);

/* The lines of one applied entry, and one that the quorum process kept. */
void lines_add_effects(struct lines *lines, uint64_t index, uint64_t term, int64_t wall_ms,
                       const struct effects *effects);
void lines_add_message(struct lines *lines, const Ephor__JournalLine *message);

uint32_t lines_count(const struct lines *lines);

/* i = 0 is the oldest one kept. */
const struct line *lines_at(const struct lines *lines, uint32_t i);

/* The first line behind (index, number): its place, or lines_count if there is none. */
uint32_t lines_after(const struct lines *lines, uint64_t index, uint32_t number);

/* Is this line about an object: a service, node, address or check of that name? */
bool line_is_about(const struct line *line, const char *object);

#endif
