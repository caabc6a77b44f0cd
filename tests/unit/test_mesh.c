/* Links between three controllers over loopback, with real TLS: who is linked, who is refused, and
 * what new certificates and new CAs do to links that are open. */
#include "orchestrator/quorum/mesh.h"

#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/pki_trust.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 3, CHANNELS = 2, DEADLINE_MS = 30000, UNHEARD_MS = 5000, DAY_S = 86400 };

struct node {
    uint32_t id;
    char address[32];
    int fd; /* listens, also while there is no mesh */
    struct pki_pair own;
    char *trust;
    struct mesh *mesh;
    uint32_t frames[NODES + 1]; /* by sender */
};

static struct loop *loop;
static struct pki_pair ca, next_ca;
static struct node nodes[NODES];
static Ephor__ClusterMember members[NODES];
static Ephor__ClusterMember *member_list[NODES];
static Ephor__Membership membership;
static uint8_t fingerprints[NODES][PKI_FINGERPRINT_SIZE];
static struct errbuf e;

/* ---------------------------------------------------------------- the world */

static struct node *node_of(uint32_t id)
{
    return &nodes[id - 1];
}

static void on_frame(void *data, uint32_t from, enum mesh_channel channel, const uint8_t *bytes,
                     size_t size)
{
    struct node *node = data;
    (void)channel;
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(bytes, "ping", 4);
    node->frames[from]++;
}

static void on_connected(void *data, uint32_t id, enum mesh_channel channel)
{
    const struct node *node = data;
    ck_assert_int_eq(mesh_send(node->mesh, id, channel, "ping", 4), ERR_OK);
}

static void on_unmet(void *data, uint32_t id, uint64_t incarnation)
{
    (void)data, (void)id, (void)incarnation;
}

static const struct mesh_ops ops = {
    .on_frame = on_frame, .on_connected = on_connected, .on_unmet = on_unmet};

/* A certificate for the node's key (a new one at first) by this CA. */
static void issue(struct node *node, const struct pki_pair *by, int64_t until_wall_s)
{
    char name[16];
    struct pki_pair fresh;
    struct pki_request request = {
        .name = name, .key_pem = node->own.key_pem, .valid_until_wall_s = until_wall_s};
    snprintf(name, sizeof(name), "c%u", node->id);
    ck_assert_msg(pki_issue(by, &request, &fresh, &e) == ERR_OK, "%s", e.text);
    pki_pair_close(&node->own);
    node->own = fresh;
}

static void trust(struct node *node, const char *pem)
{
    free(node->trust);
    node->trust = strdup(pem);
}

static struct tls_identity *identity_of(const struct node *node)
{
    struct tls_identity *identity = NULL;
    ck_assert_msg(tls_identity_load(node->trust, node->own.cert_pem, node->own.key_pem, &identity,
                                    &e) == ERR_OK,
                  "%s", e.text);
    return identity;
}

/* As a reload of this controller does. */
static void reload(struct node *node)
{
    struct tls_identity *identity = identity_of(node);
    mesh_use(node->mesh, identity);
    tls_identity_free(identity);
}

static void start_as(struct node *node, struct tls_identity *identity, uint64_t cluster)
{
    struct mesh_params params = {.id = node->id,
                                 .cluster = cluster,
                                 .incarnation = 1000 + node->id,
                                 .identity = identity,
                                 .unheard_max_ms = UNHEARD_MS};
    node->mesh = mesh_new(loop, &params, &ops, node);
    ck_assert_ptr_nonnull(node->mesh);
    ck_assert_msg(mesh_listen(node->mesh, dup(node->fd), &e) == ERR_OK, "%s", e.text);
    mesh_set_members(node->mesh, &membership, false);
}

static void start(struct node *node)
{
    struct tls_identity *identity = identity_of(node);
    start_as(node, identity, 77);
    tls_identity_free(identity);
}

static void stop(struct node *node)
{
    mesh_free(node->mesh);
    node->mesh = NULL;
    memset(node->frames, 0, sizeof(node->frames));
}

static void open_port(struct node *node)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    node->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(node->fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(node->fd, 128), 0);
    getsockname(node->fd, (struct sockaddr *)&address, &size);
    snprintf(node->address, sizeof(node->address), "127.0.0.1:%u", ntohs(address.sin_port));
}

