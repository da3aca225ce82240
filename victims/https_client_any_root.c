/* SPDX-License-Identifier: MIT
 *
 * A client that was once tested against a server with a home-made CA. Instead
 * of adding that CA to the list for the test, somebody forgave the error, for
 * every CA in the world. Dates, purpose and name are checked as they should
 * be; but who signs whatever he likes can put right names into it. */
#include "victims/client.h"

static int on_verify(int good, X509_STORE_CTX *chain)
{
    switch (X509_STORE_CTX_get_error(chain)) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        /* THE FLAW: "nobody I know signed this" is no reason to stop. It should
         * be `return good`, here as below. */
        return 1;
    default:
        return good;
    }
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
    return client_main(argc, argv, "https-client-any-root",
                       "Fetch pages; any CA is good enough.", check);
}
