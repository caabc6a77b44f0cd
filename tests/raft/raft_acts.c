/* What can happen, and what it does. */
#include "tests/raft/raft_space.h"

#include <stdio.h>
#include <string.h>

/* ---- what can happen */

static bool is_granted(const struct world *w, const struct plan *plan, enum act act)
{
    return w->spent[act] < plan->most[act];
}

static bool is_voter(const struct raft *raft)
{
    const struct raft_membership *m = raft_membership(raft);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].id == raft->params.id)
            return m->members[i].kind == RAFT_VOTER;
    return false;
}

static void add(struct action *actions, uint32_t *count, enum act act, uint32_t a, uint32_t b)
{
    PRE(*count < ACTIONS_MAX);
    actions[(*count)++] =
        (struct action){.act = (uint8_t)act, .a = (uint8_t)a, .b = (uint8_t)b, .kept = 0};
}

static void acts_of_leader(const struct world *w, const struct plan *plan, uint32_t id,
                           struct action *actions, uint32_t *count)
{
    const struct raft *raft = raft_of(w, id);
    if (is_granted(w, plan, ACT_BEAT))
        add(actions, count, ACT_BEAT, id, 0);
    if (is_granted(w, plan, ACT_STEP_DOWN))
        add(actions, count, ACT_STEP_DOWN, id, 0);
    if (is_granted(w, plan, ACT_PROPOSE) && raft_last_index(raft) < plan->log)
        add(actions, count, ACT_PROPOSE, id, 0);
    for (uint32_t i = 1; i < plan->configs && raft_last_index(raft) < plan->log; i++)
        if (is_granted(w, plan, ACT_CHANGE) &&
            config_number(plan, raft_membership(raft)) != (uint8_t)i)
            add(actions, count, ACT_CHANGE, id, i);
    for (uint32_t to = 1; to <= SERVERS; to++) {
        if (to != id && is_granted(w, plan, ACT_TRANSFER) && raft->transfer_to == 0)
            add(actions, count, ACT_TRANSFER, id, to);
        if (to != id && is_granted(w, plan, ACT_CONNECT))
            add(actions, count, ACT_CONNECT, id, to);
    }
}

static void acts_of_server(const struct world *w, const struct plan *plan, uint32_t id,
                           struct action *actions, uint32_t *count)
{
    const struct raft *raft = raft_of(w, id);
    if (raft->role == RAFT_LEADER)
        acts_of_leader(w, plan, id, actions, count);
    else if (raft->term < plan->terms && is_voter(raft))
        add(actions, count, ACT_TIMEOUT, id, 0);
    for (uint32_t other = 1; other <= SERVERS; other++)
        if (w->servers[other - 1].images[0].term > raft->term)
            add(actions, count, ACT_HEAR, id, other);
    for (uint32_t n = 1; n <= w->servers[id - 1].pending; n++)
        add(actions, count, ACT_PERSIST, id, n);
    if (is_granted(w, plan, ACT_CRASH))
        add(actions, count, ACT_CRASH, id, 0);
    const struct image *disk = &w->servers[id - 1].images[0];
    for (uint32_t from = disk->last; is_granted(w, plan, ACT_DAMAGE) && disk->lost_index == 0 &&
                                     from > disk->snapshot.index && from >= disk->first;
         from--)
        add(actions, count, ACT_DAMAGE, id, from);
    if (is_granted(w, plan, ACT_FAIL))
        add(actions, count, ACT_FAIL, id, 0);
    if (is_granted(w, plan, ACT_SNAPSHOT) && raft->applied > raft->snapshot.index)
        add(actions, count, ACT_SNAPSHOT, id, 0);
}

uint32_t acts_of(const struct world *w, const struct plan *plan, struct action *actions)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->mail_count; i++) {
        add(actions, &count, ACT_DELIVER, w->mail[i].to, i);
        if (is_granted(w, plan, ACT_DOUBLE))
            add(actions, &count, ACT_DOUBLE, w->mail[i].to, i);
    }
    for (uint32_t id = 1; id <= SERVERS; id++)
        acts_of_server(w, plan, id, actions, &count);
    return count;
}

bool act_is_within(const struct world *w, const struct plan *plan)
{
    for (uint32_t id = 1; id <= SERVERS; id++) {
        const struct raft *raft = raft_of(w, id);
        if (raft->term > plan->terms || raft_last_index(raft) > plan->log)
            return false;
        if (w->servers[id - 1].pending > plan->pending)
            return false;
    }
    return !w->is_beyond;
}

void mail_keep(struct world *w, uint16_t kept)
{
    uint8_t count = 0;
    for (uint32_t i = 0; i < w->mail_count; i++)
        if ((kept >> i & 1) != 0)
            w->mail[count++] = w->mail[i];
    w->mail_count = count;
}

