#include "orchestrator/consensus/scrub.h"

#include "orchestrator/base/text.h"
#include "orchestrator/consensus/store_tools.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

enum { PART = 512 /* entries at a time */ };

struct scrub {
    struct loop *loop;
    struct timer *timer;
    int64_t every_ms;
    scrub_damage_cb *cb;
    void *data;
    bool is_working; /* the worker has it */
    bool is_dropped; /* its owner is gone; the worker's callback frees it */
    char dir[PATH_MAX];
    /* the worker's, while it runs */
    struct store_part part;
    int err;
    struct errbuf text;
};

static void on_worker(void *data)
{
    struct scrub *scrub = data;
    scrub->err = store_verify_part(scrub->dir, &scrub->part, &scrub->text);
}

static void on_done(void *data)
{
    struct scrub *scrub = data;
    scrub->is_working = false;
    if (scrub->is_dropped) {
        free(scrub);
        return;
    }
    if (scrub->err == ERR_CORRUPT)
        scrub->cb(scrub->data, scrub->part.damaged, scrub->text.text);
    scrub->part.first = scrub->err == ERR_OK ? scrub->part.next : 0;
    timer_start(scrub->timer, scrub->every_ms, 0);
}

static void on_timer(void *data)
{
    struct scrub *scrub = data;
    scrub->part.count = PART;
    scrub->is_working = loop_work(scrub->loop, on_worker, on_done, scrub) == ERR_OK;
    if (!scrub->is_working)
        timer_start(scrub->timer, scrub->every_ms, 0);
}

struct scrub *scrub_new(struct loop *loop, const char *dir, int64_t every_ms, scrub_damage_cb *cb,
                        void *data)
{
    struct scrub *scrub = calloc(1, sizeof(*scrub));
    if (scrub == NULL)
        return NULL;
    *scrub = (struct scrub){.loop = loop, .every_ms = every_ms, .cb = cb, .data = data};
    text_copy(scrub->dir, sizeof(scrub->dir), dir);
    scrub->timer = timer_new(loop, on_timer, scrub);
    if (scrub->timer == NULL) {
        free(scrub);
        return NULL;
    }
    timer_start(scrub->timer, every_ms, 0);
    return scrub;
}

void scrub_free(struct scrub *scrub)
{
    if (scrub == NULL)
        return;
    timer_free(scrub->timer);
    scrub->is_dropped = true;
    if (!scrub->is_working)
        free(scrub);
}
