/* SPDX-License-Identifier: MIT
 *
 * Requests find their answers, then each pair becomes a JSON object. Field
 * values stay Latin-1 as HTTP has them; bodies are text where they are UTF-8
 * and base64 where they are not. */
#include "labs/report/har.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ENTRIES_MOST = 10000, TLS_MOST = 4000 };

struct entry {
    const struct fact *request, *response; /* response may be NULL */
};

struct pairing {
    struct report *report;
    struct entry *entries;
    size_t count, beyond;
    const struct fact **tls; /* one per TLS connection */
    size_t tls_count;
};

/* ---- who belongs together ---------------------------------------------- */

/* On the connection of the request; and when one place sees two connections
 * with the same addresses, on the same leg. */
static bool answers(const struct fact *request, const struct fact *response)
{
    return fact_same_connection(request, response) &&
           (!text_same(request->place, response->place) ||
            text_same(request->leg, response->leg));
}

/* A proxy's way to the server and the server's own account of it tell the
 * same message; the proxy knows whether it was changed. */
static bool is_double(struct pairing *pairing, const struct fact *fact)
{
    if (!fact->opener.len)
        return false;
    for (size_t back = 0; back < pairing->count && back < 200; back++) {
        struct entry *entry = &pairing->entries[pairing->count - 1 - back];
        if (fact_same_message(entry->request, fact)) {
            if (text_is(fact->leg, "server"))
                entry->request = fact;
            return true;
        }
    }
    return false;
}

static void take_request(struct pairing *pairing, const struct fact *fact)
{
    if (is_double(pairing, fact))
        return;
    if (pairing->count == ENTRIES_MOST) {
        pairing->beyond++;
        return;
    }
    pairing->entries[pairing->count++] = (struct entry){fact, NULL};
}

/* Answers come in the order of their requests (RFC 9112 9.3.2); what begins
 * with 1 is not yet the answer, except when it switches protocols. */
static void take_response(struct pairing *pairing, const struct fact *fact)
{
    long long status = fact_number(fact, "status", 0);
    if (status >= 100 && status < 200 && status != 101)
        return;
    for (size_t i = 0; i < pairing->count; i++) {
        struct entry *entry = &pairing->entries[i];
        if (entry->response ? fact_same_message(entry->response, fact)
                            : answers(entry->request, fact)) {
            if (!entry->response || text_is(fact->leg, "server"))
                entry->response = fact;
            return;
        }
    }
}

static void pair_all(struct pairing *pairing)
{
    struct report *report = pairing->report;
    for (size_t i = 0; i < report->facts_count; i++) {
        const struct fact *fact = &report->facts[i];
        if (fact_is(fact, "http.request"))
            take_request(pairing, fact);
        else if (fact_is(fact, "http.response"))
            take_response(pairing, fact);
        else if (fact_is(fact, "tls.done") && pairing->tls_count < TLS_MOST)
            pairing->tls[pairing->tls_count++] = fact;
    }
}

static bool over_tls(const struct pairing *pairing, const struct fact *fact)
{
    for (size_t i = 0; i < pairing->tls_count; i++)
        if (fact_same_connection(pairing->tls[i], fact) &&
            text_same(pairing->tls[i]->place, fact->place))
            return true;
    return false;
}

/* ---- small values ------------------------------------------------------ */

/* jansson owns what it is given: these return new references, "" if need be. */
static json_t *text_json(struct text text)
{
    json_t *json = json_stringn(text.bytes, text.len);
    return json ? json : json_string("");
}

static json_t *copy(const json_t *value)
{
    return json_is_string(value) ? json_copy((json_t *)value) : json_string("");
}

static json_t *bytes_json(struct text bytes)
{
    struct out out = {0};
    bool exact;
    out_utf8(&out, bytes, &exact);
    json_t *json =
        text_json((struct text){(char *)buf_head(&out.buf), buf_len(&out.buf)});
    out_free(&out);
    return json;
}

static bool is_utf8(struct text bytes)
{
    struct out out = {0};
    bool exact;
    out_utf8(&out, bytes, &exact);
    bool failed = out.failed;
    out_free(&out);
    return exact && !failed;
}

static json_t *time_json(long long t)
{
    time_t seconds = (time_t)(t / 1000000000);
    if (t < 0 || seconds > 253402300799) /* the last second of year 9999 */
        seconds = 0;
    struct tm parts;
    char text[64];
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03dZ",
             t < 0 ? 0 : (int)(t / 1000000 % 1000));
    return json_string(text);
}

/* The value of a header field, or NULL; names are case-insensitive. */
static const json_t *field_of(const struct fact *fact, const char *name)
{
    const json_t *fields = fact ? json_object_get(fact->data, "fields") : NULL;
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *key = json_string_value(json_array_get(field, 0));
        if (key && !strcasecmp(key, name))
            return json_array_get(field, 1);
    }
    return NULL;
}

