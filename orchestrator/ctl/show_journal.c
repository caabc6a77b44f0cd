/* ephorctl journal: what happened; with -f also what happens. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/api_client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct follower {
    const struct ctl *ctl;
    char last_id[64];
};

/* Is the line about the wanted object? The daemon does this for lines of the past; here it is for
 * those of the stream. */
static bool is_wanted(const struct ctl *ctl, const json_t *line)
{
    return ctl->object == NULL || strstr(json_text(line, "object"), ctl->object) != NULL ||
           strstr(json_text(line, "text"), ctl->object) != NULL;
}

static void print_line(const struct ctl *ctl, const json_t *line)
{
    static const char *const states[] = {"critical", "warning"};
    const char *severity = json_text(line, "severity");
    bool is_error = strcmp(severity, "error") == 0;
    char clock[32];
    if (ctl->is_json) {
        json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        return;
    }
    printf("%s  ", out_clock(json_object_get(line, "at"), clock));
    if (ctl->has_colour && (is_error || strcmp(severity, "warning") == 0))
        printf("%s",
               strcmp(out_state_colour(states[!is_error]), "red") == 0 ? "\033[31m" : "\033[33m");
    printf("%-8s", json_text(line, "event"));
    if (ctl->has_colour)
        printf("\033[0m");
    printf("  ");
    out_text(json_text(line, "object"));
    printf(": ");
    out_text(json_text(line, "text"));
    putchar('\n');
}

static void remember(struct follower *f, const json_t *line)
{
    text_format(f->last_id, sizeof(f->last_id), "%lld-%lld",
                (long long)json_integer_value(json_object_get(line, "index")),
                (long long)json_integer_value(json_object_get(line, "line")));
}

static bool on_event(void *data, const char *id, const char *event, const char *text)
{
    struct follower *f = data;
    (void)id;
    if (strcmp(event, "journal") != 0)
        return true;
    json_t *line = json_loads(text, 0, NULL);
    if (line == NULL)
        return true;
    remember(f, line);
    if (is_wanted(f->ctl, line))
        print_line(f->ctl, line);
    json_decref(line);
    fflush(stdout);
    return ferror(stdout) == 0;
}

/* Goes on for ever: a daemon that is restarted is found again. */
static int follow(struct follower *f)
{
    struct errbuf e = {.text = ""};
    for (bool was_lost = false;; was_lost = true) {
        int err = api_stream(f->ctl->socket, "/events?topic=journal", f->last_id, on_event, f, &e);
        if (err == ERR_OK)
            return CTL_OK;
        if (!was_lost || err == ERR_CLOSED)
            out_error("%s; trying again", e.text);
        sleep(1);
    }
}

int show_journal(const struct ctl *ctl)
{
    struct follower follower = {.ctl = ctl, .last_id = ""};
    char path[512], object[400] = "";
    json_t *journal;
    size_t i;
    const json_t *line;
    if (ctl->object != NULL)
        ctl_encode(object, sizeof(object), ctl->object);
    text_format(path, sizeof(path), "/api/v1/journal?count=%lld&object=%s", (long long)ctl->count,
                object);
    int code = ctl_get(ctl, path, &journal);
    if (code != CTL_OK)
        return code;
    json_array_foreach(json_object_get(journal, "lines"), i, line)
    {
        print_line(ctl, line);
        remember(&follower, line);
    }
    json_decref(journal);
    fflush(stdout);
    return ctl->follows ? follow(&follower) : CTL_OK;
}
