/* Files of this machine that a configuration names: plugins, SSH keys, CA certificates. They are
 * looked at when it is read, so that a wrong name is told with its line and not by the first check
 * or order that needs it. Not done with CONF_ELSEWHERE. */
#include "orchestrator/supervisor/conf_rules.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- plugins */

static int look_at_program(const char *path, struct errbuf *e)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return err_set(e, ERR_INVALID, "%s is not a file", path);
    if ((status.st_mode & 0111) == 0)
        return err_set(e, ERR_DENIED, "%s is not executable; run: chmod +x %s", path, path);
    return ERR_OK;
}

const char *conf_plugin_path(const struct conf_doc *doc, const struct conf_value *command,
                             unsigned flags, struct errbuf *e)
{
    const struct conf_value *program = command->first;
    struct conf_scope scope = conf_scope_top(doc, "plugins");
    const struct conf_value *directories = conf_setting(&scope, "path");
    bool is_elsewhere = (flags & CONF_ELSEWHERE) != 0;
    if (strchr(program->text, '/') != NULL) {
        const char *path = conf_value_absolute(doc->arena, program);
        return is_elsewhere || look_at_program(path, e) == ERR_OK ? path : NULL;
    }
    err_set(e, ERR_NOT_FOUND, "'%.80s' is in none of the directories of plugins.path",
            program->text);
    CONF_EACH_TEXT(directory, directories)
    {
        const char *path = conf_arena_format(
            doc->arena, "%s/%s", conf_value_absolute(doc->arena, directory), program->text);
        struct errbuf found;
        int err = is_elsewhere ? ERR_OK : look_at_program(path, &found);
        if (err == ERR_OK)
            return path;
        if (err != ERR_NOT_FOUND) /* it is there, but cannot be it */
            *e = found;
    }
    return NULL;
}

/* ---------------------------------------------------------------- keys */

/* What is wrong with the file; NULL: nothing. Nothing is said where this user may not look. */
static const char *key_flaw(const char *path, char text[256])
{
    struct stat status;
    int known = stat(path, &status);
    if (known != 0 && errno == EACCES)
        return NULL;
    if (known != 0)
        text_format(text, 256, "%s; make one with: ssh-keygen -t ed25519 -N '' -f FILE",
                    strerror(errno));
    else if (!S_ISREG(status.st_mode))
        text_format(text, 256, "is not a file");
    else if ((status.st_mode & 077) != 0)
        text_format(text, 256, "others may read it (mode %04o); run: chmod 600 FILE",
                    (unsigned)status.st_mode & 07777U);
    else
        return NULL;
    return text;
}

static const char *hosts_flaw(const char *path, char text[256])
{
    struct stat status;
    int known = stat(path, &status);
    if (known == 0 ? S_ISREG(status.st_mode) : errno == EACCES)
        return NULL;
    text_format(text, 256, "%s; make it with: ssh-keyscan NODE >> FILE, and compare the keys",
                known == 0 ? "is not a file" : strerror(errno));
    return text;
}

/* Told at the setting, or at the node where it has its default. */
static void check_path(struct conf_issues *issues, struct conf_scope *scope,
                       struct conf_value *node, const char *name,
                       const char *(*flaw_of)(const char *, char text[256]))
{
    char text[256];
    struct conf_value *value = conf_setting(scope, name);
    if (value == NULL)
        return;
    const char *path = conf_value_absolute(scope->doc->arena, value);
    const char *flaw = flaw_of(path, text);
    if (flaw == NULL)
        return;
    if (value->file != NULL)
        conf_issue(issues, value, NULL, "%.200s: %s", path, flaw);
    else
        conf_issue(issues, node, conf_arena_format(scope->doc->arena, "ssh.%s", name), "%.200s: %s",
                   path, flaw);
}

static void check_keys(struct conf_issues *issues, struct conf_doc *doc)
{
    const struct conf_value *nodes = conf_doc_map(doc, "nodes");
    bool is_key_seen = false, are_hosts_seen = false; /* those of all nodes */
    CONF_EACH_GROUP(node, nodes)
    {
        struct conf_scope scope = conf_scope_ssh(doc, node);
        bool has_key = conf_value_child(scope.own, "key") != NULL;
        bool has_hosts = conf_value_child(scope.own, "known_hosts") != NULL;
        if (conf_node_is_local(doc, node))
            continue;
        if (has_key || !is_key_seen)
            check_path(issues, &scope, node, "key", key_flaw);
        if (has_hosts || !are_hosts_seen)
            check_path(issues, &scope, node, "known_hosts", hosts_flaw);
        is_key_seen = is_key_seen || !has_key;
        are_hosts_seen = are_hosts_seen || !has_hosts;
    }
}

/* ---------------------------------------------------------------- certificates */

static void check_ca(struct conf_issues *issues, struct conf_doc *doc,
                     const struct conf_value *group)
{
    struct stat status;
    struct conf_value *value = conf_value_child(group, "tls_ca");
    if (value == NULL || value->is_bad || value->kind != CONF_STRING || value->text[0] == '\0')
        return;
    const char *path = conf_value_absolute(doc->arena, value);
    if (stat(path, &status) != 0 && errno != EACCES)
        conf_issue(issues, value, NULL, "%.200s: %s", path, strerror(errno));
}

void conf_rules_files(struct conf_issues *issues, struct conf_doc *doc)
{
    const struct conf_value *checks = conf_doc_map(doc, "checks");
    check_keys(issues, doc);
    check_ca(issues, doc, conf_value_child(conf_value_child(doc->root, "defaults"), "check"));
    CONF_EACH_GROUP(check, checks)
    check_ca(issues, doc, check);
}
