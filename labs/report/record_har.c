/* SPDX-License-Identifier: MIT
 *
 * Anybody's HAR: nothing in it needs to be there, or to be what it should. */
#include "labs/report/record_har.h"

#include "labs/report/model.h"
#include "proxy/event.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY_MOST = 4096, FIELDS_MOST = 1000 };

/* One entry, as it is told. */
struct telling {
    struct buf *out;
    size_t number; /* from 1 */
    long long t;   /* of the request, or of the last one that has a time */
    bool bad;      /* memory is out */
};

bool record_is_har(const char *path)
{
    char first[64];
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(first, 1, sizeof first - 1, file) : 0;
    if (file)
        fclose(file);
    first[len] = 0;
    const char *at = first + (memcmp(first, "\xef\xbb\xbf", 3) ? 0 : 3);
    at += strspn(at, " \t\r\n");
    if (*at != '{')
        return false;
    at += 1 + strspn(at + 1, " \t\r\n");
    return !strncmp(at, "\"log\"", 5);
}

/* ---- writing events ------------------------------------------------------ */

static void say(struct telling *telling, const char *words)
{
    telling->bad |= buf_append_text(telling->out, words) != 0;
}

static void begin(struct telling *telling, const char *kind, long long t,
                  bool up)
{
    telling->bad |=
        buf_printf(telling->out,
                   "{\"t\":%lld,\"place\":\"\",\"kind\":\"%s\","
                   "\"flow\":%zu,"
                   "\"dir\":\"%s\",\"data\":{",
                   t, kind, telling->number, up ? "up" : "down") != 0;
}

static void finish(struct telling *telling)
{
    say(telling, "}}\n");
}

/* In names and values a character is a byte, in a HAR as in an event. */
static void say_value(struct telling *telling, const json_t *value)
{
    char *text = json_is_string(value)
                     ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII)
                     : NULL;
    say(telling, text ? text : "\"\"");
    free(text);
}

static void say_key(struct telling *telling, const char *key,
                    const json_t *value)
{
    telling->bad |= buf_printf(telling->out, "\"%s\":", key) != 0;
    say_value(telling, value);
    say(telling, ",");
}

static void say_fields(struct telling *telling, const json_t *list)
{
    size_t i;
    const json_t *field;
    say(telling, "\"fields\":[");
    json_array_foreach(list, i, field)
    {
        if (i == FIELDS_MOST)
            break;
        say(telling, i ? ",[" : "[");
        say_value(telling, json_object_get(field, "name"));
        say(telling, ",");
        say_value(telling, json_object_get(field, "value"));
        say(telling, "]");
    }
    say(telling, "],");
}

static void say_bytes(struct telling *telling, const void *bytes, size_t len)
{
    telling->bad |=
        event_append_text(telling->out, bytes,
                          len < BODY_MOST ? len : BODY_MOST, BODY_MOST) != 0;
}

/* Text is UTF-8 there, and bytes are base64. */
static void say_body(struct telling *telling, const json_t *text, bool base64)
{
    size_t len = json_string_length(text);
    const char *plain = json_string_value(text);
    unsigned char *bytes = base64 && plain ? malloc(len + 4) : NULL;
    int got =
        bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)plain, (int)len)
              : -1;
    for (size_t i = len; got > 0 && i && plain[i - 1] == '='; i--)
        got--; /* EVP_DecodeBlock() counts the padding */
    say(telling, "\"body\":");
    if (base64)
        say_bytes(telling, bytes, got > 0 ? (size_t)got : 0);
    else
        say_bytes(telling, plain ? plain : "", plain ? len : 0);
    free(bytes);
}

/* Of bytes that are written as base64. */
static size_t size_of(const json_t *text, bool base64)
{
    const char *plain = json_string_value(text);
    size_t len = json_string_length(text), size = len / 4 * 3;
    if (!base64)
        return len;
    for (size_t i = len; i && plain[i - 1] == '=' && size; i--)
        size--;
    return size;
}

/* Our own word for it. */
static void say_changed(struct telling *telling, const json_t *message)
{
    if (json_is_true(json_object_get(message, "_changed")))
        say(telling, ",\"changed\":true");
}

/* The size that a HAR names, which is -1 where nobody knows it. */
static void say_size(struct telling *telling, const json_t *size,
                     const json_t *text)
{
    json_int_t bytes = json_integer_value(size);
    if (bytes <= 0)
        bytes = (json_int_t)json_string_length(text);
    telling->bad |=
        buf_printf(telling->out, ",\"body_bytes\":%" JSON_INTEGER_FORMAT,
                   bytes) != 0;
}

/* ---- one entry ----------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* "2026-10-21T07:28:00.123Z" or with "+02:00" behind it; 0: it is none. */
static long long time_of(const char *text)
{
    struct tm parts = {0};
    int hours = 0, minutes = 0;
    char sign = '+';
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!at || parts.tm_year < 70 || parts.tm_year > 300)
        return 0;
    double fraction = *at == '.' ? strtod(at, (char **)&at) : 0;
    long long seconds = timegm(&parts);
    if (sscanf(at, "%c%2d:%2d", &sign, &hours, &minutes) == 3)
        seconds -= (sign == '-' ? -60LL : 60LL) * (hours * 60 + minutes);
    return seconds * 1000000000 + (long long)(fraction * 1e9);
}

