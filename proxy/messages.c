/* SPDX-License-Identifier: MIT */
#include "proxy/messages.h"

#include "proxy/facts.h"
#include "proxy/relay.h"
#include "proxy/websocket.h"
#include "proxy/wish.h"
#include "proxy/worker.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One direction. */
struct way {
    struct websocket_reader reader;
    struct buf raw;  /* of the message under way, as it came */
    size_t frame_at; /* in raw: where the frame under way begins */
    bool waits;      /* a whole message, which the hooks are asked about */
    bool over;       /* longer than we keep: it goes on as it comes */
    bool plain;      /* we changed one: the receiver's window is no longer
                            the sender's, so nothing compressed may follow */
    struct socket_message message;
    bool compressed;
    uint64_t at, end; /* where it came in */
};

struct messages {
    struct relay *relay;
    bool wanted; /* by a hook */
    /* Of the request that began it. */
    char host[NOTE_HOST], target[NOTE_TARGET];
    size_t host_len, target_len;
    struct way up, down;
};

/* ---- life ---------------------------------------------------------------- */

static void keep_request(struct messages *messages,
                         const struct note_line *line)
{
    const char *host = line->text + line->method_len;
    messages->host_len = line->host_len;
    messages->target_len = line->target_len;
    memcpy(messages->host, host, line->host_len);
    memcpy(messages->target, host + line->host_len, line->target_len);
}

struct messages *messages_open(struct relay *relay, const char *protocol,
                               const char *extensions)
{
    struct websocket_deal deal;
    websocket_deal_read(&deal, extensions);
    bool wanted = wish_messages(relay);
    const struct proxy_options *options = relay->worker->options;
    if (!protocol || strcasecmp(protocol, "websocket") || deal.other ||
        (!wanted && !event_wanted() && !options->on_line))
        return NULL;
    struct messages *messages = calloc(1, sizeof *messages);
    if (!messages)
        return NULL;
    bool whole = wanted || (options->on_line && options->line_bodies);
    size_t most = whole ? wish_most(relay) : note_kept();
    keep_request(messages, &relay->exchange.line);
    messages->relay = relay;
    messages->wanted = wanted;
    websocket_open(&messages->up.reader, &deal, true, most);
    websocket_open(&messages->down.reader, &deal, false, most);
    return messages;
}

static void close_way(struct way *way)
{
    websocket_close(&way->reader);
    buf_free(&way->raw);
    buf_free(&way->message.body);
}

void messages_close(struct messages *messages)
{
    if (!messages)
        return;
    close_way(&messages->up);
    close_way(&messages->down);
    free(messages);
}

/* ---- events -------------------------------------------------------------- */

static void tell(const struct end *end, bool came_in, uint64_t at, uint64_t len,
                 const struct websocket_message *message, bool changed,
                 bool dropped)
{
    if (!event_wanted())
        return;
    bool up = (end->leg == LEG_VICTIM) == came_in;
    struct event_where where = facts_where(end);
    where.dir = up ? DIR_UP : DIR_DOWN;
    where.at = at;
    where.len = len;
    struct buf body = {0};
    size_t shown = message->len < note_kept() ? message->len : note_kept();
    if (event_append_text(&body, message->bytes, shown, shown))
        return; /* memory is out */
    event("websocket.message", &where,
          "\"opcode\":\"%s\",\"bytes\":%" PRIu64
          ",\"compressed\":%s,\"changed\":%s,%s\"whole\":%s,\"body\":%.*s",
          websocket_opcode_name(message->opcode), message->size,
          message->compressed ? "true" : "false", changed ? "true" : "false",
          dropped ? "\"dropped\":true," : "", message->cut ? "false" : "true",
          (int)buf_len(&body), (char *)buf_head(&body));
    buf_free(&body);
}

/* ---- lines --------------------------------------------------------------- */

/* What is known of every message of this flow. */
static struct filter_subject subject_of(const struct flow *flow,
                                        enum event_leg to)
{
    const struct messages *messages = flow->relay->messages;
    const char *sni = flow->tls ? flow->server_name : NULL;
    return (struct filter_subject){
        .moment = FILTER_AT_MESSAGE,
        .kind = "ws",
        .tls = flow->tls,
        .victim = &flow->victim,
        .server = &flow->server,
        .flow = flow->id,
        .to = to,
        .sni = {sni, sni ? strlen(sni) : 0},
        .host = {messages->host, messages->host_len},
        .target = {messages->target, messages->target_len},
        .size_known = true};
}

