/* Opinions to the quorum. An item is in the queue, or in a batch under way, or neither; one that
 * changes while it is in a batch goes back to the queue when the batch is answered. */
#include "orchestrator/checker/reporter.h"

#include "orchestrator/base/err.h"
#include "orchestrator/base/log.h"
#include "orchestrator/sys/now.h"

static void queue_add(struct reporter *r, struct report_item *item)
{
    if (item->is_waiting)
        return;
    item->is_waiting = true;
    item->next = NULL;
    if (r->last != NULL)
        r->last->next = item;
    else
        r->first = item;
    r->last = item;
}

static struct report_item *queue_take(struct reporter *r)
{
    struct report_item *item = r->first;
    r->first = item->next;
    if (r->first == NULL)
        r->last = NULL;
    item->next = NULL;
    item->is_waiting = false;
    return item;
}

static void arm(struct reporter *r, int64_t delay_ms)
{
    if (r->is_timer_soon)
        return;
    r->is_timer_soon = true;
    timer_start(r->timer, delay_ms, 0);
}

/* The batch is answered or given up. */
static void batch_end(struct reporter *r, struct report_batch *batch, bool is_done)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct report_item *item = batch->items[i];
        item->is_sent = false;
        if (!is_done || item->is_changed)
            queue_add(r, item);
        item->is_changed = false;
    }
    batch->sequence = 0;
    batch->count = 0;
}

static void batch_send(struct reporter *r, struct report_batch *batch)
{
    Ephor__OpinionChange changes[REPORT_CHANGES_MAX];
    Ephor__OpinionChange *list[REPORT_CHANGES_MAX];
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Propose propose = EPHOR__PROPOSE__INIT;
    Ephor__Message message = EPHOR__MESSAGE__INIT;
    for (batch->count = 0; r->first != NULL && batch->count < REPORT_CHANGES_MAX; batch->count++) {
        struct report_item *item = queue_take(r);
        Ephor__OpinionChange *change = &changes[batch->count];
        ephor__opinion_change__init(change);
        change->check = item->check;
        change->state = item->state;
        change->text = item->text;
        change->suspect = item->suspect;
        change->attempts = item->attempts;
        change->cause = item->cause;
        list[batch->count] = change;
        batch->items[batch->count] = item;
        item->is_sent = true;
        item->is_changed = false;
    }
    opinions.controller = r->controller;
    opinions.policy_index = r->policy_index;
    opinions.n_changes = batch->count;
    opinions.changes = list;
    fact.wall_ms = now_wall_ms();
    fact.body_case = EPHOR__FACT__BODY_OPINIONS;
    fact.opinions = &opinions;
    batch->sequence = ++r->last_sequence;
    batch->sent_ms = now_mono_ms();
    propose.sequence = batch->sequence;
    propose.fact = &fact;
    message.body_case = EPHOR__MESSAGE__BODY_PROPOSE;
    message.propose = &propose;
    link_send(r->link, &message, -1);
}

static void send_all(struct reporter *r)
{
    for (size_t i = 0; i < REPORT_BATCHES_MAX && r->first != NULL && r->link != NULL; i++)
        if (r->batches[i].sequence == 0)
            batch_send(r, &r->batches[i]);
}

static bool is_under_way(const struct reporter *r)
{
    for (size_t i = 0; i < REPORT_BATCHES_MAX; i++)
        if (r->batches[i].sequence != 0)
            return true;
    return false;
}

static void on_timer(void *data)
{
    struct reporter *r = data;
    int64_t now_ms = now_mono_ms();
    r->is_timer_soon = false;
    for (size_t i = 0; i < REPORT_BATCHES_MAX; i++)
        if (r->batches[i].sequence != 0 && now_ms - r->batches[i].sent_ms >= REPORT_PATIENCE_MS)
            batch_end(r, &r->batches[i], false);
    send_all(r);
    if (is_under_way(r))
        timer_start(r->timer, REPORT_PATIENCE_MS / 4, 0);
}

int reporter_init(struct reporter *reporter, struct loop *loop, uint32_t controller)
{
    *reporter = (struct reporter){.controller = controller};
    reporter->timer = timer_new(loop, on_timer, reporter);
    return reporter->timer == NULL ? ERR_NOMEM : ERR_OK;
}

void reporter_close(struct reporter *reporter)
{
    timer_free(reporter->timer);
    reporter->timer = NULL;
}

void reporter_reset(struct reporter *reporter, uint64_t policy_index)
{
    for (size_t i = 0; i < REPORT_BATCHES_MAX; i++)
        batch_end(reporter, &reporter->batches[i], false);
    while (reporter->first != NULL)
        queue_take(reporter);
    reporter->policy_index = policy_index;
}

void reporter_set_link(struct reporter *reporter, struct link *link)
{
    for (size_t i = 0; i < REPORT_BATCHES_MAX; i++)
        batch_end(reporter, &reporter->batches[i], false);
    reporter->link = link;
    if (link != NULL && reporter->first != NULL)
        arm(reporter, REPORT_DELAY_MS);
}

void reporter_add(struct reporter *reporter, struct report_item *item)
{
    if (item->is_sent)
        item->is_changed = true;
    else
        queue_add(reporter, item);
    arm(reporter, REPORT_DELAY_MS);
}

void reporter_hasten(struct reporter *reporter, struct report_item *item)
{
    reporter_add(reporter, item);
    timer_start(reporter->timer, 0, 0);
}

void reporter_on_proposed(struct reporter *reporter, uint64_t sequence, int err)
{
    for (size_t i = 0; i < REPORT_BATCHES_MAX; i++) {
        struct report_batch *batch = &reporter->batches[i];
        if (sequence == 0 || batch->sequence != sequence)
            continue;
        batch_end(reporter, batch, err == ERR_OK);
        if (err == ERR_OK) {
            send_all(reporter);
        } else {
            log_debug("report", "opinions were not taken (%s), sending them again", err_text(err));
            arm(reporter, REPORT_RETRY_MS);
        }
    }
}

bool reporter_is_idle(const struct reporter *reporter)
{
    return reporter->first == NULL && !is_under_way(reporter);
}
