/* SPDX-License-Identifier: MIT
 *
 * The head of a message: start line, fields, and what they say about the
 * body. Reads from left to right, so what is refused, and where, depends on
 * the bytes before it and never on how they were split. */
#include "proxy/http1.h"
#include "proxy/http1_parts.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum {
    METHOD_MOST = 32,
    /* A start line of a request that is longer than this is wrong already:
     * whatever the rest of it is, a fault lies in these bytes. */
    REQUEST_LINE_MOST = METHOD_MOST + HTTP1_TARGET_MOST + 32,
};

struct parse {
    const char *bytes;
    enum http1_kind kind;
    unsigned lenient;
    struct http1_head *out;
    struct http1_fault *fault;
};

static int refuse(struct parse *parse, enum http1_fault_id id, size_t offset)
{
    return http1_refuse(parse->fault, id, offset);
}

/* Refuse the byte at `at`; a stray CR or the end of the line have names of
 * their own. */
static int refuse_byte(struct parse *parse, enum http1_fault_id id, uint32_t at,
                       uint32_t end)
{
    if (at < end && parse->bytes[at] == '\r')
        id = HTTP1_FAULT_BARE_CR;
    return refuse(parse, id, at);
}

static struct span span_of(uint32_t at, uint32_t end)
{
    return (struct span){at, end - at};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool span_is(const char *bytes, struct span span, const char *text)
{
    return strlen(text) == span.len &&
           !strncasecmp(bytes + span.at, text, span.len);
}

/* Methods, unlike field names, are case-sensitive (RFC 9110 9.1). */
static bool method_is(const struct parse *parse, const char *text)
{
    struct span method = parse->out->method;
    return strlen(text) == method.len &&
           !memcmp(parse->bytes + method.at, text, method.len);
}

static uint32_t skip_class(const char *bytes, uint32_t at, uint32_t end,
                           unsigned class)
{
    while (at < end && char_is(bytes[at], class))
        at++;
    return at;
}

/* ---- start lines ----------------------------------------------------------
 */

static int read_version(struct parse *parse, uint32_t at, uint32_t end,
                        bool whole_line)
{
    static const char form[] = "HTTP/d.d";
    const char *bytes = parse->bytes;
    for (uint32_t i = 0; i < 8; i++) {
        bool fits =
            at + i < end && (form[i] == 'd' ? char_is(bytes[at + i], CHAR_DIGIT)
                                            : bytes[at + i] == form[i]);
        if (!fits)
            return refuse_byte(parse, HTTP1_FAULT_VERSION_SYNTAX, at + i, end);
    }
    if (whole_line && at + 8 < end)
        return refuse_byte(parse, HTTP1_FAULT_VERSION_SYNTAX, at + 8, end);
    char major = bytes[at + 5], minor = bytes[at + 7];
    if (major != '1' || minor > '1')
        return refuse(parse, HTTP1_FAULT_VERSION_UNKNOWN, at + 5);
    parse->out->minor = minor - '0';
    return 0;
}

/* uri-host [ ":" port ] (RFC 9110 7.2), and nothing else. If not, *stop is
 * where it stops to be one. */
static bool is_authority(const char *bytes, uint32_t at, uint32_t end,
                         uint32_t *stop)
{
    *stop = at;
    if (at < end && bytes[at] == '[') {
        at++;
        while (at < end && (char_is(bytes[at], CHAR_HEX) || bytes[at] == ':' ||
                            bytes[at] == '.'))
            at++;
        bool closed = at < end && bytes[at] == ']' && at > *stop + 1;
        *stop = at;
        if (!closed)
            return false;
        at++;
    } else {
        at = skip_class(bytes, at, end, CHAR_HOST);
    }
    if (at < end && bytes[at] == ':')
        at = skip_class(bytes, at + 1, end, CHAR_DIGIT);
    *stop = at;
    return at == end;
}

/* CONNECT names a host and a port, and nothing else (RFC 9112 3.2.3). */
static int check_connect(struct parse *parse)
{
    struct http1_head *out = parse->out;
    uint32_t end = out->target.at + out->target.len;
    uint32_t stop;
    if (!is_authority(parse->bytes, out->target.at, end, &stop))
        return refuse(parse,
                      stop < end && parse->bytes[stop] == '@'
                          ? HTTP1_FAULT_TARGET_USER
                          : HTTP1_FAULT_TARGET_FORM,
                      stop);
    const char *colon =
        memrchr(parse->bytes + out->target.at, ':', out->target.len);
    bool complete = colon && colon > parse->bytes + out->target.at &&
                    char_is(parse->bytes[end - 1], CHAR_DIGIT);
    if (!complete)
        return refuse(parse, HTTP1_FAULT_TARGET_FORM, end);
    out->host = out->target;
    return 0;
}

/* scheme "://" authority path (RFC 9112 3.2.2). The schemes that a proxy is
 * asked for are letters. */
static int check_url(struct parse *parse)
{
    struct http1_head *out = parse->out;
    const char *bytes = parse->bytes;
    uint32_t at = out->target.at, end = at + out->target.len;
    while (at < end && char_lower(bytes[at]) >= 'a' &&
           char_lower(bytes[at]) <= 'z')
        at++;
    if (at == out->target.at || end - at < 3 || memcmp(bytes + at, "://", 3))
        return refuse(parse, HTTP1_FAULT_TARGET_FORM, out->target.at);
    uint32_t host = at + 3, slash = host;
    while (slash < end && bytes[slash] != '/' && bytes[slash] != '?')
        slash++;
    const char *user = memchr(bytes + host, '@', slash - host);
    if (user)
        return refuse(parse, HTTP1_FAULT_TARGET_USER, (size_t)(user - bytes));
    uint32_t stop;
    if (!is_authority(bytes, host, slash, &stop) || host == slash ||
        bytes[host] == ':')
        return refuse(parse, HTTP1_FAULT_TARGET_FORM, stop);
    out->host = span_of(host, slash);
    return 0;
}

static int check_target(struct parse *parse)
{
    struct http1_head *out = parse->out;
    char first = parse->bytes[out->target.at];
    bool star = first == '*' && out->target.len == 1;
    if (method_is(parse, "CONNECT"))
        return check_connect(parse);
    if (first == '/' || (star && method_is(parse, "OPTIONS")))
        return 0;
    if (star && method_is(parse, "PRI"))
        return refuse(parse, HTTP1_FAULT_HTTP_2, out->method.at);
    return check_url(parse);
}

static int refuse_target_byte(struct parse *parse, uint32_t at)
{
    switch (parse->bytes[at]) {
    case '#':
        return refuse(parse, HTTP1_FAULT_TARGET_FRAGMENT, at);
    case '\t':
    case ' ':
        return refuse(parse, HTTP1_FAULT_LINE_SPACE, at);
    default:
        return refuse_byte(parse, HTTP1_FAULT_TARGET_CHAR, at, at + 1);
    }
}

static int read_method(struct parse *parse, uint32_t at, uint32_t end)
{
    uint32_t most = end - at > METHOD_MOST ? at + METHOD_MOST + 1 : end;
    uint32_t stop = skip_class(parse->bytes, at, most, CHAR_TOKEN);
    if (stop - at > METHOD_MOST)
        return refuse(parse, HTTP1_FAULT_METHOD_LONG, at + METHOD_MOST);
    if (stop == at || stop == end || parse->bytes[stop] != ' ')
        return refuse_byte(parse, HTTP1_FAULT_METHOD_CHAR, stop, end);
    parse->out->method = span_of(at, stop);
    return 0;
}

static int read_request_line(struct parse *parse, uint32_t at, uint32_t end)
{
    const char *bytes = parse->bytes;
    struct http1_head *out = parse->out;
    if (read_method(parse, at, end) < 0)
        return -1;
    uint32_t target = out->method.at + out->method.len + 1;
    uint32_t most =
        end - target > HTTP1_TARGET_MOST ? target + HTTP1_TARGET_MOST + 1 : end;
    uint32_t stop = skip_class(bytes, target, most, CHAR_TARGET);
    if (stop - target > HTTP1_TARGET_MOST)
        return refuse(parse, HTTP1_FAULT_TARGET_LONG,
                      target + HTTP1_TARGET_MOST);
    if (stop == end)
        return refuse(parse,
                      stop == target ? HTTP1_FAULT_TARGET_FORM
                                     : HTTP1_FAULT_HTTP_0_9,
                      stop);
    if (stop == target || bytes[stop] != ' ')
        return refuse_target_byte(parse, stop);
    out->target = span_of(target, stop);
    if (check_target(parse) < 0)
        return -1;
    if (stop + 1 < end && is_space(bytes[stop + 1]))
        return refuse(parse, HTTP1_FAULT_LINE_SPACE, stop + 1);
    return read_version(parse, stop + 1, end, true);
}

static int read_status_line(struct parse *parse, uint32_t at, uint32_t end)
{
    const char *bytes = parse->bytes;
    struct http1_head *out = parse->out;
    if (read_version(parse, at, end, false) < 0)
        return -1;
    at += 8;
    if (at == end || bytes[at] != ' ')
        return refuse_byte(parse, HTTP1_FAULT_STATUS_CODE, at, end);
    uint32_t code = at + 1;
    for (at = code; at < code + 3; at++) {
        if (at == end || !char_is(bytes[at], CHAR_DIGIT))
            return refuse_byte(parse, HTTP1_FAULT_STATUS_CODE, at, end);
        out->status = out->status * 10 + (bytes[at] - '0');
    }
    /* 600 to 999 mean nothing, and a client takes them for 500 (RFC 9110 15):
       that is for the client. */
    if (out->status < 100)
        return refuse(parse, HTTP1_FAULT_STATUS_CODE, code);
    if (at == end || bytes[at] != ' ')
        return refuse_byte(parse, HTTP1_FAULT_STATUS_SPACE, at, end);
    uint32_t stop = skip_class(bytes, at + 1, end, CHAR_VALUE);
    if (stop < end)
        return refuse_byte(parse, HTTP1_FAULT_REASON_CHAR, stop, end);
    out->reason = span_of(at + 1, end);
    return 0;
}

/* ---- field lines ----------------------------------------------------------
 */

/* Eight bytes at a time: true if one of them is a control character (a tab
 * counts too and is sorted out byte by byte). */
static bool word_has_control(const char *bytes)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t word, delete;
    memcpy(&word, bytes, sizeof word);
    delete = word ^ (ones * 0x7f);
    return (((word - ones * 0x20) & ~word) | ((delete - ones) & ~delete)) &
           highs;
}

