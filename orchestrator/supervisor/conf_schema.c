/* Every setting. A new one is a row here, a line in the reference sample and one in ephor.conf(5);
 * tests compare the three. Settings of a group stand directly behind it. */
#include "orchestrator/supervisor/conf_schema.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_value.h"

#include <string.h>

#define MS 1
#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* What the core keeps of a name or address (core/limits.h), and what Linux and DNS allow. */
enum {
    TEXT_MAX = 4096,
    HOST_MAX = 253,
    INTERFACE_MAX = 15,
    WORDS_MAX = 256,
    ENTRIES_MAX = 1000,
    OBJECTS_MAX = 10000
};

/* The columns of a row in the order in which they are written below. */
#define GROUP(p, ...)                                   \
    {                                                   \
        .path = p, .type = CONF_TYPE_GROUP, __VA_ARGS__ \
    }
#define MAP(p, ...)                                                       \
    {                                                                     \
        .path = p, .type = CONF_TYPE_MAP, .max = OBJECTS_MAX, __VA_ARGS__ \
    }
#define BOOL(p, ...)                                   \
    {                                                  \
        .path = p, .type = CONF_TYPE_BOOL, __VA_ARGS__ \
    }
#define INT(p, lo, hi, ...)                                                 \
    {                                                                       \
        .path = p, .type = CONF_TYPE_INT, .min = lo, .max = hi, __VA_ARGS__ \
    }
#define DURATION(p, lo, hi, ...)                                                 \
    {                                                                            \
        .path = p, .type = CONF_TYPE_DURATION, .min = lo, .max = hi, __VA_ARGS__ \
    }
#define CHOICE(p, c, ...)                                              \
    {                                                                  \
        .path = p, .type = CONF_TYPE_CHOICE, .choices = c, __VA_ARGS__ \
    }
#define TEXT(p, t, hi, ...)                                      \
    {                                                            \
        .path = p, .type = CONF_TYPE_##t, .max = hi, __VA_ARGS__ \
    }
#define ARRAY(p, e, hi, ...)                                                                 \
    {                                                                                        \
        .path = p, .type = CONF_TYPE_ARRAY, .element = CONF_TYPE_##e, .max = hi, __VA_ARGS__ \
    }
#define COMMAND(p, ...)                                                                            \
    {                                                                                              \
        .path = p, .type = CONF_TYPE_ARRAY, .element = CONF_TYPE_WORD, .min = 1, .max = WORDS_MAX, \
        __VA_ARGS__                                                                                \
    }
#define ACTION(p, ...)                                                               \
    {                                                                                \
        .path = p, .type = CONF_TYPE_ACTION, .min = 1, .max = WORDS_MAX, __VA_ARGS__ \
    }

