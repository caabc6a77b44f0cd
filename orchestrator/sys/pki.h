/* The cluster's certificate authority and the certificates of its controllers: EC P-256 keys,
 * X.509 certificates, all as PEM text. pki_file.h puts the text on disk.
 *
 * Controllers know each other by the fingerprint of their key (SHA-256 of SubjectPublicKeyInfo);
 * a renewed certificate for the same key keeps it. The CA says which keys may join at all. */
#ifndef SYS_PKI_H
#define SYS_PKI_H

#include "orchestrator/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PKI_FINGERPRINT_SIZE = 32,
    PKI_FINGERPRINT_TEXT_SIZE = 2 * PKI_FINGERPRINT_SIZE + 1,
    PKI_NAME_SIZE = 64,
    PKI_CA_YEARS = 20,
    PKI_MEMBER_YEARS = 5,
    PKI_WARN_DAYS = 30,     /* before its end a certificate is told of, */
    PKI_ALARM_DAYS = 7,     /* and then louder */
    PKI_PEM_MAX = 64 << 10, /* bytes of any text read here */
};

/* A certificate and its private key; both texts are the owner's. */
struct pki_pair {
    char *cert_pem;
    char *key_pem;
};
void pki_pair_close(struct pki_pair *pair); /* wipes the key */

/* A CA for 20 years (name is copied: "<cluster> CA"). On failure *ca is empty. */
int pki_create_ca(const char *name, struct pki_pair *ca, struct errbuf *e);

struct pki_request {
    const char *name;           /* the controller's name, 1 to 63 bytes */
    const char *key_pem;        /* NULL: make a new key; else renew for this one */
    int64_t valid_from_wall_s;  /* 0: an hour ago, for clocks that differ */
    int64_t valid_until_wall_s; /* 0: five years from now; never later than the CA's own end */
};

/* A certificate for a controller, signed by ca. All is borrowed; *pair is the caller's, empty on
 * failure. */
int pki_issue(const struct pki_pair *ca, const struct pki_request *request, struct pki_pair *pair,
              struct errbuf *e);

/* What a certificate says. */
struct pki_info {
    uint8_t fingerprint[PKI_FINGERPRINT_SIZE];
    char name[PKI_NAME_SIZE];
    bool is_ca;
    int64_t starts_wall_s;
    int64_t expires_wall_s;
};
int pki_read(const char *cert_pem, struct pki_info *info, struct errbuf *e);

/* 64 hexadecimal digits and back. False if the text is no fingerprint. */
const char *pki_fingerprint_text(char text[PKI_FINGERPRINT_TEXT_SIZE],
                                 const uint8_t fingerprint[PKI_FINGERPRINT_SIZE]);
bool pki_fingerprint_parse(const char *text, uint8_t fingerprint[PKI_FINGERPRINT_SIZE]);

/* What a joining controller needs, in one file: the CA's certificate (or those of several, see
 * pki_trust.h), its own, its key. */
struct pki_bundle {
    char *ca_cert_pem;
    struct pki_pair own;
};
void pki_bundle_close(struct pki_bundle *bundle);

/* The bundle as one text on the heap; NULL: out of memory. Wipe and free it with pki_text_free. */
char *pki_bundle_text(const struct pki_bundle *bundle);
void pki_text_free(char *text); /* NULL is fine */

/* Take a bundle's text apart. Refuses one whose parts do not belong together. On failure *bundle
 * is empty. */
int pki_bundle_parse(const char *text, struct pki_bundle *bundle, struct errbuf *e);

#endif
