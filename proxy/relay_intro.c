/* SPDX-License-Identifier: MIT
 *
 * INTRO: a balancer before us says who the victim is, and we may say so to the
 * server. What is said is shown, in lines, events and a capture; nothing is
 * decided by it, least of all where a connection goes. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"

void relay_meet(struct relay *relay, size_t head)
{
    if (relay->met)
        return;
    relay->met = true;
    end_record(&relay->victim, head);
    facts_opened(&relay->victim);
}

enum relay_state relay_mislead(struct relay *relay, const char *why)
{
    relay_meet(relay, 0);
    relay->misled = why;
    facts_refused(&relay->victim, "PROXY protocol 2", why, 0, 400);
    return relay_over(relay, FLOW_REFUSED);
}

enum relay_state relay_step_intro(struct relay *relay)
{
    struct buf *in = &relay->victim.in;
    struct flow *flow = &relay->flow;
    struct proxy_head head;
    const char *why = NULL;
    ssize_t used = proxy_head_read(buf_head(in), buf_len(in), &head, &why);
    if (used < 0)
        return relay_mislead(relay, why);
    if (!used && relay->victim.fin_in)
        return buf_len(in) ? relay_mislead(relay, "a PROXY head that does not "
                                                  "end")
                           : RELAY_CLOSING;
    if (!used)
        return RELAY_INTRO;
    if (head.told) {
        flow->victim = head.from;
        flow->entrance = head.to;
    }
    relay_meet(relay, (size_t)used);
    facts_proxied(relay, &head, (size_t)used);
    buf_consume(in, (size_t)used);
    relay_wait(relay, relay_first_ms(relay));
    return relay_first(relay);
}

void relay_introduce(struct end *server)
{
    uint8_t out[PROXY_HEAD_OWN];
    int version = options_of(server->relay)->introduce;
    const struct flow *flow = &server->relay->flow;
    if (!version)
        return;
    size_t len = proxy_head_write(version, &flow->victim, &flow->entrance, out);
    end_send(server, out, len);
}
