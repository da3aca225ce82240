/* SPDX-License-Identifier: MIT */
#include "proxy/websocket.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum {
    FIN = 0x80,
    RSV1 = 0x40,
    RSV = 0x70,
    OPCODE = 0x0f,
    MASK = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    INFLATE_PIECE = 16 * 1024,
    /* A message that would grow beyond this many times what is kept of it is
     * a bomb: its rest would cost us time only. */
    BOMB = 64, /* times as much as is kept, but of that at least a MiB */
    BOMB_LEAST = 1024 * 1024,
};

const char *websocket_opcode_name(enum websocket_opcode opcode)
{
    switch (opcode) {
    case WEBSOCKET_CONTINUATION:
        return "continuation";
    case WEBSOCKET_TEXT:
        return "text";
    case WEBSOCKET_BINARY:
        return "binary";
    case WEBSOCKET_CLOSE:
        return "close";
    case WEBSOCKET_PING:
        return "ping";
    case WEBSOCKET_PONG:
        return "pong";
    }
    return "reserved";
}

/* ---- the handshake ------------------------------------------------------- */

/* The next word of a list, without spaces; its length. */
static size_t word(const char **at, const char *ends)
{
    *at += strspn(*at, " \t");
    size_t len = strcspn(*at, ends);
    while (len && ((*at)[len - 1] == ' ' || (*at)[len - 1] == '\t'))
        len--;
    return len;
}

static bool is_word(const char *at, size_t len, const char *name)
{
    return len == strlen(name) && !strncasecmp(at, name, len);
}

static void take_parameter(struct websocket_deal *deal, const char *at,
                           size_t len)
{
    if (is_word(at, len, "client_no_context_takeover"))
        deal->victim_resets = true;
    else if (is_word(at, len, "server_no_context_takeover"))
        deal->server_resets = true;
    else if (!is_word(at, len, "client_max_window_bits") &&
             !is_word(at, len, "server_max_window_bits"))
        deal->other = true;
}

void websocket_deal_read(struct websocket_deal *deal, const char *extensions)
{
    *deal = (struct websocket_deal){0};
    const char *at = extensions ? extensions : "";
    while (*at) {
        size_t len = word(&at, ",;");
        if (is_word(at, len, "permessage-deflate") && !deal->deflates)
            deal->deflates = true;
        else if (len)
            deal->other = true;
        at += strcspn(at, ",;");
        while (*at == ';') {
            at++;
            len = word(&at, ",;=");
            take_parameter(deal, at, len);
            at += strcspn(at, ",;");
        }
        at += *at == ',';
    }
}

/* ---- life ---------------------------------------------------------------- */

void websocket_open(struct websocket_reader *reader,
                    const struct websocket_deal *deal, bool from_victim,
                    size_t most)
{
    *reader = (struct websocket_reader){
        .masked = from_victim,
        .deflates = deal->deflates,
        .resets = from_victim ? deal->victim_resets : deal->server_resets,
        .most = most,
    };
}

void websocket_close(struct websocket_reader *reader)
{
    if (reader->zlib_open)
        inflateEnd(&reader->zlib);
    reader->zlib_open = false;
    buf_free(&reader->data);
}

/* ---- messages ------------------------------------------------------------ */

static int keep(struct websocket_reader *reader, const uint8_t *bytes,
                size_t len)
{
    size_t room = reader->most - buf_len(&reader->data);
    reader->cut |= len > room;
    return buf_append(&reader->data, bytes, len < room ? len : room);
}

/* 0, or -1 with a sentence. */
static int inflate_piece(struct websocket_reader *reader, const uint8_t *bytes,
                         size_t len, const char **why)
{
    uint8_t out[INFLATE_PIECE];
    z_stream *zlib = &reader->zlib;
    assert(len <= INFLATE_PIECE);
    if (!reader->zlib_open && inflateInit2(zlib, -MAX_WBITS) != Z_OK) {
        *why = "memory is out";
        return -1;
    }
    reader->zlib_open = true;
    zlib->next_in = (Bytef *)(uintptr_t)bytes;
    zlib->avail_in = (uInt)len;
    do {
        zlib->next_out = out;
        zlib->avail_out = sizeof out;
        int rc = inflate(zlib, Z_SYNC_FLUSH);
        size_t got = sizeof out - zlib->avail_out;
        if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END) {
            *why = "the compressed message is damaged";
            return -1;
        }
        /* A block may say that it is the last one, and more may follow
         * (RFC 7692 7.2.3.4). */
        if (rc == Z_STREAM_END)
            inflateReset(zlib);
        reader->inflated += got;
        if (keep(reader, out, got)) {
            *why = "memory is out";
            return -1;
        }
        size_t most = reader->most > BOMB_LEAST ? reader->most : BOMB_LEAST;
        if (reader->inflated / BOMB > most) {
            *why = "the compressed message is a bomb";
            return -1;
        }
    } while (zlib->avail_in || !zlib->avail_out);
    return 0;
}

