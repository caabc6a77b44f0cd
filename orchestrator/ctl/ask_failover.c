/* ephorctl failover: move a service now. It says what will happen, asks, and with --wait stays
 * until the move has ended. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/now.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MAX_MS = 180000, LOOK_US = 200000 };

/* The member that would get it: as the daemon chooses, the fit one of the highest priority. */
static const json_t *expected_target(const struct ctl *ctl, const json_t *service)
{
    const json_t *best = NULL, *member;
    size_t i;
    json_array_foreach(json_object_get(service, "members"), i, member)
    {
        if (ctl->to != NULL && strcmp(json_text(member, "node"), ctl->to) == 0)
            return member;
        if (ctl->to != NULL || json_flag(member, "active") || !json_flag(member, "fit"))
            continue;
        if (best == NULL || json_integer_value(json_object_get(member, "priority")) >
                                json_integer_value(json_object_get(best, "priority")))
            best = member;
    }
    return best;
}

static void print_plan(const struct ctl *ctl, const json_t *service)
{
    const char *active = json_text(service, "active");
    const json_t *target = expected_target(ctl, service), *vip;
    size_t i;
    printf("%s is ", json_text(service, "name"));
    out_state(ctl, json_text(service, "state"));
    printf(" and active %s%s.\n", active[0] != '\0' ? "on " : "nowhere", active);
    if (target == NULL) {
        puts("No other member is fit; the daemon will most likely refuse.");
        return;
    }
    printf("It will move to %s (", json_text(target, "node"));
    out_state(ctl, json_text(target, "state"));
    if (!json_flag(target, "fit")) {
        printf(", not fit: ");
        out_text(json_text(target, "unfit_reason"));
    }
    puts(").");
    json_array_foreach(json_object_get(service, "vips"), i, vip)
        printf("The address %s will go with it; it does not answer for a moment.\n",
               json_text(vip, "address"));
}

/* Stay until the service is steady again. */
static int wait_for_end(const struct ctl *ctl, const char *name, const char *before)
{
    int64_t deadline_ms = now_mono_ms() + WAIT_MAX_MS;
    char last[32] = "";
    while (now_mono_ms() < deadline_ms) {
        json_t *status;
        int code = ctl_get(ctl, "/api/v1/status", &status);
        if (code != CTL_OK)
            return code;
        const json_t *service = json_find(json_object_get(status, "services"), "name", name);
        const char *phase = json_text(service, "phase"), *active = json_text(service, "active");
        bool is_over = service == NULL || strcmp(phase, "steady") == 0;
        bool has_moved = is_over && active[0] != '\0' && strcmp(active, before) != 0;
        if (!ctl->is_json && strcmp(phase, last) != 0)
            printf("%s\n", is_over && has_moved ? "done" : phase);
        text_copy(last, sizeof(last), phase);
        if (is_over && !ctl->is_json)
            printf("%s is active on %s\n", name, active[0] != '\0' ? active : "no node");
        json_decref(status);
        if (is_over)
            return has_moved ? CTL_OK : CTL_FAILED;
        fflush(stdout);
        usleep(LOOK_US);
    }
    out_error("the move of %s has not ended after %d s; see 'ephorctl why %s'", name,
              WAIT_MAX_MS / 1000, name);
    return CTL_FAILED;
}

static json_t *make_body(const struct ctl *ctl)
{
    json_t *body = json_pack("{s:s}", "service", ctl->operands[0]);
    if (ctl->to != NULL)
        json_object_set_new(body, "node", json_string(ctl->to));
    if (ctl->reason != NULL)
        json_object_set_new(body, "reason", json_string(ctl->reason));
    return body;
}

int ask_failover(const struct ctl *ctl)
{
    const char *name = ctl->operands[0];
    char before[64];
    json_t *status;
    int code = ctl_get(ctl, "/api/v1/status", &status);
    if (code != CTL_OK)
        return code;
    const json_t *service = json_find(json_object_get(status, "services"), "name", name);
    text_copy(before, sizeof(before), json_text(service, "active"));
    if (service == NULL) {
        out_error("there is no service '%s'", name);
        code = CTL_FAILED;
    } else {
        if (!ctl->is_json)
            print_plan(ctl, service);
        if (!ask_yes(ctl, "Move it?"))
            code = CTL_FAILED;
    }
    json_decref(status);
    if (code == CTL_OK)
        code = ctl_post(ctl, "/api/v1/failover", make_body(ctl), NULL);
    if (code == CTL_OK && ctl->waits)
        code = wait_for_end(ctl, name, before);
    return code;
}
