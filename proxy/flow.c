/* SPDX-License-Identifier: MIT */
#include "proxy/flow.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

#include <stdatomic.h>

uint64_t flow_number(void)
{
    static atomic_uint_least64_t last;
    return ++last;
}

/* A hook speaks either of the bytes that it is being shown, which came in on
 * one leg, or of what will leave on the other: those bytes are not sent yet,
 * but where the first of them will be is known. */
struct event_where flow_where(const struct flow *flow, enum event_leg leg)
{
    const struct relay *relay = flow->relay;
    const union address *local =
        relay && relay->shown_local ? relay->shown_local : &flow->local;
    bool on_victim_leg = leg == LEG_VICTIM;
    struct event_where where = {
        .flow = flow->id,
        .leg = leg,
        .opener = on_victim_leg ? &flow->victim : local,
        .acceptor = on_victim_leg ? &flow->entrance : &flow->server,
    };
    bool known = on_victim_leg || local->any.sa_family;
    if (!known)
        where.opener = where.acceptor = NULL;
    if (!relay || !relay->shown_leg || !known)
        return where;
    if (leg == relay->shown_leg) {
        where.dir = on_victim_leg ? DIR_UP : DIR_DOWN;
        where.at = relay->shown_at;
        where.len = relay->shown_len;
    } else {
        where.dir = on_victim_leg ? DIR_DOWN : DIR_UP;
        where.at =
            end_output_at(on_victim_leg ? &relay->victim : &relay->server);
        where.len = 1;
    }
    return where;
}

void *flow_hook_state(const struct flow *flow, const struct hook *hook)
{
    const struct proxy_options *options = flow->relay->worker->options;
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i] == hook)
            return flow->hook_state[i];
    return NULL;
}

void socket_resume(struct flow *flow, enum event_leg to, enum hook_act act)
{
    ask_resume(&flow->relay->asks[to == LEG_VICTIM], act);
}

int socket_wake(struct flow *flow, enum event_leg to, unsigned ms,
                enum hook_act act)
{
    return ask_wake(&flow->relay->asks[to == LEG_VICTIM], ms, act);
}

int flow_wake(struct flow *flow, enum event_leg to, unsigned ms)
{
    return socket_wake(flow, to, ms, HOOK_CHANGED);
}

void flow_resume(struct flow *flow)
{
    for (unsigned i = 0; i < 2; i++)
        if (flow->relay->asks[i].held)
            ask_resume(&flow->relay->asks[i], HOOK_CHANGED);
}
