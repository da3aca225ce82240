/* SPDX-License-Identifier: MIT */
#include "attacks/hold_parts.h"

#include "proxy/message_text.h"
#include "proxy/messages.h"

#include <stdlib.h>
#include <string.h>

/* ---- words --------------------------------------------------------------- */

int hold_escape(struct buf *out, const void *bytes, size_t len, bool lines)
{
    const unsigned char *at = bytes, *end = at + len;
    int bad = 0;
    for (; at < end && !bad; at++)
        bad = (*at >= ' ' && *at < 0x7f) || (lines && *at == '\n')
                  ? buf_append(out, at, 1)
                  : buf_printf(out, "\\x%02x", *at);
    return bad;
}

static int add_text(struct buf *out, const char *text)
{
    return text ? hold_escape(out, text, strlen(text), false) : 0;
}

/* "3  ws bank.lab.test/chat to server, text, 15 bytes" */
static int hold_socket_line(const struct held *held, struct buf *out)
{
    const struct message *copy = &held->copy;
    return buf_printf(out, "%u  ws ", held->number) ||
           add_text(out, copy->host) || add_text(out, copy->target) ||
           buf_printf(out, " to %s, %s, %zu bytes%s", copy->method,
                      copy->reason, buf_len(&copy->body),
                      held->changed ? ", edited" : "");
}

int hold_line(const struct held *held, struct buf *out)
{
    const struct message *message = &held->copy;
    if (held->is_socket)
        return hold_socket_line(held, out);
    bool request = message->kind == HTTP1_REQUEST;
    int bad = buf_printf(out, "%u  ", held->number) ||
              add_text(out, message->method) || buf_append_text(out, " ") ||
              add_text(out, message->host) || add_text(out, message->target);
    if (!bad && !request)
        bad = buf_printf(out, " -> %d", message->status);
    if (!bad)
        bad = buf_printf(out, "  %s", request ? "request" : "response");
    if (!bad && message->has_body)
        bad = buf_printf(out, ", %zu bytes", buf_len(&message->body));
    if (!bad && held->changed)
        bad = buf_append_text(out, ", edited");
    return bad;
}

/* With the lock. */
static void tell(struct held *held, const char *before, const char *behind)
{
    struct buf line = {0};
    struct hold *hold = held->hold;
    if (!buf_append_text(&line, before) && !hold_line(held, &line) &&
        !buf_append_text(&line, behind) && !buf_append(&line, "", 1) &&
        hold->notice)
        hold->notice(hold->context, (char *)buf_head(&line));
    buf_free(&line);
}

static void write_event(const struct held *held, const char *what)
{
    struct event_where where = {.flow = held->flow ? held->flow->id : 0};
    event("flow.held", &where, "\"number\":%u,\"what\":\"%s\",\"changed\":%s",
          held->number, what, held->changed ? "true" : "false");
}

/* ---- life ---------------------------------------------------------------- */

static void free_held(struct held *held)
{
    message_close(&held->copy);
    arena_free(&held->arena);
    free(held);
}

static void unlink_held(struct held *held)
{
    struct hold *hold = held->hold;
    for (struct held **it = &hold->first; *it; it = &(*it)->next)
        if (*it == held) {
            *it = held->next;
            break;
        }
    for (hold->last = &hold->first; *hold->last;
         hold->last = &(*hold->last)->next)
        ;
}

/* ---- stopping ------------------------------------------------------------ */

/* With the lock. */
static enum hook_act enlist(struct hold *hold, struct held *held,
                            struct flow *flow)
{
    held->number = ++hold->numbers;
    held->hold = hold;
    held->flow = flow;
    held->since = uv_hrtime();
    *hold->last = held;
    hold->last = &held->next;
    tell(held, "held ", "");
    write_event(held, "held");
    return HOOK_WAIT;
}