static uint32_t skip_value(const char *bytes, uint32_t at, uint32_t end)
{
    uint32_t start = at;
    for (;;) {
        while (end - at >= 8 && !word_has_control(bytes + at))
            at += 8;
        /* The last bytes once more, with those before them, make a word. */
        if (end - at < 8 && end - start >= 8 &&
            !word_has_control(bytes + end - 8))
            return end;
        uint32_t most = end - at >= 8 ? at + 8 : end;
        at = skip_class(bytes, at, most, CHAR_VALUE);
        if (at < most || at == end)
            return at;
    }
}

/* Check a value and cut the white space off both its ends. */
static int read_value(struct parse *parse, uint32_t at, uint32_t end,
                      struct span *out)
{
    const char *bytes = parse->bytes;
    uint32_t stop = skip_value(bytes, at, end);
    if (stop < end)
        return refuse(parse, http1_value_fault(bytes[stop]), stop);
    while (at < end && is_space(bytes[at]))
        at++;
    while (end > at && is_space(bytes[end - 1]))
        end--;
    *out = span_of(at, end);
    return 0;
}

/* A line that begins with white space continues the value before it. */
static int read_fold(struct parse *parse, uint32_t at, uint32_t end)
{
    struct http1_head *out = parse->out;
    struct span more;
    if (!out->fields_count)
        return refuse(parse, HTTP1_FAULT_FIRST_SPACE, at);
    if (!(parse->lenient & HTTP1_LENIENT_OBS_FOLD))
        return refuse(parse, HTTP1_FAULT_OBS_FOLD, at);
    if (read_value(parse, at, end, &more) < 0)
        return -1;
    struct span *value = &out->fields[out->fields_count - 1].value;
    if (!value->len)
        *value = more;
    else if (more.len)
        value->len = more.at + more.len - value->at;
    return 0;
}

