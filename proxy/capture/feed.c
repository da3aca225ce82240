/* SPDX-License-Identifier: MIT
 *
 * Both ends of the socket between the process that sees frames and the one
 * that writes them. */
#include "proxy/capture/feed.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* In front of every message; `number` is that of a sync. */
struct header {
    uint32_t kind; /* enum feed_kind */
    uint32_t zero;
    uint64_t number;
};

struct interface_head {
    uint32_t link, snaplen;
};

struct drops {
    uint32_t interface, zero;
    uint64_t received, dropped;
};

static size_t pad8(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

int feed_pair(int out_ends[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out_ends)) {
        err_errno(err, "make the socket of the capture");
        return -1;
    }
    /* Room for several batches; the kernel may give less, which is enough. */
    int room = 4 << 20;
    for (int i = 0; i < 2; i++)
        setsockopt(out_ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return 0;
}

/* Blocks until the writer takes it, also on a non-blocking socket. */
static int send_whole(int fd, const void *bytes, size_t len)
{
    for (;;) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent == (ssize_t)len)
            return 0;
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (sent == -1 && errno == EAGAIN)
            poll(&room, 1, -1);
        else if (sent != -1 || errno != EINTR)
            return -1;
    }
}

/* ---- the feeder's end ---------------------------------------------------- */

void feed_init(struct feed *feed, int fd)
{
    *feed = (struct feed){.fd = fd};
}

void feed_close(struct feed *feed)
{
    buf_free(&feed->batch);
}

int feed_flush(struct feed *feed)
{
    if (!buf_len(&feed->batch))
        return 0;
    int rc =
        send_whole(feed->fd, buf_head(&feed->batch), buf_len(&feed->batch));
    buf_clear(&feed->batch);
    return rc;
}

static int send_message(struct feed *feed, enum feed_kind kind, uint64_t number,
                        const void *body, size_t len)
{
    uint8_t message[sizeof(struct header) + sizeof(struct interface_head) +
                    2 * FEED_TEXT_MOST];
    struct header header = {.kind = kind, .number = number};
    if (feed_flush(feed) || len > sizeof message - sizeof header)
        return -1;
    memcpy(message, &header, sizeof header);
    if (len)
        memcpy(message + sizeof header, body, len);
    return send_whole(feed->fd, message, sizeof header + len);
}

/* Copies a text with its NUL; returns the length of both. */
static size_t put_text(uint8_t *to, const char *text)
{
    size_t len = text ? strnlen(text, FEED_TEXT_MOST - 1) : 0;
    if (len)
        memcpy(to, text, len);
    to[len] = '\0';
    return len + 1;
}

int feed_interface(struct feed *feed, const struct feed_interface *interface)
{
    uint8_t body[sizeof(struct interface_head) + 2 * FEED_TEXT_MOST];
    struct interface_head head = {interface->link, interface->snaplen};
    size_t len = sizeof head;
    memcpy(body, &head, sizeof head);
    len += put_text(body + len, interface->name);
    len += put_text(body + len, interface->description);
    return send_message(feed, FEED_INTERFACE, 0, body, len);
}

static int append_padded(struct buf *batch, const void *bytes, size_t len)
{
    static const uint8_t zeros[7];
    return buf_append(batch, bytes, len) ||
                   buf_append(batch, zeros, pad8(len) - len)
               ? -1
               : 0;
}

int feed_frame(struct feed *feed, const struct feed_frame *frame,
               const void *bytes, const char *comment)
{
    static const struct header header = {.kind = FEED_FRAMES};
    struct feed_frame cut = *frame;
    if (cut.len > FEED_FRAME_MOST)
        cut.len = FEED_FRAME_MOST;
    cut.comment_len = comment ? (uint32_t)strnlen(comment, FEED_TEXT_MOST) : 0;
    struct buf *batch = &feed->batch;
    size_t len = sizeof cut + pad8(cut.len) + pad8(cut.comment_len);
    if (buf_len(batch) && buf_len(batch) + len > FEED_BATCH && feed_flush(feed))
        return -1;
    if ((!buf_len(batch) && buf_append(batch, &header, sizeof header)) ||
        buf_append(batch, &cut, sizeof cut) ||
        append_padded(batch, bytes, cut.len) ||
        append_padded(batch, comment, cut.comment_len))
        return -1;
    feed->sent++;
    return 0;
}

/* In messages of their own, among which a long line may be spread. */
int feed_events(struct feed *feed, const char *bytes, size_t len)
{
    static const struct header header = {.kind = FEED_EVENTS};
    int rc = feed_flush(feed);
    while (len && !rc) {
        size_t part = len < FEED_BATCH ? len : FEED_BATCH;
        if (buf_append(&feed->batch, &header, sizeof header) ||
            buf_append(&feed->batch, bytes, part))
            return -1;
        rc = feed_flush(feed);
        bytes += part;
        len -= part;
    }
    return rc;
}

