/* ephorctl simulate: what would be done if. Also what the others print before they ask: the plan of
 * a move is a forecast of it. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

enum { QUERY_SIZE = 900 };

static void print_lines(const json_t *lines)
{
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        const char *event = json_text(line, "event");
        double after_s = (double)json_integer_value(json_object_get(line, "after_ms")) / 1000;
        if (strcmp(event, "diagnosis") == 0)
            continue;
        printf("  %+8.2f s  %-10s", after_s, event);
        out_text(json_text(line, "object"));
        fputs(": ", stdout);
        out_text(json_text(line, "text"));
        putchar('\n');
    }
}

static void print_services(const struct ctl *ctl, const json_t *services)
{
    size_t i;
    const json_t *service;
    json_array_foreach(services, i, service)
    {
        const char *active = json_text(service, "active");
        printf("%s would be ", json_text(service, "name"));
        out_state(ctl, json_text(service, "state"));
        printf(" and active %s%s (rule %lld, %s: ", active[0] != '\0' ? "on " : "nowhere", active,
               (long long)json_integer_value(json_object_get(service, "rule")),
               json_text(service, "rule_name"));
        out_text(json_text(service, "reason"));
        puts(").");
    }
}

int print_forecast(const struct ctl *ctl, const char *query)
{
    char path[QUERY_SIZE + 32];
    json_t *answer;
    text_format(path, sizeof(path), "/api/v1/simulate?%s", query);
    int code = ctl_get(ctl, path, &answer);
    if (code != CTL_OK)
        return code;
    const json_t *lines = json_object_get(answer, "lines");
    if (ctl->is_json) {
        out_json(answer);
    } else {
        if (json_array_size(lines) == 0)
            puts("Nothing would happen.");
        print_lines(lines);
        if (json_flag(answer, "is_cut"))
            puts("  ... and more");
        if (!json_flag(answer, "ends"))
            puts("It would not come to an end: that is no plan.");
        print_services(ctl, json_object_get(answer, "services"));
    }
    json_decref(answer);
    return CTL_OK;
}

static void add_wish(char query[QUERY_SIZE], const char *name, const char *value)
{
    char encoded[QUERY_SIZE];
    size_t used = strlen(query);
    if (value != NULL)
        text_format(query + used, QUERY_SIZE - used, "%s%s=%s", used > 0 ? "&" : "", name,
                    ctl_encode(encoded, sizeof(encoded), value));
}

int simulate(const struct ctl *ctl)
{
    char query[QUERY_SIZE] = "";
    const struct wishes *w = &ctl->wishes;
    add_wish(query, "fail", w->fail);
    add_wish(query, "down", w->down);
    add_wish(query, "stuck", w->stuck);
    add_wish(query, "maintenance", w->drain);
    add_wish(query, "failover", w->failover);
    add_wish(query, "restart_helps", w->restart_helps ? "1" : NULL);
    if (query[0] == '\0') {
        out_error("say what is to be assumed: --fail SERVICE[@NODE], --down NODE, --stuck NODE, "
                  "--drain NODE or --failover SERVICE[@NODE]");
        return CTL_USAGE;
    }
    return print_forecast(ctl, query);
}