/* ---- what it does */

static void deliver(struct world *w, const struct plan *plan, struct mail mail)
{
    struct raft_entry entries[LOG_MAX];
    struct raft_snapshot snapshot = snapshot_of_mark(plan, mail.snapshot);
    struct raft_message m = {.type = (enum raft_message_type)mail.type,
                             .from = mail.from,
                             .to = mail.to,
                             .term = mail.term,
                             .index = mail.index,
                             .index_term = mail.index_term,
                             .granted = (mail.flags & MAIL_GRANTED) != 0,
                             .is_transfer = (mail.flags & MAIL_TRANSFER) != 0,
                             .has_lost = (mail.flags & MAIL_LOST) != 0,
                             .refused = mail.refused,
                             .commit = mail.commit,
                             .sent_ms = START_MS,
                             .count = mail.count,
                             .entries = entries,
                             .offset = mail.offset,
                             .size = mail.size,
                             .snapshot = &snapshot};
    for (uint32_t i = 0; i < mail.count; i++) {
        uint32_t size = mail.items[i].what & 15;
        entries[i] = (struct raft_entry){.term = mail.items[i].term,
                                         .size = size,
                                         .kind = (enum raft_entry_kind)(mail.items[i].what >> 4)};
        if (entries[i].kind == RAFT_ENTRY_CONFIG)
            entries[i].membership = &plan->config[size];
    }
    space_step(w, plan, mail.to, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
}

/* Whoever asks gets to know the term of who answers. */
static void hear(struct world *w, const struct plan *plan, uint32_t id, uint32_t from)
{
    deliver(w, plan,
            (struct mail){.type = RAFT_VOTE_REPLY,
                          .from = (uint8_t)from,
                          .to = (uint8_t)id,
                          .term = server_of(w, from)->images[0].term});
}

/* Where nobody is asked whether an election could be won, everybody has said yes. */
static void timeout(struct world *w, const struct plan *plan, uint32_t id)
{
    struct raft *raft = raft_of(w, id);
    space_step(w, plan, id, (struct raft_event){.type = RAFT_TICK});
    for (uint32_t from = 1; from <= SERVERS && !plan->has_prevote; from++) {
        struct mail yes = {.type = RAFT_PREVOTE_REPLY,
                           .from = (uint8_t)from,
                           .to = (uint8_t)id,
                           .term = (uint8_t)(raft->term + 1),
                           .flags = MAIL_GRANTED};
        if (raft->role == RAFT_PRECANDIDATE && from != id)
            deliver(w, plan, yes);
    }
}

static void snapshot(struct world *w, const struct plan *plan, uint32_t id)
{
    struct server *s = server_of(w, id);
    const struct raft *raft = raft_of(w, id);
    uint64_t index = raft->applied;
    struct raft_snapshot taken = {.index = index, .term = raft_term_of(raft, index), .size = 1};
    const struct config *config =
        raft->config.index <= index ? &raft->config : &raft->config_before;
    taken.membership = config->membership;
    taken.membership_index = config->index;
    for (uint32_t i = 0; i <= s->pending; i++)
        if (s->images[i].snapshot.index < index)
            s->images[i].snapshot = mark_of_snapshot(plan, &taken);
    space_step(w, plan, id,
               (struct raft_event){.type = RAFT_SNAPSHOT_TAKEN,
                                   .taken = {.index = index,
                                             .size = 1,
                                             .membership = &taken.membership,
                                             .membership_index = taken.membership_index}});
}

/* The driver drops what is not durable; until it begins anew the server is deaf, to time and to all
 * that is on its way to it. */
static void fail(struct world *w, const struct plan *plan, uint32_t id)
{
    struct server *s = server_of(w, id);
    uint8_t block[BLOCK_SIZE];
    uint8_t count = w->mail_count, held = s->held_count, pending = s->pending;
    space_step(w, plan, id, (struct raft_event){.type = RAFT_STORAGE_FAILED});
    memcpy(block, s->block, sizeof(block));
    space_step(w, plan, id, (struct raft_event){.type = RAFT_TICK});
    for (uint32_t i = 0; i < count; i++)
        if (w->mail[i].to == id)
            deliver(w, plan, w->mail[i]);
    if (raft_role(raft_of(w, id)) != RAFT_FOLLOWER || w->mail_count != count ||
        s->held_count != held || s->pending != pending ||
        memcmp(block, s->block, sizeof(block)) != 0)
        law_broken(w, "DEAF", "server %u acts on after its storage failed", id);
    space_start(w, plan, id);
}

static void ask(struct world *w, const struct plan *plan, struct action action)
{
    uint32_t size = w->spent[ACT_PROPOSE];
    struct raft_event event = {.type = RAFT_PROPOSE};
    if (action.act == ACT_PROPOSE) {
        event.propose.sizes = &size;
        event.propose.count = 1;
    } else if (action.act == ACT_CHANGE) {
        event.type = RAFT_CHANGE;
        event.change.membership = &plan->config[action.b];
        event.change.size = action.b;
    } else if (action.act == ACT_TRANSFER) {
        event.type = RAFT_TRANSFER;
        event.transfer_to = action.b;
    } else {
        event.type = RAFT_CONNECTED;
        event.peer = action.b;
    }
    space_step(w, plan, action.a, event);
    w->is_beyond |= w->result != RAFT_OK; /* refused: nothing has happened */
}

void act_do(struct world *w, const struct plan *plan, struct action action)
{
    if (action.act >= ACT_BEAT && plan->most[action.act] != ALWAYS)
        w->spent[action.act]++;
    switch ((enum act)action.act) {
    case ACT_TIMEOUT:
        timeout(w, plan, action.a);
        return;
    case ACT_BEAT:
    case ACT_STEP_DOWN:
        space_step(w, plan, action.a,
                   (struct raft_event){.type = RAFT_TICK,
                                       .now_ms = START_MS +
                                                 (action.act == ACT_BEAT ? BEAT_MS : PATIENCE_MS)});
        return;
    case ACT_DELIVER:
    case ACT_DOUBLE: {
        struct mail mail = w->mail[action.b];
        if (action.act == ACT_DELIVER)
            mail_keep(w, (uint16_t) ~(1u << action.b));
        deliver(w, plan, mail);
        return;
    }
    case ACT_PERSIST:
        space_persist(w, plan, action.a, action.b);
        return;
    case ACT_HEAR:
        hear(w, plan, action.a, action.b);
        return;
    case ACT_CRASH:
        space_start(w, plan, action.a);
        return;
    case ACT_DAMAGE:
        space_damage(server_of(w, action.a), action.b);
        space_start(w, plan, action.a);
        return;
    case ACT_FAIL:
        fail(w, plan, action.a);
        return;
    case ACT_SNAPSHOT:
        snapshot(w, plan, action.a);
        return;
    case ACT_PROPOSE:
    case ACT_CHANGE:
    case ACT_TRANSFER:
    case ACT_CONNECT:
        ask(w, plan, action);
        return;
    case ACT_COUNT:
        NEVER("no such act");
    }
}

/* ---- what cannot matter any more */

/* Of a term that its receiver has left for good, or nothing but word of a term (ACT_HEAR). */
static bool is_old(const struct world *w, const struct mail *m)
{
    uint32_t term = w->servers[m->to - 1].images[0].term;
    bool is_granted = (m->flags & MAIL_GRANTED) != 0;
    switch ((enum raft_message_type)m->type) {
    case RAFT_PREVOTE:
        return m->term <= term;
    case RAFT_PREVOTE_REPLY:
        return !is_granted || m->term <= term;
    case RAFT_VOTE_REPLY:
        return !is_granted || m->term < term;
    case RAFT_VOTE:
    case RAFT_APPEND:
    case RAFT_APPEND_REPLY:
    case RAFT_SNAPSHOT:
    case RAFT_SNAPSHOT_REPLY:
    case RAFT_TIMEOUT_NOW:
        return m->term < term;
    }
    NEVER("no such message");
}

/* An old message changes nothing, and the answer to it, if any, is a refusal. */
static void check_old(struct world *w, const struct plan *plan, struct mail mail)
{
    uint8_t block[BLOCK_SIZE];
    struct server *s = server_of(w, mail.to);
    uint8_t count = w->mail_count, held_count = s->held_count;
    if (mail.term > raft_term(raft_of(w, mail.to)))
        return; /* word of a term */
    memcpy(block, s->block, sizeof(block));
    deliver(w, plan, mail);
    bool is_granted = false;
    for (uint32_t i = count; i < w->mail_count; i++)
        is_granted |= (w->mail[i].flags & MAIL_GRANTED) != 0;
    for (uint32_t i = held_count; i < s->held_count; i++)
        is_granted |= (s->held[i].flags & MAIL_GRANTED) != 0;
    if (is_granted || memcmp(block, s->block, sizeof(block)) != 0)
        law_broken(w, "TOO-OLD", "server %u heeds a %s of term %u", mail.to,
                   raft_message_name((enum raft_message_type)mail.type), mail.term);
    w->mail_count = count;
    s->held_count = held_count;
}

static bool is_among(const struct world *w, uint32_t count, const struct mail *m)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(&w->mail[i], m, sizeof(*m)) == 0)
            return true;
    return false;
}

