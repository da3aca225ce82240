/* SPDX-License-Identifier: MIT
 *
 * A client that asks who signed a certificate, and forgets to ask for whom.
 * Whoever owns any name can have a certificate for it from a good CA, and show
 * it here in the bank's place. */
#include "victims/client.h"

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_purpose(SSL_get0_param(ssl), X509_PURPOSE_SSL_SERVER);
    /* THE FLAW: nothing here says what the name should be. A call of
     * X509_VERIFY_PARAM_set1_host(), as in https_client.c, is missing. */
    (void)host;
    return 0;
}

int main(int argc, char **argv)
{
    return client_main(argc, argv, "https-client-no-name-check",
                       "Fetch pages; look who signed, but not for which name.",
                       check);
}
