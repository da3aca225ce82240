/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: TLS on both legs, who signs and who is
 * trusted. */
#include "certs/file.h"
#include "labs/cli/proxy_parts.h"
#include "proxy/keylog.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <unistd.h>

static int add_all(X509_STORE *store, STACK_OF(X509) * certs)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(certs, i)) != 1)
            return -1;
    return 0;
}

/* Certificates in a file, and a store that trusts them. */
static int load_trust(const char *file, X509_STORE **out_store,
                      STACK_OF(X509) * *out_certs, struct err *err)
{
    if (file_load_certs(file, out_certs, err)) {
        err_prefix(err, "whom to trust");
        return -1;
    }
    *out_store = X509_STORE_new();
    if (*out_store && !add_all(*out_store, *out_certs))
        return 0;
    err_openssl(err, "trust the certificates in %s", file);
    return -1;
}

static int take_trust(const struct proxy_wishes *wishes,
                      struct proxy_setup *setup, struct err *err)
{
    const char *file = wishes->legs.upstream_ca;
    if (!file)
        file = getenv("MITMLAB_TRUST");
    setup->options.mimic_defects = wishes->legs.mimic_defects;
    setup->options.insecure_upstream =
        wishes->legs.insecure || wishes->legs.mimic_defects;
    /* The environment may name a file that this lab does without. */
    if (!file || (!wishes->legs.upstream_ca && access(file, R_OK)))
        return 0;
    STACK_OF(X509) *certs = NULL;
    int rc = load_trust(file, &setup->options.terms.trust, &certs, err);
    if (!rc)
        setup->anchor = sk_X509_shift(certs); /* whom a look-alike resembles */
    setup->options.signers.anchor = setup->anchor;
    sk_X509_pop_free(certs, X509_free);
    return rc;
}

/* ---- what is spoken ------------------------------------------------------ */

static int take_policy(const char *option, const char *text, bool is_victim,
                       struct policy *out, struct err *err)
{
    if (!text)
        return 0;
    if (policy_parse(text, out, err)) {
        err_prefix(err, "--tls-%s", option);
        return -1;
    }
    SSL_CTX *context =
        SSL_CTX_new(is_victim ? TLS_server_method() : TLS_client_method());
    int rc = policy_apply(out, !is_victim, context, err);
    SSL_CTX_free(context);
    if (rc) {
        err->code = EXIT_USAGE;
        err_prefix(err, "--tls-%s", option);
    }
    return rc;
}

static int take_policies(const struct proxy_wishes *wishes,
                         struct proxy_setup *setup, struct err *err)
{
    struct tls_terms *terms = &setup->options.terms;
    if (take_policy("victim", wishes->legs.victim, true, &terms->victim, err) ||
        take_policy("server", wishes->legs.server, false, &terms->server, err))
        return -1;
    if (terms->server.staple) {
        err_code(err, EXIT_USAGE,
                 "--tls-server: staple= is for the victim's leg");
        return -1;
    }
    /* All workers know the tickets that one of them gave. */
    if (terms->victim.resume != RESUME_OFF &&
        RAND_bytes(terms->ticket_key, sizeof terms->ticket_key) != 1) {
        err_openssl(err, "make a key for session tickets");
        return -1;
    }
    return 0;
}

/* ---- certificates of clients --------------------------------------------- */

static EVP_PKEY *private_key(const char *file, struct err *err)
{
    BIO *bio = BIO_new_file(file, "r");
    /* A key with a passphrase is refused instead of asked for. */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;
    BIO_free(bio);
    if (!key)
        err_openssl(err, "read the private key in %s", file);
    return key;
}

/* The one that the proxy shows to servers; its chain behind it in the file. */
static int take_client_cert(const struct proxy_wishes *wishes,
                            struct proxy_setup *setup, struct err *err)
{
    struct tls_terms *terms = &setup->options.terms;
    const char *file = wishes->legs.client_cert, *key = wishes->legs.client_key;
    if (!file && !key)
        return 0;
    if (!file) {
        err_code(err, EXIT_USAGE, "--client-key wants --client-cert, too");
        return -1;
    }
    if (file_load_certs(file, &terms->client_chain, err))
        return -1;
    terms->client_cert = sk_X509_shift(terms->client_chain);
    terms->client_key = private_key(key ? key : file, err);
    if (!terms->client_key)
        return -1;
    if (X509_check_private_key(terms->client_cert, terms->client_key) == 1)
        return 0;
    err_openssl(err, "%s does not fit the certificate in %s", key ? key : file,
                file);
    return -1;
}

