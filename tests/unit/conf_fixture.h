/* For the tests of the configuration: load a file or a text, and compare what comes out. */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include "orchestrator/supervisor/conf.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLES TEST_SRCDIR "/etc/samples/"
#define CORPUS TEST_SRCDIR "/tests/conf/"

enum { OUTPUT_MAX = 64 << 20 };

struct conf_test {
    char directory[64]; /* own, temporary */
    char path[128];
    struct conf *conf;
    struct conf_report report;
};

static inline void conf_test_init(struct conf_test *t)
{
    memset(t, 0, sizeof(*t));
    snprintf(t->directory, sizeof(t->directory), "/tmp/test_conf.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t->directory));
    conf_report_init(&t->report);
}

static inline int conf_test_remove(const char *path, const struct stat *status, int kind,
                                   struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static inline void conf_test_close(struct conf_test *t)
{
    conf_free(t->conf);
    conf_report_close(&t->report);
    ck_assert_int_eq(nftw(t->directory, conf_test_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A file in the test's directory; its path stays valid until the next call. */
static inline const char *conf_test_write(struct conf_test *t, const char *name, const void *text,
                                          size_t size, mode_t mode)
{
    snprintf(t->path, sizeof(t->path), "%s/%s", t->directory, name);
    FILE *file = fopen(t->path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(t->path, mode), 0);
    return t->path;
}

static inline int conf_test_load(struct conf_test *t, const char *path, unsigned flags)
{
    conf_free(t->conf);
    buf_clear(&t->report.errors);
    buf_clear(&t->report.warnings);
    t->report.error_count = t->report.warning_count = 0;
    return conf_load_flags(path, flags, &t->conf, &t->report);
}

static inline int conf_test_load_text(struct conf_test *t, const char *text, unsigned flags)
{
    return conf_test_load(t, conf_test_write(t, "t.conf", text, strlen(text), 0600), flags);
}

/* It must load, and without a warning. */
static inline void conf_test_must_load(struct conf_test *t, const char *path)
{
    conf_test_load(t, path, CONF_ELSEWHERE);
    ck_assert_str_eq(buf_string(&t->report.errors), "");
    ck_assert_str_eq(buf_string(&t->report.warnings), "");
    ck_assert_ptr_nonnull(t->conf);
}

static inline void conf_test_must_load_text(struct conf_test *t, const char *text)
{
    conf_test_must_load(t, conf_test_write(t, "t.conf", text, strlen(text), 0600));
}

/* The policy's bytes; the caller frees. */
static inline uint8_t *conf_test_pack(const struct conf *conf, size_t *size)
{
    *size = ephor__policy__get_packed_size(conf_policy(conf));
    uint8_t *bytes = malloc(*size + 1);
    ck_assert_ptr_nonnull(bytes);
    ephor__policy__pack(conf_policy(conf), bytes);
    return bytes;
}

/* The whole file; the caller closes. */
static inline void conf_test_read(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "r");
    buf_init(content, OUTPUT_MAX);
    ck_assert_msg(file != NULL, "cannot open %s", path);
    for (size_t n = 1; n > 0;) {
        char *room = buf_reserve(content, 4096);
        ck_assert_ptr_nonnull(room);
        n = fread(room, 1, 4096, file);
        buf_commit(content, n);
    }
    fclose(file);
}

#endif
