/* The configuration: libconfig text, checked against one table, with every error in one pass.
 * A struct conf is immutable. Its two halves: the policy (what all controllers must agree on; it
 * becomes a fact) and the local settings of this controller (listen addresses, paths, secrets). */
#ifndef SUPERVISOR_CONF_H
#define SUPERVISOR_CONF_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONF_LISTEN_MAX = 8, CONF_OPERATORS_MAX = 16, CONF_CANARIES_MAX = 16 };

struct conf_listen {
    char address[64]; /* IP literal */
    uint16_t port;
};

struct conf_ssh { /* node "" is the default */
    const char *node;
    const char *key_path;
    const char *known_hosts_path;
};

struct conf_local {
    char state_dir[256];
    char cluster_dir[256];
    char controller_name[48]; /* when it is alone */
    uint32_t election_ms, heartbeat_ms;
    char ctl_socket[108]; /* path of the local API socket */
    char users[5][64];    /* by Ephor__Role; name or number; used when started as root */
    enum { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG } log_level;
    struct conf_listen http[CONF_LISTEN_MAX];
    uint32_t http_count;
    char operators[CONF_OPERATORS_MAX][64]; /* user names or numbers that may act */
    uint32_t operator_count;
    char operator_group[64]; /* "" = none */
    char canaries[CONF_CANARIES_MAX][256];
    uint32_t canary_count;
    uint32_t checkers;           /* processes */
    uint32_t checks_running_max; /* in each of them */
    struct conf_ssh *ssh;
    uint32_t ssh_count;
};

struct conf;

/* One line an error, "file:line: path: what", sorted by place; warnings likewise, with "warning: "
 * before the path. */
struct conf_report {
    struct buf errors;
    struct buf warnings;
    uint32_t error_count;
    uint32_t warning_count;
};

void conf_report_init(struct conf_report *report);
void conf_report_close(struct conf_report *report);

/* Read, merge and check the file at path and what it includes. On success *conf is the caller's;
 * otherwise it is NULL and report->error_count > 0. */
int conf_load(const char *path, struct conf **conf, struct conf_report *report);

/* CONF_ELSEWHERE: judge the text alone, as for another machine. Plugins, keys and other files that
 * it names are not looked at. */
enum { CONF_ELSEWHERE = 1 };
int conf_load_flags(const char *path, unsigned flags, struct conf **conf,
                    struct conf_report *report);
void conf_free(struct conf *conf);

const Ephor__Policy *conf_policy(const struct conf *conf);
const struct conf_local *conf_local(const struct conf *conf);

/* The effective configuration as libconfig text (loads again to the same), every setting with a
 * comment "# file:line" or "# default". Secrets are paths only, so nothing is hidden. */
void conf_dump(const struct conf *conf, struct buf *out);

/* The table itself: every setting with type, range, default and help; for ephor.conf(5). */
void conf_print_schema(struct buf *out);

#endif
