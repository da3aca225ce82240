/* SPDX-License-Identifier: MIT
 *
 * OpenSSL over a BIO of our own. Records are counted from their headers, as
 * the message callback shows them, so that every alert has its exact place in
 * the TCP stream. */
#include "proxy/tls.h"

#include "proxy/verified.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { RECORD_MOST = 16 * 1024, HEADER = 5 };

struct tls {
    struct tls_terms terms;
    BIO_METHOD *wire;
    SSL_CTX *as_server;        /* towards the victim; see as_server() */
    SSL_CTX *as_client;        /* towards the server; see as_client() */
    struct sessions *sessions; /* with servers; NULL: none is kept */
    struct verified *verified; /* chains of servers */
};

/* ---- the BIO ------------------------------------------------------------- */

static int on_wire_read(BIO *bio, char *to, int most)
{
    struct tls_side *side = BIO_get_data(bio);
    size_t len = buf_len(side->in);
    BIO_clear_retry_flags(bio);
    if (!len) {
        if (!side->in_ended)
            BIO_set_retry_read(bio);
        return side->in_ended ? 0 : -1;
    }
    len = len < (size_t)most ? len : (size_t)most;
    memcpy(to, buf_head(side->in), len);
    buf_consume(side->in, len);
    return (int)len;
}

static int on_wire_write(BIO *bio, const char *bytes, int len)
{
    struct tls_side *side = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return buf_append(side->out, bytes, (size_t)len) ? -1 : len;
}

static long on_wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    struct tls_side *side = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return side->in_ended && !buf_len(side->in);
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    if (!method)
        return NULL;
    BIO_meth_set_read(method, on_wire_read);
    BIO_meth_set_write(method, on_wire_write);
    BIO_meth_set_ctrl(method, on_wire_ctrl);
    return method;
}

/* ---- what OpenSSL tells along the way ------------------------------------ */

static void count_record(struct tls_side *side, bool sent,
                         const unsigned char *header)
{
    uint64_t len = HEADER + ((uint64_t)header[3] << 8 | header[4]);
    if (sent) {
        side->sent_at = side->out_at;
        side->sent_len = len;
        side->out_at += len;
    } else {
        side->read_at = side->in_at;
        side->read_len = len;
        side->in_at += len;
    }
}

static void note_alert(struct tls_side *side, bool sent, int level, int code)
{
    if (!sent && code == SSL3_AD_CLOSE_NOTIFY)
        side->said_bye = true;
    if (side->calls->on_alert)
        side->calls->on_alert(side->owner, sent, level, code,
                              sent ? side->sent_at : side->read_at,
                              sent ? side->sent_len : side->read_len);
}

/* One of our handshake messages, as it is made. */
static void note_message(struct tls_side *side, const unsigned char *body,
                         size_t len)
{
    if (body[0] == SSL3_MT_CERTIFICATE)
        side->shown = true;
    if (body[0] != SSL3_MT_CLIENT_HELLO || side->greeted)
        return;
    side->greeted = true;
    if (side->calls->on_hello)
        side->calls->on_hello(side->owner, body, len);
}

static void on_message(int sent, int version, int type, const void *bytes,
                       size_t len, SSL *ssl, void *context)
{
    (void)version;
    (void)ssl;
    struct tls_side *side = context;
    const unsigned char *body = bytes;
    if (type == SSL3_RT_HEADER && len == HEADER)
        count_record(side, sent, body);
    else if (type == SSL3_RT_ALERT && len == 2)
        note_alert(side, sent, body[0], body[1]);
    else if (type == SSL3_RT_HANDSHAKE && sent && len)
        note_message(side, body, len);
    else if (type == SSL3_RT_HANDSHAKE && side->finished)
        side->littered = true;
}

static void on_key_line(const SSL *ssl, const char *line)
{
    struct tls_side *side = SSL_get_app_data(ssl);
    if (side->calls->on_key)
        side->calls->on_key(side->owner, line);
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_side *side = SSL_get_app_data(ssl);
    if (!ok && side->verify_code == X509_V_OK) {
        side->verify_code = X509_STORE_CTX_get_error(store);
        side->verify_depth = X509_STORE_CTX_get_error_depth(store);
    }
    return ok || side->verify_insecure;
}

