/* Names and help of the vocabulary. */
#include "orchestrator/core/words.h"

#include <stddef.h>

#define WORD_NAME(id, text, ...) text,
#define WORD_HELP(id, text, help) help,
#define LOOK_UP(table, i) \
    ((size_t)(i) < sizeof(table) / sizeof((table)[0]) ? (table)[(size_t)(i)] : "unknown")

const char *state_name(enum state state)
{
    static const char *const names[] = {"ok", "warning", "critical", "unknown"};
    return LOOK_UP(names, state);
}

const char *phase_name(enum phase phase)
{
    static const char *const names[] = {PHASE_LIST(WORD_NAME)};
    return LOOK_UP(names, phase);
}

const char *phase_help(enum phase phase)
{
    static const char *const helps[] = {PHASE_LIST(WORD_HELP)};
    return LOOK_UP(helps, phase);
}

const char *step_name(enum step step)
{
    static const char *const names[] = {STEP_LIST(WORD_NAME)};
    return LOOK_UP(names, step);
}

const char *vip_phase_name(enum vip_phase phase)
{
    static const char *const names[] = {VIP_PHASE_LIST(WORD_NAME)};
    return LOOK_UP(names, phase);
}

const char *vip_phase_help(enum vip_phase phase)
{
    static const char *const helps[] = {VIP_PHASE_LIST(WORD_HELP)};
    return LOOK_UP(helps, phase);
}

const char *order_kind_name(enum order_kind kind)
{
    static const char *const names[] = {ORDER_KIND_LIST(WORD_NAME)};
    return LOOK_UP(names, kind);
}

const char *result_name(enum order_result result)
{
    static const char *const names[] = {RESULT_LIST(WORD_NAME)};
    return LOOK_UP(names, result);
}

#define RULE_NAME(number, id, text, help) text,
#define RULE_HELP(number, id, text, help) help,

const char *rule_name(enum rule rule)
{
    static const char *const names[] = {RULE_LIST(RULE_NAME)};
    return LOOK_UP(names, rule);
}

const char *rule_help(enum rule rule)
{
    static const char *const helps[] = {RULE_LIST(RULE_HELP)};
    return LOOK_UP(helps, rule);
}

const char *event_name(enum event event)
{
    static const char *const names[] = {EVENT_LIST(WORD_NAME)};
    return LOOK_UP(names, event);
}

const char *cause_name(enum cause cause)
{
    static const char *const names[] = {CAUSE_LIST(WORD_NAME)};
    return LOOK_UP(names, cause);
}

const char *cause_help(enum cause cause)
{
    static const char *const helps[] = {CAUSE_LIST(WORD_HELP)};
    return LOOK_UP(helps, cause);
}

const char *diagnosis_name(enum diagnosis_kind kind)
{
    static const char *const names[] = {DIAGNOSIS_LIST(WORD_NAME)};
    return LOOK_UP(names, kind);
}

const char *diagnosis_help(enum diagnosis_kind kind)
{
    static const char *const helps[] = {DIAGNOSIS_LIST(WORD_HELP)};
    return LOOK_UP(helps, kind);
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"error", "warning", "info"};
    return LOOK_UP(names, severity);
}
