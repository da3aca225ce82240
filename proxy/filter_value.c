/* SPDX-License-Identifier: MIT */
#include "proxy/filter_value.h"

#include "proxy/dns.h"
#include "proxy/hook.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void set_text(struct filter_value *value, const char *bytes, size_t len)
{
    *value = (struct filter_value){
        .known = bytes != NULL, .text = {bytes ? bytes : "", bytes ? len : 0}};
}

static void set_string(struct filter_value *value, const char *text)
{
    set_text(value, text, text ? strlen(text) : 0);
}

static void set_number(struct filter_value *value, bool known, uint64_t number)
{
    *value = (struct filter_value){.known = known, .number = number};
}

/* ---- messages ------------------------------------------------------------ */

/* The message of this step; false behind the last. Without a word before the
 * field it is the one that passes, and in the end each of both. */
static bool message_of(const struct filter_subject *subject,
                       enum filter_whose whose, unsigned step,
                       const struct message **message)
{
    bool both = subject->moment == FILTER_AT_END && whose == FILTER_OF_ANY;
    bool request = both ? !step
                        : whose == FILTER_OF_REQUEST ||
                              (whose == FILTER_OF_ANY &&
                               subject->moment == FILTER_AT_REQUEST);
    *message = request ? subject->request : subject->response;
    return step <= both;
}

static bool next_field(const struct filter_subject *subject,
                       const struct filter_what *what,
                       struct filter_cursor *cursor, struct filter_value *value)
{
    const struct message *message;
    while (message_of(subject, what->whose, cursor->step, &message)) {
        while (message && cursor->field < message->fields_count) {
            const struct message_field *field =
                &message->fields[cursor->field++];
            if (strcasecmp(field->name, what->name) != 0)
                continue;
            cursor->some = true;
            set_string(value, field->value);
            return true;
        }
        bool some = cursor->some;
        cursor->some = false;
        cursor->field = 0;
        cursor->step++;
        if (some)
            continue;
        set_string(value, message ? "" : NULL);
        return true;
    }
    return false;
}

/* The media type without its parameters (RFC 9110 8.3.1). */
static void type_of(const struct message *message, struct filter_value *value)
{
    const char *type = message ? message_field(message, "Content-Type") : NULL;
    set_string(value, message && !type ? "" : type);
    if (type)
        value->text.len = strcspn(type, "; \t");
}

static void body_of(const struct message *message, struct filter_value *value)
{
    size_t len = message ? buf_len(&message->body) : 0;
    if (message && message->has_body && len)
        set_text(value, (const char *)buf_head(&message->body), len);
    else
        set_text(
            value,
            message && (message->has_body || message->bodyless) ? "" : NULL, 0);
}

/* As it travels, if its head says so. */
static void size_of(const struct filter_subject *subject,
                    const struct message *message, struct filter_value *value)
{
    if (subject->moment >= FILTER_AT_MESSAGE) {
        set_number(value, subject->size_known, subject->size);
        return;
    }
    const char *length =
        message ? message_field(message, "Content-Length") : NULL;
    if (length && length[strspn(length, "0123456789")] == 0)
        set_number(value, true, strtoull(length, NULL, 10));
    else
        set_number(value, message && (message->has_body || message->bodyless),
                   message ? buf_len(&message->body) : 0);
}

/* ---- the rest ------------------------------------------------------------ */

/* With its port, then without. */
static bool next_address(const union address *address,
                         struct filter_cursor *cursor,
                         struct filter_value *value)
{
    if (!address || !address->any.sa_family) {
        set_string(value, NULL);
        return !cursor->step++;
    }
    address_text(address, cursor->address);
    set_string(value, cursor->address);
    if (cursor->step) {
        value->text.len =
            (size_t)(strrchr(cursor->address, ':') - cursor->address);
        if (value->text.bytes[0] == '[') {
            value->text.bytes++;
            value->text.len -= 2;
        }
    }
    return cursor->step++ < 2;
}

static void part_of_target(const struct filter_text *target, bool query,
                           struct filter_value *value)
{
    const char *mark =
        target->bytes ? memchr(target->bytes, '?', target->len) : NULL;
    size_t path = mark ? (size_t)(mark - target->bytes) : target->len;
    if (!query)
        set_text(value, target->bytes, path);
    else if (mark)
        set_text(value, mark + 1, target->len - path - 1);
    else
        set_text(value, target->bytes ? "" : NULL, 0);
}

static void url_of(const struct filter_subject *subject,
                   struct filter_cursor *cursor, struct filter_value *value)
{
    const struct filter_text *host = &subject->host, *target = &subject->target;
    set_string(value, NULL);
    if (!target->bytes)
        return;
    /* A target may be a whole URL already (RFC 9112 3.2.2). */
    bool whole = target->len && target->bytes[0] != '/';
    if ((!whole && (buf_append_text(&cursor->url,
                                    subject->tls ? "https://" : "http://") ||
                    buf_append(&cursor->url, host->bytes, host->len))) ||
        buf_append(&cursor->url, target->bytes, target->len))
        return;
    set_text(value, (const char *)buf_head(&cursor->url),
             buf_len(&cursor->url));
}

static void to_of(const struct filter_subject *subject,
                  struct filter_value *value)
{
    enum event_leg to = subject->moment == FILTER_AT_REQUEST    ? LEG_SERVER
                        : subject->moment == FILTER_AT_RESPONSE ? LEG_VICTIM
                        : subject->moment == FILTER_AT_MESSAGE  ? subject->to
                                                                : LEG_NONE;
    set_string(value, to == LEG_SERVER   ? "server"
                      : to == LEG_VICTIM ? "victim"
                                         : NULL);
}