/* In place of X509_verify_cert(). */
static int on_chain(X509_STORE_CTX *store, void *context)
{
    struct tls *tls = context;
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_side *side = SSL_get_app_data(ssl);
    time_t now = time(NULL);
    if (verified_has(tls->verified, store, now)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    int good = X509_verify_cert(store);
    if (good == 1 && side->verify_code == X509_V_OK &&
        X509_STORE_CTX_get_error(store) == X509_V_OK)
        verified_keep(tls->verified, store, now);
    return good;
}

/* Offer the victim what its server chose, if the victim knows it. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *context)
{
    (void)context;
    struct tls_side *side = SSL_get_app_data(ssl);
    const struct alpn_list offered = {in, in_len};
    struct alpn_name name;
    for (size_t at = 0; side->alpn.len && alpn_next(offered, &at, &name);) {
        if (name.len == side->alpn.len &&
            !memcmp(name.bytes, side->alpn.bytes, name.len)) {
            *out = name.bytes;
            *out_len = name.len;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* The server wants a certificate of us; OpenSSL takes that of the context. */
static int on_cert_wanted(SSL *ssl, void *context)
{
    (void)context;
    struct tls_side *side = SSL_get_app_data(ssl);
    side->asked = true;
    return 1;
}

/* The victim wants a stapled response; tls_staple() may have put one there. */
static int on_staple_wanted(SSL *ssl, void *context)
{
    (void)context;
    const unsigned char *staple = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &staple);
    return staple && len > 0 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_side *side = SSL_get_app_data(ssl);
    return side->sessions &&
           !sessions_keep_take(side->sessions, side->server, session);
}

/* ---- contexts ------------------------------------------------------------ */

/* The suite that everybody has (RFC 8446 9.1) is also the quickest, for the
 * records as for the ten keys of a handshake. */
static const char SUITES[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                             "TLS_CHACHA20_POLY1305_SHA256";

static SSL_CTX *make_context(const SSL_METHOD *method, bool tells_keys)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context)
        return NULL;
    SSL_CTX_set_ciphersuites(context, SUITES);
    /* An end without close_notify is an observation; OpenSSL would answer it
     * with an alert and refuse to write. why_not() tells the two apart. */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (tells_keys)
        SSL_CTX_set_keylog_callback(context, on_key_line);
    return context;
}

/* A context that is made while memory is short may be lame: OpenSSL takes an
 * algorithm for which it got no memory as one that this machine does not have,
 * says nothing, and never offers it again. malloc(3) says so; `errno` was 0
 * before. NULL then, and the next connection tries anew. */
static SSL_CTX *unless_lame(SSL_CTX *context)
{
    if (!context || errno != ENOMEM)
        return context;
    SSL_CTX_free(context);
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    return NULL;
}

/* Ask victims for a certificate, and name those whose it should be. */
static int ask_for_cert(SSL_CTX *context, const struct tls_terms *terms)
{
    if (!terms->ask_client_cert)
        return 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    if (terms->client_trust)
        SSL_CTX_set1_cert_store(context, terms->client_trust);
    for (int i = 0; i < sk_X509_num(terms->client_issuers); i++)
        if (SSL_CTX_add_client_CA(context,
                                  sk_X509_value(terms->client_issuers, i)) != 1)
            return -1;
    return 0;
}

static SSL_CTX *make_server_context(const struct tls_terms *terms,
                                    struct err *err)
{
    errno = 0;
    SSL_CTX *context = make_context(TLS_server_method(), !terms->no_keys);
    if (!context)
        return NULL;
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    SSL_CTX_set_tlsext_status_cb(context, on_staple_wanted);
    session_serve(context, &terms->victim, terms->ticket_key);
    /* A forgery may be weak on purpose; the victim is to judge it, not we. */
    if (!policy_apply(&terms->victim, 0, context, err) &&
        !ask_for_cert(context, terms))
        return unless_lame(context);
    SSL_CTX_free(context);
    return NULL;
}

static int show_client_cert(SSL_CTX *context, const struct tls_terms *terms)
{
    SSL_CTX_set_cert_cb(context, on_cert_wanted, NULL);
    if (!terms->client_cert)
        return 0;
    return SSL_CTX_use_certificate(context, terms->client_cert) == 1 &&
                   SSL_CTX_use_PrivateKey(context, terms->client_key) == 1 &&
                   SSL_CTX_set1_chain(context, terms->client_chain) == 1
               ? 0
               : -1;
}

static SSL_CTX *make_client_context(const struct tls_terms *terms,
                                    struct err *err)
{
    errno = 0;
    SSL_CTX *context = make_context(TLS_client_method(), !terms->no_keys);
    if (!context)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    if (terms->trust)
        SSL_CTX_set1_cert_store(context, terms->trust);
    session_ask(context, &terms->server);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (!policy_apply(&terms->server, 1, context, err) &&
        !show_client_cert(context, terms))
        return unless_lame(context);
    SSL_CTX_free(context);
    return NULL;
}

/* Made when they are needed: the first takes OpenSSL longer than all else that
 * a proxy does before it listens, and one of clear text needs none. */
static SSL_CTX *as_server(struct tls *tls, struct err *err)
{
    if (!tls->as_server)
        tls->as_server = make_server_context(&tls->terms, err);
    return tls->as_server;
}

