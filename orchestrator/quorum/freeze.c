/* The file is looked at, never written. What it says is for people. */
#include "orchestrator/quorum/freeze.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/quorum/proposals.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 1000 };

void freeze_init(struct freeze *freeze, const char *state_dir)
{
    text_format(freeze->path, sizeof(freeze->path), "%s/freeze", state_dir);
}

/* Its first line, or "" if there is none. False: that cannot be found out now, say for want of file
 * descriptors or since the disk fails; what one disk does holds no cluster. */
static bool read_text(const char *path, char text[TEXT_SIZE])
{
    char bytes[TEXT_SIZE];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool is_there = fd >= 0 || errno == EACCES || errno == EPERM || errno == ELOOP;
    text[0] = '\0';
    if (!is_there)
        return errno == ENOENT || errno == ENOTDIR;
    ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes) - 1);
    if (fd >= 0)
        close(fd);
    if (size > 0)
        text_sanitize(text, TEXT_SIZE, bytes, (size_t)size);
    text[strcspn(text, "\n")] = '\0';
    if (text[0] == '\0')
        text_copy(text, TEXT_SIZE, "it gives no reason");
    return true;
}

void freeze_look(struct freeze *freeze, int64_t now_ms)
{
    char text[TEXT_SIZE];
    if (freeze->looked_ms != 0 && now_ms - freeze->looked_ms < LOOK_MS)
        return;
    freeze->looked_ms = now_ms;
    if (!read_text(freeze->path, text))
        return;
    if (strcmp(text, freeze->text) != 0 && text[0] != '\0')
        log_warning("freeze", "%s: %s", freeze->path, text);
    memcpy(freeze->text, text, sizeof(text));
}

static void on_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->freeze.is_proposed = false;
}

static void tell(struct quorum *q)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Freeze freeze = EPHOR__FREEZE__INIT;
    const struct core *core = q->machine.core;
    if (core == NULL || core->rules < RULES_GUARD || q->freeze.is_proposed || q->leader == 0 ||
        strcmp(core->controllers[q->seat - 1].frozen, q->freeze.text) == 0)
        return;
    freeze.controller = q->seat;
    freeze.text = q->freeze.text;
    fact.body_case = EPHOR__FACT__BODY_FREEZE;
    fact.freeze = &freeze;
    q->freeze.is_proposed = true;
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, on_told);
}

void freeze_work(struct quorum *q)
{
    freeze_look(&q->freeze, now_mono_ms());
    tell(q);
}
