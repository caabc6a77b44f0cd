/* ephorctl: what its subcommands share. They talk to the API of the local daemon and to nothing
 * else; each is one file with one function. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"
#include "orchestrator/proto/history.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* How long what lowers protection lasts, if nobody says otherwise. */
enum { PAUSE_MS = 3600 * 1000, MAINTENANCE_MS = 4 * 3600 * 1000 };

struct wishes { /* of simulate; NULL = not given */
    const char *fail, *down, *stuck, *drain, *failover;
    bool restart_helps;
};

enum ctl_exit { CTL_OK, CTL_FAILED, CTL_USAGE, CTL_NO_LEADER, CTL_REFUSED };

struct ctl {
    const char *program;
    const char *socket;
    bool is_json, has_colour;
    /* options of subcommands */
    int64_t watch_s; /* 0 = once */
    bool wants_exit_code, follows, waits, says_yes, is_off;
    bool is_consistent; /* what is read may not be old */
    int64_t count;
    const char *object, *to, *reason;
    const char *dir, *state_dir, *out; /* NULL = not given */
    const char *kind;                  /* of a new controller */
    const char *ca_key;                /* NULL = the cluster directory's */
    int64_t days;                      /* 0 = as many as usual */
    bool wants_new_ca, drops_old;
    struct wishes wishes;
    const char *at;  /* NULL = now */
    int64_t span_ms; /* 0 = not given, SPAN_FOREVER */
    /* operands */
    int operand_count;
    char **operands;
};

/* ---- call.c: the API. These print what went wrong and return an exit status. */

/* GET, consistently if that is wanted; *json is the caller's. */
int ctl_get(const struct ctl *ctl, const char *path, json_t **json);

/* POST an object (taken); prints the daemon's words, and *json (may be NULL) is the caller's. */
int ctl_post(const struct ctl *ctl, const char *path, json_t *body, json_t **json);

/* The same, printing nothing when it went well. */
int ctl_send(const struct ctl *ctl, const char *path, json_t *body, json_t **json);

/* GET bytes, which are the caller's to close; consistently if that is wanted. */
int ctl_fetch(const struct ctl *ctl, const char *path, struct buf *bytes);

/* POST an object (taken) and print nothing: the HTTP status (0: none), and why not. */
uint32_t ctl_try(const struct ctl *ctl, const char *path, json_t *body, char *message, size_t size);

/* Add when it ends by itself to a body: as was asked for, or after so long. */
enum { SPAN_FOREVER = -1 };
void ctl_add_span(const struct ctl *ctl, json_t *body, int64_t usual_ms);

/* An error of the way to the daemon as an exit status. */
int ctl_exit_of(int err);

/* A value percent-encoded for a query; dst of at least 3 times its size. */
const char *ctl_encode(char *dst, size_t dst_size, const char *value);

/* ---- lines.c: the past */

/* The status, for the names in it, and as much of the journal as there is. */
int ctl_get_past(const struct ctl *ctl, json_t **status, json_t **journal);

bool line_is_of(const json_t *line, const char *event);

/* Is it about what has this name, or about an address of the service of this name? */
bool line_is_about(const json_t *line, const json_t *status, const char *name);

/* ---- output.c */

void out_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Text of others on a terminal: one line, no control characters. */
void out_text(const char *text);
void out_json(const json_t *json);

/* "● OK" in its colour. */
void out_state(const struct ctl *ctl, const char *state);
const char *out_state_word(const char *state, char dst[32]);
const char *out_state_colour(const char *state); /* a name for libsmartcols */

/* How long ago an API moment was: "4m"; "-" for null. */
const char *out_age(const json_t *moment, char dst[32]);

/* An API moment in milliseconds of the wall clock; 0 for null. */
int64_t out_moment_ms(const json_t *moment);

/* An API moment in local time: "11-23 10:00:00". */
const char *out_clock(const json_t *moment, char dst[32]);

/* A member of an object as text; "" when it is null or missing. */
const char *json_text(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* The element of an array whose `key` is value; NULL if there is none. */
json_t *json_find(const json_t *array, const char *key, const char *value);

/* Print what would happen if: the query of /api/v1/simulate. */
int print_forecast(const struct ctl *ctl, const char *query);

/* Ask on the terminal. Without one: false, and it says what to do. */
bool ask_yes(const struct ctl *ctl, const char *question);

/* ---- the subcommands */
int show_status(const struct ctl *ctl);
int show_why(const struct ctl *ctl);
int show_why_at(const struct ctl *ctl); /* with --at */
int show_journal(const struct ctl *ctl);
int simulate(const struct ctl *ctl);
int report(const struct ctl *ctl);
int ask_failover(const struct ctl *ctl);
int ask_switchover(const struct ctl *ctl);
int ask_failback(const struct ctl *ctl);
int ask_drain(const struct ctl *ctl);
int ask_pause(const struct ctl *ctl);
int ask_resume(const struct ctl *ctl);
int ask_maintenance(const struct ctl *ctl);
int run_config(const struct ctl *ctl);
int show_version(const struct ctl *ctl);
int run_cluster(const struct ctl *ctl);

/* ---- the verbs of "config"; operands[0] is the verb */
int check_config(const struct ctl *ctl);
int diff_config(const struct ctl *ctl);
int apply_config(const struct ctl *ctl);
int show_config_history(const struct ctl *ctl);
int rollback_config(const struct ctl *ctl);

/* What is wrong with a file, as "config check" says it. */
struct conf;
struct conf_report;
void tell_config(const struct ctl *ctl, const char *path, const struct conf *conf,
                 const struct conf_report *report);

/* Print (or with to add) every change from old to fresh; their number, or -1: out of memory. */
int64_t tell_changes(const struct ctl *ctl, const Ephor__Policy *old, const Ephor__Policy *fresh,
                     json_t *to);

/* Number 0: the policy in force. The caller frees it; its digest is written. NULL: it is said why
 * not, and code is the exit status. */
Ephor__Policy *fetch_policy(const struct ctl *ctl, int64_t number, char digest[DIGEST_SIZE],
                            int *code);

/* What became of another policy. */
void tell_in_force(const struct ctl *ctl, const json_t *answer);

/* ---- the verbs of "cluster"; operands[0] is the verb */
const char *cluster_dir(const struct ctl *ctl);

/* A file, or "-" for the standard input, as text on the heap (pki_text_free); NULL: see e. */
char *ctl_read_file(const char *path, struct errbuf *e);
int show_cluster(const struct ctl *ctl);

/* A part of what show_cluster prints; nothing if there are none. */
void print_observers(const struct ctl *ctl, const json_t *cluster);
int ask_cluster_remove(const struct ctl *ctl);
int ask_cluster_promote(const struct ctl *ctl);
int ask_cluster_transfer(const struct ctl *ctl);
int show_cluster_log(const struct ctl *ctl);
int cluster_renew(const struct ctl *ctl);
int cluster_trust(const struct ctl *ctl);
int cluster_backup(const struct ctl *ctl);
int cluster_restore(const struct ctl *ctl);
int cluster_recover(const struct ctl *ctl);

#endif
