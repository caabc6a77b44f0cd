/* The observers in "ephorctl cluster status". There may be hundreds: then only those that are not
 * well are listed. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <unistd.h>

enum { ALL_SHOWN_MAX = 12, SHOWN_MAX = 40 };

struct counts {
    size_t added, linked, blind, strayed;
};

static bool is_well(const json_t *observer)
{
    return json_flag(observer, "linked") && json_flag(observer, "sees") &&
           json_flag(observer, "follows");
}

static struct counts count(const json_t *observers)
{
    struct counts counts = {.added = json_array_size(observers)};
    const json_t *observer;
    size_t i;
    json_array_foreach(observers, i, observer)
    {
        bool is_linked = json_flag(observer, "linked");
        counts.linked += is_linked;
        counts.blind += is_linked && !json_flag(observer, "sees");
        counts.strayed += is_linked && !json_flag(observer, "follows");
    }
    return counts;
}

static void describe(const json_t *observer, char text[256])
{
    if (!json_flag(observer, "linked"))
        text_copy(text, 256, "");
    else if (!json_flag(observer, "follows"))
        text_copy(text, 256, "not by the policy in force");
    else if (!json_flag(observer, "sees"))
        text_format(text, 256, "no: %s", json_text(observer, "reason"));
    else
        text_copy(text, 256, "yes");
}

static void add_observer(struct libscols_table *table, const json_t *observer)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char id[32], since[32], sees[256];
    if (line == NULL)
        return;
    text_format(id, sizeof(id), "%lld",
                (long long)json_integer_value(json_object_get(observer, "id")));
    describe(observer, sees);
    scols_line_set_data(line, 0, json_text(observer, "name"));
    scols_line_set_data(line, 1, id);
    scols_line_set_data(line, 2, json_flag(observer, "linked") ? "up" : "none");
    scols_line_set_data(line, 3, sees);
    scols_line_set_data(line, 4, out_age(json_object_get(observer, "since"), since));
    if (!json_flag(observer, "linked"))
        scols_cell_set_color(scols_line_get_cell(line, 2), "red");
    else if (!is_well(observer))
        scols_cell_set_color(scols_line_get_cell(line, 3), "yellow");
}

static struct libscols_table *new_table(const struct ctl *ctl)
{
    static const char *const columns[] = {"OBSERVER", "ID", "LINK", "SEES", "ADDED"};
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

static void print_counts(const struct counts *counts)
{
    printf("\n%zu observer%s, %zu linked to this controller", counts->added,
           counts->added == 1 ? "" : "s", counts->linked);
    if (counts->blind > 0)
        printf(", %zu of them cannot see", counts->blind);
    if (counts->strayed > 0)
        printf(", %zu not by the policy in force", counts->strayed);
    puts(".");
}

/* Lines of the table, at most SHOWN_MAX; how many more there would be. */
static size_t fill(struct libscols_table *table, const json_t *observers)
{
    bool shows_all = json_array_size(observers) <= ALL_SHOWN_MAX;
    const json_t *observer;
    size_t i, shown = 0, left = 0;
    json_array_foreach(observers, i, observer)
    {
        if (!shows_all && is_well(observer))
            continue;
        if (shown == SHOWN_MAX) {
            left++;
            continue;
        }
        add_observer(table, observer);
        shown++;
    }
    return left;
}

void print_observers(const struct ctl *ctl, const json_t *cluster)
{
    const json_t *observers = json_object_get(cluster, "observers");
    struct counts counts = count(observers);
    if (counts.added == 0)
        return;
    print_counts(&counts);
    struct libscols_table *table = new_table(ctl);
    if (table == NULL)
        return;
    size_t left = fill(table, observers);
    if (scols_table_get_nlines(table) > 0) {
        putchar('\n');
        scols_print_table(table);
        putchar('\n');
    }
    scols_unref_table(table);
    if (left > 0)
        printf("and %zu more that are not well; --json has all.\n", left);
}
