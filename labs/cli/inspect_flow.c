/* SPDX-License-Identifier: MIT */
#include "labs/cli/inspect_flow.h"

#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- which facts belong together ----------------------------------------- */

static int by_text(struct text one, struct text two)
{
    size_t len = one.len < two.len ? one.len : two.len;
    int differs = len ? memcmp(one.bytes, two.bytes, len) : 0;
    return differs ? differs : (one.len > two.len) - (one.len < two.len);
}

/* In the array of the record they are in the order of their times. */
static int by_flow(const void *a, const void *b)
{
    const struct fact *one = *(const struct fact *const *)a;
    const struct fact *two = *(const struct fact *const *)b;
    int place = by_text(one->place, two->place);
    if (place)
        return place;
    if (one->flow != two->flow)
        return one->flow < two->flow ? -1 : 1;
    return (one > two) - (one < two);
}

static int by_begin(const void *a, const void *b)
{
    const struct inspect_flow *one = a, *two = b;
    return (one->facts[0] > two->facts[0]) - (one->facts[0] < two->facts[0]);
}

static void find_ends(struct inspect_flow *flow)
{
    for (size_t i = 0; i < flow->count; i++) {
        const struct fact *fact = flow->facts[i];
        if (!fact->opener.len)
            continue;
        flow->servers +=
            text_is(fact->leg, "server") && fact_is(fact, "flow.open");
        if (text_is(fact->leg, "server"))
            flow->server = flow->server ? flow->server : fact;
        else
            flow->victim = flow->victim ? flow->victim : fact;
    }
}

static void group(struct inspect *inspect, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = inspect->facts[i];
        struct inspect_flow *flow =
            inspect->count ? &inspect->flows[inspect->count - 1] : NULL;
        if (!flow || flow->number != fact->flow ||
            !text_same(flow->place, fact->place)) {
            flow = &inspect->flows[inspect->count++];
            *flow = (struct inspect_flow){.place = fact->place,
                                          .number = fact->flow,
                                          .facts = &inspect->facts[i]};
        }
        flow->count++;
    }
}

int inspect_open(const struct record *record, struct inspect *out,
                 struct err *err)
{
    const struct report *report = &record->report;
    size_t count = 0;
    *out = (struct inspect){0};
    out->facts = calloc(report->facts_count + 1, sizeof *out->facts);
    out->flows = calloc(report->facts_count + 1, sizeof *out->flows);
    if (!out->facts || !out->flows) {
        inspect_close(out);
        err_set(err, "inspect: out of memory");
        return -1;
    }
    for (size_t i = 0; i < report->facts_count; i++)
        if (report->facts[i].flow > 0)
            out->facts[count++] = &report->facts[i];
    qsort(out->facts, count, sizeof *out->facts, by_flow);
    group(out, count);
    qsort(out->flows, out->count, sizeof *out->flows, by_begin);
    for (size_t i = 0; i < out->count; i++)
        find_ends(&out->flows[i]);
    return 0;
}

void inspect_close(struct inspect *inspect)
{
    free(inspect->facts);
    free(inspect->flows);
    *inspect = (struct inspect){0};
}

/* ---- what is worth a line ------------------------------------------------ */

static bool is_changed(const struct fact *fact)
{
    return json_is_true(json_object_get(fact->data, "changed"));
}

bool inspect_shows(const struct inspect_flow *flow, const struct fact *fact,
                   bool all)
{
    static const char *const quiet[] = {"flow.open",    "flow.end",
                                        "tls.hello",    "tls.done",
                                        "tls.upstream", "tls.client_cert"};
    if (all)
        return true;
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        if (fact_is(fact, quiet[i]))
            return false;
    if (fact_is(fact, "tls.alert"))
        return fact_number(fact, "code", 0) != 0; /* close_notify */
    /* What went on as it came is told once; who saw one leg tells all. */
    bool message =
        fact_is(fact, "http.request") || fact_is(fact, "http.response");
    if (!flow->victim || !flow->server)
        return true;
    bool upstream = text_is(fact->leg, "server");
    bool came_here = fact_is(fact, "http.request") != upstream;
    return !message || came_here || is_changed(fact);
}

/* ---- words --------------------------------------------------------------- */