const struct conf_row conf_rows[] = {
    INT("version", 1, 1, .fallback = "1", .help = "Version of this format."),
    TEXT("name", NAME, 47, .flags = CONF_REQUIRED, .help = "Name of the cluster."),
    ARRAY("include", PATTERN, CONF_FILES_MAX,
          .help = "Files to read too, sorted by name; relative to the directory of this file. Maps "
                  "are merged by name; a setting may stand in one file only."),

    GROUP("local", .help = "What concerns this controller only; never part of the policy."),
    TEXT("local.state_dir", PATH, 255, .flags = CONF_NO_EMPTY, .fallback = "\"" EPHOR_STATEDIR "\"",
         .help = "Directory of the log of facts. Its files are not to be edited."),
    TEXT("local.socket", PATH, 107, .flags = CONF_NO_EMPTY,
         .fallback = "\"" EPHOR_RUNDIR "/ctl.sock\"",
         .help = "Socket of the local API, for ephorctl."),
    TEXT("local.cluster_dir", PATH, 255, .flags = CONF_NO_EMPTY,
         .fallback = "\"" EPHOR_SYSCONFDIR "/cluster\"",
         .help = "What ephorctl cluster init and join write. Not there: this controller is alone."),
    TEXT("local.controller_name", NAME, 47,
         .help = "Name of a controller that is alone. By default the host's."),
    TEXT("local.user", USER, 63, .fallback = "\"ephor\"",
         .help = "User that the processes become when ephord is started as root: name or number. "
                 "\"\": stay root."),
    GROUP("local.users", .help = "Other users for single processes; by default local.user."),
    TEXT("local.users.checker", USER, 63, .help = "User of the checkers and plugins."),
    TEXT("local.users.quorum", USER, 63, .help = "User of the quorum process."),
    TEXT("local.users.actor", USER, 63, .help = "User of the actor."),
    TEXT("local.users.status", USER, 63, .help = "User of the status process."),
    ARRAY("local.operators", USER, CONF_OPERATORS_MAX, .fallback = "[]",
          .help = "Users who may act through ephorctl, beside root."),
    TEXT("local.operator_group", USER, 63, .fallback = "\"ephor\"",
         .help = "Group whose users may act likewise. \"\": none."),
    CHOICE("local.log_level", "error|warning|info|debug", .fallback = "\"info\"",
           .help = "Least severity that is logged."),
    ARRAY("local.canaries", CANARY, CONF_CANARIES_MAX, .fallback = "[ \"gateway\" ]",
          .help = "What tells this controller that its own network works: \"gateway\" and IP "
                  "addresses answer to pings, a \"host:port\" to connections. When its nodes go "
                  "silent together with all of these, it takes itself to be cut off."),
    INT("local.checkers", 1, 8, .fallback = "1", .help = "Number of checker processes."),
    INT("local.checks_running_max", 1, 1000, .fallback = "32",
        .help = "Checks that run at once in each checker; more wait their turn."),

    GROUP("quorum", .help = "How several controllers agree; who they are is not in this file (see "
                            "ephorctl cluster)."),
    CHOICE("quorum.timing", "lan|wan", .fallback = "\"lan\"",
           .help = "lan: election 300ms, heartbeat 50ms; wan: 2500ms and 400ms."),
    DURATION("quorum.election", 20 * MS, MINUTE,
             .help =
                 "A leader that is not heard for so long (to twice that) is replaced. By default "
                 "what quorum.timing says."),
    DURATION("quorum.heartbeat", 5 * MS, 20 * SECOND,
             .help = "How often a leader is heard. At most a third of quorum.election."),

    GROUP("http", .help = "The status page, API and metrics."),
    ARRAY("http.listen", LISTEN, CONF_LISTEN_MAX, .fallback = "[ \"127.0.0.1:7480\" ]",
          .help = "IP addresses and ports to serve on. []: none."),

    GROUP("ssh", .help = "How nodes are reached. A node may have a group of its own."),
    TEXT("ssh.user", USER, 63, .flags = CONF_NO_EMPTY, .fallback = "\"root\"",
         .help = "User on the nodes."),
    INT("ssh.port", 1, 65535, .fallback = "22", .help = "Port of the SSH server."),
    TEXT("ssh.key", PATH, 1023, .flags = CONF_NO_EMPTY,
         .fallback = "\"" EPHOR_SYSCONFDIR "/ssh_key\"",
         .help = "Private key without a passphrase, mode 0600."),
    TEXT("ssh.known_hosts", PATH, 1023, .flags = CONF_NO_EMPTY,
         .fallback = "\"" EPHOR_SYSCONFDIR "/known_hosts\"",
         .help = "Host keys of the nodes, as ssh-keyscan(1) prints them."),
    DURATION("ssh.connect_timeout", 100 * MS, MINUTE, .fallback = "\"3s\"",
             .help = "For the connection, handshake and authentication together."),

    GROUP("plugins", .help = "Programs for checks of type plugin."),
    ARRAY("plugins.path", PATH, 16,
          .fallback = "[ \"" EPHOR_LIBDIR "/plugins\", \"/usr/lib/nagios/plugins\" ]",
          .help = "Directories in which a command without a slash is looked for, in this order."),

    GROUP("defaults", .help = "Defaults for all objects of a kind that do not say otherwise."),
    GROUP("defaults.check", .like = "checks.*",
          .help =
              "Defaults of checks: all but type, scope, command, host, port, url, vhost and body."),
    GROUP("defaults.service", .like = "services.*",
          .help = "Defaults of services: run, failback, and the numbers and times."),
    GROUP("defaults.vip", .like = "vips.*", .help = "Defaults of VIPs: interface and lease."),

    MAP("nodes", .help = "The machines on which services run, by name."),
    TEXT("nodes.*.address", HOST, HOST_MAX, .flags = CONF_REQUIRED,
         .help = "Where the node is reached."),
    CHOICE("nodes.*.transport", "ssh|local", .fallback = "\"ssh\"",
           .help = "How orders reach it. \"local\": it is the machine of the controller."),
    CHOICE("nodes.*.guard", "auto|none", .fallback = "\"auto\"",
           .help = "Whether nft guards addresses there, for leases to the millisecond."),
    GROUP("nodes.*.ssh", .like = "ssh", .help = "How this node is reached, if not as in ssh."),
    ARRAY("nodes.*.checks", NAME, ENTRIES_MAX, .fallback = "[]",
          .help = "Checks of the node, with scope node."),
    ARRAY("nodes.*.parents", NAME, PARENTS_MAX, .fallback = "[]",
          .help = "Nodes (switches, routers, hosts) through which it is reached. While all of them "
                  "are down, so is the way to it."),

    MAP("checks", .help = "What to look at, by name. Services and nodes say which apply to them."),
    CHOICE("checks.*.type", "plugin|tcp|http", .fallback = "\"plugin\"",
           .help = "A program with the interface of Nagios plugins, or built in."),
    CHOICE("checks.*.scope", "member|node|vip", .fallback = "\"member\"",
           .help = "Whether it looks at a service on a node, at a node, or through a VIP."),
    DURATION("checks.*.interval", 100 * MS, DAY, .flags = CONF_IN_DEFAULTS, .fallback = "\"5s\"",
             .help = "From one run to the next. A check never overlaps itself."),
    DURATION("checks.*.timeout", 10 * MS, HOUR, .flags = CONF_IN_DEFAULTS, .fallback = "\"5s\"",
             .help = "A run that takes longer is ended. It may exceed the interval."),
    DURATION("checks.*.slow", 0, HOUR, .flags = CONF_IN_DEFAULTS, .fallback = "\"0s\"",
             .help = "A good answer that took longer is WARNING. 0s: never."),
    DURATION("checks.*.retry", 50 * MS, DAY, .flags = CONF_IN_DEFAULTS, .fallback = "\"500ms\"",
             .help = "From one run to the next while its answers contradict what was thought; "
                     "never more than the interval."),
    INT("checks.*.fall", 1, 100, .flags = CONF_IN_DEFAULTS, .fallback = "3",
        .help = "Bad answers in a row until it is thought to be bad."),
    INT("checks.*.rise", 1, 100, .flags = CONF_IN_DEFAULTS, .fallback = "2",
        .help = "Good answers in a row until it is thought to be good."),
    TEXT("checks.*.agree", AGREE, 8, .flags = CONF_IN_DEFAULTS, .fallback = "\"majority\"",
         .help =
             "How many of the controllers and observers able to see it must say that it is down: "
             "\"majority\", \"all\", \"any\" or a number. Of several that look, one alone "
             "is no majority."),
    {.path = "checks.*.vantage",
     .type = CONF_TYPE_VANTAGE,
     .min = 1,
     .max = VANTAGE_NAMES_MAX,
     .flags = CONF_IN_DEFAULTS,
     .fallback = "\"all\"",
     .help = "Which controllers look: \"all\", so many of them, or those of an array of names."},
    TEXT("checks.*.observers", OBSERVERS, 8, .flags = CONF_IN_DEFAULTS, .fallback = "\"none\"",
         .help = "How many of the observers look, too: \"none\", \"all\" or a number. Each of them "
                 "runs the check."),
    BOOL("checks.*.confirm", .flags = CONF_IN_DEFAULTS, .fallback = "true",
         .help = "Whether all controllers look at once when one of them doubts what is agreed, and "
                 "their answers together make up fall and rise."),
    BOOL("checks.*.stagger", .flags = CONF_IN_DEFAULTS, .fallback = "true",
         .help = "Whether controllers take turns within the interval. false: all look at the same "
                 "moment."),
    BOOL("checks.*.failover", .flags = CONF_IN_DEFAULTS, .fallback = "true",
         .help = "Whether it may restart or move anything. false: it is shown only."),
    COMMAND("checks.*.command", .only = "plugin", .flags = CONF_HAS_MACROS,
            .help = "The program and its arguments. No shell is involved. Required."),
    CHOICE("checks.*.timeout_state", "critical|unknown", .only = "plugin",
           .flags = CONF_IN_DEFAULTS, .fallback = "\"critical\"",
           .help = "What it means when the program ran out of time."),
    TEXT("checks.*.host", TEXT, TEXT_MAX, .only = "tcp", .flags = CONF_HAS_MACROS | CONF_NO_EMPTY,
         .fallback = "\"$ADDRESS$\"", .help = "Host name or IP address to connect to."),
    INT("checks.*.port", 1, 65535, .only = "tcp", .help = "Port to connect to. Required."),
    TEXT("checks.*.url", TEXT, TEXT_MAX, .only = "http", .flags = CONF_HAS_MACROS,
         .help = "What to ask for, http or https. Required."),
    TEXT("checks.*.vhost", TEXT, HOST_MAX + 6, .only = "http", .flags = CONF_HAS_MACROS,
         .fallback = "\"\"", .help = "Host header. \"\": the host of the URL."),
    TEXT("checks.*.status", STATUS, 7, .only = "http", .flags = CONF_IN_DEFAULTS,
         .fallback = "\"200-399\"", .help = "Status, or range of them, that is good."),
    TEXT("checks.*.body", TEXT, TEXT_MAX, .only = "http", .fallback = "\"\"",
         .help = "Text that the body must contain. \"\": any body is good."),
    BOOL("checks.*.tls_verify", .only = "http", .flags = CONF_IN_DEFAULTS, .fallback = "true",
         .help = "Whether the certificate must be valid for the host."),
    TEXT("checks.*.tls_ca", PATH, 1023, .only = "http", .flags = CONF_IN_DEFAULTS,
         .fallback = "\"\"", .help = "File of trusted CA certificates. \"\": those of the system."),
    INT("checks.*.tls_warning_days", 0, 3650, .only = "http", .flags = CONF_IN_DEFAULTS,
        .fallback = "14", .help = "A certificate that ends in fewer days is WARNING. 0: never."),
    INT("checks.*.tls_critical_days", 0, 3650, .only = "http", .flags = CONF_IN_DEFAULTS,
        .fallback = "3", .help = "A certificate that ends in fewer days is CRITICAL."),
    BOOL("checks.*.keepalive", .only = "http", .flags = CONF_IN_DEFAULTS, .fallback = "false",
         .help = "Whether the connection is used again by the next run."),

    MAP("vips", .help = "Virtual IP addresses, by name. Each belongs to one service."),
    TEXT("vips.*.address", ADDRESS, 63, .flags = CONF_REQUIRED,
         .help = "Always held as /32 or /128."),
    TEXT("vips.*.interface", INTERFACE, INTERFACE_MAX, .flags = CONF_REQUIRED | CONF_IN_DEFAULTS,
         .help = "Network interface on the nodes."),
    DURATION("vips.*.lease", 200, MINUTE, .flags = CONF_IN_DEFAULTS, .fallback = "\"1s\"",
             .help = "The node's kernel drops the address when it was not renewed for this long; "
                     "at least 3s, in whole seconds, on nodes without nft."),

    MAP("services", .help = "What must stay up, by name."),
    {.path = "services.*.members",
     .type = CONF_TYPE_LIST,
     .min = 1,
     .max = ENTRIES_MAX,
     .flags = CONF_REQUIRED,
     .help = "The nodes on which it may run."},
    TEXT("services.*.members[].node", NAME, 47, .flags = CONF_REQUIRED, .help = "Name of a node."),
    INT("services.*.members[].priority", 0, 1000, .fallback = "100",
        .help = "The fit member of highest priority is preferred."),
    ARRAY("services.*.checks", NAME, ENTRIES_MAX, .fallback = "[]",
          .help = "Checks of it, with scope member or vip."),
    ARRAY("services.*.vips", NAME, ENTRIES_MAX, .fallback = "[]",
          .help = "VIPs that the active member holds."),
    CHOICE("services.*.run", "everywhere|active", .flags = CONF_IN_DEFAULTS,
           .fallback = "\"everywhere\"",
           .help = "Whether it runs on all members or on the active one only."),
    ACTION("services.*.restart",
           .help = "Command that restarts it on a node, or a group of command and timeout. "
                   "Macros are not expanded. None: it is not restarted."),
    COMMAND("services.*.restart.command", .flags = CONF_REQUIRED,
            .help = "The program and its arguments."),
    DURATION("services.*.restart.timeout", SECOND, HOUR, .fallback = "\"30s\"",
             .help = "The command is ended after this time."),
    ACTION("services.*.start", .like = "services.*.restart",
           .help = "Command that starts it. Required with run = \"active\"."),
    ACTION("services.*.stop", .like = "services.*.restart",
           .help = "Command that stops it. Required with run = \"active\"."),
    INT("services.*.restart_tries", 0, 8, .flags = CONF_IN_DEFAULTS, .fallback = "1",
        .help = "Restarts of a member before the service moves."),
    INT("services.*.restart_budget", 0, 8, .flags = CONF_IN_DEFAULTS, .fallback = "3",
        .help = "Restarts of a member in restart_window."),
    DURATION("services.*.restart_window", SECOND, 7 * DAY, .flags = CONF_IN_DEFAULTS,
             .fallback = "\"10m\"", .help = "Time to which restart_budget applies."),
    DURATION("services.*.restart_grace", 0, HOUR, .flags = CONF_IN_DEFAULTS, .fallback = "\"10s\"",
             .help = "Time for the checks to agree that a restart helped."),
    DURATION("services.*.hold_down", 0, DAY, .flags = CONF_IN_DEFAULTS, .fallback = "\"30s\"",
             .help = "No automatic move this soon after a move."),
    CHOICE("services.*.failback", "manual|auto", .flags = CONF_IN_DEFAULTS,
           .fallback = "\"manual\"",
           .help = "Whether it moves back by itself to a preferred member that is well again."),
    DURATION("services.*.failback_after", 0, 7 * DAY, .flags = CONF_IN_DEFAULTS,
             .fallback = "\"5m\"",
             .help = "With failback = \"auto\": how long that member must be well before."),
    INT("services.*.moves_max", 1, 8, .flags = CONF_IN_DEFAULTS, .fallback = "6",
        .help = "Automatic moves in moves_window."),
    DURATION("services.*.moves_window", SECOND, 7 * DAY, .flags = CONF_IN_DEFAULTS,
             .fallback = "\"1h\"", .help = "Time to which moves_max applies."),
};

