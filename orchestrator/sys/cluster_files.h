/* The directory that makes a controller part of a cluster: ca.crt (whom it trusts: pki_trust.h),
 * controller.crt, controller.key (0600) and cluster.json, which says who it is and whom it may
 * reach first; and, where the cluster was founded, ca.key (0600). Written by ephorctl, read by
 * ephord; who is a member is the log's business, not this directory's. */
#ifndef SYS_CLUSTER_FILES_H
#define SYS_CLUSTER_FILES_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/pki.h"

#include <stdbool.h>
#include <stdint.h>

enum { CLUSTER_CONTACTS_MAX = 12, CLUSTER_NAME_SIZE = 48, CLUSTER_ADDRESS_SIZE = 128 };

struct cluster_contact {
    uint32_t id;
    char name[CLUSTER_NAME_SIZE];
    char address[CLUSTER_ADDRESS_SIZE]; /* HOST:PORT */
    uint8_t fingerprint[PKI_FINGERPRINT_SIZE];
};

struct cluster_files {
    uint64_t cluster; /* its number */
    bool joins;       /* its log begins with what the others tell */
    bool is_witness;  /* it votes: no checks, no actions */
    bool is_observer; /* it only looks, and has no place in the log; its address is "" */
    struct cluster_contact self;
    struct cluster_contact contacts[CLUSTER_CONTACTS_MAX];
    uint32_t contact_count;
    char *ca_pem, *cert_pem, *key_pem; /* NULL before cluster_files_certify */
};

/* Only cluster.json. ERR_NOT_FOUND: this controller is in no cluster (or dir does not exist). Other
 * errors name the file, the key and what would be right. *files is the caller's on success. */
int cluster_files_open(const char *dir, struct cluster_files *files, struct errbuf *e);

/* Read keys and certificates (anew). On failure *files has none, and the rest of it stays. */
int cluster_files_certify(const char *dir, struct cluster_files *files, struct errbuf *e);

/* Both. */
int cluster_files_read(const char *dir, struct cluster_files *files, struct errbuf *e);
void cluster_files_close(struct cluster_files *files);

/* "HOST:PORT" or "[V6]:PORT" from what people write (the port may be missing). False: neither. */
bool cluster_address(char address[CLUSTER_ADDRESS_SIZE], const char *text);

/* A CA, and the certificate of the first controller, with id 1. ERR_EXISTS: there is a cluster. */
int cluster_files_found(const char *dir, const char *name, const char *address, struct errbuf *e);

/* A certificate for another controller, signed with the directory's ca.key. */
int cluster_files_issue(const char *dir, const char *name, struct pki_pair *pair, struct errbuf *e);

struct cluster_renewal {
    const char *ca_key_pem; /* NULL: the directory's ca.key */
    int64_t days;           /* of validity, from now; 0: as long as usual */
};

/* A new certificate for the own key, in place of whatever is there; *info: what it says. It is
 * written only if ephord could use it. ERR_NOT_FOUND: there is no key of a CA here. */
int cluster_files_renew(const char *dir, const struct cluster_renewal *how, struct pki_info *info,
                        struct errbuf *e);

/* The steps from one CA to another, each on its own harmless: a new CA that is trusted beside those
 * before (the key of the one before stays as ca.key.old); trust beside the own ones those of
 * another controller's ca.crt; and, once every certificate is renewed, trust the newest one only.
 * cluster_files_newest_ca: which one that is; ERR_REFUSED: the own certificate is of another. */
int cluster_files_new_ca(const char *dir, struct errbuf *e);
int cluster_files_trust(const char *dir, const char *ca_pem, struct errbuf *e);
int cluster_files_newest_ca(const char *dir, struct pki_info *info, struct errbuf *e);
int cluster_files_drop_old(const char *dir, struct errbuf *e);

/* All that another controller needs, as one text on the heap (pki_text_free). files->ca_pem,
 * cert_pem and key_pem are borrowed. NULL: out of memory. */
char *cluster_bundle_text(const struct cluster_files *files);

/* Make a directory of it; all or nothing. ERR_EXISTS: there is a cluster. */
int cluster_bundle_unpack(const char *dir, const char *text, struct errbuf *e);

#endif
