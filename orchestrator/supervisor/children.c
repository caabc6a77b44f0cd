/* The child processes: the same program, executed anew with a role. Each gets one control link as
 * descriptor 3; links between children are socket pairs whose ends the supervisor hands to both,
 * again whenever one of them was restarted. */
#include "orchestrator/supervisor/supervisor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/privileges.h"
#include "orchestrator/sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONTROL_FD = 3,
    ALONE_ID = 1,
    BACK_OFF_MIN_MS = 50,
    BACK_OFF_MAX_MS = 10000,
    STABLE_MS = 10000,     /* up this long: the next end is a new incident */
    SILENT_MAX_MS = 15000, /* no sign of life: it hangs */
    SECRET_SIZE_MAX = 4 << 20,
};

extern char **environ;

static const struct {
    Ephor__Role a, b;
} pairs[] = {
    {EPHOR__ROLE__CHECKER, EPHOR__ROLE__QUORUM},
    {EPHOR__ROLE__ACTOR, EPHOR__ROLE__QUORUM},
    {EPHOR__ROLE__STATUS, EPHOR__ROLE__QUORUM},
    {EPHOR__ROLE__ACTOR, EPHOR__ROLE__STATUS},
};

static void on_restart(void *data);

static const char *child_name(const struct child *child, char name[32])
{
    if (child->role == EPHOR__ROLE__CHECKER)
        text_format(name, 32, "checker %u", child->instance);
    else
        text_copy(name, 32, process_role_name(child->role));
    return name;
}

static void add_child(struct supervisor *s, Ephor__Role role, uint32_t instance)
{
    PRE(s->child_count < CHILDREN_MAX);
    struct child *child = &s->children[s->child_count++];
    *child = (struct child){
        .supervisor = s, .role = role, .instance = instance, .back_off_ms = BACK_OFF_MIN_MS};
    child->restart = timer_new(s->loop, on_restart, child);
}

void children_init(struct supervisor *s)
{
    add_child(s, EPHOR__ROLE__STATUS, 0); /* first, so that people see the others come up */
    add_child(s, EPHOR__ROLE__QUORUM, 0);
    if (s->has_cluster && s->cluster.is_witness)
        return;
    for (uint32_t i = 0; i < conf_local(s->conf)->checkers; i++)
        add_child(s, EPHOR__ROLE__CHECKER, i);
    if (!supervisor_observes(s)) /* an observer looks, and acts on nothing */
        add_child(s, EPHOR__ROLE__ACTOR, 0);
}

/* ---------------------------------------------------------------- what a child is told */

