/* SPDX-License-Identifier: MIT
 *
 * One direction of a WebSocket conversation (RFC 6455): frames in, messages
 * out; and one message back into a frame. With permessage-deflate (RFC 7692)
 * messages are shown inflated. Pure: bytes come from the caller and nothing is
 * sent from here. */
#ifndef PROXY_WEBSOCKET_H
#define PROXY_WEBSOCKET_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum { WEBSOCKET_CONTROL_MOST = 125, WEBSOCKET_HEAD_MOST = 14 };

/* What both sides agreed on in their handshake. */
struct websocket_deal {
    bool deflates;      /* permessage-deflate */
    bool other;         /* an extension that we cannot read: frames may be
                           anything, so nobody should look at them */
    bool victim_resets; /* client_no_context_takeover */
    bool server_resets; /* server_no_context_takeover */
};

/* The value of the response's Sec-WebSocket-Extensions (NULL: none). */
void websocket_deal_read(struct websocket_deal *deal, const char *extensions);

/* One whole message, or one control frame. */
struct websocket_message {
    enum websocket_opcode opcode; /* never CONTINUATION */
    const uint8_t *bytes;         /* inflated; until the next feed */
    size_t len;
    uint64_t size;   /* all of it, inflated */
    bool cut;        /* there was more, over the reader's limit */
    bool compressed; /* how it came */
    uint64_t wire;   /* payload bytes of its frames */
};

struct websocket_reader {
    bool masked; /* this direction's frames must be; the other's must not */
    bool deflates, resets;
    size_t most; /* bytes of a message that are kept */

    /* The frame under way. */
    uint8_t head[WEBSOCKET_HEAD_MOST];
    unsigned head_len;
    bool in_payload, final;
    enum websocket_opcode opcode;
    uint64_t left;
    uint8_t mask[4];
    unsigned mask_at;

    /* The message under way; control frames may come in between. */
    bool open, compressed, cut;
    enum websocket_opcode kind;
    uint64_t wire, inflated;
    struct buf data;
    uint8_t control[WEBSOCKET_CONTROL_MOST];
    unsigned control_len;

    z_stream zlib;
    bool zlib_open;
};

enum websocket_step {
    WEBSOCKET_MORE,    /* all bytes are used, and a frame goes on */
    WEBSOCKET_FRAME,   /* a frame ends that is not the last of its message */
    WEBSOCKET_MESSAGE, /* a message ends */
    WEBSOCKET_CONTROL, /* a control frame ends */
    WEBSOCKET_FAULT,   /* RFC 6455 7.1.7: fail the connection */
};

/* Zero-initialised apart from this. `from_victim` decides about masks. */
void websocket_open(struct websocket_reader *reader,
                    const struct websocket_deal *deal, bool from_victim,
                    size_t most);
void websocket_close(struct websocket_reader *reader);

/* Read up to the end of a frame. *used bytes of it were taken (all of them
 * for MORE). `message` is set for MESSAGE and CONTROL, `why` for FAULT. */
enum websocket_step websocket_feed(struct websocket_reader *reader,
                                   const void *bytes, size_t len, size_t *used,
                                   struct websocket_message *message,
                                   const char **why);

/* Append one unfragmented, uncompressed frame. `mask` has four bytes, or is
 * NULL for a frame of the server's. 0, or -1 when memory is out. */
int websocket_write(struct buf *out, enum websocket_opcode opcode,
                    const void *bytes, size_t len, const uint8_t *mask);

/* "text", "binary", "close", "ping", "pong" */
const char *websocket_opcode_name(enum websocket_opcode opcode);

#endif
