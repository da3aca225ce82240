/* SPDX-License-Identifier: MIT
 *
 * SERVER_TLS and VICTIM_TLS: the real certificate first, then the forged one
 * that is made after it. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"
#include "proxy/leaf.h"

#include <stdio.h>
#include <string.h>

/* TLS begins with the next byte of either direction. */
static void begin_side(struct end *end)
{
    struct tls_side *side = &end->tls;
    side->in = &end->in;
    side->out = &end->out;
    side->calls = &facts_tls_calls;
    side->owner = end;
    side->in_ended = end->fin_in;
    side->in_at = side->clear_at = end->in_total - buf_len(&end->in);
    side->out_at = end->out_total;
}

/* ---- SERVER_TLS ---------------------------------------------------------- */

/* Which name must the server prove? The one that the operator gave, or the
 * victim in its hello, or to a proxy; without any, the address that the
 * victim's packets went to. */
static const char *server_identity(struct relay *relay, char text[ADDRESS_TEXT])
{
    const union address *server = &relay->flow.server;
    if (relay->sent_to)
        return relay->sent_to->host;
    if (relay->asked == ASKED_GRANTED && relay->sni)
        return relay->sni;
    if (*relay->target.host)
        return relay->target.host;
    if (relay->flow.server_name)
        return relay->flow.server_name;
    int bad = server->any.sa_family == AF_INET6
                  ? uv_ip6_name(&server->v6, text, ADDRESS_TEXT)
                  : uv_ip4_name(&server->v4, text, ADDRESS_TEXT);
    return bad ? "" : text;
}

/* A list in the making. `keeps_out`: the server has chosen HTTP/1.1, and is not
 * to choose again. */
struct offer {
    struct buf list;
    bool keeps_out_h2, broken;
};

static void offer(struct offer *offer, struct alpn_name name)
{
    bool fits = buf_len(&offer->list) + 1 + name.len <= ALPN_OFFER_MOST;
    if (fits && !(offer->keeps_out_h2 && alpn_is(name, "h2")))
        offer->broken |= alpn_append(&offer->list, name) != 0;
}

/* What the victim offered, else HTTP; but for HTTP/2 where one leg alone is to
 * speak it. */
static void offer_as_victim(const struct relay *relay, struct offer *out)
{
    enum proxy_h2 h2 = options_of(relay)->h2;
    struct alpn_name name;
    bool adds =
        h2 == PROXY_H2_SERVER || (h2 == PROXY_H2_BOTH && relay->victim_h2);
    bool translates =
        h2 == PROXY_H2_SERVER || (h2 == PROXY_H2_VICTIM && relay->alpn.len);
    if (adds)
        offer(out, alpn_name("h2"));
    for (size_t at = 0; alpn_next(relay->alpn, &at, &name);)
        if (h2 == PROXY_H2_BOTH || !alpn_is(name, "h2"))
            offer(out, name);
    if ((!relay->flow.tls || translates) && !alpn_has(relay->alpn, "http/1.1"))
        offer(out, alpn_name("http/1.1"));
}

/* What the operator says counts first. */
static void list_alpn(const struct relay *relay, struct offer *out)
{
    const struct policy *policy = &options_of(relay)->terms.server;
    /* Who goes from server to server asks them one by one; and whose requests
     * have begun in HTTP/1.1 goes on in it. */
    if (relay_forwards(relay) || (relay->http_begun && !relay->streams))
        offer(out, alpn_name("http/1.1"));
    else if (!policy->alpn_given)
        offer_as_victim(relay, out);
    else
        for (unsigned i = 0; i < policy->alpn_count; i++)
            offer(out, alpn_name(policy->alpn[i]));
}

/* Sessions are for one name, at one address, of one first protocol. */
static void name_session(const struct relay *relay, const char *identity,
                         struct alpn_list offered, char *out, size_t room)
{
    char at[ADDRESS_TEXT];
    size_t first = 0;
    struct alpn_name name = {0};
    address_text(&relay->flow.server, at);
    alpn_next(offered, &first, &name);
    snprintf(out, room, "%s %s %.*s", at, identity, name.len,
             name.len ? (const char *)name.bytes : "");
}