/* The byte at `at` should have been the colon of the field at `start`. */
static int refuse_name(struct parse *parse, uint32_t start, uint32_t at,
                       uint32_t end)
{
    if (at == end)
        return refuse(parse, HTTP1_FAULT_NO_COLON, at);
    if (parse->bytes[at] == ':')
        return refuse(parse, HTTP1_FAULT_NAME_EMPTY, start);
    if (is_space(parse->bytes[at]))
        return refuse(parse, HTTP1_FAULT_SPACE_COLON, at);
    return refuse_byte(parse, HTTP1_FAULT_NAME_CHAR, at, end);
}

static int read_field(struct parse *parse, uint32_t start, uint32_t end)
{
    const char *bytes = parse->bytes;
    struct http1_head *out = parse->out;
    if (is_space(bytes[start]))
        return read_fold(parse, start, end);
    if (out->fields_count == HTTP1_FIELDS_MOST)
        return refuse(parse, HTTP1_FAULT_FIELDS_MANY, start);
    uint32_t name = skip_class(bytes, start, end, CHAR_TOKEN), colon = name;
    if (parse->lenient & HTTP1_LENIENT_SPACE_COLON)
        while (colon < end && is_space(bytes[colon]))
            colon++;
    if (name == start || colon == end || bytes[colon] != ':')
        return refuse_name(parse, start, colon, end);
    struct http1_field *field = &out->fields[out->fields_count];
    field->name = span_of(start, name);
    if (read_value(parse, colon + 1, end, &field->value) < 0)
        return -1;
    out->fields_count++;
    return 0;
}

