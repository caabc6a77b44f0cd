/* ephord: main. Without --role it is the supervisor; the supervisor executes it anew with a role
 * for each of the other processes. */
#include "config.h"
#include "orchestrator/actor/actor.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/checker/checker.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/status/status.h"
#include "orchestrator/supervisor/supervisor.h"
#include "orchestrator/sys/privileges.h"
#include "orchestrator/sys/process.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONTROL_FD = 3 };

enum exit_status { EXIT_USAGE = 64, EXIT_NO_INPUT = 66, EXIT_NO_PERMISSION = 77, EXIT_CONFIG = 78 };

static const char usage_text[] =
    "Usage: ephord [OPTION]...\n"
    "Watches services, restarts them and moves their addresses when they fail.\n"
    "\n"
    "  -c, --config FILE    the configuration (default " EPHOR_SYSCONFDIR "/ephor.conf)\n"
    "                       (default: the host name)\n"
    "  -f, --foreground     stay in the foreground; always so, for clarity in scripts\n"
    "\n"
    "  -t, --check-config   check the configuration, report every error, and end\n"
    "      --dump-config    print the effective configuration with origins, and end\n"
    "      --print-schema   print every setting with its type and default, and end\n"
    "  -h, --help           print this help, and end\n"
    "  -V, --version        print the version, and end\n"
    "\n"
    "SIGHUP reads the configuration anew, SIGTERM ends cleanly.\n"
    "Exit status: 0 ended cleanly, 64 usage, 66 no such file, 75 already running,\n"
    "77 not permitted, 78 error in the configuration; see ephord(8).\n";

struct arguments {
    const char *config, *role, *user;
    int64_t instance;
    enum { DO_RUN, DO_CHECK, DO_DUMP, DO_SCHEMA } what;
};

enum option_value { OPT_DUMP = 256, OPT_SCHEMA, OPT_ROLE, OPT_INSTANCE, OPT_USER };

static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                        {"foreground", no_argument, NULL, 'f'},
                                        {"check-config", no_argument, NULL, 't'},
                                        {"dump-config", no_argument, NULL, OPT_DUMP},
                                        {"print-schema", no_argument, NULL, OPT_SCHEMA},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {"role", required_argument, NULL, OPT_ROLE},
                                        {"instance", required_argument, NULL, OPT_INSTANCE},
                                        {"user", required_argument, NULL, OPT_USER},
                                        {NULL, 0, NULL, 0}};

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:fthV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            a->config = optarg;
            break;
        case 'f':
            break;
        case 't':
            a->what = DO_CHECK;
            break;
        case OPT_DUMP:
            a->what = DO_DUMP;
            break;
        case OPT_SCHEMA:
            a->what = DO_SCHEMA;
            break;
        case OPT_ROLE:
            a->role = optarg;
            break;
        case OPT_USER:
            a->user = optarg;
            break;
        case OPT_INSTANCE:
            if (!text_parse_int(optarg, 0, 63, &a->instance))
                return EXIT_USAGE;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        case 'V':
            puts("ephord (ephor) " PACKAGE_VERSION "\nLicence: Apache-2.0");
            return 0;
        default:
            fputs("Try 'ephord --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "ephord: unexpected argument '%s'\nTry 'ephord --help'.\n", argv[optind]);
        return EXIT_USAGE;
    }
    return -1;
}

static int run_role(const struct arguments *a)
{
    static const struct {
        Ephor__Role role;
        int (*main)(uint32_t instance, int control_fd);
    } roles[] = {{EPHOR__ROLE__CHECKER, checker_main},
                 {EPHOR__ROLE__QUORUM, quorum_main},
                 {EPHOR__ROLE__ACTOR, actor_main},
                 {EPHOR__ROLE__STATUS, status_main}};
    struct errbuf e = {.text = ""};
    struct stat control;
    if (fstat(CONTROL_FD, &control) != 0 || !S_ISSOCK(control.st_mode)) {
        fputs("ephord: --role is for ephord itself\n", stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(a->role, process_role_name(roles[i].role)) != 0)
            continue;
        log_init(a->role, LOG_LEVEL_INFO);
        if (privileges_drop(roles[i].role, a->user, CONTROL_FD, &e) != ERR_OK) {
            log_error("start", "%s", e.text);
            return EXIT_NO_PERMISSION;
        }
        return roles[i].main((uint32_t)a->instance, CONTROL_FD);
    }
    fprintf(stderr, "ephord: unknown role '%s'\n", a->role);
    return EXIT_USAGE;
}

static void print_dump(const struct conf *conf)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    conf_dump(conf, &out);
    fputs(buf_string(&out), stdout);
    buf_close(&out);
}

static int print_schema(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    conf_print_schema(&out);
    fputs(buf_string(&out), stdout);
    buf_close(&out);
    return 0;
}

static int run_config(const struct arguments *a)
{
    struct conf_report report;
    struct conf *conf = NULL;
    struct stat file;
    conf_report_init(&report);
    conf_load(a->config, &conf, &report);
    fputs(buf_string(&report.errors), stderr);
    fputs(buf_string(&report.warnings), stderr);
    int status = 0;
    if (conf == NULL) {
        fprintf(stderr, "ephord: %u error%s in %s\n", report.error_count,
                report.error_count == 1 ? "" : "s", a->config);
        status = stat(a->config, &file) != 0 ? EXIT_NO_INPUT : EXIT_CONFIG;
    } else if (a->what == DO_CHECK) {
        printf("%s: ok\n", a->config);
    } else if (a->what == DO_DUMP) {
        print_dump(conf);
    } else {
        conf_report_close(&report);
        log_init("supervisor", (enum log_level)conf_local(conf)->log_level);
        return supervisor_run(conf, a->config);
    }
    conf_report_close(&report);
    if (conf != NULL)
        conf_free(conf);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = {.config = EPHOR_SYSCONFDIR "/ephor.conf", .user = ""};
    int status = parse_arguments(argc, argv, &a);
    if (status >= 0)
        return status;
    if (a.role != NULL)
        return run_role(&a);
    if (a.what == DO_SCHEMA)
        return print_schema();
    return run_config(&a);
}
