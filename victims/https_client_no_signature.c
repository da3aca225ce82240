/* SPDX-License-Identifier: MIT
 *
 * A client that misreads an answer. X509_verify() says 1 for a good signature,
 * 0 for a bad one and less when it could not look. Whoever asks only whether it
 * could look takes 0 for yes: so did many a program that called OpenSSL
 * (CVE-2008-5077), and GnuTLS did the like (CVE-2014-0092). */
#include "victims/client.h"

static int on_verify(int good, X509_STORE_CTX *chain)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(chain);
    if (X509_STORE_CTX_get_error(chain) != X509_V_ERR_CERT_SIGNATURE_FAILURE)
        return good;
    /* Look for ourselves, before we turn somebody away. */
    int answer = X509_verify(cert, client_issuer_key(chain));
    /* THE FLAW: 0 is "the signature is wrong". It should be 1. */
    return answer >= 0;
}

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_hostflags(wanted,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) == 1)
        return 0;
    return X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    return client_main(argc, argv, "https-client-no-signature",
                       "Fetch pages; take a wrong signature for a right one.",
                       check);
}