static json_t *headers(const struct fact *fact)
{
    json_t *list = json_array();
    const json_t *fields = fact ? json_object_get(fact->data, "fields") : NULL;
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        json_array_append_new(list,
                              json_pack("{s:o, s:o}", "name",
                                        copy(json_array_get(field, 0)), "value",
                                        copy(json_array_get(field, 1))));
    }
    return list;
}

/* Split "a=b<separator>c=d" into name and value objects. */
static json_t *split(struct text text, char separator)
{
    json_t *list = json_array();
    while (text.len) {
        const char *end = memchr(text.bytes, separator, text.len);
        size_t len = end ? (size_t)(end - text.bytes) : text.len;
        struct text part = {text.bytes, len};
        while (part.len && *part.bytes == ' ') {
            part.bytes++;
            part.len--;
        }
        const char *equals =
            part.len ? memchr(part.bytes, '=', part.len) : NULL;
        size_t name = equals ? (size_t)(equals - part.bytes) : part.len;
        size_t value = equals ? name + 1 : part.len;
        if (part.len)
            json_array_append_new(
                list,
                json_pack("{s:o, s:o}", "name",
                          bytes_json((struct text){part.bytes, name}), "value",
                          bytes_json((struct text){part.bytes + value,
                                                   part.len - value})));
        len += end != NULL;
        text.bytes += len;
        text.len -= len;
    }
    return list;
}

static json_t *request_cookies(struct report *report, const struct fact *fact)
{
    return split(bytes_of(report, field_of(fact, "cookie")), ';');
}

/* The first pair of each Set-Cookie is the cookie, the others describe it. */
static json_t *response_cookies(struct report *report, const struct fact *fact)
{
    json_t *list = json_array();
    const json_t *fields = fact ? json_object_get(fact->data, "fields") : NULL;
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *key = json_string_value(json_array_get(field, 0));
        if (!key || strcasecmp(key, "set-cookie") != 0)
            continue;
        json_t *parts = split(bytes_of(report, json_array_get(field, 1)), ';');
        json_t *cookie = json_array_get(parts, 0);
        if (cookie)
            json_array_append(list, cookie);
        json_decref(parts);
    }
    return list;
}

/* ---- request ----------------------------------------------------------- */

static json_t *url_of(const struct pairing *pairing, const struct fact *fact)
{
    struct report *report = pairing->report;
    struct text target = fact_bytes(report, fact, "target");
    struct text host = fact_bytes(report, fact, "host");
    struct out url = {0};
    bool absolute =
        target.len > 7 && (!strncasecmp(target.bytes, "http://", 7) ||
                           !strncasecmp(target.bytes, "https:/", 7));
    if (!absolute) {
        out_raw(&url, over_tls(pairing, fact) ? "https://" : "http://");
        host = host.len ? host : fact->acceptor;
        out_bytes(&url, host.bytes, host.len);
        if (!target.len || *target.bytes != '/')
            out_raw(&url, "/");
    }
    out_bytes(&url, target.bytes, target.len);
    json_t *json = bytes_json(
        (struct text){(char *)buf_head(&url.buf), buf_len(&url.buf)});
    out_free(&url);
    return json;
}

static json_t *query(struct report *report, const struct fact *fact)
{
    struct text target = fact_bytes(report, fact, "target");
    const char *mark =
        target.len ? memchr(target.bytes, '?', target.len) : NULL;
    if (!mark)
        return json_array();
    size_t at = (size_t)(mark - target.bytes) + 1;
    return split((struct text){target.bytes + at, target.len - at}, '&');
}

static json_t *type_of(const struct fact *fact)
{
    const json_t *type = field_of(fact, "content-type");
    return json_is_string(type) ? copy(type)
                                : json_string("application/octet-stream");
}

static void add_post(struct report *report, const struct fact *fact,
                     json_t *request)
{
    struct text body = fact_bytes(report, fact, "body");
    if (!body.len)
        return;
    bool utf8 = is_utf8(body);
    json_t *post = json_pack(
        "{s:o, s:[], s:o}", "mimeType", type_of(fact), "params", "text",
        utf8 ? bytes_json(body) : copy(json_object_get(fact->data, "body")));
    if (!utf8)
        json_object_set_new(post, "comment",
                            json_string("bytes, one Latin-1 character each"));
    json_object_set_new(request, "postData", post);
}

static json_t *version_of(const struct fact *fact)
{
    const json_t *version =
        json_object_get(fact ? fact->data : NULL, "version");
    return json_is_string(version) ? copy(version) : json_string("HTTP/1.1");
}

static json_t *request_json(const struct pairing *pairing,
                            const struct fact *fact)
{
    struct report *report = pairing->report;
    json_t *request = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "method",
        copy(json_object_get(fact->data, "method")), "url",
        url_of(pairing, fact), "httpVersion", version_of(fact), "cookies",
        request_cookies(report, fact), "headers", headers(fact), "queryString",
        query(report, fact), "headersSize", -1, "bodySize",
        (json_int_t)fact_number(fact, "body_bytes", 0));
    add_post(report, fact, request);
    return request;
}

/* ---- response ---------------------------------------------------------- */

