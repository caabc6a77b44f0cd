/* Words for OpenSSL's verification errors and for TLS alerts. */
#include "orchestrator/sys/tls_words.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/cert.h"

#include <openssl/ssl.h>

const char *tls_words_verify(char *text, size_t size, const char *whose, int x509_error,
                             const X509 *cert)
{
    char date[CERT_DATE_SIZE];
    switch (x509_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        text_format(text, size, "%s certificate expired on %s", whose,
                    cert == NULL ? "?" : cert_date(date, cert_expires_wall_s(cert)));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        text_format(text, size, "%s certificate is not valid before %s (is a clock wrong?)", whose,
                    cert == NULL ? "?" : cert_date(date, cert_starts_wall_s(cert)));
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        text_format(text, size, "%s certificate is not signed by this cluster's CA", whose);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        text_format(text, size, "%s certificate is not made for links between controllers", whose);
        break;
    default:
        text_format(text, size, "%s certificate: %s", whose,
                    X509_verify_cert_error_string(x509_error));
        break;
    }
    return text;
}

const char *tls_words_alert(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_REVOKED:
        return "the peer does not know this controller's key: it is not in the peer's member list";
    case SSL_AD_HANDSHAKE_FAILURE:
        return "the peer expected another key than this controller's";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "the peer says that this controller's certificate has expired";
    case SSL_AD_UNKNOWN_CA:
        return "the peer says that this controller's certificate is of another cluster's CA";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
        return "the peer does not accept this controller's certificate";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "the peer asked for a certificate and got none";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no common protocol: the peer does not speak the one asked for";
    case SSL_AD_PROTOCOL_VERSION:
        return "the peer does not speak TLS 1.3";
    case SSL_AD_INTERNAL_ERROR:
        return "the peer failed: look into its log";
    default:
        return "the peer ended the handshake";
    }
}
