/* The checker process: runs its share of the checks, keeps opinions, reports changed ones to the
 * quorum process of the same machine. Touches targets and plugins; never the log, never SSH keys.
 * Called by main. */
#ifndef CHECKER_CHECKER_H
#define CHECKER_CHECKER_H

#include <stdint.h>

/* Run until told to stop. Returns the exit status. */
int checker_main(uint32_t instance, int control_fd);

#endif
