/* SPDX-License-Identifier: MIT
 *
 * The body of a message: a length, chunks with a trailer, or everything until
 * the connection closes. Keeps no bytes: chunk framing is a machine with one
 * state a byte, so it may be split anywhere. */
#include "proxy/http1.h"
#include "proxy/http1_parts.h"

#include <assert.h>
#include <string.h>

enum { EXTENSIONS_MOST = 16 * 1024 };

enum state {
    CHUNK_START,   /* first digit of a size */
    CHUNK_SIZE,    /* further digits, then ; or the end of the line */
    EXT_NAME,      /* behind ; */
    EXT_NAME_MORE, /* in the name */
    EXT_VALUE,     /* behind = */
    EXT_TOKEN,     /* in a token */
    EXT_QUOTED,    /* in "text" */
    EXT_ESCAPED,   /* behind a backslash */
    EXT_CLOSED,    /* behind the closing quote */
    EXT_JUNK,      /* lenient: anything */
    SIZE_LF,       /* the LF after a size line */
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* first byte of a trailer line */
    TRAILER_NAME,
    TRAILER_COLON, /* lenient: white space before the colon */
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF, /* the LF of the last, empty line */
};

/* RFC 9110 6.5.1: too late for what frames, routes or ends a message. */
static const char *const framing_names[] = {
    "transfer-encoding",
    "content-length",
    "host",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "content-encoding",
    "content-range",
    "expect",
    "keep-alive",
    "proxy-connection",
};
enum { FRAMING_NAMES = sizeof framing_names / sizeof *framing_names };

void http1_body_init(struct http1_body *body, const struct http1_head *head,
                     unsigned lenient)
{
    *body = (struct http1_body){
        .framing = head->framing,
        .left = head->framing == HTTP1_LENGTH ? head->length : 0,
        .state = CHUNK_START,
        .lenient = lenient,
    };
    body->done = head->framing == HTTP1_NONE ||
                 (head->framing == HTTP1_LENGTH && !head->length);
}

/* What is wrong with the byte that was read, or FINE. */
enum { FINE = HTTP1_FAULTS };

static int to_state(struct http1_body *body, enum state state)
{
    body->state = (int)state;
    return FINE;
}

static bool lenient(const struct http1_body *body, unsigned bit)
{
    return body->lenient & bit;
}

/* A line that ended: CR is followed by LF, and LF alone is a leniency.
 * `after_lf` does what the end of the line means. */
static int line_end(struct http1_body *body, char c, enum state lf_state,
                    int (*after_lf)(struct http1_body *body))
{
    if (c == '\r')
        return to_state(body, lf_state);
    if (lenient(body, HTTP1_LENIENT_BARE_LF))
        return after_lf(body);
    return HTTP1_FAULT_BARE_LF;
}

static bool ends_line(char c)
{
    return c == '\r' || c == '\n';
}

/* ---- chunk size and extensions --------------------------------------------
 */

static int after_size(struct http1_body *body)
{
    return to_state(body, body->left ? DATA : TRAILER_START);
}

static int size_end(struct http1_body *body, char c)
{
    return line_end(body, c, SIZE_LF, after_size);
}

static int take_digit(struct http1_body *body, char c)
{
    uint64_t digit = char_is(c, CHAR_DIGIT)
                         ? (uint64_t)(c - '0')
                         : (uint64_t)(char_lower(c) - 'a') + 10;
    /* 16 digits at most: more are zeros in front, or too many bytes. */
    if (++body->line > 16 || body->left > (uint64_t)INT64_MAX >> 4)
        return HTTP1_FAULT_CHUNK_HUGE;
    body->left = body->left << 4 | digit;
    return to_state(body, CHUNK_SIZE);
}

static int step_chunk_start(struct http1_body *body, char c)
{
    if (!char_is(c, CHAR_HEX))
        return HTTP1_FAULT_CHUNK_SIZE;
    body->left = 0;
    body->line = 0;
    return take_digit(body, c);
}

static int step_chunk_size(struct http1_body *body, char c)
{
    if (char_is(c, CHAR_HEX))
        return take_digit(body, c);
    if (ends_line(c))
        return size_end(body, c);
    if (lenient(body, HTTP1_LENIENT_CHUNK_EXT))
        return to_state(body, EXT_JUNK);
    return c == ';' ? to_state(body, EXT_NAME) : HTTP1_FAULT_CHUNK_SIZE;
}

/* Count a byte of an extension, which costs the sender nothing and every
 * reader time: RFC 9112 7.1.1 asks for a limit over the whole message. */
static int in_extension(struct http1_body *body, enum state state)
{
    if (++body->extras > EXTENSIONS_MOST)
        return HTTP1_FAULT_CHUNK_EXT_LONG;
    return to_state(body, state);
}

static int step_ext_name(struct http1_body *body, char c)
{
    if (!char_is(c, CHAR_TOKEN))
        return HTTP1_FAULT_CHUNK_EXT;
    return in_extension(body, EXT_NAME_MORE);
}

/* Behind a complete name or value: another extension, or the end. The white
 * space that the grammar would let pass here (BWS) is refused, because
 * nobody sends it and parsers disagree about it. */
