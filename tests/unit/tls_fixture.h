/* A server on loopback, identities of two controllers and of a stranger, and ends of links that
 * remember what they saw. Each test runs in a process of its own, so plain variables will do. */
#ifndef TESTS_TLS_FIXTURE_H
#define TESTS_TLS_FIXTURE_H

#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/tls_server.h"

enum { TLS_TEST_DEADLINE_MS = 30000, FRAME_MAX = 2 << 20, QUEUE_MAX = 8 << 20, SIDES_MAX = 64 };

/* One end of a link, and what it saw. */
struct side {
    struct tls_link *link;
    int opened, closed, err;
    char reason[256];
    struct tls_peer peer;
    int frames;
    size_t bytes, last_size;
    uint32_t checksum; /* of the last frame, if it was large */
    bool echoes, free_on_frame, free_on_open, free_on_close;
};

extern struct loop *loop;
extern struct tls_server *server;
extern uint16_t port;
extern struct pki_pair ca;
extern struct tls_identity *id_a, *id_b, *id_stranger; /* a serves; the stranger has another CA */
extern struct side accepted[SIDES_MAX];                /* what the server handed over */
extern int accepted_count;
extern bool refuse_links, echo_links, free_accepted_on_frame;
extern uint8_t unknown[TLS_FINGERPRINT_SIZE]; /* this one is not in the member list */
extern struct errbuf e;
extern const struct tls_link_ops side_ops;

extern struct side me; /* the connecting side of a test */
extern int frames_wanted;
extern uint64_t refusals_wanted;

void setup(void);
void teardown(void);

/* Run the loop until the condition holds; the test fails at the deadline. */
void wait_until(bool (*condition)(void), const char *name);
#define WAIT(condition) wait_until(condition, #condition)

/* until 0: as long as usual. */
struct tls_identity *make_identity(const struct pki_pair *by, const char *name,
                                   int64_t until_wall_s);
struct tls_server_params default_params(void);
void serve(const struct tls_server_params *params);
struct tls_connect_params to_server(struct tls_identity *identity);
void connect_with(struct side *side, const struct tls_connect_params *params);
void connect_as(struct side *side, struct tls_identity *identity);
int raw_connect(void);

/* Serve, and open the link of `me` as controller b. */
void open_me(void);

/* Expect that the connection of `me` ends before it was open, with these words. */
void expect_failure(int err, const char *says);

void side_free(struct side *side);
uint32_t checksum_of(const uint8_t *bytes, size_t size);
uint64_t refusals(void);

/* Conditions to wait for. All of those of `me` hold as well when its link has ended. */
bool is_open(void);
bool is_over(void);
bool has_frames(void);
bool peer_has_frames(void);
bool peer_is_over(void);
bool are_refused(void);
bool is_over_and_refused(void);

#endif
