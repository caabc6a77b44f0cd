/* The stage. Facts are applied here as the quorum process would, and fed to the status process. */
#include "tests/ctl/stage_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/status/status.h"
#include "orchestrator/sys/now.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------------------- sending */

void stage_send_state(struct stage *s)
{
    Ephor__FeedState state = EPHOR__FEED_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    state.leading = s->is_leading;
    state.term = 1;
    state.commit_index = state.applied_index = s->index;
    state.storage_ok = s->is_storage_ok;
    state.storage_text = s->storage_text;
    state.calm = s->is_calm;
    state.calm_text = s->calm_text;
    state.observers = s->observer_pointers;
    state.n_observers = s->observer_count;
    m.body_case = EPHOR__MESSAGE__BODY_FEED_STATE;
    m.feed_state = &state;
    link_send(s->quorum, &m, -1);
}

/* Apply a fact here and feed it. */
void stage_apply(struct stage *s, Ephor__Fact *fact)
{
    fact->at_ms = now_mono_ms() - s->begin_ms + 1;
    fact->wall_ms = now_wall_ms();
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__fact__pack(fact, bytes);
    s->index++;
    machine_apply(&s->machine, s->index, 1, bytes, size, s->effects, NULL);
    Ephor__FeedFact feed = EPHOR__FEED_FACT__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    feed.index = s->index;
    feed.term = 1;
    feed.fact.data = bytes;
    feed.fact.len = size;
    m.body_case = EPHOR__MESSAGE__BODY_FEED_FACT;
    m.feed_fact = &feed;
    link_send(s->quorum, &m, -1);
    free(bytes);
}

struct owed {
    struct order orders[16];
    uint32_t count;
};

static void on_order(void *data, const struct order *order)
{
    struct owed *owed = data;
    if (owed->count < 16 && !(order->kind == ORDER_HOLD && !order->acquire))
        owed->orders[owed->count++] = *order;
}

/* Every order that is owed ends well. */
void stage_work(struct stage *s)
{
    for (int round = 0; s->works && s->machine.core != NULL && round < 10; round++) {
        const struct core *core = s->machine.core;
        struct owed owed = {.count = 0};
        core_orders(core, on_order, &owed);
        if (owed.count == 0)
            return;
        const struct order *o = &owed.orders[0];
        Ephor__Fact fact = EPHOR__FACT__INIT;
        Ephor__Outcome outcome = EPHOR__OUTCOME__INIT;
        outcome.kind = (Ephor__OrderKind)o->kind;
        outcome.order = o->id;
        outcome.object = o->kind == ORDER_HOLD || o->kind == ORDER_RELEASE
                             ? core_vip(core, o->vip)->name
                             : core_service(core, o->service)->name;
        outcome.node = core_node(core, o->node)->name;
        outcome.result = EPHOR__RESULT__RESULT_DONE;
        fact.body_case = EPHOR__FACT__BODY_OUTCOME;
        fact.outcome = &outcome;
        stage_apply(s, &fact);
    }
}

static void send_proposed(struct stage *s, uint64_t sequence, int err)
{
    Ephor__Proposed proposed = EPHOR__PROPOSED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    proposed.sequence = sequence;
    proposed.index = s->index;
    proposed.err = err;
    proposed.text = (char *)(uintptr_t)(err == ERR_OK ? "" : err_text(err));
    m.body_case = EPHOR__MESSAGE__BODY_PROPOSED;
    m.proposed = &proposed;
    link_send(s->quorum, &m, -1);
}

static void answer_read(struct stage *s, uint64_t sequence)
{
    Ephor__ReadReply reply = EPHOR__READ_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.ok = !s->is_dropping;
    reply.text = (char *)(uintptr_t)(s->is_dropping ? "no leader can be <reached>" : "");
    reply.index = s->index + s->is_early;
    m.body_case = EPHOR__MESSAGE__BODY_READ_REPLY;
    m.read_reply = &reply;
    link_send(s->quorum, &m, -1);
    if (s->is_early)
        stage_carry_out(s, "opinion", "web/n1/http", "2", "came behind");
}

/* ---------------------------------------------------------------- links */

/* Rollbacks are refused if they say so; otherwise nothing is in their way. */
static void answer_policy(struct stage *s, struct link *to, uint64_t sequence, const char *refusal)
{
    Ephor__PolicyReply reply = EPHOR__POLICY_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.accepted = refusal == NULL;
    reply.text = (char *)(uintptr_t)(refusal == NULL ? "adopted" : refusal);
    reply.index = s->machine.policy_index;
    m.body_case = EPHOR__MESSAGE__BODY_POLICY_REPLY;
    m.policy_reply = &reply;
    link_send(to, &m, -1);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    struct stage *s = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_ROLLBACK && !s->is_silent)
        answer_policy(s, s->quorum, m->policy_rollback->sequence,
                      m->policy_rollback->number == 1 ? "there is no policy 1 any more" : NULL);
    if (m->body_case == EPHOR__MESSAGE__BODY_READ && !s->is_silent)
        answer_read(s, m->read->sequence);
    if (m->body_case == EPHOR__MESSAGE__BODY_CLUSTER_REQUEST && !s->is_silent)
        stage_change_cluster(s, m->cluster_request);
    if (m->body_case != EPHOR__MESSAGE__BODY_PROPOSE || s->is_silent)
        return;
    if (s->is_dropping) {
        send_proposed(s, m->propose->sequence, ERR_AGAIN);
        return;
    }
    stage_apply(s, m->propose->fact);
    send_proposed(s, m->propose->sequence, ERR_OK);
    stage_work(s);
}

