/* SPDX-License-Identifier: MIT */
#include "attacks/recorded.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FLOWS_MOST = 100 * 1000 };

struct recorded {
    struct arena arena;
    struct recorded_flow *flows;
    unsigned count;
    bool failed; /* memory is out */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* In JSON a byte of a field is a character of Latin-1; one that is beyond it
 * came from elsewhere and stays UTF-8. */
static char *latin1(struct recorded *recorded, const char *text)
{
    char *out = arena_text(&recorded->arena, text), *to = out;
    recorded->failed |= !out;
    for (const unsigned char *at = (const unsigned char *)out; at && *at; at++)
        if ((*at == 0xc2 || *at == 0xc3) && (at[1] & 0xc0) == 0x80) {
            *to++ = (char)((*at & 3) << 6 | (at[1] & 0x3f));
            at++;
        } else {
            *to++ = (char)*at;
        }
    if (to)
        *to = 0;
    return out ? out : "";
}

static void take_fields(struct recorded *recorded, const json_t *from,
                        struct message *message)
{
    const json_t *list = json_object_get(from, "headers"), *field;
    size_t i;
    message->fields_room = (unsigned)json_array_size(list) + 4;
    message->fields = arena_alloc(
        &recorded->arena, message->fields_room * sizeof *message->fields);
    if (!message->fields) {
        recorded->failed = true;
        return;
    }
    json_array_foreach(list, i, field)
    {
        const char *name = text_of(field, "name");
        /* HTTP/2's own (":method") say again what stands elsewhere. */
        if (!*name || *name == ':')
            continue;
        message->fields[message->fields_count++] = (struct message_field){
            latin1(recorded, name), latin1(recorded, text_of(field, "value"))};
    }
    const char *coding = message_field(message, "Content-Encoding");
    message->coding =
        coding ? codec_named(coding, strlen(coding)) : CODEC_IDENTITY;
    if (message->coding == CODEC_UNKNOWN) {
        message_remove_field(message, "Content-Encoding");
        message->coding = CODEC_IDENTITY;
    }
}

static int decode_base64(const char *text, struct message *message)
{
    size_t len = strlen(text);
    unsigned char *bytes = malloc(len + 1);
    int got =
        bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len)
              : -1;
    /* EVP_DecodeBlock() counts the padding. */
    for (size_t i = len; got > 0 && i && text[i - 1] == '='; i--)
        got--;
    int rc = got < 0 ? -1 : message_set_body(message, bytes, (size_t)got);
    free(bytes);
    return rc;
}

/* `bytes`: text is one Latin-1 character a byte (our own note beside it). */
static void take_body(struct recorded *recorded, const json_t *content,
                      bool bytes, struct message *message)
{
    const json_t *text = json_object_get(content, "text");
    const char *plain = json_string_value(text);
    int bad;
    if (!plain)
        bad = message_set_body(message, "", 0);
    else if (!strcmp(text_of(content, "encoding"), "base64"))
        bad = decode_base64(plain, message);
    else if (bytes) {
        const char *narrow = latin1(recorded, plain);
        bad = message_set_body(message, narrow, strlen(narrow));
    } else
        bad = message_set_body(message, plain, json_string_length(text));
    recorded->failed |= bad;
}

/* "http://host:1/path?query" */
static void take_url(struct recorded *recorded, struct recorded_flow *flow,
                     const char *url)
{
    struct message *request = &flow->request;
    const char *host = strstr(url, "://");
    flow->url = latin1(recorded, url);
    flow->tls = !strncmp(url, "https:", 6) || !strncmp(url, "wss:", 4);
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *target = host + len;
    request->host = arena_copy(&recorded->arena, host, len);
    request->target =
        *target == '/'
            ? arena_copy(&recorded->arena, target, strcspn(target, "#"))
            : arena_printf(&recorded->arena, "/%.*s", (int)strcspn(target, "#"),
                           target);
    recorded->failed |= !request->host || !request->target;
}

/* -1 and absence say that nobody knows. */
static bool is_whole(const json_t *size, const struct message *message)
{
    json_int_t bytes = json_is_integer(size) ? json_integer_value(size) : -1;
    return bytes <= 0 || (size_t)bytes <= buf_len(&message->body);
}

static void take_request(struct recorded *recorded, struct recorded_flow *flow,
                         const json_t *from)
{
    struct message *request = &flow->request;
    const json_t *post = json_object_get(from, "postData");
    *request = (struct message){
        .kind = HTTP1_REQUEST, .arena = &recorded->arena, .minor = 1};
    request->method = latin1(recorded, text_of(from, "method"));
    take_url(recorded, flow, text_of(from, "url"));
    take_fields(recorded, from, request);
    take_body(recorded, post, *text_of(post, "comment") == 'b', request);
    /* What was sent has one size only, and that is of the coded body. */
    const json_t *size = json_object_get(from, "bodySize");
    flow->request_size = json_is_integer(size) ? json_integer_value(size) : -1;
    bool coded = request->coding != CODEC_IDENTITY && buf_len(&request->body);
    flow->request_whole = (coded || is_whole(size, request)) &&
                          !strstr(text_of(post, "comment"), "the first bytes");
}

