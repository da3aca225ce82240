/* SPDX-License-Identifier: MIT */
#include "proxy/ask.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

#include <assert.h>
#include <stdlib.h>

/* ---- asking -------------------------------------------------------------- */

static enum hook_act last_word(struct ask *ask, enum hook_act act)
{
    ask->next = 0;
    ask->changed = false;
    return act;
}

static void hold(struct ask *ask)
{
    ask->held = true;
    ask->relay->held++;
}

static void release(struct ask *ask)
{
    ask->held = ask->resumed = false;
    ask->relay->held--;
}

enum hook_act ask_hooks(struct relay *relay, struct ask *ask,
                        ask_question question, void *about)
{
    const struct proxy_options *options = relay->worker->options;
    bool decided = ask->held && ask->resumed;
    ask->relay = relay;
    if (ask->held && !decided)
        return HOOK_WAIT;
    if (decided)
        release(ask);
    if (ask->next == 0)
        ask->wants = 0;
    while (decided || ask->next < options->hooks_count) {
        const struct hook *hook =
            options->hooks[decided ? ask->next - 1 : ask->next++];
        enum hook_act act = decided ? ask->act : question(hook, relay, about);
        decided = false;
        if (act == HOOK_CUT || act == HOOK_ANSWER)
            return last_word(ask, act);
        if (act == HOOK_CHANGED || act == HOOK_WAIT)
            ask->wants |= hook->wants;
        ask->changed |= act == HOOK_CHANGED;
        if (act == HOOK_WAIT) {
            hold(ask);
            return act;
        }
    }
    return last_word(ask, ask->changed ? HOOK_CHANGED : HOOK_PASS);
}

/* ---- waiting ------------------------------------------------------------- */

/* One of the relay's handles while it runs. */
struct wake {
    uv_timer_t timer;
    struct ask *ask;
    struct relay *relay;
    enum hook_act act;
};

static void on_wake_closed(uv_handle_t *handle)
{
    struct wake *wake = handle->data;
    relay_handle_closed(wake->relay);
    free(wake);
}

static void stop_wake(struct ask *ask)
{
    if (ask->wake)
        uv_close((uv_handle_t *)&ask->wake->timer, on_wake_closed);
    ask->wake = NULL;
}

static void on_wake(uv_timer_t *timer)
{
    struct wake *wake = timer->data;
    ask_resume(wake->ask, wake->act);
}

void ask_resume(struct ask *ask, enum hook_act act)
{
    assert(act != HOOK_WAIT);
    stop_wake(ask);
    if (!ask->held)
        return;
    ask->act = act;
    ask->resumed = true;
    relay_advance(ask->relay);
}

void ask_abandon(struct ask *ask, struct message *message)
{
    stop_wake(ask);
    if (!ask->held)
        return;
    const struct relay *relay = ask->relay;
    const struct hook *hook = relay->worker->options->hooks[ask->next - 1];
    release(ask);
    ask->next = 0;
    if (hook->on_abandon && message)
        hook->on_abandon(hook->config, &ask->relay->flow, message);
}

int hook_edit_body(struct message *message, void *state)
{
    struct ask *ask = message->ask;
    struct body_editor **last = &message->editors;
    struct body_editor *editor =
        ask ? arena_alloc(message->arena, sizeof *editor) : NULL;
    if (!editor)
        return -1;
    const struct hook *hook = ask->relay->worker->options->hooks[ask->next - 1];
    *editor = (struct body_editor){.hook = hook, .state = state};
    ask->wants |= hook->wants;
    while (*last)
        last = &(*last)->next;
    *last = editor;
    return 0;
}

void hook_resume(struct message *message, enum hook_act act)
{
    ask_resume(message->ask, act);
}

int hook_wake(struct message *message, unsigned ms, enum hook_act act)
{
    return ask_wake(message->ask, ms, act);
}

int ask_wake(struct ask *ask, unsigned ms, enum hook_act act)
{
    struct wake *wake = calloc(1, sizeof *wake);
    if (!wake)
        return -1;
    stop_wake(ask);
    *wake = (struct wake){.ask = ask, .relay = ask->relay, .act = act};
    uv_timer_init(ask->relay->worker->loop, &wake->timer);
    wake->timer.data = wake;
    ask->relay->handles++;
    ask->wake = wake;
    uv_timer_start(&wake->timer, on_wake, ms, 0);
    return 0;
}

int hook_post(struct flow *flow, void (*call)(void *argument), void *argument)
{
    return post_send(&flow->relay->worker->post, call, argument);
}
