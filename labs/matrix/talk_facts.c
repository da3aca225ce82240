/* SPDX-License-Identifier: MIT
 *
 * What the rig says of a conversation: the events of a server, and the verdict
 * from what the victim did. */
#include "labs/matrix/talk.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

static struct event_where where_of(const struct talk *talk, enum event_dir dir)
{
    return (struct event_where){.flow = talk->flow,
                                .leg = LEG_VICTIM,
                                .opener = &talk->victim,
                                .acceptor = &talk->here,
                                .dir = dir};
}

static const char *quoted(const char *text)
{
    return event_text(text, strlen(text), 1024);
}

void talk_opened(const struct talk *talk)
{
    struct event_where where = where_of(talk, DIR_NONE);
    event("flow.open", &where, "\"tls\":true");
}

void talk_hello(const struct talk *talk, size_t len, const char *server_name)
{
    struct event_where where = where_of(talk, DIR_UP);
    where.len = len;
    event("tls.hello", &where, "\"sni\":%s", quoted(server_name));
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

/* What will go out as an answer to the hello. */
void talk_shown(const struct talk *talk)
{
    const struct forged *forged = &talk->exhibit->forged;
    struct buf pems = {0};
    if (talk->stand->rig->plan.brief || !forged->leaf || !event_wanted())
        return;
    struct event_where where = where_of(talk, DIR_DOWN);
    where.len = 1;
    int bad = add_pem(&pems, forged->leaf);
    for (int i = 0; i < sk_X509_num(forged->chain); i++)
        bad |= add_pem(&pems, sk_X509_value(forged->chain, i));
    if (!bad)
        event("tls.cert", &where,
              "\"role\":\"forged\",\"forgery\":\"%s\",\"chain\":[%.*s]",
              talk->exhibit->row.id, (int)buf_len(&pems),
              (char *)buf_head(&pems));
    buf_free(&pems);
}

static const char *version_of(const SSL *ssl)
{
    int version = ssl ? SSL_version(ssl) : 0;
    return version == TLS1_3_VERSION   ? "TLS 1.3"
           : version == TLS1_2_VERSION ? "TLS 1.2"
           : version == TLS1_1_VERSION ? "TLS 1.1"
           : version == TLS1_VERSION   ? "TLS 1.0"
                                       : "";
}

void talk_done(const struct talk *talk)
{
    SSL *ssl = talk->side.ssl;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    struct event_where where = where_of(talk, DIR_NONE);
    event("tls.done", &where,
          "\"version\":\"%s\",\"suite\":\"%s\",\"alpn\":%s,"
          "\"resumed\":false",
          version_of(ssl),
          SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)),
          event_text(alpn, alpn_len, 255));
}

/* Its first line, as it came, and what the victim was shown before. */
void talk_request(const struct talk *talk)
{
    const uint8_t *bytes = buf_head(&talk->clear);
    size_t len = buf_len(&talk->clear);
    const uint8_t *end = memchr(bytes, '\r', len);
    const uint8_t *stop = end ? end : bytes + len;
    const uint8_t *space = memchr(bytes, ' ', (size_t)(stop - bytes));
    if (!space)
        return;
    const uint8_t *target = space + 1;
    const uint8_t *last = memchr(target, ' ', (size_t)(stop - target));
    last = last ? last : stop;
    struct event_where where = where_of(talk, DIR_UP);
    where.at = talk->side.clear_at;
    where.len = talk->side.read_len;
    event("http.request", &where,
          "\"method\":%s,\"target\":%s,\"version\":%s,\"fields\":[],"
          "\"forgery\":\"%s\"",
          event_text(bytes, (size_t)(space - bytes), 32),
          event_text(target, (size_t)(last - target), 1024),
          event_text(last + (last < stop),
                     (size_t)(stop - last) - (last < stop), 16),
          talk->exhibit ? talk->exhibit->row.id : "");
}

/* ---- alerts and keys ----------------------------------------------------- */

static void say_alert(const struct talk *talk, bool sent, int level, int code,
                      uint64_t at, uint64_t len)
{
    struct event_where where = where_of(talk, sent ? DIR_DOWN : DIR_UP);
    where.at = at;
    where.len = len;
    event("tls.alert", &where, "\"level\":\"%s\",\"code\":%d,\"name\":\"%s\"",
          level == SSL3_AL_FATAL ? "fatal" : "warning", code,
          tls_alert_name(code));
}

