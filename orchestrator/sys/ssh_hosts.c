/* Host keys. Every line of the content is given to libssh2, which also knows hashed names and
 * [host]:port; lines that it cannot read are passed over. */
#include "orchestrator/sys/ssh_hosts.h"

#include "orchestrator/base/text.h"

#include <openssl/evp.h>
#include <string.h>

enum { LINE_MAX_BYTES = 16384, METHODS_SIZE = 512, FINGERPRINT_SIZE = 64 };

/* Add the method once, with a comma. */
static void add_method(char methods[METHODS_SIZE], const char *method)
{
    size_t used = strlen(methods);
    if (strstr(methods, method) == NULL && used + strlen(method) + 2 < METHODS_SIZE)
        text_format(methods + used, METHODS_SIZE - used, "%s%s", used > 0 ? "," : "", method);
}

static void prefer_line(char methods[METHODS_SIZE], const char *line, size_t size, const char *host)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521"};
    char text[1024];
    text_format(text, sizeof(text), "%.*s", (int)(size < 1000 ? size : 1000), line);
    if (strstr(text, host) == NULL && text[0] != '|')
        return;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strstr(text, types[i]) != NULL)
            add_method(methods, types[i]);
    if (strstr(text, "ssh-rsa") != NULL) {
        add_method(methods, "rsa-sha2-512");
        add_method(methods, "rsa-sha2-256");
    }
}

void ssh_hosts_prefer(LIBSSH2_SESSION *session, const char *content, size_t size, const char *host)
{
    char methods[METHODS_SIZE] = "";
    for (size_t at = 0; at < size;) {
        const char *end = memchr(content + at, '\n', size - at);
        size_t line_size = end == NULL ? size - at : (size_t)(end - content) - at;
        prefer_line(methods, content + at, line_size, host);
        at += line_size + 1;
    }
    if (methods[0] != '\0')
        libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, methods);
}

static const char *fingerprint(const char *key, size_t key_size, char text[FINGERPRINT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[96];
    unsigned digest_size = 0;
    if (EVP_Digest(key, key_size, digest, &digest_size, EVP_sha256(), NULL) != 1)
        return "?";
    int n = EVP_EncodeBlock(base64, digest, (int)digest_size);
    while (n > 0 && base64[n - 1] == '=')
        n--;
    text_format(text, FINGERPRINT_SIZE, "SHA256:%.*s", n, (const char *)base64);
    return text;
}

static const char *type_name(int type)
{
    switch (type) {
    case LIBSSH2_HOSTKEY_TYPE_RSA:
        return "RSA";
    case LIBSSH2_HOSTKEY_TYPE_ED25519:
        return "ED25519";
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_256:
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_384:
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_521:
        return "ECDSA";
    default:
        return "other";
    }
}

static void read_hosts(LIBSSH2_KNOWNHOSTS *hosts, const char *content, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *end = memchr(content + at, '\n', size - at);
        size_t line_size = end == NULL ? size - at : (size_t)(end - content) - at;
        if (line_size > 0 && line_size < LINE_MAX_BYTES) {
            /* a copy: libssh2 looks at the byte behind the line, and cuts the key if it is \n */
            char line[LINE_MAX_BYTES];
            memcpy(line, content + at, line_size);
            line[line_size] = '\0';
            libssh2_knownhost_readline(hosts, line, line_size, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
        }
        at += line_size + 1;
    }
}

int ssh_hosts_check(LIBSSH2_SESSION *session, const char *content, size_t size, const char *host,
                    uint16_t port, struct errbuf *e)
{
    size_t key_size;
    int type;
    char print[FINGERPRINT_SIZE];
    const char *key = libssh2_session_hostkey(session, &key_size, &type);
    LIBSSH2_KNOWNHOSTS *hosts = libssh2_knownhost_init(session);
    if (key == NULL || hosts == NULL) {
        if (hosts != NULL)
            libssh2_knownhost_free(hosts);
        return err_set(e, ERR_PROTOCOL, "the server shows no host key");
    }
    read_hosts(hosts, content, size);
    int check =
        libssh2_knownhost_checkp(hosts, host, port, key, key_size,
                                 LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW, NULL);
    libssh2_knownhost_free(hosts);
    if (check == LIBSSH2_KNOWNHOST_CHECK_MATCH)
        return ERR_OK;
    if (check == LIBSSH2_KNOWNHOST_CHECK_MISMATCH)
        return err_set(e, ERR_DENIED,
                       "the host key of %s is not the one in known_hosts (it shows %s %s); if the "
                       "node was set up anew, correct known_hosts",
                       host, type_name(type), fingerprint(key, key_size, print));
    return err_set(e, ERR_DENIED,
                   "%s is not in known_hosts (it shows %s %s); compare and add it, for example "
                   "with 'ssh-keyscan -p %u %s'",
                   host, type_name(type), fingerprint(key, key_size, print), port, host);
}
