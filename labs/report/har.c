/* SPDX-License-Identifier: MIT
 *
 * Requests find their answers, and WebSockets their messages; then each pair
 * becomes a JSON object. */
#include "labs/report/har.h"

#include "labs/report/har_parts.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES_MOST = 10000,
    TLS_MOST = 4000,
    NEAR = 200,        /* entries back, in which the other account of one is */
    NEAR_FACTS = 2000, /* back, in which it is told who changed a message */
};

struct entry {
    const struct fact *request, *response; /* response may be NULL */
    struct entry *twin;   /* the same exchange on the victim's leg; NULL */
    struct entry *server; /* the same on the server's; NULL */
    json_t *messages;     /* of a WebSocket; NULL: it is none */
    bool messages_changed;
};

struct pairing {
    struct report *report;
    struct entry *entries;
    size_t count, beyond;
    const struct fact **tls; /* one per TLS connection */
    size_t tls_count;
};

/* ---- who belongs together ------------------------------------------------ */

static long long stream_of(const struct fact *fact)
{
    return fact_number(fact, "stream", 0);
}

/* On the connection of the request; and when one place sees two connections
 * with the same addresses, on the same leg. */
static bool is_beside(const struct fact *request, const struct fact *other)
{
    return fact_same_connection(request, other) &&
           (!text_same(request->place, other->place) ||
            text_same(request->leg, other->leg));
}

/* A proxy's way to the server and the server's own account of it tell the
 * same message; the proxy knows whether it was changed. */
static bool is_double(struct pairing *pairing, const struct fact *fact)
{
    if (!fact->opener.len)
        return false;
    for (size_t back = 0; back < pairing->count && back < NEAR; back++) {
        struct entry *entry = &pairing->entries[pairing->count - 1 - back];
        if (fact_same_message(entry->request, fact)) {
            if (text_is(fact->leg, "server"))
                entry->request = fact;
            return true;
        }
    }
    return false;
}

/* A proxy tells of both legs one after the other. */
static void find_twin(struct pairing *pairing, struct entry *server)
{
    size_t index = (size_t)(server - pairing->entries);
    if (!text_is(server->request->leg, "server"))
        return;
    for (size_t back = 1; back <= index && back < NEAR; back++) {
        struct entry *entry = server - back;
        if (entry->request->flow != server->request->flow || entry->server ||
            !text_is(entry->request->leg, "victim") ||
            !text_same(entry->request->place, server->request->place))
            continue;
        server->twin = entry;
        entry->server = server;
        return;
    }
}

static void take_request(struct pairing *pairing, const struct fact *fact)
{
    if (is_double(pairing, fact))
        return;
    if (pairing->count == ENTRIES_MOST) {
        pairing->beyond++;
        return;
    }
    struct entry *entry = &pairing->entries[pairing->count++];
    *entry = (struct entry){.request = fact};
    find_twin(pairing, entry);
}

/* Answers come in the order of their requests (RFC 9112 9.3.2), in HTTP/2 on
 * the same stream; what begins with 1 is not yet the answer, except when it
 * switches protocols. */
static void take_response(struct pairing *pairing, const struct fact *fact)
{
    long long status = fact_number(fact, "status", 0);
    if (status >= 100 && status < 200 && status != 101)
        return;
    for (size_t i = 0; i < pairing->count; i++) {
        struct entry *entry = &pairing->entries[i];
        if (entry->response ? fact_same_message(entry->response, fact)
                            : stream_of(entry->request) == stream_of(fact) &&
                                  is_beside(entry->request, fact)) {
            if (!entry->response || text_is(fact->leg, "server"))
                entry->response = fact;
            return;
        }
    }
}

/* The newest upgrade on its connection. */
static struct entry *find_upgrade(struct pairing *pairing,
                                  const struct fact *message)
{
    for (size_t i = pairing->count; i-- > 0;) {
        struct entry *entry = &pairing->entries[i];
        if (entry->response &&
            fact_number(entry->response, "status", 0) == 101 &&
            is_beside(entry->request, message))
            return entry;
    }
    return NULL;
}

static bool is_true(const struct fact *fact, const char *key)
{
    return fact && json_is_true(json_object_get(fact->data, key));
}

/* As the developer tools of browsers keep them. */
static json_t *message_json(struct report *report, const struct fact *fact)
{
    static const struct {
        const char *name;
        int opcode;
    } kinds[] = {
        {"text", 1}, {"binary", 2}, {"close", 8}, {"ping", 9}, {"pong", 10}};
    const char *name = json_string_value(json_object_get(fact->data, "opcode"));
    struct text body = fact_bytes(report, fact, "body");
    unsigned kind = 0;
    while (name && kind < 4 && strcmp(kinds[kind].name, name) != 0)
        kind++;
    json_t *message =
        json_pack("{s:s, s:f, s:i, s:o}", "type",
                  text_is(fact->dir, "up") ? "send" : "receive", "time",
                  (double)fact->t / 1e9, "opcode", kinds[kind].opcode, "data",
                  kind ? har_base64(body) : har_text(body, NULL));
    if ((long long)body.len < fact_number(fact, "bytes", 0))
        json_object_set_new(message, "comment",
                            json_string("only the first bytes were kept"));
    return message;
}

