/* A new policy for the jobs: first the new list is made, which may fail and then leaves everything
 * as it was; then the jobs that are not in it end, and the others take their new places. */
#include "orchestrator/checker/job.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint64_t hash_of(const char *id)
{
    return XXH3_64bits(id, strlen(id));
}

/* Do both ask the same of the same target? Pace and damping may differ, and so may numbers that
 * only say where the target stands in its policy. */
static bool is_same_question(const Ephor__Check *a, const Ephor__Check *b)
{
    Ephor__Check like = *b;
    like.name = a->name;
    like.target = a->target;
    like.interval_ms = a->interval_ms;
    like.timeout_ms = a->timeout_ms;
    like.retry_ms = a->retry_ms;
    like.fall = a->fall;
    like.rise = a->rise;
    like.failover = a->failover;
    like.confirm = a->confirm;
    like.stagger = a->stagger;
    like.agree = a->agree;
    like.agree_count = a->agree_count;
    like.vantage = a->vantage;
    like.vantage_count = a->vantage_count;
    like.vantage_names = a->vantage_names;
    like.n_vantage_names = a->n_vantage_names;
    like.observers = a->observers;
    size_t size = ephor__check__get_packed_size(a);
    if (size != ephor__check__get_packed_size(&like))
        return false;
    uint8_t *packed = malloc(2 * size + 1);
    if (packed == NULL)
        return false; /* an opinion is learned anew: safe */
    ephor__check__pack(a, packed);
    ephor__check__pack(&like, packed + size);
    bool is_same = memcmp(packed, packed + size, size) == 0;
    free(packed);
    return is_same;
}

/* Old jobs by the hash of their identity: open addressing, at most half full. */
struct job_table {
    struct job **slots;
    size_t mask;
};

static int table_init(struct job_table *table, struct job **list, size_t count)
{
    size_t capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    table->slots = calloc(capacity, sizeof(struct job *));
    table->mask = capacity - 1;
    if (table->slots == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t at = list[i]->item.hash & table->mask;
        while (table->slots[at] != NULL)
            at = (at + 1) & table->mask;
        table->slots[at] = list[i];
    }
    return ERR_OK;
}

static struct job *table_find(const struct job_table *table, uint64_t hash, const char *id)
{
    for (size_t at = hash & table->mask; table->slots[at] != NULL; at = (at + 1) & table->mask)
        if (table->slots[at]->item.hash == hash && strcmp(table->slots[at]->check->id, id) == 0)
            return table->slots[at];
    return NULL;
}

static void job_remove(struct job *job)
{
    schedule_remove(&job->jobs->schedule, &job->item);
    if (job->run == NULL) {
        free(job);
        return;
    }
    job->is_gone = true;
    check_cancel(job->run);
}

/* Does this check run here? It stays with its checker whatever number it gets: which one follows
 * from its identity (from the half of the hash that says nothing about its phase). A check without
 * an interval is no check (and cannot be adopted). */
static bool is_ours(const struct jobs *jobs, const Ephor__Policy *policy, size_t number)
{
    const Ephor__Check *check = policy->checks[number];
    return (hash_of(check->id) >> 32) % jobs->checker_count == jobs->checker_index &&
           number < RESULTS_SLOTS_MAX && check->interval_ms > 0;
}

/* The place of this controller among those who run a check. `others` goes on with each call, for
 * checks are asked about in order. False: it does not run here. */
static bool find_place(const Ephor__Outlook *outlook, size_t number, size_t *others, uint16_t *rank,
                       uint16_t *seers)
{
    *rank = 0;
    *seers = 1;
    if (outlook == NULL)
        return true;
    while (*others < outlook->n_others && outlook->others[*others]->check < number)
        (*others)++;
    const Ephor__CheckOutlook *own =
        *others < outlook->n_others && outlook->others[*others]->check == number
            ? outlook->others[*others]
            : NULL;
    *rank = (uint16_t)(own == NULL ? outlook->rank : own->rank);
    *seers = (uint16_t)(own == NULL ? outlook->count : own->count);
    return *seers > 0 && *rank < *seers;
}