static void say_cert(const struct fact *fact, struct inspect_words *out)
{
    char *subject, *issuer, role[16], forgery[16] = "";
    const json_t *id = json_object_get(fact->data, "forgery");
    const char *text = json_string_value(json_object_get(fact->data, "role"));
    text_line(text_of(text), role, sizeof role - 1);
    text_line(text_of(json_string_value(id)), forgery, sizeof forgery - 1);
    if (!record_cert_names(fact, &subject, &issuer))
        return;
    char one[160], two[160];
    text_line(text_of(subject), one, sizeof one - 1);
    text_line(text_of(issuer), two, sizeof two - 1);
    snprintf(out->text, sizeof out->text, "certificate %s%s%s: %s, issuer %s",
             role, *forgery ? " " : "", forgery, one, two);
    free(subject);
    free(issuer);
}

/* ---- what is not HTTP ---------------------------------------------------- */

/* data[key] of a fact as a line of at most `most` bytes. */
static char *data_line(struct record *record, const struct fact *fact,
                       const char *key, char *room, size_t most)
{
    text_line(fact_bytes(&record->report, fact, key), room, most);
    return room;
}

static void say_message(struct record *record, const struct fact *fact,
                        struct inspect_words *out)
{
    char kind[16], body[128];
    bool dropped = json_is_true(json_object_get(fact->data, "dropped"));
    snprintf(out->text, sizeof out->text, "ws %s to %s, %lld bytes%s: %s",
             data_line(record, fact, "opcode", kind, sizeof kind - 1),
             text_is(fact->dir, "up") ? "server" : "victim",
             fact_number(fact, "bytes", 0),
             dropped            ? ", dropped"
             : is_changed(fact) ? ", changed"
                                : "",
             data_line(record, fact, "body", body, sizeof body - 1));
}

/* "DNS asks A bank.lab.test"; "DNS says NOERROR: bank.lab.test 60 A ..." */
static void say_dns(struct record *record, const struct fact *fact,
                    struct inspect_words *out)
{
    char word[16], name[256];
    bool asks = fact_is(fact, "dns.query");
    size_t len = (size_t)snprintf(
        out->text, sizeof out->text, "DNS %s %s%s%s", asks ? "asks" : "says",
        data_line(record, fact, asks ? "type" : "rcode", word, sizeof word - 1),
        asks               ? " "
        : is_changed(fact) ? " (changed)"
                           : "",
        asks ? data_line(record, fact, "name", name, sizeof name - 1) : "");
    const json_t *answers = json_object_get(fact->data, "answers"), *answer;
    size_t i;
    json_array_foreach(answers, i, answer)
    {
        text_line(bytes_of(&record->report, answer), name, 100);
        if (len < sizeof out->text)
            len += (size_t)snprintf(out->text + len, sizeof out->text - len,
                                    "%s%s", i ? ", " : ": ", name);
    }
}

/* The words of the report, where it has some; else the data itself. */
void inspect_say(struct record *record, const struct fact *fact,
                 struct inspect_words *out)
{
    struct rung rung = {.mark = MARK_NONE};
    *out = (struct inspect_words){.note = ""};
    if (ladder_say(&record->report, fact, &rung)) {
        snprintf(out->text, sizeof out->text, "%s", rung.text);
        out->mark = rung.mark;
        out->note = mark_word(rung.mark);
    } else {
        char kind[40], line[401];
        char *data = json_dumps(fact->data, JSON_ENSURE_ASCII);
        text_line(fact->kind, kind, sizeof kind - 1);
        text_line(text_of(data), line, sizeof line - 1); /* DEL is ASCII */
        snprintf(out->text, sizeof out->text, "%s %s", kind, line);
        free(data);
    }
    if (fact_is(fact, "tls.cert"))
        say_cert(fact, out);
    else if (fact_is(fact, "rule.acted"))
        record_rule(&record->report, fact, out->text, sizeof out->text);
    else if (fact_is(fact, "websocket.message"))
        say_message(record, fact, out);
    else if (fact_is(fact, "dns.query") || fact_is(fact, "dns.answer"))
        say_dns(record, fact, out);
}

/* ---- the filter ---------------------------------------------------------- */

static struct filter_text filter_text_of(struct text text)
{
    return (struct filter_text){text.len ? text.bytes : NULL, text.len};
}

static struct text data_text(struct record *record,
                             const struct inspect_flow *flow, const char *kind,
                             const char *key)
{
    for (size_t i = 0; i < flow->count; i++)
        if (fact_is(flow->facts[i], kind)) {
            struct text text = fact_bytes(&record->report, flow->facts[i], key);
            if (text.len)
                return text;
        }
    return TEXT("");
}