static enum hook_act on_message(void *config, struct flow *flow,
                                struct message *message)
{
    struct hold *hold = config;
    struct filter_subject subject = filter_subject_of(flow, message);
    enum hook_act act = HOOK_PASS;
    uv_mutex_lock(&hold->lock);
    bool stop = hold->filter && filter_holds(hold->filter, &subject);
    struct held *held = stop ? calloc(1, sizeof *held) : NULL;
    if (held && !message_copy(&held->copy, message, &held->arena)) {
        held->real = message;
        act = enlist(hold, held, flow);
    } else if (held) {
        free_held(held);
    }
    uv_mutex_unlock(&hold->lock);
    return act;
}

static const char *text_in(struct arena *arena, struct filter_text text)
{
    return arena_copy(arena, text.len ? text.bytes : "", text.len);
}

/* Its copy, with what its line says. -1 when memory is out. */
static int copy_socket(struct held *held, const struct filter_subject *subject,
                       const struct socket_message *socket)
{
    struct message *copy = &held->copy;
    *copy = (struct message){.kind = HTTP1_RESPONSE,
                             .arena = &held->arena,
                             .method =
                                 socket->to == LEG_SERVER ? "server" : "victim",
                             .reason = socket->text ? "text" : "binary",
                             .host = text_in(&held->arena, subject->host),
                             .target = text_in(&held->arena, subject->target)};
    return !copy->host || !copy->target ||
                   message_set_body(copy,
                                    buf_len(&socket->body)
                                        ? buf_head(&socket->body)
                                        : (const uint8_t *)"",
                                    buf_len(&socket->body))
               ? -1
               : 0;
}

/* Only for a filter that speaks of `kind`: see rules_other.c. */
static enum hook_act on_socket(void *config, struct flow *flow,
                               struct socket_message *socket)
{
    struct hold *hold = config;
    struct filter_subject subject = messages_subject(flow, socket);
    enum hook_act act = HOOK_PASS;
    uv_mutex_lock(&hold->lock);
    bool stop = hold->filter && filter_uses(hold->filter, FILTER_KIND) &&
                filter_holds(hold->filter, &subject);
    struct held *held = stop ? calloc(1, sizeof *held) : NULL;
    if (held && !copy_socket(held, &subject, socket)) {
        held->is_socket = true;
        held->socket = socket;
        act = enlist(hold, held, flow);
    } else if (held) {
        free_held(held);
    }
    uv_mutex_unlock(&hold->lock);
    return act;
}

/* Only of what may be stopped. */
static bool wants_body(void *config, struct flow *flow,
                       const struct message *head)
{
    struct hold *hold = config;
    struct filter_subject subject = filter_subject_of(flow, head);
    uv_mutex_lock(&hold->lock);
    enum filter_truth truth =
        hold->filter ? filter_test(hold->filter, &subject) : FILTER_NO;
    bool wants = truth == FILTER_YES ||
                 (truth == FILTER_UNKNOWN && filter_uses_body(hold->filter));
    uv_mutex_unlock(&hold->lock);
    return wants;
}

/* With the lock: nothing comes of it. What is decided lies in the mail to
 * this thread, and is freed there. */
static void give_up(struct held *held)
{
    held->real = NULL;
    held->socket = NULL;
    if (held->decided)
        return;
    tell(held, "gone ", ": nobody waits for it any more");
    write_event(held, "gone");
    unlink_held(held);
    free_held(held);
}

static void on_abandon(void *config, struct flow *flow, struct message *message)
{
    struct hold *hold = config;
    (void)flow;
    uv_mutex_lock(&hold->lock);
    for (struct held *it = hold->first, *next; it; it = next) {
        next = it->next;
        if (it->real == message)
            give_up(it);
    }
    uv_mutex_unlock(&hold->lock);
}

/* Messages of WebSockets go with their flow. */
static void on_end(void *config, struct flow *flow, enum flow_end why)
{
    struct hold *hold = config;
    (void)why;
    uv_mutex_lock(&hold->lock);
    for (struct held *it = hold->first, *next; it; it = next) {
        next = it->next;
        if (it->is_socket && it->socket && it->flow == flow)
            give_up(it);
    }
    uv_mutex_unlock(&hold->lock);
}

/* ---- letting go ---------------------------------------------------------- */

