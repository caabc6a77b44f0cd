/* PEM text in files. New files appear whole or not at all and never replace another; keys and
 * bundles are readable by their owner only. */
#ifndef SYS_PKI_FILE_H
#define SYS_PKI_FILE_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/pki.h"

enum pki_file {
    PKI_FILE_SECRET,         /* a key or a bundle: mode 0600, must not exist */
    PKI_FILE_PUBLIC,         /* a certificate: mode 0644, must not exist */
    PKI_FILE_RENEWED,        /* a certificate: mode 0644, replaces the one that is there at once */
    PKI_FILE_RENEWED_SECRET, /* likewise, mode 0600 */
};

/* Write text (borrowed). ERR_EXISTS: there is one already. */
int pki_file_write(const char *path, enum pki_file kind, const char *text, struct errbuf *e);

/* The whole file as a string on the heap (pki_text_free); NULL: see e. */
char *pki_file_read(const char *path, struct errbuf *e);

/* ERR_DENIED if group or others may read the file: "chmod 600 <path>". */
int pki_file_is_secret(const char *path, struct errbuf *e);

/* The fingerprint of the key in a file's certificate. */
int pki_fingerprint_of_cert(const char *path, uint8_t fingerprint[PKI_FINGERPRINT_SIZE],
                            struct errbuf *e);

#endif