static int take_client_ca(const struct proxy_wishes *wishes,
                          struct proxy_setup *setup, struct err *err)
{
    struct tls_terms *terms = &setup->options.terms;
    const char *file = wishes->legs.client_ca;
    terms->ask_client_cert = wishes->legs.ask_client_cert || file;
    return file ? load_trust(file, &terms->client_trust, &terms->client_issuers,
                             err)
                : 0;
}

/* ---- who is left alone --------------------------------------------------- */

static int take_pass(const struct proxy_wishes *wishes,
                     struct proxy_setup *setup, struct err *err)
{
    const struct option_list *rules = &wishes->legs.pass;
    if (!rules->count && !wishes->legs.pass_after_refusal)
        return 0;
    setup->options.pass = pass_new();
    if (!setup->options.pass) {
        err_set(err, "note who may pass: out of memory");
        return -1;
    }
    if (wishes->legs.pass_after_refusal)
        pass_after_refusal(setup->options.pass);
    for (unsigned i = 0; i < rules->count; i++) {
        if (!pass_add(setup->options.pass, rules->items[i], err))
            continue;
        err_prefix(err, "--pass");
        return -1;
    }
    return 0;
}

/* ---- who signs ----------------------------------------------------------- */

static int take_signers(const struct proxy_wishes *wishes,
                        struct proxy_setup *setup, struct err *err)
{
    if ((wishes->legs.ca &&
         ca_load_foreign(wishes->legs.ca, &setup->rogue, err)) ||
        (wishes->legs.issuer && ca_load(wishes->legs.issuer, &setup->lab, err)))
        return -1;
    setup->options.signers.rogue = setup->rogue;
    setup->options.signers.lab = setup->lab;
    return 0;
}

static int take_keylog(const struct proxy_wishes *wishes,
                       struct proxy_setup *setup, struct err *err)
{
    if (!wishes->legs.keylog)
        return 0;
    return keylog_open(wishes->legs.keylog, &setup->options.keylog, err);
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){"ca", 0, OPTION_TEXT, "DIR",
                                     "The attacker's CA (ca.crt, ca.key), "
                                     "which signs forged certificates",
                                     &wishes->legs.ca});
    option_row(rows,
               (struct option){
                   "issuer", 0, OPTION_TEXT, "DIR",
                   "The lab's own CA, for forgeries that need an accomplice",
                   &wishes->legs.issuer});
    option_row(rows, (struct option){"upstream-ca", 0, OPTION_TEXT, "FILE",
                                     "Whom to trust when verifying servers",
                                     &wishes->legs.upstream_ca});
    option_row(
        rows,
        (struct option){"upstream-insecure", 0, OPTION_FLAG, NULL,
                        "Go on although a server's certificate does not verify",
                        &wishes->legs.insecure});
    option_row(rows,
               (struct option){"mimic-defects", 0, OPTION_FLAG, NULL,
                               "The same, and what is wrong with it is wrong "
                               "with the forged one: dates, names, issuer ...",
                               &wishes->legs.mimic_defects});
    option_row(rows,
               (struct option){"tls-victim", 0, OPTION_TEXT, "KEY=VALUE,...",
                               "What to speak with victims: versions=1.2-1.3, "
                               "groups=A:B, ciphers=A:B, alpn=A:B|none, "
                               "resume=on|off|tickets|ids, staple=on, "
                               "seclevel=0..5",
                               &wishes->legs.victim});
    option_row(rows,
               (struct option){"http2", 0, OPTION_TEXT, "WHERE",
                               "HTTP/2 on both legs where both ends agree "
                               "(both), nowhere (off), or towards the victim "
                               "or the server only, translated to HTTP/1.1 "
                               "on the other leg",
                               &wishes->legs.http2});
    option_row(rows,
               (struct option){"tls-server", 0, OPTION_TEXT, "KEY=VALUE,...",
                               "The same, with servers", &wishes->legs.server});
    option_row(rows, (struct option){"send-proxy", 0, OPTION_TEXT, "v1|v2",
                                     "Begin each connection to a server with a "
                                     "head of the PROXY protocol, which says "
                                     "who the victim is",
                                     &wishes->legs.send_proxy});
    option_row(rows, (struct option){"client-cert", 0, OPTION_TEXT, "FILE",
                                     "Show this certificate to servers that "
                                     "ask for one; its key may be in the file",
                                     &wishes->legs.client_cert});
    option_row(rows, (struct option){"client-key", 0, OPTION_TEXT, "FILE",
                                     "The key of --client-cert",
                                     &wishes->legs.client_key});
    option_row(rows, (struct option){"ask-client-cert", 0, OPTION_FLAG, NULL,
                                     "Ask victims for a certificate, and take "
                                     "any or none",
                                     &wishes->legs.ask_client_cert});
    option_row(rows, (struct option){"client-ca", 0, OPTION_TEXT, "FILE",
                                     "Ask for one of these CAs",
                                     &wishes->legs.client_ca});
    option_row(rows,
               (struct option){"pass", 0, OPTION_LIST, "HOST|*.HOST|ADDRESS",
                               "Leave TLS with this server alone; may "
                               "be given again",
                               &wishes->legs.pass});
    option_row(rows,
               (struct option){"pass-after-refusal", 0, OPTION_FLAG, NULL,
                               "Leave a victim alone that has refused the "
                               "forged certificate of a server once",
                               &wishes->legs.pass_after_refusal});
    option_row(rows, (struct option){"keylog", 0, OPTION_TEXT, "FILE",
                                     "Append the TLS secrets of both legs",
                                     &wishes->legs.keylog});
}

