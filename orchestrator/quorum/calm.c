#include "orchestrator/quorum/calm.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

enum {
    LATE_MS = 250,  /* a beat this late, or a clock this far off: stop acting */
    CALM_MS = 2000, /* ... until it was calm for so long */
};

void calm_init(struct calm *calm, const struct clocks *now)
{
    *calm = (struct calm){.is_calm = true, .due_ms = now->mono_ms, .last = *now};
}

bool calm_note_lag(struct calm *calm, int64_t now_ms, int64_t late_ms, const char *what)
{
    calm->again_ms = now_ms + CALM_MS;
    if (!calm->is_calm)
        return false;
    calm->is_calm = false;
    text_format(calm->text, sizeof(calm->text), "%s %lld ms", what, (long long)late_ms);
    log_warning("calm", "%s: watching only for %d s", calm->text, CALM_MS / 1000);
    return true;
}

static bool look(struct calm *calm, const struct clocks *now)
{
    const struct clocks *last = &calm->last;
    int64_t late_ms = now->mono_ms - calm->due_ms;
    int64_t suspended_ms = now->suspended_ms - last->suspended_ms;
    int64_t set_ms = (now->wall_ms - last->wall_ms) - (now->mono_ms - last->mono_ms);
    if (suspended_ms > LATE_MS)
        return calm_note_lag(calm, now->mono_ms, suspended_ms, "the machine was suspended for");
    if (late_ms > LATE_MS)
        return calm_note_lag(calm, now->mono_ms, late_ms, "it lagged by");
    if (set_ms > LATE_MS)
        return calm_note_lag(calm, now->mono_ms, set_ms, "its clock was set forward by");
    if (set_ms < -LATE_MS)
        return calm_note_lag(calm, now->mono_ms, -set_ms, "its clock was set back by");
    if (calm->is_calm || now->mono_ms < calm->again_ms)
        return false;
    calm->is_calm = true;
    calm->text[0] = '\0';
    return true;
}

bool calm_beat(struct calm *calm, const struct clocks *now)
{
    bool is_changed = look(calm, now);
    calm->last = *now;
    return is_changed;
}
