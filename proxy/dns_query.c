/* SPDX-License-Identifier: MIT
 *
 * One question of DNS, from the victim to the resolver and back. Whoever
 * answers must know our id, our port and the question (RFC 5452 4): an answer
 * that does not is told of, and waited past. */
#include "proxy/dns_parts.h"

#include "proxy/base/dial_loop.h"
#include "proxy/event.h"
#include "proxy/filter.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWERS_TOLD = 32,
    RECORD_TEXT = DNS_NAME_TEXT + DNS_DATA_TEXT + 64,
};

/* ---- what is told -------------------------------------------------------- */

static struct event_where where_of(const struct dns_query *query,
                                   enum event_leg leg, bool up,
                                   const struct dns_place *place)
{
    struct event_where where = flow_where(&query->flow, leg);
    where.dir = up ? DIR_UP : DIR_DOWN;
    if (place) {
        where.at = place->at;
        where.len = place->len;
    }
    return where;
}

static void refuse(const struct dns_query *query, enum event_leg leg,
                   const char *sentence)
{
    struct event_where where = flow_where(&query->flow, leg);
    event("dns.refused", &where, "\"name\":%s,\"sentence\":%s",
          event_text(query->asked.name, strlen(query->asked.name), 1024),
          event_text(sentence, strlen(sentence), 256));
}

static void tell_query(const struct dns_query *query, enum event_leg leg,
                       uint16_t id, const struct dns_place *place)
{
    char type[DNS_WORD_TEXT];
    struct event_where where = where_of(query, leg, true, place);
    dns_type_text(query->asked.type, type);
    event("dns.query", &where,
          "\"transport\":\"%s\",\"id\":%u,\"name\":%s,\"type\":\"%s\"",
          query->tcp ? "tcp" : "udp", id,
          event_text(query->asked.name, strlen(query->asked.name), 1024), type);
}

/* "bank.lab.test 300 A 127.0.0.1"; its length. */
static int record_text(const struct buf *answer,
                       const struct dns_record *record, char out[RECORD_TEXT])
{
    char type[DNS_WORD_TEXT], data[DNS_DATA_TEXT];
    dns_type_text(record->type, type);
    dns_data_text(buf_head(answer), buf_len(answer), record, data);
    return snprintf(out, RECORD_TEXT, "%s %u %s %s", record->name, record->ttl,
                    type, data);
}

/* A list of those. */
static int list_answers(struct buf *out, const struct buf *answer,
                        const struct dns_message *message)
{
    struct dns_record record;
    size_t at = message->question_end;
    int bad = buf_append_text(out, "[");
    for (unsigned i = 0;
         i < ANSWERS_TOLD && !bad &&
         dns_next(buf_head(answer), buf_len(answer), i, &at, &record) &&
         record.answers;
         i++) {
        char line[RECORD_TEXT];
        int len = record_text(answer, &record, line);
        bad = (i && buf_append_text(out, ",")) ||
              event_append_text(out, line, (size_t)len, RECORD_TEXT);
    }
    return bad || buf_append_text(out, "]") ? -1 : 0;
}

static void tell_answer(const struct dns_query *query, enum event_leg leg,
                        const struct buf *answer, const struct dns_place *place,
                        bool changed)
{
    char type[DNS_WORD_TEXT], rcode[DNS_WORD_TEXT];
    const char *why;
    struct dns_message message;
    struct buf list = {0};
    struct event_where where = where_of(query, leg, false, place);
    if (!event_wanted() ||
        dns_read(buf_head(answer), buf_len(answer), &message, &why))
        return;
    dns_type_text(message.type, type);
    dns_rcode_text(message.rcode, rcode);
    if (!list_answers(&list, answer, &message))
        event("dns.answer", &where,
              "\"transport\":\"%s\",\"id\":%u,\"name\":%s,\"type\":\"%s\","
              "\"rcode\":\"%s\",\"truncated\":%s,\"answers\":%.*s,"
              "\"changed\":%s",
              query->tcp ? "tcp" : "udp", message.id,
              event_text(message.name, strlen(message.name), 1024), type, rcode,
              message.truncated ? "true" : "false", (int)buf_len(&list),
              (char *)buf_head(&list), changed ? "true" : "false");
    buf_free(&list);
}

