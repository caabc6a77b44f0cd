/* ephorctl cluster renew and trust: certificates and CAs that end. All of it works without the
 * daemon, and on any controller; only before an old CA is dropped the daemon is asked whether
 * anybody still needs it. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/sys/cluster_files.h"
#include "orchestrator/sys/now.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400 };

static int fail(const struct errbuf *e)
{
    out_error("%s", e->text);
    return CTL_FAILED;
}

char *ctl_read_file(const char *path, struct errbuf *e)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = calloc(1, PKI_PEM_MAX + 1);
    if (file == NULL || text == NULL) {
        err_set(e, ERR_IO, "open %s: %s", path, strerror(errno));
        pki_text_free(text);
        return NULL;
    }
    size_t size = fread(text, 1, PKI_PEM_MAX, file);
    bool is_whole = !ferror(file) && size < PKI_PEM_MAX;
    if (file != stdin)
        fclose(file);
    if (is_whole && size > 0)
        return text;
    err_set(e, ERR_LIMIT, is_whole ? "%s is empty" : "%s cannot be read, or is too long", path);
    pki_text_free(text);
    return NULL;
}

/* ---------------------------------------------------------------- renew */

static int make_ca(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    const char *dir = cluster_dir(ctl);
    if (ctl->ca_key != NULL || ctl->days != 0) {
        out_error("--new-ca makes a CA and no certificate: no --ca-key, no --days");
        return CTL_USAGE;
    }
    if (cluster_files_new_ca(dir, &e) != ERR_OK)
        return fail(&e);
    printf("%s/ca.key is the key of a new CA, and ca.crt trusts it beside the old one.\n"
           "Nothing uses it yet. Next, with a reload of ephord (systemctl reload ephor) after\n"
           "each command, one controller after the other, and no step before the one above is\n"
           "done on all of them:\n"
           "  1. on each other controller:  ephorctl cluster trust FILE   (this ca.crt)\n"
           "  2. on each controller:        ephorctl cluster renew        (--ca-key elsewhere)\n"
           "  3. on each controller:        ephorctl cluster trust --drop-old\n",
           dir);
    return CTL_OK;
}

static void tell_renewed(const struct ctl *ctl, const struct pki_info *info)
{
    char date[32] = "?";
    struct tm tm;
    time_t at = (time_t)info->expires_wall_s;
    int64_t days = (info->expires_wall_s - now_wall_ms() / 1000) / DAY_S;
    if (gmtime_r(&at, &tm) != NULL)
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    printf("The certificate of %s is renewed, for the same key: it ends on %s, in %lld days.\n"
           "ephord takes it up at a reload: systemctl reload ephor, or SIGHUP.\n",
           info->name, date, (long long)days);
    if (ctl->days == 0 && days < PKI_WARN_DAYS)
        puts("That is when the CA itself ends. Make a new one: ephorctl cluster renew --new-ca");
}

int cluster_renew(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    struct cluster_renewal how = {.days = ctl->days};
    struct pki_info info;
    char *key = NULL;
    if (ctl->wants_new_ca)
        return make_ca(ctl);
    if (ctl->ca_key != NULL && (key = ctl_read_file(ctl->ca_key, &e)) == NULL)
        return fail(&e);
    how.ca_key_pem = key;
    int err = cluster_files_renew(cluster_dir(ctl), &how, &info, &e);
    pki_text_free(key);
    if (err == ERR_NOT_FOUND && ctl->ca_key == NULL)
        out_error("%s; name a copy of it with --ca-key FILE, or send it: ssh THERE cat "
                  "/etc/ephor/cluster/ca.key | ephorctl cluster renew --ca-key -",
                  e.text);
    else if (err != ERR_OK)
        fail(&e);
    else
        tell_renewed(ctl, &info);
    return err == ERR_OK ? CTL_OK : CTL_FAILED;
}

/* ---------------------------------------------------------------- trust */

/* Everybody's certificate, as this controller saw it last, is of the CA that will be left. */
static int ask_who_needs_old(const struct ctl *ctl, const struct pki_info *newest)
{
    char ca[PKI_FINGERPRINT_TEXT_SIZE];
    json_t *cluster;
    const json_t *member;
    size_t i;
    int code = ctl_get(ctl, "/api/v1/cluster", &cluster);
    if (code != CTL_OK) {
        out_error("so nobody knows whether all controllers have certificates of the newest CA; "
                  "with --yes the old ones are dropped all the same");
        return code;
    }
    pki_fingerprint_text(ca, newest->fingerprint);
    if (json_array_size(json_object_get(cluster, "members")) == 0) {
        out_error("ephord does not know the members of the cluster at present; with --yes the old "
                  "CAs are dropped all the same");
        code = CTL_REFUSED;
    }
    json_array_foreach(json_object_get(cluster, "members"), i, member)
    {
        const char *theirs = json_text(json_object_get(member, "certificate"), "ca");
        if (strcmp(theirs, ca) == 0)
            continue;
        out_error("%s %s: renew it, and reload its ephord; with --yes the old CAs are dropped all "
                  "the same",
                  json_text(member, "name"),
                  theirs[0] == '\0' ? "has not shown its certificate to this controller"
                                    : "still has a certificate of another CA");
        code = CTL_REFUSED;
    }
    json_decref(cluster);
    return code;
}

static int drop_old(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    struct pki_info newest;
    const char *dir = cluster_dir(ctl);
    int err = cluster_files_newest_ca(dir, &newest, &e);
    if (err == ERR_REFUSED) {
        out_error("%s: renew this controller's first (ephorctl cluster renew)", e.text);
        return CTL_REFUSED;
    }
    if (err != ERR_OK)
        return fail(&e);
    int code = ctl->says_yes ? CTL_OK : ask_who_needs_old(ctl, &newest);
    if (code != CTL_OK)
        return code;
    if (cluster_files_drop_old(dir, &e) != ERR_OK)
        return fail(&e);
    printf("%s/ca.crt trusts the newest CA only; a reload of ephord puts it to use.\n", dir);
    return CTL_OK;
}

int cluster_trust(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    bool has_file = ctl->operand_count > 1;
    if (has_file == ctl->drops_old) {
        out_error("usage: ephorctl cluster trust FILE|- or --drop-old");
        return CTL_USAGE;
    }
    if (ctl->drops_old)
        return drop_old(ctl);
    char *text = ctl_read_file(ctl->operands[1], &e);
    if (text == NULL)
        return fail(&e);
    int err = cluster_files_trust(cluster_dir(ctl), text, &e);
    pki_text_free(text);
    if (err != ERR_OK) {
        err_wrap(&e, "%s", ctl->operands[1]);
        return fail(&e);
    }
    printf("%s/ca.crt trusts the CAs of %s, too; a reload of ephord puts it to use.\n",
           cluster_dir(ctl), ctl->operands[1]);
    return CTL_OK;
}