/* The old job that goes on as this check, or a new one. NULL: out of memory. */
static struct job *job_for(const struct job_table *table, const Ephor__Check *check)
{
    uint64_t hash = hash_of(check->id);
    struct job *job = table_find(table, hash, check->id);
    if (job != NULL && is_same_question(job->check, check)) {
        job->is_staying = true;
        return job;
    }
    job = calloc(1, sizeof(*job));
    if (job != NULL)
        job->item.hash = hash;
    return job;
}

/* The new list. On failure what was made so far is in it. */
static int make_list(const struct jobs *jobs, const Ephor__Policy *policy,
                     const Ephor__Outlook *outlook, struct job **list, size_t *count)
{
    struct job_table table;
    size_t others = 0;
    *count = 0;
    if (table_init(&table, jobs->list, jobs->count) != ERR_OK)
        return ERR_NOMEM;
    int err = ERR_OK;
    for (size_t i = 0; i < policy->n_checks && err == ERR_OK; i++) {
        uint16_t rank, seers;
        if (!is_ours(jobs, policy, i) || !find_place(outlook, i, &others, &rank, &seers))
            continue;
        struct job *job = job_for(&table, policy->checks[i]);
        if (job == NULL) {
            err = ERR_NOMEM;
            break;
        }
        job->next_check = policy->checks[i];
        job->next_number = (uint32_t)i;
        job->next_rank = rank;
        job->next_seers = seers;
        list[(*count)++] = job;
    }
    free(table.slots);
    return err;
}

static void drop_list(struct job **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i]->is_staying = false;
        if (list[i]->jobs == NULL)
            free(list[i]);
    }
    free(list);
}

static void remove_old(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (!jobs->list[i]->is_staying)
            job_remove(jobs->list[i]);
    free(jobs->list);
}

/* Put a job of the new list to work. */
static void settle(struct jobs *jobs, struct job *job, uint64_t old_index)
{
    const Ephor__Check *check = job->next_check;
    int64_t interval_ms = check->interval_ms;
    int64_t retry_ms = check->retry_ms > 0 ? check->retry_ms : interval_ms;
    uint32_t old_number = job->report.check;
    job->is_staying = false;
    job->check = check;
    job->report.check = job->next_number;
    job->rank = job->next_rank;
    job->seers = job->next_seers;
    job->has_verdict = false;
    uint32_t place = check->stagger ? job->rank : 0;
    bool is_moved = place != job->item.rank || job->seers != job->item.count;
    schedule_set_place(&job->item, place, job->seers);
    if (job->jobs == NULL) {
        job->jobs = jobs;
        job->state = EPHOR__STATE__STATE_UNKNOWN;
        schedule_add(&jobs->schedule, &job->item, job->item.hash, interval_ms, retry_ms,
                     now_mono_ms());
    } else {
        schedule_set_pace(&jobs->schedule, &job->item, interval_ms, retry_ms, is_moved,
                          now_mono_ms());
    }
    job_write_known(job, old_number, old_index);
}

/* The core carries over by name what it was told, so that a new policy needs to hear only what was
 * not acknowledged yet. The same policy once more asks for everything: somebody has forgotten it.
 */
static void note_untold(struct jobs *jobs, bool is_new)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->list[i];
        const struct report_item *report = &job->report;
        job->is_untold = !is_new || report->is_waiting || report->is_sent;
    }
}

static void report_untold(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->list[i];
        if (job->is_untold && job->opinion.is_known)
            reporter_add(jobs->reporter, &job->report);
        job->is_untold = false;
    }
}

