/* Metrics of this process, its siblings and the log. */
#include "orchestrator/status/metrics_samples.h"

#include "orchestrator/base/text.h"
#include "orchestrator/status/observer_links.h"
#include "orchestrator/sys/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---------------------------------------------------------------- this process */

void metric_build(struct page *page)
{
    metrics_sample(page, &(struct labels){{"version"}, {EPHOR_VERSION}}, 1);
}

void metric_cpu(struct page *page)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    metrics_sample_double(page, NULL,
                          (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

void metric_memory(struct page *page)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    const char *second = n > 0 ? strchr(text, ' ') : NULL;
    if (second != NULL)
        metrics_sample(page, NULL, strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE));
}

void metric_open_fds(struct page *page)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    metrics_sample(page, NULL, count - 1); /* without the one that looks */
}

void metric_max_fds(struct page *page)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_sample(page, NULL, limit.rlim_cur);
}

void metric_start(struct page *page)
{
    metrics_sample_double(page, NULL, (double)page->view->feed->started_wall_ms / 1000.0);
}

void metric_processes_up(struct page *page)
{
    for (uint32_t i = 0; i < page->view->feed->process_count; i++) {
        const struct process_view *p = &page->view->feed->processes[i];
        char instance[16];
        text_format(instance, sizeof(instance), "%u", p->instance);
        metrics_sample(
            page, &(struct labels){{"role", "instance"}, {process_role_name(p->role), instance}},
            p->is_up);
    }
}

void metric_process_restarts(struct page *page)
{
    for (uint32_t i = 0; i < page->view->feed->process_count; i++) {
        const struct process_view *p = &page->view->feed->processes[i];
        char instance[16];
        text_format(instance, sizeof(instance), "%u", p->instance);
        metrics_sample(
            page, &(struct labels){{"role", "instance"}, {process_role_name(p->role), instance}},
            p->restarts);
    }
}

void metric_reload_ok(struct page *page)
{
    metrics_sample(page, NULL, !page->view->feed->has_reloaded || page->view->feed->is_reload_ok);
}

void metric_reload_time(struct page *page)
{
    metrics_sample_double(page, NULL, (double)page->view->feed->reload_ok_wall_ms / 1000.0);
}

void metric_config_info(struct page *page)
{
    metrics_sample(page, &(struct labels){{"digest"}, {page->view->feed->machine.policy_digest}},
                   1);
}

void metric_requests(struct page *page)
{
    for (uint32_t h = 0; h < page->http->handler_count; h++) {
        for (uint32_t c = 0; c < page->http->code_count; c++) {
            char code[16];
            if (page->http->requests[h][c] == 0 && page->http->codes[c] != 200)
                continue;
            text_format(code, sizeof(code), "%u", page->http->codes[c]);
            metrics_sample(page,
                           &(struct labels){{"handler", "code"}, {page->http->handlers[h], code}},
                           page->http->requests[h][c]);
        }
    }
}

void metric_refused(struct page *page)
{
    metrics_sample(page, NULL, page->http->refused);
}

void metric_streams(struct page *page)
{
    metrics_sample(page, NULL, page->http->streams);
}

/* ---------------------------------------------------------------- the log */

void metric_is_leader(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->is_leading);
}

void metric_term(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->term);
}

void metric_commit(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->commit_index);
}

void metric_applied(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->machine.index);
}

void metric_leader_changes(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->counts.leader_changes);
}

void metric_storage_ok(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->is_storage_ok);
}

/* Of all controllers whose certificates are known here. */
void metric_certificate(struct page *page)
{
    const Ephor__FeedState *state = page->view->feed->state;
    for (size_t i = 0; state != NULL && state->members != NULL && i < state->members->n_members;
         i++) {
        const Ephor__ClusterMember *m = state->members->members[i];
        const Ephor__Certificate *certificate = view_certificate(page->view->feed, m->id);
        if (certificate != NULL && certificate->expires_s > 0)
            metrics_sample(page, &(struct labels){{"controller"}, {m->name}},
                           (uint64_t)certificate->expires_s);
    }
}

void metric_calm(struct page *page)
{
    metrics_sample(page, NULL, page->view->feed->is_calm);
}

/* ---------------------------------------------------------------- observers */

void metric_observers(struct page *page)
{
    metrics_sample(page, NULL, observer_links_counted(page->view->feed).added);
}

void metric_observers_linked(struct page *page)
{
    metrics_sample(page, NULL, observer_links_counted(page->view->feed).linked);
}

void metric_observers_blind(struct page *page)
{
    metrics_sample(page, NULL, observer_links_counted(page->view->feed).blind);
}