static void add_message(struct entry *entry, json_t *message, bool changed,
                        bool dropped)
{
    if (!entry)
        return;
    if (!entry->messages)
        entry->messages = json_array();
    size_t count = json_array_size(entry->messages);
    entry->messages_changed |= changed;
    if (dropped && count)
        json_array_remove(entry->messages, count - 1);
    else if (changed && count)
        json_array_set(entry->messages, count - 1, message);
    else if (!dropped)
        json_array_append(entry->messages, message);
}

/* It is told on the leg that it came in on, and went out on the other one as
 * it was; or it was changed, and that is told behind it on the other one. */
static void take_message(struct pairing *pairing, const struct fact *fact)
{
    struct entry *entry = find_upgrade(pairing, fact);
    json_t *message = entry ? message_json(pairing->report, fact) : NULL;
    bool changed = is_true(fact, "changed");
    if (!entry)
        return;
    add_message(entry, message, changed, is_true(fact, "dropped"));
    if (!changed)
        add_message(entry->twin ? entry->twin : entry->server, message, false,
                    false);
    json_decref(message);
}

/* An answer may be told of before its request, if that took longer. */
static void pair_all(struct pairing *pairing)
{
    struct report *report = pairing->report;
    for (size_t i = 0; i < report->facts_count; i++) {
        const struct fact *fact = &report->facts[i];
        if (fact_is(fact, "http.request"))
            take_request(pairing, fact);
        else if (fact_is(fact, "tls.done") && pairing->tls_count < TLS_MOST)
            pairing->tls[pairing->tls_count++] = fact;
    }
    for (size_t i = 0; i < report->facts_count; i++)
        if (fact_is(&report->facts[i], "http.response"))
            take_response(pairing, &report->facts[i]);
    for (size_t i = 0; i < report->facts_count; i++)
        if (fact_is(&report->facts[i], "websocket.message"))
            take_message(pairing, &report->facts[i]);
}

static bool over_tls(const struct pairing *pairing, const struct fact *fact)
{
    for (size_t i = 0; i < pairing->tls_count; i++)
        if (fact_same_connection(pairing->tls[i], fact) &&
            text_same(pairing->tls[i]->place, fact->place))
            return true;
    return false;
}

/* ---- entries ------------------------------------------------------------- */

static bool is_false(const struct fact *fact, const char *key)
{
    return fact && json_is_false(json_object_get(fact->data, key));
}

/* Which of the two conversations this is, and whether it was touched. A
 * request is changed on its way out, and so is a response. */
static json_t *comment_of(const struct entry *entry)
{
    char place[32], text[200];
    text_line(entry->request->place, place, sizeof place - 1);
    bool server = text_is(entry->request->leg, "server");
    snprintf(text, sizeof text, "%s, seen at %s%s%s%s%s",
             server ? "the way to the server" : "the victim's conversation",
             place,
             is_true(entry->request, "changed") ? "; request changed" : "",
             is_true(entry->response, "changed") ? "; response changed" : "",
             is_false(entry->request, "whole") ? "; request cut short" : "",
             !entry->response                     ? "; no response came"
             : is_false(entry->response, "whole") ? "; response cut short"
                                                  : "");
    return json_string(text);
}

/* Rules and replacements are told of before the message, on its connection;
 * in HTTP/2 nobody says of which stream, so there it is not known. */
static void add_changes(struct report *report, const struct fact *message,
                        bool answered, json_t *json)
{
    const char *came = text_is(message->leg, "server") ? "victim" : "server";
    json_t *rules = json_array();
    long long count = 0, back = 0;
    if (!is_true(message, "changed")) {
        json_decref(rules);
        return;
    }
    for (const struct fact *it = message;
         it > report->facts && back++ < NEAR_FACTS && !stream_of(message);) {
        it--;
        if (it->flow != message->flow || !text_same(it->place, message->place))
            continue;
        bool here =
            text_is(it->leg, came) || (answered && text_is(it->leg, "victim"));
        if (text_same(it->kind, message->kind) &&
            text_same(it->leg, message->leg))
            break;
        if (fact_is(it, "attack.changed") && text_same(it->leg, message->leg))
            count += fact_number(it, "count", 0);
        else if (fact_is(it, "rule.acted") && here)
            json_array_insert_new(
                rules, 0, har_text(fact_bytes(report, it, "text"), NULL));
    }
    json_object_set_new(json, "_changed", json_true());
    if (count)
        json_object_set_new(json, "_replacements", json_integer(count));
    if (json_array_size(rules))
        json_object_set(json, "_rules", rules);
    json_decref(rules);
}

