/* SPDX-License-Identifier: MIT */
#include "proxy/facts.h"

#include "proxy/fingerprint.h"
#include "proxy/keylog.h"
#include "proxy/worker.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORD_HEADER = 5,
    ALPN_TOLD = 64, /* names of a list that an event tells */
};

static const char *quoted(const char *text)
{
    return event_text(text, strlen(text), 1024);
}

struct event_where facts_where(const struct end *end)
{
    const union address *opener = end_opener(end);
    bool known = end->leg == LEG_VICTIM || opener->any.sa_family;
    return (struct event_where){
        .flow = end->relay->flow.id,
        .leg = end->leg,
        .opener = known ? opener : NULL,
        .acceptor = known ? end_acceptor(end) : NULL,
    };
}

/* ---- life ---------------------------------------------------------------- */

void facts_opened(const struct end *end)
{
    struct event_where where = facts_where(end);
    event("flow.open", &where, "%s", "");
}

void facts_state(const struct relay *relay, enum relay_state to)
{
    struct event_where where = {.flow = relay->flow.id};
    event("flow.state", &where, "\"from\":\"%s\",\"to\":\"%s\"",
          relay_state_name(relay->state), relay_state_name(to));
}

static void end_ended(const struct end *end, const char *why)
{
    struct event_where where = facts_where(end);
    uint64_t sent = end->tls.ssl ? end->tls.out_at : end->out_total;
    bool victim = end->leg == LEG_VICTIM;
    event("flow.end", &where,
          "\"why\":\"%s\",\"up\":%" PRIu64 ",\"down\":%" PRIu64, why,
          victim ? end->in_total : sent, victim ? sent : end->in_total);
}

void facts_ended(const struct relay *relay)
{
    static const char *const why[] = {
        [FLOW_DONE] = "done",       [FLOW_CUT] = "cut",
        [FLOW_REFUSED] = "refused", [FLOW_FAILED] = "failed",
        [FLOW_TIMEOUT] = "timeout",
    };
    if (!event_wanted())
        return;
    if (relay->flow.local.any.sa_family)
        end_ended(&relay->server, why[relay->why]);
    end_ended(&relay->victim, why[relay->why]);
}

void facts_left(const struct end *server)
{
    if (event_wanted())
        end_ended(server, "done");
}

void facts_asked(const struct relay *relay, const struct target *target,
                 const char *login)
{
    struct event_where where = facts_where(&relay->victim);
    where.dir = DIR_UP;
    where.at = end_input_at(&relay->victim);
    where.len = 1;
    event("proxy.asked", &where, "\"way\":\"%s\",\"host\":%s,\"port\":%d%s%s",
          way_row(relay->way->mode)->name, quoted(target->host), target->port,
          login ? ",\"login\":" : "", login ? quoted(login) : "");
}

void facts_proxied(const struct relay *relay, const struct proxy_head *head,
                   size_t len)
{
    char peer[ADDRESS_TEXT];
    struct event_where where = facts_where(&relay->victim);
    where.dir = DIR_UP;
    where.len = len;
    address_text(&relay->flow.peer, peer);
    event("proxy.told", &where, "\"version\":%d,\"told\":%s,\"by\":\"%s\"%s%s",
          head->version, head->told ? "true" : "false", peer,
          head->authority ? ",\"authority\":" : "",
          head->authority
              ? event_text(head->authority, head->authority_len, 1024)
              : "");
}

void facts_unreachable(const struct end *server, const char *reason)
{
    relay_note_trouble(server->relay, reason);
    struct event_where where = facts_where(server);
    event("server.unreachable", &where, "\"reason\":%s", quoted(reason));
}

void facts_refused(const struct end *from, const char *rule,
                   const char *sentence, size_t offset, int status)
{
    struct event_where where = facts_where(from);
    relay_note_trouble(from->relay, sentence);
    where.dir = from->leg == LEG_VICTIM ? DIR_UP : DIR_DOWN;
    where.at = end_input_at(from);
    where.len = 1;
    event("http.refused", &where,
          "\"rule\":%s,\"sentence\":%s,\"offset\":%zu,\"status\":%d",
          quoted(rule), quoted(sentence), offset, status);
}

/* ---- TLS ----------------------------------------------------------------- */

/* NULL: not one of those. */
static const char *version_name(int version)
{
    static const char *const names[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1",
                                        "TLS 1.2", "TLS 1.3"};
    unsigned low = version & 0xff;
    return version >> 8 == 3 && low < sizeof names / sizeof *names ? names[low]
                                                                   : NULL;
}