static Ephor__Outlook *copy_outlook(const Ephor__Outlook *outlook)
{
    size_t size = ephor__outlook__get_packed_size(outlook);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return NULL;
    ephor__outlook__pack(outlook, bytes);
    Ephor__Outlook *copy = ephor__outlook__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

int jobs_adopt(struct jobs *jobs, Ephor__Policy *policy, uint64_t policy_index,
               const Ephor__Outlook *outlook)
{
    Ephor__Outlook *own = outlook == NULL ? NULL : copy_outlook(outlook);
    size_t count = 0;
    struct job **list = calloc(policy->n_checks + 1, sizeof(*list));
    int err = list == NULL || (own == NULL) != (outlook == NULL)
                  ? ERR_NOMEM
                  : make_list(jobs, policy, own, list, &count);
    if (err == ERR_OK)
        err = schedule_reserve(&jobs->schedule, jobs->count + count);
    if (err != ERR_OK) {
        drop_list(list, count);
        ephor__policy__free_unpacked(policy, NULL);
        if (own != NULL)
            ephor__outlook__free_unpacked(own, NULL);
        return err;
    }
    uint64_t old_index = jobs->policy_index;
    Ephor__Policy *old_policy = jobs->policy;
    note_untold(jobs, policy_index != old_index);
    reporter_reset(jobs->reporter, policy_index);
    remove_old(jobs);
    jobs->list = list;
    jobs->count = count;
    jobs->policy = policy;
    jobs->policy_index = policy_index;
    if (jobs->outlook != NULL)
        ephor__outlook__free_unpacked(jobs->outlook, NULL);
    jobs->outlook = own;
    for (size_t i = 0; i < count; i++)
        settle(jobs, list[i], old_index);
    if (old_policy != NULL)
        ephor__policy__free_unpacked(old_policy, NULL);
    report_untold(jobs);
    jobs_start_due(jobs);
    return ERR_OK;
}

/* Share the same policy out anew, as if it had been adopted again. */
static int adopt_again(struct jobs *jobs, const Ephor__Outlook *outlook)
{
    size_t size = ephor__policy__get_packed_size(jobs->policy);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return ERR_NOMEM;
    ephor__policy__pack(jobs->policy, bytes);
    Ephor__Policy *copy = ephor__policy__unpack(NULL, size, bytes);
    free(bytes);
    return copy == NULL ? ERR_NOMEM : jobs_adopt(jobs, copy, jobs->policy_index, outlook);
}

int jobs_set_share(struct jobs *jobs, uint32_t checker_index, uint32_t checker_count,
                   uint32_t running_max)
{
    uint32_t old_index = jobs->checker_index;
    uint32_t old_count = jobs->checker_count;
    int err = ERR_OK;
    jobs->schedule.running_max = running_max == 0 ? 1 : running_max;
    jobs->checker_index = checker_index;
    jobs->checker_count = checker_count == 0 ? 1 : checker_count;
    if (jobs->policy == NULL)
        return ERR_OK;
    if (jobs->checker_index != old_index || jobs->checker_count != old_count)
        err = adopt_again(jobs, jobs->outlook);
    if (err != ERR_OK) {
        jobs->checker_index = old_index;
        jobs->checker_count = old_count;
    }
    jobs_start_due(jobs);
    return err;
}

static bool is_same_outlook(const Ephor__Outlook *a, const Ephor__Outlook *b)
{
    if (a->rank != b->rank || a->count != b->count || a->n_others != b->n_others)
        return false;
    for (size_t i = 0; i < a->n_others; i++)
        if (a->others[i]->check != b->others[i]->check ||
            a->others[i]->rank != b->others[i]->rank || a->others[i]->count != b->others[i]->count)
            return false;
    return true;
}

int jobs_set_outlook(struct jobs *jobs, const Ephor__Outlook *outlook)
{
    if (jobs->policy == NULL || outlook->policy_index != jobs->policy_index ||
        (jobs->outlook != NULL && is_same_outlook(jobs->outlook, outlook)))
        return ERR_OK;
    return adopt_again(jobs, outlook);
}
