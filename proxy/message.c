/* SPDX-License-Identifier: MIT
 *
 * Text is copied into the flow's arena, so an edit replaces a pointer and
 * frees nothing. What would end a line early is refused when it is set, and
 * again when the message is written, since hooks may also set the members. */
#include "proxy/message.h"
#include "proxy/http1_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char CONTENT_LENGTH[] = "Content-Length";
static const char CONTENT_ENCODING[] = "Content-Encoding";
static const char TRANSFER_ENCODING[] = "Transfer-Encoding";

/* ---- building ---------------------------------------------------------------
 */

static const char *copy_span(struct arena *arena, const char *bytes,
                             struct span span)
{
    char *copy = arena_copy(arena, bytes + span.at, span.len);
    /* Only the leniency obs-fold lets line ends into a value; a space in
     * their place is what RFC 9112 5.2 asks for. */
    for (char *c = copy; c && *c; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    return copy;
}

static int make_room(struct message *message)
{
    if (message->fields_count < message->fields_room)
        return 0;
    unsigned room = message->fields_room ? message->fields_room * 2 : 16;
    struct message_field *fields =
        arena_alloc(message->arena, room * sizeof *fields);
    if (!fields)
        return -1;
    if (message->fields_count)
        memcpy(fields, message->fields, message->fields_count * sizeof *fields);
    message->fields = fields;
    message->fields_room = room;
    return 0;
}

static int append_field(struct message *message, const char *name,
                        const char *value)
{
    if (!name || !value || make_room(message) < 0)
        return -1;
    message->fields[message->fields_count++] =
        (struct message_field){name, value};
    return 0;
}

static int copy_fields(struct message *message, const struct http1_head *head,
                       const char *bytes)
{
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct http1_field *field = &head->fields[i];
        if (append_field(message, copy_span(message->arena, bytes, field->name),
                         copy_span(message->arena, bytes, field->value)) < 0)
            return -1;
    }
    return 0;
}

/* The codings of all Content-Encoding fields together; more than one is a
 * coding that we do not undo. */
static enum codec coding_of(const struct message *message)
{
    enum codec coding = CODEC_IDENTITY;
    for (unsigned i = 0; i < message->fields_count; i++) {
        const struct message_field *field = &message->fields[i];
        if (strcasecmp(field->name, CONTENT_ENCODING))
            continue;
        if (coding != CODEC_IDENTITY)
            return CODEC_UNKNOWN;
        coding = codec_named(field->value, strlen(field->value));
    }
    return coding;
}

int message_init(struct message *message, struct arena *arena,
                 const struct http1_head *head, const char *bytes)
{
    *message = (struct message){
        .kind = head->kind,
        .arena = arena,
        .status = head->status,
        .major = 1,
        .minor = head->minor,
    };
    bool request = head->kind == HTTP1_REQUEST;
    if (request) {
        message->method = copy_span(arena, bytes, head->method);
        message->target = copy_span(arena, bytes, head->target);
    } else {
        message->reason = copy_span(arena, bytes, head->reason);
    }
    if (head->host.len)
        message->host = copy_span(arena, bytes, head->host);
    bool texts =
        request ? message->method && message->target : message->reason != NULL;
    if (!texts || (head->host.len && !message->host) ||
        copy_fields(message, head, bytes) < 0)
        return -1;
    message->coding = coding_of(message);
    return 0;
}

int message_add_field(struct message *message, const char *name,
                      size_t name_len, const char *value, size_t value_len)
{
    return append_field(message, arena_copy(message->arena, name, name_len),
                        arena_copy(message->arena, value, value_len));
}

void message_find_coding(struct message *message)
{
    message->coding = coding_of(message);
}

void message_close(struct message *message)
{
    buf_free(&message->body);
    if (message->answer)
        message_close(message->answer);
    message->answer = NULL;
}

/* RFC 9110 15, RFC 6585 */
const char *message_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {102, "Processing"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

bool method_is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET",   "HEAD", "OPTIONS",
                                          "TRACE", "PUT",  "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(method, methods[i]))
            return true;
    return false;
}

struct message *message_answer(struct message *request, int status,
                               const char *reason)
{
    struct message *answer = request->answer;
    if (!answer)
        answer = arena_alloc(request->arena, sizeof *answer);
    reason =
        reason ? arena_text(request->arena, reason) : message_reason(status);
    if (!answer || !reason)
        return NULL;
    request->answer = answer;
    answer->kind = HTTP1_RESPONSE;
    answer->arena = request->arena;
    answer->method = request->method;
    answer->target = request->target;
    answer->host = request->host;
    answer->request = request;
    answer->status = status;
    answer->reason = reason;
    answer->major = answer->minor = 1;
    answer->has_body = true;
    return answer;
}

/* ---- fields
 * ------------------------------------------------------------------ */

static bool all_of(const char *text, unsigned class)
{
    while (*text && char_is(*text, class))
        text++;
    return !*text;
}

static bool name_is_safe(const char *name)
{
    return name && *name && all_of(name, CHAR_TOKEN);
}

