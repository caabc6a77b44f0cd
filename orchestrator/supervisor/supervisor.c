/* The supervisor's life: start, watch, reload (SIGHUP), stop (SIGTERM, SIGINT; a second one ends
 * at once). A reload validates first; on any error the old configuration stays. */
#include "orchestrator/supervisor/supervisor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/privileges.h"
#include "orchestrator/sys/results.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCH_MS = 1000, STOP_MAX_MS = 10000 };

enum exit_status {
    EXIT_UNAVAILABLE = 69,
    EXIT_OS_ERROR = 71,
    EXIT_CANNOT_CREATE = 73,
    EXIT_TRY_LATER = 75,
    EXIT_CONFIG = 78,
};

/* ---------------------------------------------------------------- telling others */

static void tell_reload(struct supervisor *s)
{
    Ephor__Reloaded reloaded = EPHOR__RELOADED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reloaded.ok = s->last_reload_ok;
    reloaded.text = s->last_reload_text;
    reloaded.wall_ms = s->last_reload_wall_ms;
    m.body_case = EPHOR__MESSAGE__BODY_RELOADED;
    m.reloaded = &reloaded;
    children_tell(s, EPHOR__ROLE__STATUS, &m);
}

bool supervisor_observes(const struct supervisor *s)
{
    return s->has_cluster && s->cluster.is_observer;
}

void supervisor_on_change(struct supervisor *s)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < s->child_count; i++)
        up += s->children[i].is_ready;
    notify_send(&s->notify, "STATUS=%u of %u processes up, policy %s", up, s->child_count,
                s->is_policy_accepted ? "in force" : "not adopted yet");
    tell_reload(s);
    if (up == s->child_count && s->is_policy_accepted && !s->is_ready_told) {
        s->is_ready_told = true;
        notify_send(&s->notify, "READY=1");
        log_info("ready", "all %u processes are up", up);
    }
}

/* ---------------------------------------------------------------- reload */

static void note_reload(struct supervisor *s, bool ok, const char *text)
{
    s->last_reload_ok = ok;
    s->last_reload_wall_ms = now_wall_ms();
    text_copy(s->last_reload_text, sizeof(s->last_reload_text), text);
    tell_reload(s);
}

/* Local settings that only a restart can change, for the warning. */
static const char *needs_restart(const struct conf_local *old, const struct conf_local *fresh)
{
    if (strcmp(old->state_dir, fresh->state_dir) != 0)
        return "local.state_dir";
    if (strcmp(old->ctl_socket, fresh->ctl_socket) != 0)
        return "local.socket";
    if (memcmp(old->users, fresh->users, sizeof(old->users)) != 0)
        return "local.user";
    if (old->checkers != fresh->checkers)
        return "local.checkers";
    if (old->http_count != fresh->http_count ||
        memcmp(old->http, fresh->http, sizeof(old->http[0]) * old->http_count) != 0)
        return "http.listen";
    if (strcmp(old->cluster_dir, fresh->cluster_dir) != 0)
        return "local.cluster_dir";
    if (strcmp(old->controller_name, fresh->controller_name) != 0)
        return "local.controller_name";
    if (old->election_ms != fresh->election_ms || old->heartbeat_ms != fresh->heartbeat_ms)
        return "quorum";
    return NULL;
}

static void log_lines(const struct buf *lines, bool is_error)
{
    const char *line = buf_string(lines);
    while (*line != '\0') {
        size_t size = strcspn(line, "\n");
        if (is_error)
            log_error("config", "%.*s", (int)size, line);
        else
            log_warning("config", "%.*s", (int)size, line);
        line += size + (line[size] == '\n');
    }
}

