/* SPDX-License-Identifier: MIT */
#include "proxy/note.h"

#include "proxy/facts.h"
#include "proxy/filter.h"
#include "proxy/relay.h"
#include "proxy/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_USUALLY = 4096,     /* of a body, in an event */
    CODED_MOST = 64 * 1024,   /* of a body that is to be decoded first */
    CLEAR_MOST = 1024 * 1024, /* of what is decoded for it */
    FIELD_MOST = 16 * 1024,
};

static size_t shown_most = SHOWN_USUALLY;

void note_keep(size_t most)
{
    shown_most = most ? most : SHOWN_USUALLY;
}

size_t note_kept(void)
{
    return shown_most;
}

/* ---- heads as JSON ------------------------------------------------------- */

static int add_span(struct buf *out, const char *key, const char *bytes,
                    struct span span)
{
    return buf_printf(out, "\"%s\":", key) ||
           event_append_text(out, bytes + span.at, span.len, FIELD_MOST);
}

static int add_fields(struct buf *out, const struct http1_head *head,
                      const char *bytes)
{
    int bad = buf_append_text(out, ",\"fields\":[");
    for (unsigned i = 0; i < head->fields_count; i++) {
        struct span name = head->fields[i].name, value = head->fields[i].value;
        bad |=
            buf_append_text(out, i ? ",[" : "[") ||
            event_append_text(out, bytes + name.at, name.len, FIELD_MOST) ||
            buf_append_text(out, ",") ||
            event_append_text(out, bytes + value.at, value.len, FIELD_MOST) ||
            buf_append_text(out, "]");
    }
    return bad || buf_append_text(out, "]");
}

static int add_head(struct buf *out, const struct http1_head *head,
                    const char *bytes)
{
    if (head->kind == HTTP1_RESPONSE)
        return buf_printf(out, "\"status\":%d,\"version\":\"HTTP/1.%d\",",
                          head->status, head->minor) ||
               add_span(out, "reason", bytes, head->reason) ||
               add_fields(out, head, bytes);
    return add_span(out, "method", bytes, head->method) ||
           buf_append_text(out, ",") ||
           add_span(out, "target", bytes, head->target) ||
           buf_printf(out, ",\"version\":\"HTTP/1.%d\",", head->minor) ||
           add_span(out, "host", bytes, head->host) ||
           add_fields(out, head, bytes);
}

static int add_text(struct buf *out, const char *key, const char *text)
{
    return buf_printf(out, "\"%s\":", key) ||
           event_append_text(out, text ? text : "", text ? strlen(text) : 0,
                             FIELD_MOST);
}

static int add_version(struct buf *out, const struct message *message)
{
    return message->major == 2
               ? buf_append_text(out, "\"version\":\"HTTP/2\",")
               : buf_printf(out, "\"version\":\"HTTP/1.%d\",", message->minor);
}

static int add_message(struct buf *out, const struct message *message)
{
    int bad;
    if (message->kind == HTTP1_RESPONSE)
        bad = buf_printf(out, "\"status\":%d,", message->status) ||
              add_version(out, message) ||
              add_text(out, "reason", message->reason);
    else
        bad = add_text(out, "method", message->method) ||
              buf_append_text(out, ",") ||
              add_text(out, "target", message->target) ||
              buf_append_text(out, ",") || add_version(out, message) ||
              add_text(out, "host", message->host);
    bad = bad || buf_append_text(out, ",\"fields\":[");
    for (unsigned i = 0; i < message->fields_count && !bad; i++) {
        const struct message_field *field = &message->fields[i];
        bad = buf_append_text(out, i ? ",[" : "[") ||
              event_append_text(out, field->name, strlen(field->name),
                                FIELD_MOST) ||
              buf_append_text(out, ",") ||
              event_append_text(out, field->value, strlen(field->value),
                                FIELD_MOST) ||
              buf_append_text(out, "]");
    }
    return bad || buf_append_text(out, "]");
}

/* ---- taking notes -------------------------------------------------------- */

void note_head(struct note *note, const struct end *from,
               const struct http1_head *head, const char *bytes)
{
    note_close(note);
    if (!event_wanted())
        return;
    const struct http1_field *coding =
        http1_field(head, bytes, "Content-Encoding", NULL);
    if (coding)
        note->coding = codec_named(bytes + coding->value.at, coding->value.len);
    note->kind = head->kind;
    note->at = end_input_at(from);
    note->began = uv_hrtime();
    note->open = !add_head(&note->head, head, bytes);
}

static size_t room_of(const struct note *note)
{
    size_t most = shown_most;
    if (note->coding != CODEC_IDENTITY && most < CODED_MOST)
        most = CODED_MOST;
    return most - buf_len(&note->body);
}

bool note_is_full(const struct note *note)
{
    return !note->open || !room_of(note);
}

void note_body(struct note *note, const void *bytes, size_t len)
{
    note->body_bytes += len;
    if (!note->open)
        return;
    size_t room = room_of(note);
    /* What does not fit in memory is not shown, and that is all. */
    (void)buf_append(&note->body, bytes, len < room ? len : room);
}

