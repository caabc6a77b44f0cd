/* SSH sessions with nodes, non-blocking, over libssh2: connect, check the host key against given
 * known_hosts content, authenticate by a key from memory, run constant commands on channels. No
 * agent, no password, no configuration file of OpenSSH is looked at. One session a node, few
 * channels each. All callbacks run on the loop, never from inside a call that starts something. */
#ifndef SYS_SSH_H
#define SYS_SSH_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SSH_INPUT_MAX = 256 << 10, /* bytes that may wait to be written on one channel */
    SSH_CHANNELS_MAX = 8,      /* below sshd's MaxSessions of 10 */
};

struct ssh;
struct ssh_channel;

struct ssh_params {   /* borrowed during ssh_connect */
    const char *node; /* for messages */
    const char *host; /* name or literal */
    uint16_t port;
    const char *user;
    const void *key; /* private key file, OpenSSH or PEM, without passphrase */
    size_t key_size;
    const char *known_hosts; /* content of a known_hosts file */
    size_t known_hosts_size;
    int64_t timeout_ms; /* until on_ready */
};

struct ssh_ops {
    void (*on_ready)(void *data);
    /* The session is over (never was, or was lost); text says why. Runs once, after all channels
     * got their on_end; ssh_free() is still needed and allowed inside. */
    void (*on_close)(void *data, int err, const char *text);
};

/* NULL: out of memory. ops is borrowed for life. */
struct ssh *ssh_connect(struct loop *loop, const struct ssh_params *params,
                        const struct ssh_ops *ops, void *data);
bool ssh_is_ready(const struct ssh *ssh);

/* Close at once; channels get no callbacks any more and are gone. NULL is fine. */
void ssh_free(struct ssh *ssh);

struct ssh_channel_ops {
    /* Of standard output, or of standard error; bytes are borrowed. */
    void (*on_output)(void *data, bool is_error, const char *bytes, size_t size);
    /* The command ended with this exit status, or (status < 0) it is not known; text says why.
     * Runs once; the channel is gone afterwards. */
    void (*on_end)(void *data, int status, const char *text);
};

/* Run a command on a ready session. NULL: not ready, too many channels, or out of memory. */
struct ssh_channel *ssh_exec(struct ssh *ssh, const char *command,
                             const struct ssh_channel_ops *ops, void *data);

/* Queue bytes for its standard input (also before it is open). False: over the limit. */
bool ssh_write(struct ssh_channel *channel, const void *bytes, size_t size);

/* Close it; no callbacks any more. */
void ssh_channel_close(struct ssh_channel *channel);

#endif
