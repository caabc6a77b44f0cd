/* ephorctl pause, resume: whether Ephor acts by itself. */
#include "orchestrator/ctl/ctl.h"

static json_t *make_body(const struct ctl *ctl)
{
    json_t *body = json_object();
    if (ctl->reason != NULL)
        json_object_set_new(body, "reason", json_string(ctl->reason));
    return body;
}

int ask_pause(const struct ctl *ctl)
{
    json_t *body = make_body(ctl);
    ctl_add_span(ctl, body, PAUSE_MS);
    return ctl_post(ctl, "/api/v1/pause", body, NULL);
}

int ask_resume(const struct ctl *ctl)
{
    return ctl_post(ctl, "/api/v1/resume", make_body(ctl), NULL);
}