static void on_control_message(void *data, const Ephor__Message *m, int fd)
{
    struct stage *s = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_APPLY && !s->is_silent)
        answer_policy(s, s->control, m->policy_apply->sequence,
                      s->is_dropping ? "the <file> says something else" : NULL);
    if (m->body_case == EPHOR__MESSAGE__BODY_READY)
        dprintf(s->ready_fd, "%u %d\n", s->port, (int)s->pid);
}

static void on_closed(void *data, const char *reason)
{
    (void)data;
    (void)reason;
}

static void on_control_closed(void *data, const char *reason)
{
    struct stage *s = data;
    (void)reason;
    loop_stop(s->loop);
}

static struct link *connect_peer(struct stage *s, Ephor__Role role, const struct link_ops *ops)
{
    Ephor__PeerLink peer = EPHOR__PEER_LINK__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    int ends[2];
    PRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    peer.role = role;
    m.body_case = EPHOR__MESSAGE__BODY_PEER_LINK;
    m.peer_link = &peer;
    link_send(s->control, &m, ends[0]);
    close(ends[0]);
    return link_new(s->loop, ends[1], ops, s);
}

/* As the quorum process begins a feed: older lines, a snapshot, the state. */
void stage_begin_feed(struct stage *s)
{
    static const struct link_ops ops = {on_quorum_message, on_closed};
    Ephor__FeedJournal journal = EPHOR__FEED_JOURNAL__INIT;
    Ephor__JournalLine line = EPHOR__JOURNAL_LINE__INIT, *lines[] = {&line};
    Ephor__FeedSnapshot feed = EPHOR__FEED_SNAPSHOT__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    size_t size = 0;
    s->quorum = connect_peer(s, EPHOR__ROLE__QUORUM, &ops);
    line.index = 1;
    line.wall_ms = now_wall_ms() - 3600000;
    line.severity = SEVERITY_INFO;
    line.event = line.object = (char *)(uintptr_t) "policy";
    line.text = (char *)(uintptr_t) "an older line, kept from before <script>";
    journal.lines = lines;
    journal.n_lines = 1;
    m.body_case = EPHOR__MESSAGE__BODY_FEED_JOURNAL;
    m.feed_journal = &journal;
    link_send(s->quorum, &m, -1);
    uint8_t *bytes = machine_snapshot(&s->machine, &size);
    feed.index = s->index;
    feed.term = 1;
    feed.snapshot = bytes == NULL ? NULL : ephor__snapshot__unpack(NULL, size, bytes);
    m.body_case = EPHOR__MESSAGE__BODY_FEED_SNAPSHOT;
    m.feed_snapshot = &feed;
    link_send(s->quorum, &m, -1);
    if (feed.snapshot != NULL)
        ephor__snapshot__free_unpacked(feed.snapshot, NULL);
    free(bytes);
    stage_send_state(s);
}

/* ---------------------------------------------------------------- commands */

static char *next_word(char **rest)
{
    char *word = *rest;
    char *space = strchr(word, ' ');
    *rest = space == NULL ? word + strlen(word) : space + 1;
    if (space != NULL)
        *space = '\0';
    return word;
}

static void take_command(struct stage *s, char *line)
{
    char *rest = line;
    char *verb = next_word(&rest);
    char *a = next_word(&rest);
    bool has_two =
        strcmp(verb, "storage") != 0 && strcmp(verb, "calm") != 0 && strcmp(verb, "reload") != 0;
    char *b = has_two ? next_word(&rest) : rest;
    stage_carry_out(s, verb, a, b, rest);
    dprintf(s->ready_fd, "done\n");
}

static void end_play(struct stage *s)
{
    Ephor__Stop stop = EPHOR__STOP__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_STOP;
    m.stop = &stop;
    watch_set(s->commands, WATCH_NONE);
    link_send(s->control, &m, -1);
}

static void on_commands(void *data, int events)
{
    struct stage *s = data;
    (void)events;
    ssize_t n = read(s->command_fd, s->line + s->line_size, COMMAND_MAX - 1 - s->line_size);
    if (n <= 0) {
        end_play(s);
        return;
    }
    s->line_size += (size_t)n;
    s->line[s->line_size] = '\0';
    for (char *end; (end = strchr(s->line, '\n')) != NULL;) {
        *end = '\0';
        take_command(s, s->line);
        s->line_size -= (size_t)(end + 1 - s->line);
        memmove(s->line, end + 1, s->line_size + 1);
    }
}

