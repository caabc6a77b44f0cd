/* A disk that fails while a file exists: then writes and syncs of whatever is called *log.db* in a
 * folder fail with EIO. Loaded into a controller of the lab with
 *
 *   LD_PRELOAD=.../eio.so EIO_IN=/that/folder EIO_WHILE=/path/of/the/file
 *
 * In front of a sanitizer's library it needs ASAN_OPTIONS=verify_asan_link_order=0; the call goes
 * on to the sanitizer, and from there to the C library. Never sanitized itself: it is also loaded
 * into the shell that starts ephord. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_in(int fd, const char *folder)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    const char *name = strrchr(path, '/');
    return name != NULL && strstr(name, "log.db") != NULL &&
           (size_t)(name - path) == strlen(folder) &&
           strncmp(path, folder, (size_t)(name - path)) == 0;
}

static bool fails(int fd)
{
    const char *folder = getenv("EIO_IN"), *file = getenv("EIO_WHILE");
    int before = errno;
    bool is_bad = folder != NULL && file != NULL && access(file, F_OK) == 0 && is_in(fd, folder);
    errno = is_bad ? EIO : before;
    return is_bad;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    *(void **)&next = dlsym(RTLD_NEXT, "pwrite");
    return fails(fd) ? -1 : next(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off64_t);
    *(void **)&next = dlsym(RTLD_NEXT, "pwrite64");
    return fails(fd) ? -1 : next(fd, bytes, size, offset);
}

int fdatasync(int fd)
{
    int (*next)(int);
    *(void **)&next = dlsym(RTLD_NEXT, "fdatasync");
    return fails(fd) ? -1 : next(fd);
}

int fsync(int fd)
{
    int (*next)(int);
    *(void **)&next = dlsym(RTLD_NEXT, "fsync");
    return fails(fd) ? -1 : next(fd);
}