static bool value_is_safe(const char *value)
{
    return value && all_of(value, CHAR_VALUE);
}

const char *message_field(const struct message *message, const char *name)
{
    for (unsigned i = 0; i < message->fields_count; i++)
        if (!strcasecmp(message->fields[i].name, name))
            return message->fields[i].value;
    return NULL;
}

/* Drop every field of this name from index `from` on. */
static void drop_fields(struct message *message, const char *name,
                        unsigned from)
{
    unsigned kept = from;
    for (unsigned i = from; i < message->fields_count; i++)
        if (strcasecmp(message->fields[i].name, name))
            message->fields[kept++] = message->fields[i];
    message->fields_count = kept;
}

int message_set_field(struct message *message, const char *name,
                      const char *value)
{
    if (!name_is_safe(name) || !value_is_safe(value))
        return -1;
    const char *copy = arena_text(message->arena, value);
    if (!copy)
        return -1;
    for (unsigned i = 0; i < message->fields_count; i++)
        if (!strcasecmp(message->fields[i].name, name)) {
            message->fields[i].value = copy;
            drop_fields(message, name, i + 1);
            return 0;
        }
    return append_field(message, arena_text(message->arena, name), copy);
}

void message_remove_field(struct message *message, const char *name)
{
    drop_fields(message, name, 0);
}

int message_set_body(struct message *message, const void *bytes, size_t len)
{
    struct buf body = {0};
    if (buf_append(&body, bytes, len) < 0)
        return -1;
    buf_free(&message->body);
    message->body = body;
    message->has_body = true;
    return 0;
}

void message_forget_sums(struct message *message)
{
    static const char *const sums[] = {"Content-MD5", "Digest",
                                       "Content-Digest", "Repr-Digest"};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        message_remove_field(message, sums[i]);
}

int message_decode(struct message *message, size_t most)
{
    struct buf clear = {0};
    const char *why;
    struct buf *body = &message->body;
    if (message->coding == CODEC_IDENTITY || !buf_len(body))
        return 0;
    if (message->coding == CODEC_UNKNOWN ||
        codec_decode(message->coding, buf_head(body), buf_len(body), most,
                     &clear, &why)) {
        buf_free(&clear);
        return -1;
    }
    buf_free(body);
    *body = clear;
    return 0;
}

/* ---- writing
 * ------------------------------------------------------------------- */

enum { HEAD_GUESS = 1024 };

/* What a write decides before the first byte. */
struct plan {
    bool fix;        /* put the framing fields right */
    bool has_length; /* a Content-Length goes out */
    bool chunked;    /* naive, and Transfer-Encoding says chunked */
    enum codec coding;
    struct buf coded;       /* the body as it goes on the wire, */
    const struct buf *body; /* if that is not the message's own */
};

bool message_is_bodyless(const struct message *message)
{
    return message->kind == HTTP1_RESPONSE &&
           (message->status < 200 || message->status == 204 ||
            message->status == 304 ||
            (message->method && !strcmp(message->method, "HEAD")));
}

static int encode_body(const struct message *message, struct plan *plan)
{
    const char *why;
    const struct buf *body = &message->body;
    plan->coding = message->coding;
    plan->body = body;
    if (message->coding == CODEC_UNKNOWN || message->coding == CODEC_IDENTITY)
        return 0;
    plan->body = &plan->coded;
    return codec_encode(message->coding, buf_head(body), buf_len(body),
                        &plan->coded, &why);
}

static int make_plan(const struct message *message, bool naive,
                     struct plan *plan)
{
    *plan = (struct plan){.body = &plan->coded};
    if (!message->has_body || message_is_bodyless(message))
        return 0;
    bool framed = message_field(message, CONTENT_LENGTH) ||
                  message_field(message, TRANSFER_ENCODING);
    plan->fix = !naive;
    plan->chunked = naive && message_field(message, TRANSFER_ENCODING);
    /* A request that never had a body needs no Content-Length: 0. */
    plan->has_length = !naive && (message->kind == HTTP1_RESPONSE || framed ||
                                  buf_len(&message->body));
    /* Nothing in, nothing out: an empty body is not coded. */
    return buf_len(&message->body) ? encode_body(message, plan) : 0;
}

static int write_start(const struct message *message, struct buf *out)
{
    if (message->kind == HTTP1_RESPONSE) {
        const char *reason = message->reason ? message->reason : "";
        if (!value_is_safe(reason) || message->status < 100 ||
            message->status > 999)
            return -1;
        return buf_printf(out, "HTTP/1.%d %03d %s\r\n", message->minor,
                          message->status, reason);
    }
    if (!name_is_safe(message->method) || !message->target ||
        !*message->target || !all_of(message->target, CHAR_TARGET))
        return -1;
    return buf_printf(out, "%s %s HTTP/1.%d\r\n", message->method,
                      message->target, message->minor);
}

static int write_field(struct buf *out, const char *name, const char *value)
{
    if (!name_is_safe(name) || !value_is_safe(value))
        return -1;
    if (buf_append_text(out, name) < 0 || buf_append_text(out, ": ") < 0 ||
        buf_append_text(out, value) < 0)
        return -1;
    return buf_append_text(out, "\r\n");
}

