/* SPDX-License-Identifier: MIT
 *
 * The careful client. Before a byte of its own goes out it wants to know four
 * things of the certificate that it is shown. It trusts what it is told to
 * trust, and nothing else; if somebody can write to that list, being careful
 * does not help. */
#include "victims/client.h"

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);

    /* Who: a chain of good signatures that ends at a CA on the list. The dates
     * of each certificate are looked at on the way. */
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);

    /* For what: it must be meant for a server on the web. */
    X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);

    /* For whom: the name or the address in the URL must stand in the list of
     * alternative names. The subject is for people to read (RFC 6125 6.4.4),
     * and "b*.lab.test" is no name. */
    X509_VERIFY_PARAM_set_hostflags(wanted,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1)
        return 0;
    return X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    return client_main(argc, argv, "https-client",
                       "Fetch pages, and look at the certificate first.",
                       check);
}
