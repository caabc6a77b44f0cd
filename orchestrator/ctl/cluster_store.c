/* ephorctl cluster log, backup, restore, recover: the storage of this controller, without the
 * daemon or beside it. */
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/store_tools.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/raft/raft.h"
#include "orchestrator/sys/now.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const struct errbuf *e)
{
    out_error("%s", e->text);
    return CTL_FAILED;
}

static const char *state_dir(const struct ctl *ctl)
{
    return ctl->state_dir != NULL ? ctl->state_dir : EPHOR_STATEDIR;
}

/* ---------------------------------------------------------------- log */

static void describe_fact(const struct store_entry *entry, char text[128])
{
    static const char *const names[] = {
        [EPHOR__FACT__BODY_POLICY] = "policy",     [EPHOR__FACT__BODY_OPINIONS] = "opinions",
        [EPHOR__FACT__BODY_TICK] = "tick",         [EPHOR__FACT__BODY_OUTCOME] = "outcome",
        [EPHOR__FACT__BODY_LEADER] = "leader",     [EPHOR__FACT__BODY_REQUEST] = "request",
        [EPHOR__FACT__BODY_SIGHT] = "sight",       [EPHOR__FACT__BODY_REACH] = "reach",
        [EPHOR__FACT__BODY_CALM] = "calm",         [EPHOR__FACT__BODY_BOARD] = "board",
        [EPHOR__FACT__BODY_PRESENCE] = "presence", [EPHOR__FACT__BODY_OBSERVER] = "observer",
        [EPHOR__FACT__BODY_CENSUS] = "census",     [EPHOR__FACT__BODY_FREEZE] = "freeze",
    };
    Ephor__Fact *fact = ephor__fact__unpack(NULL, entry->size, entry->bytes);
    const char *name = NULL;
    if (fact != NULL && (size_t)fact->body_case < sizeof(names) / sizeof(names[0]))
        name = names[fact->body_case];
    if (name == NULL)
        text_copy(text, 128, "not known to this version");
    else if (fact->author == 0)
        text_copy(text, 128, name);
    else
        text_format(text, 128, "%s, from controller %u (%llu)", name, fact->author,
                    (unsigned long long)fact->sequence);
    if (fact != NULL)
        ephor__fact__free_unpacked(fact, NULL);
}

static void describe_members(const struct store_entry *entry, char text[128])
{
    Ephor__Membership *m = ephor__membership__unpack(NULL, entry->size, entry->bytes);
    text_copy(text, 128, "members:");
    size_t used = strlen(text);
    for (size_t i = 0; m != NULL && i < m->n_members; i++) {
        static const char *const kinds[] = {"", "", " (learner)", " (witness)"};
        const Ephor__ClusterMember *member = m->members[i];
        text_format(text + used, 128 - used, " %s%s", member->name,
                    member->kind <= EPHOR__MEMBER_KIND__WITNESS ? kinds[member->kind] : "");
        used = strlen(text);
    }
    if (m != NULL)
        ephor__membership__free_unpacked(m, NULL);
}

static void print_entry(void *data, const struct store_entry *entry)
{
    const struct ctl *ctl = data;
    char text[128] = "a term begins";
    if (entry->kind == RAFT_ENTRY_DATA)
        describe_fact(entry, text);
    else if (entry->kind == RAFT_ENTRY_CONFIG)
        describe_members(entry, text);
    if (ctl->is_json) {
        json_t *line =
            json_pack("{s:I, s:I, s:I, s:s}", "index", (json_int_t)entry->index, "term",
                      (json_int_t)entry->term, "size", (json_int_t)entry->size, "text", text);
        out_json(line);
        json_decref(line);
    } else {
        printf("%8llu  term %-6llu %7zu bytes  ", (unsigned long long)entry->index,
               (unsigned long long)entry->term, entry->size);
        out_text(text);
        putchar('\n');
    }
}

int show_cluster_log(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    int err =
        store_look(state_dir(ctl), (uint64_t)ctl->count, print_entry, (void *)(uintptr_t)ctl, &e);
    return err == ERR_OK ? CTL_OK : fail(&e);
}

/* ---------------------------------------------------------------- copies */

int cluster_backup(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    if (store_backup(state_dir(ctl), ctl->operands[1], &e) != ERR_OK)
        return fail(&e);
    printf("%s holds a verified copy of the log; it contains the configuration, no keys.\n",
           ctl->operands[1]);
    return CTL_OK;
}

int cluster_restore(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    const char *dir = state_dir(ctl);
    if (store_restore(dir, ctl->operands[1], &e) != ERR_OK)
        return fail(&e);
    printf(
        "%s is in place in %s. A single controller can be started now.\n"
        "Other controllers of its cluster would not let it in: 'ephorctl cluster recover' makes\n"
        "it go on alone, then 'ephorctl cluster add' the others anew.\n",
        ctl->operands[1], dir);
    return CTL_OK;
}

/* ---------------------------------------------------------------- a majority that is lost */

int cluster_recover(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    Ephor__Membership *before;
    char author[64];
    const struct passwd *user = getpwuid(getuid());
    puts(
        "This makes this controller the only member of its cluster. Do it only when a majority of\n"
        "the controllers is lost for good, on the one whose log is the longest ('ephorctl cluster\n"
        "log'), and with ephord stopped here. Entries that only the lost ones had are lost. "
        "Should\n"
        "one of them come back, it is not let in; add it anew with an empty state directory.");
    if (!ask_yes(ctl, "Go on alone?"))
        return CTL_FAILED;
    text_format(author, sizeof(author), "%s via ephorctl", user == NULL ? "?" : user->pw_name);
    if (store_recover(state_dir(ctl), author, now_wall_ms(), &before, &e) != ERR_OK)
        return fail(&e);
    puts("Done. Start ephord, and add the other controllers anew.");
    if (before != NULL)
        ephor__membership__free_unpacked(before, NULL);
    return CTL_OK;
}