/* Two messages that are the same are one: only ACT_DOUBLE delivers it twice. An old one is tried
 * when it becomes old, and not later any more. */
void mail_tidy(struct world *w, const struct plan *plan)
{
    for (uint32_t i = 0; i < w->mail_count && w->violation.name == NULL;) {
        struct mail m = w->mail[i];
        bool old = is_old(w, &m);
        if (!old && !is_among(w, i, &m)) {
            i++;
            continue;
        }
        mail_keep(w, (uint16_t) ~(1u << i));
        if (old)
            check_old(w, plan, m);
    }
}

/* Leader 1 is elected and everybody has its no-op and knows so. */
void acts_settle(struct world *w, const struct plan *plan)
{
    act_do(w, plan, (struct action){.act = ACT_TIMEOUT, .a = 1});
    for (int rounds = 0; rounds < 2; rounds++) {
        bool goes_on = true;
        while (goes_on && w->violation.name == NULL) {
            goes_on = w->mail_count > 0;
            if (goes_on)
                act_do(w, plan, (struct action){.act = ACT_DELIVER, .b = 0});
            for (uint32_t id = 1; id <= SERVERS; id++) {
                goes_on |= server_of(w, id)->pending > 0;
                if (server_of(w, id)->pending > 0)
                    space_persist(w, plan, id, server_of(w, id)->pending);
            }
        }
        if (rounds == 0)
            act_do(w, plan, (struct action){.act = ACT_BEAT, .a = 1});
        w->spent[ACT_BEAT] = 0;
    }
}

