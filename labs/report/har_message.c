/* SPDX-License-Identifier: MIT
 *
 * One request or response as HAR 1.2 has it. Field values stay Latin-1 as
 * HTTP has them; bodies are text where they are UTF-8 and base64 where they
 * are not. */
#include "labs/report/har_parts.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- small values -------------------------------------------------------- */

static json_t *text_json(struct text text)
{
    json_t *json = json_stringn(text.bytes, text.len);
    return json ? json : json_string("");
}

static json_t *copy(const json_t *value)
{
    return json_is_string(value) ? json_copy((json_t *)value) : json_string("");
}

json_t *har_text(struct text bytes, bool *out_exact)
{
    struct out out = {0};
    bool exact;
    out_utf8(&out, bytes, &exact);
    json_t *json =
        text_json((struct text){(char *)buf_head(&out.buf), buf_len(&out.buf)});
    if (out_exact)
        *out_exact = exact && !out.failed;
    out_free(&out);
    return json;
}

json_t *har_base64(struct text bytes)
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

json_t *har_time(long long t)
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

/* ---- header fields ------------------------------------------------------- */

const json_t *har_field(const struct fact *fact, const char *name)
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

/* The media type without its parameters is this one. */
static bool is_type(const struct fact *fact, const char *type)
{
    const char *value = json_string_value(har_field(fact, "content-type"));
    size_t len = strlen(type);
    return value && !strncasecmp(value, type, len) &&
           (!value[len] || strchr("; \t", value[len]));
}

static json_t *type_of(const struct fact *fact)
{
    const json_t *type = har_field(fact, "content-type");
    return json_is_string(type) ? copy(type)
                                : json_string("application/octet-stream");
}

static json_t *version_of(const struct fact *fact)
{
    const json_t *version =
        json_object_get(fact ? fact->data : NULL, "version");
    return json_is_string(version) ? copy(version) : json_string("HTTP/1.1");
}

/* ---- names and values ---------------------------------------------------- */

static int digit_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* What a form or a query writes as + and %XX. */
static json_t *decoded(struct report *report, struct text text)
{
    char *clear = arena_alloc(&report->arena, text.len + 1);
    size_t used = 0;
    for (size_t i = 0; clear && i < text.len; i++) {
        const char *at = text.bytes + i;
        bool escape = *at == '%' && i + 2 < text.len &&
                      isxdigit((unsigned char)at[1]) &&
                      isxdigit((unsigned char)at[2]);
        clear[used++] = escape ? (char)(digit_of(at[1]) << 4 | digit_of(at[2]))
                        : *at == '+' ? ' '
                                     : *at;
        i += escape ? 2 : 0;
    }
    return har_text((struct text){clear ? clear : "", used}, NULL);
}

/* One "a=b" of a cookie or a form. */
struct pair_text {
    struct text name, value;
};

/* Take the next one off `text`; false behind the last. */
static bool next_pair(struct text *text, char separator, struct pair_text *out)
{
    if (!text->len)
        return false;
    const char *end = memchr(text->bytes, separator, text->len);
    struct text part = {text->bytes,
                        end ? (size_t)(end - text->bytes) : text->len};
    text->bytes += part.len + (end != NULL);
    text->len -= part.len + (end != NULL);
    while (part.len && *part.bytes == ' ') {
        part.bytes++;
        part.len--;
    }
    const char *equals = part.len ? memchr(part.bytes, '=', part.len) : NULL;
    size_t name = equals ? (size_t)(equals - part.bytes) : part.len;
    size_t value = equals ? name + 1 : part.len;
    out->name = (struct text){part.bytes, name};
    out->value = (struct text){part.bytes + value, part.len - value};
    return true;
}

static json_t *form(struct report *report, struct text text)
{
    json_t *list = json_array();
    struct pair_text pair;
    while (next_pair(&text, '&', &pair))
        if (pair.name.len || pair.value.len)
            json_array_append_new(list,
                                  json_pack("{s:o, s:o}", "name",
                                            decoded(report, pair.name), "value",
                                            decoded(report, pair.value)));
    return list;
}

/* ---- cookies ------------------------------------------------------------- */

static json_t *cookie_of(const struct pair_text *pair)
{
    return json_pack("{s:o, s:o}", "name", har_text(pair->name, NULL), "value",
                     har_text(pair->value, NULL));
}