static int begin_server_tls(struct relay *relay, struct end *server,
                            struct err *err)
{
    char address[ADDRESS_TEXT] = "", session[640];
    struct offer offered = {.keeps_out_h2 = server != &relay->server};
    list_alpn(relay, &offered);
    const char *identity = server_identity(relay, address);
    struct tls_wish wish = {
        .verify_name = identity,
        .alpn = {buf_head(&offered.list), buf_len(&offered.list)}};
    if (*identity && !target_is_number(relay_target(relay)))
        wish.server_name = identity;
    else if (!relay->sent_to)
        wish.server_name = relay->flow.server_name;
    name_session(relay, identity, wish.alpn, session, sizeof session);
    wish.session = session;
    wish.staple = options_of(relay)->terms.victim.staple && relay->wants_staple;
    begin_side(server);
    server->tls.verify_insecure = options_of(relay)->insecure_upstream;
    int bad = offered.broken ||
              tls_connect(relay->worker->tls, &server->tls, &wish, err);
    if (offered.broken)
        err_set(err, "out of memory");
    buf_free(&offered.list);
    return bad ? -1 : 0;
}

/* Who ended a handshake, and with what word. */
static void name_end(const struct relay *relay, const char *peer, int its_alert,
                     char *out, size_t room)
{
    if (its_alert >= 0)
        snprintf(out, room, "the %s ended the TLS handshake with alert %s",
                 peer, tls_alert_name(its_alert));
    else if (relay->own_alert >= 0)
        snprintf(out, room,
                 "no TLS that the %s and this proxy both take: alert %s sent",
                 peer, tls_alert_name(relay->own_alert));
    else
        snprintf(out, room, "the %s ended the TLS handshake", peer);
}

static enum tls_result server_tls_failed(const struct end *server,
                                         struct err *err)
{
    facts_client_cert(server);
    if (server->tls.verify_code != X509_V_OK && !server->tls.verify_insecure) {
        facts_original(server);
        facts_upstream(server);
        err_set(err, "the server's certificate does not verify: %s",
                X509_verify_cert_error_string(server->tls.verify_code));
    } else if (server->tls.no_tls) {
        err_set(err, "what the server answers is no TLS");
    } else {
        char reason[128];
        name_end(server->relay, "server", server->relay->server_alert, reason,
                 sizeof reason);
        err_set(err, "%s", reason);
    }
    facts_unreachable(server, err->text);
    return TLS_FAILED;
}

static enum tls_result server_tls_done(const struct end *server)
{
    facts_original(server);
    facts_upstream(server);
    facts_client_cert(server);
    facts_done(server);
    return TLS_DONE;
}

enum tls_result relay_shake_server(struct relay *relay, struct end *server,
                                   struct err *err)
{
    if (!server->tls.ssl && begin_server_tls(relay, server, err))
        return TLS_FAILED;
    if (worker_lend(relay->worker, &server->out)) {
        err_set(err, "out of memory");
        return TLS_FAILED;
    }
    switch (tls_handshake(&server->tls)) {
    case TLS_WAIT:
        return server->hears == END_LOST ? server_tls_failed(server, err)
                                         : TLS_WAIT;
    case TLS_DONE:
        return server_tls_done(server);
    default:
        return server_tls_failed(server, err);
    }
}

/* The victim is to have what the server chose. */
static void take_alpn(struct relay *relay)
{
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(relay->server.tls.ssl, &alpn, &len);
    if (!len || relay->victim.tls.ssl)
        return;
    alpn = (uint8_t *)arena_copy(&relay->flow.arena, alpn, len);
    relay->victim.tls.alpn = (struct alpn_name){alpn, alpn ? (uint8_t)len : 0};
}

enum relay_state relay_step_server_tls(struct relay *relay)
{
    struct err err = ERR_INIT;
    switch (relay_shake_server(relay, &relay->server, &err)) {
    case TLS_WAIT:
        return RELAY_SERVER_TLS;
    case TLS_DONE:
        take_alpn(relay);
        return relay->flow.tls && !relay->victim.tls.ssl ? RELAY_VICTIM_TLS
                                                         : RELAY_STREAM;
    default:
        return relay_absent(relay, 502,
                            relay->server.tls.ssl ? SSL3_AD_HANDSHAKE_FAILURE
                                                  : SSL_AD_INTERNAL_ERROR,
                            err.text);
    }
}

