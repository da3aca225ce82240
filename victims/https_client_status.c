/* SPDX-License-Identifier: MIT
 *
 * The careful client, and one question more: does the CA still stand by this
 * certificate? --status says how it asks, and what it makes of silence. That is
 * the one place where a client can be wrong with every line of its code right:
 * soft is how browsers asked for years. */
#include "victims/client.h"

#include <openssl/ocsp.h>

enum standing { GOOD, REVOKED, SILENCE };

/* ---- what an answer says (RFC 6960 3.2) ---------------------------------- */

static enum standing standing_of(OCSP_BASICRESP *basic, X509 *cert,
                                 X509 *issuer)
{
    int status = V_OCSP_CERTSTATUS_UNKNOWN;
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
    STACK_OF(X509) *signers = sk_X509_new_null();
    X509_STORE *nobody = X509_STORE_new();
    sk_X509_push(signers, issuer);
    /* Signed by the issuer itself, about this certificate, and of today. */
    bool good =
        OCSP_basic_verify(basic, signers, nobody, OCSP_TRUSTOTHER) == 1 &&
        OCSP_resp_find_status(basic, id, &status, NULL, NULL, &from, &until) &&
        OCSP_check_validity(from, until, 300, -1);
    X509_STORE_free(nobody);
    sk_X509_free(signers);
    OCSP_CERTID_free(id);
    return good && status == V_OCSP_CERTSTATUS_GOOD      ? GOOD
           : good && status == V_OCSP_CERTSTATUS_REVOKED ? REVOKED
                                                         : SILENCE;
}

static enum standing read_answer(const unsigned char *bytes, long len,
                                 X509 *cert, X509 *issuer)
{
    OCSP_RESPONSE *answer = d2i_OCSP_RESPONSE(NULL, &bytes, len);
    OCSP_BASICRESP *basic = answer ? OCSP_response_get1_basic(answer) : NULL;
    enum standing standing = basic ? standing_of(basic, cert, issuer) : SILENCE;
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(answer);
    ERR_clear_error();
    return standing;
}

/* ---- asking the CA ------------------------------------------------------- */

/* The question, as it goes into a POST (RFC 6960 A.1). Its length, or 0. */
static int question(X509 *cert, X509 *issuer, unsigned char **out)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);
    *out = NULL;
    if (!OCSP_request_add0_id(request, id))
        OCSP_CERTID_free(id);
    int len = i2d_OCSP_REQUEST(request, out);
    OCSP_REQUEST_free(request);
    return len > 0 ? len : 0;
}

static int post(struct wire *wire, const struct client_url *url,
                const unsigned char *body, int len)
{
    struct text request = {0};
    text_add(&request,
             "POST %s HTTP/1.1\r\nHost: %s\r\n"
             "Content-Type: application/ocsp-request\r\n"
             "Content-Length: %d\r\nConnection: close\r\n\r\n",
             *url->path ? url->path : "/", url->authority, len);
    text_bytes(&request, (const char *)body, (size_t)len);
    int rc = wire_write(wire, request.bytes, request.len, NULL);
    text_free(&request);
    return rc;
}

/* Whatever goes wrong on the way is silence. */
static enum standing ask_at(const struct client_url *url, X509 *cert,
                            X509 *issuer, int timeout)
{
    struct err err = ERR_INIT;
    struct wire wire;
    struct http_message answer = {0};
    unsigned char *body;
    enum standing standing = SILENCE;
    int fd = dial_blocking(url->host, url->port, timeout * 1000, &err);
    int len = fd < 0 ? 0 : question(cert, issuer, &body);
    if (fd < 0)
        return SILENCE;
    wire_open(&wire, fd, true);
    wire_hurry(&wire, timeout);
    if (!post(&wire, url, body, len) && http_read_head(&wire, &answer) == 1 &&
        !strcmp(answer.words[1], "200") &&
        !http_read_body(&wire, &answer, true))
        standing = read_answer((unsigned char *)answer.body.bytes,
                               (long)answer.body.len, cert, issuer);
    wire_finish(&wire);
    wire_close(&wire);
    http_free(&answer);
    OPENSSL_free(body);
    return standing;
}