static json_t *request_cookies(struct report *report, const struct fact *fact)
{
    json_t *list = json_array();
    struct text text = bytes_of(report, har_field(fact, "cookie"));
    struct pair_text pair;
    while (next_pair(&text, ';', &pair))
        if (pair.name.len)
            json_array_append_new(list, cookie_of(&pair));
    return list;
}

static bool text_folds(struct text text, const char *word)
{
    return text.len == strlen(word) && !strncasecmp(text.bytes, word, text.len);
}

/* "Wed, 21 Oct 2026 07:28:00 GMT" (RFC 9110 5.6.7); NULL: it is none. */
static json_t *expiry(struct text text)
{
    struct tm parts = {0};
    char room[40] = "";
    const char *end;
    if (text.len >= sizeof room)
        return NULL;
    memcpy(room, text.bytes, text.len);
    end = strptime(room, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (!end || *end)
        return NULL;
    return har_time((long long)timegm(&parts) * 1000000000);
}

/* What stands behind the first pair of a Set-Cookie (RFC 6265 5.2). */
static void add_attribute(json_t *cookie, const struct pair_text *pair)
{
    if (text_folds(pair->name, "path"))
        json_object_set_new(cookie, "path", har_text(pair->value, NULL));
    else if (text_folds(pair->name, "domain"))
        json_object_set_new(cookie, "domain", har_text(pair->value, NULL));
    else if (text_folds(pair->name, "samesite"))
        json_object_set_new(cookie, "sameSite", har_text(pair->value, NULL));
    else if (text_folds(pair->name, "httponly"))
        json_object_set_new(cookie, "httpOnly", json_true());
    else if (text_folds(pair->name, "secure"))
        json_object_set_new(cookie, "secure", json_true());
    else if (text_folds(pair->name, "expires")) {
        json_t *when = expiry(pair->value);
        if (when)
            json_object_set_new(cookie, "expires", when);
    }
}

static json_t *response_cookies(struct report *report, const struct fact *fact)
{
    json_t *list = json_array();
    const json_t *fields = fact ? json_object_get(fact->data, "fields") : NULL;
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *key = json_string_value(json_array_get(field, 0));
        struct pair_text pair;
        if (!key || strcasecmp(key, "set-cookie") != 0)
            continue;
        struct text text = bytes_of(report, json_array_get(field, 1));
        if (!next_pair(&text, ';', &pair))
            continue;
        json_t *cookie = cookie_of(&pair);
        while (next_pair(&text, ';', &pair))
            add_attribute(cookie, &pair);
        json_array_append_new(list, cookie);
    }
    return list;
}

/* ---- bodies -------------------------------------------------------------- */

/* A body as it was kept, and what that is of the whole. */
struct kept {
    struct text bytes;
    long long wire, size; /* as it travelled; as it is read */
    bool clear;           /* it travelled in a coding, and is decoded */
    bool coded;           /* it still is in that coding */
};

static struct kept kept_of(struct report *report, const struct fact *fact)
{
    struct kept kept = {.bytes = fact_bytes(report, fact, "body"),
                        .wire = fact_number(fact, "body_bytes", 0)};
    const char *coding = json_string_value(har_field(fact, "content-encoding"));
    kept.size = fact_number(fact, "clear_bytes", -1);
    kept.clear = kept.size >= 0;
    if (!kept.clear)
        kept.size = kept.wire;
    kept.coded = kept.bytes.len && !kept.clear && coding && *coding &&
                 strcasecmp(coding, "identity") != 0;
    /* The beginning of what is coded is of no use to anybody. */
    if (kept.coded && (long long)kept.bytes.len < kept.wire)
        kept.bytes.len = 0;
    return kept;
}

static const char *comment_on(const struct kept *kept)
{
    if (kept->coded && kept->bytes.len)
        return "in its Content-Encoding still";
    if (kept->coded)
        return "in its Content-Encoding, and longer than what was kept";
    if ((long long)kept->bytes.len < kept->size)
        return "only the first bytes were kept";
    return NULL;
}