/* ---- framing: what the fields say together --------------------------------
 */

struct framing {
    const struct http1_field *host, *length, *upgrade;
    uint32_t coding;       /* offset of the first transfer coding */
    uint32_t other_coding; /* of the first that is not chunked */
    unsigned codings, chunked;
    bool chunked_last, close, keep_alive, upgrade_token;
};

/* Cut the next element off a comma-separated list; false at its end. An
 * element may be empty. */
static bool next_element(const char *bytes, struct span *list, struct span *out)
{
    if (list->at == UINT32_MAX)
        return false;
    const char *start = bytes + list->at;
    const char *comma = memchr(start, ',', list->len);
    uint32_t len = comma ? (uint32_t)(comma - start) : list->len;
    uint32_t at = list->at, end = at + len;
    *list = comma ? (struct span){end + 1, list->len - len - 1}
                  : (struct span){UINT32_MAX, 0};
    while (at < end && strchr(" \t\r\n", bytes[at]))
        at++;
    while (end > at && strchr(" \t\r\n", bytes[end - 1]))
        end--;
    *out = span_of(at, end);
    return true;
}

static int note_host(struct parse *parse, struct framing *framing,
                     const struct http1_field *field)
{
    struct http1_head *out = parse->out;
    struct span value = field->value;
    uint32_t stop;
    if (parse->kind == HTTP1_RESPONSE)
        return 0;
    if (framing->host)
        return refuse(parse, HTTP1_FAULT_HOST_TWICE, field->name.at);
    framing->host = field;
    if (!is_authority(parse->bytes, value.at, value.at + value.len, &stop))
        return refuse(parse, HTTP1_FAULT_HOST_VALUE, stop);
    if (!out->host.len)
        out->host = value;
    return 0;
}

static int note_length(struct parse *parse, struct framing *framing,
                       const struct http1_field *field)
{
    const char *bytes = parse->bytes;
    struct span value = field->value;
    uint64_t length = 0;
    if (framing->length)
        return refuse(parse, HTTP1_FAULT_LENGTH_TWICE, field->name.at);
    framing->length = field;
    if (!value.len)
        return refuse(parse, HTTP1_FAULT_LENGTH_VALUE, value.at);
    for (uint32_t at = value.at; at < value.at + value.len; at++) {
        if (!char_is(bytes[at], CHAR_DIGIT))
            return refuse(parse, HTTP1_FAULT_LENGTH_VALUE, at);
        if (length > (INT64_MAX - 9) / 10)
            return refuse(parse, HTTP1_FAULT_LENGTH_HUGE, value.at);
        length = length * 10 + (uint64_t)(bytes[at] - '0');
    }
    parse->out->length = length;
    return 0;
}