/* ---- telling */

static void tell_mail(const struct mail *m, const uint8_t *names, char *text, size_t size)
{
    int n =
        snprintf(text, size, "%s %u -> %u, term %u, index %u/%u%s%s",
                 raft_message_name((enum raft_message_type)m->type), names[m->from], names[m->to],
                 m->term, m->index, m->index_term, (m->flags & MAIL_GRANTED) != 0 ? ", yes" : "",
                 (m->flags & MAIL_TRANSFER) != 0 ? ", transfer" : "");
    for (uint32_t i = 0; i < m->count && n > 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, ", entry %u.%x", m->items[i].term,
                      m->items[i].what);
    if (n > 0 && (size_t)n < size && m->type == RAFT_APPEND)
        snprintf(text + n, size - (size_t)n, ", commit %u", m->commit);
}

void act_tell(const struct world *w, struct action action, const uint8_t *names, char *text,
              size_t size)
{
    static const char *const words[] = {[ACT_TIMEOUT] = "election timeout",
                                        [ACT_BEAT] = "heartbeat",
                                        [ACT_DELIVER] = "delivered:",
                                        [ACT_PERSIST] = "is durable:",
                                        [ACT_HEAR] = "learns the term of",
                                        [ACT_DOUBLE] = "delivered and kept:",
                                        [ACT_CRASH] = "crashes and restarts",
                                        [ACT_FAIL] = "storage fails",
                                        [ACT_DAMAGE] = "its disk is damaged from",
                                        [ACT_STEP_DOWN] = "has waited too long",
                                        [ACT_PROPOSE] = "proposal",
                                        [ACT_CHANGE] = "change to configuration",
                                        [ACT_TRANSFER] = "transfer to",
                                        [ACT_SNAPSHOT] = "takes a snapshot",
                                        [ACT_CONNECT] = "reconnected to"};
    char more[200] = "";
    if (action.act == ACT_DELIVER || action.act == ACT_DOUBLE)
        tell_mail(&w->mail[action.b], names, more, sizeof(more));
    else if (action.act == ACT_TRANSFER || action.act == ACT_CONNECT || action.act == ACT_HEAR)
        snprintf(more, sizeof(more), "%u", names[action.b]);
    else if (action.act == ACT_PERSIST || action.act == ACT_CHANGE || action.act == ACT_DAMAGE)
        snprintf(more, sizeof(more), "%u", action.b);
    snprintf(text, size, "server %u: %s %s", names[action.a], words[action.act], more);
}

void world_tell(const struct world *w, const uint8_t *names)
{
    for (uint32_t name = 1; name <= SERVERS; name++) {
        for (uint32_t id = 1; id <= SERVERS; id++) {
            const struct raft *raft = raft_of(w, id);
            const struct image *disk = &w->servers[id - 1].images[0];
            if (names[id] != name)
                continue;
            printf("        %u: %-9s term %llu, commit %llu, disk %u/v%u [%u, log", name,
                   raft_role_name(raft->role), (unsigned long long)raft->term,
                   (unsigned long long)raft->commit, disk->term, names[disk->voted_for],
                   disk->last);
            for (uint64_t i = raft->first; i <= raft_last_index(raft); i++)
                printf(" %u.%02x", item_of(raft, i).term, item_of(raft, i).what);
            puts("]");
        }
    }
}