/* A file into fresh memory; NULL (and a log line) if it cannot be read. */
static uint8_t *read_secret(const char *path, size_t *size)
{
    struct buf content;
    buf_init(&content, SECRET_SIZE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        char *room = buf_reserve(&content, 4096);
        n = room == NULL ? -1 : read(fd, room, 4096);
        if (n > 0)
            buf_commit(&content, (size_t)n);
    }
    if (n < 0)
        log_error("ssh", "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    *size = content.size;
    return (uint8_t *)content.data; /* plain malloc memory: the caller frees it */
}

static void add_identities(const struct conf_local *local, Ephor__Setup *setup)
{
    setup->ssh = calloc(local->ssh_count + 1, sizeof(Ephor__SshIdentity *));
    PRE(setup->ssh != NULL);
    for (uint32_t i = 0; i < local->ssh_count; i++) {
        Ephor__SshIdentity *id = calloc(1, sizeof(*id));
        PRE(id != NULL);
        ephor__ssh_identity__init(id);
        id->node = (char *)(uintptr_t)local->ssh[i].node;
        id->key.data = read_secret(local->ssh[i].key_path, &id->key.len);
        id->known_hosts.data = read_secret(local->ssh[i].known_hosts_path, &id->known_hosts.len);
        setup->ssh[setup->n_ssh++] = id;
    }
}

static void free_identities(Ephor__Setup *setup)
{
    for (size_t i = 0; i < setup->n_ssh; i++) {
        if (setup->ssh[i]->key.data != NULL)
            explicit_bzero(setup->ssh[i]->key.data, setup->ssh[i]->key.len);
        free(setup->ssh[i]->key.data);
        free(setup->ssh[i]->known_hosts.data);
        free(setup->ssh[i]);
    }
    free(setup->ssh);
}

/* Who may act over the local socket, as ids. An unknown name is told, and left out. */
static size_t operator_ids(const struct conf_local *local, uint32_t uids[CONF_OPERATORS_MAX],
                           uint32_t *gid)
{
    struct errbuf e;
    uid_t user;
    gid_t group;
    size_t count = 0;
    for (uint32_t i = 0; i < local->operator_count; i++) {
        if (privileges_find_user(local->operators[i], &user, &group, &e) == ERR_OK)
            uids[count++] = user;
        else
            log_warning("operators", "%s", e.text);
    }
    *gid = 0;
    if (local->operator_group[0] != '\0') {
        if (privileges_find_group(local->operator_group, &group, &e) == ERR_OK)
            *gid = group;
        else
            log_warning("operators", "%s", e.text);
    }
    return count;
}

struct contacts { /* what a Setup points to */
    Ephor__ClusterMember members[CLUSTER_CONTACTS_MAX];
    Ephor__ClusterMember *pointers[CLUSTER_CONTACTS_MAX];
};

/* The quorum process's certificates, and whom it may reach first. */
static void add_cluster(const struct cluster_files *files, struct contacts *contacts,
                        Ephor__Setup *setup)
{
    if (files->cert_pem != NULL) {
        setup->cluster_ca = files->ca_pem;
        setup->cluster_cert = files->cert_pem;
        setup->cluster_key = files->key_pem;
    }
    setup->cluster = files->cluster;
    setup->joins = files->joins;
    setup->address = (char *)(uintptr_t)files->self.address;
    setup->contacts = contacts->pointers;
    setup->n_contacts = files->contact_count;
    for (uint32_t i = 0; i < files->contact_count; i++) {
        Ephor__ClusterMember *to = &contacts->members[i];
        ephor__cluster_member__init(to);
        to->id = files->contacts[i].id;
        to->kind = EPHOR__MEMBER_KIND__VOTER;
        to->name = (char *)(uintptr_t)files->contacts[i].name;
        to->address = (char *)(uintptr_t)files->contacts[i].address;
        to->fingerprint.data = (uint8_t *)(uintptr_t)files->contacts[i].fingerprint;
        to->fingerprint.len = sizeof(files->contacts[i].fingerprint);
        contacts->pointers[i] = to;
    }
}

static void send_setup(struct child *child)
{
    const struct conf_local *local = conf_local(child->supervisor->conf);
    const struct supervisor *s = child->supervisor;
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    uint32_t operators[CONF_OPERATORS_MAX];
    setup.log_level = local->log_level;
    setup.controller = s->has_cluster ? s->cluster.self.id : ALONE_ID;
    setup.controller_name =
        (char *)(uintptr_t)(s->has_cluster ? s->cluster.self.name : local->controller_name);
    setup.state_dir = (char *)(uintptr_t)local->state_dir;
    setup.checker_index = child->instance;
    setup.checker_count = local->checkers;
    setup.checks_running_max = local->checks_running_max;
    setup.fresh_ms = local->election_ms; /* X of the lease protocol */
    setup.election_ms = local->election_ms;
    setup.heartbeat_ms = local->heartbeat_ms;
    setup.config_path = (char *)(uintptr_t)child->supervisor->conf_path;
    setup.n_operator_uids = operator_ids(local, operators, &setup.operator_gid);
    setup.operator_uids = operators;
    if (child->role == EPHOR__ROLE__ACTOR) /* nobody else gets the keys */
        add_identities(local, &setup);
    char *canaries[CONF_CANARIES_MAX];
    for (uint32_t i = 0; i < local->canary_count; i++)
        canaries[i] = (char *)(uintptr_t)local->canaries[i];
    setup.canaries = canaries;
    setup.n_canaries = child->role == EPHOR__ROLE__CHECKER ? local->canary_count : 0;
    setup.observes = supervisor_observes(s) &&
                     (child->role == EPHOR__ROLE__QUORUM || child->role == EPHOR__ROLE__STATUS);
    struct contacts contacts;
    if (child->role == EPHOR__ROLE__QUORUM && s->has_cluster) {
        add_cluster(&s->cluster, &contacts, &setup);
        setup.cluster_trouble = (char *)(uintptr_t)s->cluster_trouble;
    }
    m.body_case = EPHOR__MESSAGE__BODY_SETUP;
    m.setup = &setup;
    link_send(child->control, &m, -1);
    free_identities(&setup);
}

static void send_results_table(struct child *child)
{
    Ephor__ResultsTable table = EPHOR__RESULTS_TABLE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    char path[64];
    m.body_case = EPHOR__MESSAGE__BODY_RESULTS_TABLE;
    m.results_table = &table;
    if (child->role == EPHOR__ROLE__CHECKER) {
        link_send(child->control, &m, child->supervisor->results_fd);
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", child->supervisor->results_fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* its reader gets no right to write */
    if (fd < 0)
        return;
    link_send(child->control, &m, fd);
    close(fd);
}

static void send_listeners(struct child *child)
{
    struct supervisor *s = child->supervisor;
    for (uint32_t i = 0; i < s->listener_count; i++) {
        Ephor__Listen listen_at = EPHOR__LISTEN__INIT;
        Ephor__Message m = EPHOR__MESSAGE__INIT;
        if (s->listeners[i].role != child->role)
            continue;
        listen_at.name = s->listeners[i].name;
        listen_at.is_local = s->listeners[i].is_local;
        m.body_case = EPHOR__MESSAGE__BODY_LISTEN;
        m.listen = &listen_at;
        link_send(child->control, &m, s->listeners[i].fd);
    }
}

static void send_peer(struct child *to, const struct child *peer, int fd)
{
    Ephor__PeerLink peer_link = EPHOR__PEER_LINK__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    peer_link.role = peer->role;
    peer_link.instance = peer->instance;
    m.body_case = EPHOR__MESSAGE__BODY_PEER_LINK;
    m.peer_link = &peer_link;
    link_send(to->control, &m, fd);
}

static bool are_peers(const struct child *a, const struct child *b)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if ((pairs[i].a == a->role && pairs[i].b == b->role) ||
            (pairs[i].b == a->role && pairs[i].a == b->role))
            return true;
    return false;
}

/* Fresh links between this child and all of its peers that run. */
static void connect_peers(struct child *child)
{
    struct supervisor *s = child->supervisor;
    for (uint32_t i = 0; i < s->child_count; i++) {
        struct child *other = &s->children[i];
        int ends[2];
        if (other == child || other->control == NULL || !are_peers(child, other))
            continue;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            log_error("link", "cannot make a socket pair: %s", strerror(errno));
            continue;
        }
        send_peer(child, other, ends[0]);
        send_peer(other, child, ends[1]);
        close(ends[0]);
        close(ends[1]);
    }
}

