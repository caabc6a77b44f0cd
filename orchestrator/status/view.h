/* One moment of everything, for all renderers: page, API and metrics say the same because they all
 * read this. It owns indexes and problems; the state itself is borrowed from the feed. */
#ifndef STATUS_VIEW_H
#define STATUS_VIEW_H

#include "orchestrator/core/diagnose.h"
#include "orchestrator/status/feed.h"

enum { PROBLEMS_MAX = 200 };

struct problem {
    uint32_t number; /* in the order found */
    enum state state;
    char object[ID_SIZE];
    char text[2 * LINE_SIZE];
    struct diagnosis diagnosis;
};

struct view {
    const struct feed *feed;
    const struct core *core; /* NULL until a policy was adopted */
    int64_t now_wall_ms;
    bool is_patch;            /* ages are left to the page's script, so that nothing else changes */
    enum state state;         /* of everything */
    char headline[LINE_SIZE]; /* in plain words */
    struct problem *problems; /* worst first */
    uint32_t problem_count;   /* of those kept */
    uint32_t problem_total;
    struct diagnosis unkept; /* of problems that are too many */
    int32_t *member_check;   /* the first check of each member, NONE */
    int32_t *next_check;     /* of the same member */
};

/* 0 or ERR_NOMEM. */
int view_init(struct view *view, const struct feed *feed, int64_t now_wall_ms);
void view_close(struct view *view);

/* The wall clock at a moment of core time; 0 if it is not known. Core time stands still while
 * nobody leads, so that moments before such a pause appear later than they were. */
int64_t view_wall_ms(const struct view *view, int64_t at_ms);

/* What the core says of a controller; of this one also what only it knows: its disk. */
void view_diagnose_controller(const struct view *view, uint32_t seat, struct diagnosis *diagnosis);

/* Of the active member; of the first that is not well where there is none. */
void view_diagnose_service(const struct view *view, int32_t service, struct diagnosis *diagnosis);

/* The latest observation of a check; false if nobody has looked under this policy. */
bool view_result(const struct view *view, int32_t check, struct observed *result);

/* The rule that settles what is done about a service now, and its words. */
enum rule view_service_rule(const struct view *view, int32_t service, char text[LINE_SIZE]);

const char *view_node_name(const struct view *view, int32_t node); /* NULL for NONE */

/* The node of the active member; NULL if there is none. */
const char *view_active_node(const struct view *view, int32_t service);

/* Is this an observer, which has looks (FeedLooks) and no state? */
bool view_is_observer(const struct feed *feed);

/* May this controller take requests of people now? Writes why not. */
bool view_is_ready(const struct feed *feed, char text[ERR_TEXT_SIZE]);

/* The certificate of a controller, as this one knows it; NULL: not known. */
const Ephor__Certificate *view_certificate(const struct feed *feed, uint32_t id);

/* Whole days until it ends; negative: it has ended. */
int64_t view_days_left(const Ephor__Certificate *certificate, int64_t now_wall_ms);

/* "2026-11-23T10:00:00.000Z"; "" for 0. */
const char *view_iso_time(int64_t wall_ms, char dst[40]);

/* Is `a` a worse state than `b`: critical, unknown, warning, ok? */
bool view_is_worse(enum state a, enum state b);

#endif
