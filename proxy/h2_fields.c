/* SPDX-License-Identifier: MIT */
#include "proxy/h2_fields.h"

#include "proxy/http1_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- from blocks to messages --------------------------------------------- */

void h2_block_begin(struct h2_block *block, enum http1_kind kind, bool trailers)
{
    h2_block_free(block);
    block->message = (struct message){
        .kind = kind, .arena = &block->arena, .major = 2, .minor = 0};
    block->trailers = trailers;
}

void h2_block_free(struct h2_block *block)
{
    arena_free(&block->arena);
    buf_free(&block->cookie);
    *block = (struct h2_block){0};
}

static const char *keep(struct h2_block *block, const nghttp2_vec *value)
{
    const char *copy = arena_copy(&block->arena, value->base, value->len);
    block->no_memory |= !copy;
    return copy;
}

static int status_of(const nghttp2_vec *value)
{
    int status = 0;
    for (size_t i = 0; i < value->len && i < 3; i++)
        status = status * 10 + (value->base[i] - '0');
    return status;
}

static void add_pseudo(struct h2_block *block, const nghttp2_vec *name,
                       const nghttp2_vec *value)
{
    struct message *message = &block->message;
    const char *is = (const char *)name->base;
    if (name->len == 7 && !memcmp(is, ":method", 7))
        message->method = keep(block, value);
    else if (name->len == 5 && !memcmp(is, ":path", 5))
        message->target = keep(block, value);
    else if (name->len == 7 && !memcmp(is, ":scheme", 7))
        block->scheme = keep(block, value);
    else if (name->len == 10 && !memcmp(is, ":authority", 10))
        block->authority = keep(block, value);
    else if (name->len == 7 && !memcmp(is, ":status", 7))
        message->status = status_of(value);
}

/* Crumbs of cookies become one again before anybody outside of HTTP/2 reads
 * them (RFC 9113 8.2.3). The first keeps the place. */
static bool is_crumb(struct h2_block *block, const nghttp2_vec *name,
                     const nghttp2_vec *value)
{
    struct buf *cookie = &block->cookie;
    if (name->len != 6 || memcmp(name->base, "cookie", 6) || block->trailers)
        return false;
    bool first = !buf_len(cookie);
    block->no_memory |= (!first && buf_append_text(cookie, "; ")) ||
                        buf_append(cookie, value->base, value->len);
    return !first;
}

static int bake_cookie(struct h2_block *block)
{
    struct message *message = &block->message;
    const struct buf *cookie = &block->cookie;
    for (unsigned i = 0; buf_len(cookie) && i < message->fields_count; i++) {
        if (strcmp(message->fields[i].name, "cookie"))
            continue;
        message->fields[i].value =
            arena_copy(&block->arena, buf_head(cookie), buf_len(cookie));
        return message->fields[i].value ? 0 : -1;
    }
    return 0;
}

void h2_block_add(struct h2_block *block, const nghttp2_vec *name,
                  const nghttp2_vec *value)
{
    block->bytes += name->len + value->len + 32;
    block->too_large |= block->bytes > H2_BLOCK_MOST ||
                        block->message.fields_count >= HTTP1_FIELDS_MOST;
    if (block->too_large || block->no_memory)
        return;
    if (name->len && name->base[0] == ':')
        add_pseudo(block, name, value);
    else if (!is_crumb(block, name, value))
        block->no_memory |=
            message_add_field(&block->message, (char *)name->base, name->len,
                              (char *)value->base, value->len) < 0;
}

/* ---- judging ------------------------------------------------------------- */

static bool wrong(struct http1_fault *fault, int status, const char *name,
                  const char *rule, const char *sentence)
{
    *fault = (struct http1_fault){
        .rule = rule, .sentence = sentence, .status = status, .name = name};
    return true;
}

static bool all_of(const char *text, unsigned classes)
{
    while (*text && char_is(*text, classes))
        text++;
    return !*text;
}

/* A name without the port that its scheme implies. */
static size_t plain_len(const char *host, const char *scheme)
{
    const char *port = scheme && !strcasecmp(scheme, "http") ? ":80" : ":443";
    size_t len = strlen(host), cut = strlen(port);
    return len >= cut && !strcmp(host + len - cut, port) ? len - cut : len;
}

static bool names_differ(const struct h2_block *block, const char *host)
{
    if (!block->authority || !host)
        return false;
    size_t one = plain_len(block->authority, block->scheme);
    size_t other = plain_len(host, block->scheme);
    return one != other || strncasecmp(block->authority, host, one);
}

/* Host may stand in for :authority, and may not say anything else. */
static bool host_is_wrong(struct h2_block *block, struct http1_fault *fault)
{
    struct message *message = &block->message;
    const char *host = message_field(message, "host");
    unsigned hosts = 0;
    for (unsigned i = 0; i < message->fields_count; i++)
        hosts += !strcmp(message->fields[i].name, "host");
    if (hosts > 1)
        return wrong(fault, 400, "host-twice", "RFC 9112 3.2",
                     "more than one Host field");
    if (names_differ(block, host))
        return wrong(fault, 400, "host-differs", "RFC 9113 8.3.1",
                     ":authority and Host name different servers");
    message->host = block->authority ? block->authority : host;
    if (!message->host || !*message->host)
        return wrong(fault, 400, "no-authority", "RFC 9113 8.3.1",
                     "the request names no server");
    /* User names in it are for the victim's eyes only. */
    if (strchr(message->host, '@'))
        return wrong(fault, 400, "authority-user", "RFC 9113 8.3.1",
                     ":authority holds a user name");
    return false;
}

