#include "orchestrator/quorum/offers.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_diff.h"
#include "orchestrator/proto/policy_message.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- answers */

static void reply(struct quorum *q, bool is_rollback, uint64_t sequence, bool is_accepted,
                  const char *text)
{
    Ephor__PolicyReply answer = EPHOR__POLICY_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    answer.accepted = is_accepted;
    answer.text = (char *)(uintptr_t)text;
    answer.index = q->machine.policy_index;
    answer.sequence = sequence;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_REPLY;
    m.policy_reply = &answer;
    if (is_rollback)
        link_send(q->status.link, &m, -1);
    else
        process_send(q->process, &m, -1);
}

static void on_applied(struct quorum *q, int err, uint64_t index)
{
    struct offers *offers = &q->offers;
    (void)index;
    offers->is_under_way = false;
    if (err == ERR_OK) /* effects are still those of this entry: proposals end right behind it */
        reply(q, offers->is_rollback, offers->sequence, q->effects->is_accepted, q->effects->reply);
    else
        reply(q, offers->is_rollback, offers->sequence, false,
              err == ERR_REFUSED && offers->refusal[0] != '\0' ? offers->refusal : err_text(err));
    offers_propose(q);
}

/* ---------------------------------------------------------------- proposing */

/* Judge it; propose it, or say why not. What it replaces is filled in if nobody said it. */
static void propose(struct quorum *q, Ephor__PolicyAdopted *adopted, bool is_trial)
{
    struct offers *offers = &q->offers;
    char author[TEXT_SIZE], refusal[LINE_SIZE] = "";
    if (adopted->replaces[0] == '\0')
        adopted->replaces = q->machine.policy_digest;
    bool may_adopt = machine_may_adopt(&q->machine, adopted, refusal);
    if (!may_adopt || is_trial) {
        reply(q, offers->is_rollback, offers->sequence, may_adopt,
              may_adopt ? "it would be adopted" : refusal);
        return;
    }
    Ephor__Fact fact = EPHOR__FACT__INIT;
    text_format(author, sizeof(author), "%s on %s", adopted->author, q->controller_name);
    adopted->author = author;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = adopted;
    offers->is_under_way = true;
    offers->refusal[0] = '\0';
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, on_applied);
}

/* The changes from the policy in force to these bytes, in a line. */
static void tell_changes(const struct quorum *q, const ProtobufCBinaryData *bytes,
                         char line[LINE_SIZE])
{
    struct errbuf e;
    Ephor__Policy *policy = ephor__policy__unpack(NULL, bytes->len, bytes->data);
    line[0] = '\0';
    if (policy != NULL && policy_validate(policy, &e) == ERR_OK)
        policy_diff_line(q->machine.policy, policy, line);
    if (policy != NULL)
        ephor__policy__free_unpacked(policy, NULL);
}

static void propose_file(struct quorum *q, Ephor__PolicyOffer *offer)
{
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    char changes[LINE_SIZE];
    tell_changes(q, &offer->policy, changes);
    adopted.policy = offer->policy;
    adopted.author = offer->author;
    adopted.digest = offer->digest;
    adopted.replaces = offer->replaces;
    adopted.changes = changes;
    q->offers.is_rollback = false;
    q->offers.sequence = offer->sequence;
    propose(q, &adopted, offer->trial);
}

/* ---------------------------------------------------------------- what the file says */

/* Among several, starting a controller changes nothing for all: only an empty cluster takes the
 * file of whoever leads first, and otherwise somebody has to ask for it. */
static bool is_only_a_start(const struct quorum *q, const Ephor__PolicyOffer *offer)
{
    return !offer->asked && q->machine.core != NULL && !cluster_is_alone(q);
}

/* A witness has no policy, and who joins has none yet: neither waits for one. */
static const char *stands_without(const struct quorum *q)
{
    if (engine_members(q->engine)->n_members == 0)
        return "waiting to be let into the cluster; its policy comes with its log";
    return cluster_is_witness(q) ? "a witness votes, and runs no policy" : NULL;
}

/* A file that was forgotten here must not take all controllers back; only who was shown the
 * difference (PolicyApply) may want that. */
static bool is_of_old(const struct quorum *q, const Ephor__PolicyOffer *offer, char text[LINE_SIZE])
{
    const struct past_policy *past = history_replaced(&q->machine.history, offer->digest);
    if (past == NULL || offer->sequence != 0)
        return false;
    text_format(text, LINE_SIZE,
                "the file is policy %llu, which was replaced: 'ephorctl config apply' here or "
                "'ephorctl config rollback %llu' brings it back",
                (unsigned long long)past->index, (unsigned long long)past->index);
    return true;
}

static bool is_in_force(const struct quorum *q, const Ephor__PolicyOffer *offer)
{
    return q->machine.core != NULL && strcmp(offer->digest, q->machine.policy_digest) == 0;
}

/* True: it was proposed or answered. False: it has to wait. */
static bool settle(struct quorum *q, Ephor__PolicyOffer *offer)
{
    char text[LINE_SIZE];
    bool is_asked = offer->asked;
    if (stands_without(q) != NULL) {
        reply(q, false, offer->sequence, true, stands_without(q));
    } else if (is_in_force(q, offer)) {
        reply(q, false, offer->sequence, true, "unchanged");
    } else if (is_of_old(q, offer, text)) {
        if (!is_asked)
            log_warning("config", "the policy in force stays: %s", text);
        reply(q, false, 0, !is_asked, text);
    } else if (is_only_a_start(q, offer)) {
        log_warning("config", "this controller's file is not the policy in force: the cluster "
                              "keeps its own; ephorctl config apply proposes the file's");
        reply(q, false, 0, true, "the policy of the cluster stays in force; this file differs");
    } else if (q->is_leading || (is_asked && q->leader != 0)) {
        propose_file(q, offer);
    } else if (offer->sequence != 0) {
        reply(q, false, offer->sequence, false, "no controller leads now; try again in a moment");
    } else {
        return false;
    }
    return true;
}

