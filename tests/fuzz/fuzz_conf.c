/* Any bytes as a configuration: told as errors or built, never a crash; and what is built, is
 * dumped and loads again to the same policy. For libFuzzer. */
#include "orchestrator/supervisor/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DUMP_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *load(const void *data, size_t size)
{
    char path[64];
    struct conf *conf = NULL;
    struct conf_report report;
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    conf_report_init(&report);
    int err = conf_load_flags(path, CONF_ELSEWHERE, &conf, &report);
    if ((err == ERR_OK) != (conf != NULL) || (err == ERR_OK) != (report.error_count == 0))
        abort();
    conf_report_close(&report);
    close(fd);
    return conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf *conf = load(data, size);
    if (conf == NULL)
        return 0;
    struct buf dump;
    buf_init(&dump, DUMP_MAX);
    conf_dump(conf, &dump);
    struct conf *again = load(buf_string(&dump), dump.size);
    if (again == NULL)
        abort();
    size_t first = ephor__policy__get_packed_size(conf_policy(conf));
    if (first != ephor__policy__get_packed_size(conf_policy(again)))
        abort();
    uint8_t *bytes = malloc(2 * first + 1);
    if (bytes == NULL)
        abort();
    ephor__policy__pack(conf_policy(conf), bytes);
    ephor__policy__pack(conf_policy(again), bytes + first);
    if (memcmp(bytes, bytes + first, first) != 0)
        abort();
    free(bytes);
    buf_close(&dump);
    conf_free(again);
    conf_free(conf);
    return 0;
}