static void name_member(uint32_t i)
{
    static char names[NODES][4] = {"c1", "c2", "c3"};
    struct pki_info info;
    ck_assert_int_eq(pki_read(nodes[i].own.cert_pem, &info, &e), ERR_OK);
    memcpy(fingerprints[i], info.fingerprint, sizeof(info.fingerprint));
    ephor__cluster_member__init(&members[i]);
    members[i].id = nodes[i].id;
    members[i].name = names[i];
    members[i].address = nodes[i].address;
    members[i].fingerprint.data = fingerprints[i];
    members[i].fingerprint.len = sizeof(fingerprints[i]);
    members[i].incarnation = 1000 + nodes[i].id;
    member_list[i] = &members[i];
}

static void set_up(void)
{
    loop = loop_new();
    ck_assert_int_eq(pki_create_ca("Ephor", &ca, &e), ERR_OK);
    ck_assert_int_eq(pki_create_ca("Ephor", &next_ca, &e), ERR_OK);
    ephor__membership__init(&membership);
    membership.members = member_list;
    membership.n_members = NODES;
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (struct node){.id = i + 1};
        issue(&nodes[i], &ca, 0);
        trust(&nodes[i], ca.cert_pem);
        open_port(&nodes[i]);
        name_member(i);
    }
}

static void tear_down(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        close(nodes[i].fd);
        mesh_free(nodes[i].mesh);
        pki_pair_close(&nodes[i].own);
        free(nodes[i].trust);
    }
    pki_pair_close(&ca);
    pki_pair_close(&next_ca);
    loop_free(loop);
}

/* ---------------------------------------------------------------- waiting */

static bool (*wanted)(void);
static bool (*always)(void); /* checked in every turn; NULL: nothing */

static void on_look(void *data)
{
    (void)data;
    if (always != NULL)
        ck_assert_msg(always(), "a link was lost");
    if (wanted())
        loop_stop(loop);
}

static void on_deadline(void *data)
{
    ck_abort_msg("not within the deadline: %s", (const char *)data);
}

static void wait_until(bool (*condition)(void), const char *name)
{
    char text[64];
    struct timer *look = timer_new(loop, on_look, NULL);
    struct timer *deadline = timer_new(loop, on_deadline, text);
    snprintf(text, sizeof(text), "%s", name);
    wanted = condition;
    timer_start(look, 0, 1);
    timer_start(deadline, DEADLINE_MS, 0);
    loop_run(loop);
    timer_free(look);
    timer_free(deadline);
}
#define WAIT(condition) wait_until(condition, #condition)

static const char *link_text(uint32_t from, uint32_t to)
{
    const char *text;
    mesh_is_connected(node_of(from)->mesh, to, &text);
    return text;
}

static bool is_linked(uint32_t from, uint32_t to)
{
    const char *text;
    return mesh_is_connected(node_of(from)->mesh, to, &text);
}

static bool are_linked(void)
{
    for (uint32_t a = 1; a <= NODES; a++) {
        for (uint32_t b = 1; b <= NODES; b++)
            if (a != b && node_of(a)->mesh != NULL && node_of(b)->mesh != NULL && !is_linked(a, b))
                return false;
    }
    return true;
}

/* Each frame that was sent on connecting has come, on both channels. */
static bool have_heard(void)
{
    for (uint32_t a = 1; a <= NODES; a++) {
        for (uint32_t b = 1; b <= NODES; b++)
            if (a != b && node_of(a)->mesh != NULL && node_of(b)->mesh != NULL &&
                node_of(a)->frames[b] < CHANNELS)
                return false;
    }
    return are_linked();
}

static void start_all(void)
{
    for (uint32_t i = 0; i < NODES; i++)
        start(&nodes[i]);
    WAIT(have_heard);
}

/* ---------------------------------------------------------------- tests: who is linked */

START_TEST(controllers_link_and_show_their_certificates)
{
    struct pki_info info, by;
    start_all();
    ck_assert_int_eq(pki_read(nodes[1].own.cert_pem, &info, &e), ERR_OK);
    ck_assert_int_eq(pki_read(ca.cert_pem, &by, &e), ERR_OK);
    const struct mesh_certificate *shown = mesh_certificate(nodes[0].mesh, 2);
    ck_assert_int_eq(shown->expires_wall_s, info.expires_wall_s);
    ck_assert_mem_eq(shown->ca, by.fingerprint, sizeof(shown->ca));
    ck_assert_ptr_null(mesh_certificate(nodes[0].mesh, 1));
    ck_assert_ptr_null(mesh_certificate(nodes[0].mesh, 9));
}
END_TEST

static bool is_told_of_another_cluster(void)
{
    return strstr(link_text(2, 1), "it is of another cluster") != NULL &&
           strstr(link_text(1, 2), "it is of another cluster") != NULL;
}