static int ext_end(struct http1_body *body, char c)
{
    if (c == ';')
        return in_extension(body, EXT_NAME);
    return ends_line(c) ? size_end(body, c) : HTTP1_FAULT_CHUNK_EXT;
}

static int step_ext_name_more(struct http1_body *body, char c)
{
    if (char_is(c, CHAR_TOKEN))
        return in_extension(body, EXT_NAME_MORE);
    return c == '=' ? in_extension(body, EXT_VALUE) : ext_end(body, c);
}

static int step_ext_value(struct http1_body *body, char c)
{
    if (c == '"')
        return in_extension(body, EXT_QUOTED);
    return char_is(c, CHAR_TOKEN) ? in_extension(body, EXT_TOKEN)
                                  : HTTP1_FAULT_CHUNK_EXT;
}

static int step_ext_token(struct http1_body *body, char c)
{
    return char_is(c, CHAR_TOKEN) ? in_extension(body, EXT_TOKEN)
                                  : ext_end(body, c);
}

static int step_ext_quoted(struct http1_body *body, char c)
{
    if (c == '"')
        return in_extension(body, EXT_CLOSED);
    if (c == '\\')
        return in_extension(body, EXT_ESCAPED);
    return char_is(c, CHAR_QUOTED) ? in_extension(body, EXT_QUOTED)
                                   : HTTP1_FAULT_CHUNK_EXT;
}

static int step_ext_escaped(struct http1_body *body, char c)
{
    return char_is(c, CHAR_VALUE) ? in_extension(body, EXT_QUOTED)
                                  : HTTP1_FAULT_CHUNK_EXT;
}

static int step_ext_closed(struct http1_body *body, char c)
{
    return ext_end(body, c);
}

static int step_ext_junk(struct http1_body *body, char c)
{
    return ends_line(c) ? size_end(body, c) : in_extension(body, EXT_JUNK);
}

static int step_size_lf(struct http1_body *body, char c)
{
    return c == '\n' ? after_size(body) : HTTP1_FAULT_BARE_CR;
}

/* ---- the end of the data ---------------------------------------------------
 */

static int after_data(struct http1_body *body)
{
    return to_state(body, CHUNK_START);
}

static int step_data_cr(struct http1_body *body, char c)
{
    if (!ends_line(c))
        return HTTP1_FAULT_CHUNK_END;
    return line_end(body, c, DATA_LF, after_data);
}

static int step_data_lf(struct http1_body *body, char c)
{
    return c == '\n' ? after_data(body) : HTTP1_FAULT_BARE_CR;
}

/* ---- trailer ----------------------------------------------------------------
 */

static int after_end(struct http1_body *body)
{
    body->done = true;
    return FINE;
}

static int after_trailer(struct http1_body *body)
{
    return to_state(body, TRAILER_START);
}

/* Strike out the forbidden names that do not continue with `c`. The name
 * itself is not kept. */
static void match_name(struct http1_body *body, char c)
{
    uint32_t still = 0;
    for (unsigned i = 0; i < FRAMING_NAMES; i++)
        if (body->names >> i & 1 && framing_names[i][body->line] == c)
            still |= 1u << i;
    body->names = still;
    body->line++;
}

static bool name_is_framing(const struct http1_body *body)
{
    for (unsigned i = 0; i < FRAMING_NAMES; i++)
        if (body->names >> i & 1 && !framing_names[i][body->line])
            return true;
    return false;
}

static int name_char(struct http1_body *body, char c)
{
    /* Names that still match are longer than body->line. */
    if (body->names)
        match_name(body, char_lower(c));
    return to_state(body, TRAILER_NAME);
}

static int step_trailer_start(struct http1_body *body, char c)
{
    body->names = (1u << FRAMING_NAMES) - 1;
    body->line = 0;
    if (ends_line(c))
        return line_end(body, c, END_LF, after_end);
    if (c == ' ' || c == '\t') {
        if (!body->fields)
            return HTTP1_FAULT_FIRST_SPACE;
        return lenient(body, HTTP1_LENIENT_OBS_FOLD)
                   ? to_state(body, TRAILER_VALUE)
                   : HTTP1_FAULT_OBS_FOLD;
    }
    if (++body->fields > HTTP1_FIELDS_MOST)
        return HTTP1_FAULT_TRAILERS_MANY;
    if (c == ':')
        return HTTP1_FAULT_NAME_EMPTY;
    return char_is(c, CHAR_TOKEN) ? name_char(body, c) : HTTP1_FAULT_NAME_CHAR;
}

static int step_trailer_colon(struct http1_body *body, char c)
{
    if (c == ':')
        return name_is_framing(body) ? HTTP1_FAULT_TRAILER_FRAMING
                                     : to_state(body, TRAILER_VALUE);
    if (c == ' ' || c == '\t')
        return lenient(body, HTTP1_LENIENT_SPACE_COLON)
                   ? to_state(body, TRAILER_COLON)
                   : HTTP1_FAULT_SPACE_COLON;
    return ends_line(c) ? HTTP1_FAULT_NO_COLON : HTTP1_FAULT_NAME_CHAR;
}

