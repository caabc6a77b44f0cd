/* ephorctl: main. Options of all subcommands are read in one pass, wherever they stand; a table
 * says which subcommand takes which. */
#include "config.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/api_client.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    JOURNAL_LINES = 30,
    LINES_SHOWN_MAX = 2000,
    WATCH_MAX_S = 3600,
    DAYS_MAX = 7300,
    SHORT_BASE = 256
};

enum takes {
    TAKES_WATCH = 1 << 0,
    TAKES_EXIT_CODE = 1 << 1,
    TAKES_FOLLOW = 1 << 2,
    TAKES_COUNT = 1 << 3,
    TAKES_OBJECT = 1 << 4,
    TAKES_TO = 1 << 5,
    TAKES_WAIT = 1 << 6,
    TAKES_YES = 1 << 7,
    TAKES_REASON = 1 << 8,
    TAKES_OFF = 1 << 9,
    TAKES_DIR = 1 << 10,
    TAKES_STATE_DIR = 1 << 11,
    TAKES_OUT = 1 << 12,
    TAKES_KIND = 1 << 13,
    TAKES_CA_KEY = 1 << 14,
    TAKES_DAYS = 1 << 15,
    TAKES_NEW_CA = 1 << 16,
    TAKES_DROP_OLD = 1 << 17,
    TAKES_CONSISTENT = 1 << 18,
    TAKES_FOR = 1 << 19,
    TAKES_WISHES = 1 << 20,
    TAKES_AT = 1 << 21,
};

static const struct subcommand {
    const char *name, *synopsis, *help;
    int operands_min, operands_max;
    unsigned takes;
    int (*run)(const struct ctl *ctl);
} subcommands[] = {
    {"status", "status [--watch[=SECONDS]] [--exit-code] [--consistent]", "what is the case", 0, 0,
     TAKES_WATCH | TAKES_EXIT_CODE | TAKES_CONSISTENT, show_status},
    {"why", "why SERVICE|NODE|ADDRESS|CHECK|CONTROLLER [--at TIME] [--consistent]",
     "why it is so, what is wrong, and what would happen next; or why it was so", 1, 1,
     TAKES_CONSISTENT | TAKES_AT, show_why},
    {"journal", "journal [-f] [-n LINES] [--object NAME] [--consistent]", "what happened", 0, 0,
     TAKES_FOLLOW | TAKES_COUNT | TAKES_OBJECT | TAKES_CONSISTENT, show_journal},
    {"simulate",
     "simulate [--fail SERVICE[@NODE]] [--down NODE] [--stuck NODE] [--drain NODE]\n"
     "           [--failover SERVICE[@NODE]] [--restart-helps]",
     "what would be done if; lists with commas", 0, 0, TAKES_WISHES | TAKES_CONSISTENT, simulate},
    {"report", "report [NUMBER]",
     "the incidents in the journal, or the timeline of one in Markdown", 0, 1, TAKES_CONSISTENT,
     report},
    {"switchover", "switchover SERVICE [--to NODE] [--yes] [--reason TEXT]",
     "move a service to another node as planned, and see it through", 1, 1,
     TAKES_TO | TAKES_YES | TAKES_REASON, ask_switchover},
    {"failover", "failover SERVICE [--to NODE] [--wait] [--yes] [--reason TEXT]",
     "the same, without waiting for its end", 1, 1,
     TAKES_TO | TAKES_WAIT | TAKES_YES | TAKES_REASON, ask_failover},
    {"failback", "failback SERVICE [--yes] [--reason TEXT]",
     "move a service back to its best fit member", 1, 1, TAKES_YES | TAKES_REASON, ask_failback},
    {"drain", "drain NODE [--for TIME] [--yes] [--reason TEXT]",
     "take a node into maintenance, and wait until nothing is active on it", 1, 1,
     TAKES_FOR | TAKES_YES | TAKES_REASON, ask_drain},
    {"pause", "pause [--for TIME] [--reason TEXT]",
     "do nothing by itself until resumed, or for so long (1h; \"forever\")", 0, 0,
     TAKES_REASON | TAKES_FOR, ask_pause},
    {"resume", "resume [--reason TEXT]", "act by itself again", 0, 0, TAKES_REASON, ask_resume},
    {"maintenance", "maintenance NODE [--off] [--for TIME] [--reason TEXT]",
     "take the services from a node (for 4h, if it is not said), or give it back", 1, 1,
     TAKES_REASON | TAKES_OFF | TAKES_FOR, ask_maintenance},
    {"config", "config VERB [ARGUMENT]", "the configuration: check, diff, apply, history, rollback",
     1, 2, TAKES_YES | TAKES_CONSISTENT, run_config},
    {"cluster", "cluster VERB [ARGUMENT]...",
     "the controllers: status, init, add, join, promote, remove, transfer, renew,\n"
     "          trust, log, backup, restore, recover",
     1, 3,
     TAKES_YES | TAKES_REASON | TAKES_COUNT | TAKES_DIR | TAKES_STATE_DIR | TAKES_OUT | TAKES_KIND |
         TAKES_CA_KEY | TAKES_DAYS | TAKES_NEW_CA | TAKES_DROP_OLD | TAKES_CONSISTENT,
     run_cluster},
    {"version", "version", "print the version", 0, 0, 0, show_version},
};

