/* What was committed about controllers and checks, worked out from the facts alone and without the
 * core: who is there, what they said, and whether enough of them said that something is down. It is
 * the rule of `agree = "majority"` in its weakest form: what does not satisfy it is wrong under
 * any reading. */
#include "tests/sim/whole_check.h"

#include <stdio.h>
#include <string.h>

enum { RECENT_US = 30000000 };

static void forget(struct whole_board *board, uint32_t seat)
{
    memset(board->opinions[seat], 0, sizeof(board->opinions[seat]));
}

static bool has_seat(uint32_t seat)
{
    return seat >= 1 && seat <= WHOLE_CONTROLLERS;
}

static void apply_opinions(struct whole_board *board, const Ephor__Opinions *m)
{
    for (size_t i = 0; i < m->n_changes && has_seat(m->controller); i++) {
        const Ephor__OpinionChange *change = m->changes[i];
        if (change->check >= WHOLE_CHECKS)
            continue;
        board->opinions[m->controller][change->check] =
            (struct whole_opinion){.is_known = true,
                                   .state = (uint8_t)change->state,
                                   .suspect = (uint8_t)change->suspect,
                                   .attempts = change->attempts};
    }
}

static void apply_board(struct whole_board *board, const Ephor__Board *m)
{
    bool is_member[WHOLE_CONTROLLERS + 1] = {false};
    board->is_known = true;
    for (size_t i = 0; i < m->n_seats; i++)
        if (has_seat(m->seats[i]->seat))
            is_member[m->seats[i]->seat] = true;
    for (uint32_t seat = 1; seat <= WHOLE_CONTROLLERS; seat++) {
        if (is_member[seat] != board->is_member[seat]) {
            forget(board, seat);
            board->presence[seat] = PRESENCE_UNCONFIRMED;
            board->is_blind[seat] = board->is_not_calm[seat] = false;
            board->run[seat] = 0;
        }
        board->is_member[seat] = is_member[seat];
    }
}

static void apply_presence(const struct whole *whole, struct whole_board *board,
                           const Ephor__Presence *m)
{
    if (!has_seat(m->controller))
        return;
    whole_trace(whole, "in the log: c%u is %s, run %llx", m->controller,
                m->there ? "there" : "absent", (unsigned long long)m->run);
    if (!m->there || board->run[m->controller] != m->run)
        forget(board, m->controller);
    if (m->there && board->run[m->controller] != m->run)
        board->is_blind[m->controller] = board->is_not_calm[m->controller] = false;
    if (m->there)
        board->run[m->controller] = m->run;
    board->presence[m->controller] = m->there ? PRESENCE_THERE : PRESENCE_ABSENT;
}

static void apply_leader(struct whole_board *board, const Ephor__Leader *m)
{
    board->leader = m->controller;
    for (uint32_t seat = 1; seat <= WHOLE_CONTROLLERS; seat++)
        board->presence[seat] = PRESENCE_UNCONFIRMED;
}

void whole_board_apply(struct whole *whole, struct whole_board *board, const Ephor__Fact *fact)
{
    if (fact->body_case == EPHOR__FACT__BODY_OPINIONS) {
        apply_opinions(board, fact->opinions);
        whole->totals->opinions++;
    } else if (fact->body_case == EPHOR__FACT__BODY_BOARD) {
        apply_board(board, fact->board);
    } else if (fact->body_case == EPHOR__FACT__BODY_PRESENCE) {
        apply_presence(whole, board, fact->presence);
    } else if (fact->body_case == EPHOR__FACT__BODY_LEADER) {
        apply_leader(board, fact->leader);
    } else if (fact->body_case == EPHOR__FACT__BODY_SIGHT && has_seat(fact->sight->controller)) {
        whole_trace(whole, "in the log: c%u sees: %d", fact->sight->controller, fact->sight->sees);
        forget(board, fact->sight->controller);
        board->is_blind[fact->sight->controller] = !fact->sight->sees;
    } else if (fact->body_case == EPHOR__FACT__BODY_CALM && has_seat(fact->calm->controller)) {
        board->is_not_calm[fact->calm->controller] = !fact->calm->calm;
    }
}

/* ---- do they agree */

static bool is_able(const struct whole_board *board, uint32_t seat)
{
    if (board->is_blind[seat])
        return false;
    return !board->is_known || (board->is_member[seat] && board->presence[seat] == PRESENCE_THERE);
}

/* Who lagged counts only if nobody else is left. */
static bool counts(const struct whole_board *board, uint32_t seat)
{
    if (!is_able(board, seat) || !board->is_not_calm[seat] || !board->is_known)
        return is_able(board, seat);
    for (uint32_t other = 1; other <= WHOLE_CONTROLLERS; other++)
        if (is_able(board, other) && !board->is_not_calm[other])
            return false;
    return true;
}

/* Did this controller's checker really get such an answer? */
static bool has_seen(const struct whole *whole, const struct whole_board *board, uint32_t seat,
                     uint32_t check)
{
    int64_t at_us = board->critical_us[seat][check];
    return at_us > 0 && (board->answer[seat][check] == STATE_CRITICAL ||
                         whole->world->now_us - at_us < RECENT_US);
}

/* By the opinions, which hold until `fall` or `rise` answers have contradicted them; or by what the
 * newest answers say. */
static bool agrees(const struct whole *whole, const struct whole_board *board, uint32_t check,
                   bool by_answers, char *why, size_t size)
{
    uint32_t critical = 0, able = 0, seers = 0, unseen = 0;
    for (uint32_t seat = 1; seat <= WHOLE_CONTROLLERS; seat++) {
        const struct whole_opinion *o = &board->opinions[seat][check];
        uint8_t state = by_answers && o->attempts > 0 ? o->suspect : o->state;
        seers += board->is_member[seat] && board->presence[seat] != PRESENCE_ABSENT;
        if (!counts(board, seat) || (!board->is_known && !o->is_known) ||
            (o->is_known && state == STATE_UNKNOWN))
            continue;
        able++;
        if (!o->is_known || state != STATE_CRITICAL)
            continue;
        critical++;
        unseen += !has_seen(whole, board, seat, check);
    }
    uint32_t needed = able / 2 + 1;
    if (needed < 2 && seers >= 2)
        needed = 2;
    snprintf(why, size, "of check %u: %u of %u say so, %u of them without an answer, %u are needed",
             check, critical, able, unseen, needed);
    return critical >= needed && unseen == 0;
}

bool whole_board_agrees(const struct whole *whole, const struct whole_board *board, uint32_t check,
                        char *why, size_t size)
{
    return agrees(whole, board, check, true, why, size) ||
           agrees(whole, board, check, false, why, size);
}

/* ---- for people */

void whole_board_tell(const struct whole *whole, const struct whole_board *board,
                      const struct core *core)
{
    for (int32_t i = 0; i < core_check_count(core); i++) {
        char text[160];
        size_t used = 0;
        for (uint32_t seat = 1; seat <= (uint32_t)whole->controllers_count; seat++) {
            const struct whole_opinion *o = &board->opinions[seat][i];
            used += (size_t)snprintf(
                text + used, sizeof(text) - used, " c%u%s%s %s/%u*%s", seat,
                counts(board, seat) ? "" : " (does not count)", o->is_known ? "" : " (not known)",
                state_name((enum state)o->state), o->attempts, state_name((enum state)o->suspect));
        }
        whole_trace(whole, "%s is %s:%s", core_check(core, i)->id,
                    state_name((enum state)core_check(core, i)->state), text);
    }
}