static json_t *base64(struct text bytes)
{
    unsigned char *text = malloc(bytes.len / 3 * 4 + 5);
    if (!text)
        return json_string("");
    int len = EVP_EncodeBlock(text, (const unsigned char *)bytes.bytes,
                              (int)bytes.len);
    json_t *json = json_stringn((char *)text, (size_t)len);
    free(text);
    return json;
}

static json_t *content(struct report *report, const struct fact *fact)
{
    long long size = fact ? fact_number(fact, "body_bytes", 0) : 0;
    struct text body = fact ? fact_bytes(report, fact, "body") : TEXT("");
    json_t *json = json_pack("{s:I, s:o}", "size", (json_int_t)size, "mimeType",
                             type_of(fact));
    if (!body.len)
        return json;
    bool utf8 = is_utf8(body);
    json_object_set_new(json, "text", utf8 ? bytes_json(body) : base64(body));
    if (!utf8)
        json_object_set_new(json, "encoding", json_string("base64"));
    if ((long long)body.len != size)
        json_object_set_new(json, "comment",
                            json_string("only the first bytes were kept"));
    return json;
}

static json_t *response_json(struct report *report, const struct fact *fact)
{
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "status",
        (json_int_t)(fact ? fact_number(fact, "status", 0) : 0), "statusText",
        copy(json_object_get(fact ? fact->data : NULL, "reason")),
        "httpVersion", version_of(fact), "cookies",
        response_cookies(report, fact), "headers", headers(fact), "content",
        content(report, fact), "redirectURL", copy(field_of(fact, "location")),
        "headersSize", -1, "bodySize",
        (json_int_t)(fact ? fact_number(fact, "body_bytes", 0) : -1));
}

/* ---- entries ----------------------------------------------------------- */

static bool changed(const struct fact *fact)
{
    return fact && json_is_true(json_object_get(fact->data, "changed"));
}

/* Which of the two conversations this is, and whether it was touched. */
static json_t *comment_of(const struct entry *entry)
{
    char place[32], text[160];
    text_line(entry->request->place, place, sizeof place - 1);
    bool server = text_is(entry->request->leg, "server");
    snprintf(text, sizeof text, "%s, seen at %s%s%s%s",
             server ? "the way to the server" : "the victim's conversation",
             place, changed(entry->request) ? "; request changed" : "",
             changed(entry->response) ? "; response changed" : "",
             entry->response ? "" : "; no response came");
    return json_string(text);
}

static json_t *entry_json(const struct pairing *pairing,
                          const struct entry *entry)
{
    const struct fact *request = entry->request;
    double ms = 0;
    if (entry->response && entry->response->t > request->t)
        ms = (double)(entry->response->t - request->t) / 1e6;
    char port[16];
    snprintf(port, sizeof port, "%d", request->opener_port);
    json_t *json = json_pack(
        "{s:o, s:f, s:o, s:o, s:{}, s:{s:i, s:f, s:i}, s:o}", "startedDateTime",
        time_json(request->t), "time", ms, "request",
        request_json(pairing, request), "response",
        response_json(pairing->report, entry->response), "cache", "timings",
        "send", 0, "wait", ms, "receive", 0, "comment", comment_of(entry));
    if (request->acceptor.len)
        json_object_set_new(json, "serverIPAddress",
                            text_json(request->acceptor));
    if (request->opener_port > 0)
        json_object_set_new(json, "connection", json_string(port));
    if (request->frame > 0)
        json_object_set_new(json, "_frame", json_integer(request->frame));
    return json;
}

static struct text version_of_mitmlab(const struct report *report)
{
    for (unsigned i = 0; i < report->versions_count; i++)
        if (text_is(report->versions[i].name, "mitmlab"))
            return report->versions[i].value;
    return TEXT("unknown");
}

static json_t *log_json(struct pairing *pairing)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < pairing->count; i++)
        json_array_append_new(entries,
                              entry_json(pairing, &pairing->entries[i]));
    return json_pack("{s:{s:s, s:{s:s, s:o}, s:o, s:s}}", "log", "version",
                     "1.2", "creator", "name", "mitmlab", "version",
                     text_json(version_of_mitmlab(pairing->report)), "entries",
                     entries, "comment",
                     pairing->beyond ? "some requests were left out"
                                     : "every HTTP message of the run");
}

void har_write(struct report *report, struct out *out)
{
    struct pairing pairing = {.report = report};
    pairing.entries = calloc(ENTRIES_MOST, sizeof *pairing.entries);
    pairing.tls = calloc(TLS_MOST, sizeof(void *));
    char *text = NULL;
    if (pairing.entries && pairing.tls) {
        pair_all(&pairing);
        json_t *log = log_json(&pairing);
        text = log ? json_dumps(log, JSON_INDENT(1) | JSON_ENSURE_ASCII) : NULL;
        json_decref(log);
    }
    if (text) {
        out_raw(out, text);
        out_raw(out, "\n");
    } else {
        out->failed = true;
    }
    free(text);
    free(pairing.entries);
    free(pairing.tls);
}
