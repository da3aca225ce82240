/* SPDX-License-Identifier: MIT
 *
 * A client that encrypts for whoever answers. Somebody once got an error from
 * a test server, found a line on the web that made it go away, and shipped
 * it. */
#include "victims/client.h"

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    (void)host;
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    /* THE FLAW: OpenSSL still looks at the certificate and finds what is wrong
     * with it, and nobody listens. The bytes are secret, but from everyone
     * except the one who should not read them. */
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    return client_main(argc, argv, "https-client-no-verify",
                       "Fetch pages, and take any certificate for good.",
                       check);
}