static bool is_tls(const struct inspect_flow *flow)
{
    for (size_t i = 0; i < flow->count; i++)
        if (fact_is(flow->facts[i], "tls.hello") ||
            fact_is(flow->facts[i], "tls.done") ||
            (fact_is(flow->facts[i], "flow.open") &&
             json_is_true(json_object_get(flow->facts[i]->data, "tls"))))
            return true;
    return false;
}

struct text inspect_host(struct record *record, const struct inspect_flow *flow,
                         bool *out_tls)
{
    *out_tls = is_tls(flow);
    return data_text(record, flow, "http.request", "host");
}

/* The address of a fact as a socket has it; false: it is none. */
static bool read_address(struct text text, int port, union address *out)
{
    char room[INET6_ADDRSTRLEN] = "";
    *out = (union address){0};
    text_line(text, room, sizeof room - 1);
    if (inet_pton(AF_INET, room, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, room, &out->v6.sin6_addr) != 1)
        return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons((uint16_t)port);
    return true;
}

/* What is known of one exchange: of its request, and of the first response
 * behind it. */
static void add_exchange(struct record *record, const struct inspect_flow *flow,
                         size_t at, struct filter_subject *subject)
{
    struct report *report = &record->report;
    const struct fact *request = flow->facts[at];
    subject->kind = "http";
    subject->method = filter_text_of(fact_bytes(report, request, "method"));
    subject->host = filter_text_of(fact_bytes(report, request, "host"));
    subject->target = filter_text_of(fact_bytes(report, request, "target"));
    subject->stream = (uint64_t)fact_number(request, "stream", 0);
    for (size_t i = at + 1; i < flow->count; i++) {
        const struct fact *response = flow->facts[i];
        if (!fact_is(response, "http.response") ||
            fact_number(response, "stream", 0) !=
                fact_number(request, "stream", 0))
            continue;
        subject->status = (int)fact_number(response, "status", 0);
        subject->size_known = subject->ms_known = true;
        subject->size = (uint64_t)(fact_number(request, "body_bytes", 0) +
                                   fact_number(response, "body_bytes", 0));
        subject->ms = response->t > request->t
                          ? (uint64_t)(response->t - request->t) / 1000000
                          : 0;
        return;
    }
}

/* One message of a WebSocket, or one question of DNS or its answer. */
static bool is_spoken(struct record *record, const struct fact *fact,
                      struct filter_subject *subject)
{
    struct report *report = &record->report;
    if (fact_is(fact, "websocket.message")) {
        struct text body = fact_bytes(report, fact, "body");
        subject->moment = FILTER_AT_MESSAGE;
        subject->kind = "ws";
        subject->to = text_is(fact->dir, "up") ? LEG_SERVER : LEG_VICTIM;
        subject->body =
            (struct filter_text){body.len ? body.bytes : "", body.len};
        subject->size_known = true;
        subject->size = (uint64_t)fact_number(fact, "bytes", 0);
        return true;
    }
    bool asks = fact_is(fact, "dns.query");
    if (!asks && !fact_is(fact, "dns.answer"))
        return false;
    subject->moment = asks ? FILTER_AT_REQUEST : FILTER_AT_RESPONSE;
    subject->kind = "dns";
    subject->host = filter_text_of(fact_bytes(report, fact, "name"));
    subject->type = filter_text_of(fact_bytes(report, fact, "type"));
    return true;
}

