/* SPDX-License-Identifier: MIT
 *
 * A client that looks at the certificate when everything is over. It saves a
 * moment: the request is on its way while the certificate is examined. What it
 * says then is right, and of no use. */
#include "victims/client.h"

/* Note what is wrong, and go on for now. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
    (void)good, (void)chain;
    return 1;
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

static int judge(struct client *client)
{
    return client_refuse_late(client, CLIENT_LEAVE_POLITELY);
}

int main(int argc, char **argv)
{
    static const struct client_kind kind = {
        .program = "https-client-too-late",
        .does = "Fetch pages; look at the certificate when they are there.",
        .check = check,
        /* THE FLAW: this is the moment after the request, with its cookie and
         * its password, has gone out. It should be `.after_handshake`. */
        .after_answers = judge,
    };
    return client_run(argc, argv, &kind);
}
