#include "orchestrator/quorum/contacts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTACTS_MAX_BYTES = 64 * 1024 }; /* of a dozen controllers, each with less than 1 KiB */

static bool path_of(char path[PATH_MAX], const char *state_dir, const char *name)
{
    return text_format(path, PATH_MAX, "%s/%s", state_dir, name);
}

static Ephor__Membership *parse(const uint8_t *bytes, size_t size, uint64_t cluster)
{
    Ephor__Membership *m = ephor__membership__unpack(NULL, size, bytes);
    if (m != NULL && m->cluster == cluster && m->n_members > 0)
        return m;
    if (m != NULL)
        ephor__membership__free_unpacked(m, NULL);
    return NULL;
}

Ephor__Membership *contacts_load(const char *state_dir, uint64_t cluster)
{
    char path[PATH_MAX];
    Ephor__Membership *members = NULL;
    int fd = path_of(path, state_dir, "controllers")
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
                 : -1;
    if (fd < 0)
        return NULL;
    uint8_t *bytes = malloc(CONTACTS_MAX_BYTES);
    PRE(bytes != NULL);
    ssize_t size = read(fd, bytes, CONTACTS_MAX_BYTES);
    if (size > 0)
        members = parse(bytes, (size_t)size, cluster);
    if (members == NULL)
        log_warning("contacts",
                    "%s does not tell of controllers of this cluster: those of the "
                    "cluster directory are tried",
                    path);
    free(bytes);
    close(fd);
    return members;
}

/* A new file, on the disk before it takes the old one's place. */
static bool write_file(const char *path, const char *fresh, const uint8_t *bytes, size_t size)
{
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool ok = write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0;
    close(fd);
    return ok && rename(fresh, path) == 0;
}

void contacts_save(const char *state_dir, const Ephor__Membership *members)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    size_t size = ephor__membership__get_packed_size(members);
    if (size > CONTACTS_MAX_BYTES || !path_of(path, state_dir, "controllers") ||
        !path_of(fresh, state_dir, "controllers.new"))
        return;
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__membership__pack(members, bytes);
    if (!write_file(path, fresh, bytes, size))
        log_warning("contacts",
                    "write %s: %s; after a restart the controllers of the cluster "
                    "directory are tried",
                    path, strerror(errno));
    free(bytes);
}