const size_t conf_row_count = sizeof(conf_rows) / sizeof(conf_rows[0]);

const char *conf_row_name(const struct conf_row *row, const char *prefix)
{
    size_t size = strlen(prefix);
    if (strncmp(row->path, prefix, size) != 0 || (size > 0 && row->path[size] != '.'))
        return NULL;
    const char *name = row->path + size + (size > 0);
    return strpbrk(name, ".*[") == NULL ? name : NULL;
}

const struct conf_row *conf_row_find(const char *prefix, const char *name)
{
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *own = conf_row_name(&conf_rows[i], prefix);
        if (own != NULL && strcmp(own, name) == 0)
            return &conf_rows[i];
    }
    return NULL;
}

const char *conf_row_prefix(const struct conf_row *row, char prefix[CONF_PREFIX_SIZE])
{
    const char *tail = row->type == CONF_TYPE_MAP ? ".*" : row->type == CONF_TYPE_LIST ? "[]" : "";
    text_format(prefix, CONF_PREFIX_SIZE, "%s%s", row->like == NULL ? row->path : row->like, tail);
    return prefix;
}

int conf_row_choice(const struct conf_row *row, const char *text)
{
    int position = 0;
    for (const char *choice = row->choices; *choice != '\0'; position++) {
        size_t size = strcspn(choice, "|");
        if (strlen(text) == size && memcmp(text, choice, size) == 0)
            return position;
        choice += size + (choice[size] == '|');
    }
    return -1;
}

