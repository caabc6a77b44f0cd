#include "orchestrator/quorum/calm.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

enum {
    LATE_MS = 250,  /* a beat this late: stop acting */
    CALM_MS = 2000, /* ... until it was calm for so long */
};

void calm_init(struct calm *calm, int64_t now_ms, int64_t suspended_ms)
{
    *calm = (struct calm){.is_calm = true, .due_ms = now_ms, .suspended_ms = suspended_ms};
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

bool calm_beat(struct calm *calm, int64_t now_ms, int64_t suspended_ms)
{
    int64_t late_ms = now_ms - calm->due_ms;
    bool jumped = suspended_ms - calm->suspended_ms > LATE_MS;
    calm->suspended_ms = suspended_ms;
    if (late_ms > LATE_MS || jumped)
        return calm_note_lag(calm, now_ms, late_ms,
                             jumped ? "the machine was suspended for" : "it lagged by");
    if (calm->is_calm || now_ms < calm->again_ms)
        return false;
    calm->is_calm = true;
    calm->text[0] = '\0';
    return true;
}
