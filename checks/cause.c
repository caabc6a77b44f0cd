/* The built-in checks tell it by their reason. A plugin tells it to people, in the first line of
 * its output: the table knows the words of Debian's monitoring-plugins, in the C locale. */
#include "checks/cause.h"

#include <stdlib.h>
#include <string.h>

static Ephor__Cause cause_of_reason(const char *reason)
{
    static const struct {
        const char *reason;
        Ephor__Cause cause;
    } causes[] = {
        {"refused", EPHOR__CAUSE__CAUSE_REFUSED}, {"timeout", EPHOR__CAUSE__CAUSE_SILENT},
        {"hung", EPHOR__CAUSE__CAUSE_HUNG},       {"unreachable", EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {"closed", EPHOR__CAUSE__CAUSE_BROKEN},   {"slow", EPHOR__CAUSE__CAUSE_SLOW},
        {"resolve", EPHOR__CAUSE__CAUSE_NAME},    {"certificate", EPHOR__CAUSE__CAUSE_CERTIFICATE},
    };
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (strcmp(reason, causes[i].reason) == 0)
            return causes[i].cause;
    return EPHOR__CAUSE__CAUSE_NONE;
}

/* The loss that a ping tells, in percent: "Packet loss = 40%", "lost 40%"; -1: it tells none. */
static long packet_loss(const char *line)
{
    static const char *const prefixes[] = {"packet loss = ", "lost "};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const char *at = strcasestr(line, prefixes[i]);
        char *end = NULL;
        long percent = at == NULL ? 0 : strtol(at + strlen(prefixes[i]), &end, 10);
        if (end != NULL && *end == '.')
            end += strspn(end, ".0123456789");
        if (end != NULL && *end == '%' && percent >= 0 && percent <= 100)
            return percent;
    }
    return -1;
}

/* The first that is in the line counts. Every answer of check_http ends in its response time. */
static Ephor__Cause cause_of_line(const char *line)
{
    static const struct {
        const char *words;
        Ephor__Cause cause;
    } causes[] = {
        {"refused", EPHOR__CAUSE__CAUSE_REFUSED},
        {"no route to host", EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {"unreachable", EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {"invalid hostname", EPHOR__CAUSE__CAUSE_NAME},
        {"name or service not known", EPHOR__CAUSE__CAUSE_NAME},
        {"name resolution", EPHOR__CAUSE__CAUSE_NAME},
        {"resolve", EPHOR__CAUSE__CAUSE_NAME},
        {"host not found", EPHOR__CAUSE__CAUSE_NAME},
        {"unknown host", EPHOR__CAUSE__CAUSE_NAME},
        {"certificate", EPHOR__CAUSE__CAUSE_CERTIFICATE},
        {"reset by peer", EPHOR__CAUSE__CAUSE_BROKEN},
        {"broken pipe", EPHOR__CAUSE__CAUSE_BROKEN},
        {"no data received", EPHOR__CAUSE__CAUSE_BROKEN},
        {"timed out", EPHOR__CAUSE__CAUSE_SILENT},
        {"timeout", EPHOR__CAUSE__CAUSE_SILENT},
        {"not found", EPHOR__CAUSE__CAUSE_WRONG},
        {"200 OK", EPHOR__CAUSE__CAUSE_SLOW},
        {"HTTP/", EPHOR__CAUSE__CAUSE_WRONG},
        {"second response time", EPHOR__CAUSE__CAUSE_SLOW},
    };
    long percent = packet_loss(line);
    if (percent >= 0)
        return percent == 100 ? EPHOR__CAUSE__CAUSE_SILENT
               : percent > 0  ? EPHOR__CAUSE__CAUSE_LOSS
                              : EPHOR__CAUSE__CAUSE_SLOW;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (strcasestr(line, causes[i].words) != NULL)
            return causes[i].cause;
    return EPHOR__CAUSE__CAUSE_NONE;
}

Ephor__Cause cause_of(const struct observation *o)
{
    char line[RESULTS_OUTPUT_SIZE];
    if (o->state == EPHOR__STATE__STATE_OK)
        return EPHOR__CAUSE__CAUSE_NONE;
    Ephor__Cause cause = cause_of_reason(o->reason);
    if (cause != EPHOR__CAUSE__CAUSE_NONE)
        return cause;
    if (o->state == EPHOR__STATE__STATE_UNKNOWN && o->reason[0] != '\0')
        return EPHOR__CAUSE__CAUSE_LOCAL;
    size_t size = strcspn(o->output, "\n");
    memcpy(line, o->output, size);
    line[size] = '\0';
    /* reasons of the built-in checks: they answered, whatever words are in what came */
    if (o->reason[0] == '\0' || strcmp(o->reason, "pipe-held") == 0)
        cause = cause_of_line(line);
    return cause == EPHOR__CAUSE__CAUSE_NONE ? EPHOR__CAUSE__CAUSE_WRONG : cause;
}