static long long us_of(const struct fact *fact)
{
    return fact ? fact_number(fact, "us", 0) : 0;
}

/* An event is written at the end of its message, and says how long that
 * took. The time is the sum of the three. */
static void add_times(const struct entry *entry, json_t *json)
{
    const struct fact *request = entry->request, *response = entry->response;
    long long send = us_of(request), receive = us_of(response), wait = 0;
    if (response)
        wait = (response->t - request->t) / 1000 - receive;
    if (wait < 0) /* the answer began before the request had ended */
        wait = 0;
    json_object_set_new(json, "startedDateTime",
                        har_time(request->t - send * 1000));
    json_object_set_new(json, "time",
                        json_real((double)(send + wait + receive) / 1e3));
    json_object_set_new(json, "timings",
                        json_pack("{s:f, s:f, s:f}", "send", (double)send / 1e3,
                                  "wait", (double)wait / 1e3, "receive",
                                  (double)receive / 1e3));
}

static const char *scheme_of(const struct pairing *pairing,
                             const struct entry *entry)
{
    bool tls = over_tls(pairing, entry->request);
    if (entry->messages)
        return tls ? "wss://" : "ws://";
    return tls ? "https://" : "http://";
}

static json_t *entry_json(const struct pairing *pairing,
                          const struct entry *entry)
{
    const struct fact *request = entry->request;
    const struct fact *far = entry->server ? entry->server->request : request;
    char port[16];
    snprintf(port, sizeof port, "%d", request->opener_port);
    json_t *json = json_pack(
        "{s:o, s:o, s:{}, s:o}", "request",
        har_request(pairing->report, request, scheme_of(pairing, entry)),
        "response", har_response(pairing->report, entry->response), "cache",
        "comment", comment_of(entry));
    add_times(entry, json);
    add_changes(pairing->report, request, false,
                json_object_get(json, "request"));
    if (entry->response)
        add_changes(pairing->report, entry->response, !entry->server,
                    json_object_get(json, "response"));
    if (far->acceptor.len)
        json_object_set_new(json, "serverIPAddress",
                            har_text(far->acceptor, NULL));
    if (request->opener_port > 0)
        json_object_set_new(json, "connection", json_string(port));
    if (request->frame > 0)
        json_object_set_new(json, "_frame", json_integer(request->frame));
    if (entry->messages) {
        json_object_set_new(json, "_resourceType", json_string("websocket"));
        json_object_set(json, "_webSocketMessages", entry->messages);
    }
    return json;
}

/* What went on as it came, and came back as it went. */
static bool says_nothing_new(const struct entry *entry)
{
    return entry->twin && !is_true(entry->request, "changed") &&
           !is_true(entry->twin->response, "changed") &&
           (entry->response || !entry->twin->response) &&
           !entry->messages_changed && !entry->twin->messages_changed;
}

/* ---- the log ------------------------------------------------------------- */

static struct text version_of_mitmlab(const struct report *report)
{
    for (unsigned i = 0; i < report->versions_count; i++)
        if (text_is(report->versions[i].name, "mitmlab"))
            return report->versions[i].value;
    return TEXT("unknown");
}

static json_t *log_json(struct pairing *pairing, bool once)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < pairing->count; i++)
        if (!once || !says_nothing_new(&pairing->entries[i]))
            json_array_append_new(entries,
                                  entry_json(pairing, &pairing->entries[i]));
    return json_pack("{s:{s:s, s:{s:s, s:o}, s:o, s:s}}", "log", "version",
                     "1.2", "creator", "name", "mitmlab", "version",
                     har_text(version_of_mitmlab(pairing->report), NULL),
                     "entries", entries, "comment",
                     pairing->beyond ? "some requests were left out"
                                     : "every HTTP message of the run");
}

static void write_log(struct report *report, bool once, struct out *out)
{
    struct pairing pairing = {.report = report};
    pairing.entries = calloc(ENTRIES_MOST, sizeof *pairing.entries);
    pairing.tls = calloc(TLS_MOST, sizeof(void *));
    char *text = NULL;
    if (pairing.entries && pairing.tls) {
        pair_all(&pairing);
        json_t *log = log_json(&pairing, once);
        text = log ? json_dumps(log, JSON_INDENT(1) | JSON_ENSURE_ASCII) : NULL;
        json_decref(log);
    }
    if (text) {
        out_raw(out, text);
        out_raw(out, "\n");
    } else {
        out->failed = true;
    }
    for (size_t i = 0; i < pairing.count; i++)
        json_decref(pairing.entries[i].messages);
    free(text);
    free(pairing.entries);
    free(pairing.tls);
}

void har_write(struct report *report, struct out *out)
{
    write_log(report, false, out);
}

void har_write_once(struct report *report, struct out *out)
{
    write_log(report, true, out);
}
