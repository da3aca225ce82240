/* SPDX-License-Identifier: MIT
 *
 * A server that is not there, or not any more. The victim need not know: its
 * requests are read and shown to the hooks all the same, and only one that has
 * to go on is told that it cannot. Each of these tries the server once more,
 * so one that comes back is found. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"

#include <string.h>

bool relay_has_server(struct relay *relay)
{
    struct end *server = &relay->server;
    if (server->tls.ssl && (buf_len(&server->in) || server->fin_in))
        end_decrypt(server, 1);
    return server->open && server->hears == END_HEARS &&
           server->says == END_SAYS;
}

void relay_leave_server(struct relay *relay)
{
    struct end *server = &relay->server;
    if (!server->open)
        return;
    if (relay->flow.local.any.sa_family) {
        end_finish(server, false);
        end_flush(server);
        facts_left(server);
    }
    end_vacate(server);
    relay->flow.local.any.sa_family = 0;
}

enum relay_state relay_redial(struct relay *relay)
{
    relay->server_index = 0;
    return RELAY_CONNECT;
}

/* ---- nobody to impersonate ----------------------------------------------- */

/* Without a server's certificate a victim of TLS gets a leaf that knows no
 * more than its SNI. That is worth it only where somebody may have an answer:
 * else the victim learns more from an alert at once. */
static bool hooks_answer(const struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->wants & HOOK_ANSWERS)
            return true;
    return false;
}

static bool may_pretend(const struct relay *relay)
{
    const struct flow *flow = &relay->flow;
    const char *rule;
    return intercepts_tls(relay) && hooks_answer(relay) &&
           pass_look(options_of(relay)->pass, &flow->victim, &flow->server,
                     relay->sni, &rule) == PASS_NOT;
}

static void remember(struct relay *relay, int status, const char *reason)
{
    struct absence *absent = &relay->absent;
    absent->status = status;
    if (!absent->reason || strcmp(absent->reason, reason) != 0)
        absent->reason = arena_text(&relay->flow.arena, reason);
    if (!absent->reason)
        absent->reason = "the server cannot be reached";
}

enum relay_state relay_without_server(struct relay *relay)
{
    const struct absence *absent = &relay->absent;
    relay->head_pending = false;
    relay->target.tls = relay->flow.tls;
    if (relay->flow.tls)
        return may_pretend(relay)
                   ? RELAY_VICTIM_TLS
                   : relay_fail(relay, absent->status,
                                SSL3_AD_HANDSHAKE_FAILURE, absent->reason);
    return relay->protocol == TARGET_HTTP ? RELAY_STREAM
                                          : relay_cut(relay, FLOW_FAILED);
}

enum relay_state relay_absent(struct relay *relay, int status, int alert,
                              const char *reason)
{
    bool http = relay->protocol == TARGET_HTTP && !relay->flow.tls;
    relay_leave_server(relay);
    remember(relay, status, reason);
    if (relay->asked == ASKED_TUNNEL)
        return hooks_answer(relay) && !starttls_by_port(relay->target.port)
                   ? relay_grant(relay)
                   : relay_deny(relay, status, reason);
    if (relay->http_begun || http)
        return RELAY_STREAM;
    return may_pretend(relay) ? RELAY_VICTIM_TLS
                              : relay_fail(relay, status, alert, reason);
}
