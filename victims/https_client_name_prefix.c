/* SPDX-License-Identifier: MIT
 *
 * A client that compares names by itself, and stops too early: "bank.lab.test"
 * is how "bank.lab.test.evil.test" begins, and whoever owns evil.test can have
 * a certificate for that. A zero byte in the middle does it too
 * (CVE-2009-2408). */
#include "victims/client.h"

static bool is_for(X509 *cert, const char *host)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *it = sk_GENERAL_NAME_value(names, i);
        if (it->type != GEN_DNS)
            continue;
        const char *name = (const char *)ASN1_STRING_get0_data(it->d.dNSName);
        size_t len = (size_t)ASN1_STRING_length(it->d.dNSName);
        /* THE FLAW: the name may go on. `len == strlen(host)` is missing. */
        found = len >= strlen(host) && !strncasecmp(name, host, strlen(host));
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* OpenSSL asks once for each certificate, the server's own (depth 0) last. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
    if (!good || X509_STORE_CTX_get_error_depth(chain) > 0)
        return good;
    if (is_for(X509_STORE_CTX_get_current_cert(chain), client_host(chain)))
        return 1;
    X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    if (trust_file && SSL_CTX_load_verify_file(context, trust_file) != 1)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    X509_VERIFY_PARAM_set_purpose(SSL_get0_param(ssl), X509_PURPOSE_SSL_SERVER);
    (void)host; /* is_for() asks for it */
    return 0;
}

int main(int argc, char **argv)
{
    return client_main(argc, argv, "https-client-name-prefix",
                       "Fetch pages; compare the beginning of the name.",
                       check);
}
