/* Interposed pwrite64 and fdatasync: the program's own symbols come before the C library's, also
 * for the SQLite library. A failed sync leaves the written data in the file, as a real one may. */
#include "tests/tools/engine_disk_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset);
int fdatasync(int fd);

static atomic_int fault_now;
static atomic_int fault_count;

void disk_fault_set(enum disk_fault fault)
{
    atomic_store(&fault_now, (int)fault);
}

int disk_fault_count(void)
{
    return atomic_load(&fault_count);
}

static bool is_wal(int fd)
{
    char link[64];
    char path[1024];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    const char *end = strrchr(path, '/');
    return end != NULL && strcmp(end, "/log.db-wal") == 0;
}

static int fail(int errno_value)
{
    atomic_fetch_add(&fault_count, 1);
    errno = errno_value;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    int fault = atomic_load(&fault_now);
    if (fault == DISK_WRITE_EIO && is_wal(fd))
        return fail(EIO);
    if (fault == DISK_WRITE_ENOSPC && is_wal(fd))
        return fail(ENOSPC);
    return real(fd, bytes, size, offset);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    int fault = atomic_load(&fault_now);
    if ((fault == DISK_SYNC_EIO || fault == DISK_SYNC_EIO_ONCE) && is_wal(fd)) {
        if (fault == DISK_SYNC_EIO_ONCE)
            atomic_store(&fault_now, DISK_WORKS);
        return fail(EIO);
    }
    return real(fd);
}