void note_changed(struct note *note, const struct message *message)
{
    if (!note->open)
        return;
    size_t len = buf_len(&message->body);
    note->changed = !add_message(&note->sent_head, message);
    note->sent_bytes = message->has_body ? len : 0;
    if (message->has_body && len)
        (void)buf_append(&note->sent_body, buf_head(&message->body),
                         len < shown_most ? len : shown_most);
}

void note_sent_body(struct note *note, const void *bytes, size_t len)
{
    size_t have = buf_len(&note->sent_body);
    size_t room = have < shown_most ? shown_most - have : 0;
    note->sent_bytes += len;
    if (note->open && len && room)
        (void)buf_append(&note->sent_body, bytes, len < room ? len : room);
}

void note_body_again(struct note *note)
{
    note->body_bytes = 0;
    buf_clear(&note->body);
}

void note_answered(struct note *note, uint64_t body_bytes)
{
    note_close(note);
    note->body_bytes = body_bytes;
    note->kind = HTTP1_RESPONSE;
    note->answered = true;
    note->began = uv_hrtime();
    note->open = event_wanted();
}

void note_message(struct note *note, const struct message *message, uint64_t at,
                  uint32_t stream)
{
    note_close(note);
    if (!event_wanted())
        return;
    note->coding = message->coding;
    note->kind = message->kind;
    note->at = at;
    note->stream = stream;
    note->began = uv_hrtime();
    note->open = !add_message(&note->head, message);
}

void note_translated(struct note *note, const struct message *message)
{
    buf_clear(&note->sent_head);
    if (note->open && add_message(&note->sent_head, message))
        buf_clear(&note->sent_head);
}

/* ---- writing them -------------------------------------------------------- */

/* The body as a person reads it, if all of it is here. */
static void decode_body(struct note *note)
{
    struct buf clear = {0};
    const char *why;
    if (note->coding == CODEC_IDENTITY || note->coding == CODEC_UNKNOWN ||
        note->body_bytes != buf_len(&note->body) || !note->body_bytes)
        return;
    if (codec_decode(note->coding, buf_head(&note->body), buf_len(&note->body),
                     shown_most > CLEAR_MOST ? shown_most : CLEAR_MOST, &clear,
                     &why)) {
        buf_free(&clear);
        return;
    }
    buf_free(&note->body);
    note->body = clear;
    note->clear = true;
    note->clear_bytes = buf_len(&clear);
}

/* How long the message took, from its head to its end, and how large its body
 * is when it is decoded. What a hook leaves is decoded already. */
static void add_measures(const struct note *note, bool own_body, char *out,
                         size_t room)
{
    bool clear = own_body ? note->coding != CODEC_IDENTITY : note->clear;
    uint64_t bytes = own_body ? note->sent_bytes : note->clear_bytes;
    uint64_t us = note->began ? (uv_hrtime() - note->began) / 1000 : 0;
    int len = snprintf(out, room, "\"us\":%" PRIu64, us);
    if (clear)
        snprintf(out + len, room - (size_t)len, ",\"clear_bytes\":%" PRIu64,
                 bytes);
}

/* `own_body`: a hook has put another one in its place. */
static void write_one(const struct note *note, bool sent, bool own_body,
                      const struct event_where *where, bool whole)
{
    char stream[32] = "", measures[96];
    struct buf text = {0};
    const struct buf *head =
        sent && buf_len(&note->sent_head) ? &note->sent_head : &note->head;
    const struct buf *body = own_body ? &note->sent_body : &note->body;
    size_t shown = buf_len(body) < shown_most ? buf_len(body) : shown_most;
    uint32_t number = sent ? note->sent_stream : note->stream;
    if (number)
        snprintf(stream, sizeof stream, "\"stream\":%" PRIu32 ",", number);
    add_measures(note, own_body, measures, sizeof measures);
    /* What does not fit in memory is not shown. */
    if (shown > SHOWN_USUALLY &&
        event_append_text(&text, buf_head(body), shown, shown))
        shown = 0;
    const char *small = event_text(
        shown ? buf_head(body) : (uint8_t *)"",
        shown < SHOWN_USUALLY ? shown : SHOWN_USUALLY, SHOWN_USUALLY);
    bool large = shown > SHOWN_USUALLY;
    event(note->kind == HTTP1_REQUEST ? "http.request" : "http.response", where,
          "%s%.*s,\"body\":%.*s,\"body_bytes\":%" PRIu64
          ",%s,\"whole\":%s,\"changed\":%s",
          stream, (int)buf_len(head), (char *)buf_head(head),
          (int)(large ? buf_len(&text) : strlen(small)),
          large ? (char *)buf_head(&text) : small,
          own_body ? note->sent_bytes : note->body_bytes, measures,
          whole ? "true" : "false", sent && note->changed ? "true" : "false");
    buf_free(&text);
}

void note_write(struct note *note, const struct end *from, const struct end *to,
                bool whole)
{
    struct event_where came = facts_where(from), goes = facts_where(to);
    note_write_at(note, &came, &goes, whole);
}

