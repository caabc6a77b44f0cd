/* The policy's way to the quorum process, and the word that comes back: to the log, to systemd, and
 * to the operator who asked for it. */
#include "orchestrator/supervisor/supervisor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_message.h"

#include <stdlib.h>

void offer_digest(const struct conf *conf, char digest[DIGEST_SIZE])
{
    const Ephor__Policy *policy = conf_policy(conf);
    size_t size = ephor__policy__get_packed_size(policy);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__policy__pack(policy, bytes);
    policy_digest(bytes, size, digest);
    free(bytes);
}

void offer_send(struct supervisor *s, const struct conf *conf, bool asked,
                const Ephor__PolicyApply *apply)
{
    Ephor__PolicyOffer offer = EPHOR__POLICY_OFFER__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    const Ephor__Policy *policy = conf_policy(conf);
    char digest[DIGEST_SIZE];
    offer.policy.len = ephor__policy__get_packed_size(policy);
    offer.policy.data = malloc(offer.policy.len + 1);
    PRE(offer.policy.data != NULL);
    ephor__policy__pack(policy, offer.policy.data);
    policy_digest(offer.policy.data, offer.policy.len, digest);
    offer.digest = digest;
    offer.asked = asked;
    offer.author = (char *)(uintptr_t) "configuration file";
    if (apply != NULL) {
        offer.author = apply->author;
        offer.replaces = apply->replaces;
        offer.sequence = apply->sequence;
        offer.trial = apply->trial;
    }
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_OFFER;
    m.policy_offer = &offer;
    children_tell(s, EPHOR__ROLE__QUORUM, &m);
    free(offer.policy.data);
}

static void answer(struct supervisor *s, const Ephor__PolicyReply *reply)
{
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_REPLY;
    m.policy_reply = (Ephor__PolicyReply *)(uintptr_t)reply;
    if (reply->sequence != 0)
        children_tell(s, EPHOR__ROLE__STATUS, &m);
}

void offer_refuse(struct supervisor *s, const Ephor__PolicyApply *apply, const char *text)
{
    Ephor__PolicyReply reply = EPHOR__POLICY_REPLY__INIT;
    char cut[ERR_TEXT_SIZE * 4];
    if (apply == NULL)
        return;
    text_copy(cut, sizeof(cut), text);
    reply.text = cut;
    reply.sequence = apply->sequence;
    answer(s, &reply);
}

void offer_on_reply(struct supervisor *s, const Ephor__PolicyReply *reply)
{
    answer(s, reply);
    if (reply->sequence != 0 && reply->sequence == s->trial_sequence)
        return; /* nothing was tried but the words */
    if (reply->accepted) {
        s->is_policy_accepted = true;
        if (reply->index == 0) /* it has none yet, or needs none */
            log_info("policy", "%s", reply->text);
        else
            log_info("policy", "in force since entry %llu (%s)", (unsigned long long)reply->index,
                     reply->text);
    } else {
        log_error("policy", "not adopted: %s", reply->text);
    }
    if (s->is_reload_open) {
        s->is_reload_open = false;
        s->last_reload_ok = reply->accepted;
        text_copy(s->last_reload_text, sizeof(s->last_reload_text), reply->text);
    }
    supervisor_on_change(s);
}