static SSL_CTX *as_client(struct tls *tls, struct err *err)
{
    if (!tls->as_client)
        tls->as_client = make_client_context(&tls->terms, err);
    if (tls->as_client)
        SSL_CTX_set_cert_verify_callback(tls->as_client, on_chain, tls);
    return tls->as_client;
}

/* Terms that OpenSSL might refuse; then it has to say so before anybody
 * connects. */
static bool may_be_refused(const struct tls_terms *terms)
{
    static const struct policy usual;
    return memcmp(&terms->victim, &usual, sizeof usual) ||
           memcmp(&terms->server, &usual, sizeof usual) || terms->client_cert ||
           terms->ask_client_cert;
}

int tls_open(const struct tls_terms *terms, struct tls **out, struct err *err)
{
    struct tls *tls = calloc(1, sizeof *tls);
    bool keeps = terms->server.resume != RESUME_OFF;
    err->text[0] = 0;
    if (tls) {
        tls->terms = *terms;
        tls->wire = wire_method();
        tls->sessions = keeps ? sessions_new() : NULL;
        tls->verified = verified_new();
    }
    if (!tls || !tls->wire || !tls->verified || (keeps && !tls->sessions) ||
        (may_be_refused(terms) &&
         (!as_server(tls, err) || !as_client(tls, err)))) {
        if (!err->text[0])
            err_openssl(err, "set up TLS");
        tls_free(tls);
        return -1;
    }
    *out = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->as_server);
    SSL_CTX_free(tls->as_client);
    BIO_meth_free(tls->wire);
    sessions_free(tls->sessions);
    verified_free(tls->verified);
    OPENSSL_cleanse(tls->terms.ticket_key, sizeof tls->terms.ticket_key);
    free(tls);
}

/* ---- one side ------------------------------------------------------------ */

static int start(struct tls *tls, SSL_CTX *context, struct tls_side *side,
                 struct err *err)
{
    BIO *bio = BIO_new(tls->wire);
    side->ssl = context ? SSL_new(context) : NULL;
    /* The callbacks find `side` there, and have nothing else. */
    if (!bio || !side->ssl || !SSL_set_app_data(side->ssl, side)) {
        BIO_free(bio);
        err_openssl(err, "start TLS");
        return -1;
    }
    BIO_set_data(bio, side);
    BIO_set_init(bio, 1);
    SSL_set_bio(side->ssl, bio, bio);
    SSL_set_msg_callback(side->ssl, on_message);
    SSL_set_msg_callback_arg(side->ssl, side);
    return 0;
}

int tls_accept(struct tls *tls, struct tls_side *side,
               const struct forged *forged, struct err *err)
{
    if (start(tls, as_server(tls, err), side, err))
        return -1;
    SSL_set_accept_state(side->ssl);
    side->verify_insecure = true; /* it may be asked, but not refused */
    if (SSL_use_certificate(side->ssl, forged->leaf) != 1 ||
        SSL_use_PrivateKey(side->ssl, forged->key) != 1 ||
        SSL_set1_chain(side->ssl, forged->chain) != 1 ||
        tls_staple(side, forged->staple, forged->staple_len)) {
        err_openssl(err, "show the forged certificate");
        return -1;
    }
    return 0;
}

int tls_staple(struct tls_side *side, const unsigned char *bytes, size_t len)
{
    if (!len || len > INT_MAX)
        return 0;
    unsigned char *copy = OPENSSL_memdup(bytes, len);
    if (copy && SSL_set_tlsext_status_ocsp_resp(side->ssl, copy, (int)len) == 1)
        return 0;
    OPENSSL_free(copy);
    return -1;
}

SSL_CTX *tls_server_context(void)
{
    static const struct tls_terms usual = {0};
    struct err ignored = ERR_INIT;
    return make_server_context(&usual, &ignored);
}

int tls_accept_by(struct tls *tls, struct tls_side *side, SSL_CTX *context,
                  struct err *err)
{
    if (start(tls, context, side, err))
        return -1;
    SSL_set_accept_state(side->ssl);
    return 0;
}

static bool is_address(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, name, &ignored) == 1 ||
           inet_pton(AF_INET6, name, &ignored) == 1;
}

static int expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, name);
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0);
}

/* Under this name the server's sessions are kept, if they are. */
static void resume(struct tls *tls, struct tls_side *side, const char *name)
{
    if (!tls->sessions || !name)
        return;
    side->server = strdup(name);
    if (!side->server)
        return;
    side->sessions = tls->sessions;
    sessions_offer(tls->sessions, name, side->ssl);
}