enum option_value {
    OPT_JSON = SHORT_BASE,
    OPT_NO_COLOR,
    OPT_WATCH,
    OPT_CONSISTENT,
    OPT_EXIT_CODE,
    OPT_OBJECT,
    OPT_TO,
    OPT_WAIT,
    OPT_REASON,
    OPT_OFF,
    OPT_DIR,
    OPT_STATE_DIR,
    OPT_OUT,
    OPT_LEARNER,
    OPT_WITNESS,
    OPT_OBSERVER,
    OPT_CA_KEY,
    OPT_DAYS,
    OPT_NEW_CA,
    OPT_DROP_OLD,
    OPT_FOR,
    OPT_FAIL,
    OPT_DOWN,
    OPT_STUCK,
    OPT_DRAIN,
    OPT_FAILOVER,
    OPT_RESTART_HELPS,
    OPT_AT,
};

static const struct option options[] = {{"json", no_argument, NULL, OPT_JSON},
                                        {"socket", required_argument, NULL, 's'},
                                        {"no-color", no_argument, NULL, OPT_NO_COLOR},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {"watch", optional_argument, NULL, OPT_WATCH},
                                        {"exit-code", no_argument, NULL, OPT_EXIT_CODE},
                                        {"follow", no_argument, NULL, 'f'},
                                        {"lines", required_argument, NULL, 'n'},
                                        {"object", required_argument, NULL, OPT_OBJECT},
                                        {"to", required_argument, NULL, OPT_TO},
                                        {"wait", no_argument, NULL, OPT_WAIT},
                                        {"yes", no_argument, NULL, 'y'},
                                        {"reason", required_argument, NULL, OPT_REASON},
                                        {"off", no_argument, NULL, OPT_OFF},
                                        {"consistent", no_argument, NULL, OPT_CONSISTENT},
                                        {"dir", required_argument, NULL, OPT_DIR},
                                        {"state-dir", required_argument, NULL, OPT_STATE_DIR},
                                        {"out", required_argument, NULL, OPT_OUT},
                                        {"learner", no_argument, NULL, OPT_LEARNER},
                                        {"witness", no_argument, NULL, OPT_WITNESS},
                                        {"observer", no_argument, NULL, OPT_OBSERVER},
                                        {"ca-key", required_argument, NULL, OPT_CA_KEY},
                                        {"days", required_argument, NULL, OPT_DAYS},
                                        {"new-ca", no_argument, NULL, OPT_NEW_CA},
                                        {"drop-old", no_argument, NULL, OPT_DROP_OLD},
                                        {"for", required_argument, NULL, OPT_FOR},
                                        {"fail", required_argument, NULL, OPT_FAIL},
                                        {"down", required_argument, NULL, OPT_DOWN},
                                        {"stuck", required_argument, NULL, OPT_STUCK},
                                        {"drain", required_argument, NULL, OPT_DRAIN},
                                        {"failover", required_argument, NULL, OPT_FAILOVER},
                                        {"restart-helps", no_argument, NULL, OPT_RESTART_HELPS},
                                        {"at", required_argument, NULL, OPT_AT},
                                        {NULL, 0, NULL, 0}};

int show_version(const struct ctl *ctl)
{
    (void)ctl;
    puts("ephorctl (ephor) " PACKAGE_VERSION "\nLicence: Apache-2.0");
    return CTL_OK;
}