/* The records of an answer, a line each, and a NUL. */
static int add_detail(const struct buf *answer, struct buf *out)
{
    struct dns_message message;
    struct dns_record record;
    const char *why;
    if (dns_read(buf_head(answer), buf_len(answer), &message, &why))
        return -1;
    size_t at = message.question_end;
    for (unsigned i = 0;
         i < ANSWERS_TOLD &&
         dns_next(buf_head(answer), buf_len(answer), i, &at, &record) &&
         record.answers;
         i++) {
        char line[RECORD_TEXT];
        int len = record_text(answer, &record, line);
        if (buf_append(out, line, (size_t)len) || buf_append_text(out, "\n"))
            return -1;
    }
    return buf_append(out, "", 1);
}

/* For a person: what was asked, and where that leads. `answer` is NULL when
 * there was none. */
static void write_line(const struct dns_query *query, const struct buf *answer,
                       bool changed, const char *how)
{
    const struct proxy_options *options = query->relay->worker->options;
    const char *name = query->asked.name;
    char type[DNS_WORD_TEXT];
    uint64_t ms = uv_now(query->relay->worker->loop) - query->began;
    struct proxy_line line = {.kind = PROXY_LINE_BYTES,
                              .spoken = "dns",
                              .victim = &query->flow.victim,
                              .host = name,
                              .host_len = strlen(name),
                              .up_bytes = buf_len(&query->bytes),
                              .down_bytes = answer ? buf_len(answer) : 0,
                              .response_changed = changed,
                              .ms = ms,
                              .version = type,
                              .how = how};
    struct filter_subject subject = {.moment = FILTER_AT_END,
                                     .kind = line.spoken,
                                     .victim = &query->flow.victim,
                                     .server = &query->flow.server,
                                     .flow = query->flow.id,
                                     .host = {name, line.host_len},
                                     .type = {type, 0},
                                     .size_known = true,
                                     .size = line.up_bytes + line.down_bytes,
                                     .ms_known = true,
                                     .ms = ms};
    if (!options->on_line)
        return;
    struct buf detail = {0};
    dns_type_text(query->asked.type, type);
    subject.type.len = strlen(type);
    line.subject = &subject;
    if (options->line_heads && answer && !add_detail(answer, &detail))
        line.detail = (char *)buf_head(&detail);
    options->on_line(options->context, &line);
    buf_free(&detail);
}

/* The first address, or why there is none. */
static void line_of_answer(const struct dns_query *query,
                           const struct buf *answer, bool changed)
{
    char how[DNS_DATA_TEXT];
    const char *why;
    struct dns_message message;
    struct dns_record record;
    if (dns_read(buf_head(answer), buf_len(answer), &message, &why))
        return;
    size_t at = message.question_end;
    dns_rcode_text(message.rcode, how);
    if (!message.rcode)
        snprintf(how, sizeof how, message.truncated ? "truncated" : "nothing");
    for (unsigned i = 0;
         dns_next(buf_head(answer), buf_len(answer), i, &at, &record) &&
         record.answers;
         i++) {
        dns_data_text(buf_head(answer), buf_len(answer), &record, how);
        if (record.type == query->asked.type)
            break;
    }
    write_line(query, answer, changed, how);
}

/* ---- the end ------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct dns_query *query = handle->data;
    struct dns_relay *relay = query->relay;
    if (!--query->handles) {
        buf_free(&query->bytes);
        buf_free(&query->out);
        buf_free(&query->in);
        arena_free(&query->flow.arena);
        free(query);
    }
    dns_relay_release(relay);
}

void dns_query_end(struct dns_query *query)
{
    if (query->over)
        return;
    query->over = true;
    *query->link = query->next;
    if (query->next)
        query->next->link = query->link;
    query->relay->queries_count--;
    uv_close((uv_handle_t *)&query->timer, on_closed);
    if (query->handles == 2)
        uv_close(&query->server.handle, on_closed);
    if (query->visitor)
        dns_visitor_done(query->visitor);
}

static void fail(struct dns_query *query, const char *sentence)
{
    refuse(query, LEG_SERVER, sentence);
    write_line(query, NULL, false, sentence);
    dns_query_end(query);
}

static void on_timeout(uv_timer_t *timer)
{
    fail(timer->data, "the resolver has not answered in time");
}

/* ---- hooks --------------------------------------------------------------- */

static enum hook_act ask(struct dns_query *query, struct buf *answer)
{
    const struct proxy_options *options = query->relay->worker->options;
    bool asked = !buf_len(answer);
    enum hook_act act = HOOK_PASS;
    struct dns_talk talk = {.asked = &query->asked,
                            .query = buf_head(&query->bytes),
                            .tcp = query->tcp,
                            .answer = answer};
    for (unsigned i = 0; i < options->hooks_count; i++) {
        const struct hook *hook = options->hooks[i];
        if (!hook->on_dns)
            continue;
        enum hook_act said = hook->on_dns(hook->config, &query->flow, &talk);
        assert(said == HOOK_PASS || said == HOOK_CUT ||
               said == (asked ? HOOK_ANSWER : HOOK_CHANGED));
        if (said == HOOK_CUT || said == HOOK_ANSWER)
            return said;
        act = said == HOOK_PASS ? act : said;
    }
    return act;
}

