/* ephorctl cluster status: the controllers, who leads, and how far each one's log is. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/pki.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static struct libscols_table *new_table(const struct ctl *ctl)
{
    static const char *const columns[] = {"CONTROLLER", "KIND", "ROLE",       "ADDRESS",
                                          "LINK",       "LOG",  "CERTIFICATE"};
    struct libscols_table *table = scols_new_table();
    if (table == NULL)
        return NULL;
    scols_table_enable_colors(table, ctl->has_colour);
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        scols_table_new_column(table, columns[i], 0, 0);
    return table;
}

static const char *role_of(const json_t *cluster, const json_t *member)
{
    if (json_flag(member, "leads"))
        return "leader";
    if (json_flag(member, "is_this"))
        return json_text(cluster, "role");
    if (!json_flag(member, "met"))
        return "not met yet";
    return json_flag(member, "connected") ? "follower" : "unreachable";
}

static void describe_log(const json_t *cluster, const json_t *member, char text[64])
{
    if (json_object_get(member, "behind") == NULL) {
        text_copy(text, 64, json_flag(member, "is_this") ? "here" : "");
    } else if (json_flag(member, "receiving_snapshot")) {
        text_copy(text, 64, "receives a snapshot");
    } else if (number(member, "match_index") == 0) {
        text_copy(text, 64, "unknown");
    } else if (number(member, "behind") == 0) {
        text_copy(text, 64, "up to date");
    } else {
        text_format(text, 64, "%lld entries behind", number(member, "behind"));
    }
    (void)cluster;
}

/* Days left; returns the colour that fits. */
static const char *describe_certificate(const json_t *member, char text[64])
{
    const json_t *certificate = json_object_get(member, "certificate");
    long long days = number(certificate, "days_left");
    text_copy(text, 64, "");
    if (json_object_get(certificate, "days_left") == NULL)
        return NULL;
    if (days < 0)
        text_copy(text, 64, "ended");
    else
        text_format(text, 64, "%lld days left", days);
    return days < PKI_ALARM_DAYS ? "red" : days < PKI_WARN_DAYS ? "yellow" : NULL;
}

static void add_member(struct libscols_table *table, const json_t *cluster, const json_t *member)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    const char *kind = json_text(member, "kind"), *wanted = json_text(member, "wanted");
    const char *link = json_flag(member, "is_this") ? "this one" : json_text(member, "link");
    char kinds[64], log[64], certificate[64];
    if (line == NULL)
        return;
    const char *colour = describe_certificate(member, certificate);
    text_format(kinds, sizeof(kinds), strcmp(kind, wanted) == 0 ? "%s" : "%s, will be %s", kind,
                wanted);
    describe_log(cluster, member, log);
    scols_line_set_data(line, 0, json_text(member, "name"));
    scols_line_set_data(line, 1, kinds);
    scols_line_set_data(line, 2, role_of(cluster, member));
    scols_line_set_data(line, 3, json_text(member, "address"));
    scols_line_set_data(line, 4, link);
    scols_line_set_data(line, 5, log);
    scols_line_set_data(line, 6, certificate);
    if (colour != NULL)
        scols_cell_set_color(scols_line_get_cell(line, 6), colour);
    if (json_flag(member, "leads"))
        scols_cell_set_color(scols_line_get_cell(line, 2), "green");
    if (json_is_false(json_object_get(member, "connected")))
        scols_cell_set_color(scols_line_get_cell(line, 4), "red");
}

/* How many voters may fail before the rest can agree on nothing. */
static void print_tolerance(const json_t *cluster)
{
    const json_t *member;
    size_t i, voters = 0, reached = 0;
    json_array_foreach(json_object_get(cluster, "members"), i, member)
    {
        if (strcmp(json_text(member, "kind"), "learner") == 0)
            continue;
        voters++;
        reached += json_flag(member, "is_this") || json_flag(member, "connected");
    }
    size_t needed = voters / 2 + 1;
    printf("%zu voter%s, %zu needed, %zu reached from here: ", voters, voters == 1 ? "" : "s",
           needed, reached);
    if (reached < needed)
        puts("no quorum.");
    else if (reached == needed && voters > 1)
        puts("one more failure stops the cluster.");
    else
        printf("%zu more may fail.\n", reached - needed);
}

static void print_cluster(const struct ctl *ctl, const json_t *cluster)
{
    const json_t *log = json_object_get(cluster, "log"), *member;
    const char *leader = json_text(cluster, "leader");
    struct libscols_table *table = new_table(ctl);
    size_t i;
    printf("%s leads in term %lld; this controller is %s (%s), at entry %lld of %lld.\n",
           leader[0] != '\0' ? leader : "nobody", number(log, "term"),
           json_text(cluster, "controller"), json_text(cluster, "role"),
           number(log, "applied_index"), number(log, "last_index"));
    if (!json_flag(log, "storage_ok")) {
        fputs("Its storage fails: ", stdout);
        out_text(json_text(log, "storage_text"));
        putchar('\n');
    }
    if (json_object_get(log, "repaired_up_to") != NULL)
        printf("Its log is damaged and being repaired from the others, up to entry %lld; until "
               "then it cannot lead.\n",
               number(log, "repaired_up_to"));
    const char *problem = json_text(json_object_get(cluster, "certificate"), "problem");
    if (problem[0] != '\0') {
        fputs("Its newest certificate is not in use: ", stdout);
        out_text(problem);
        putchar('\n');
    }
    if (json_flag(cluster, "file_differs"))
        puts("Its configuration file is not the policy in force; ephorctl config apply proposes "
             "it.");
    putchar('\n');
    json_array_foreach(json_object_get(cluster, "members"), i, member)
        add_member(table, cluster, member);
    if (table != NULL) {
        scols_print_table(table);
        scols_unref_table(table);
        puts("\n");
    }
    print_tolerance(cluster);
    print_observers(ctl, cluster);
}

int show_cluster(const struct ctl *ctl)
{
    json_t *cluster;
    int code = ctl_get(ctl, "/api/v1/cluster", &cluster);
    if (code != CTL_OK)
        return code;
    if (ctl->is_json)
        out_json(cluster);
    else
        print_cluster(ctl, cluster);
    json_decref(cluster);
    return CTL_OK;
}
