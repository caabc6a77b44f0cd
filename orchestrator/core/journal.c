/* Journal lines: the readable record of what a step did. */
#include "orchestrator/core/journal.h"

#include "orchestrator/base/text.h"

#include <stdarg.h>
#include <stdio.h>

void effects_clear(struct effects *effects)
{
    effects->count = effects->dropped = 0;
    effects->touched_count = 0;
    effects->touched_all = effects->board_changed = false;
    effects->has_reply = false;
}

void journal_add(struct effects *effects, enum severity severity, enum event event,
                 const char *object, const char *fmt, ...)
{
    if (effects == NULL)
        return;
    if (effects->count == EFFECTS_MAX) {
        effects->dropped++;
        return;
    }
    struct journal_line *line = &effects->lines[effects->count++];
    line->severity = severity;
    line->event = event;
    text_copy(line->object, sizeof(line->object), object);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line->text, sizeof(line->text), fmt, ap);
    va_end(ap);
}

void journal_reply(struct effects *effects, bool is_accepted, const char *fmt, ...)
{
    if (effects == NULL)
        return;
    effects->has_reply = true;
    effects->is_accepted = is_accepted;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(effects->reply, sizeof(effects->reply), fmt, ap);
    va_end(ap);
}

const char *journal_member(const struct core *core, int32_t member, char *dst)
{
    const struct member *m = core_member(core, member);
    text_format(dst, ID_SIZE, "%s on %s", core_service(core, m->service)->name,
                core_node(core, m->node)->name);
    return dst;
}