int tls_connect(struct tls *tls, struct tls_side *side,
                const struct tls_wish *wish, struct err *err)
{
    if (start(tls, as_client(tls, err), side, err))
        return -1;
    SSL_set_connect_state(side->ssl);
    bool named = wish->server_name && *wish->server_name &&
                 !is_address(wish->server_name);
    if ((named &&
         SSL_set_tlsext_host_name(side->ssl, wish->server_name) != 1) ||
        (wish->verify_name && expect_name(side->ssl, wish->verify_name) != 1) ||
        (wish->alpn.len &&
         SSL_set_alpn_protos(side->ssl, wish->alpn.bytes,
                             (unsigned)wish->alpn.len) != 0)) {
        err_openssl(err, "prepare TLS to the server");
        return -1;
    }
    if (wish->staple)
        SSL_set_tlsext_status_type(side->ssl, TLSEXT_STATUSTYPE_ocsp);
    resume(tls, side, wish->session);
    return 0;
}

/* SSL_get_error() believes what it finds in the queue; it rarely finds much,
 * and emptying it takes longer than looking. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

/* A server of another protocol answers a ClientHello in its own words. */
static bool is_no_tls(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL &&
           ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER;
}

static enum tls_result why_not(struct tls_side *side, int rc)
{
    switch (SSL_get_error(side->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return side->said_bye ? TLS_CLOSED : TLS_TRUNCATED;
    default:
        side->broken = true;
        side->no_tls = is_no_tls(ERR_peek_error());
        forget_errors();
        return TLS_FAILED;
    }
}

enum tls_result tls_handshake(struct tls_side *side)
{
    forget_errors();
    int rc = SSL_do_handshake(side->ssl);
    if (rc != 1)
        return why_not(side, rc);
    side->finished = true;
    /* Nothing is verified then but what was once. */
    if (SSL_session_reused(side->ssl))
        side->verify_code = (int)SSL_get_verify_result(side->ssl);
    return TLS_DONE;
}

/* A session ticket makes OpenSSL take a buffer for an answer, which it never
 * gives: 16 KiB for each idle connection. */
static void tidy_up(struct tls_side *side)
{
    side->littered = SSL_free_buffers(side->ssl) != 1;
}

/* Spare OpenSSL a question whose answer is known: it would take a buffer, find
 * nothing, and give it back. */
static bool is_dry(const struct tls_side *side)
{
    return side->finished && !side->in_ended && !buf_len(side->in) &&
           !SSL_pending(side->ssl);
}

static enum tls_result decrypt(struct tls_side *side, struct buf *clear,
                               size_t most)
{
    while (!is_dry(side)) {
        if (buf_len(clear) >= most)
            return TLS_DONE;
        uint8_t *to = buf_reserve(clear, RECORD_MOST);
        if (!to)
            return TLS_FAILED;
        forget_errors();
        size_t room = clear->room - clear->end;
        int got = SSL_read(side->ssl, to, room < INT_MAX ? (int)room : INT_MAX);
        if (got <= 0)
            return why_not(side, got);
        if (!buf_len(clear))
            side->clear_at = side->read_at;
        buf_filled(clear, (size_t)got);
        side->bytes += (uint64_t)got;
    }
    return TLS_WAIT;
}

enum tls_result tls_read(struct tls_side *side, struct buf *clear, size_t most)
{
    enum tls_result result = decrypt(side, clear, most);
    if (side->littered)
        tidy_up(side);
    return result;
}

int tls_write(struct tls_side *side, const void *bytes, size_t len)
{
    const char *from = bytes;
    while (len && !side->broken) {
        forget_errors();
        int piece = len < INT_MAX ? (int)len : INT_MAX;
        int wrote = SSL_write(side->ssl, from, piece);
        if (wrote <= 0) {
            side->broken = true;
            break;
        }
        from += wrote;
        len -= (size_t)wrote;
    }
    return side->broken ? -1 : 0;
}

void tls_goodbye(struct tls_side *side)
{
    if (!side->ssl || side->broken || !side->finished)
        return;
    forget_errors();
    SSL_shutdown(side->ssl);
    forget_errors();
}

void tls_close(struct tls_side *side)
{
    SSL_free(side->ssl);
    side->ssl = NULL;
    free(side->server);
    side->server = NULL;
}

int tls_refuse(struct buf *out, int code)
{
    const unsigned char record[] = {
        SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, (unsigned char)code};
    return buf_append(out, record, sizeof record);
}

static const struct {
    int code;
    const char *name;
} alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed_RESERVED"},
    {22, "record_overflow"},
    {30, "decompression_failure_RESERVED"},
    {40, "handshake_failure"},
    {41, "no_certificate_RESERVED"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {60, "export_restriction_RESERVED"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation_RESERVED"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable_RESERVED"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value_RESERVED"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

const char *tls_alert_name(int code)
{
    static _Thread_local char other[16];
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].code == code)
            return alerts[i].name;
    snprintf(other, sizeof other, "alert_%d", code & 0xff);
    return other;
}