/* To the victim, under the id that it chose. */
static void deliver(struct dns_query *query, struct buf *answer, bool changed)
{
    uint64_t at;
    dns_put_id(buf_head(answer), query->asked.id);
    if (dns_relay_send(query, buf_head(answer), buf_len(answer), &at)) {
        refuse(query, LEG_VICTIM, "the victim cannot be reached any more");
    } else {
        struct dns_place place = {at, 2 + buf_len(answer)};
        tell_answer(query, LEG_VICTIM, answer, query->tcp ? &place : NULL,
                    changed);
        line_of_answer(query, answer, changed);
    }
    dns_query_end(query);
}

/* ---- the resolver -------------------------------------------------------- */

/* What somebody says in the resolver's name. False: it is not our answer. */
static bool take_answer(struct dns_query *query, const uint8_t *bytes,
                        size_t len, const struct dns_place *place)
{
    struct dns_message message;
    const char *why;
    int bad = dns_read(bytes, len, &message, &why);
    if (!bad && !message.answer)
        why = "it is a query";
    else if (!bad && message.id != query->id)
        why = "its id is another one";
    else if (!bad && !dns_same_question(&message, &query->asked))
        why = "it answers another question";
    else if (!bad)
        why = NULL;
    if (why) {
        refuse(query, LEG_SERVER, why);
        return false;
    }
    struct buf answer = {0};
    if (buf_append(&answer, bytes, len)) {
        dns_query_end(query);
        return true;
    }
    tell_answer(query, LEG_SERVER, &answer, place, false);
    enum hook_act act = ask(query, &answer);
    if (act == HOOK_CUT) {
        write_line(query, NULL, true, "dropped");
        dns_query_end(query);
    } else {
        deliver(query, &answer, act == HOOK_CHANGED);
    }
    buf_free(&answer);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct dns_query *query = handle->data;
    size_t room = query->tcp ? 4096 : DNS_MOST + 1;
    (void)suggested;
    out->base = (char *)buf_reserve(&query->in, room);
    out->len = out->base ? room : 0;
}

static void on_datagram(uv_udp_t *udp, ssize_t got, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct dns_query *query = udp->data;
    (void)flags;
    if (query->over)
        return;
    if (got < 0)
        fail(query, uv_strerror((int)got));
    else if (from)
        (void)take_answer(query, (const uint8_t *)buf->base, (size_t)got, NULL);
}

static int ask_by_udp(struct dns_query *query, struct err *err)
{
    struct flow *flow = &query->flow;
    uv_udp_t *udp = &query->server.udp;
    int len = sizeof flow->local;
    uv_buf_t buf = uv_buf_init((char *)buf_head(&query->out),
                               (unsigned)buf_len(&query->out));
    if (dial_datagrams(udp, &flow->server, err))
        return -1;
    uv_udp_getsockname(udp, &flow->local.any, &len);
    int rc = uv_udp_try_send(udp, &buf, 1, NULL);
    if (rc >= 0)
        rc = uv_udp_recv_start(udp, on_alloc, on_datagram);
    if (!rc)
        return 0;
    err_set(err, "ask the resolver: %s", uv_strerror(rc));
    return -1;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct dns_query *query = stream->data;
    (void)buf;
    if (query->over || !got)
        return;
    if (got < 0) {
        fail(query, "the resolver has hung up without an answer");
        return;
    }
    buf_filled(&query->in, (size_t)got);
    ssize_t used = dns_frame(buf_head(&query->in), buf_len(&query->in));
    struct dns_place place = {0, (uint64_t)used};
    if (used < 0 || (used && !take_answer(query, buf_head(&query->in) + 2,
                                          (size_t)used - 2, &place)))
        fail(query, "the resolver does not speak DNS over TCP");
}

