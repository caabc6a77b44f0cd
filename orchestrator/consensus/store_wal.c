/* A look at SQLite's write-ahead log, and its size. Only fixed-size reads; never writes over what
 * is there. Called by store_file.c only. */
#include "orchestrator/consensus/store_wal.h"

#include "orchestrator/consensus/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 32,
    FRAME_HEADER_SIZE = 24,
    PAGE_MAX = 65536,
    PAGE_SIZE = 4096, /* SQLite's default, which log.db has */
    MAGIC = 0x377f0682,
    SPARE_PAGES = 64, /* the commit that reaches STORE_WAL_PAGES may be large */
    CHUNK_SIZE = 64 << 10,
    ROOM_FACTOR = 8, /* a file system with less free than that many times the size is left alone */
};

struct wal {
    int fd;
    uint32_t page_size;
    bool is_big_endian; /* the words of the checksums */
    uint8_t salt[8];
    uint8_t frame[FRAME_HEADER_SIZE + PAGE_MAX];
};

static uint32_t word_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static uint32_t summed_word(const struct wal *wal, const uint8_t *p)
{
    return wal->is_big_endian ? word_at(p) : __builtin_bswap32(word_at(p));
}

/* The checksum of a frame or header goes on from the one before it. */
static void add_sum(const struct wal *wal, uint32_t sum[2], const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        sum[0] += summed_word(wal, bytes + i) + sum[1];
        sum[1] += summed_word(wal, bytes + i + 4) + sum[0];
    }
}

static void read_sum(uint32_t sum[2], const uint8_t *p)
{
    sum[0] = word_at(p);
    sum[1] = word_at(p + 4);
}

static bool read_at(const struct wal *wal, uint64_t offset, void *bytes, size_t size)
{
    return pread(wal->fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static uint64_t frame_offset(const struct wal *wal, uint64_t number)
{
    return HEADER_SIZE + number * (FRAME_HEADER_SIZE + (uint64_t)wal->page_size);
}

/* The frame belongs to what was written since the log began anew. */
static bool is_present(const struct wal *wal)
{
    return memcmp(wal->frame + 8, wal->salt, sizeof(wal->salt)) == 0;
}

static bool is_commit(const struct wal *wal)
{
    return word_at(wal->frame + 4) != 0;
}

static bool read_frame(struct wal *wal, uint64_t number)
{
    return read_at(wal, frame_offset(wal, number), wal->frame, FRAME_HEADER_SIZE + wal->page_size);
}

/* The frame goes on where the one with the sum `before` ended. */
static bool is_next(const struct wal *wal, const uint32_t before[2], uint32_t sum[2])
{
    uint32_t stored[2];
    memcpy(sum, before, 2 * sizeof(*sum));
    add_sum(wal, sum, wal->frame, 8);
    add_sum(wal, sum, wal->frame + FRAME_HEADER_SIZE, wal->page_size);
    read_sum(stored, wal->frame + 16);
    return is_present(wal) && memcmp(sum, stored, sizeof(stored)) == 0;
}

/* Do two commits that belong together lie behind the frames that SQLite reads? What a failed
 * commit left behind lies there, too, but alone. `sum` is that of the last frame read. */
static bool has_unread_commits(struct wal *wal, uint64_t number, const uint32_t sum[2])
{
    uint32_t right[2] = {sum[0], sum[1]}; /* of the first unread frame, whatever it says itself */
    uint32_t stored[2] = {0, 0};          /* as the frame before says */
    uint32_t unused[2];
    unsigned commits = 0;
    for (uint64_t n = number; read_frame(wal, n); n++) {
        if (n == number)
            is_next(wal, sum, right);
        else if (!is_next(wal, stored, unused) && !(n == number + 1 && is_next(wal, right, unused)))
            commits = 0; /* not of one piece with those before */
        if (is_commit(wal) && (n == number || is_present(wal)) && ++commits == 2)
            return true;
        read_sum(stored, wal->frame + 16);
    }
    return false;
}

/* The header is synced before the first frame and fits into a sector: it is never torn. */
static int read_header(struct wal *wal, const char *path, bool *is_empty, uint32_t sum[2],
                       struct errbuf *e)
{
    uint8_t header[HEADER_SIZE];
    uint32_t stored[2];
    *is_empty = !read_at(wal, 0, header, sizeof(header));
    if (*is_empty)
        return ERR_OK;
    if (is_zero(header, sizeof(header))) {
        *is_empty = !read_at(wal, HEADER_SIZE, wal->frame, FRAME_HEADER_SIZE) ||
                    is_zero(wal->frame, FRAME_HEADER_SIZE);
        if (*is_empty)
            return ERR_OK;
    }
    wal->is_big_endian = (header[3] & 1) != 0;
    wal->page_size = word_at(header + 8);
    memcpy(wal->salt, header + 16, sizeof(wal->salt));
    add_sum(wal, sum, header, 24);
    read_sum(stored, header + 24);
    bool is_right = (word_at(header) & ~1U) == MAGIC && memcmp(sum, stored, sizeof(stored)) == 0 &&
                    wal->page_size >= 512 && wal->page_size <= PAGE_MAX;
    return is_right ? ERR_OK
                    : err_set(e, ERR_CORRUPT,
                              "the beginning of %s is damaged: " STORE_DAMAGE_ADVICE, path);
}

static int check_frames(struct wal *wal, const char *path, struct errbuf *e)
{
    bool is_empty;
    uint32_t sum[2] = {0, 0};
    uint32_t next[2];
    uint64_t number = 0;
    int err = read_header(wal, path, &is_empty, sum, e);
    if (err != ERR_OK || is_empty)
        return err;
    for (; read_frame(wal, number) && is_next(wal, sum, next); number++)
        memcpy(sum, next, sizeof(sum));
    if (!has_unread_commits(wal, number, sum))
        return ERR_OK; /* the end, or a commit that was torn by a crash */
    return err_set(
        e, ERR_CORRUPT,
        "%s is damaged at byte %lu, before commits that were durable: " STORE_DAMAGE_ADVICE, path,
        (unsigned long)frame_offset(wal, number));
}

int store_wal_check(const char *path, struct errbuf *e)
{
    struct wal *wal = calloc(1, sizeof(*wal));
    if (wal == NULL)
        return err_set(e, ERR_NOMEM, "open %s: out of memory", path);
    wal->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int err = ERR_OK;
    if (wal->fd >= 0) {
        err = check_frames(wal, path, e);
        close(wal->fd);
    } else if (errno != ENOENT) {
        err = err_set(e, err_from_errno(errno), "open %s: %s", path, strerror(errno));
    }
    free(wal);
    return err;
}

static bool fill(int fd, off_t from, off_t to)
{
    static const uint8_t zeros[CHUNK_SIZE];
    while (from < to) {
        size_t size = to - from < CHUNK_SIZE ? (size_t)(to - from) : CHUNK_SIZE;
        ssize_t n = pwrite(fd, zeros, size, from);
        if (n <= 0)
            return false;
        from += n;
    }
    return fdatasync(fd) == 0;
}

void store_wal_extend(const char *path)
{
    const off_t want =
        HEADER_SIZE + (off_t)(STORE_WAL_PAGES + SPARE_PAGES) * (FRAME_HEADER_SIZE + PAGE_SIZE);
    struct statvfs room;
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size < want && fstatvfs(fd, &room) == 0 &&
        room.f_bavail * room.f_frsize / ROOM_FACTOR > (uint64_t)want &&
        !fill(fd, st.st_size, want) && ftruncate(fd, st.st_size) != 0)
        (void)0; /* zeros at the end do no harm */
    close(fd);
}