/* Bytes of a message, without their mask. */
static int take_data(struct websocket_reader *reader, const uint8_t *bytes,
                     size_t len, const char **why)
{
    if (reader->compressed)
        return inflate_piece(reader, bytes, len, why);
    if (!keep(reader, bytes, len))
        return 0;
    *why = "memory is out";
    return -1;
}

static int take_payload(struct websocket_reader *reader, const uint8_t *bytes,
                        size_t len, const char **why)
{
    uint8_t clear[INFLATE_PIECE];
    bool control = reader->opcode >= WEBSOCKET_CLOSE;
    while (len) {
        size_t some = len < sizeof clear ? len : sizeof clear;
        for (size_t i = 0; i < some; i++)
            clear[i] = bytes[i] ^ reader->mask[reader->mask_at++ & 3];
        if (control) {
            memcpy(reader->control + reader->control_len, clear, some);
            reader->control_len += (unsigned)some;
        } else if (take_data(reader, clear, some, why)) {
            return -1;
        }
        reader->left -= some;
        bytes += some;
        len -= some;
    }
    return 0;
}

/* ---- frames -------------------------------------------------------------- */

/* How long is the head that begins so? */
static unsigned head_wants(const struct websocket_reader *reader)
{
    unsigned wants = 2;
    if (reader->head_len < 2)
        return wants;
    unsigned length = reader->head[1] & LENGTH;
    wants += length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    return wants + (reader->head[1] & MASK ? 4 : 0);
}

/* RFC 6455 5.2, 5.4, 5.5; NULL when all is well. */
static const char *wrong_with_frame(const struct websocket_reader *reader)
{
    unsigned opcode = reader->head[0] & OPCODE, rsv = reader->head[0] & RSV;
    bool control = opcode >= WEBSOCKET_CLOSE;
    if ((opcode > WEBSOCKET_BINARY && !control) || opcode > WEBSOCKET_PONG)
        return "a frame has an opcode that is reserved (RFC 6455 5.2)";
    if (!!(reader->head[1] & MASK) != reader->masked)
        return reader->masked
                   ? "a frame of the client is not masked (RFC 6455 5.1)"
                   : "a frame of the server is masked (RFC 6455 5.1)";
    if (control && (!(reader->head[0] & FIN) ||
                    (reader->head[1] & LENGTH) > WEBSOCKET_CONTROL_MOST))
        return "a control frame is fragmented or too long (RFC 6455 5.5)";
    bool first = opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY;
    if (rsv & ~(unsigned)RSV1 || (rsv && !(reader->deflates && first)))
        return "a reserved bit is set that nobody agreed on (RFC 6455 5.2)";
    if (!control && first == reader->open)
        return first ? "a message begins inside another (RFC 6455 5.4)"
                     : "a continuation of no message (RFC 6455 5.4)";
    return NULL;
}

static uint64_t payload_length(const struct websocket_reader *reader)
{
    unsigned length = reader->head[1] & LENGTH;
    unsigned bytes = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    if (!bytes)
        return length;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | reader->head[2 + i];
    return value;
}