/* Who this controller is in its cluster; without files it is alone. */
static int read_cluster(const struct conf *conf, struct cluster_files *files, bool *has_cluster,
                        struct errbuf *e)
{
    int err = cluster_files_open(conf_local(conf)->cluster_dir, files, e);
    *has_cluster = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Certificates that cannot be read are no reason not to live; the quorum process tells of them. */
static void certify(struct supervisor *s, struct cluster_files *files)
{
    struct errbuf e = {.text = ""};
    if (s->has_cluster)
        cluster_files_certify(conf_local(s->conf)->cluster_dir, files, &e);
    text_copy(s->cluster_trouble, sizeof(s->cluster_trouble), e.text);
}

/* fresh is taken; of certificates that cannot be read it gets those from before. */
static void adopt_cluster(struct supervisor *s, struct cluster_files *fresh)
{
    struct cluster_files *old = &s->cluster;
    certify(s, fresh);
    if (fresh->cert_pem == NULL) {
        fresh->ca_pem = old->ca_pem;
        fresh->cert_pem = old->cert_pem;
        fresh->key_pem = old->key_pem;
        old->ca_pem = old->cert_pem = old->key_pem = NULL;
    }
    cluster_files_close(old);
    *old = *fresh;
}

/* Certificates may be new; who it is may not. */
static void reload_cluster(struct supervisor *s)
{
    struct cluster_files fresh;
    struct errbuf e = {.text = ""};
    bool has_cluster;
    if (read_cluster(s->conf, &fresh, &has_cluster, &e) != ERR_OK)
        log_error("reload", "%s: what was read before stays in use", e.text);
    else if (has_cluster != s->has_cluster ||
             (has_cluster &&
              (fresh.cluster != s->cluster.cluster || fresh.self.id != s->cluster.self.id ||
               fresh.is_observer != s->cluster.is_observer ||
               strcmp(fresh.self.address, s->cluster.self.address) != 0)))
        log_error("reload", "%s tells of another controller: restart ephord to become it",
                  conf_local(s->conf)->cluster_dir);
    else
        adopt_cluster(s, &fresh);
}

/* A configuration that is wrong keeps nobody from renewing a certificate. */
static void reload_certificates(struct supervisor *s)
{
    reload_cluster(s);
    children_certify(s);
}

/* The file cannot be used; certificates may be new all the same. */
static void refuse_reload(struct supervisor *s, const Ephor__PolicyApply *apply, const char *text)
{
    note_reload(s, false, text);
    offer_refuse(s, apply, text);
    reload_certificates(s);
}

/* fresh is taken. */
static void adopt_file(struct supervisor *s, struct conf *fresh, const Ephor__PolicyApply *apply)
{
    char text[ERR_TEXT_SIZE];
    const char *key = needs_restart(conf_local(s->conf), conf_local(fresh));
    if (key != NULL) {
        text_format(text, sizeof(text),
                    "%s changed: restart ephord to adopt this file; the old configuration stays in "
                    "force",
                    key);
        log_error("reload", "%s", text);
        refuse_reload(s, apply, text);
        conf_free(fresh);
        return;
    }
    conf_free(s->conf);
    s->conf = fresh;
    s->is_reload_open = true;
    note_reload(s, true, "read; waiting for its adoption");
    reload_cluster(s);
    children_setup(s);
    offer_send(s, s->conf, true, apply);
}

/* What would become of the file: nothing changes, whatever is said. */
static void try_file(struct supervisor *s, const struct conf *fresh,
                     const Ephor__PolicyApply *apply)
{
    const char *key = needs_restart(conf_local(s->conf), conf_local(fresh));
    char text[ERR_TEXT_SIZE];
    s->trial_sequence = apply->sequence;
    if (key == NULL) {
        offer_send(s, fresh, true, apply);
        return;
    }
    text_format(text, sizeof(text), "%s changed: ephord has to be restarted", key);
    offer_refuse(s, apply, text);
}

/* What is applied is what the operator was shown. */
static bool is_as_shown(const struct conf *fresh, const Ephor__PolicyApply *apply)
{
    char digest[DIGEST_SIZE];
    offer_digest(fresh, digest);
    return strcmp(digest, apply->digest) == 0;
}

static void refuse_errors(struct supervisor *s, const Ephor__PolicyApply *apply,
                          const struct conf_report *report)
{
    if (apply != NULL && apply->trial) {
        offer_refuse(s, apply, buf_string(&report->errors));
        return;
    }
    log_lines(&report->errors, true);
    log_error("reload", "the old configuration stays in force");
    refuse_reload(s, apply, buf_string(&report->errors));
}

static void reload(struct supervisor *s, const Ephor__PolicyApply *apply)
{
    struct conf_report report;
    struct conf *fresh = NULL;
    bool is_trial = apply != NULL && apply->trial;
    conf_report_init(&report);
    if (!is_trial)
        notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%lld",
                    (long long)(now_mono_us() - now_suspended_ms() * 1000));
    conf_load(s->conf_path, &fresh, &report);
    if (!is_trial)
        log_lines(&report.warnings, false);
    if (fresh == NULL) {
        refuse_errors(s, apply, &report);
    } else if (apply != NULL && !is_as_shown(fresh, apply)) {
        offer_refuse(s, apply,
                     "the file that ephord reads says something else than what was shown: look at "
                     "the difference again");
        conf_free(fresh);
    } else if (is_trial) {
        try_file(s, fresh, apply);
        conf_free(fresh);
    } else {
        adopt_file(s, fresh, apply);
    }
    conf_report_close(&report);
    if (!is_trial)
        notify_send(&s->notify, "READY=1");
}