static int note_coding(struct parse *parse, struct framing *framing,
                       const struct http1_field *field)
{
    struct span list = field->value, coding;
    while (next_element(parse->bytes, &list, &coding)) {
        if (!coding.len)
            return refuse(parse, HTTP1_FAULT_CODING_SYNTAX, coding.at);
        framing->chunked_last = span_is(parse->bytes, coding, "chunked");
        framing->chunked += framing->chunked_last;
        if (framing->chunked > 1)
            return refuse(parse, HTTP1_FAULT_CODING_TWICE, coding.at);
        if (!framing->chunked_last && !framing->other_coding)
            framing->other_coding = coding.at;
        if (!framing->codings++)
            framing->coding = coding.at;
    }
    return 0;
}

static int note_connection(struct parse *parse, struct framing *framing,
                           const struct http1_field *field)
{
    struct span list = field->value, option;
    while (next_element(parse->bytes, &list, &option)) {
        framing->close |= span_is(parse->bytes, option, "close");
        framing->keep_alive |= span_is(parse->bytes, option, "keep-alive");
        framing->upgrade_token |= span_is(parse->bytes, option, "upgrade");
    }
    return 0;
}

static int note_upgrade(struct parse *parse, struct framing *framing,
                        const struct http1_field *field)
{
    (void)parse;
    framing->upgrade = field;
    return 0;
}

static int note_expect(struct parse *parse, struct framing *framing,
                       const struct http1_field *field)
{
    (void)framing;
    if (span_is(parse->bytes, field->value, "100-continue"))
        parse->out->expect_continue =
            parse->kind == HTTP1_REQUEST && parse->out->minor == 1;
    return 0;
}

static const struct {
    const char *name;
    int (*note)(struct parse *parse, struct framing *framing,
                const struct http1_field *field);
} noted[] = {
    {"host", note_host},
    {"content-length", note_length},
    {"transfer-encoding", note_coding},
    {"connection", note_connection},
    {"upgrade", note_upgrade},
    {"expect", note_expect},
};

static int note_fields(struct parse *parse, struct framing *framing)
{
    const struct http1_head *out = parse->out;
    for (unsigned i = 0; i < out->fields_count; i++) {
        const struct http1_field *field = &out->fields[i];
        /* The six names differ in their lengths: 4 14 17 10 7 6. */
        static const int8_t by_length[18] = {-1, -1, -1, -1, 0,  -1, 5,  4,  -1,
                                             -1, 3,  -1, -1, -1, 1,  -1, -1, 2};
        int row = field->name.len < 18 ? by_length[field->name.len] : -1;
        if (row >= 0 && span_is(parse->bytes, field->name, noted[row].name) &&
            noted[row].note(parse, framing, field) < 0)
            return -1;
    }
    return 0;
}

/* RFC 9112 6.1 and 6.3: what may not stand together. */
static int check_framing(struct parse *parse, const struct framing *framing)
{
    bool length_loses = parse->lenient & HTTP1_LENIENT_TWO_LENGTHS;
    if (!framing->codings)
        return 0;
    if (!parse->out->minor)
        return refuse(parse, HTTP1_FAULT_CODING_OLD, framing->coding);
    if (framing->length && !length_loses)
        return refuse(parse, HTTP1_FAULT_LENGTH_AND_CODING,
                      framing->length->name.at);
    if (!framing->chunked_last)
        return refuse(parse, HTTP1_FAULT_CODING_LAST, framing->other_coding);
    if (framing->other_coding)
        return refuse(parse, HTTP1_FAULT_CODING_UNKNOWN, framing->other_coding);
    return 0;
}

static enum http1_framing framing_of_fields(const struct framing *framing)
{
    if (framing->chunked)
        return HTTP1_CHUNKED;
    return framing->length ? HTTP1_LENGTH : HTTP1_NONE;
}

