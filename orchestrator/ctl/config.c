/* ephorctl config: its verbs; and the policies that were in force: history and rollback. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/proto/policy_message.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t number_of(const json_t *policy)
{
    return json_integer_value(json_object_get(policy, "number"));
}

Ephor__Policy *fetch_policy(const struct ctl *ctl, int64_t number, char digest[DIGEST_SIZE],
                            int *code)
{
    char path[80] = "/api/v1/config/policy";
    struct buf bytes;
    struct errbuf e = {.text = "it cannot be read"};
    if (number != 0)
        text_format(path, sizeof(path), "/api/v1/config/policy?number=%lld", (long long)number);
    *code = ctl_fetch(ctl, path, &bytes);
    if (*code != CTL_OK)
        return NULL;
    Ephor__Policy *policy =
        ephor__policy__unpack(NULL, bytes.size, (const uint8_t *)buf_string(&bytes));
    policy_digest(buf_string(&bytes), bytes.size, digest);
    buf_close(&bytes);
    if (policy != NULL && policy_validate(policy, &e) == ERR_OK)
        return policy;
    out_error("the policy that ephord gave: %s", e.text);
    *code = CTL_FAILED;
    if (policy != NULL)
        ephor__policy__free_unpacked(policy, NULL);
    return NULL;
}

void tell_in_force(const struct ctl *ctl, const json_t *answer)
{
    if (ctl->is_json)
        out_json(answer);
    else
        printf("policy %lld is in force (%s)\n",
               (long long)json_integer_value(json_object_get(answer, "index")),
               json_text(answer, "message"));
}

/* ---------------------------------------------------------------- history */

static struct libscols_table *new_table(const struct ctl *ctl)
{
    static const char *const columns[] = {"NUMBER", "SINCE", "STATE", "AUTHOR", "CHANGES"};
    struct libscols_table *table = scols_new_table();
    if (table == NULL)
        return NULL;
    scols_table_enable_colors(table, ctl->has_colour);
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        scols_table_new_column(table, columns[i], 0, i == 4 ? SCOLS_FL_WRAP : 0);
    return table;
}

static void add_policy(struct libscols_table *table, const json_t *policy)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char number[32], since[32];
    bool is_in_force = json_flag(policy, "in_force");
    if (line == NULL)
        return;
    text_format(number, sizeof(number), "%lld", (long long)number_of(policy));
    scols_line_set_data(line, 0, number);
    scols_line_set_data(line, 1, out_clock(json_object_get(policy, "at"), since));
    scols_line_set_data(line, 2,
                        is_in_force                 ? "in force"
                        : json_flag(policy, "kept") ? ""
                                                    : "not kept");
    scols_line_set_data(line, 3, json_text(policy, "author"));
    scols_line_set_data(line, 4, json_text(policy, "changes"));
    if (is_in_force)
        scols_cell_set_color(scols_line_get_cell(line, 2), "green");
}

int show_config_history(const struct ctl *ctl)
{
    json_t *config, *policy;
    size_t i;
    int code = ctl_get(ctl, "/api/v1/config", &config);
    if (code != CTL_OK)
        return code;
    struct libscols_table *table = ctl->is_json ? NULL : new_table(ctl);
    if (ctl->is_json) {
        out_json(config);
    } else if (table != NULL) {
        json_array_foreach(json_object_get(config, "history"), i, policy)
        {
            add_policy(table, policy);
        }
        scols_print_table(table);
        if (json_flag(config, "file_differs"))
            printf("The file of %s says another policy: 'ephorctl config diff' tells how.\n",
                   json_text(config, "controller"));
    }
    scols_unref_table(table);
    json_decref(config);
    return CTL_OK;
}

/* ---------------------------------------------------------------- rollback */

/* Which one is wanted: by number, or the one before that in force. 0: it is said why none. */
static int64_t choose(const struct ctl *ctl, const json_t *config)
{
    const json_t *history = json_object_get(config, "history");
    int64_t number = 0;
    if (ctl->operand_count > 1) {
        if (!text_parse_int(ctl->operands[1], 1, INT64_MAX, &number))
            out_error("'%s' is no number of a policy; see 'ephorctl config history'",
                      ctl->operands[1]);
        return number;
    }
    if (json_array_size(history) > 1)
        return number_of(json_array_get(history, json_array_size(history) - 2));
    out_error("there is no policy before the one in force");
    return 0;
}

static int roll_back(const struct ctl *ctl, int64_t number, const Ephor__Policy *old,
                     const char *digest)
{
    char wanted_digest[DIGEST_SIZE];
    int code;
    Ephor__Policy *wanted = fetch_policy(ctl, number, wanted_digest, &code);
    if (wanted == NULL)
        return code;
    if (!ctl->is_json) {
        printf("Back to policy %lld:\n", (long long)number);
        tell_changes(ctl, old, wanted, NULL);
    }
    ephor__policy__free_unpacked(wanted, NULL);
    if (!ask_yes(ctl, "Bring it into force on all controllers?"))
        return CTL_FAILED;
    json_t *answer;
    code = ctl_send(ctl, "/api/v1/config/rollback",
                    json_pack("{s:I, s:s}", "number", (json_int_t)number, "replaces", digest),
                    &answer);
    if (code == CTL_OK)
        tell_in_force(ctl, answer);
    if (code == CTL_OK && !ctl->is_json)
        puts("The files of the controllers were not touched: put into them what is in force now.");
    json_decref(answer);
    return code;
}

int rollback_config(const struct ctl *ctl)
{
    char digest[DIGEST_SIZE];
    json_t *config;
    int code = ctl_get(ctl, "/api/v1/config", &config);
    if (code != CTL_OK)
        return code;
    int64_t number = choose(ctl, config);
    json_decref(config);
    if (number == 0)
        return CTL_USAGE;
    Ephor__Policy *old = fetch_policy(ctl, 0, digest, &code);
    if (old == NULL)
        return code;
    code = roll_back(ctl, number, old, digest);
    ephor__policy__free_unpacked(old, NULL);
    return code;
}

/* ---------------------------------------------------------------- the verbs */

static const struct config_verb {
    const char *name, *synopsis;
    int operands_max;
    bool may_ask, may_be_consistent; /* does it take --yes, --consistent */
    int (*run)(const struct ctl *ctl);
} verbs[] = {
    {"check", "check [FILE]", 1, false, false, check_config},
    {"diff", "diff [FILE] [--consistent]", 1, false, true, diff_config},
    {"apply", "apply [--yes]", 0, true, false, apply_config},
    {"history", "history [--consistent]", 0, false, true, show_config_history},
    {"rollback", "rollback [NUMBER] [--yes]", 1, true, false, rollback_config},
};

int run_config(const struct ctl *ctl)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct config_verb *verb = &verbs[i];
        if (strcmp(verb->name, ctl->operands[0]) != 0)
            continue;
        if (ctl->operand_count - 1 <= verb->operands_max && (verb->may_ask || !ctl->says_yes) &&
            (verb->may_be_consistent || !ctl->is_consistent))
            return verb->run(ctl);
        out_error("usage: ephorctl config %s", verb->synopsis);
        return CTL_USAGE;
    }
    out_error("there is no 'config %s'; there are:", ctl->operands[0]);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        fprintf(stderr, "  ephorctl config %s\n", verbs[i].synopsis);
    return CTL_USAGE;
}