static int step_trailer_name(struct http1_body *body, char c)
{
    return char_is(c, CHAR_TOKEN) ? name_char(body, c)
                                  : step_trailer_colon(body, c);
}

static int step_trailer_value(struct http1_body *body, char c)
{
    if (ends_line(c))
        return line_end(body, c, TRAILER_LF, after_trailer);
    return char_is(c, CHAR_VALUE) ? FINE : (int)http1_value_fault(c);
}

static int step_trailer_lf(struct http1_body *body, char c)
{
    return c == '\n' ? after_trailer(body) : HTTP1_FAULT_BARE_CR;
}

static int step_end_lf(struct http1_body *body, char c)
{
    return c == '\n' ? after_end(body) : HTTP1_FAULT_BARE_CR;
}

static int (*const steps[])(struct http1_body *body, char c) = {
    [CHUNK_START] = step_chunk_start,
    [CHUNK_SIZE] = step_chunk_size,
    [EXT_NAME] = step_ext_name,
    [EXT_NAME_MORE] = step_ext_name_more,
    [EXT_VALUE] = step_ext_value,
    [EXT_TOKEN] = step_ext_token,
    [EXT_QUOTED] = step_ext_quoted,
    [EXT_ESCAPED] = step_ext_escaped,
    [EXT_CLOSED] = step_ext_closed,
    [EXT_JUNK] = step_ext_junk,
    [SIZE_LF] = step_size_lf,
    [DATA] = NULL, /* the only state that is not read byte by byte */
    [DATA_CR] = step_data_cr,
    [DATA_LF] = step_data_lf,
    [TRAILER_START] = step_trailer_start,
    [TRAILER_NAME] = step_trailer_name,
    [TRAILER_COLON] = step_trailer_colon,
    [TRAILER_VALUE] = step_trailer_value,
    [TRAILER_LF] = step_trailer_lf,
    [END_LF] = step_end_lf,
};

/* ---- reading
 * ------------------------------------------------------------------ */

/* Read framing until data begins, the body ends or the bytes do. */
static ssize_t read_framing(struct http1_body *body, const char *bytes,
                            size_t len, struct http1_fault *fault)
{
    size_t at = 0;
    while (at < len && !body->done && body->state != DATA) {
        int wrong = steps[body->state](body, bytes[at]);
        if (wrong == FINE && body->state >= TRAILER_NAME &&
            body->state <= TRAILER_LF && ++body->trailer > HTTP1_HEAD_MOST)
            wrong = HTTP1_FAULT_TRAILER_LONG;
        if (wrong != FINE)
            return http1_refuse(fault, (enum http1_fault_id)wrong,
                                body->offset + at);
        at++;
        if (body->state == TRAILER_START && !body->trailer_at)
            body->trailer_at = body->offset + at;
    }
    return (ssize_t)at;
}

/* The last byte of the content, or of a chunk, was taken. */
static void end_data(struct http1_body *body)
{
    if (!body->left && body->framing == HTTP1_LENGTH)
        body->done = true;
    if (!body->left && body->state == DATA)
        body->state = DATA_CR;
}

static size_t take_data(struct http1_body *body, size_t at, size_t len,
                        struct span *data)
{
    size_t most = len - at;
    if (body->framing == HTTP1_LENGTH || body->framing == HTTP1_CHUNKED) {
        if (most > body->left)
            most = (size_t)body->left;
        body->left -= most;
    }
    *data = (struct span){(uint32_t)at, (uint32_t)most};
    return most;
}

/* A span holds 32 bits, so take no more than this in one call. */
enum { READ_MOST = 1 << 30 };

ssize_t http1_body_read(struct http1_body *body, const char *bytes, size_t len,
                        struct span *data, struct http1_fault *fault)
{
    *data = (struct span){0, 0};
    if (body->done || !len)
        return 0;
    if (len > READ_MOST)
        len = READ_MOST;
    size_t used = 0;
    if (body->framing == HTTP1_CHUNKED) {
        /* A refusal must leave the body where it was. */
        struct http1_body next = *body;
        ssize_t framing = read_framing(&next, bytes, len, fault);
        if (framing < 0)
            return -1;
        *body = next;
        used = (size_t)framing;
    }
    if (body->framing != HTTP1_CHUNKED || body->state == DATA)
        used += take_data(body, used, len, data);
    body->offset += used;
    end_data(body);
    return (ssize_t)used;
}

uint64_t http1_body_blind(const struct http1_body *body)
{
    if (body->framing == HTTP1_TO_CLOSE)
        return UINT64_MAX;
    bool data = body->framing == HTTP1_LENGTH ||
                (body->framing == HTTP1_CHUNKED && body->state == DATA);
    return data && !body->done ? body->left : 0;
}

void http1_body_skip(struct http1_body *body, uint64_t len)
{
    assert(len <= http1_body_blind(body));
    body->offset += len;
    if (body->framing == HTTP1_TO_CLOSE)
        return;
    body->left -= len;
    end_data(body);
}
