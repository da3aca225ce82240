/* SPDX-License-Identifier: MIT
 *
 * A client that completes every handshake and looks at the certificate
 * afterwards, before it asks for anything. That is not wrong: not a byte of
 * its own has gone out. But who watches the wire cannot tell its "no" from a
 * visitor who changed his mind. wget and, for names, curl do it so. How it
 * says no is up to --leave. */
#include "victims/client.h"

#include <sys/socket.h>

/* Look at nothing: whoever says "abort" hangs up in the middle of the
 * handshake, before OpenSSL can say why. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
    const struct client *client = client_of(chain);
    const char *leave = client->options.own;
    if (good || !leave || strcmp(leave, "abort") != 0)
        return 1;
    shutdown(client->wire.fd, SHUT_RDWR);
    return 0;
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

/* Now: what OpenSSL has found is still known. */
static int judge(struct client *client)
{
    static const struct {
        const char *name;
        enum client_leave leave;
    } ways[] = {
        {"close", CLIENT_LEAVE_POLITELY},
        {"fin", CLIENT_LEAVE_SILENTLY},
        {"reset", CLIENT_LEAVE_ABRUPTLY},
        {"abort", CLIENT_LEAVE_SILENTLY},
    };
    const char *wanted = client->options.own ? client->options.own : "close";
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, wanted))
            return client_refuse_late(client, ways[i].leave);
    return CLIENT_OK; /* there is no other: see option_values */
}

int main(int argc, char **argv)
{
    static const struct client_kind kind = {
        .program = "https-client-late",
        .does = "Fetch pages; look at the certificate when the handshake is "
                "over.",
        .check = check,
        .after_handshake = judge,
        .option = "leave",
        .option_values = "close|fin|reset|abort",
        .option_help =
            "  --leave HOW            how to refuse: close (close_notify), fin "
            "or reset\n"
            "                         (TCP only), abort (in the handshake)\n",
    };
    return client_run(argc, argv, &kind);
}