/* The head is whole. NULL, or what is wrong with it. */
static const char *begin_payload(struct websocket_reader *reader)
{
    const char *wrong = wrong_with_frame(reader);
    if (wrong)
        return wrong;
    reader->opcode = reader->head[0] & OPCODE;
    reader->final = reader->head[0] & FIN;
    reader->left = payload_length(reader);
    if (reader->left >> 63)
        return "a frame is longer than 63 bits can say (RFC 6455 5.2)";
    reader->mask_at = 0;
    memset(reader->mask, 0, sizeof reader->mask);
    if (reader->masked)
        memcpy(reader->mask, reader->head + reader->head_len - 4, 4);
    reader->in_payload = true;
    reader->control_len = 0;
    if (reader->opcode >= WEBSOCKET_CLOSE)
        return NULL;
    if (reader->opcode != WEBSOCKET_CONTINUATION) {
        reader->kind = reader->opcode;
        reader->compressed = reader->head[0] & RSV1;
        reader->open = true;
        reader->cut = false;
        reader->wire = reader->inflated = 0;
        buf_clear(&reader->data);
    }
    reader->wire += reader->left;
    return NULL;
}

/* 0, or -1 with a sentence. */
static int end_message(struct websocket_reader *reader,
                       struct websocket_message *message, const char **why)
{
    static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 7.2.2 */
    if (reader->compressed) {
        if (inflate_piece(reader, tail, sizeof tail, why))
            return -1;
        if (reader->resets)
            inflateReset(&reader->zlib);
    }
    reader->open = false;
    *message = (struct websocket_message){
        .opcode = reader->kind,
        .bytes = buf_head(&reader->data),
        .len = buf_len(&reader->data),
        .size = reader->compressed ? reader->inflated : reader->wire,
        .cut = reader->cut,
        .compressed = reader->compressed,
        .wire = reader->wire,
    };
    return 0;
}

static enum websocket_step end_frame(struct websocket_reader *reader,
                                     struct websocket_message *message,
                                     const char **why)
{
    reader->in_payload = false;
    reader->head_len = 0;
    if (reader->opcode >= WEBSOCKET_CLOSE) {
        *message = (struct websocket_message){
            .opcode = reader->opcode,
            .bytes = reader->control,
            .len = reader->control_len,
            .size = reader->control_len,
            .wire = reader->control_len,
        };
        return WEBSOCKET_CONTROL;
    }
    if (!reader->final)
        return WEBSOCKET_FRAME;
    return end_message(reader, message, why) ? WEBSOCKET_FAULT
                                             : WEBSOCKET_MESSAGE;
}

enum websocket_step websocket_feed(struct websocket_reader *reader,
                                   const void *bytes, size_t len, size_t *used,
                                   struct websocket_message *message,
                                   const char **why)
{
    const uint8_t *from = bytes;
    for (*used = 0;;) {
        if (reader->in_payload) {
            size_t some = len - *used;
            if (some > reader->left)
                some = (size_t)reader->left;
            if (take_payload(reader, from + *used, some, why))
                return WEBSOCKET_FAULT;
            *used += some;
            return reader->left ? WEBSOCKET_MORE
                                : end_frame(reader, message, why);
        }
        while (reader->head_len < head_wants(reader) && *used < len)
            reader->head[reader->head_len++] = from[(*used)++];
        if (reader->head_len < head_wants(reader))
            return WEBSOCKET_MORE;
        *why = begin_payload(reader);
        if (*why)
            return WEBSOCKET_FAULT;
    }
}

/* ---- writing ------------------------------------------------------------- */

int websocket_write(struct buf *out, enum websocket_opcode opcode,
                    const void *bytes, size_t len, const uint8_t *mask)
{
    uint8_t head[WEBSOCKET_HEAD_MOST] = {(uint8_t)(FIN | opcode)};
    unsigned at = 2, wide = len < LENGTH_16 ? 0 : len < 0x10000 ? 2 : 8;
    head[1] = (uint8_t)(wide == 0 ? len : wide == 2 ? LENGTH_16 : LENGTH_64);
    for (unsigned i = 0; i < wide; i++)
        head[at++] = (uint8_t)((uint64_t)len >> 8 * (wide - 1 - i));
    if (mask) {
        head[1] |= MASK;
        memcpy(head + at, mask, 4);
        at += 4;
    }
    uint8_t *to = buf_reserve(out, at + len);
    if (!to)
        return -1;
    memcpy(to, head, at);
    for (size_t i = 0; i < len; i++)
        to[at + i] = ((const uint8_t *)bytes)[i] ^ (mask ? mask[i & 3] : 0);
    buf_filled(out, at + len);
    return 0;
}
