/* ephorctl cluster: its verbs. Founding, joining and the storage's tools work without the daemon;
 * the others ask it. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/cluster_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADD_SYNOPSIS                                                    \
    "add NAME ADDRESS [--learner|--witness] [--out FILE] [--dir DIR]\n" \
    "  ephorctl cluster add NAME --observer [--out FILE] [--dir DIR]"

const char *cluster_dir(const struct ctl *ctl)
{
    return ctl->dir != NULL ? ctl->dir : EPHOR_SYSCONFDIR "/cluster";
}

static int fail(const struct errbuf *e)
{
    out_error("%s", e->text);
    return CTL_FAILED;
}

/* ---------------------------------------------------------------- without the daemon */

static int cluster_init(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    const char *dir = cluster_dir(ctl);
    if (cluster_files_found(dir, ctl->operands[1], ctl->operands[2], &e) != ERR_OK)
        return fail(&e);
    printf("%s holds the keys of a new cluster, whose first controller is %s.\n"
           "Keep ca.key safe: whoever has it can make controllers.\n\n"
           "Next: restart ephord here, which keeps its state. Then, for each other controller:\n"
           "  ephorctl cluster add NAME ADDRESS >NAME.bundle\n",
           dir, ctl->operands[1]);
    return CTL_OK;
}

/* A controller never comes back as its old self, nor does it bring a log from elsewhere. */
static bool has_log(const struct ctl *ctl)
{
    const char *dir = ctl->state_dir != NULL ? ctl->state_dir : EPHOR_STATEDIR;
    char path[512];
    if (!text_format(path, sizeof(path), "%s/log.db", dir) || access(path, F_OK) != 0)
        return false;
    out_error("%s is there: a controller that joins begins with an empty state directory. Stop "
              "ephord and move the directory away first",
              path);
    return true;
}

static void tell_joined(const char *dir)
{
    struct cluster_files files;
    struct errbuf e;
    if (cluster_files_open(dir, &files, &e) == ERR_OK && files.is_observer)
        printf("%s is in place. Start ephord: it connects to the controllers, and looks.\n"
               "'ephorctl cluster status' on any controller tells whether it is linked.\n",
               dir);
    else
        printf("%s is in place. Start ephord: it is let in, gets the log, and then its vote.\n"
               "'ephorctl cluster status' on any controller tells how far it is.\n",
               dir);
}

static int cluster_join(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    const char *dir = cluster_dir(ctl);
    if (has_log(ctl))
        return CTL_REFUSED;
    char *text = ctl_read_file(ctl->operands[1], &e);
    if (text == NULL)
        return fail(&e);
    int err = cluster_bundle_unpack(dir, text, &e);
    pki_text_free(text);
    if (err != ERR_OK) {
        err_wrap(&e, "%s", ctl->operands[1]);
        return fail(&e);
    }
    tell_joined(dir);
    return CTL_OK;
}

/* ---------------------------------------------------------------- add */

