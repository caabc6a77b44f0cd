/* ephorctl config diff and apply: what the file would change, and the change itself. The file that
 * is applied is the one that ephord reads; what is sent is which policy it has to say, and which
 * one it replaces. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/proto/policy_diff.h"
#include "orchestrator/proto/policy_message.h"
#include "orchestrator/supervisor/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIFF_SAME, DIFF_DIFFERS, DIFF_ERROR }; /* exit status of diff */

#define RED "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

/* ---------------------------------------------------------------- changes */

struct teller {
    const struct ctl *ctl;
    json_t *to; /* NULL: print */
    int64_t count;
};

static void add_change(json_t *to, const struct policy_change *change)
{
    static const char *const kinds[] = {"added", "removed", "changed"};
    json_t *json = json_pack("{s:s, s:s}", "change", kinds[change->kind], "object", change->object);
    if (change->setting != NULL) {
        json_object_set_new(json, "setting", json_string(change->setting));
        json_object_set_new(json, "old", json_string(change->old_value));
        json_object_set_new(json, "new", json_string(change->new_value));
    }
    if (change->example != NULL) {
        json_object_set_new(json, "example", json_string(change->example));
        json_object_set_new(json, "count", json_integer(change->count));
    }
    json_array_append_new(to, json);
}

static void print_value(const struct ctl *ctl, const char *colour, const char *value)
{
    fputs(ctl->has_colour ? colour : "", stdout);
    out_text(value == NULL ? "none" : value);
    fputs(ctl->has_colour ? PLAIN : "", stdout);
}

static void print_change(const struct ctl *ctl, const struct policy_change *change)
{
    out_text(change->object);
    if (change->kind != POLICY_CHANGED) {
        bool is_new = change->kind == POLICY_ADDED;
        fputs(": ", stdout);
        print_value(ctl, is_new ? GREEN : RED, is_new ? "added" : "removed");
    } else {
        printf("%s%s: ", change->object[0] == '\0' ? "" : ".", change->setting);
        print_value(ctl, RED, change->old_value);
        fputs(" -> ", stdout);
        print_value(ctl, GREEN, change->new_value);
    }
    if (change->example != NULL) {
        fputs(" (", stdout);
        out_text(change->example);
        if (change->count > 1)
            printf(", and %u more", change->count - 1);
        fputs(")", stdout);
    }
    putchar('\n');
}

static void on_change(void *data, const struct policy_change *change)
{
    struct teller *teller = data;
    teller->count++;
    if (teller->to != NULL)
        add_change(teller->to, change);
    else
        print_change(teller->ctl, change);
}

int64_t tell_changes(const struct ctl *ctl, const Ephor__Policy *old, const Ephor__Policy *fresh,
                     json_t *to)
{
    struct teller teller = {.ctl = ctl, .to = to};
    if (policy_diff(old, fresh, on_change, &teller) == ERR_OK)
        return teller.count;
    out_error("out of memory");
    return -1;
}

/* ---------------------------------------------------------------- both sides */

struct sides {
    json_t *config; /* what the API says of it */
    const char *path;
    bool is_daemons; /* the file is the one that ephord reads */
    struct conf *conf;
    char file_digest[DIGEST_SIZE];
    Ephor__Policy *policy; /* in force */
    char digest[DIGEST_SIZE];
};

static int load_file(const struct ctl *ctl, struct sides *sides)
{
    struct conf_report report;
    conf_report_init(&report);
    conf_load(sides->path, &sides->conf, &report);
    if (sides->conf == NULL)
        tell_config(ctl, sides->path, NULL, &report);
    conf_report_close(&report);
    if (sides->conf == NULL)
        return CTL_FAILED;
    const Ephor__Policy *policy = conf_policy(sides->conf);
    size_t size = ephor__policy__get_packed_size(policy);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return CTL_FAILED;
    ephor__policy__pack(policy, bytes);
    policy_digest(bytes, size, sides->file_digest);
    free(bytes);
    return CTL_OK;
}

