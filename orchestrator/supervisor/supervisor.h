/* The supervisor: reads and checks the configuration, starts, watches and restarts the other
 * processes, passes descriptors, reloads. It never touches the network itself.
 * Files: supervisor.c (life, signals, reload), children.c (processes and their links), offer.c (the
 * policy's way to the quorum process), listeners.c (sockets that the status process serves). */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "orchestrator/proto/history.h"
#include "orchestrator/supervisor/conf.h"
#include "orchestrator/sys/cluster_files.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/loop.h"
#include "orchestrator/sys/notify.h"

#include <sys/types.h>

enum { CHILDREN_MAX = 11, LISTENERS_MAX = CONF_LISTEN_MAX + 2 };

struct supervisor;

struct child {
    struct supervisor *supervisor;
    Ephor__Role role;
    uint32_t instance;
    pid_t pid; /* 0 = not running */
    struct link *control;
    struct timer *restart;
    bool is_ready;
    uint32_t restarts;
    int64_t started_ms, alive_ms;
    int64_t since_wall_ms;
    int64_t back_off_ms;
    char reason[128]; /* why it ended last */
};

struct listener {
    int fd;
    char name[48]; /* "http", "ctl", "cluster" */
    bool is_local;
    Ephor__Role role; /* whose it is */
};

struct supervisor {
    struct loop *loop;
    struct conf *conf;
    const char *conf_path;
    bool has_cluster;
    struct cluster_files cluster;        /* with has_cluster */
    char cluster_trouble[ERR_TEXT_SIZE]; /* why its newest certificates cannot be read; or "" */
    char program[512];                   /* this executable, for the children */
    struct notify notify;
    struct child children[CHILDREN_MAX];
    uint32_t child_count;
    struct listener listeners[LISTENERS_MAX];
    uint32_t listener_count;
    int results_fd;
    int lock_fd;
    struct timer *watch; /* every second: are the children alive */
    struct timer *stop_limit;
    bool is_stopping, is_policy_accepted, is_ready_told;
    bool is_reload_open;
    uint64_t trial_sequence; /* of the last PolicyApply that was only a trial */
    bool last_reload_ok;
    char last_reload_text[ERR_TEXT_SIZE];
    int64_t last_reload_wall_ms;
    int status;
};

/* Run until told to end. Returns the exit status. conf is taken. */
int supervisor_run(struct conf *conf, const char *conf_path);

/* An operator wants the file to be applied. */
void supervisor_apply(struct supervisor *supervisor, const Ephor__PolicyApply *apply);

/* Is this ephord one that only looks? */
bool supervisor_observes(const struct supervisor *supervisor);

/* Something about the children changed: tell systemd and the status process. */
void supervisor_on_change(struct supervisor *supervisor);

/* children.c */
void children_init(struct supervisor *supervisor);
void children_start(struct supervisor *supervisor);
void children_setup(struct supervisor *supervisor);   /* after a reload: Setup anew */
void children_certify(struct supervisor *supervisor); /* only the certificates */
void children_reap(struct supervisor *supervisor);
void children_watch(struct supervisor *supervisor); /* end those that hang */
void children_stop(struct supervisor *supervisor);
void children_kill(struct supervisor *supervisor);
bool children_are_gone(const struct supervisor *supervisor);
void children_close(struct supervisor *supervisor);
void children_tell(struct supervisor *supervisor, Ephor__Role role, const Ephor__Message *m);

/* offer.c; apply is NULL if no operator waits for it */
void offer_digest(const struct conf *conf, char digest[DIGEST_SIZE]);
void offer_send(struct supervisor *supervisor, const struct conf *conf, bool asked,
                const Ephor__PolicyApply *apply);
void offer_refuse(struct supervisor *supervisor, const Ephor__PolicyApply *apply, const char *text);
void offer_on_reply(struct supervisor *supervisor, const Ephor__PolicyReply *reply);

/* listeners.c */
int listeners_open(struct supervisor *supervisor, struct errbuf *e);
void listeners_close(struct supervisor *supervisor);

#endif