/* ---------------------------------------------------------------- telling the others */

void children_tell(struct supervisor *s, Ephor__Role role, const Ephor__Message *m)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        if (s->children[i].role == role)
            link_send(s->children[i].control, m, -1);
}

static void tell_process_state(struct child *child)
{
    Ephor__ProcessState state = EPHOR__PROCESS_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    state.role = child->role;
    state.instance = child->instance;
    state.pid = child->pid;
    state.up = child->pid > 0 && child->is_ready;
    state.restarts = child->restarts;
    state.reason = child->reason;
    state.since_wall_ms = child->since_wall_ms;
    m.body_case = EPHOR__MESSAGE__BODY_PROCESS_STATE;
    m.process_state = &state;
    children_tell(child->supervisor, EPHOR__ROLE__STATUS, &m);
}

static void on_child_change(struct child *child)
{
    child->since_wall_ms = now_wall_ms();
    tell_process_state(child);
    supervisor_on_change(child->supervisor);
}

/* ---------------------------------------------------------------- life of a child */

static void on_child_ready(struct child *child)
{
    struct supervisor *s = child->supervisor;
    child->is_ready = true;
    if (child->role == EPHOR__ROLE__QUORUM)
        offer_send(s, s->conf, false, NULL);
    if (child->role == EPHOR__ROLE__STATUS)
        for (uint32_t i = 0; i < s->child_count; i++)
            tell_process_state(&s->children[i]);
    on_child_change(child);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct child *child = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_READY)
        on_child_ready(child);
    else if (m->body_case == EPHOR__MESSAGE__BODY_ALIVE)
        child->alive_ms = now_mono_ms();
    else if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_REPLY &&
             child->role == EPHOR__ROLE__QUORUM)
        offer_on_reply(child->supervisor, m->policy_reply);
    else if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_APPLY &&
             child->role == EPHOR__ROLE__STATUS)
        supervisor_apply(child->supervisor, m->policy_apply);
}

static void on_close(void *data, const char *reason)
{
    struct child *child = data;
    (void)reason; /* its end is told by SIGCHLD; a child without a control link ends by itself */
    link_free(child->control);
    child->control = NULL;
}

/* The user to become: an actor that works on this very machine has to stay root. */
static const char *child_user(const struct child *child)
{
    const Ephor__Policy *policy = conf_policy(child->supervisor->conf);
    if (child->role == EPHOR__ROLE__ACTOR)
        for (size_t i = 0; i < policy->n_nodes; i++)
            if (policy->nodes[i]->transport == EPHOR__TRANSPORT__LOCAL)
                return "";
    return conf_local(child->supervisor->conf)->users[child->role];
}

