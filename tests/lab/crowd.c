/* A crowd of observers in one process, for the lab: the code of real ones and real links, without
 * checkers. Each says of all checks that it is asked about: ok; and after SIGUSR1: critical; and ok
 * again after the next one.
 *
 *   crowd BUNDLE...    of ephorctl cluster add NAME --observer */
#include "orchestrator/base/log.h"
#include "orchestrator/quorum/observer_parts.h"
#include "orchestrator/sys/cluster_files.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 50, CROWD_MAX = 512, SAID_AT_ONCE = 64 };

struct process { /* in place of the one of sys/process.c */
    struct loop *loop;
};

struct loop *process_loop(struct process *process)
{
    return process->loop;
}

void process_ready(struct process *process)
{
    (void)process;
}

void process_done(struct process *process)
{
    (void)process;
}

void process_send(struct process *process, const Ephor__Message *m, int fd)
{
    (void)process, (void)m, (void)fd;
}

const char *process_role_name(Ephor__Role role)
{
    (void)role;
    return "";
}

struct crowd {
    struct process process;
    struct observer_process *observers[CROWD_MAX];
    int count;
    enum state state;
    struct timer *look;
};

static void say(struct observer_process *o, const uint32_t *checks, size_t count, enum state state)
{
    static char none[] = "";
    Ephor__OpinionChange changes[SAID_AT_ONCE];
    Ephor__OpinionChange *list[SAID_AT_ONCE];
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    for (size_t i = 0; i < count; i++) {
        ephor__opinion_change__init(list[i] = &changes[i]);
        changes[i].check = checks[i];
        changes[i].state = (Ephor__State)state;
        changes[i].text = none;
    }
    opinions.policy_index = o->looks.policy_index;
    opinions.changes = list;
    opinions.n_changes = count;
    observer_on_opinions(o, &opinions);
}

static void look(struct observer_process *o, enum state state)
{
    uint32_t checks[SAID_AT_ONCE];
    size_t count = 0;
    for (size_t i = 0; o->looks.policy != NULL && i < o->looks.policy->n_checks; i++) {
        const struct look *l = &o->looks.list[i];
        if (l->outlook.count == 0 || (l->is_known && l->state == state))
            continue;
        checks[count++] = (uint32_t)i;
        if (count == SAID_AT_ONCE) {
            say(o, checks, count, state);
            count = 0;
        }
    }
    if (count > 0)
        say(o, checks, count, state);
}

static void on_look(void *data)
{
    struct crowd *crowd = data;
    for (int i = 0; i < crowd->count; i++)
        look(crowd->observers[i], crowd->state);
}

static void on_signal(void *data, int signo)
{
    struct crowd *crowd = data;
    (void)signo;
    crowd->state = crowd->state == STATE_OK ? STATE_CRITICAL : STATE_OK;
    on_look(crowd);
}

static char *read_text(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    size_t size = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);
    text[size] = '\0';
    if (f != NULL)
        fclose(f);
    return text;
}

static void fill_setup(const struct cluster_files *files, Ephor__ClusterMember *members,
                       Ephor__ClusterMember **pointers, Ephor__Setup *setup)
{
    setup->controller = files->self.id;
    setup->fresh_ms = 500;
    setup->cluster = files->cluster;
    setup->cluster_ca = files->ca_pem;
    setup->cluster_cert = files->cert_pem;
    setup->cluster_key = files->key_pem;
    setup->contacts = pointers;
    for (uint32_t i = 0; i < files->contact_count; i++) {
        ephor__cluster_member__init(pointers[i] = &members[i]);
        members[i].id = files->contacts[i].id;
        members[i].name = (char *)(uintptr_t)files->contacts[i].name;
        members[i].address = (char *)(uintptr_t)files->contacts[i].address;
        members[i].fingerprint.data = (uint8_t *)(uintptr_t)files->contacts[i].fingerprint;
        members[i].fingerprint.len = PKI_FINGERPRINT_SIZE;
    }
    setup->n_contacts = files->contact_count;
}

static bool add(struct crowd *crowd, const char *bundle)
{
    Ephor__ClusterMember members[CLUSTER_CONTACTS_MAX], *pointers[CLUSTER_CONTACTS_MAX];
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    struct cluster_files files;
    struct errbuf e = {.text = ""};
    char dir[512];
    snprintf(dir, sizeof(dir), "%s.d", bundle);
    if (cluster_bundle_unpack(dir, read_text(bundle), &e) != ERR_OK ||
        cluster_files_read(dir, &files, &e) != ERR_OK) {
        fprintf(stderr, "crowd: %s: %s\n", bundle, e.text);
        return false;
    }
    struct observer_process *o = observer_new();
    fill_setup(&files, members, pointers, &setup);
    bool ok = o != NULL && observer_ops.on_start(o, &crowd->process, &setup, &e) == ERR_OK;
    cluster_files_close(&files);
    crowd->observers[crowd->count++] = o;
    return ok;
}

int main(int argc, char **argv)
{
    static struct crowd crowd;
    log_init("crowd", LOG_LEVEL_WARNING);
    signal(SIGPIPE, SIG_IGN);
    crowd.process.loop = loop_new();
    for (int i = 1; i < argc && i <= CROWD_MAX; i++)
        if (!add(&crowd, argv[i]))
            return 1;
    crowd.look = timer_new(crowd.process.loop, on_look, &crowd);
    timer_start(crowd.look, LOOK_MS, LOOK_MS);
    loop_on_signal(crowd.process.loop, SIGUSR1, on_signal, &crowd);
    loop_run(crowd.process.loop);
    return 0;
}
