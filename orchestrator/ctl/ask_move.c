/* ephorctl failover, switchover, failback, drain: services that go elsewhere because somebody wants
 * it. Each shows what will happen, from the rules themselves, asks, and most stay until it is over.
 */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/now.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MAX_MS = 180000, LOOK_US = 50000, WORD_SIZE = 128 };

struct move {
    const char *service, *to; /* to NULL: the daemon chooses */
    char before[64];          /* where it is active now */
};

/* ---------------------------------------------------------------- of one service */

/* What will happen, and whether it is wanted. */
static int ask(const struct ctl *ctl, const json_t *service, const struct move *move)
{
    char word[WORD_SIZE], encoded[3 * WORD_SIZE], query[4 * WORD_SIZE];
    if (!ctl->is_json) {
        printf("%s is ", move->service);
        out_state(ctl, json_text(service, "state"));
        printf(" and active %s%s. What will happen:\n", move->before[0] != '\0' ? "on " : "nowhere",
               move->before);
        text_format(word, sizeof(word), "%s%s%s", move->service, move->to == NULL ? "" : "@",
                    move->to == NULL ? "" : move->to);
        text_format(query, sizeof(query), "failover=%s",
                    ctl_encode(encoded, sizeof(encoded), word));
        int code = print_forecast(ctl, query);
        if (code != CTL_OK)
            return code;
    }
    return ask_yes(ctl, "Move it?") ? CTL_OK : CTL_FAILED;
}

/* Stay until the service is steady again. */
static int wait_for_end(const struct ctl *ctl, const struct move *move)
{
    int64_t start_ms = now_mono_ms();
    char last[32] = "";
    while (now_mono_ms() - start_ms < WAIT_MAX_MS) {
        json_t *status;
        int code = ctl_get(ctl, "/api/v1/status", &status);
        if (code != CTL_OK)
            return code;
        const json_t *service =
            json_find(json_object_get(status, "services"), "name", move->service);
        const char *phase = json_text(service, "phase"), *active = json_text(service, "active");
        bool is_over = service == NULL || strcmp(phase, "steady") == 0;
        bool has_moved = is_over && active[0] != '\0' && strcmp(active, move->before) != 0;
        if (!ctl->is_json && !is_over && strcmp(phase, last) != 0)
            printf("%s\n", phase);
        text_copy(last, sizeof(last), phase);
        if (is_over && !ctl->is_json)
            printf("%s is active on %s, after %.1f s\n", move->service,
                   active[0] != '\0' ? active : "no node",
                   (double)(now_mono_ms() - start_ms) / 1000);
        json_decref(status);
        if (is_over)
            return has_moved ? CTL_OK : CTL_FAILED;
        fflush(stdout);
        usleep(LOOK_US);
    }
    out_error("the move of %s has not ended after %d s; see 'ephorctl why %s'", move->service,
              WAIT_MAX_MS / 1000, move->service);
    return CTL_FAILED;
}

static json_t *make_body(const struct ctl *ctl, const struct move *move)
{
    json_t *body = json_pack("{s:s}", "service", move->service);
    if (move->to != NULL)
        json_object_set_new(body, "node", json_string(move->to));
    if (ctl->reason != NULL)
        json_object_set_new(body, "reason", json_string(ctl->reason));
    return body;
}

/* The best fit member by priority, if that is another one than the active; else it is said why not.
 */
static const char *home_of(const json_t *service)
{
    const json_t *best = NULL, *member;
    size_t i;
    json_array_foreach(json_object_get(service, "members"), i, member)
    {
        bool can = json_flag(member, "fit") || json_flag(member, "active");
        if (can && (best == NULL || json_integer_value(json_object_get(member, "priority")) >
                                        json_integer_value(json_object_get(best, "priority"))))
            best = member;
    }
    if (best != NULL && !json_flag(best, "active"))
        return json_text(best, "node");
    out_error("%s is where it belongs: no fit member has a higher priority",
              json_text(service, "name"));
    return NULL;
}