static void print_help(void)
{
    puts("Usage: ephorctl [OPTION]... COMMAND [ARGUMENT]...\n"
         "Asks and tells the ephord of this machine.\n");
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
        printf("  %s\n          %s\n", subcommands[i].synopsis, subcommands[i].help);
    puts("\n"
         "  -s, --socket PATH  the daemon's socket (default $EPHOR_SOCKET, or\n"
         "                     " EPHOR_RUNDIR "/ctl.sock)\n"
         "      --json         print JSON\n"
         "      --consistent   print nothing rather than what may be old (status, why,\n"
         "                     journal, cluster status, config diff, config history)\n"
         "      --no-color     no colours (also NO_COLOR, and without a terminal)\n"
         "  -h, --help         print this help, and end\n"
         "  -V, --version      print the version, and end\n\n"
         "Exit status: 0 done, 1 failed, 2 usage, 3 no daemon, no leader, or what would be\n"
         "read may be old, 4 refused by policy.\n"
         "status --exit-code: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
         "config diff: 0 no difference, 1 there are some, 2 failed.\n"
         "See ephorctl(8).");
}

static int usage_error(const char *what, const char *name)
{
    fprintf(stderr, "ephorctl: %s%s\nTry 'ephorctl --help'.\n", what, name);
    return CTL_USAGE;
}

static bool read_number(const char *text, int64_t max, int64_t *number)
{
    if (text_parse_int(text, 1, max, number))
        return true;
    out_error("'%s' is not a number from 1 to %lld", text, (long long)max);
    return false;
}

/* "2h", or "forever". */
static int read_span(const char *text, int64_t *span_ms)
{
    *span_ms = SPAN_FOREVER;
    if (strcmp(text, "forever") == 0 ||
        (text_parse_duration(text, span_ms) && *span_ms > 0 && *span_ms <= SWITCH_MAX_MS))
        return -1;
    out_error("'%s' is not a time such as \"2h\", and not \"forever\"", text);
    return CTL_USAGE;
}

static int take_wish(struct wishes *wishes, int value)
{
    if (value == OPT_FAIL)
        wishes->fail = optarg;
    else if (value == OPT_DOWN)
        wishes->down = optarg;
    else if (value == OPT_STUCK)
        wishes->stuck = optarg;
    else if (value == OPT_DRAIN)
        wishes->drain = optarg;
    else if (value == OPT_FAILOVER)
        wishes->failover = optarg;
    else
        wishes->restart_helps = true;
    return -1;
}