const char *conf_type_text(enum conf_type type)
{
    static const char *const texts[] = {
        [CONF_TYPE_GROUP] = "a group { }",
        [CONF_TYPE_MAP] = "a group { } of named groups",
        [CONF_TYPE_LIST] = "a list ( ) of groups",
        [CONF_TYPE_BOOL] = "true or false",
        [CONF_TYPE_INT] = "a whole number",
        [CONF_TYPE_DURATION] = "a duration such as \"10s\"",
        [CONF_TYPE_CHOICE] = "a text",
        [CONF_TYPE_TEXT] = "a text",
        [CONF_TYPE_NAME] = "a name",
        [CONF_TYPE_PATH] = "a path",
        [CONF_TYPE_PATTERN] = "a path, perhaps with * and ?",
        [CONF_TYPE_USER] = "a name or number",
        [CONF_TYPE_HOST] = "a host name or IP address",
        [CONF_TYPE_ENDPOINT] = "a \"host:port\"",
        [CONF_TYPE_LISTEN] = "an \"IP address:port\"",
        [CONF_TYPE_ADDRESS] = "an IP address",
        [CONF_TYPE_INTERFACE] = "the name of a network interface",
        [CONF_TYPE_CANARY] = "\"gateway\", an IP address or a \"host:port\"",
        [CONF_TYPE_AGREE] = "\"majority\", \"all\", \"any\" or a number",
        [CONF_TYPE_VANTAGE] = "\"all\", a number or an array [ ] of names",
        [CONF_TYPE_OBSERVERS] = "\"none\", \"all\" or a number",
        [CONF_TYPE_STATUS] = "a status or range such as \"200-399\"",
        [CONF_TYPE_WORD] = "a text",
        [CONF_TYPE_ARRAY] = "an array [ ]",
        [CONF_TYPE_ACTION] = "a command [ ] or a group { } of command and timeout",
    };
    return texts[type];
}