static int add_versions(struct buf *out, const struct hello *hello)
{
    int bad = 0;
    uint8_t legacy[] = {hello->legacy_version >> 8,
                        hello->legacy_version & 0xff};
    struct hello_list list = hello->versions;
    if (!list.count)
        list = (struct hello_list){.bytes = legacy, .count = 1};
    for (unsigned i = 0; i < list.count; i++) {
        const char *name =
            version_name(list.bytes[2 * i] << 8 | list.bytes[2 * i + 1]);
        if (name)
            bad |= buf_printf(out, "%s\"%s\"", buf_len(out) ? "," : "", name);
    }
    return bad;
}

static int add_alpn(struct buf *out, const struct hello *hello)
{
    struct alpn_name name;
    unsigned count = 0;
    int bad = 0;
    for (size_t at = 0;
         count < ALPN_TOLD && alpn_next(hello->alpn, &at, &name) && !bad;)
        bad = buf_printf(out, "%s%s", count++ ? "," : "",
                         event_text(name.bytes, name.len, name.len));
    return bad;
}

void facts_hello(const struct end *end, const struct hello *hello, size_t len)
{
    if (!event_wanted())
        return;
    struct fingerprint print;
    struct buf alpn = {0}, versions = {0};
    int bad = buf_append(&alpn, "", 0) | buf_append(&versions, "", 0) |
              add_versions(&versions, hello) | add_alpn(&alpn, hello) |
              fingerprint_make(hello, &print);
    struct event_where where = facts_where(end);
    where.dir = DIR_UP;
    where.at = end->leg == LEG_VICTIM ? end_input_at(end) : end->tls.out_at;
    where.len = len;
    if (!bad)
        event("tls.hello", &where,
              "\"sni\":%s,\"alpn\":[%.*s],\"versions\":[%.*s],"
              "\"suites\":%u,\"groups\":%u,\"ja3\":\"%s\",\"ja4\":\"%s\"",
              quoted(hello->server_name), (int)buf_len(&alpn),
              (char *)buf_head(&alpn), (int)buf_len(&versions),
              (char *)buf_head(&versions), hello->suites.count,
              hello->groups.count, print.ja3, print.ja4);
    buf_free(&alpn);
    buf_free(&versions);
}

/* The one that we send to the server. It goes out in one record. */
static void on_own_hello(void *owner, const uint8_t *message, size_t len)
{
    const struct end *end = owner;
    uint8_t *scratch = end->relay->worker->hello_scratch;
    struct hello hello;
    if (!event_wanted() || len > HELLO_MOST)
        return;
    memcpy(scratch, message, len);
    if (!hello_read_message(scratch, len, &hello))
        facts_hello(end, &hello, RECORD_HEADER + len);
}

void facts_starttls(const struct relay *relay, size_t up, size_t down)
{
    struct event_where where = facts_where(&relay->victim);
    event("starttls", &where,
          "\"protocol\":\"%s\",\"early_up\":%zu,\"early_down\":%zu",
          starttls_scheme(relay->target.starttls), up, down);
}

static int add_pem(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    if (!bio || PEM_write_bio_X509(bio, cert) != 1) {
        BIO_free(bio);
        ERR_clear_error();
        return -1;
    }
    long len = BIO_get_mem_data(bio, &text);
    int bad = (buf_len(out) && buf_append_text(out, ",")) ||
              event_append_text(out, text, (size_t)len, SIZE_MAX);
    BIO_free(bio);
    return bad;
}

/* The place of the certificate: what has been seen of that direction so far
 * is the server's first flight, or will be. */
static void report_cert(const struct event_where *where, const char *role,
                        const struct forgery *forgery, X509 *leaf,
                        STACK_OF(X509) * chain)
{
    struct buf pems = {0};
    int bad = add_pem(&pems, leaf);
    for (int i = 0; i < sk_X509_num(chain); i++)
        bad |= add_pem(&pems, sk_X509_value(chain, i));
    if (!bad)
        event("tls.cert", where, "\"role\":\"%s\"%s%s%s,\"chain\":[%.*s]", role,
              forgery ? ",\"forgery\":\"" : "", forgery ? forgery->id : "",
              forgery ? "\"" : "", (int)buf_len(&pems),
              (char *)buf_head(&pems));
    buf_free(&pems);
}