/* Before anything is asked for: a member whose bundle cannot be written would be of no use. */
static int open_out(const struct ctl *ctl)
{
    if (ctl->out == NULL)
        return STDOUT_FILENO;
    int fd = open(ctl->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        out_error("write %s: %s", ctl->out, strerror(errno));
    return fd;
}

static int write_bundle(const struct ctl *ctl, int fd, const char *text)
{
    size_t size = strlen(text);
    if (write(fd, text, size) == (ssize_t)size && (ctl->out == NULL || fsync(fd) == 0))
        return CTL_OK;
    out_error("write %s: %s", ctl->out == NULL ? "the bundle" : ctl->out, strerror(errno));
    return CTL_FAILED;
}

static bool take_member(const json_t *json, struct cluster_contact *to)
{
    to->id = (uint32_t)json_integer_value(json_object_get(json, "id"));
    text_copy(to->name, sizeof(to->name), json_text(json, "name"));
    return to->id > 0 && cluster_address(to->address, json_text(json, "address")) &&
           pki_fingerprint_parse(json_text(json, "fingerprint"), to->fingerprint);
}

static bool is_kind(const struct ctl *ctl, const char *kind)
{
    return ctl->kind != NULL && strcmp(ctl->kind, kind) == 0;
}

/* No member: the answer tells its id only. */
static void take_observer(const struct ctl *ctl, const struct pki_info *info, const json_t *answer,
                          struct cluster_contact *self)
{
    self->id = (uint32_t)json_integer_value(json_object_get(answer, "id"));
    text_copy(self->name, sizeof(self->name), ctl->operands[1]);
    memcpy(self->fingerprint, info->fingerprint, sizeof(self->fingerprint));
}

/* The new controller begins with the members that the leader told of, itself among them. */
static int make_bundle(const struct ctl *ctl, const struct cluster_files *own,
                       const struct pki_pair *pair, const struct pki_info *info,
                       const json_t *answer, int fd)
{
    struct cluster_files files = {.cluster = own->cluster,
                                  .joins = true,
                                  .is_witness = is_kind(ctl, "witness"),
                                  .is_observer = is_kind(ctl, "observer"),
                                  .ca_pem = own->ca_pem,
                                  .cert_pem = pair->cert_pem,
                                  .key_pem = pair->key_pem};
    const json_t *member;
    size_t i;
    json_array_foreach(json_object_get(answer, "members"), i, member)
    {
        struct cluster_contact contact = {0};
        bool is_new = strcmp(json_text(member, "name"), ctl->operands[1]) == 0;
        if (!take_member(member, &contact))
            continue;
        if (is_new)
            files.self = contact;
        else if (files.contact_count < CLUSTER_CONTACTS_MAX)
            files.contacts[files.contact_count++] = contact;
    }
    if (files.is_observer)
        take_observer(ctl, info, answer, &files.self);
    char *text = files.self.id == 0 ? NULL : cluster_bundle_text(&files);
    if (text == NULL) {
        out_error("the answer of ephord does not tell the id of %s", ctl->operands[1]);
        return CTL_FAILED;
    }
    int code = write_bundle(ctl, fd, text);
    pki_text_free(text);
    return code;
}

static int ask_to_add(const struct ctl *ctl, const struct cluster_files *own,
                      const struct pki_pair *pair, const char *address, int fd)
{
    char fingerprint[PKI_FINGERPRINT_TEXT_SIZE];
    struct pki_info info;
    struct errbuf e = {.text = ""};
    json_t *answer = NULL;
    if (pki_read(pair->cert_pem, &info, &e) != ERR_OK)
        return fail(&e);
    json_t *body =
        json_pack("{s:s, s:s, s:s}", "name", ctl->operands[1], "fingerprint",
                  pki_fingerprint_text(fingerprint, info.fingerprint), "kind", ctl->kind);
    if (address[0] != '\0')
        json_object_set_new(body, "address", json_string(address));
    int code = ctl_send(ctl, "/api/v1/cluster/add", body, &answer);
    if (code == CTL_OK)
        code = make_bundle(ctl, own, pair, &info, answer, fd);
    if (code == CTL_OK && ctl->out != NULL)
        printf("%s; its bundle is %s. Copy it there, and run: ephorctl cluster join %s\n",
               json_text(answer, "message"), ctl->out, ctl->out);
    json_decref(answer);
    return code;
}

/* An observer has none. False: it was said what is wrong. */
static bool take_address(const struct ctl *ctl, char address[CLUSTER_ADDRESS_SIZE])
{
    bool is_given = ctl->operand_count == 3;
    address[0] = '\0';
    if (is_kind(ctl, "observer")) {
        if (is_given)
            out_error("an observer has no address: it is the one that connects");
        return !is_given;
    }
    if (!is_given)
        out_error("usage: ephorctl cluster %s", ADD_SYNOPSIS);
    else if (!cluster_address(address, ctl->operands[2]))
        out_error("'%s' is no HOST or HOST:PORT", ctl->operands[2]);
    return address[0] != '\0';
}

static int cluster_add(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    struct cluster_files own;
    struct pki_pair pair;
    char address[CLUSTER_ADDRESS_SIZE];
    if (!take_address(ctl, address))
        return CTL_USAGE;
    if (ctl->out == NULL && isatty(STDOUT_FILENO)) {
        out_error("the bundle holds a private key and is not for a terminal: redirect the output "
                  "or name a file with --out");
        return CTL_USAGE;
    }
    int err = cluster_files_read(cluster_dir(ctl), &own, &e);
    if (err != ERR_OK) {
        out_error("%s%s", e.text, err == ERR_NOT_FOUND ? ": run ephorctl cluster init first" : "");
        return CTL_FAILED;
    }
    int code = CTL_FAILED;
    int fd = open_out(ctl);
    if (cluster_files_issue(cluster_dir(ctl), ctl->operands[1], &pair, &e) != ERR_OK)
        fail(&e);
    else if (fd >= 0)
        code = ask_to_add(ctl, &own, &pair, address, fd);
    if (code != CTL_OK && fd >= 0 && ctl->out != NULL)
        unlink(ctl->out);
    pki_pair_close(&pair);
    cluster_files_close(&own);
    return code;
}

/* ---------------------------------------------------------------- the verbs */

static const struct verb {
    const char *name, *synopsis;
    int operands_min, operands_max;
    int (*run)(const struct ctl *ctl);
} verbs[] = {
    {"status", "status [--consistent]", 0, 0, show_cluster},
    {"init", "init NAME ADDRESS [--dir DIR]", 2, 2, cluster_init},
    {"add", ADD_SYNOPSIS, 1, 2, cluster_add},
    {"join", "join FILE|- [--dir DIR] [--state-dir DIR]", 1, 1, cluster_join},
    {"promote", "promote NAME", 1, 1, ask_cluster_promote},
    {"remove", "remove NAME [--yes]", 1, 1, ask_cluster_remove},
    {"transfer", "transfer [NAME]", 0, 1, ask_cluster_transfer},
    {"renew", "renew [--ca-key FILE|-] [--days N] [--new-ca] [--dir DIR]", 0, 0, cluster_renew},
    {"trust", "trust FILE|- | --drop-old [--yes] [--dir DIR]", 0, 1, cluster_trust},
    {"log", "log [-n ENTRIES] [--state-dir DIR]", 0, 0, show_cluster_log},
    {"backup", "backup FILE [--state-dir DIR]", 1, 1, cluster_backup},
    {"restore", "restore FILE [--state-dir DIR]", 1, 1, cluster_restore},
    {"recover", "recover [--state-dir DIR] [--yes]", 0, 0, cluster_recover},
};

int run_cluster(const struct ctl *ctl)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *verb = &verbs[i];
        int operands = ctl->operand_count - 1;
        if (strcmp(verb->name, ctl->operands[0]) != 0)
            continue;
        bool may_be_so = !ctl->is_consistent || verb->run == show_cluster;
        if (operands >= verb->operands_min && operands <= verb->operands_max && may_be_so)
            return verb->run(ctl);
        out_error("usage: ephorctl cluster %s", verb->synopsis);
        return CTL_USAGE;
    }
    out_error("there is no 'cluster %s'; there are:", ctl->operands[0]);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        fprintf(stderr, "  ephorctl cluster %s\n", verbs[i].synopsis);
    return CTL_USAGE;
}
