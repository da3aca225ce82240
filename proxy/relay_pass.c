/* SPDX-License-Identifier: MIT
 *
 * TLS that is left alone: because the operator says so, because this victim
 * has refused before, or because nobody is there who could sign. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"

static void begin_to_look(struct relay *relay)
{
    const struct end *ends[] = {&relay->victim, &relay->server};
    relay->sight = event_wanted() ? sight_new(&facts_sight_calls, relay) : NULL;
    for (unsigned i = 0; relay->sight && i < 2; i++)
        sight_begin(relay->sight, i == 0, end_input_at(ends[i]));
}

bool relay_lets_pass(struct relay *relay)
{
    struct flow *flow = &relay->flow;
    const char *rule = NULL;
    enum pass_why why;
    if (!flow->tls)
        return false;
    if (flow->sealed) {
        facts_passed(relay, relay->way->pass_tls ? "listener" : "no-signer",
                     NULL);
    } else {
        why = pass_look(options_of(relay)->pass, &flow->victim, &flow->server,
                        relay->sni, &rule);
        if (why == PASS_NOT)
            return false;
        flow->sealed = true;
        facts_passed(relay, why == PASS_LISTED ? "listed" : "refused", rule);
    }
    begin_to_look(relay);
    return true;
}
