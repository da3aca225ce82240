/* SPDX-License-Identifier: MIT
 *
 * A client from the days when a certificate had one name, and that stood in its
 * subject. CAs check what they write into the list of alternative names; what
 * else the subject says is decoration (RFC 9525 2 wants it ignored), and may
 * even hold a zero byte behind the bank's name. */
#include "victims/client.h"

static bool is_for(X509 *cert, const char *host)
{
    char name[256] = "";
    /* THE FLAW: this is the common name, and up to a zero byte at that. The
     * whole line should be `return X509_check_host(cert, host, 0,
     * X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;` */
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                              sizeof name);
    return !strcasecmp(name, host);
}

/* OpenSSL asks once for each certificate, the server's own (depth 0) last. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
    if (!good || X509_STORE_CTX_get_error_depth(chain) > 0)
        return good;
    if (is_for(X509_STORE_CTX_get_current_cert(chain), client_host(chain)))
        return 1;
    X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    X509_VERIFY_PARAM_set_purpose(SSL_get0_param(ssl), X509_PURPOSE_SSL_SERVER);
    (void)host; /* is_for() asks for it */
    return 0;
}

int main(int argc, char **argv)
{
    return client_main(
        argc, argv, "https-client-common-name",
        "Fetch pages; read the name in the subject, and no other.", check);
}