void supervisor_apply(struct supervisor *s, const Ephor__PolicyApply *apply)
{
    if (!s->is_stopping)
        reload(s, apply);
}

/* ---------------------------------------------------------------- signals */

static void end_if_gone(struct supervisor *s)
{
    if (s->is_stopping && children_are_gone(s))
        loop_stop(s->loop);
}

static void on_stop_limit(void *data)
{
    struct supervisor *s = data;
    log_warning("stop", "not all processes ended in %d s, ending them", STOP_MAX_MS / 1000);
    children_kill(s);
}

static void on_signal(void *data, int signo)
{
    struct supervisor *s = data;
    if (signo == SIGCHLD) {
        children_reap(s);
        end_if_gone(s);
    } else if (signo == SIGHUP) {
        if (!s->is_stopping)
            reload(s, NULL);
    } else if (s->is_stopping) {
        children_kill(s);
    } else {
        log_info("stop",
                 "signal %d: stopping; addresses stay with their nodes until their "
                 "leases end",
                 signo);
        s->is_stopping = true;
        notify_send(&s->notify, "STOPPING=1");
        children_stop(s);
        timer_start(s->stop_limit, STOP_MAX_MS, 0);
        end_if_gone(s);
    }
}

static void on_watch(void *data)
{
    struct supervisor *s = data;
    children_reap(s);
    if (!s->is_stopping)
        children_watch(s);
}

static void on_watchdog(void *data)
{
    struct supervisor *s = data;
    notify_send(&s->notify, "WATCHDOG=1");
}

/* ---------------------------------------------------------------- start */

static int make_state_dir(const struct conf_local *local, struct errbuf *e)
{
    uid_t uid;
    gid_t gid;
    if (mkdir(local->state_dir, 0750) != 0 && errno != EEXIST)
        return err_set(e, err_from_errno(errno), "local.state_dir: cannot make %s: %s",
                       local->state_dir, strerror(errno));
    const char *user = local->users[EPHOR__ROLE__QUORUM];
    if (geteuid() != 0 || user[0] == '\0')
        return ERR_OK;
    int err = privileges_find_user(user, &uid, &gid, e);
    if (err == ERR_OK && chown(local->state_dir, uid, gid) != 0)
        err = err_set(e, err_from_errno(errno), "local.state_dir: cannot give %s to %s: %s",
                      local->state_dir, user, strerror(errno));
    return err;
}