/* "https://host:1/path": where it is, and what is asked for there. */
static void say_url(struct telling *telling, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#"), rest = strcspn(host + len, "#");
    say(telling, "\"host\":");
    say_bytes(telling, host, len);
    say(telling, ",\"target\":");
    say_bytes(telling, rest ? host + len : "/", rest ? rest : 1);
    say(telling, ",");
}

static void tell_open(struct telling *telling, const char *url)
{
    bool tls = !strncmp(url, "https:", 6) || !strncmp(url, "wss:", 4);
    begin(telling, "flow.open", telling->t, true);
    say(telling, tls ? "\"tls\":true" : "\"tls\":false");
    finish(telling);
}

static void tell_request(struct telling *telling, const json_t *request)
{
    const json_t *post = json_object_get(request, "postData");
    const json_t *text = json_object_get(post, "text");
    begin(telling, "http.request", telling->t, true);
    say_key(telling, "method", json_object_get(request, "method"));
    say_key(telling, "version", json_object_get(request, "httpVersion"));
    say_url(telling, text_at(request, "url"));
    say_fields(telling, json_object_get(request, "headers"));
    /* Our own note on a body that is no text: a character is a byte. */
    if (*text_at(post, "comment") == 'b') {
        say(telling, "\"body\":");
        say_value(telling, text);
    } else {
        say_body(telling, text, false);
    }
    say_size(telling, json_object_get(request, "bodySize"), text);
    say_changed(telling, request);
    finish(telling);
}

/* Status 0 is how a HAR says that there was none. */
static void tell_response(struct telling *telling, const json_t *response,
                          long long t)
{
    const json_t *content = json_object_get(response, "content");
    const json_t *text = json_object_get(content, "text");
    json_int_t status = json_integer_value(json_object_get(response, "status"));
    if (status < 100 || status > 599)
        return;
    begin(telling, "http.response", t, false);
    telling->bad |=
        buf_printf(telling->out, "\"status\":%d,", (int)status) != 0;
    say_key(telling, "version", json_object_get(response, "httpVersion"));
    say_key(telling, "reason", json_object_get(response, "statusText"));
    say_fields(telling, json_object_get(response, "headers"));
    say_body(telling, text, !strcmp(text_at(content, "encoding"), "base64"));
    say_size(telling, json_object_get(content, "size"), text);
    say_changed(telling, response);
    finish(telling);
}

/* As the developer tools of browsers keep them. */
static void tell_spoken(struct telling *telling, const json_t *message,
                        long long t)
{
    static const char *const opcodes[16] = {[1] = "text",
                                            [2] = "binary",
                                            [8] = "close",
                                            [9] = "ping",
                                            [10] = "pong"};
    const json_t *data = json_object_get(message, "data");
    json_int_t code = json_integer_value(json_object_get(message, "opcode"));
    const char *opcode = code > 0 && code < 16 ? opcodes[code] : NULL;
    double seconds = json_number_value(json_object_get(message, "time"));
    if (seconds * 1e9 > (double)t && seconds < 9e9)
        t = (long long)(seconds * 1e9);
    begin(telling, "websocket.message", t,
          !strcmp(text_at(message, "type"), "send"));
    telling->bad |=
        buf_printf(telling->out, "\"opcode\":\"%s\",\"bytes\":%zu,",
                   opcode ? opcode : "text", size_of(data, code > 1)) != 0;
    say_body(telling, data, code > 1);
    finish(telling);
}

static void tell_entry(struct telling *telling, const json_t *entry)
{
    const json_t *request = json_object_get(entry, "request");
    const json_t *response = json_object_get(entry, "response");
    const json_t *messages = json_object_get(entry, "_webSocketMessages");
    const json_t *message;
    double ms = json_number_value(json_object_get(entry, "time"));
    size_t i;
    long long began = time_of(text_at(entry, "startedDateTime"));
    telling->t = began ? began : telling->t;
    long long end =
        telling->t + (ms > 0 && ms < 1e9 ? (long long)(ms * 1e6) : 0);
    tell_open(telling, text_at(request, "url"));
    tell_request(telling, request);
    tell_response(telling, response, end);
    json_array_foreach(messages, i, message) tell_spoken(telling, message, end);
}

/* ---- all of it ----------------------------------------------------------- */

int record_har(const char *path, struct buf *out, struct err *err)
{
    json_error_t where;
    struct telling telling = {.out = out};
    json_t *har = json_load_file(path, JSON_ALLOW_NUL, &where), *entry;
    const json_t *entries =
        json_object_get(json_object_get(har, "log"), "entries");
    if (!har)
        err_code(err, EXIT_USAGE, "%s is no HAR file: %s (line %d)", path,
                 where.text, where.line);
    else if (!json_is_array(entries))
        err_code(err, EXIT_USAGE, "%s is no HAR file: it has no log.entries",
                 path);
    bool told = json_is_array(entries);
    size_t i;
    json_array_foreach(entries, i, entry)
    {
        telling.number = i + 1;
        if (!telling.bad && buf_len(out) < EVENTS_BYTES_MOST)
            tell_entry(&telling, entry);
    }
    json_decref(har);
    if (told && telling.bad)
        err_set(err, "read %s: out of memory", path);
    return told && !telling.bad ? 0 : -1;
}
