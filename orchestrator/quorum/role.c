/* What the quorum process is: that of a controller, or that of an observer. The first set-up tells.
 */
#include "orchestrator/quorum/observer.h"
#include "orchestrator/quorum/quorum.h"

struct role {
    const struct process_ops *ops; /* NULL before the first set-up */
    struct quorum *quorum;
    struct observer_process *observer;
    void *data; /* the one of both that it is */
};

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct role *role = data;
    if (setup->observes) {
        role->data = role->observer = observer_new();
        role->ops = &observer_ops;
    } else {
        role->data = role->quorum = quorum_new();
        role->ops = &quorum_ops;
    }
    if (role->data == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    return role->ops->on_start(role->data, process, setup, e);
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    const struct role *role = data;
    role->ops->on_setup(role->data, setup);
}

static void on_peer(void *data, Ephor__Role peer, uint32_t instance, int fd)
{
    const struct role *role = data;
    role->ops->on_peer(role->data, peer, instance, fd);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    const struct role *role = data;
    role->ops->on_message(role->data, m, fd);
}

static void on_stop(void *data)
{
    const struct role *role = data;
    role->ops->on_stop(role->data);
}

int quorum_main(uint32_t instance, int control_fd)
{
    static const struct process_ops ops = {on_start, on_setup, on_peer, on_message, on_stop};
    struct role role = {.ops = NULL};
    int status = process_run(EPHOR__ROLE__QUORUM, instance, control_fd, &ops, &role);
    quorum_free(role.quorum);
    observer_free(role.observer);
    return status;
}