/* An alert of ours that is the first thing we say: nothing in the victim's
 * offer could be served. */
static void on_alert(void *owner, bool sent, int level, int code, uint64_t at,
                     uint64_t len)
{
    struct talk *talk = owner;
    /* After the handshake, user_canceled belongs to the goodbye: Java sends it
     * before close_notify (RFC 8446 6.1). */
    bool goodbye = code == SSL3_AD_CLOSE_NOTIFY ||
                   (code == SSL_AD_USER_CANCELLED && talk->side.finished);
    if (!sent && !goodbye && talk->alert < 0)
        talk->alert = code;
    if (sent && at == 0 && level == SSL3_AL_FATAL)
        talk->unserved = true;
    say_alert(talk, sent, level, code, at, len);
}

void talk_plain_alert(struct talk *talk, int level, int code, uint64_t at)
{
    if (code != SSL3_AD_CLOSE_NOTIFY && talk->alert < 0)
        talk->alert = code;
    say_alert(talk, false, level, code, at, 7);
}

static void on_key(void *owner, const char *line)
{
    const struct talk *talk = owner;
    struct event_where where = where_of(talk, DIR_NONE);
    event("tls.key", &where, "\"line\":%s", quoted(line));
}

const struct tls_calls talk_tls_calls = {.on_alert = on_alert,
                                         .on_key = on_key};

/* ---- the verdict --------------------------------------------------------- */

/* NULL: the victim has decided nothing, because it never came to it or because
 * we lost patience with it. */
static const char *manner(const struct talk *talk)
{
    if (talk->side.bytes || talk->plain)
        return "data";
    if (talk->alert >= 0)
        return "alert";
    if (talk->unserved)
        return "offer";
    if (talk->side.said_bye)
        return "close_notify";
    if (!talk->ended || !talk->in_total)
        return NULL;
    return talk->side.finished ? "silent" : "abort";
}

static void say_line(const struct talk *talk, const char *verdict,
                     const char *how)
{
    const struct rig_plan *plan = &talk->stand->rig->plan;
    char line[256], victim[ADDRESS_TEXT];
    if (!plan->on_line)
        return;
    address_text(&talk->victim, victim);
    snprintf(line, sizeof line, "%s  %s  TLS %s  %s (%s)", victim,
             talk->exhibit ? talk->exhibit->row.id : "-",
             exhibit_tls_name(talk->stand->tls), verdict, how);
    plan->on_line(plan->context, line);
}

static void say_verdict(const struct talk *talk)
{
    const char *how = manner(talk);
    bool accepted = how && !strcmp(how, "data");
    char alert[80] = "", forgery[32] = "";
    if (!how) {
        say_line(talk, "nothing decided", talk->why);
        return;
    }
    if (talk->alert >= 0)
        snprintf(alert, sizeof alert, ",\"alert\":\"%s\",\"alert_code\":%d",
                 tls_alert_name(talk->alert), talk->alert);
    if (talk->exhibit)
        snprintf(forgery, sizeof forgery, ",\"forgery\":\"%s\"",
                 talk->exhibit->row.id);
    struct event_where where = where_of(talk, DIR_NONE);
    event("tls.verdict", &where,
          "\"verdict\":\"%s\",\"how\":\"%s\",\"app_bytes\":%" PRIu64
          ",\"finished\":%s%s%s,\"version\":\"%s\"",
          accepted ? "accepted" : "refused", how,
          talk->side.bytes + talk->plain,
          talk->side.finished ? "true" : "false", alert, forgery,
          version_of(talk->side.ssl));
    say_line(talk, accepted ? "accepted" : "refused",
             !accepted && talk->alert >= 0 ? tls_alert_name(talk->alert) : how);
}

void talk_ended(const struct talk *talk)
{
    struct event_where where = where_of(talk, DIR_NONE);
    say_verdict(talk);
    event("flow.end", &where,
          "\"why\":\"%s\",\"up\":%" PRIu64 ",\"down\":%" PRIu64, talk->why,
          talk->in_total, talk->out_total);
}
