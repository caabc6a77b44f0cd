/* A stage for the status process: a supervisor, a quorum process and an actor that are none, on
 * which a real status process plays. For tests, and for looking at pages. */
#ifndef TESTS_CTL_STAGE_H
#define TESTS_CTL_STAGE_H

#include "orchestrator/proto/ephor.pb-c.h"

#include <stdint.h>

/* Play until command_fd ends: start a status process that serves on socket_path and on a free port
 * of 127.0.0.1 (written to ready_fd as "PORT PID\n" when it serves), and carry out commands, one a
 * line, each answered on ready_fd by "done\n":
 *   opinion CHECK STATE TEXT   the verdict of a check (by id; 0-3)
 *   census CHECK STATE         200 observers say so of it
 *   result CHECK STATE TEXT    its latest observation in the results table
 *   reach NODE 0|1 TEXT        channel NODE 0|1 TEXT
 *   work on|off                orders are carried out at once, or not at all
 *   leading 0|1   silent 0|1 (proposals and reads are ignored)   storage 0|1 TEXT   calm 0|1 TEXT
 *   process ROLE 0|1 TEXT      reload 0|1 TEXT
 *   lose                       the quorum process is lost; `again` brings a new one
 *   drop 0|1                   proposals and reads are refused: this controller does not lead; so
 *                              is what the file says
 *   early 0|1                  leave to read is given ahead of the last fact: web/n1/http is bad
 *   observe NAME 0|1 TEXT      this observer is linked, and sees (or why not)
 * Observers can be added and removed, as in a cluster whose only controller is c1.
 * Returns the exit status of the status process. */
int stage_play(int command_fd, int ready_fd, const char *socket_path);

/* The policy that is played: services web (n1, n2; an address) and batch (n2, n3), hostile names of
 * checks included. Static. */
const Ephor__Policy *stage_policy(void);

#endif
