/* SPDX-License-Identifier: MIT
 *
 * A client that takes a certificate for whatever its owner uses it for. A CA
 * that hands out certificates for signing mail or programs hands out, for this
 * client, certificates for servers. */
#include "victims/client.h"

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    /* THE FLAW: any purpose will do; it should be X509_PURPOSE_SSL_SERVER. */
    X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_hostflags(wanted,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1)
        return 0;
    return X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    return client_main(
        argc, argv, "https-client-no-purpose",
        "Fetch pages; do not ask what the certificate is meant for.", check);
}
