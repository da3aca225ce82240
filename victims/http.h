/* SPDX-License-Identifier: MIT
 *
 * The little HTTP/1.1 (RFC 9112) that a bank and its customers need, and no
 * more: heads and bodies in, on a struct wire. What is not exactly as the RFC
 * has it is refused, with the rule that it breaks. */
#ifndef VICTIMS_HTTP_H
#define VICTIMS_HTTP_H

#include "victims/report.h"
#include "victims/text.h"
#include "victims/wire.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HTTP_HEAD_MOST = 16 * 1024,
    HTTP_FIELDS_MOST = 64,
    HTTP_BODY_MOST = 4 * 1024 * 1024,
};

struct http_fault {
    const char *rule, *sentence; /* NULL: none */
    int status;                  /* what a server answers */
    size_t offset;               /* of the line that breaks it, in the head */
};

struct http_message {
    char *words[3]; /* method, target, version; or version, status, reason */
    char *names[HTTP_FIELDS_MOST], *values[HTTP_FIELDS_MOST];
    unsigned fields;
    struct text head; /* the words and fields point into it */
    struct text body;
    long long announced; /* Content-Length; -1: none */
    bool chunked;
    uint64_t at, len; /* of all of it, in the stream */
    struct http_fault fault;
};

static inline void http_free(struct http_message *message)
{
    text_free(&message->head);
    text_free(&message->body);
}

/* Always -1: for `return http_refuse(...)`. */
static inline int http_refuse(struct http_message *message, int status,
                              const char *rule, const char *sentence)
{
    message->fault = (struct http_fault){rule, sentence, status, 0};
    return -1;
}

/* First value, without regard to case; NULL if absent. */
static inline const char *http_field(const struct http_message *message,
                                     const char *name)
{
    for (unsigned i = 0; i < message->fields; i++)
        if (!strcasecmp(message->names[i], name))
            return message->values[i];
    return NULL;
}

/* Is `word` in a comma-separated list, such as that of Connection? */
static inline bool http_lists(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, ",");
        size_t bare = item;
        while (bare && strchr(" \t", list[bare - 1]))
            bare--;
        if (bare == len && !strncasecmp(list, word, len))
            return true;
        list += item;
    }
    return false;
}

static inline bool http_is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) &&
            (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return len > 0;
}

/* Decimal digits and nothing else; -1 when it is not, or is too large. */
static inline long long http_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return len == 0 || len > 15 || text[len] ? -1 : atoll(text);
}

/* ---- heads --------------------------------------------------------------- */

/* Note where the next message starts. What is left over came with the last
 * piece that was read, and with no earlier one. */
static inline void http_begin(struct http_message *message,
                              const struct wire *wire)
{
    http_free(message);
    *message = (struct http_message){.announced = -1};
    bool left_over = wire->pending.len > 0;
    if (left_over && !wire->ssl)
        message->at = wire->in.bytes - wire->pending.len;
    else
        message->at = left_over ? wire->in.at : wire->in.bytes;
}

/* Note where it ended. */
static inline void http_end(struct http_message *message,
                            const struct wire *wire)
{
    uint64_t end = wire->in.bytes;
    if (!wire->ssl)
        end -= wire->pending.len;
    message->len = end - message->at;
}

static inline void http_take(struct wire *wire, struct text *to, size_t len)
{
    text_bytes(to, wire->pending.bytes, len);
    text_consume(&wire->pending, len);
}

/* One field line, without its CRLF. */
static inline int http_read_field(struct http_message *message, char *line)
{
    size_t name = strcspn(line, ":");
    if (*line == ' ' || *line == '\t')
        return http_refuse(message, 400, "RFC 9112 5.2",
                           "a field is folded over two lines");
    if (!line[name] || !http_is_token(line, name))
        return http_refuse(message, 400, "RFC 9112 5.1",
                           "a field line has no proper name before its colon");
    if (message->fields == HTTP_FIELDS_MOST)
        return http_refuse(message, 431, "RFC 6585 5", "too many fields");
    char *value = line + name + 1;
    value += strspn(value, " \t");
    for (size_t len = strlen(value); len && strchr(" \t", value[len - 1]);)
        value[--len] = 0;
    line[name] = 0;
    message->names[message->fields] = line;
    message->values[message->fields++] = value;
    return 0;
}

/* Content-Length and Transfer-Encoding say where the body ends; two opinions
 * on that are how requests are smuggled (RFC 9112 6.3). */
