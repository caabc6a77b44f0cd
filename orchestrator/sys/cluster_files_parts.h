/* What cluster_files.c and cluster_renew.c share and nobody else sees. */
#ifndef SYS_CLUSTER_FILES_PARTS_H
#define SYS_CLUSTER_FILES_PARTS_H

#include "orchestrator/sys/cluster_files.h"
#include "orchestrator/sys/pki_file.h"

#include <limits.h>

int cluster_path(char path[PATH_MAX], const char *dir, const char *name, struct errbuf *e);
bool cluster_has_file(const char *dir, const char *name);
char *cluster_read_file(const char *dir, const char *name, struct errbuf *e); /* pki_text_free */
int cluster_read_key(const char *dir, char **key_pem, struct errbuf *e);      /* must be secret */
int cluster_write_file(const char *dir, const char *name, enum pki_file kind, const char *text,
                       struct errbuf *e);

/* The CA that signs: the one of the directory's ca.key, or of another key that is given. */
int cluster_open_ca(const char *dir, const char *ca_key_pem, struct pki_pair *ca, struct errbuf *e);

#endif