int feed_sync(struct feed *feed, uint64_t number)
{
    return send_message(feed, FEED_SYNC, number, NULL, 0);
}

int feed_drops(struct feed *feed, uint32_t interface, uint64_t received,
               uint64_t dropped)
{
    struct drops drops = {interface, 0, received, dropped};
    return send_message(feed, FEED_DROPS, 0, &drops, sizeof drops);
}

int feed_trouble(struct feed *feed, const char *sentence)
{
    uint8_t text[FEED_TEXT_MOST];
    return send_message(feed, FEED_TROUBLE, 0, text, put_text(text, sentence));
}

int feed_end(struct feed *feed)
{
    return send_message(feed, FEED_END, 0, NULL, 0);
}

int feed_asked(struct feed *feed, uint64_t *out_sync)
{
    struct header header;
    ssize_t got = recv(feed->fd, &header, sizeof header, MSG_DONTWAIT);
    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got != sizeof header || header.kind != FEED_SYNC)
        return -1;
    *out_sync = header.number;
    return 1;
}

/* ---- the writer's end ---------------------------------------------------- */

int feed_ask(int fd, uint64_t number)
{
    struct header header = {.kind = FEED_SYNC, .number = number};
    return send_whole(fd, &header, sizeof header);
}

/* A text that ends inside the message, or NULL. */
static const char *take_text(const uint8_t **at, size_t *left)
{
    const uint8_t *end = *left ? memchr(*at, '\0', *left) : NULL;
    if (!end)
        return NULL;
    const char *text = (const char *)*at;
    *left -= (size_t)(end + 1 - *at);
    *at = end + 1;
    return text;
}

static int decode_interface(const uint8_t *body, size_t len,
                            const struct feed_handlers *handlers, void *context)
{
    struct interface_head head;
    if (len < sizeof head)
        return -1;
    memcpy(&head, body, sizeof head);
    body += sizeof head;
    len -= sizeof head;
    struct feed_interface interface = {.link = (uint16_t)head.link,
                                       .snaplen = head.snaplen};
    interface.name = take_text(&body, &len);
    interface.description = take_text(&body, &len);
    if (!interface.name || !interface.description)
        return -1;
    handlers->on_interface(context, &interface);
    return 0;
}

static int decode_frames(const uint8_t *body, size_t len,
                         const struct feed_handlers *handlers, void *context)
{
    while (len) {
        struct feed_frame frame;
        char comment[FEED_TEXT_MOST + 1] = "";
        if (len < sizeof frame)
            return -1;
        memcpy(&frame, body, sizeof frame);
        size_t bytes_len = pad8(frame.len);
        size_t comment_len = pad8(frame.comment_len);
        if (frame.len > FEED_FRAME_MOST || frame.comment_len > FEED_TEXT_MOST ||
            bytes_len + comment_len > len - sizeof frame)
            return -1;
        const uint8_t *bytes = body + sizeof frame;
        memcpy(comment, bytes + bytes_len, frame.comment_len);
        handlers->on_frame(context, &frame, bytes,
                           frame.comment_len ? comment : NULL);
        body = bytes + bytes_len + comment_len;
        len -= sizeof frame + bytes_len + comment_len;
    }
    return 0;
}

static int decode_drops(const uint8_t *body, size_t len,
                        const struct feed_handlers *handlers, void *context)
{
    struct drops drops;
    if (len != sizeof drops)
        return -1;
    memcpy(&drops, body, sizeof drops);
    handlers->on_drops(context, drops.interface, drops.received, drops.dropped);
    return 0;
}

static int decode_trouble(const uint8_t *body, size_t len,
                          const struct feed_handlers *handlers, void *context)
{
    const char *sentence = take_text(&body, &len);
    if (!sentence)
        return -1;
    handlers->on_trouble(context, sentence);
    return 0;
}

int feed_decode(const uint8_t *message, size_t len,
                const struct feed_handlers *handlers, void *context)
{
    struct header header;
    if (len < sizeof header)
        return -1;
    memcpy(&header, message, sizeof header);
    const uint8_t *body = message + sizeof header;
    len -= sizeof header;
    switch (header.kind) {
    case FEED_INTERFACE:
        return decode_interface(body, len, handlers, context);
    case FEED_FRAMES:
        return decode_frames(body, len, handlers, context);
    case FEED_EVENTS:
        if (handlers->on_events)
            handlers->on_events(context, (const char *)body, len);
        return 0;
    case FEED_DROPS:
        return decode_drops(body, len, handlers, context);
    case FEED_TROUBLE:
        return decode_trouble(body, len, handlers, context);
    case FEED_SYNC:
        handlers->on_sync(context, header.number);
        return 0;
    case FEED_END:
        handlers->on_end(context);
        return 0;
    }
    return -1;
}