bool inspect_matches(struct record *record, const struct inspect_flow *flow,
                     const struct filter *filter)
{
    union address victim, server;
    struct filter_subject subject = {.moment = FILTER_AT_END,
                                     .tls = is_tls(flow),
                                     .flow = (uint64_t)flow->number};
    bool exchanges = false;
    if (!filter)
        return true;
    subject.kind = subject.tls ? "tls" : "raw";
    subject.sni = filter_text_of(data_text(record, flow, "tls.hello", "sni"));
    subject.host = subject.sni;
    subject.verdict =
        filter_text_of(data_text(record, flow, "tls.verdict", "verdict"));
    if (flow->victim &&
        read_address(flow->victim->opener, flow->victim->opener_port, &victim))
        subject.victim = &victim;
    if (flow->server && read_address(flow->server->acceptor,
                                     flow->server->acceptor_port, &server))
        subject.server = &server;
    for (size_t i = 0; i < flow->count; i++) {
        struct filter_subject one = subject;
        bool exchange = fact_is(flow->facts[i], "http.request");
        if (!exchange && !is_spoken(record, flow->facts[i], &one))
            continue;
        exchanges = true;
        if (exchange)
            add_exchange(record, flow, i, &one);
        if (filter_holds(filter, &one))
            return true;
    }
    return !exchanges && filter_holds(filter, &subject);
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *text_json(struct text text)
{
    json_t *json = json_stringn(text.bytes, text.len);
    return json ? json : json_string("");
}

static json_t *end_json(const struct fact *fact)
{
    if (!fact)
        return json_null();
    return json_pack("{s:o, s:i, s:o, s:i}", "from", text_json(fact->opener),
                     "from_port", fact->opener_port, "to",
                     text_json(fact->acceptor), "to_port", fact->acceptor_port);
}

/* A fact's data, with where it was seen, and without what is too long. */
static json_t *fact_json(const struct fact *fact)
{
    json_t *json = json_object();
    if (fact->data)
        json_object_update(json, fact->data);
    json_object_del(json, "chain");
    json_object_set_new(json, "leg", text_json(fact->leg));
    if (fact->frame)
        json_object_set_new(json, "frame", json_integer(fact->frame));
    return json;
}

static json_t *cert_json(const struct fact *fact)
{
    char *subject, *issuer;
    json_t *json = fact_json(fact);
    if (record_cert_names(fact, &subject, &issuer)) {
        json_object_set_new(json, "subject", json_string(subject));
        json_object_set_new(json, "issuer", json_string(issuer));
        free(subject);
        free(issuer);
    }
    return json;
}

static json_t *list_json(const struct inspect_flow *flow, const char *kind,
                         json_t *(*make)(const struct fact *fact))
{
    json_t *list = json_array();
    for (size_t i = 0; i < flow->count; i++)
        if (fact_is(flow->facts[i], kind))
            json_array_append_new(list, make(flow->facts[i]));
    return list;
}

/* For Wireshark and tshark: the packets of this flow. */
bool inspect_packets(const struct inspect_flow *flow, char *room, size_t size)
{
    const struct fact *ends[] = {flow->victim, flow->server};
    bool udp = false;
    size_t len = 0;
    for (size_t i = 0; i < flow->count; i++) {
        const char *transport = json_string_value(
            json_object_get(flow->facts[i]->data, "transport"));
        udp |= transport && !strcmp(transport, "udp");
    }
    room[0] = 0;
    for (unsigned i = 0; i < 2; i++)
        if (ends[i] && ends[i]->opener_port > 0 && len < size)
            len += (size_t)snprintf(room + len, size - len, "%s%s.port == %d",
                                    len ? " || " : "", udp ? "udp" : "tcp",
                                    ends[i]->opener_port);
    return len && len < size;
}

json_t *inspect_json(struct record *record, const struct inspect_flow *flow,
                     bool all)
{
    struct text name = data_text(record, flow, "tls.hello", "sni");
    json_t *json = json_pack(
        "{s:I, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "flow",
        (json_int_t)flow->number, "place", text_json(flow->place), "victim",
        end_json(flow->victim), "server", end_json(flow->server), "tls",
        is_tls(flow), "sni", text_json(name), "certificates",
        list_json(flow, "tls.cert", cert_json), "alerts",
        list_json(flow, "tls.alert", fact_json), "verdicts",
        list_json(flow, "tls.verdict", fact_json), "requests",
        list_json(flow, "http.request", fact_json), "responses",
        list_json(flow, "http.response", fact_json));
    char packets[128];
    json_object_set_new(json, "messages",
                        list_json(flow, "websocket.message", fact_json));
    json_object_set_new(json, "questions",
                        list_json(flow, "dns.query", fact_json));
    json_object_set_new(json, "answers",
                        list_json(flow, "dns.answer", fact_json));
    if (inspect_packets(flow, packets, sizeof packets))
        json_object_set_new(json, "filter", json_string(packets));
    json_t *events = all ? json_array() : NULL;
    for (size_t i = 0; i < flow->count && events; i++)
        json_array_append(events, flow->facts[i]->line);
    if (json && events)
        json_object_set_new(json, "events", events);
    return json;
}
