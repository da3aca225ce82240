/* SPDX-License-Identifier: MIT */
#include "proxy/ask.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

static enum hook_act answer(struct ask *ask)
{
    enum hook_act act = ask->changed ? HOOK_CHANGED : HOOK_PASS;
    ask->next = 0;
    ask->changed = false;
    return act;
}

enum hook_act ask_hooks(struct relay *relay, struct ask *ask,
                        ask_question question, void *about)
{
    const struct proxy_options *options = relay->worker->options;
    if (ask->held && !ask->resumed)
        return HOOK_WAIT;
    if (ask->next == 0)
        ask->wants = 0;
    ask->changed |= ask->held;
    ask->held = ask->resumed = false;
    while (ask->next < options->hooks_count) {
        const struct hook *hook = options->hooks[ask->next++];
        enum hook_act act = question(hook, relay, about);
        if (act == HOOK_CUT)
            return act;
        if (act == HOOK_CHANGED || act == HOOK_WAIT)
            ask->wants |= hook->wants;
        ask->changed |= act == HOOK_CHANGED;
        ask->held = act == HOOK_WAIT;
        if (ask->held)
            return act;
    }
    return answer(ask);
}