static void on_beat(void *data)
{
    struct stage *s = data;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Tick tick = EPHOR__TICK__INIT;
    fact.body_case = EPHOR__FACT__BODY_TICK;
    fact.tick = &tick;
    if (s->machine.core != NULL && s->quorum != NULL &&
        core_next_deadline(s->machine.core) <= now_mono_ms() - s->begin_ms)
        stage_apply(s, &fact);
    stage_work(s);
    stage_send_state(s);
}

/* ---------------------------------------------------------------- begin and end */

static void give_listener(struct stage *s, const char *name, bool is_local, int fd)
{
    Ephor__Listen listen_at = EPHOR__LISTEN__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    listen_at.name = (char *)(uintptr_t)name;
    listen_at.is_local = is_local;
    m.body_case = EPHOR__MESSAGE__BODY_LISTEN;
    m.listen = &listen_at;
    link_send(s->control, &m, fd);
    close(fd);
}

static void give_listeners(struct stage *s, const char *socket_path)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(v4);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int un = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    text_copy(local.sun_path, sizeof(local.sun_path), socket_path);
    unlink(socket_path);
    PRE(bind(tcp, (struct sockaddr *)&v4, size) == 0 && listen(tcp, 64) == 0);
    PRE(getsockname(tcp, (struct sockaddr *)&v4, &size) == 0);
    PRE(bind(un, (struct sockaddr *)&local, sizeof(local)) == 0 && listen(un, 64) == 0);
    PRE(chmod(socket_path, 0666) == 0); /* as the supervisor does: the daemon looks who asks */
    s->port = ntohs(v4.sin_port);
    give_listener(s, "http", false, tcp);
    give_listener(s, "ctl", true, un);
}

static void give_setup(struct stage *s)
{
    static uint32_t operators[] = {65533};
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    Ephor__ResultsTable table = EPHOR__RESULTS_TABLE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    setup.controller = 1;
    setup.controller_name = (char *)(uintptr_t) "ctl1";
    setup.config_path = (char *)(uintptr_t) "/etc/ephor/stage.conf";
    setup.operator_uids = operators;
    setup.n_operator_uids = 1;
    setup.operator_gid = 65532;
    m.body_case = EPHOR__MESSAGE__BODY_SETUP;
    m.setup = &setup;
    link_send(s->control, &m, -1);
    m.body_case = EPHOR__MESSAGE__BODY_RESULTS_TABLE;
    m.results_table = &table;
    link_send(s->control, &m, s->results_fd);
}

/* Close it; a standard descriptor stays taken, so that nothing else gets its number. */
static void give_up(int fd)
{
    if (fd > STDERR_FILENO) {
        close(fd);
        return;
    }
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, fd);
    close(nothing);
}

/* Fork before there is a loop: the child is the status process and nothing else. */
static int fork_status(struct stage *s)
{
    int ends[2];
    PRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    s->pid = fork();
    PRE(s->pid >= 0);
    if (s->pid == 0) {
        close(ends[0]);
        give_up(s->command_fd);
        give_up(s->ready_fd);
        exit(status_main(0, ends[1]));
    }
    close(ends[1]);
    return ends[0];
}

static int end_stage(struct stage *s)
{
    int status = -1;
    link_free(s->control);
    link_free(s->quorum);
    link_free(s->actor);
    timer_free(s->beat);
    watch_free(s->commands);
    loop_free(s->loop);
    machine_close(&s->machine);
    results_close(s->results);
    close(s->results_fd);
    free(s->effects);
    waitpid(s->pid, &status, 0);
    free(s);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

int stage_play(int command_fd, int ready_fd, const char *socket_path)
{
    static const struct link_ops control_ops = {on_control_message, on_control_closed};
    static const struct link_ops actor_ops = {on_control_message, on_closed};
    struct stage *s = calloc(1, sizeof(*s));
    PRE(s != NULL);
    s->command_fd = command_fd;
    s->ready_fd = ready_fd;
    s->is_leading = s->is_storage_ok = s->is_calm = true;
    s->begin_ms = now_mono_ms();
    int control = fork_status(s);
    s->effects = calloc(1, sizeof(*s->effects));
    s->loop = loop_new();
    PRE(s->effects != NULL && s->loop != NULL);
    machine_init(&s->machine);
    s->control = link_new(s->loop, control, &control_ops, s);
    s->results_fd = results_create();
    s->results = results_open(s->results_fd, true);
    s->commands = watch_new(s->loop, command_fd, on_commands, s);
    s->beat = timer_new(s->loop, on_beat, s);
    PRE(s->results != NULL && s->commands != NULL && s->beat != NULL);
    give_setup(s);
    give_listeners(s, socket_path);
    stage_begin_feed(s);
    s->actor = connect_peer(s, EPHOR__ROLE__ACTOR, &actor_ops);
    s->index = 1; /* the older line's */
    stage_adopt_policy(s);
    watch_set(s->commands, WATCH_READ);
    timer_start(s->beat, 100, 100);
    loop_run(s->loop);
    return end_stage(s);
}