/* What was made of the copy becomes the message. -1 when memory is out. */
static int take_over(const struct message *copy, struct message *real)
{
    struct message edited;
    if (message_copy(&edited, copy, real->arena))
        return -1;
    edited.request = real->request;
    edited.ask = real->ask;
    edited.answer = real->answer;
    buf_free(&real->body);
    *real = edited;
    return 0;
}

static int take_over_answer(const struct message *copy, struct message *real)
{
    struct message *answer =
        copy->answer ? message_answer(real, copy->answer->status, NULL) : NULL;
    return answer && !message_copy(answer, copy->answer, real->arena) ? 0 : -1;
}

/* Frees it first: what resumes may close the flow. */
static void go_on_socket(struct held *held)
{
    struct flow *flow = held->flow;
    struct socket_message *socket = held->socket;
    enum hook_act act = held->act;
    if (socket && act == HOOK_CHANGED) {
        struct buf old = socket->body;
        socket->body = held->copy.body;
        held->copy.body = old;
    }
    free_held(held);
    if (socket)
        socket_resume(flow, socket->to, act);
}

/* On the flow's thread. The held one is not in the list any more. */
static void go_on(void *argument)
{
    struct held *held = argument;
    struct hold *hold = held->hold;
    uv_mutex_lock(&hold->lock);
    unlink_held(held);
    uv_mutex_unlock(&hold->lock);
    if (held->is_socket) {
        go_on_socket(held);
        return;
    }
    struct message *real = held->real;
    enum hook_act act = held->act;
    if (real && ((act == HOOK_CHANGED && take_over(&held->copy, real)) ||
                 (act == HOOK_ANSWER && take_over_answer(&held->copy, real))))
        act = HOOK_CUT;
    free_held(held);
    if (real)
        hook_resume(real, act);
}

int hold_decide(struct held *held, enum hook_act act, struct err *err)
{
    if (act == HOOK_PASS && held->changed)
        act = HOOK_CHANGED;
    if (hook_post(held->flow, go_on, held)) {
        err_set(err, "out of memory");
        return -1;
    }
    held->act = act;
    held->decided = true;
    tell(held, act == HOOK_CUT ? "dropped " : "sent ", "");
    write_event(held, act == HOOK_CUT      ? "dropped"
                      : act == HOOK_ANSWER ? "answered"
                                           : "sent");
    return 0;
}

/* ---- the hook ------------------------------------------------------------ */

int hold_new(const char *filter, hold_notice *notice, void *context,
             struct hold **out, struct err *err)
{
    struct hold *hold = calloc(1, sizeof *hold);
    if (!hold || uv_mutex_init(&hold->lock)) {
        free(hold);
        err_set(err, "hold: out of memory");
        return -1;
    }
    hold->last = &hold->first;
    hold->notice = notice;
    hold->context = context;
    hold->hook = (struct hook){.name = "hold",
                               .config = hold,
                               .wants = HOOK_WANTS_REQUEST_BODY |
                                        HOOK_WANTS_RESPONSE_BODY |
                                        HOOK_WANTS_VICTIM | HOOK_ANSWERS,
                               .wants_body = wants_body,
                               .on_request = on_message,
                               .on_response = on_message,
                               .on_message = on_socket,
                               .on_abandon = on_abandon,
                               .on_end = on_end};
    if (filter && strcmp(filter, "off") != 0) {
        hold->filter_text = strdup(filter);
        if (!hold->filter_text ||
            filter_parse(hold->filter_text, &hold->filter, NULL, err)) {
            hold_free(hold);
            return -1;
        }
    }
    *out = hold;
    return 0;
}

void hold_free(struct hold *hold)
{
    if (!hold)
        return;
    for (struct held *it = hold->first, *next; it; it = next) {
        next = it->next;
        free_held(it);
    }
    filter_free(hold->filter);
    free(hold->filter_text);
    uv_mutex_destroy(&hold->lock);
    free(hold);
}

struct hook *hold_hook(struct hold *hold)
{
    return &hold->hook;
}