void offers_propose(struct quorum *q)
{
    Ephor__PolicyOffer *offer = q->offers.waiting;
    if (offer == NULL || q->offers.is_under_way)
        return;
    q->offers.waiting = NULL;
    if (settle(q, offer))
        ephor__policy_offer__free_unpacked(offer, NULL);
    else
        q->offers.waiting = offer;
}

static Ephor__PolicyOffer *copy_offer(const Ephor__PolicyOffer *offer)
{
    size_t size = ephor__policy_offer__get_packed_size(offer);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__policy_offer__pack(offer, bytes);
    Ephor__PolicyOffer *copy = ephor__policy_offer__unpack(NULL, size, bytes);
    free(bytes);
    PRE(copy != NULL);
    return copy;
}

void offers_take(struct quorum *q, const Ephor__PolicyOffer *offer)
{
    struct offers *offers = &q->offers;
    if (offer->trial && (offers->is_under_way || offers->waiting != NULL)) {
        reply(q, false, offer->sequence, false, "another policy is on its way; try again");
        return;
    }
    if (offers->waiting != NULL) {
        reply(q, false, offers->waiting->sequence, false, "the file was read once more meanwhile");
        ephor__policy_offer__free_unpacked(offers->waiting, NULL);
    }
    offers->waiting = copy_offer(offer);
    if (!offer->trial)
        text_copy(q->file_digest, sizeof(q->file_digest), offer->digest);
    offers_propose(q);
}

/* ---------------------------------------------------------------- back to an earlier one */

/* NULL: it cannot be, and text says why. */
static const struct past_policy *find_past(const struct quorum *q, uint64_t number,
                                           char text[LINE_SIZE])
{
    const struct history *history = &q->machine.history;
    const struct past_policy *past = NULL;
    if (number != 0)
        past = history_find(history, number);
    else if (history->count > 1)
        past = &history->policies[history->count - 2];
    if (past == NULL && number == 0)
        text_copy(text, LINE_SIZE, "there is no policy before the one in force");
    else if (past == NULL)
        text_format(text, LINE_SIZE,
                    "there is no policy %llu any more; see 'ephorctl config history'",
                    (unsigned long long)number);
    else if (strcmp(past->digest, q->machine.policy_digest) == 0)
        text_format(text, LINE_SIZE, "policy %llu is what is in force",
                    (unsigned long long)past->index);
    else if (past->bytes == NULL)
        text_format(text, LINE_SIZE,
                    "policy %llu is too long ago: its text is not kept any more; apply a file that "
                    "says it",
                    (unsigned long long)past->index);
    else
        return past;
    return NULL;
}

void offers_roll_back(struct quorum *q, const Ephor__PolicyRollback *wanted)
{
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    char text[LINE_SIZE], changes[LINE_SIZE], line[LINE_SIZE];
    const struct past_policy *past = find_past(q, wanted->number, text);
    if (q->offers.is_under_way || q->offers.waiting != NULL)
        text_copy(text, sizeof(text), "another policy is on its way; try again in a moment");
    else if (!q->is_leading && q->leader == 0)
        text_copy(text, sizeof(text), "no controller leads now; try again in a moment");
    else if (past != NULL)
        text[0] = '\0';
    if (past == NULL || text[0] != '\0') {
        reply(q, true, wanted->sequence, false, text);
        return;
    }
    adopted.policy.data = past->bytes;
    adopted.policy.len = past->size;
    tell_changes(q, &adopted.policy, changes);
    text_format(line, sizeof(line), "back to %llu: %s", (unsigned long long)past->index, changes);
    adopted.author = wanted->author;
    adopted.digest = (char *)(uintptr_t)past->digest;
    adopted.replaces = wanted->replaces;
    adopted.changes = line;
    q->offers.is_rollback = true;
    q->offers.sequence = wanted->sequence;
    propose(q, &adopted, wanted->trial);
}

/* ---------------------------------------------------------------- between controllers */

bool offers_may_forward(struct quorum *q, uint32_t from, const Ephor__Fact *fact)
{
    char refusal[LINE_SIZE] = "";
    if (fact->body_case != EPHOR__FACT__BODY_POLICY ||
        machine_may_adopt(&q->machine, fact->policy, refusal))
        return true;
    Ephor__Talk talk = EPHOR__TALK__INIT;
    Ephor__ForwardRefused refused = EPHOR__FORWARD_REFUSED__INIT;
    refused.run = fact->run;
    refused.sequence = fact->sequence;
    refused.text = refusal;
    talk.body_case = EPHOR__TALK__BODY_FORWARD_REFUSED;
    talk.forward_refused = &refused;
    cluster_talk(q, from, &talk);
    return false;
}

void offers_on_refused(struct quorum *q, uint32_t from, const Ephor__ForwardRefused *refused)
{
    if (from != q->leader || refused->run != q->proposals.run)
        return; /* it is not the one to say so, or says it to one who is gone */
    text_copy(q->offers.refusal, sizeof(q->offers.refusal), refused->text);
    proposals_refused(q, refused->sequence);
}

void offers_close(struct quorum *q)
{
    if (q->offers.waiting != NULL)
        ephor__policy_offer__free_unpacked(q->offers.waiting, NULL);
    q->offers.waiting = NULL;
}
