/* What every child process of the supervisor does alike: the control link on one descriptor, the
 * first Setup, the heartbeat (Alive every second), Stop, and the end when the supervisor is gone.
 * Privileges are dropped by ephord.c before this starts. */
#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/loop.h"

struct process;

struct process_ops {
    /* The first Setup came. Start; on an error the process ends with status 1 and says e. Send
     * process_ready() when the process can do its job (also later). */
    int (*on_start)(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e);
    /* A later Setup (reload). */
    void (*on_setup)(void *data, const Ephor__Setup *setup);
    /* A fresh link to a peer process; it replaces an older one. fd is taken (give it link_new). */
    void (*on_peer)(void *data, Ephor__Role role, uint32_t instance, int fd);
    /* Any other control message; fd is -1 or taken. May be NULL. */
    void (*on_message)(void *data, const Ephor__Message *m, int fd);
    /* End cleanly: finish what must be finished, free what belongs to the loop (links, timers),
     * then call process_done(). Also when the supervisor is gone. */
    void (*on_stop)(void *data);
};

/* Run until process_done() or the supervisor is gone. Returns the exit status. */
int process_run(Ephor__Role role, uint32_t instance, int control_fd, const struct process_ops *ops,
                void *data);

struct loop *process_loop(struct process *process);
void process_send(struct process *process, const Ephor__Message *m, int fd);
void process_ready(struct process *process);
void process_done(struct process *process);

/* End as if told to, behind this turn of the loop, with status 1: the supervisor begins anew. */
void process_restart(struct process *process);

/* "supervisor" "checker" "quorum" "actor" "status" */
const char *process_role_name(Ephor__Role role);

#endif