struct filter_subject messages_subject(const struct flow *flow,
                                       const struct socket_message *message)
{
    struct filter_subject subject = subject_of(flow, message->to);
    subject.size = buf_len(&message->body);
    subject.body.len = buf_len(&message->body);
    subject.body.bytes =
        subject.body.len ? (const char *)buf_head(&message->body) : "";
    return subject;
}

/* For a person: it has gone on, or nowhere. */
static void write_line(const struct relay *relay, enum event_leg to,
                       const struct websocket_message *message, bool changed,
                       bool dropped)
{
    const struct proxy_options *options = relay->worker->options;
    if (!options->on_line)
        return;
    bool up = to == LEG_SERVER;
    struct filter_subject subject = subject_of(&relay->flow, to);
    subject.size = message->size;
    subject.body = (struct filter_text){
        message->len ? (const char *)message->bytes : "", message->len};
    struct proxy_line line = {.kind = PROXY_LINE_MESSAGE,
                              .spoken = websocket_opcode_name(message->opcode),
                              .victim = &relay->flow.victim,
                              .tls = relay->flow.tls,
                              .host = subject.host.bytes,
                              .host_len = subject.host.len,
                              .target = subject.target.bytes,
                              .target_len = subject.target.len,
                              .up_bytes = up ? message->size : 0,
                              .down_bytes = up ? 0 : message->size,
                              .request_changed = up && changed,
                              .response_changed = !up && changed,
                              .dropped = dropped,
                              .subject = &subject};
    options->on_line(options->context, &line);
}

/* One that the hooks have seen, as it is now. */
static struct websocket_message seen_by_hooks(const struct way *way)
{
    const struct buf *body = &way->message.body;
    return (struct websocket_message){
        .opcode = way->message.text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY,
        .bytes = buf_len(body) ? buf_head(body) : NULL,
        .len = buf_len(body),
        .size = buf_len(body),
        .compressed = way->compressed};
}

static void tell_came(const struct way *way, const struct end *from,
                      const struct websocket_message *message)
{
    tell(from, true, way->at, way->end - way->at, message, false, false);
}

/* ---- sending ------------------------------------------------------------- */

/* The first `len` bytes of what is kept go on as they came. */
static int send_raw(struct way *way, struct end *to, size_t at, size_t len)
{
    if (len && end_send(to, buf_head(&way->raw) + at, len))
        return -1;
    return buf_splice(&way->raw, at, len, "", 0);
}

/* What a hook or a lost window makes of a message. */
static int send_new(struct way *way, struct end *to)
{
    uint8_t mask[4];
    struct buf frame = {0};
    struct websocket_message now = seen_by_hooks(way);
    now.compressed = false;
    uint64_t at = end_output_at(to);
    int rc = -1;
    /* RFC 6455 10.3: nobody may foresee it. */
    if (way->reader.masked && RAND_bytes(mask, sizeof mask) != 1)
        return -1;
    if (!websocket_write(&frame, now.opcode, now.bytes, now.len,
                         way->reader.masked ? mask : NULL))
        rc = end_send(to, buf_head(&frame), buf_len(&frame));
    buf_free(&frame);
    if (!rc)
        tell(to, false, at, end_output_at(to) - at, &now, true, false);
    return rc;
}

/* ---- hooks --------------------------------------------------------------- */

static enum hook_act ask_message(const struct hook *hook, struct relay *relay,
                                 void *about)
{
    return hook->on_message
               ? hook->on_message(hook->config, &relay->flow, about)
               : HOOK_PASS;
}

static int keep_message(struct way *way, const struct end *to,
                        const struct websocket_message *message)
{
    way->message.to = to->leg;
    way->message.text = message->opcode == WEBSOCKET_TEXT;
    way->message.dropped = false;
    way->compressed = message->compressed;
    way->waits = true;
    buf_clear(&way->message.body);
    return buf_append(&way->message.body, message->bytes, message->len);
}