static void value_of(const struct filter_subject *subject,
                     enum filter_field field, struct filter_cursor *cursor,
                     struct filter_value *value)
{
    switch (field) {
    case FILTER_KIND:
        set_string(value, subject->kind);
        break;
    case FILTER_TLS:
        set_number(value, true, subject->tls);
        break;
    case FILTER_SNI:
        /* Without TLS there is none, and that is known. */
        set_text(value, subject->sni.bytes ? subject->sni.bytes : "",
                 subject->sni.len);
        break;
    case FILTER_FLOW:
        set_number(value, subject->flow, subject->flow);
        break;
    case FILTER_STREAM:
        set_number(value, true, subject->stream);
        break;
    case FILTER_REQUEST:
        set_number(value, subject->moment != FILTER_AT_END,
                   subject->moment == FILTER_AT_REQUEST);
        break;
    case FILTER_RESPONSE:
        set_number(value, subject->moment != FILTER_AT_END,
                   subject->moment == FILTER_AT_RESPONSE);
        break;
    case FILTER_TO:
        to_of(subject, value);
        break;
    case FILTER_METHOD:
        set_text(value, subject->method.bytes, subject->method.len);
        break;
    case FILTER_HOST:
        set_text(value, subject->host.bytes, subject->host.len);
        break;
    case FILTER_PATH:
    case FILTER_QUERY:
        part_of_target(&subject->target, field == FILTER_QUERY, value);
        break;
    case FILTER_URL:
        url_of(subject, cursor, value);
        break;
    case FILTER_STATUS:
        set_number(value, subject->status, (uint64_t)subject->status);
        break;
    case FILTER_TIME:
        set_number(value, subject->ms_known, subject->ms);
        break;
    case FILTER_VERDICT:
        set_text(value, subject->verdict.bytes, subject->verdict.len);
        break;
    case FILTER_VICTIM:
    case FILTER_SERVER:
    case FILTER_HEADER:
    case FILTER_TYPE:
    case FILTER_BODY:
    case FILTER_SIZE:
    case FILTER_FIELDS:
        break;
    }
}

bool filter_value_next(const struct filter_subject *subject,
                       const struct filter_what *what,
                       struct filter_cursor *cursor, struct filter_value *value)
{
    const struct message *message;
    const struct filter_text *own = what->field == FILTER_BODY ? &subject->body
                                    : what->field == FILTER_TYPE
                                        ? &subject->type
                                        : NULL;
    if (own && own->bytes) {
        set_text(value, own->bytes, own->len);
        return !cursor->step++;
    }
    switch (what->field) {
    case FILTER_VICTIM:
        return next_address(subject->victim, cursor, value);
    case FILTER_SERVER:
        return next_address(subject->server, cursor, value);
    case FILTER_HEADER:
        return next_field(subject, what, cursor, value);
    case FILTER_TYPE:
    case FILTER_BODY:
        if (!message_of(subject, what->whose, cursor->step++, &message))
            return false;
        if (what->field == FILTER_TYPE)
            type_of(message, value);
        else
            body_of(message, value);
        return true;
    case FILTER_SIZE:
        if (cursor->step++)
            return false;
        message_of(subject, FILTER_OF_ANY, 0, &message);
        size_of(subject, message, value);
        return true;
    default:
        if (cursor->step++)
            return false;
        value_of(subject, what->field, cursor, value);
        return true;
    }
}

void filter_value_done(struct filter_cursor *cursor)
{
    buf_free(&cursor->url);
}

static struct filter_text text_of(const char *text)
{
    return (struct filter_text){text, text ? strlen(text) : 0};
}

struct filter_subject filter_subject_of(const struct flow *flow,
                                        const struct message *message)
{
    bool request = message->kind == HTTP1_REQUEST;
    /* No Host is a known fact: HTTP/1.0 has none. */
    struct filter_subject subject = {
        .moment = request ? FILTER_AT_REQUEST : FILTER_AT_RESPONSE,
        .kind = "http",
        .tls = flow->tls,
        .victim = &flow->victim,
        .server = &flow->server,
        .flow = flow->id,
        .stream = flow->stream,
        .sni = text_of(flow->tls ? flow->server_name : NULL),
        .method = text_of(message->method),
        .host = text_of(message->host ? message->host : ""),
        .target = text_of(message->target),
        .status = request ? 0 : message->status,
        .request = request ? message : message->request,
        .response = request ? NULL : message,
    };
    return subject;
}

struct filter_subject filter_subject_of_dns(const struct flow *flow,
                                            const struct dns_talk *talk,
                                            char type[FILTER_TYPE_TEXT])
{
    static_assert((int)FILTER_TYPE_TEXT >= (int)DNS_WORD_TEXT,
                  "room for a type");
    bool asked = !buf_len(talk->answer);
    dns_type_text(talk->asked->type, type);
    return (struct filter_subject){.moment = asked ? FILTER_AT_REQUEST
                                                   : FILTER_AT_RESPONSE,
                                   .kind = "dns",
                                   .victim = &flow->victim,
                                   .server = &flow->server,
                                   .flow = flow->id,
                                   .host = text_of(talk->asked->name),
                                   .type = text_of(type)};
}