static int write_length(struct buf *out, struct plan *plan)
{
    if (!plan->has_length)
        return 0;
    plan->has_length = false;
    return buf_printf(out, "Content-Length: %zu\r\n", buf_len(plan->body));
}

/* The length goes where the sender had one, the coding too; chunking ends
 * here, because the whole body is known. */
static int write_fixed_field(const struct message_field *field,
                             struct plan *plan, struct buf *out)
{
    if (!strcasecmp(field->name, CONTENT_LENGTH))
        return write_length(out, plan);
    if (!strcasecmp(field->name, TRANSFER_ENCODING) ||
        !strcasecmp(field->name, "Trailer"))
        return 0;
    if (strcasecmp(field->name, CONTENT_ENCODING) ||
        plan->coding == CODEC_UNKNOWN)
        return write_field(out, field->name, field->value);
    enum codec coding = plan->coding;
    plan->coding = CODEC_IDENTITY;
    return coding == CODEC_IDENTITY
               ? 0
               : write_field(out, field->name, codec_name(coding));
}

static int write_fields(const struct message *message, struct plan *plan,
                        struct buf *out)
{
    for (unsigned i = 0; i < message->fields_count; i++) {
        const struct message_field *field = &message->fields[i];
        int rc = plan->fix ? write_fixed_field(field, plan, out)
                           : write_field(out, field->name, field->value);
        if (rc < 0)
            return -1;
    }
    if (plan->fix && plan->coding != CODEC_IDENTITY &&
        plan->coding != CODEC_UNKNOWN &&
        write_field(out, CONTENT_ENCODING, codec_name(plan->coding)) < 0)
        return -1;
    if (write_length(out, plan) < 0)
        return -1;
    return buf_append_text(out, "\r\n");
}

static int write_body(const struct plan *plan, struct buf *out)
{
    size_t len = buf_len(plan->body);
    const uint8_t *bytes = len ? buf_head(plan->body) : NULL;
    if (!plan->chunked)
        return buf_append(out, bytes, len);
    if (len &&
        (buf_printf(out, "%zx\r\n", len) < 0 ||
         buf_append(out, bytes, len) < 0 || buf_append_text(out, "\r\n") < 0))
        return -1;
    return buf_append_text(out, "0\r\n\r\n");
}

/* False: it cannot be written, or memory is out; then nothing was. */
static bool write_whole(const struct message *message, struct plan *plan,
                        struct buf *out)
{
    size_t before = buf_len(out);
    /* One piece of memory, that need not grow while it is written. */
    if (buf_reserve(out, HEAD_GUESS + buf_len(plan->body)) &&
        !write_start(message, out) && !write_fields(message, plan, out) &&
        !write_body(plan, out))
        return true;
    out->end = out->at + before;
    return false;
}

int message_write(const struct message *message, bool naive, struct buf *out)
{
    struct plan plan;
    int rc = make_plan(message, naive, &plan);
    if (!rc && !write_whole(message, &plan, out))
        rc = -1;
    buf_free(&plan.coded);
    return rc;
}

/* ---- heads and bodies apart ---------------------------------------------- */

bool message_is_safe(const struct message *message)
{
    for (unsigned i = 0; i < message->fields_count; i++)
        if (!name_is_safe(message->fields[i].name) ||
            !value_is_safe(message->fields[i].value))
            return false;
    if (message->kind == HTTP1_RESPONSE)
        return value_is_safe(message->reason ? message->reason : "") &&
               message->status >= 100 && message->status <= 999;
    return name_is_safe(message->method) && message->target &&
           *message->target && all_of(message->target, CHAR_TARGET);
}

static int fix_fields(struct message *message, const struct plan *plan)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", buf_len(plan->body));
    message_remove_field(message, TRANSFER_ENCODING);
    message_remove_field(message, "Trailer");
    if (plan->coding == CODEC_IDENTITY)
        message_remove_field(message, CONTENT_ENCODING);
    else if (plan->coding != CODEC_UNKNOWN &&
             message_set_field(message, CONTENT_ENCODING,
                               codec_name(plan->coding)))
        return -1;
    return plan->has_length ? message_set_field(message, CONTENT_LENGTH, length)
                            : 0;
}

int message_send(struct message *message, bool naive, struct buf *out)
{
    struct plan plan;
    int rc = make_plan(message, naive, &plan);
    struct plan sent = plan; /* writing uses the plan up */
    if (!rc && !write_whole(message, &plan, out))
        rc = -1;
    /* Without memory it says of itself what it said before. */
    if (!rc && sent.fix)
        (void)fix_fields(message, &sent);
    buf_free(&plan.coded);
    return rc;
}

int message_encode(struct message *message, bool naive, struct buf *coded)
{
    struct plan plan;
    int rc = make_plan(message, naive, &plan);
    if (!rc && plan.fix)
        rc = fix_fields(message, &plan);
    if (!rc && buf_len(plan.body))
        rc = buf_append(coded, buf_head(plan.body), buf_len(plan.body));
    buf_free(&plan.coded);
    return rc;
}