/* The certificate says where (RFC 5280 4.2.2.1). */
static enum standing ask(const struct client *client, X509 *cert, X509 *issuer)
{
    static const char *const words[] = {"good", "revoked", "no answer"};
    STACK_OF(OPENSSL_STRING) *places = X509_get1_ocsp(cert);
    const char *place = sk_OPENSSL_STRING_value(places, 0);
    struct client_url url;
    enum standing standing = SILENCE;
    if (place && client_read_url(place, &url) && !url.tls) {
        standing = ask_at(&url, cert, issuer, client->options.timeout);
        client_say(client, "asked %s about the certificate: %s", place,
                   words[standing]);
    } else {
        client_say(client, "the certificate does not say whom to ask");
    }
    X509_email_free(places);
    return standing;
}

/* OpenSSL has found nothing wrong with the server's own certificate (depth 0),
 * which is the last of the chain that it looks at. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
    const struct client *client = client_of(chain);
    const char *wanted = client->options.own;
    STACK_OF(X509) *certs = X509_STORE_CTX_get0_chain(chain);
    if (!good || X509_STORE_CTX_get_error_depth(chain) > 0 ||
        (strcmp(wanted, "soft") != 0 && strcmp(wanted, "hard") != 0))
        return good;
    enum standing standing =
        ask(client, sk_X509_value(certs, 0), sk_X509_value(certs, 1));
    if (standing == REVOKED)
        X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REVOKED);
    else if (standing == SILENCE && !strcmp(wanted, "hard"))
        X509_STORE_CTX_set_error(chain, X509_V_ERR_OCSP_VERIFY_NEEDED);
    return X509_STORE_CTX_get_error(chain) == X509_V_OK;
}

/* ---- what the server brings along ---------------------------------------- */

/* "Must staple": the certificate itself demands it (RFC 7633 4). It is signed
 * by the CA, so that nobody on the path can take the demand away. */
static bool must_staple(X509 *cert)
{
    TLS_FEATURE *features = X509_get_ext_d2i(cert, NID_tlsfeature, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
        found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) ==
                 TLSEXT_TYPE_status_request;
    TLS_FEATURE_free(features);
    return found;
}

/* 1: go on; 0: the alert bad_certificate_status_response (RFC 6066 8). */
static int on_status(SSL *ssl, void *argument)
{
    const struct wire *wire = SSL_get_app_data(ssl);
    struct client *client = wire->owner;
    const unsigned char *bytes;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    STACK_OF(X509) *certs = SSL_get0_verified_chain(ssl);
    X509 *cert = sk_X509_value(certs, 0);
    (void)argument;
    if (len <= 0) {
        bool wanted = must_staple(cert);
        client_say(client, "nothing is stapled to the certificate%s",
                   wanted ? ", and it says that something must be" : "");
        if (wanted)
            SSL_set_verify_result(ssl, X509_V_ERR_OCSP_VERIFY_NEEDED);
        return !wanted;
    }
    bool good = read_answer(bytes, len, cert, sk_X509_value(certs, 1)) == GOOD;
    client_say(client, "the stapled answer of the CA is %s",
               good ? "good" : "not good");
    if (!good)
        SSL_set_verify_result(ssl, X509_V_ERR_OCSP_VERIFY_FAILED);
    return good;
}

static int check(SSL_CTX *context, SSL *ssl, const char *host,
                 const char *trust_file)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    struct wire *wire = SSL_get_app_data(ssl);
    struct client *client = wire->owner;
    if (!client->options.own)
        client->options.own = "soft";
    if (!strcmp(client->options.own, "staple")) {
        SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
        SSL_CTX_set_tlsext_status_cb(context, on_status);
    }
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
    static const struct client_kind kind = {
        .program = "https-client-status",
        .does = "Fetch pages; ask whether the certificate was revoked.",
        .check = check,
        .option = "status",
        .option_values = "none|soft|hard|staple",
        .option_help =
            "  --status HOW           is it revoked? none: do not ask; soft: "
            "ask the CA,\n"
            "                         and take silence for yes (default); "
            "hard: and take\n"
            "                         it for no; staple: what the server "
            "brings along\n",
    };
    return client_run(argc, argv, &kind);
}
