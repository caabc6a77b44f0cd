/* ephorctl cluster renew: a new certificate, without the daemon, on any controller. */
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

static void tell_renewed(const struct pki_info *info)
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
}

int cluster_renew(const struct ctl *ctl)
{
    struct errbuf e = {.text = ""};
    struct cluster_renewal how = {.days = ctl->days};
    struct pki_info info;
    char *key = NULL;
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
        tell_renewed(&info);
    return err == ERR_OK ? CTL_OK : CTL_FAILED;
}