static void take_response(struct recorded *recorded, struct recorded_flow *flow,
                          const json_t *from)
{
    struct message *response = &flow->response;
    const json_t *content = json_object_get(from, "content");
    *response = (struct message){.kind = HTTP1_RESPONSE,
                                 .arena = &recorded->arena,
                                 .minor = 1,
                                 .method = flow->request.method,
                                 .target = flow->request.target,
                                 .host = flow->request.host,
                                 .request = &flow->request};
    json_int_t status = json_integer_value(json_object_get(from, "status"));
    response->status = status >= 0 && status <= 999 ? (int)status : 0;
    response->reason = latin1(recorded, text_of(from, "statusText"));
    flow->answered = response->status >= 200 && response->status <= 599;
    take_fields(recorded, from, response);
    take_body(recorded, content, false, response);
    flow->response_whole = is_whole(json_object_get(content, "size"), response);
}

/* Any number may stand there; -1 and absence say that nobody knows. */
static uint64_t milliseconds(const json_t *time)
{
    double ms = json_number_value(time);
    return ms > 0 && ms < RECORDED_MS_MOST ? (uint64_t)ms : 0;
}

static int take_entries(struct recorded *recorded, const json_t *entries)
{
    size_t count = json_array_size(entries), i;
    const json_t *entry;
    if (count > FLOWS_MOST)
        return -1;
    recorded->flows = calloc(count ? count : 1, sizeof *recorded->flows);
    if (!recorded->flows)
        return -1;
    json_array_foreach(entries, i, entry)
    {
        struct recorded_flow *flow = &recorded->flows[recorded->count++];
        flow->number = recorded->count;
        flow->comment = latin1(recorded, text_of(entry, "comment"));
        flow->ms = milliseconds(json_object_get(entry, "time"));
        take_request(recorded, flow, json_object_get(entry, "request"));
        take_response(recorded, flow, json_object_get(entry, "response"));
    }
    return recorded->failed ? -1 : 0;
}

/* Captures are what is given here by mistake. */
static bool is_capture(const char *path)
{
    static const char section[] = {0x0a, 0x0d, 0x0d, 0x0a};
    char first[4] = {0};
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(first, 1, sizeof first, file) : 0;
    if (file)
        fclose(file);
    return got == sizeof first && !memcmp(first, section, sizeof first);
}

static json_t *read_har(const char *path, struct err *err)
{
    struct stat stat_of;
    json_error_t where;
    char *file = NULL;
    if (stat(path, &stat_of)) {
        err_errno(err, "open %s", path);
        return NULL;
    }
    if (S_ISDIR(stat_of.st_mode) && asprintf(&file, "%s/flows.har", path) < 0) {
        err_set(err, "%s: out of memory", path);
        return NULL;
    }
    if (is_capture(path)) {
        err_code(err, EXIT_USAGE,
                 "%s is a capture, and a HAR is wanted; 'mitmlab proxy --har "
                 "FILE' writes one",
                 path);
        return NULL;
    }
    json_t *har = json_load_file(file ? file : path, JSON_ALLOW_NUL, &where);
    if (!har)
        err_code(err, where.line < 0 ? EXIT_MACHINE : EXIT_USAGE,
                 "%s is no HAR file: %s (line %d)", file ? file : path,
                 where.text, where.line);
    free(file);
    return har;
}

/* Takes `har`. */
static int read_log(json_t *har, const char *name, struct recorded **out,
                    struct err *err)
{
    const json_t *entries =
        json_object_get(json_object_get(har, "log"), "entries");
    struct recorded *recorded = calloc(1, sizeof *recorded);
    int rc = -1;
    if (!json_is_array(entries))
        err_code(err, EXIT_USAGE, "%s is no HAR file: it has no log.entries",
                 name);
    else if (!recorded || take_entries(recorded, entries))
        err_set(err, "%s: out of memory", name);
    else
        rc = 0;
    json_decref(har);
    if (rc)
        recorded_free(recorded);
    else
        *out = recorded;
    return rc;
}

int recorded_load(const char *path, struct recorded **out, struct err *err)
{
    json_t *har = read_har(path, err);
    return har ? read_log(har, path, out, err) : -1;
}

int recorded_read(const char *bytes, size_t len, const char *name,
                  struct recorded **out, struct err *err)
{
    json_error_t where;
    json_t *har = json_loadb(bytes, len, JSON_ALLOW_NUL, &where);
    if (har)
        return read_log(har, name, out, err);
    err_code(err, EXIT_USAGE, "%s is no HAR file: %s (line %d)", name,
             where.text, where.line);
    return -1;
}

void recorded_free(struct recorded *recorded)
{
    if (!recorded)
        return;
    for (unsigned i = 0; i < recorded->count; i++) {
        message_close(&recorded->flows[i].request);
        message_close(&recorded->flows[i].response);
    }
    free(recorded->flows);
    arena_free(&recorded->arena);
    free(recorded);
}

unsigned recorded_count(const struct recorded *recorded)
{
    return recorded->count;
}

struct recorded_flow *recorded_at(struct recorded *recorded, unsigned index)
{
    return &recorded->flows[index];
}

struct filter_subject recorded_subject(const struct recorded_flow *flow)
{
    const struct message *request = &flow->request;
    return (struct filter_subject){
        .moment = FILTER_AT_END,
        .kind = "http",
        .tls = flow->tls,
        .flow = flow->number,
        .method = {request->method, strlen(request->method)},
        .host = {request->host, strlen(request->host)},
        .target = {request->target, strlen(request->target)},
        .status = flow->answered ? flow->response.status : 0,
        .request = request,
        .response = flow->answered ? &flow->response : NULL,
        .size_known = true,
        .size = buf_len(&request->body) + buf_len(&flow->response.body),
        .ms_known = true,
        .ms = flow->ms,
    };
}