static int frame_request(struct parse *parse, const struct framing *framing)
{
    struct http1_head *out = parse->out;
    bool host_needed = out->minor && !(parse->lenient & HTTP1_LENIENT_NO_HOST);
    if (host_needed && !framing->host)
        return refuse(parse, HTTP1_FAULT_HOST_MISSING, out->method.at);
    out->framing = framing_of_fields(framing);
    if (method_is(parse, "CONNECT")) {
        if (out->framing == HTTP1_CHUNKED || out->length)
            return refuse(parse, HTTP1_FAULT_CONNECT_CONTENT,
                          framing->length ? framing->length->name.at
                                          : framing->coding);
        out->framing = HTTP1_NONE;
    }
    return 0;
}

/* What an interim response or a 204 must not say about a body. A length of 0
 * is as wrong, but common, and nobody misreads it. */
static int check_bodyless(struct parse *parse, const struct framing *framing)
{
    struct http1_head *out = parse->out;
    if (out->status >= 200 && out->status != 204)
        return 0;
    if (framing->codings)
        return refuse(parse, HTTP1_FAULT_CODING_FORBIDDEN, framing->coding);
    if (out->length)
        return refuse(parse, HTTP1_FAULT_LENGTH_FORBIDDEN,
                      framing->length->value.at);
    if (out->status == 101 && !(framing->upgrade && framing->upgrade_token))
        return refuse(parse, HTTP1_FAULT_UPGRADE_MISSING, out->reason.at - 4);
    return 0;
}

/* RFC 9112 6.3, rules 1 to 8 in their order. */
static int frame_response(struct parse *parse, const struct framing *framing,
                          const char *method)
{
    struct http1_head *out = parse->out;
    bool to_connect = method && !strcmp(method, "CONNECT");
    bool to_head = method && !strcmp(method, "HEAD");
    if (check_bodyless(parse, framing) < 0)
        return -1;
    out->framing = framing_of_fields(framing);
    if (out->status == 101 || (to_connect && out->status / 100 == 2))
        out->framing = HTTP1_TUNNEL;
    else if (to_head || out->status < 200 || out->status == 204 ||
             out->status == 304)
        out->framing = HTTP1_NONE;
    else if (out->framing == HTTP1_NONE)
        out->framing = HTTP1_TO_CLOSE;
    return 0;
}

static int decide(struct parse *parse, const char *request_method)
{
    struct http1_head *out = parse->out;
    struct framing framing = {0};
    if (note_fields(parse, &framing) < 0 || check_framing(parse, &framing) < 0)
        return -1;
    int rc = parse->kind == HTTP1_RESPONSE
                 ? frame_response(parse, &framing, request_method)
                 : frame_request(parse, &framing);
    if (rc < 0)
        return -1;
    if (out->framing != HTTP1_LENGTH)
        out->length = 0;
    out->upgrade = framing.upgrade_token && framing.upgrade;
    out->keep_alive = !framing.close && (out->minor || framing.keep_alive) &&
                      out->framing < HTTP1_TO_CLOSE;
    return 0;
}

/* ---- lines ----------------------------------------------------------------
 */

enum step { STEP_REFUSED = -1, STEP_MORE, STEP_NEXT, STEP_END };

/* Judge one whole line, [at, feed) and the LF at `feed`. */
static enum step read_line(struct parse *parse, struct http1_scan *scan,
                           uint32_t at, uint32_t feed)
{
    bool has_cr = feed > at && parse->bytes[feed - 1] == '\r';
    uint32_t end = has_cr ? feed - 1 : feed;
    bool empty = end == at,
         skipped = empty && !scan->started && parse->kind == HTTP1_REQUEST;
    int rc = 0;
    if (!scan->started && !skipped)
        rc = parse->kind == HTTP1_REQUEST ? read_request_line(parse, at, end)
                                          : read_status_line(parse, at, end);
    else if (!empty)
        rc = read_field(parse, at, end);
    if (rc < 0)
        return STEP_REFUSED;
    if (!has_cr && !(parse->lenient & HTTP1_LENIENT_BARE_LF)) {
        refuse(parse, HTTP1_FAULT_BARE_LF, feed);
        return STEP_REFUSED;
    }
    if (empty && scan->started)
        return STEP_END;
    scan->started |= !skipped;
    return STEP_NEXT;
}