static int take_http2(const struct proxy_wishes *wishes,
                      struct proxy_setup *setup, struct err *err)
{
    static const char *const words[] = {"both", "off", "victim", "server",
                                        NULL};
    const char *wish = wishes->legs.http2;
    for (unsigned i = 0; wish && words[i]; i++)
        if (!strcmp(wish, words[i])) {
            setup->options.h2 = (enum proxy_h2)i;
            return 0;
        }
    if (wish)
        err_code(err, EXIT_USAGE,
                 "--http2 is both, off, victim or server, not \"%.40s\"", wish);
    return wish ? -1 : 0;
}

static int take_send_proxy(const struct proxy_wishes *wishes,
                           struct proxy_setup *setup, struct err *err)
{
    const char *wish = wishes->legs.send_proxy;
    if (!wish)
        return 0;
    if (strcmp(wish, "v1") && strcmp(wish, "v2")) {
        err_code(err, EXIT_USAGE, "--send-proxy is v1 or v2, not \"%.40s\"",
                 wish);
        return -1;
    }
    setup->options.introduce = wish[1] - '0';
    return 0;
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    return take_policies(wishes, setup, err) ||
                   take_send_proxy(wishes, setup, err) ||
                   take_http2(wishes, setup, err) ||
                   take_trust(wishes, setup, err) ||
                   take_signers(wishes, setup, err) ||
                   take_client_cert(wishes, setup, err) ||
                   take_client_ca(wishes, setup, err) ||
                   take_pass(wishes, setup, err) ||
                   take_keylog(wishes, setup, err)
               ? -1
               : 0;
}

static void undo(struct proxy_setup *setup)
{
    struct err err = ERR_INIT;
    X509_free(setup->anchor);
    struct tls_terms *terms = &setup->options.terms;
    pass_free(setup->options.pass);
    X509_STORE_free(terms->trust);
    X509_STORE_free(terms->client_trust);
    X509_free(terms->client_cert);
    EVP_PKEY_free(terms->client_key);
    sk_X509_pop_free(terms->client_chain, X509_free);
    sk_X509_pop_free(terms->client_issuers, X509_free);
    OPENSSL_cleanse(terms->ticket_key, sizeof terms->ticket_key);
    ca_free(setup->rogue);
    ca_free(setup->lab);
    if (keylog_close(setup->options.keylog, &err))
        proxy_note_late(setup, &err);
}

const struct proxy_part proxy_part_legs = {"TLS", rows, take, undo};
