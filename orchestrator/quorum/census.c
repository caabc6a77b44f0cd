#include "orchestrator/quorum/census.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- one voice in a tally */

static void add_opinion(struct tally *tally, const struct said *said, uint32_t sign)
{
    bool doubts = said->attempts > 0;
    uint8_t newest = doubts ? said->suspect : said->state;
    if (said->state < STATE_UNKNOWN)
        tally->votes[said->state] += sign;
    tally->doubters += doubts ? sign : 0;
    if (newest == STATE_UNKNOWN)
        return;
    tally->newest[newest] += sign;
    tally->answers[newest] += sign * (doubts ? said->attempts : SETTLED);
}

/* sign: 1, or UINT32_MAX to take it away. */
static void count(struct tally *tally, const struct voice *voice, const struct said *said,
                  uint32_t sign)
{
    if (!said->looks)
        return;
    tally->seers += sign;
    if (voice->is_mute)
        return;
    if (said->is_known)
        add_opinion(tally, said, sign);
    else
        tally->silent += sign;
}

static void soil(struct census_table *table, uint32_t check)
{
    if (table->tallies[check].is_dirty)
        return;
    table->tallies[check].is_dirty = true;
    table->dirty[(table->dirty_first + table->dirty_count++) % table->check_count] = check;
}

/* ---------------------------------------------------------------- the table */

void census_close(struct census_table *table)
{
    free(table->tallies);
    free(table->dirty);
    *table = (struct census_table){0};
}

bool census_begin(struct census_table *table, uint64_t policy_index, uint32_t check_count)
{
    census_close(table);
    table->tallies = calloc((size_t)check_count + 1, sizeof(table->tallies[0]));
    table->dirty = calloc((size_t)check_count + 1, sizeof(table->dirty[0]));
    if (table->tallies == NULL || table->dirty == NULL) {
        census_close(table);
        return false;
    }
    table->policy_index = policy_index;
    table->check_count = check_count;
    return true;
}

bool census_say(struct census_table *table, struct voice *voice, uint32_t check, struct said said)
{
    if (check >= table->check_count)
        return false;
    if (voice->said == NULL)
        voice->said = calloc((size_t)table->check_count + 1, sizeof(voice->said[0]));
    if (voice->said == NULL)
        return false;
    struct said *before = &voice->said[check];
    if (memcmp(before, &said, sizeof(said)) == 0)
        return true;
    count(&table->tallies[check], voice, before, UINT32_MAX);
    count(&table->tallies[check], voice, &said, 1);
    *before = said;
    soil(table, check);
    return true;
}

void census_mute(struct census_table *table, struct voice *voice, bool is_mute)
{
    if (voice->is_mute == is_mute)
        return;
    struct voice before = *voice;
    voice->is_mute = is_mute;
    for (uint32_t i = 0; voice->said != NULL && i < table->check_count; i++) {
        if (!voice->said[i].looks)
            continue;
        count(&table->tallies[i], &before, &voice->said[i], UINT32_MAX);
        count(&table->tallies[i], voice, &voice->said[i], 1);
        soil(table, i);
    }
}

void census_hush(struct census_table *table, struct voice *voice)
{
    for (uint32_t i = 0; voice->said != NULL && i < table->check_count; i++) {
        if (!voice->said[i].looks)
            continue;
        count(&table->tallies[i], voice, &voice->said[i], UINT32_MAX);
        soil(table, i);
    }
    free(voice->said);
    voice->said = NULL;
}

void census_tell_all(struct census_table *table)
{
    for (uint32_t i = 0; i < table->check_count; i++)
        soil(table, i);
}

static uint32_t limited(uint32_t number)
{
    return number < UINT16_MAX ? number : UINT16_MAX;
}

bool census_take(struct census_table *table, struct census_change *change)
{
    if (table->dirty_count == 0)
        return false;
    uint32_t check = table->dirty[table->dirty_first];
    struct tally *tally = &table->tallies[check];
    table->dirty_first = (table->dirty_first + 1) % table->check_count;
    table->dirty_count--;
    tally->is_dirty = false;
    *change = (struct census_change){.check = check,
                                     .seers = limited(tally->seers),
                                     .silent = limited(tally->silent),
                                     .doubters = limited(tally->doubters)};
    for (int i = 0; i < 3; i++) {
        change->votes[i] = limited(tally->votes[i]);
        change->newest[i] = limited(tally->newest[i]);
        change->answers[i] = limited(tally->answers[i]);
    }
    return true;
}