void note_write_at(struct note *note, const struct event_where *from,
                   const struct event_where *to, bool whole)
{
    if (!note->open)
        return;
    decode_body(note);
    bool up = from->leg == LEG_VICTIM;
    struct event_where where = *from;
    where.dir = up ? DIR_UP : DIR_DOWN;
    where.at = note->at;
    where.len = note->end > note->at ? note->end - note->at : 0;
    if (!note->answered)
        write_one(note, false, false, &where, whole);
    if (note->sent_end > note->sent_at) {
        where = *to;
        where.dir = up ? DIR_UP : DIR_DOWN;
        where.at = note->sent_at;
        where.len = note->sent_end - note->sent_at;
        bool own_body =
            note->changed && (note->sent_bytes || !note->body_bytes ||
                              buf_len(&note->sent_body));
        write_one(note, true, own_body, &where, whole);
    }
    note_close(note);
}

void note_close(struct note *note)
{
    buf_free(&note->head);
    buf_free(&note->body);
    buf_free(&note->sent_head);
    buf_free(&note->sent_body);
    *note = (struct note){0};
}

/* ---- the line ------------------------------------------------------------ */

static uint16_t keep(struct note_line *line, size_t *used, const char *bytes,
                     struct span span, size_t most)
{
    size_t len = span.len < most ? span.len : most;
    memcpy(line->text + *used, bytes + span.at, len);
    *used += len;
    return (uint16_t)len;
}

/* Of a target that names the host as well, what stands behind that. */
static struct span path_of(const struct http1_head *head)
{
    struct span target = head->target;
    uint32_t end = target.at + target.len, host = head->host.at;
    if (host < target.at || host >= end)
        return target;
    host += head->host.len;
    return (struct span){host, end - host};
}

void note_line_asked(struct note_line *line, const struct relay *relay,
                     const struct http1_head *head, const char *bytes)
{
    size_t used = 0;
    line->began = uv_now(relay->worker->loop);
    line->method_len = keep(line, &used, bytes, head->method, NOTE_METHOD);
    line->host_len = keep(line, &used, bytes, head->host, NOTE_HOST);
    line->target_len = keep(line, &used, bytes, path_of(head), NOTE_TARGET);
    line->status = 0;
    line->reason = NULL;
    line->request_changed = line->response_changed = false;
    line->up_bytes = line->down_bytes = 0;
}

/* All that is known in the end. */
static struct filter_subject subject_of(const struct proxy_line *line,
                                        const struct relay *relay)
{
    const struct flow *flow = &relay->flow;
    const char *sni = flow->tls ? flow->server_name : NULL;
    return (struct filter_subject){
        .moment = FILTER_AT_END,
        .kind = "http",
        .tls = flow->tls,
        .victim = &flow->victim,
        .server = &flow->server,
        .flow = flow->id,
        .sni = {sni, sni ? strlen(sni) : 0},
        .method = {line->method, line->method_len},
        .host = {line->host, line->host_len},
        .target = {line->target, line->target_len},
        .verdict = {line->verdict, line->verdict ? strlen(line->verdict) : 0},
        .status = line->status,
        .size_known = true,
        .size = line->up_bytes + line->down_bytes,
        .ms_known = true,
        .ms = line->ms,
    };
}

void note_line_message(struct note_line *line, const struct relay *relay,
                       const struct message *message)
{
    const char *const texts[] = {message->method, message->host,
                                 message->target};
    struct buf bytes = {0};
    struct span spans[3];
    for (unsigned i = 0; i < 3; i++) {
        const char *text = texts[i] ? texts[i] : "";
        size_t len = strnlen(text, sizeof line->text);
        spans[i].at = (uint32_t)buf_len(&bytes);
        spans[i].len = buf_append(&bytes, text, len) ? 0 : (uint32_t)len;
    }
    struct http1_head head = {
        .method = spans[0], .host = spans[1], .target = spans[2]};
    note_line_asked(line, relay, &head, (const char *)buf_head(&bytes));
    buf_free(&bytes);
}

void note_line_write(const struct note_line *line, const struct relay *relay,
                     const struct message *request,
                     const struct message *response)
{
    const struct proxy_options *options = relay->worker->options;
    if (!options->on_line)
        return;
    struct proxy_line whole = {
        .victim = &relay->flow.victim,
        .method = line->text,
        .host = line->text + line->method_len,
        .target = line->text + line->method_len + line->host_len,
        .method_len = line->method_len,
        .host_len = line->host_len,
        .target_len = line->target_len,
        .status = line->status,
        .request_changed = line->request_changed,
        .response_changed = line->response_changed,
        .up_bytes = line->up_bytes,
        .down_bytes = line->down_bytes,
        .tls = relay->flow.tls,
        .ms = uv_now(relay->worker->loop) - line->began,
        .version = line->version,
        .reason = line->reason,
        /* A victim that asked has taken the certificate. */
        .verdict = relay->victim.tls.shown ? "accepted" : NULL,
    };
    struct filter_subject subject = subject_of(&whole, relay);
    subject.request = request;
    subject.response = response;
    whole.subject = &subject;
    options->on_line(options->context, &whole);
}
