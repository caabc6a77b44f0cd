/* The observers for all views: those that operators added, from the log, beside the links of this
 * controller to them, from its quorum process. */
#ifndef STATUS_OBSERVER_LINKS_H
#define STATUS_OBSERVER_LINKS_H

#include "orchestrator/status/feed.h"

struct observer_links {
    uint32_t added;
    uint32_t linked;  /* to this controller */
    uint32_t blind;   /* of these, those that cannot see */
    uint32_t strayed; /* of these, those that look by another policy than the one in force */
};

/* This controller's link to one of them; NULL: there is none. */
const Ephor__FeedObserver *observer_links_find(const struct feed *feed, uint32_t id);

struct observer_links observer_links_counted(const struct feed *feed);

/* "3 observers, 2 linked to this controller, 1 of them cannot see"; LINE_SIZE bytes. */
const char *observer_links_in_words(const struct observer_links *counts, char text[LINE_SIZE]);

#endif