static pid_t spawn_child(const struct child *child, int fd)
{
    char role[32], instance[32], user[96];
    char *argv[] = {child->supervisor->conf == NULL ? NULL : (char *)(uintptr_t) "ephord", role,
                    instance, user, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    text_format(role, sizeof(role), "--role=%s", process_role_name(child->role));
    text_format(instance, sizeof(instance), "--instance=%u", child->instance);
    text_format(user, sizeof(user), "--user=%s", child_user(child));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, CONTROL_FD);
    int err = posix_spawn(&pid, child->supervisor->program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (err != 0) {
        log_error("start", "cannot start %s: %s", child->supervisor->program, strerror(err));
        return 0;
    }
    return pid;
}

static void start_child(struct child *child)
{
    static const struct link_ops ops = {on_message, on_close};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        timer_start(child->restart, BACK_OFF_MAX_MS, 0);
        return;
    }
    if (ends[1] == CONTROL_FD) { /* dup2 to itself would leave close-on-exec set */
        int moved = fcntl(ends[1], F_DUPFD_CLOEXEC, CONTROL_FD + 1);
        close(ends[1]);
        ends[1] = moved;
    }
    child->pid = spawn_child(child, ends[1]);
    close(ends[1]);
    if (child->pid == 0) {
        close(ends[0]);
        timer_start(child->restart, BACK_OFF_MAX_MS, 0);
        return;
    }
    link_free(child->control);
    child->control = link_new(child->supervisor->loop, ends[0], &ops, child);
    PRE(child->control != NULL);
    child->is_ready = false;
    child->started_ms = child->alive_ms = now_mono_ms();
    send_setup(child);
    if (child->role == EPHOR__ROLE__CHECKER || child->role == EPHOR__ROLE__STATUS)
        send_results_table(child);
    send_listeners(child);
    connect_peers(child);
    on_child_change(child);
}

static void on_restart(void *data)
{
    struct child *child = data;
    if (!child->supervisor->is_stopping)
        start_child(child);
}

void children_start(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        start_child(&s->children[i]);
}

void children_setup(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        send_setup(&s->children[i]);
}

void children_certify(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        if (s->children[i].role == EPHOR__ROLE__QUORUM)
            send_setup(&s->children[i]);
}

static void describe_end(struct child *child, int status)
{
    if (WIFSIGNALED(status))
        text_format(child->reason, sizeof(child->reason), "ended by signal %d (%s)",
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        text_format(child->reason, sizeof(child->reason), "exited with status %d",
                    WEXITSTATUS(status));
}

static void on_child_end(struct child *child, int status)
{
    char name[32];
    describe_end(child, status);
    if (child->supervisor->is_stopping) {
        child->pid = 0;
        return;
    }
    if (now_mono_ms() - child->started_ms > STABLE_MS)
        child->back_off_ms = BACK_OFF_MIN_MS;
    log_error("process", "%s (pid %d) %s; starting it again in %lld ms", child_name(child, name),
              (int)child->pid, child->reason, (long long)child->back_off_ms);
    child->pid = 0;
    child->is_ready = false;
    child->restarts++;
    link_free(child->control);
    child->control = NULL;
    timer_start(child->restart, child->back_off_ms, 0);
    child->back_off_ms *= 2;
    if (child->back_off_ms > BACK_OFF_MAX_MS)
        child->back_off_ms = BACK_OFF_MAX_MS;
    on_child_change(child);
}

void children_reap(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++) {
        int status;
        if (s->children[i].pid > 0 && waitpid(s->children[i].pid, &status, WNOHANG) > 0)
            on_child_end(&s->children[i], status);
    }
}

void children_watch(struct supervisor *s)
{
    int64_t now_ms = now_mono_ms();
    for (uint32_t i = 0; i < s->child_count; i++) {
        struct child *child = &s->children[i];
        char name[32];
        if (child->pid == 0 || now_ms - child->alive_ms < SILENT_MAX_MS)
            continue;
        log_error("process", "%s (pid %d) gave no sign of life for %d s, ending it",
                  child_name(child, name), (int)child->pid, SILENT_MAX_MS / 1000);
        kill(child->pid, SIGKILL);
        child->alive_ms = now_ms;
    }
}

void children_stop(struct supervisor *s)
{
    Ephor__Stop stop = EPHOR__STOP__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_STOP;
    m.stop = &stop;
    for (uint32_t i = 0; i < s->child_count; i++)
        link_send(s->children[i].control, &m, -1);
}

void children_kill(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        if (s->children[i].pid > 0)
            kill(s->children[i].pid, SIGKILL);
}

bool children_are_gone(const struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++)
        if (s->children[i].pid > 0)
            return false;
    return true;
}

void children_close(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->child_count; i++) {
        link_free(s->children[i].control);
        timer_free(s->children[i].restart);
    }
}