/* One option; adds what kind it is to *given. -1 to go on, or an exit status. */
static int take_option(struct ctl *ctl, int value, unsigned *given)
{
    switch (value) {
    case OPT_JSON:
        ctl->is_json = true;
        return -1;
    case OPT_NO_COLOR:
        ctl->has_colour = false;
        return -1;
    case 's':
        ctl->socket = optarg;
        return -1;
    case OPT_CONSISTENT:
        *given |= TAKES_CONSISTENT;
        ctl->is_consistent = true;
        return -1;
    case OPT_WATCH:
        *given |= TAKES_WATCH;
        ctl->watch_s = 2;
        return optarg == NULL || read_number(optarg, WATCH_MAX_S, &ctl->watch_s) ? -1 : CTL_USAGE;
    case 'n':
        *given |= TAKES_COUNT;
        return read_number(optarg, LINES_SHOWN_MAX, &ctl->count) ? -1 : CTL_USAGE;
    case OPT_EXIT_CODE:
        *given |= TAKES_EXIT_CODE;
        ctl->wants_exit_code = true;
        return -1;
    case 'f':
        *given |= TAKES_FOLLOW;
        ctl->follows = true;
        return -1;
    case OPT_OBJECT:
        *given |= TAKES_OBJECT;
        ctl->object = optarg;
        return -1;
    case OPT_TO:
        *given |= TAKES_TO;
        ctl->to = optarg;
        return -1;
    case OPT_WAIT:
        *given |= TAKES_WAIT;
        ctl->waits = true;
        return -1;
    case 'y':
        *given |= TAKES_YES;
        ctl->says_yes = true;
        return -1;
    case OPT_REASON:
        *given |= TAKES_REASON;
        ctl->reason = optarg;
        return -1;
    case OPT_OFF:
        *given |= TAKES_OFF;
        ctl->is_off = true;
        return -1;
    case OPT_DIR:
        *given |= TAKES_DIR;
        ctl->dir = optarg;
        return -1;
    case OPT_STATE_DIR:
        *given |= TAKES_STATE_DIR;
        ctl->state_dir = optarg;
        return -1;
    case OPT_OUT:
        *given |= TAKES_OUT;
        ctl->out = optarg;
        return -1;
    case OPT_LEARNER:
    case OPT_WITNESS:
    case OPT_OBSERVER:
        *given |= TAKES_KIND;
        ctl->kind = value == OPT_LEARNER   ? "learner"
                    : value == OPT_WITNESS ? "witness"
                                           : "observer";
        return -1;
    case OPT_CA_KEY:
        *given |= TAKES_CA_KEY;
        ctl->ca_key = optarg;
        return -1;
    case OPT_DAYS:
        *given |= TAKES_DAYS;
        return read_number(optarg, DAYS_MAX, &ctl->days) ? -1 : CTL_USAGE;
    case OPT_NEW_CA:
        *given |= TAKES_NEW_CA;
        ctl->wants_new_ca = true;
        return -1;
    case OPT_DROP_OLD:
        *given |= TAKES_DROP_OLD;
        ctl->drops_old = true;
        return -1;
    case OPT_FOR:
        *given |= TAKES_FOR;
        return read_span(optarg, &ctl->span_ms);
    case OPT_AT:
        *given |= TAKES_AT;
        ctl->at = optarg;
        return -1;
    case OPT_FAIL:
    case OPT_DOWN:
    case OPT_STUCK:
    case OPT_DRAIN:
    case OPT_FAILOVER:
    case OPT_RESTART_HELPS:
        *given |= TAKES_WISHES;
        return take_wish(&ctl->wishes, value);
    case 'h':
        print_help();
        return CTL_OK;
    case 'V':
        return show_version(ctl);
    default:
        fputs("Try 'ephorctl --help'.\n", stderr);
        return CTL_USAGE;
    }
}

/* The name of the first option given that the subcommand does not take. */
static const char *stray_option(unsigned stray)
{
    static const char *const names[] = {
        "watch",  "exit-code", "follow",     "lines",     "object", "to",      "wait",   "yes",
        "reason", "off",       "dir",        "state-dir", "out",    "learner", "ca-key", "days",
        "new-ca", "drop-old",  "consistent", "for",       "fail",   "at"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (stray & 1u << i)
            return names[i];
    return "";
}

static const struct subcommand *find_subcommand(const char *name)
{
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

static int run(struct ctl *ctl, int argc, char **argv, unsigned given)
{
    if (argc == 0)
        return usage_error("a command is missing", "");
    const struct subcommand *subcommand = find_subcommand(argv[0]);
    if (subcommand == NULL)
        return usage_error("there is no command ", argv[0]);
    ctl->operand_count = argc - 1;
    ctl->operands = argv + 1;
    if (given & ~subcommand->takes) {
        char what[64];
        text_format(what, sizeof(what), "option '--%s' is not for ",
                    stray_option(given & ~subcommand->takes));
        return usage_error(what, subcommand->name);
    }
    if (ctl->operand_count < subcommand->operands_min ||
        ctl->operand_count > subcommand->operands_max)
        return usage_error("usage: ephorctl ", subcommand->synopsis);
    if (api_client_init() != ERR_OK)
        return CTL_FAILED;
    int code = subcommand->run(ctl);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        out_error("cannot write the output");
        return code == CTL_OK ? CTL_FAILED : code;
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *no_colour = getenv("NO_COLOR"), *path = getenv("EPHOR_SOCKET");
    struct ctl ctl = {.socket = path != NULL && path[0] != '\0' ? path : EPHOR_RUNDIR "/ctl.sock",
                      .count = JOURNAL_LINES,
                      .kind = "voter",
                      .has_colour =
                          isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0')};
    unsigned given = 0;
    int option;
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "s:fn:yhV", options, NULL)) != -1) {
        int status = take_option(&ctl, option, &given);
        if (status >= 0)
            return status;
    }
    return run(&ctl, argc - optind, argv + optind, given);
}