static enum hook_act ask(struct messages *messages, struct way *way,
                         struct end *from)
{
    struct relay *relay = messages->relay;
    relay->shown_leg = from->leg;
    relay->shown_at = way->at;
    relay->shown_len = way->end - way->at;
    enum hook_act act = ask_hooks(relay, &relay->asks[from->leg == LEG_SERVER],
                                  ask_message, &way->message);
    relay->shown_leg = LEG_NONE;
    if (act == HOOK_WAIT || act == HOOK_CUT)
        return act;
    way->waits = false;
    way->plain |=
        act == HOOK_CHANGED && way->reader.deflates && !way->reader.resets;
    bool anew = act == HOOK_CHANGED || (way->plain && way->compressed);
    bool dropped = act == HOOK_CHANGED && way->message.dropped;
    if (!dropped && (anew ? send_new(way, from->peer)
                          : send_raw(way, from->peer, 0, buf_len(&way->raw))))
        return HOOK_CUT;
    struct websocket_message now = seen_by_hooks(way);
    if (dropped)
        tell(from->peer, false, end_output_at(from->peer), 0, &now, true, true);
    write_line(relay, from->peer->leg, &now, act == HOOK_CHANGED && !dropped,
               dropped);
    buf_clear(&way->raw);
    buf_clear(&way->message.body);
    way->frame_at = 0;
    return HOOK_PASS;
}

/* ---- passing ------------------------------------------------------------- */

static enum hook_act broken(struct end *from, const char *why)
{
    facts_refused(from, "RFC 6455 7.1.7", why, 0, 0);
    from->relay->why = FLOW_FAILED;
    return HOOK_CUT;
}

static enum hook_act sent(struct messages *messages, int bad)
{
    if (bad)
        messages->relay->why = FLOW_FAILED;
    return bad ? HOOK_CUT : HOOK_PASS;
}

/* More than we keep for a hook: what there is goes on, and so does the rest,
 * unseen by it. */
static enum hook_act let_go(struct messages *messages, struct way *way,
                            struct end *from)
{
    if (way->plain && way->reader.compressed)
        return broken(from, "a compressed message is too long to be changed, "
                            "and one before it was");
    way->over = way->reader.open;
    way->frame_at = 0;
    return sent(messages, send_raw(way, from->peer, 0, buf_len(&way->raw)));
}

/* A frame, or a part of it, is in raw. */
static enum hook_act read_step(struct messages *messages, struct way *way,
                               struct end *from, enum websocket_step step,
                               const struct websocket_message *message)
{
    size_t len = buf_len(&way->raw);
    switch (step) {
    case WEBSOCKET_CONTROL:
        tell_came(way, from, message);
        write_line(messages->relay, from->peer->leg, message, false, false);
        return sent(messages, send_raw(way, from->peer, way->frame_at,
                                       len - way->frame_at));
    case WEBSOCKET_MESSAGE:
        tell_came(way, from, message);
        if (message->cut || way->over || !messages->wanted) {
            write_line(messages->relay, from->peer->leg, message, false, false);
            return let_go(messages, way, from);
        }
        if (keep_message(way, from->peer, message))
            return sent(messages, -1);
        return ask(messages, way, from);
    case WEBSOCKET_FRAME:
        way->frame_at = len;
        break;
    case WEBSOCKET_MORE:
    case WEBSOCKET_FAULT:
        break;
    }
    if (!messages->wanted || way->over || len > way->reader.most)
        return let_go(messages, way, from);
    return HOOK_PASS;
}

bool messages_wait(const struct messages *messages, const struct end *from)
{
    return from->leg == LEG_VICTIM ? messages->up.waits : messages->down.waits;
}

enum hook_act messages_pass(struct messages *messages, struct end *from)
{
    struct way *way = from->leg == LEG_VICTIM ? &messages->up : &messages->down;
    struct buf *in = end_input(from);
    if (way->waits) {
        enum hook_act act = ask(messages, way, from);
        if (act != HOOK_PASS)
            return act;
    }
    while (buf_len(in)) {
        struct websocket_message message;
        const char *why = "";
        size_t used;
        if (!way->reader.open && !way->reader.head_len)
            way->at = end_input_at(from);
        enum websocket_step step = websocket_feed(
            &way->reader, buf_head(in), buf_len(in), &used, &message, &why);
        if (step == WEBSOCKET_FAULT)
            return broken(from, why);
        if (buf_append(&way->raw, buf_head(in), used))
            return sent(messages, -1);
        buf_consume(in, used);
        way->end = end_input_end(from);
        enum hook_act act = read_step(messages, way, from, step, &message);
        if (act != HOOK_PASS)
            return act;
    }
    worker_take_back(messages->relay->worker, in);
    return HOOK_PASS;
}