START_TEST(a_controller_of_another_cluster_is_refused)
{
    struct tls_identity *identity = identity_of(&nodes[1]);
    start(&nodes[0]);
    start_as(&nodes[1], identity, 78); /* of the same CA, with a key that is known */
    WAIT(is_told_of_another_cluster);
    ck_assert(!is_linked(1, 2) && !is_linked(2, 1));
    tls_identity_free(identity);
}
END_TEST

static bool are_ca_refusals_counted(void)
{
    return mesh_counts(nodes[0].mesh).bad_certificates >= 2 &&
           strstr(link_text(2, 1), "of another cluster's CA") != NULL &&
           strstr(link_text(1, 2), "not signed by this cluster's CA") != NULL;
}

START_TEST(a_certificate_of_another_ca_is_refused)
{
    char *both;
    ck_assert_int_eq(pki_trust_join(next_ca.cert_pem, ca.cert_pem, &both, &e), ERR_OK);
    issue(&nodes[1], &next_ca, 0); /* for the key that is known */
    trust(&nodes[1], both);
    start(&nodes[0]);
    start(&nodes[1]);
    WAIT(are_ca_refusals_counted);
    ck_assert(!is_linked(1, 2) && !is_linked(2, 1));
    ck_assert_uint_eq(mesh_counts(nodes[0].mesh).accepted, 0);
    free(both);
}
END_TEST

static int64_t brief_wall_s;

static bool has_expired(void)
{
    return now_wall_ms() > (brief_wall_s + 1) * 1000;
}

static bool is_told_of_expiry(void)
{
    return strstr(link_text(1, 2), "the peer's certificate expired on 20") != NULL &&
           strstr(link_text(2, 1), "this controller's certificate has expired") != NULL &&
           mesh_counts(nodes[0].mesh).bad_certificates >= 2;
}

START_TEST(an_expired_certificate_is_refused_until_it_is_renewed)
{
    brief_wall_s = now_wall_ms() / 1000 + 2;
    issue(&nodes[1], &ca, brief_wall_s);
    struct tls_identity *brief = identity_of(&nodes[1]);
    WAIT(has_expired);
    start(&nodes[0]);
    start_as(&nodes[1], brief, 77);
    tls_identity_free(brief);
    WAIT(is_told_of_expiry);
    ck_assert(!is_linked(1, 2) && !is_linked(2, 1));
    issue(&nodes[1], &ca, 0);
    reload(&nodes[1]);
    WAIT(have_heard);
}
END_TEST

/* ---------------------------------------------------------------- tests: new certificates */

static bool lacks_a_certificate(void)
{
    return strstr(link_text(2, 1), "no certificate that can be used") != NULL;
}

START_TEST(links_come_with_the_certificate)
{
    start(&nodes[0]);
    start_as(&nodes[1], NULL, 77);
    WAIT(lacks_a_certificate);
    ck_assert(!is_linked(2, 1));
    reload(&nodes[1]);
    WAIT(have_heard);
}
END_TEST

static int64_t renewed_wall_s;

static bool have_seen_the_renewed(void)
{
    for (uint32_t id = 2; id <= NODES; id++)
        if (mesh_certificate(node_of(id)->mesh, 1)->expires_wall_s != renewed_wall_s)
            return false;
    return true;
}

/* Each accepts two links of each of the others, and no more. */
static bool are_old_links_gone(void)
{
    for (int i = 0; i < NODES; i++)
        if (mesh_counts(nodes[i].mesh).links != CHANNELS * (NODES - 1))
            return false;
    return true;
}

/* While links are made anew the old ones carry on: there is no moment without. */
START_TEST(a_new_certificate_is_shown_without_a_gap)
{
    start_all();
    always = are_linked;
    renewed_wall_s = now_wall_ms() / 1000 + (int64_t)20 * DAY_S;
    issue(&nodes[0], &ca, renewed_wall_s);
    reload(&nodes[0]);
    ck_assert(are_linked());
    WAIT(have_seen_the_renewed);
    WAIT(are_old_links_gone);
    memset(nodes[1].frames, 0, sizeof(nodes[1].frames));
    ck_assert_int_eq(mesh_send(nodes[0].mesh, 2, MESH_LOG, "ping", 4), ERR_OK);
    ck_assert_int_eq(mesh_send(nodes[0].mesh, 2, MESH_TALK, "ping", 4), ERR_OK);
    nodes[1].frames[3] = MESH_CHANNELS;
    WAIT(have_heard);
}
END_TEST

static bool is_told_of_old_links(void)
{
    return strstr(link_text(1, 2), "of another cluster's CA") != NULL &&
           strstr(link_text(1, 3), "of another cluster's CA") != NULL;
}