/* One ephord a state directory. */
static int take_lock(struct supervisor *s, struct errbuf *e)
{
    char path[300];
    text_format(path, sizeof(path), "%s/ephord.lock", conf_local(s->conf)->state_dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_set(e, err_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_AGAIN, "another ephord works in %s (%s is locked)",
                       conf_local(s->conf)->state_dir, path);
    return ERR_OK;
}

/* Every user must be known before anything is started. */
static int check_users(const struct conf_local *local, struct errbuf *e)
{
    uid_t uid;
    gid_t gid;
    for (int role = 0; geteuid() == 0 && role < 5; role++) {
        if (local->users[role][0] == '\0')
            continue;
        int err = privileges_find_user(local->users[role], &uid, &gid, e);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static int exit_status_of(int err)
{
    if (err == ERR_OK)
        return 0;
    if (err == ERR_AGAIN)
        return EXIT_TRY_LATER;
    return err == ERR_NOT_FOUND ? EXIT_CONFIG : EXIT_CANNOT_CREATE;
}

static int prepare(struct supervisor *s, struct errbuf *e)
{
    const struct conf_local *local = conf_local(s->conf);
    int err = check_users(local, e);
    if (err == ERR_OK)
        err = make_state_dir(local, e);
    if (err == ERR_OK)
        err = take_lock(s, e);
    if (err == ERR_OK)
        err = read_cluster(s->conf, &s->cluster, &s->has_cluster, e);
    if (err == ERR_OK)
        certify(s, &s->cluster);
    if (err == ERR_OK)
        err = listeners_open(s, e);
    if (err != ERR_OK)
        return err;
    s->results_fd = results_create();
    if (s->results_fd < 0)
        return err_set(e, s->results_fd, "cannot make the results table");
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof(s->program) - 1);
    if (n <= 0)
        return err_set(e, ERR_IO, "cannot find my own program file");
    s->program[n] = '\0';
    return ERR_OK;
}

static int watch_signals(struct supervisor *s)
{
    static const int signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (loop_on_signal(s->loop, signals[i], on_signal, s) != ERR_OK)
            return ERR_IO;
    return ERR_OK;
}

static void run_loop(struct supervisor *s)
{
    struct timer *watchdog = timer_new(s->loop, on_watchdog, s);
    s->watch = timer_new(s->loop, on_watch, s);
    s->stop_limit = timer_new(s->loop, on_stop_limit, s);
    PRE(watchdog != NULL && s->watch != NULL && s->stop_limit != NULL);
    timer_start(s->watch, WATCH_MS, WATCH_MS);
    if (s->notify.watchdog_ms > 0)
        timer_start(watchdog, 0, s->notify.watchdog_ms);
    children_init(s);
    children_start(s);
    loop_run(s->loop);
    children_close(s);
    timer_free(watchdog);
    timer_free(s->watch);
    timer_free(s->stop_limit);
}

int supervisor_run(struct conf *conf, const char *conf_path)
{
    struct errbuf e = {.text = ""};
    struct supervisor *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return EXIT_OS_ERROR;
    s->conf = conf;
    s->conf_path = conf_path;
    s->lock_fd = s->results_fd = -1;
    s->last_reload_ok = true;
    s->last_reload_wall_ms = now_wall_ms();
    notify_init(&s->notify);
    s->loop = loop_new();
    int err = s->loop == NULL ? ERR_NOMEM : prepare(s, &e);
    if (err == ERR_OK)
        err = watch_signals(s);
    if (err == ERR_OK)
        run_loop(s);
    else
        log_error("start", "%s", e.text);
    listeners_close(s);
    loop_free(s->loop);
    notify_close(&s->notify);
    if (s->results_fd >= 0)
        close(s->results_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    cluster_files_close(&s->cluster);
    conf_free(s->conf);
    free(s);
    return exit_status_of(err);
}