/* SSL_get_peer_cert_chain() of a client begins with the leaf. */
void facts_original(const struct end *server)
{
    if (!event_wanted())
        return;
    const struct tls_side *tls = &server->tls;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);
    STACK_OF(X509) *above = sk_X509_new_null();
    for (int i = 1; above && i < sk_X509_num(chain); i++)
        sk_X509_push(above, sk_X509_value(chain, i));
    struct event_where where = facts_where(server);
    where.dir = DIR_DOWN;
    where.len = tls->in_at;
    if (sk_X509_num(chain) > 0)
        report_cert(&where, "original", NULL, sk_X509_value(chain, 0), above);
    sk_X509_free(above);
}

void facts_forged(const struct relay *relay, const struct forged *forged)
{
    if (!event_wanted())
        return;
    struct event_where where = facts_where(&relay->victim);
    where.dir = DIR_DOWN;
    where.len = 1;
    report_cert(&where, "forged", relay->plan.forgery, forged->leaf,
                forged->chain);
}

void facts_upstream(const struct end *server)
{
    const struct tls_side *tls = &server->tls;
    struct event_where where = facts_where(server);
    const char *sentence = X509_verify_cert_error_string(tls->verify_code);
    event("tls.upstream", &where,
          "\"verified\":%s,\"code\":%d,\"name\":%s,\"depth\":%d",
          tls->verify_code == X509_V_OK ? "true" : "false", tls->verify_code,
          quoted(sentence), tls->verify_depth);
}

/* What a victim showed when it was asked; in TLS 1.3 no victim answers before
 * it has judged ours. */
static void report_client_cert(const struct end *end, X509 *leaf,
                               STACK_OF(X509) * chain)
{
    struct buf pems = {0};
    bool victim = end->leg == LEG_VICTIM;
    const struct tls_side *tls = &end->tls;
    struct event_where where = facts_where(end);
    char verified[128] = "";
    int bad = buf_append(&pems, "", 0) | (leaf ? add_pem(&pems, leaf) : 0);
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (X509_cmp(sk_X509_value(chain, i), leaf) != 0)
            bad |= add_pem(&pems, sk_X509_value(chain, i));
    where.dir = DIR_UP;
    where.len = victim ? tls->in_at : tls->out_at;
    if (victim && leaf)
        snprintf(verified, sizeof verified, "\"verified\":%s,\"code\":%d,",
                 tls->verify_code == X509_V_OK ? "true" : "false",
                 tls->verify_code);
    if (!bad)
        event("tls.client_cert", &where, "\"given\":%s,%s\"chain\":[%.*s]",
              leaf ? "true" : "false", verified, (int)buf_len(&pems),
              (char *)buf_head(&pems));
    buf_free(&pems);
}

void facts_client_cert(const struct end *end)
{
    SSL *ssl = end->tls.ssl;
    bool asked = end->leg == LEG_VICTIM
                     ? end->relay->worker->options->terms.ask_client_cert &&
                           !SSL_session_reused(ssl)
                     : end->tls.asked;
    if (!event_wanted() || !asked)
        return;
    if (end->leg == LEG_VICTIM) {
        report_client_cert(end, SSL_get0_peer_certificate(ssl),
                           SSL_get_peer_cert_chain(ssl));
    } else {
        STACK_OF(X509) *chain = NULL;
        SSL_get0_chain_certs(ssl, &chain);
        report_client_cert(end, SSL_get_certificate(ssl), chain);
    }
}

void facts_done(const struct end *end)
{
    if (!event_wanted())
        return;
    SSL *ssl = end->tls.ssl;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    struct event_where where = facts_where(end);
    event("tls.done", &where,
          "\"version\":\"%s\",\"suite\":\"%s\",\"alpn\":%s,\"resumed\":%s",
          version_name(SSL_version(ssl)),
          SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)),
          event_text(alpn, alpn_len, 255),
          SSL_session_reused(ssl) ? "true" : "false");
}

static void report_alert(const struct event_where *where, int level, int code)
{
    event("tls.alert", where, "\"level\":\"%s\",\"code\":%d,\"name\":\"%s\"",
          level == SSL3_AL_FATAL ? "fatal" : "warning", code,
          tls_alert_name(code));
}

