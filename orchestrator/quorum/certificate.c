#include "orchestrator/quorum/certificate.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/tls_identity.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 5000,
    DAY_MS = 86400000,
    DAY_S = 86400,
};

static void drop_texts(struct certificate *c)
{
    pki_text_free(c->ca_pem);
    pki_text_free(c->cert_pem);
    pki_text_free(c->key_pem);
    c->ca_pem = c->cert_pem = c->key_pem = NULL;
}

void certificate_close(struct certificate *c)
{
    drop_texts(c);
    tls_identity_free(c->identity);
    *c = (struct certificate){0};
}

/* Told once, until it is another trouble. */
static void tell_trouble(struct certificate *c, const char *text)
{
    if (strcmp(c->trouble, text) == 0)
        return;
    text_copy(c->trouble, sizeof(c->trouble), text);
    if (c->identity == NULL)
        log_error("certificate",
                  "no links to other controllers: %s; renew it (ephorctl cluster "
                  "renew) or mend it, and reload ephord",
                  text);
    else
        log_error("certificate", "the one before stays in use: %s", text);
}

static void tell_end_of_trouble(struct certificate *c)
{
    if (c->trouble[0] != '\0')
        log_info("certificate", "it can be used now");
    c->trouble[0] = '\0';
}

/* Put the texts to use. On failure they stay, to be tried again. */
static bool try_texts(struct certificate *c)
{
    struct tls_identity *fresh;
    struct errbuf e = {.text = ""};
    struct pki_info info;
    if (pki_read(c->cert_pem, &info, &e) == ERR_OK)
        c->expires_wall_s = info.expires_wall_s;
    if (tls_identity_load(c->ca_pem, c->cert_pem, c->key_pem, &fresh, &e) != ERR_OK) {
        tell_trouble(c, e.text);
        return false;
    }
    bool is_another = c->identity == NULL || !tls_identity_is_same(c->identity, fresh);
    tls_identity_free(c->identity);
    c->identity = fresh;
    drop_texts(c);
    if (is_another)
        c->warn_ms = 0;
    return is_another;
}

static bool take_texts(struct certificate *c, const Ephor__Setup *setup)
{
    drop_texts(c);
    if (setup->cluster_cert[0] == '\0')
        return false;
    c->ca_pem = strdup(setup->cluster_ca);
    c->cert_pem = strdup(setup->cluster_cert);
    c->key_pem = strdup(setup->cluster_key);
    PRE(c->ca_pem != NULL && c->cert_pem != NULL && c->key_pem != NULL);
    return try_texts(c);
}

bool certificate_take(struct certificate *c, const Ephor__Setup *setup)
{
    bool is_another = take_texts(c, setup);
    if (setup->cluster_trouble[0] != '\0') /* with older files, or without any */
        tell_trouble(c, setup->cluster_trouble);
    else if (c->identity != NULL && c->cert_pem == NULL)
        tell_end_of_trouble(c);
    return is_another;
}

static void warn(int64_t left_s)
{
    static const char remedy[] = "renew it (ephorctl cluster renew), and reload ephord";
    long long days = left_s / DAY_S;
    if (left_s < 0)
        log_error("certificate",
                  "this controller's certificate has ended; links that break do not come back: %s",
                  remedy);
    else if (days < PKI_ALARM_DAYS)
        log_error("certificate", "this controller's certificate ends in %lld days: %s", days,
                  remedy);
    else
        log_warning("certificate", "this controller's certificate ends in %lld days: %s", days,
                    remedy);
}

bool certificate_watch(struct certificate *c, int64_t now_ms, int64_t now_wall_s)
{
    bool is_another = false;
    if (c->cert_pem != NULL && now_ms >= c->retry_ms) {
        c->retry_ms = now_ms + RETRY_MS;
        is_another = try_texts(c);
        if (c->cert_pem == NULL)
            tell_end_of_trouble(c);
    }
    if (c->identity == NULL || now_ms < c->warn_ms)
        return is_another;
    int64_t left_s = tls_identity_expires_wall_s(c->identity) - now_wall_s;
    if (left_s < (int64_t)PKI_WARN_DAYS * DAY_S) {
        c->warn_ms = now_ms + DAY_MS;
        warn(left_s);
    }
    return is_another;
}

void certificate_feed(const struct certificate *c, Ephor__Certificate *to)
{
    to->trouble = (char *)(uintptr_t)c->trouble;
    to->expires_s = c->expires_wall_s;
    if (c->identity == NULL)
        return;
    to->expires_s = tls_identity_expires_wall_s(c->identity);
    to->ca.data = (uint8_t *)(uintptr_t)tls_identity_ca(c->identity);
    to->ca.len = TLS_FINGERPRINT_SIZE;
}