/* ---- VICTIM_TLS ---------------------------------------------------------- */

static enum hook_act ask_cert(const struct hook *hook, struct relay *relay,
                              void *about)
{
    return hook->on_server_cert
               ? hook->on_server_cert(hook->config, &relay->flow, about,
                                      &relay->plan)
               : HOOK_PASS;
}

static X509 *original_of(const struct relay *relay)
{
    return relay->server.tls.ssl
               ? SSL_get0_peer_certificate(relay->server.tls.ssl)
               : NULL;
}

/* The forged leaf carries the name that the victim asked for: its SNI, else
 * what it asked a proxy for, else the address that it wanted to reach. */
static void plan_name(struct relay *relay)
{
    const union address *address = &relay->flow.listener;
    char text[ADDRESS_TEXT] = "";
    if (relay->plan.server_name)
        return;
    relay->plan.server_name = relay->sni;
    if (!relay->sni && relay->asked == ASKED_GRANTED)
        relay->plan.server_name = relay->target.host;
    if (relay->plan.server_name)
        return;
    if (address->any.sa_family == AF_INET6)
        uv_ip6_name(&address->v6, text, sizeof text);
    else
        uv_ip4_name(&address->v4, text, sizeof text);
    relay->plan.server_name = arena_text(&relay->flow.arena, text);
}

/* What the server sent behind its leaf; empty if there is none. */
static STACK_OF(X509) * chain_of(const struct relay *relay)
{
    STACK_OF(X509) *above = sk_X509_new_null();
    STACK_OF(X509) *sent = relay->server.tls.ssl
                               ? SSL_get_peer_cert_chain(relay->server.tls.ssl)
                               : NULL;
    for (int i = 1; above && i < sk_X509_num(sent); i++)
        sk_X509_push(above, sk_X509_value(sent, i));
    return above;
}

static const struct forged *forge(struct relay *relay, struct err *err)
{
    STACK_OF(X509) *chain = chain_of(relay);
    relay->plan.chain = sk_X509_num(chain) > 0 ? chain : NULL;
    relay->plan.defects = options_of(relay)->mimic_defects;
    if (relay->plan.defects)
        relay->plan.verify_code = relay->server.tls.verify_code;
    const struct forged *forged = leaves_get(
        relay->worker->leaves, original_of(relay), &relay->plan, err);
    relay->plan.chain = NULL;
    sk_X509_free(chain);
    return forged;
}

/* A session of the victim's is good for the same name, the same original and
 * the same forgery only: whatever would be shown it now, it was shown then. */
static void bind_session(struct relay *relay)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    const struct forgery *forgery = relay->plan.forgery;
    char shown[1024];
    X509 *original = original_of(relay);
    unsigned len = 0;
    if (original)
        X509_digest(original, EVP_sha256(), digest, &len);
    int size = snprintf(shown, sizeof shown, "%s %s ", relay->plan.server_name,
                        forgery ? forgery->id : "");
    if (size < 0 || (size_t)size + len > sizeof shown)
        return;
    memcpy(shown + size, digest, len);
    session_bind(relay->victim.tls.ssl, shown, (size_t)size + len);
}

static bool is_http(struct alpn_name alpn)
{
    return alpn_is(alpn, "h2") || alpn_is(alpn, "http/1.1");
}

/* The first that the victim offers, of HTTP alone or of all. */
static struct alpn_name first_choice(const struct relay *relay, bool http)
{
    struct alpn_name name;
    for (size_t at = 0; alpn_next(relay->alpn, &at, &name);)
        if (!http || is_http(name))
            return name;
    return (struct alpn_name){0};
}

/* What the victim and the server may agree on; without a server's word, the
 * operator's, and without a server, what the victim likes best. Either version
 * of HTTP becomes the other where one leg does not speak it. */