static int move_service(const struct ctl *ctl, bool goes_home, bool waits)
{
    struct move move = {.service = ctl->operands[0], .to = ctl->to};
    char to[64];
    json_t *status;
    int code = ctl_get(ctl, "/api/v1/status", &status);
    if (code != CTL_OK)
        return code;
    const json_t *service = json_find(json_object_get(status, "services"), "name", move.service);
    text_copy(move.before, sizeof(move.before), json_text(service, "active"));
    if (service == NULL) {
        out_error("there is no service '%s'", move.service);
        code = CTL_FAILED;
    } else if (goes_home) {
        const char *home = home_of(service);
        text_copy(to, sizeof(to), home == NULL ? "" : home);
        move.to = to;
        code = home == NULL ? CTL_FAILED : CTL_OK;
    }
    if (code == CTL_OK)
        code = ask(ctl, service, &move);
    json_decref(status);
    if (code == CTL_OK)
        code = ctl_post(ctl, "/api/v1/failover", make_body(ctl, &move), NULL);
    return code == CTL_OK && waits ? wait_for_end(ctl, &move) : code;
}

int ask_failover(const struct ctl *ctl)
{
    return move_service(ctl, false, ctl->waits);
}

int ask_switchover(const struct ctl *ctl)
{
    return move_service(ctl, false, true);
}

int ask_failback(const struct ctl *ctl)
{
    return move_service(ctl, true, true);
}

/* ---------------------------------------------------------------- of a whole node */

/* How many services are active there, or on their way; those that cannot leave are told. */
static size_t count_left(const struct ctl *ctl, const json_t *status, bool tells, size_t *moving)
{
    size_t i, left = 0;
    const json_t *service;
    *moving = 0;
    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        bool is_here = strcmp(json_text(service, "active"), ctl->operands[0]) == 0;
        *moving += strcmp(json_text(service, "phase"), "steady") != 0;
        left += is_here;
        if (is_here && tells) {
            printf("%s stays: ", json_text(service, "name"));
            out_text(json_text(service, "reason"));
            putchar('\n');
        }
    }
    return left;
}

static int wait_for_drain(const struct ctl *ctl)
{
    int64_t start_ms = now_mono_ms(), still_ms = start_ms;
    while (now_mono_ms() - start_ms < WAIT_MAX_MS) {
        json_t *status;
        size_t moving;
        int code = ctl_get(ctl, "/api/v1/status", &status);
        if (code != CTL_OK)
            return code;
        size_t left = count_left(ctl, status, false, &moving);
        if (moving > 0)
            still_ms = now_mono_ms();
        bool is_over = (left == 0 && moving == 0) || now_mono_ms() - still_ms > 2000;
        if (is_over && !ctl->is_json)
            count_left(ctl, status, true, &moving);
        json_decref(status);
        if (is_over && left == 0 && !ctl->is_json)
            printf("nothing is active on %s, after %.1f s\n", ctl->operands[0],
                   (double)(now_mono_ms() - start_ms) / 1000);
        if (is_over)
            return left == 0 ? CTL_OK : CTL_FAILED;
        usleep(LOOK_US);
    }
    out_error("%s is not empty after %d s", ctl->operands[0], WAIT_MAX_MS / 1000);
    return CTL_FAILED;
}

int ask_drain(const struct ctl *ctl)
{
    char encoded[3 * WORD_SIZE], query[4 * WORD_SIZE];
    text_format(query, sizeof(query), "maintenance=%s",
                ctl_encode(encoded, sizeof(encoded), ctl->operands[0]));
    int code = ctl->is_json ? CTL_OK : print_forecast(ctl, query);
    if (code == CTL_OK && !ask_yes(ctl, "Take its services away?"))
        code = CTL_FAILED;
    if (code == CTL_OK)
        code = ask_maintenance(ctl);
    return code == CTL_OK ? wait_for_drain(ctl) : code;
}
