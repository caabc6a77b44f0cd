/* A disk that fails on demand. Linked into a test program, it takes the place of the calls with
 * which SQLite writes and syncs; only write-ahead logs (log.db-wal) are touched. */
#ifndef TOOLS_ENGINE_DISK_FAULTS_H
#define TOOLS_ENGINE_DISK_FAULTS_H

enum disk_fault {
    DISK_WORKS,
    DISK_WRITE_EIO,
    DISK_WRITE_ENOSPC,
    DISK_SYNC_EIO_ONCE, /* then it works again by itself */
    DISK_SYNC_EIO,
};

void disk_fault_set(enum disk_fault fault);

/* How many calls have failed since the program began. */
int disk_fault_count(void);

#endif