static void choose_alpn(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    struct tls_side *tls = &relay->victim.tls;
    bool speechless = !tls->alpn.len && !relay->server.tls.ssl &&
                      options->terms.victim.alpn_given;
    bool absent = relay->absent.status && !tls->alpn.len;
    bool translates =
        is_http(tls->alpn) &&
        !alpn_has(relay->alpn, alpn_is(tls->alpn, "h2") ? "h2" : "http/1.1");
    if (options->h2 == PROXY_H2_VICTIM && alpn_has(relay->alpn, "h2"))
        tls->alpn = alpn_name("h2");
    else if (speechless && relay->alpn.len)
        tls->alpn = first_choice(relay, false);
    else if (translates || absent)
        tls->alpn = first_choice(relay, true);
}

/* Where the forgery brings none of its own. */
static int pass_staple(struct relay *relay, const struct forged *forged)
{
    const unsigned char *staple = NULL;
    SSL *ssl = relay->server.tls.ssl;
    long len = ssl && !forged->staple_len
                   ? SSL_get_tlsext_status_ocsp_resp(ssl, &staple)
                   : 0;
    return len > 0 ? tls_staple(&relay->victim.tls, staple, (size_t)len) : 0;
}

static int begin_victim_tls(struct relay *relay, struct err *err)
{
    struct end *victim = &relay->victim;
    const struct forged *forged = forge(relay, err);
    if (!forged)
        return -1;
    begin_side(victim);
    choose_alpn(relay);
    if (tls_accept(relay->worker->tls, &victim->tls, forged, err) ||
        pass_staple(relay, forged))
        return -1;
    bind_session(relay);
    facts_forged(relay, forged);
    return 0;
}

/* Before the first step of the victim's handshake. */
static enum relay_state choose_certificate(struct relay *relay)
{
    struct err err = ERR_INIT;
    plan_name(relay);
    switch (ask_hooks(relay, &relay->asks[1], ask_cert, original_of(relay))) {
    case HOOK_CUT:
        return relay_cut(relay, FLOW_CUT);
    case HOOK_WAIT:
        return RELAY_VICTIM_TLS;
    case HOOK_ANSWER:
    case HOOK_PASS:
    case HOOK_CHANGED:
        break;
    }
    if (!begin_victim_tls(relay, &err))
        return RELAY_VICTIM_TLS;
    fprintf(stderr, "mitmlab: flow %llu: %s\n",
            (unsigned long long)relay->flow.id, err.text);
    facts_unreachable(&relay->server, err.text);
    tls_close(&relay->victim.tls);
    return relay_fail(relay, 502,
                      err.code == EXIT_CONTAINMENT ? SSL_AD_UNRECOGNIZED_NAME
                                                   : SSL_AD_INTERNAL_ERROR,
                      err.text);
}

/* What it thinks of our certificate is another matter: its verdict. */
static void note_disagreement(struct relay *relay)
{
    char reason[128];
    if (relay->victim.tls.shown || relay->victim_alert >= 0)
        return;
    name_end(relay, "victim", relay->victim_alert, reason, sizeof reason);
    relay_note_trouble(relay, reason);
}

static enum relay_state shake_victim(struct relay *relay)
{
    struct end *victim = &relay->victim;
    if (worker_lend(relay->worker, &victim->out))
        return relay_cut(relay, FLOW_FAILED);
    enum tls_result result = tls_handshake(&victim->tls);
    switch (result) {
    case TLS_DONE:
        facts_client_cert(victim);
        facts_done(victim);
        return RELAY_STREAM;
    case TLS_WAIT:
        return victim->hears == END_LOST ? relay_cut(relay, FLOW_REFUSED)
                                         : RELAY_VICTIM_TLS;
    default:
        note_disagreement(relay);
        return relay_over(relay, FLOW_REFUSED);
    }
}

enum relay_state relay_step_victim_tls(struct relay *relay)
{
    if (!relay->victim.tls.ssl) {
        enum relay_state next = choose_certificate(relay);
        if (!relay->victim.tls.ssl)
            return next;
    }
    return shake_victim(relay);
}
