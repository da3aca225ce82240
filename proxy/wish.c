/* SPDX-License-Identifier: MIT */
#include "proxy/wish.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

enum { BODY_MOST = 1024 * 1024 };

bool wish_looks(const struct relay *relay, bool request)
{
    const struct proxy_options *options = relay->worker->options;
    if (options->on_line && options->line_heads)
        return true;
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->on_response ||
            (request && options->hooks[i]->on_request))
            return true;
    return false;
}

bool wish_body(struct relay *relay, const struct message *head)
{
    const struct proxy_options *options = relay->worker->options;
    unsigned want = head->kind == HTTP1_REQUEST ? HOOK_WANTS_REQUEST_BODY
                                                : HOOK_WANTS_RESPONSE_BODY;
    if (options->on_line && options->line_bodies)
        return true;
    for (unsigned i = 0; i < options->hooks_count; i++) {
        const struct hook *hook = options->hooks[i];
        if ((hook->wants & want) &&
            (!hook->wants_body ||
             hook->wants_body(hook->config, &relay->flow, head)))
            return true;
    }
    return false;
}

bool wish_messages(const struct relay *relay)
{
    const struct proxy_options *options = relay->worker->options;
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->on_message)
            return true;
    return false;
}

bool wish_bytes(const struct relay *relay)
{
    const struct proxy_options *options = relay->worker->options;
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->on_data)
            return true;
    return false;
}

size_t wish_most(const struct relay *relay)
{
    size_t most = relay->worker->options->body_most;
    return most ? most : BODY_MOST;
}