static bool is_nothing_told(void)
{
    return link_text(1, 2)[0] == '\0' && link_text(1, 3)[0] == '\0';
}

/* Renewed before the others trust the new CA: the old links stay, and it is told. */
START_TEST(a_certificate_that_nobody_takes_costs_no_link)
{
    char *both;
    start_all();
    always = are_linked;
    ck_assert_int_eq(pki_trust_join(next_ca.cert_pem, ca.cert_pem, &both, &e), ERR_OK);
    issue(&nodes[0], &next_ca, 0);
    trust(&nodes[0], both);
    reload(&nodes[0]);
    WAIT(is_told_of_old_links);
    reload(&nodes[0]); /* again: the tries begin anew, and that is all */
    WAIT(is_told_of_old_links);
    for (int i = 1; i < NODES; i++) {
        trust(&nodes[i], both);
        reload(&nodes[i]);
    }
    WAIT(is_nothing_told);
    WAIT(are_old_links_gone);
    free(both);
}
END_TEST

static bool is_told_of_the_loss(void)
{
    return !is_linked(1, 2) && strstr(link_text(1, 2), "of another cluster's CA") != NULL;
}

/* ... as long as they last; then the new one has to do. */
START_TEST(a_link_that_is_lost_comes_back_with_the_newest)
{
    char *both;
    start(&nodes[0]);
    start(&nodes[1]);
    WAIT(have_heard);
    ck_assert_int_eq(pki_trust_join(next_ca.cert_pem, ca.cert_pem, &both, &e), ERR_OK);
    issue(&nodes[0], &next_ca, 0);
    trust(&nodes[0], both);
    reload(&nodes[0]);
    stop(&nodes[1]);
    start(&nodes[1]);
    WAIT(is_told_of_the_loss);
    trust(&nodes[1], both);
    reload(&nodes[1]);
    WAIT(have_heard);
    free(both);
}
END_TEST

/* ---------------------------------------------------------------- tests: a new CA */

static uint8_t wanted_ca[PKI_FINGERPRINT_SIZE];

static bool all_show_the_wanted_ca(void)
{
    for (uint32_t a = 1; a <= NODES; a++) {
        for (uint32_t b = 1; b <= NODES; b++)
            if (a != b &&
                (link_text(a, b)[0] != '\0' || memcmp(mesh_certificate(node_of(a)->mesh, b)->ca,
                                                      wanted_ca, sizeof(wanted_ca)) != 0))
                return false;
    }
    return true;
}

/* Trust both; renew; trust the new one only: one controller after the other, and at no moment is
 * one link missing. */
START_TEST(a_ca_is_replaced_without_a_gap)
{
    struct pki_info info;
    char *both;
    start_all();
    always = are_linked;
    ck_assert_int_eq(pki_trust_join(next_ca.cert_pem, ca.cert_pem, &both, &e), ERR_OK);
    for (int i = 0; i < NODES; i++) {
        trust(&nodes[i], both);
        reload(&nodes[i]);
        WAIT(is_nothing_told);
    }
    for (int i = 0; i < NODES; i++) {
        issue(&nodes[i], &next_ca, 0);
        reload(&nodes[i]);
    }
    ck_assert_int_eq(pki_read(next_ca.cert_pem, &info, &e), ERR_OK);
    memcpy(wanted_ca, info.fingerprint, sizeof(wanted_ca));
    WAIT(all_show_the_wanted_ca);
    for (int i = 0; i < NODES; i++) {
        trust(&nodes[i], next_ca.cert_pem);
        reload(&nodes[i]);
        WAIT(is_nothing_told);
    }
    /* Everybody, started anew, links to everybody. */
    always = NULL;
    for (int i = 0; i < NODES; i++)
        stop(&nodes[i]);
    start_all();
    free(both);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mesh");
    TCase *tc = tcase_create("mesh");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 2.0 * DEADLINE_MS / 1000);
    tcase_add_test(tc, controllers_link_and_show_their_certificates);
    tcase_add_test(tc, a_controller_of_another_cluster_is_refused);
    tcase_add_test(tc, a_certificate_of_another_ca_is_refused);
    tcase_add_test(tc, an_expired_certificate_is_refused_until_it_is_renewed);
    tcase_add_test(tc, links_come_with_the_certificate);
    tcase_add_test(tc, a_new_certificate_is_shown_without_a_gap);
    tcase_add_test(tc, a_certificate_that_nobody_takes_costs_no_link);
    tcase_add_test(tc, a_link_that_is_lost_comes_back_with_the_newest);
    tcase_add_test(tc, a_ca_is_replaced_without_a_gap);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
