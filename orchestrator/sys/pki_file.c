/* Files of PEM text. A file is written beside its name, synced, then linked (never replaces) or
 * renamed (replaces) to it. */
#include "orchestrator/sys/pki_file.h"

#include "orchestrator/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path, const char *what, struct errbuf *e)
{
    int errno_value = errno;
    return err_set(e, err_from_errno(errno_value), "%s '%s': %s", what, path,
                   strerror(errno_value));
}

static bool write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

/* Make the new name of a file survive a crash. */
static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    text_copy(folder, sizeof(folder), path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        text_copy(folder, sizeof(folder), ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool replaces(enum pki_file kind)
{
    return kind == PKI_FILE_RENEWED || kind == PKI_FILE_RENEWED_SECRET;
}

static int put_in_place(const char *temporary, const char *path, enum pki_file kind,
                        struct errbuf *e)
{
    bool ok = replaces(kind) ? rename(temporary, path) == 0 : link(temporary, path) == 0;
    if (ok)
        sync_folder_of(path);
    else if (errno == EEXIST)
        return err_set(e, ERR_EXISTS,
                       "'%s' exists already and is not overwritten: move it away first", path);
    else
        return fail(path, "cannot create", e);
    return ERR_OK;
}

int pki_file_write(const char *path, enum pki_file kind, const char *text, struct errbuf *e)
{
    char temporary[PATH_MAX];
    if (!text_format(temporary, sizeof(temporary), "%s.XXXXXX", path))
        return err_set(e, ERR_INVALID, "path '%.80s...' is too long", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail(path, "cannot create", e);
    int err = ERR_OK;
    bool is_secret = kind == PKI_FILE_SECRET || kind == PKI_FILE_RENEWED_SECRET;
    if (fchmod(fd, is_secret ? 0600 : 0644) != 0 || !write_all(fd, text) || fsync(fd) != 0)
        err = fail(path, "cannot write", e);
    close(fd);
    if (err == ERR_OK)
        err = put_in_place(temporary, path, kind, e);
    if (err != ERR_OK || !replaces(kind))
        unlink(temporary);
    return err;
}

char *pki_file_read(const char *path, struct errbuf *e)
{
    char *text = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    if (fd < 0) {
        fail(path, "cannot open", e);
        return NULL;
    }
    if (fstat(fd, &st) != 0)
        fail(path, "cannot read", e);
    else if (!S_ISREG(st.st_mode))
        err_set(e, ERR_INVALID, "'%s' is not a regular file", path);
    else if (st.st_size > PKI_PEM_MAX)
        err_set(e, ERR_LIMIT, "'%s' is larger than %d bytes", path, PKI_PEM_MAX);
    else
        text = calloc(1, (size_t)st.st_size + 1);
    if (text != NULL && read(fd, text, (size_t)st.st_size) != st.st_size) {
        fail(path, "cannot read", e);
        pki_text_free(text);
        text = NULL;
    }
    close(fd);
    return text;
}

int pki_file_is_secret(const char *path, struct errbuf *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(path, "cannot open", e);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(e, ERR_DENIED,
                       "'%s' is open to its group or to others (mode %04o): chmod 600 '%s'", path,
                       (unsigned)(st.st_mode & 07777), path);
    return ERR_OK;
}

int pki_fingerprint_of_cert(const char *path, uint8_t fingerprint[PKI_FINGERPRINT_SIZE],
                            struct errbuf *e)
{
    struct pki_info info;
    char *pem = pki_file_read(path, e);
    if (pem == NULL)
        return ERR_IO;
    int err = pki_read(pem, &info, e);
    pki_text_free(pem);
    if (err != ERR_OK)
        err_wrap(e, "%s", path);
    else
        memcpy(fingerprint, info.fingerprint, PKI_FINGERPRINT_SIZE);
    return err;
}
