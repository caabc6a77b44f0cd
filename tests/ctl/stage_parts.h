/* The parts of the stage: stage.c (links, life), stage_commands.c (what commands do),
 * stage_cluster.c (observers). */
#ifndef TESTS_CTL_STAGE_PARTS_H
#define TESTS_CTL_STAGE_PARTS_H

#include "orchestrator/proto/machine.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/results.h"
#include "tests/ctl/stage.h"

#include <sys/types.h>

enum { COMMAND_MAX = 4096, OBSERVERS_PLAYED_MAX = 4 };

struct stage {
    struct loop *loop;
    struct link *control, *quorum, *actor;
    struct machine machine;
    struct effects *effects;
    struct results *results;
    struct watch *commands;
    struct timer *beat;
    int command_fd, ready_fd, results_fd;
    uint16_t port;
    pid_t pid;
    uint64_t index;
    int64_t begin_ms;
    bool is_leading, is_silent, is_dropping, is_early, works, is_storage_ok, is_calm;
    char storage_text[128], calm_text[64];
    Ephor__FeedObserver observers[OBSERVERS_PLAYED_MAX]; /* that are linked */
    Ephor__FeedObserver *observer_pointers[OBSERVERS_PLAYED_MAX];
    char observer_texts[OBSERVERS_PLAYED_MAX][64];
    uint32_t observer_count;
    char line[COMMAND_MAX];
    size_t line_size;
};

void stage_send_state(struct stage *s);
void stage_apply(struct stage *s, Ephor__Fact *fact); /* here, and feed it */
void stage_work(struct stage *s);                     /* every order that is owed ends well */
void stage_begin_feed(struct stage *s);
void stage_adopt_policy(struct stage *s);
void stage_change_cluster(struct stage *s, const Ephor__ClusterRequest *request);
void stage_observe(struct stage *s, const char *name, bool sees, const char *reason);
void stage_carry_out(struct stage *s, const char *verb, const char *a, const char *b,
                     const char *text);

#endif
