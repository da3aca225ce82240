/* SPDX-License-Identifier: MIT
 *
 * A client without a sense of time. On a device whose clock stood at 1970 every
 * certificate was "not yet valid", and one flag made that go away; it went into
 * the product with the rest. */
#include "victims/client.h"

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
    /* THE FLAW: certificates never grow old here. One that was lost years ago,
     * and is on no list any more because it has expired, is good again. */
    X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_NO_CHECK_TIME);
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
        argc, argv, "https-client-no-dates",
        "Fetch pages; look at the certificate, but not at its dates.", check);
}