/* 0, or it was said what went wrong. Close in both cases. */
static int open_sides(const struct ctl *ctl, struct sides *sides)
{
    *sides = (struct sides){.conf = NULL};
    int code = ctl_get(ctl, "/api/v1/config", &sides->config);
    if (code != CTL_OK)
        return code;
    sides->is_daemons = ctl->operand_count < 2;
    sides->path = sides->is_daemons ? json_text(sides->config, "path") : ctl->operands[1];
    if (sides->is_daemons && sides->path[0] != '/') {
        out_error("ephord reads '%s', which is no absolute path: name the file", sides->path);
        return CTL_FAILED;
    }
    code = load_file(ctl, sides);
    if (code == CTL_OK)
        sides->policy = fetch_policy(ctl, 0, sides->digest, &code);
    return code;
}

static void close_sides(struct sides *sides)
{
    if (sides->policy != NULL)
        ephor__policy__free_unpacked(sides->policy, NULL);
    conf_free(sides->conf);
    json_decref(sides->config);
}

static json_t *make_body(const struct sides *sides)
{
    return json_pack("{s:s, s:s}", "digest", sides->file_digest, "replaces", sides->digest);
}

/* Would ephord refuse it now? Only operators are told. */
static bool is_refused(const struct ctl *ctl, const struct sides *sides, char text[ERR_TEXT_SIZE])
{
    json_t *body = make_body(sides);
    json_object_set_new(body, "trial", json_true());
    return ctl_try(ctl, "/api/v1/config/apply", body, text, ERR_TEXT_SIZE) == 409;
}

/* ---------------------------------------------------------------- diff */

static int print_diff(const struct ctl *ctl, const struct sides *sides)
{
    char refusal[ERR_TEXT_SIZE] = "";
    json_t *changes = ctl->is_json ? json_array() : NULL;
    int64_t count = tell_changes(ctl, sides->policy, conf_policy(sides->conf), changes);
    bool would_be_refused = count > 0 && sides->is_daemons && is_refused(ctl, sides, refusal);
    if (ctl->is_json) {
        json_t *json =
            json_pack("{s:s, s:O, s:s, s:s, s:b, s:o}", "path", sides->path, "number",
                      json_object_get(sides->config, "number"), "digest", sides->digest,
                      "file_digest", sides->file_digest, "differs", count != 0, "changes", changes);
        json_object_set_new(json, "refusal", would_be_refused ? json_string(refusal) : json_null());
        out_json(json);
        json_decref(json);
    } else if (count == 0) {
        printf("%s says the policy that is in force\n", sides->path);
    }
    if (would_be_refused)
        out_error("it would be refused: %s", refusal);
    return count < 0 ? DIFF_ERROR : count == 0 ? DIFF_SAME : DIFF_DIFFERS;
}

int diff_config(const struct ctl *ctl)
{
    struct sides sides;
    int code = open_sides(ctl, &sides) == CTL_OK ? print_diff(ctl, &sides) : DIFF_ERROR;
    close_sides(&sides);
    return code;
}

/* ---------------------------------------------------------------- apply */

/* Without a difference it is applied all the same: ephord reads its local settings anew. */
static int apply(const struct ctl *ctl, const struct sides *sides)
{
    char refusal[ERR_TEXT_SIZE];
    bool differs = strcmp(sides->digest, sides->file_digest) != 0;
    if (differs && !ctl->is_json)
        tell_changes(ctl, sides->policy, conf_policy(sides->conf), NULL);
    if (differs && is_refused(ctl, sides, refusal)) {
        out_error("%s", refusal);
        return CTL_REFUSED;
    }
    if (differs && !ask_yes(ctl, "Apply it on all controllers?"))
        return CTL_FAILED;
    json_t *answer;
    int code = ctl_send(ctl, "/api/v1/config/apply", make_body(sides), &answer);
    if (code == CTL_OK)
        tell_in_force(ctl, answer);
    json_decref(answer);
    return code;
}

int apply_config(const struct ctl *ctl)
{
    struct sides sides;
    int code = open_sides(ctl, &sides);
    if (code == CTL_OK)
        code = apply(ctl, &sides);
    close_sides(&sides);
    return code;
}