static inline int http_read_framing(struct http_message *message)
{
    for (unsigned i = 0; i < message->fields; i++) {
        const char *name = message->names[i], *value = message->values[i];
        if (!strcasecmp(name, "Transfer-Encoding")) {
            if (message->chunked || strcasecmp(value, "chunked") != 0)
                return http_refuse(message, 501, "RFC 9112 6.1",
                                   "a transfer coding other than chunked");
            message->chunked = true;
        }
        if (strcasecmp(name, "Content-Length") != 0)
            continue;
        if (message->announced >= 0 || http_number(value) < 0)
            return http_refuse(message, 400, "RFC 9112 6.3",
                               "Content-Length is not one number");
        message->announced = http_number(value);
    }
    if (message->chunked && message->announced >= 0)
        return http_refuse(message, 400, "RFC 9112 6.3",
                           "both Content-Length and Transfer-Encoding");
    if (message->announced > HTTP_BODY_MOST)
        return http_refuse(message, 413, "RFC 9110 15.5.14",
                           "the body is too large");
    return 0;
}

/* Split the start line at its two spaces. The third word may be missing only
 * in a response without a reason. */
static inline int http_read_start(struct http_message *message, char *line)
{
    char *second = strchr(line, ' ');
    char *third = second ? strchr(second + 1, ' ') : NULL;
    if (!second)
        return http_refuse(message, 400, "RFC 9112 3",
                           "the first line is not three words");
    *second++ = 0;
    if (third)
        *third++ = 0;
    message->words[0] = line;
    message->words[1] = second;
    message->words[2] = third ? third : "";
    return 0;
}

/* Cut `head` into lines that end in CRLF and nothing else. */
static inline int http_read_lines(struct http_message *message)
{
    char *line = message->head.bytes, *end = line + message->head.len - 2;
    if (strlen(line) != message->head.len)
        return http_refuse(message, 400, "RFC 9112 2.2", "a NUL in the head");
    for (bool first = true; line < end; first = false) {
        char *next = line + strcspn(line, "\r\n");
        if (next[0] != '\r' || next[1] != '\n')
            return http_refuse(message, 400, "RFC 9112 2.2",
                               "a line ends in CR or LF alone");
        *next = 0;
        int rc = first ? http_read_start(message, line)
                       : http_read_field(message, line);
        message->fault.offset = (size_t)(line - message->head.bytes);
        if (rc)
            return -1;
        line = next + 2;
    }
    return 0;
}

/* Read a head. 1: there is one; 0: the other side ended before its first
 * byte; -1: message->fault, or wire->trouble, or it ended in the middle. */
static inline int http_read_head(struct wire *wire,
                                 struct http_message *message)
{
    http_begin(message, wire);
    const char *end = NULL;
    while (!end) {
        if (wire->pending.len)
            end = memmem(wire->pending.bytes, wire->pending.len, "\r\n\r\n", 4);
        if (!end && wire->pending.len > HTTP_HEAD_MOST)
            return http_refuse(message, 431, "RFC 6585 5",
                               "the head is too large");
        int got = end ? 1 : wire_read(wire);
        if (got <= 0)
            return got == 0 && !wire->pending.len ? 0 : -1;
    }
    http_take(wire, &message->head, (size_t)(end - wire->pending.bytes) + 4);
    http_end(message, wire);
    if (http_read_lines(message) || http_read_framing(message))
        return -1;
    return 1;
}

/* ---- bodies -------------------------------------------------------------- */

/* Have at least `len` bytes in hand. 0, or -1 when they do not come. */
static inline int http_want(struct wire *wire, size_t len)
{
    while (wire->pending.len < len)
        if (wire_read(wire) <= 0)
            return -1;
    return 0;
}

static inline int http_take_body(struct wire *wire,
                                 struct http_message *message, size_t len)
{
    int rc = http_want(wire, len);
    size_t here = wire->pending.len < len ? wire->pending.len : len;
    if (here)
        http_take(wire, &message->body, here);
    return rc;
}

/* A line of chunked coding, without its CRLF; NULL when none comes. */
static inline char *http_chunk_line(struct wire *wire, struct text *line)
{
    const char *end = NULL;
    for (;;) {
        if (wire->pending.len)
            end = memmem(wire->pending.bytes, wire->pending.len, "\r\n", 2);
        if (end || wire->pending.len > 1024 || wire_read(wire) <= 0)
            break;
    }
    size_t len = end ? (size_t)(end - wire->pending.bytes) : SIZE_MAX;
    if (len > 1024)
        return NULL;
    text_free(line);
    http_take(wire, line, len + 2);
    line->bytes[len] = 0;
    return line->bytes;
}