static bool request_is_wrong(struct h2_block *block, struct http1_fault *fault)
{
    struct message *message = &block->message;
    if (!strcmp(message->method, "CONNECT"))
        return wrong(fault, 501, "connect", "RFC 9110 9.3.6",
                     "this proxy stands on the path and is not asked to "
                     "CONNECT");
    if (!message->target || !block->scheme)
        return wrong(fault, 400, "pseudo-missing", "RFC 9113 8.3.1",
                     "the request has no :path or no :scheme");
    if (strcasecmp(block->scheme, "http") && strcasecmp(block->scheme, "https"))
        return wrong(fault, 400, "scheme", "RFC 9113 8.3.1",
                     ":scheme is neither http nor https");
    if (!all_of(message->method, CHAR_TOKEN))
        return wrong(fault, 400, "method-char", "RFC 9110 9.1",
                     "a byte in the method that may not be there");
    if (!all_of(message->target, CHAR_TARGET) ||
        (message->target[0] != '/' && strcmp(message->target, "*")))
        return wrong(fault, 400, "target-char", "RFC 9113 8.3.1",
                     ":path is not what a request may ask for");
    return host_is_wrong(block, fault);
}

bool h2_block_is_wrong(struct h2_block *block, struct http1_fault *fault)
{
    struct message *message = &block->message;
    if (block->too_large)
        return wrong(fault, 431, "too-large", "RFC 6585 5",
                     "the header fields are larger than this proxy takes");
    if (block->no_memory || bake_cookie(block))
        return wrong(fault, 503, "memory", "RFC 9110 15.6.4", "memory is out");
    if (block->trailers)
        return false;
    message_find_coding(message);
    return message->kind == HTTP1_REQUEST && request_is_wrong(block, fault);
}

/* ---- from messages to blocks --------------------------------------------- */

bool h2_is_about_connection(const char *name)
{
    static const char *const names[] = {"connection", "keep-alive",
                                        "proxy-connection", "transfer-encoding",
                                        "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(name, names[i]))
            return true;
    return false;
}

/* Is it named by a Connection field of this message? */
static bool is_nominated(const struct message *message, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < message->fields_count; i++) {
        const char *at = message->fields[i].value;
        if (strcasecmp(message->fields[i].name, "connection"))
            continue;
        while (*at) {
            at += strspn(at, ", \t");
            size_t token = strcspn(at, ", \t");
            if (token == len && !strncasecmp(at, name, len))
                return true;
            at += token;
        }
    }
    return false;
}

static void put(struct h2_list *list, const char *name, const char *value)
{
    list->fields[list->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
    };
}

static int put_field(struct arena *arena, struct h2_list *list,
                     const struct message_field *field)
{
    char *name = arena_text(arena, field->name);
    if (!name || !all_of(name, CHAR_TOKEN) || !all_of(field->value, CHAR_VALUE))
        return -1;
    for (char *c = name; *c; c++)
        *c = char_lower(*c);
    put(list, name, field->value);
    return 0;
}

static bool stays(const struct message *message,
                  const struct message_field *field)
{
    const char *name = field->name;
    if (message->kind == HTTP1_REQUEST &&
        (!strcasecmp(name, "host") || !strcasecmp(name, "http2-settings")))
        return false;
    if (!strcasecmp(name, "te"))
        return !strcasecmp(field->value, "trailers");
    return !h2_is_about_connection(name) && !is_nominated(message, name);
}

/* The target of HTTP/1.1 may be a whole URL (RFC 9112 3.2.2). */
static const char *path_of(const struct message *message)
{
    const char *target = message->target, *host = strstr(target, "://");
    if (*target == '/' || !strcmp(target, "*") || !host)
        return target;
    const char *path = host + 3 + strcspn(host + 3, "/?");
    if (*path == '/')
        return path;
    if (!*path && !strcmp(message->method, "OPTIONS"))
        return "*";
    return arena_printf(message->arena, "/%s", path);
}

static int put_pseudo(struct message *message, const char *scheme,
                      struct h2_list *out)
{
    const char *host = message_field(message, "host");
    if (message->kind == HTTP1_RESPONSE) {
        char *status = arena_printf(message->arena, "%03d", message->status);
        if (!status)
            return -1;
        put(out, ":status", status);
        return 0;
    }
    if (!host)
        host = message->host;
    put(out, ":method", message->method);
    put(out, ":scheme", scheme);
    if (host && *host)
        put(out, ":authority", host);
    const char *path = path_of(message);
    if (!path)
        return -1;
    put(out, ":path", path);
    return 0;
}

int h2_list_make(struct message *message, const char *scheme,
                 struct h2_list *out)
{
    *out = (struct h2_list){
        .fields = arena_alloc(message->arena, (message->fields_count + 4) *
                                                  sizeof *out->fields)};
    if (!out->fields || !message_is_safe(message) ||
        put_pseudo(message, scheme, out))
        return -1;
    for (unsigned i = 0; i < message->fields_count; i++)
        if (stays(message, &message->fields[i]) &&
            put_field(message->arena, out, &message->fields[i]))
            return -1;
    return 0;
}

int h2_list_trailers(struct arena *arena, const struct message_field *fields,
                     unsigned count, struct h2_list *out)
{
    *out = (struct h2_list){
        .fields = arena_alloc(arena, (count + 1) * sizeof *out->fields)};
    if (!out->fields)
        return -1;
    for (unsigned i = 0; i < count; i++)
        if (put_field(arena, out, &fields[i]))
            return -1;
    return 0;
}
