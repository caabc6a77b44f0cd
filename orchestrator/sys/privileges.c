/* Dropping privileges with libcap-ng. The order matters: descriptors, then capabilities with the
 * change of user, then no-new-privileges; the death signal last, since a change of user clears it.
 */
#include "orchestrator/sys/privileges.h"

#include "orchestrator/base/text.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int privileges_find_user(const char *user, uid_t *uid, gid_t *gid, struct errbuf *e)
{
    int64_t number;
    if (text_parse_int(user, 0, INT32_MAX, &number)) {
        *uid = (uid_t)number;
        *gid = (gid_t)number;
        return ERR_OK;
    }
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL)
        return err_set(e, ERR_NOT_FOUND,
                       "there is no user '%s'; create it with 'useradd --system %s' or set "
                       "local.user",
                       user, user);
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return ERR_OK;
}

int privileges_find_group(const char *group, gid_t *gid, struct errbuf *e)
{
    int64_t number;
    if (text_parse_int(group, 0, INT32_MAX, &number)) {
        *gid = (gid_t)number;
        return ERR_OK;
    }
    const struct group *entry = getgrnam(group);
    if (entry == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no group '%s'", group);
    *gid = entry->gr_gid;
    return ERR_OK;
}

static int change_user(Ephor__Role role, const char *user, struct errbuf *e)
{
    uid_t uid;
    gid_t gid;
    int err = privileges_find_user(user, &uid, &gid, e);
    if (err != ERR_OK)
        return err;
    capng_clear(CAPNG_SELECT_ALL);
    if (role == EPHOR__ROLE__CHECKER && capng_have_capability(CAPNG_BOUNDING_SET, CAP_NET_RAW) >= 0)
        capng_update(CAPNG_ADD,
                     (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
                                    CAPNG_BOUNDING_SET | CAPNG_AMBIENT),
                     CAP_NET_RAW);
    /* the bounding set while CAP_SETPCAP is still there, ambient after the change of user */
    if (capng_apply(CAPNG_SELECT_BOUNDS) != 0 ||
        capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP) != 0)
        return err_set(e, ERR_DENIED, "cannot become user '%s': %s", user, strerror(errno));
    if (role == EPHOR__ROLE__CHECKER)
        capng_apply(CAPNG_SELECT_AMBIENT); /* plugins inherit it: ping works without setuid */
    return ERR_OK;
}

int privileges_drop(Ephor__Role role, const char *user, int keep_fd, struct errbuf *e)
{
    close_range((unsigned)keep_fd + 1, ~0U, 0);
    if (geteuid() == 0 && user[0] != '\0') {
        int err = change_user(role, user, e);
        if (err != ERR_OK)
            return err;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(e, ERR_DENIED, "cannot give up new privileges: %s", strerror(errno));
#ifdef __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the leak checker traces its own process */
#else
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* keys in memory */
#endif
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return ERR_OK;
}