static void on_written(uv_write_t *write, int status)
{
    struct dns_query *query = write->data;
    if (status && !query->over)
        fail(query, uv_strerror(status));
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct dns_query *query = connect->data;
    struct flow *flow = &query->flow;
    uv_stream_t *stream = (uv_stream_t *)&query->server.tcp;
    int len = sizeof flow->local;
    if (query->over)
        return;
    uv_buf_t buf = uv_buf_init((char *)buf_head(&query->out),
                               (unsigned)buf_len(&query->out));
    if (!status)
        status = uv_write(&query->write, stream, &buf, 1, on_written);
    if (!status)
        status = uv_read_start(stream, on_alloc, on_read);
    if (status) {
        fail(query, uv_strerror(status));
        return;
    }
    struct dns_place place = {0, buf_len(&query->out)};
    uv_tcp_getsockname(&query->server.tcp, &flow->local.any, &len);
    tell_query(query, LEG_SERVER, query->id, &place);
}

/* The same question, with an id and from a port that nobody can foresee. */
static int ask_resolver(struct dns_query *query, struct err *err)
{
    uv_loop_t *loop = query->relay->worker->loop;
    size_t len = buf_len(&query->bytes);
    uint8_t prefix[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    if (RAND_bytes((uint8_t *)&query->id, sizeof query->id) != 1 ||
        (query->tcp && buf_append(&query->out, prefix, sizeof prefix)) ||
        buf_append(&query->out, buf_head(&query->bytes), len)) {
        err_set(err, "out of memory");
        return -1;
    }
    dns_put_id(buf_head(&query->out) + (query->tcp ? sizeof prefix : 0),
               query->id);
    if (query->tcp ? uv_tcp_init(loop, &query->server.tcp)
                   : uv_udp_init(loop, &query->server.udp)) {
        err_set(err, "no socket");
        return -1;
    }
    query->handles++;
    query->relay->handles++;
    query->server.handle.data = query->connect.data = query->write.data = query;
    if (query->tcp)
        return dial_start(&query->connect, &query->server.tcp,
                          &query->flow.server, on_connected, err);
    if (ask_by_udp(query, err))
        return -1;
    tell_query(query, LEG_SERVER, query->id, NULL);
    return 0;
}

/* ---- the beginning ------------------------------------------------------- */

static struct dns_query *query_new(struct dns_relay *relay,
                                   struct dns_visitor *visitor,
                                   const union address *victim)
{
    struct dns_query *query = calloc(1, sizeof *query);
    int len = sizeof query->flow.listener;
    if (!query)
        return NULL;
    query->relay = relay;
    query->visitor = visitor;
    query->tcp = visitor != NULL;
    query->began = uv_now(relay->worker->loop);
    query->flow = (struct flow){.id = flow_number(),
                                .victim = *victim,
                                .listener = relay->way->address,
                                .server = relay->resolver,
                                .server_name = query->asked.name};
    if (visitor) {
        uv_tcp_getsockname(&visitor->tcp, &query->flow.listener.any, &len);
        visitor->queries++;
    }
    query->flow.peer = query->flow.victim;
    query->flow.entrance = query->flow.listener;
    uv_timer_init(relay->worker->loop, &query->timer);
    query->timer.data = query;
    query->handles = 1;
    relay->handles++;
    query->next = relay->queries;
    query->link = &relay->queries;
    if (query->next)
        query->next->link = &query->next;
    relay->queries = query;
    relay->queries_count++;
    return query;
}

/* Hooks first: one may answer in the resolver's place. */
static void begin(struct dns_query *query)
{
    struct err err = ERR_INIT;
    struct buf answer = {0};
    switch (ask(query, &answer)) {
    case HOOK_CUT:
        write_line(query, NULL, true, "dropped");
        dns_query_end(query);
        break;
    case HOOK_ANSWER:
        deliver(query, &answer, true);
        break;
    default:
        uv_timer_start(&query->timer, on_timeout, DNS_PATIENCE_MS, 0);
        if (ask_resolver(query, &err))
            fail(query, err.text);
        break;
    }
    buf_free(&answer);
}

int dns_query_take(struct dns_relay *relay, struct dns_visitor *visitor,
                   const union address *victim, const uint8_t *bytes,
                   size_t len, const struct dns_place *place)
{
    const char *why;
    struct dns_query *query = relay->queries_count < DNS_QUERIES_MOST
                                  ? query_new(relay, visitor, victim)
                                  : NULL;
    if (!query)
        return 0; /* as if it had been lost on the way */
    int bad = dns_read(bytes, len, &query->asked, &why);
    if (!bad && query->asked.answer) {
        why = "it is an answer to nothing";
        bad = -1;
    }
    if (bad || buf_append(&query->bytes, bytes, len)) {
        refuse(query, LEG_VICTIM, bad ? why : "out of memory");
        dns_query_end(query);
        return bad;
    }
    tell_query(query, LEG_VICTIM, query->asked.id, place);
    begin(query);
    return 0;
}
