/* SPDX-License-Identifier: MIT
 *
 * What hooks see of a stream's message, and what becomes of it then: the body
 * that is kept for them, their answer in the server's place, the body that
 * they edit while it passes. */
#include "proxy/relay.h"
#include "proxy/stream_parts.h"
#include "proxy/wish.h"
#include "proxy/worker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static enum hook_act question(const struct hook *hook, struct relay *relay,
                              void *about)
{
    struct way *way = about;
    if (way_is_request(way))
        return hook->on_request
                   ? hook->on_request(hook->config, &relay->flow, &way->message)
                   : HOOK_PASS;
    return hook->on_response
               ? hook->on_response(hook->config, &relay->flow, &way->message)
               : HOOK_PASS;
}

/* A victim that waits for leave to send a body that we want first. */
static void say_continue(struct way *way)
{
    struct message leave = {
        .kind = HTTP1_RESPONSE, .status = 100, .major = 1, .minor = 1};
    const char *expect = message_field(&way->message, "expect");
    if (!way_is_request(way) || way->stream->said_continue || way->whole ||
        !expect || strcasecmp(expect, "100-continue"))
        return;
    way->stream->said_continue = true;
    way->from->calls->interim(way->from, &way->stream->response, &leave);
}

/* All of the body that a hook wants is there, or it is too much of it. A copy
 * goes to the hook: what it does not change leaves as it came. */
bool way_collect(struct way *way)
{
    size_t most = wish_most(way_relay(way));
    if (!way->whole && buf_len(&way->body) <= most) {
        say_continue(way);
        return false;
    }
    way->state = WAY_ASK;
    bool wanted = way->whole && !way->cut && buf_len(&way->body) <= most &&
                  way_may_collect(way) &&
                  (buf_len(&way->body) || way->length >= 0);
    if (!wanted)
        return true;
    struct message *message = &way->message;
    message->has_body = true;
    if (buf_len(&way->body) &&
        buf_append(&message->body, buf_head(&way->body), buf_len(&way->body)))
        message->has_body = false;
    if (message->has_body && message_decode(message, most)) {
        message->has_body = false;
        if (mill_is_bomb(message))
            message->coding = CODEC_UNKNOWN;
    }
    if (!message->has_body)
        buf_free(&message->body);
    return true;
}

/* What hooks made of it becomes the message, unless it breaks the rules. */
static int take_change(struct way *way)
{
    struct message *message = &way->message;
    struct buf coded = {0};
    bool naive = way->ask.wants & HOOK_WANTS_NAIVE_LENGTH;
    /* A body that is still on its way cannot be replaced. */
    if (!way->whole || message_is_bodyless(message))
        message->has_body = false;
    if (!message_is_safe(message))
        return -1;
    if (!message->has_body)
        return 0;
    if (message_encode(message, naive, &coded)) {
        buf_free(&coded);
        return -1;
    }
    way_pay(way, way->owed);
    buf_free(&way->body);
    way->body = coded;
    way->length = -1;
    return 0;
}

/* It goes on as `way->body`. What a line shows of it stays. */
static void drop_body(struct way *way)
{
    if (!way_relay(way)->worker->options->line_bodies)
        buf_free(&way->message.body);
}

void way_note_change(struct way *way)
{
    if (way_is_request(way))
        way->stream->line.request_changed = true;
    else
        way->stream->line.response_changed = true;
}

/* False: memory is out, and what was to go cannot. */
static bool changed(struct way *way)
{
    if (!take_change(way)) {
        note_changed(&way->note, &way->message);
        way_note_change(way);
    } else if (message_is_safe(&way->message)) {
        stream_reset(way->stream, STREAM_INTERNAL_ERROR);
        return false;
    } else {
        fprintf(stderr, "mitmlab: what a hook made of a message is no HTTP; "
                        "it goes on unchanged\n");
        buf_free(&way->message.body);
        way_close_mill(way);
        way->message = way->before;
    }
    drop_body(way);
    way->state = WAY_READY;
    return true;
}

