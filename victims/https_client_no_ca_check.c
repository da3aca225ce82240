/* SPDX-License-Identifier: MIT
 *
 * A client that lets everybody be a CA. Whoever owns an ordinary certificate,
 * for a name of his own, has a key that a good CA has vouched for; if he may
 * sign with it, he may sign for the bank. Internet Explorer let him until 2002
 * (CVE-2002-0862), and iOS until 2011 (CVE-2011-0228). */
#include "victims/client.h"

static int on_verify(int good, X509_STORE_CTX *chain)
{
    int depth = X509_STORE_CTX_get_error_depth(chain);
    switch (X509_STORE_CTX_get_error(chain)) {
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
        /* THE FLAW: "this one must not sign others" is said of those above the
         * server's own certificate (depth 0), and is no reason to stop. It
         * should be `return good`, here as below. */
        return good || depth > 0;
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
    return client_main(
        argc, argv, "https-client-no-ca-check",
        "Fetch pages; whoever has a certificate may sign others.", check);
}