/* What was posted, name by name, if it is a form. */
static json_t *params(struct report *report, const struct fact *fact,
                      const struct kept *kept, bool utf8)
{
    if (utf8 && is_type(fact, "application/x-www-form-urlencoded"))
        return form(report, kept->bytes);
    if (is_type(fact, "multipart/form-data") && !kept->coded)
        return har_multipart(
            kept->bytes, json_string_value(har_field(fact, "content-type")));
    return json_array();
}

static void add_post(struct report *report, const struct fact *fact,
                     json_t *request)
{
    struct kept kept = kept_of(report, fact);
    bool utf8 = false;
    if (!kept.size && !kept.bytes.len)
        return;
    json_t *text = har_text(kept.bytes, &utf8);
    json_t *post = json_pack("{s:o, s:o}", "mimeType", type_of(fact), "params",
                             params(report, fact, &kept, utf8));
    if (kept.bytes.len)
        json_object_set_new(post, "text",
                            utf8 ? json_incref(text)
                                 : copy(json_object_get(fact->data, "body")));
    /* HAR has no base64 for what is sent; replay knows this sentence. */
    const char *comment =
        utf8 ? comment_on(&kept) : "bytes, one Latin-1 character each";
    if (comment)
        json_object_set_new(post, "comment", json_string(comment));
    json_decref(text);
    json_object_set_new(request, "postData", post);
}

static json_t *content(struct report *report, const struct fact *fact)
{
    struct kept kept = {.bytes = TEXT("")};
    bool utf8 = false;
    if (fact)
        kept = kept_of(report, fact);
    json_t *json = json_pack("{s:I, s:o}", "size", (json_int_t)kept.size,
                             "mimeType", type_of(fact));
    if (kept.clear)
        json_object_set_new(json, "compression",
                            json_integer(kept.size - kept.wire));
    if (kept.bytes.len) {
        json_t *text = har_text(kept.bytes, &utf8);
        json_object_set_new(json, "text",
                            utf8 ? json_incref(text) : har_base64(kept.bytes));
        if (!utf8)
            json_object_set_new(json, "encoding", json_string("base64"));
        json_decref(text);
    }
    const char *comment = comment_on(&kept);
    if (comment)
        json_object_set_new(json, "comment", json_string(comment));
    return json;
}

/* ---- messages ------------------------------------------------------------ */

static json_t *url_of(struct report *report, const struct fact *fact,
                      const char *scheme)
{
    struct text target = fact_bytes(report, fact, "target");
    struct text host = fact_bytes(report, fact, "host");
    struct out url = {0};
    bool absolute =
        target.len > 7 && (!strncasecmp(target.bytes, "http://", 7) ||
                           !strncasecmp(target.bytes, "https:/", 7));
    if (!absolute) {
        out_raw(&url, scheme);
        host = host.len ? host : fact->acceptor;
        out_bytes(&url, host.bytes, host.len);
        if (!target.len || *target.bytes != '/')
            out_raw(&url, "/");
    }
    out_bytes(&url, target.bytes, target.len);
    json_t *json = har_text(
        (struct text){(char *)buf_head(&url.buf), buf_len(&url.buf)}, NULL);
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
    return form(report, (struct text){target.bytes + at, target.len - at});
}

json_t *har_request(struct report *report, const struct fact *fact,
                    const char *scheme)
{
    json_t *request = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "method",
        copy(json_object_get(fact->data, "method")), "url",
        url_of(report, fact, scheme), "httpVersion", version_of(fact),
        "cookies", request_cookies(report, fact), "headers", headers(fact),
        "queryString", query(report, fact), "headersSize", -1, "bodySize",
        (json_int_t)fact_number(fact, "body_bytes", 0));
    add_post(report, fact, request);
    return request;
}

json_t *har_response(struct report *report, const struct fact *fact)
{
    json_t *response = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "status",
        (json_int_t)(fact ? fact_number(fact, "status", 0) : 0), "statusText",
        copy(json_object_get(fact ? fact->data : NULL, "reason")),
        "httpVersion", version_of(fact), "cookies",
        response_cookies(report, fact), "headers", headers(fact), "content",
        content(report, fact), "redirectURL", copy(har_field(fact, "location")),
        "headersSize", -1, "bodySize",
        (json_int_t)(fact ? fact_number(fact, "body_bytes", 0) : -1));
    if (!fact)
        json_object_set_new(response, "_error",
                            json_string("no response came"));
    return response;
}