static inline int http_read_chunks(struct wire *wire,
                                   struct http_message *message)
{
    struct text line = {0};
    const char *bad = "a chunk is not as RFC 9112 7.1 has it";
    int rc = -1;
    for (;;) {
        char *size = http_chunk_line(wire, &line), *rest = size;
        unsigned long len = size ? strtoul(size, &rest, 16) : 0;
        if (!size || rest == size || !isxdigit((unsigned char)*size) ||
            (*rest && *rest != ';') || len > HTTP_BODY_MOST - message->body.len)
            break;
        if (len == 0) { /* the trailer ends in an empty line */
            while ((size = http_chunk_line(wire, &line)) && *size)
                ;
            rc = size ? 0 : -1;
            break;
        }
        if (http_take_body(wire, message, len) ||
            !http_chunk_line(wire, &line) || line.len != 2)
            break;
    }
    text_free(&line);
    if (rc && wire->trouble == WIRE_FINE && !wire->ended)
        return http_refuse(message, 400, "RFC 9112 7.1", bad);
    return rc;
}

/* Read the body that the head announced. `to_close`: without a length it runs
 * to the end of the connection (responses). -1 when it is cut short. */
static inline int http_read_body(struct wire *wire,
                                 struct http_message *message, bool to_close)
{
    int rc = 0;
    if (message->chunked) {
        rc = http_read_chunks(wire, message);
    } else if (message->announced >= 0) {
        rc = http_take_body(wire, message, (size_t)message->announced);
    } else if (to_close) {
        while (wire->pending.len <= HTTP_BODY_MOST && wire_read(wire) > 0)
            ;
        rc = wire->ended ? 0 : -1;
        http_take_body(wire, message, wire->pending.len);
    }
    http_end(message, wire);
    return rc;
}

/* ---- forms (application/x-www-form-urlencoded) ----------------------------
 */

static inline int http_hex(char digit)
{
    return isdigit((unsigned char)digit)    ? digit - '0'
           : isxdigit((unsigned char)digit) ? (digit | 0x20) - 'a' + 10
                                            : -1;
}

/* The value of `name` in a form, decoded into `to`. False when it is absent,
 * too long, or holds a control character. */
static inline bool http_form_value(const char *form, const char *name, char *to,
                                   size_t room)
{
    size_t len = strlen(name);
    while (strncmp(form, name, len) != 0 || form[len] != '=') {
        form = strchr(form, '&');
        if (!form++)
            return false;
    }
    size_t used = 0;
    for (form += len + 1; *form && *form != '&'; form++) {
        char byte = *form == '+' ? ' ' : *form;
        if (byte == '%') {
            if (http_hex(form[1]) < 0 || http_hex(form[2]) < 0)
                return false;
            byte = (char)(http_hex(form[1]) << 4 | http_hex(form[2]));
            form += 2;
        }
        if ((unsigned char)byte < 0x20 || used + 1 == room)
            return false;
        to[used++] = byte;
    }
    to[used] = 0;
    return true;
}

static inline void http_form_add(struct text *form, const char *name,
                                 const char *value)
{
    text_add(form, "%s%s=", form->len ? "&" : "", name);
    for (; *value; value++)
        if (isalnum((unsigned char)*value) || strchr("-._~", *value))
            text_bytes(form, value, 1);
        else
            text_add(form, "%%%02X", (unsigned char)*value);
}

/* ---- what the events say --------------------------------------------------
 */

enum { HTTP_SHOWN = 4096 }; /* bytes of a body in an event */

static inline void http_report_fields(struct text *data,
                                      const struct http_message *message)
{
    report_key(data, "fields");
    text_add(data, "[");
    for (unsigned i = 0; i < message->fields; i++) {
        text_add(data, i ? ",[" : "[");
        text_json(data, message->names[i], strlen(message->names[i]));
        text_add(data, ",");
        text_json(data, message->values[i], strlen(message->values[i]));
        text_add(data, "]");
    }
    text_add(data, "]");
}

static inline void http_report_body(struct text *data, const struct text *body)
{
    report_bytes(data, "body", body->bytes,
                 body->len < HTTP_SHOWN ? body->len : HTTP_SHOWN);
    report_number(data, "body_bytes", (long long)body->len);
    report_flag(data, "changed", false);
}

#endif
