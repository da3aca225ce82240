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

/* Which name must the server prove? The one that the operator or the victim
 * gave; without any, the address that the victim's packets went to. */
static const char *server_identity(struct relay *relay, char text[ADDRESS_TEXT])
{
    const union address *server = &relay->flow.server;
    if (*relay->target.host)
        return relay->target.host;
    if (relay->flow.server_name)
        return relay->flow.server_name;
    int bad = server->any.sa_family == AF_INET6
                  ? uv_ip6_name(&server->v6, text, ADDRESS_TEXT)
                  : uv_ip4_name(&server->v4, text, ADDRESS_TEXT);
    return bad ? "" : text;
}

static int begin_server_tls(struct relay *relay, struct err *err)
{
    struct end *server = &relay->server;
    char address[ADDRESS_TEXT] = "";
    const char *alpn[9] = {"http/1.1"};
    for (unsigned i = 0; i < relay->alpn_count; i++)
        alpn[i] = relay->alpn[i];
    if (relay->flow.tls && !relay->alpn_count)
        alpn[0] = NULL;
    const char *identity = server_identity(relay, address);
    struct tls_wish wish = {.verify_name = identity, .alpn = alpn};
    wish.server_name = target_is_number(&relay->target) || !*identity
                           ? relay->flow.server_name
                           : identity;
    begin_side(server);
    server->tls.verify_insecure = options_of(relay)->insecure_upstream;
    return tls_connect(relay->worker->tls, &server->tls, &wish, err);
}

static enum relay_state server_tls_failed(struct relay *relay)
{
    const struct end *server = &relay->server;
    char reason[512];
    if (server->tls.verify_code != X509_V_OK) {
        facts_original(relay);
        facts_upstream(relay);
        snprintf(reason, sizeof reason,
                 "the server's certificate does not verify: %s",
                 X509_verify_cert_error_string(server->tls.verify_code));
    } else {
        snprintf(reason, sizeof reason, "the server ended the TLS handshake");
    }
    facts_unreachable(relay, reason);
    return relay_fail(relay, 502, SSL3_AD_HANDSHAKE_FAILURE, reason);
}

static void server_tls_done(struct relay *relay)
{
    struct end *server = &relay->server;
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(server->tls.ssl, &alpn, &len);
    if (len < sizeof relay->victim.tls.alpn)
        memcpy(relay->victim.tls.alpn, alpn ? alpn : (const uint8_t *)"", len);
    facts_original(relay);
    facts_upstream(relay);
    facts_done(server);
}

enum relay_state relay_step_server_tls(struct relay *relay)
{
    struct end *server = &relay->server;
    struct err err = ERR_INIT;
    if (!server->tls.ssl && begin_server_tls(relay, &err))
        return relay_fail(relay, 502, SSL_AD_INTERNAL_ERROR, err.text);
    if (worker_lend(relay->worker, &server->out))
        return relay_cut(relay, FLOW_FAILED);
    switch (tls_handshake(&server->tls)) {
    case TLS_WAIT:
        return server->hears == END_LOST ? server_tls_failed(relay)
                                         : RELAY_SERVER_TLS;
    case TLS_DONE:
        server_tls_done(relay);
        return relay->flow.tls ? RELAY_VICTIM_TLS : RELAY_STREAM;
    default:
        return server_tls_failed(relay);
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
 * the address that it wanted to reach. */
static void plan_name(struct relay *relay)
{
    const union address *address = &relay->flow.listener;
    char text[ADDRESS_TEXT] = "";
    if (relay->plan.server_name)
        return;
    relay->plan.server_name = relay->sni;
    if (relay->sni)
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
    const struct forged *forged = leaves_get(
        relay->worker->leaves, original_of(relay), &relay->plan, err);
    relay->plan.chain = NULL;
    sk_X509_free(chain);
    return forged;
}

static int begin_victim_tls(struct relay *relay, struct err *err)
{
    struct end *victim = &relay->victim;
    const struct forged *forged = forge(relay, err);
    if (!forged)
        return -1;
    begin_side(victim);
    if (tls_accept(relay->worker->tls, &victim->tls, forged, err))
        return -1;
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
    facts_unreachable(relay, err.text);
    tls_close(&relay->victim.tls);
    return relay_fail(relay, 502,
                      err.code == EXIT_CONTAINMENT ? SSL_AD_UNRECOGNIZED_NAME
                                                   : SSL_AD_INTERNAL_ERROR,
                      err.text);
}

static enum relay_state shake_victim(struct relay *relay)
{
    struct end *victim = &relay->victim;
    if (worker_lend(relay->worker, &victim->out))
        return relay_cut(relay, FLOW_FAILED);
    enum tls_result result = tls_handshake(&victim->tls);
    /* With a suite agreed on, OpenSSL has written its certificate too. */
    relay->certificate_out |= SSL_get_pending_cipher(victim->tls.ssl) != NULL;
    switch (result) {
    case TLS_DONE:
        facts_done(victim);
        return RELAY_STREAM;
    case TLS_WAIT:
        return victim->hears == END_LOST ? relay_cut(relay, FLOW_REFUSED)
                                         : RELAY_VICTIM_TLS;
    default:
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