/* A hook has written the response; the hooks of responses see it next. */
static void take_answer(struct way *way)
{
    struct stream *stream = way->stream;
    struct way *response = &stream->response;
    assert(way->message.answer);
    stream_leave_server(stream, STREAM_CANCEL);
    response->message = *way->message.answer;
    way->message.answer = NULL;
    response->message.arena = &response->arena;
    way_came_response(response);
    response->message.ask = &response->ask;
    response->whole = true;
    response->answered = true;
    response->state = WAY_ASK;
}

/* A hook wishes to edit the body as it passes. True if the head has to be
 * another one. */
static bool open_mill(struct way *way)
{
    struct relay *relay = way_relay(way);
    struct message *message = &way->message;
    bool unheard = way->stream->asked_head && !way_is_request(way);
    if (!message->editors)
        return false;
    /* A body that is kept is edited as a whole. */
    if (!way->answered && !unheard && mill_wanted(message))
        way->mill = mill_new(&relay->flow, message, &way->note);
    if (!way->mill) {
        mill_drop_editors(&relay->flow, message);
        return false;
    }
    way->raw = way->body;
    way->body = (struct buf){0};
    if (way->ask.wants & HOOK_WANTS_NAIVE_LENGTH)
        return false;
    way->length = -1;
    return mill_fix_fields(message);
}

static bool passed(struct way *way, enum hook_act act)
{
    if (open_mill(way))
        act = HOOK_CHANGED;
    if (way->answered)
        note_answered(&way->note, buf_len(&way->message.body));
    if (way->answered || act == HOOK_CHANGED)
        return changed(way);
    drop_body(way);
    way->state = WAY_READY;
    return true;
}

static enum hook_act put_question(struct way *way)
{
    struct relay *relay = way_relay(way);
    relay->flow.stream = way->stream->number;
    relay->shown_leg = way_is_request(way) ? LEG_VICTIM : LEG_SERVER;
    relay->shown_at = way->note.at;
    relay->shown_local = relay->lanes ? &way->stream->local : NULL;
    relay->shown_len =
        way->note.end > way->note.at ? way->note.end - way->note.at : 0;
    enum hook_act act = ask_hooks(relay, &way->ask, question, way);
    relay->shown_leg = LEG_NONE;
    relay->shown_local = NULL;
    relay->flow.stream = 0;
    return act;
}

/* Hooks edit in place; so what they see first is kept. */
static int remember(struct way *way)
{
    struct message *before = &way->before;
    if (way->shown)
        return 0;
    way->shown = true;
    *before = way->message;
    before->body = (struct buf){0};
    before->has_body = false;
    size_t size = before->fields_count * sizeof *before->fields;
    before->fields = size ? arena_alloc(&way->arena, size) : NULL;
    before->fields_room = before->fields_count;
    if (size && !before->fields)
        return -1;
    if (size)
        memcpy(before->fields, way->message.fields, size);
    return 0;
}

/* True: look again. */
bool way_ask(struct way *way)
{
    if (way->stream->streams->forbidden ||
        (!wish_looks(way_relay(way), way_is_request(way)) && !way->answered)) {
        way->state = WAY_READY;
        return true;
    }
    if (remember(way)) {
        stream_reset(way->stream, STREAM_INTERNAL_ERROR);
        return false;
    }
    enum hook_act act = put_question(way);
    if (way->message.server && (act == HOOK_PASS || act == HOOK_CHANGED)) {
        stream_answer(way->stream, 502,
                      "a rule sends this request to another server, and that "
                      "is done in HTTP/1.1 only (see --http2 off)");
        return false;
    }
    switch (act) {
    case HOOK_WAIT:
        way->stream->waited = true;
        return false;
    case HOOK_CUT:
        if (!way->stream->streams->victim->h2)
            way_relay(way)->why = FLOW_CUT;
        stream_reset(way->stream, STREAM_CANCEL);
        return false;
    case HOOK_ANSWER:
        take_answer(way);
        return true;
    case HOOK_PASS:
    case HOOK_CHANGED:
        return passed(way, act);
    }
    return false;
}