/* All but two ways to say goodbye end the connection. */
static void keep_alert(struct end *end, bool sent, int code)
{
    struct relay *relay = end->relay;
    bool victim = end->leg == LEG_VICTIM;
    char sentence[128];
    bool goodbye =
        code == SSL3_AD_CLOSE_NOTIFY || code == TLS1_AD_USER_CANCELLED;
    if (victim && !sent && code != SSL3_AD_CLOSE_NOTIFY)
        relay->victim_alert = code;
    if (goodbye || (victim && !sent))
        return;
    if (sent) {
        relay->own_alert = code;
        return;
    }
    end->alerted = true;
    relay->server_alert = code;
    if (relay->state != RELAY_STREAM)
        return;
    snprintf(sentence, sizeof sentence, "the server ended TLS with alert %s",
             tls_alert_name(code));
    relay_note_trouble(relay, sentence);
}

static void on_alert(void *owner, bool sent, int level, int code, uint64_t at,
                     uint64_t len)
{
    struct end *end = owner;
    bool victim = end->leg == LEG_VICTIM;
    keep_alert(end, sent, code);
    struct event_where where = facts_where(end);
    where.dir = sent == victim ? DIR_DOWN : DIR_UP;
    where.at = at;
    where.len = len;
    report_alert(&where, level, code);
}

static void on_key(void *owner, const char *line)
{
    const struct end *end = owner;
    struct keylog *keylog = end->relay->worker->options->keylog;
    struct event_where where = facts_where(end);
    event("tls.key", &where, "\"line\":%s", quoted(line));
    if (keylog)
        keylog_add(keylog, line);
}

const struct tls_calls facts_tls_calls = {on_alert, on_key, on_own_hello};

/* ---- TLS that is left alone ---------------------------------------------- */

void facts_passed(const struct relay *relay, const char *why, const char *rule)
{
    struct event_where where = facts_where(&relay->victim);
    event("tls.pass", &where, "\"why\":\"%s\"%s%s", why,
          rule ? ",\"rule\":" : "", rule ? quoted(rule) : "");
}

static void on_seen_certs(void *owner, STACK_OF(X509) * certs, uint64_t at,
                          uint64_t len)
{
    const struct relay *relay = owner;
    struct event_where where = facts_where(&relay->server);
    STACK_OF(X509) *above = sk_X509_new_null();
    for (int i = 1; above && i < sk_X509_num(certs); i++)
        sk_X509_push(above, sk_X509_value(certs, i));
    where.dir = DIR_DOWN;
    where.at = at;
    where.len = len;
    report_cert(&where, "passed", NULL, sk_X509_value(certs, 0), above);
    sk_X509_free(above);
}

static void on_seen_alert(void *owner, bool from_victim, int level, int code,
                          uint64_t at, uint64_t len)
{
    const struct relay *relay = owner;
    struct event_where where =
        facts_where(from_victim ? &relay->victim : &relay->server);
    where.dir = from_victim ? DIR_UP : DIR_DOWN;
    where.at = at;
    where.len = len;
    report_alert(&where, level, code);
}

const struct sight_calls facts_sight_calls = {on_seen_certs, on_seen_alert};

/* ---- the verdict --------------------------------------------------------- */

static const char *manner(const struct relay *relay)
{
    const struct end *victim = &relay->victim;
    if (victim->tls.bytes)
        return "data";
    if (relay->victim_alert >= 0)
        return "alert";
    if (victim->tls.said_bye)
        return "close_notify";
    if (!victim->fin_in)
        return NULL; /* we ended it, before the victim had decided */
    return victim->tls.finished ? "silent" : "abort";
}

const char *facts_verdict(const struct relay *relay, const char **how)
{
    const struct tls_side *tls = &relay->victim.tls;
    *how = tls->shown ? manner(relay) : NULL;
    if (!*how)
        return NULL;
    const char *verdict = tls->bytes ? "accepted" : "refused";
    const char *version = version_name(SSL_version(tls->ssl));
    char alert[64] = "", forgery[64] = "";
    if (relay->victim_alert >= 0)
        snprintf(alert, sizeof alert, ",\"alert\":\"%s\",\"alert_code\":%d",
                 tls_alert_name(relay->victim_alert), relay->victim_alert);
    if (relay->plan.forgery)
        snprintf(forgery, sizeof forgery, ",\"forgery\":\"%s\"",
                 relay->plan.forgery->id);
    struct event_where where = facts_where(&relay->victim);
    event("tls.verdict", &where,
          "\"verdict\":\"%s\",\"how\":\"%s\",\"app_bytes\":%" PRIu64
          ",\"finished\":%s%s%s,\"version\":\"%s\"",
          verdict, *how, tls->bytes, tls->finished ? "true" : "false", alert,
          forgery, version ? version : "");
    if (!tls->bytes && relay->victim_alert >= 0)
        *how = tls_alert_name(relay->victim_alert);
    return verdict;
}