/* The line that starts at `line` has no end yet. */
static enum step judge_unfinished(struct parse *parse, struct http1_scan *scan,
                                  uint32_t most)
{
    if (!scan->started && parse->kind == HTTP1_REQUEST &&
        most - scan->line > REQUEST_LINE_MOST) {
        int rc = read_request_line(parse, scan->line,
                                   scan->line + REQUEST_LINE_MOST);
        assert(rc < 0);
        return rc < 0 ? STEP_REFUSED : STEP_MORE;
    }
    if (most < HTTP1_HEAD_MOST)
        return STEP_MORE;
    refuse(parse, HTTP1_FAULT_HEAD_LONG, HTTP1_HEAD_MOST);
    return STEP_REFUSED;
}

/* Read on from where the scan stopped. At STEP_END scan->seen is the length
 * of the head. */
static enum step read_lines(struct parse *parse, struct http1_scan *scan,
                            size_t len)
{
    uint32_t most = len < HTTP1_HEAD_MOST ? (uint32_t)len : HTTP1_HEAD_MOST;
    enum step step = STEP_NEXT;
    while (step == STEP_NEXT) {
        const char *feed =
            memchr(parse->bytes + scan->seen, '\n', most - scan->seen);
        if (!feed) {
            scan->seen = most;
            return judge_unfinished(parse, scan, most);
        }
        uint32_t end = (uint32_t)(feed - parse->bytes);
        step = read_line(parse, scan, scan->line, end);
        scan->seen = scan->line = end + 1;
    }
    return step;
}

static void scan_restart(struct http1_scan *scan)
{
    *scan = (struct http1_scan){.lenient = scan->lenient};
}

/* The fields are many and are written before they are read. */
static void head_clear(struct http1_head *head, enum http1_kind kind)
{
    memset(head, 0, offsetof(struct http1_head, fields));
    head->kind = kind;
}

/* Go on with a head of which some lines were judged in earlier calls. What
 * they said is gone with the head that the caller had then, but they are
 * good: at the end they are read once more, in one go. */
static enum step resume(struct parse *parse, struct http1_scan *scan,
                        size_t len)
{
    struct http1_head *out = parse->out;
    if (scan->fields) {
        /* A fold may look at the field before it. */
        out->fields_count = scan->fields;
        out->fields[scan->fields - 1] = (struct http1_field){0};
    }
    enum step step = read_lines(parse, scan, len);
    if (step != STEP_END)
        return step;
    head_clear(out, parse->kind);
    scan_restart(scan);
    return read_lines(parse, scan, len);
}

ssize_t http1_head_read(struct http1_scan *scan, enum http1_kind kind,
                        const char *request_method, const char *bytes,
                        size_t len, struct http1_head *out,
                        struct http1_fault *fault)
{
    struct parse parse = {bytes, kind, scan->lenient, out, fault};
    assert(scan->seen <= len);
    if (scan->seen == len)
        return 0;
    head_clear(out, kind);
    enum step step =
        scan->line ? resume(&parse, scan, len) : read_lines(&parse, scan, len);
    scan->fields = (uint16_t)out->fields_count;
    if (step != STEP_END)
        return step == STEP_MORE ? 0 : -1;
    uint32_t used = scan->seen;
    scan_restart(scan);
    return decide(&parse, request_method) < 0 ? -1 : (ssize_t)used;
}

const struct http1_field *http1_field(const struct http1_head *head,
                                      const char *bytes, const char *name,
                                      const struct http1_field *after)
{
    size_t len = strlen(name);
    const struct http1_field *end = head->fields + head->fields_count;
    for (const struct http1_field *field = after ? after + 1 : head->fields;
         field < end; field++)
        if (field->name.len == len &&
            !strncasecmp(bytes + field->name.at, name, len))
            return field;
    return NULL;
}
