/* The file "freeze" in the state directory: while it is there, nothing happens by itself. It needs
 * no quorum, and no ephorctl: for the hour in which nothing else can be trusted. */
#ifndef QUORUM_FREEZE_H
#define QUORUM_FREEZE_H

#include "orchestrator/core/limits.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct quorum;

struct freeze {
    char path[PATH_MAX];
    char text[TEXT_SIZE]; /* its first line; "": there is no file */
    int64_t looked_ms;
    bool is_proposed;
};

void freeze_init(struct freeze *freeze, const char *state_dir);

/* Look again, at most once a second. */
void freeze_look(struct freeze *freeze, int64_t now_ms);

/* Look, and say it in the log if that has it otherwise. */
void freeze_work(struct quorum *quorum);

#endif
