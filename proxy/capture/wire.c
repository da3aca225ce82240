/* SPDX-License-Identifier: MIT
 *
 * One lock around everything: frames get their times and their order in it. */
#include "proxy/capture/wire.h"

#include "proxy/capture/capture.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/packet.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEGMENT_MOST = 1440, KEY_MOST = 1024 };

struct wire {
    pthread_mutex_t lock;
    struct capture *capture;
    struct feed feed;
    struct buf frame; /* scratch */
    uint64_t last_ns;
    uint32_t next_seq;
    bool mute; /* the writer is gone */
};

/* ---- packets ------------------------------------------------------------- */

static uint64_t now_ns(struct wire *wire)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (ns <= wire->last_ns) /* times never run backwards in a capture */
        ns = wire->last_ns + 1;
    wire->last_ns = ns;
    return ns;
}

static bool is_v6(const union address *address)
{
    return address->any.sa_family == AF_INET6;
}

static void put_address(const union address *from, uint8_t to[16])
{
    if (is_v6(from))
        memcpy(to, &from->v6.sin6_addr, 16);
    else
        memcpy(to, &from->v4.sin_addr, 4);
}

static uint16_t port_of(const union address *address)
{
    return ntohs(is_v6(address) ? address->v6.sin6_port : address->v4.sin_port);
}

/* Ethernet addresses are made of the last bytes of the IP addresses. */
static void make_mac(const union address *of, uint8_t mac[6])
{
    uint8_t bytes[16] = {0};
    put_address(of, bytes);
    mac[0] = 0x02;
    mac[1] = 0x66;
    memcpy(mac + 2, bytes + (is_v6(of) ? 12 : 0), 4);
}

static void record(struct wire *wire, enum wire_interface interface,
                   uint32_t flags, const struct packet_segment *segment)
{
    if (wire->mute)
        return;
    buf_clear(&wire->frame);
    if (packet_build(&wire->frame, segment))
        return;
    struct feed_frame frame = {
        .time_ns = now_ns(wire), .interface = interface, .flags = flags};
    frame.len = frame.original = (uint32_t)buf_len(&wire->frame);
    wire->mute = feed_frame(&wire->feed, &frame, buf_head(&wire->frame), NULL);
}

/* One segment; `up` from the opener. */
static void say(struct wire_link *link, bool up, uint8_t flags,
                const void *payload, size_t len)
{
    /* Maximum segment size, window scale 8: room for 16 MB under way. */
    static const uint8_t options[] = {2, 4, 0x05, 0xa0, 1, 3, 3, 8};
    const union address *from = up ? link->opener : link->acceptor;
    const union address *to = up ? link->acceptor : link->opener;
    struct wire_way *way = up ? &link->up : &link->down;
    const struct wire_way *other = up ? &link->down : &link->up;
    struct packet_segment segment = {
        .v6 = is_v6(from),
        .src_port = port_of(from),
        .dst_port = port_of(to),
        .window = 65535,
        .id = (uint16_t)way->seq,
        .seq = way->seq,
        .ack = flags & PACKET_ACK ? other->seq : 0,
        .flags = flags,
        .options = options,
        .options_len = flags & PACKET_SYN ? sizeof options : 0,
        .payload = payload,
        .payload_len = len};
    put_address(from, segment.src);
    put_address(to, segment.dst);
    make_mac(from, segment.mac_src);
    make_mac(to, segment.mac_dst);
    /* On its leg the proxy accepts victims, and opens the way to servers. */
    bool ours = up == (link->interface == WIRE_SERVER);
    record(link->wire, link->interface, ours ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
           &segment);
    way->seq += (uint32_t)len + !!(flags & (PACKET_SYN | PACKET_FIN));
}

/* ---- a connection -------------------------------------------------------- */

void wire_dial(struct wire_link *link, struct wire *wire,
               enum wire_interface interface, const union address *opener,
               const union address *acceptor)
{
    if (!wire || is_v6(opener) != is_v6(acceptor))
        return;
    pthread_mutex_lock(&wire->lock);
    *link = (struct wire_link){.wire = wire,
                               .opener = opener,
                               .acceptor = acceptor,
                               .interface = interface,
                               .dials = true};
    link->up.seq = wire->next_seq += 0x10001;
    link->down.seq = wire->next_seq += 0x10001;
    say(link, true, PACKET_SYN, NULL, 0);
    pthread_mutex_unlock(&wire->lock);
}

/* Who has no connection has no sequence numbers either (RFC 9293 3.10.7.1). */
void wire_refused(struct wire_link *link)
{
    if (!link->dials)
        return;
    pthread_mutex_lock(&link->wire->lock);
    link->down.seq = 0;
    say(link, false, PACKET_RST | PACKET_ACK, NULL, 0);
    pthread_mutex_unlock(&link->wire->lock);
    *link = (struct wire_link){0};
}

void wire_begin(struct wire_link *link, struct wire *wire,
                enum wire_interface interface, const union address *opener,
                const union address *acceptor)
{
    if (!link->dials)
        wire_dial(link, wire, interface, opener, acceptor);
    if (!link->wire)
        return;
    pthread_mutex_lock(&wire->lock);
    link->dials = false;
    link->opener = opener;
    link->acceptor = acceptor;
    say(link, false, PACKET_SYN | PACKET_ACK, NULL, 0);
    say(link, true, PACKET_ACK, NULL, 0);
    pthread_mutex_unlock(&wire->lock);
}

void wire_data(struct wire_link *link, bool up, const void *bytes, size_t len)
{
    const struct wire_way *way = up ? &link->up : &link->down;
    if (!link->wire || link->dials || way->ended || !len)
        return;
    pthread_mutex_t *lock = &link->wire->lock;
    pthread_mutex_lock(lock);
    for (const uint8_t *from = bytes; len;) {
        size_t part = len < SEGMENT_MOST ? len : SEGMENT_MOST;
        say(link, up, PACKET_ACK | (part == len ? PACKET_PSH : 0), from, part);
        from += part;
        len -= part;
    }
    pthread_mutex_unlock(lock);
}

void wire_finish(struct wire_link *link, bool up)
{
    struct wire_way *way = up ? &link->up : &link->down;
    if (!link->wire || link->dials || way->ended)
        return;
    pthread_mutex_lock(&link->wire->lock);
    say(link, up, PACKET_FIN | PACKET_ACK, NULL, 0);
    if (link->up.ended || link->down.ended)
        say(link, !up, PACKET_ACK, NULL, 0);
    way->ended = true;
    pthread_mutex_unlock(&link->wire->lock);
}

void wire_reset(struct wire_link *link, bool up)
{
    if (!link->wire || link->dials || (link->up.ended && link->down.ended))
        return;
    pthread_mutex_lock(&link->wire->lock);
    say(link, up, PACKET_RST | PACKET_ACK, NULL, 0);
    link->up.ended = link->down.ended = true;
    pthread_mutex_unlock(&link->wire->lock);
}

/* ---- events -------------------------------------------------------------- */

/* The text of a tls.key event is hexadecimal: nothing in it is escaped. */
static bool take_secret(struct wire *wire, const char *line, size_t len)
{
    static const char kind[] = "\"kind\":\"tls.key\"", mark[] = "\"line\":\"";
    struct err err = ERR_INIT;
    char key[KEY_MOST];
    const char *at = memmem(line, len, kind, sizeof kind - 1);
    const char *from =
        at ? memmem(at, len - (size_t)(at - line), mark, sizeof mark - 1)
           : NULL;
    if (!from)
        return false;
    from += sizeof mark - 1;
    size_t left = len - (size_t)(from - line);
    const char *end = memchr(from, '"', left);
    if (!end || (size_t)(end - from) >= sizeof key)
        return false;
    memcpy(key, from, (size_t)(end - from));
    key[end - from] = '\0';
    if (capture_secret(wire->capture, key, &err))
        wire->mute = true;
    return true;
}

void wire_event(struct wire *wire, const char *line, size_t len)
{
    pthread_mutex_lock(&wire->lock);
    if (!take_secret(wire, line, len) && !wire->mute)
        wire->mute = feed_events(&wire->feed, line, len);
    pthread_mutex_unlock(&wire->lock);
}

/* ---- life ---------------------------------------------------------------- */

static int declare(struct wire *wire, struct err *err)
{
    static const struct feed_interface interfaces[WIRE_INTERFACES] = {
        {"victim", "synthetic (proxy view): between victims and the proxy",
         PCAPNG_LINK_ETHERNET, FEED_FRAME_MOST},
        {"server", "synthetic (proxy view): between the proxy and servers",
         PCAPNG_LINK_ETHERNET, FEED_FRAME_MOST},
    };
    for (unsigned i = 0; i < WIRE_INTERFACES; i++)
        if (feed_interface(&wire->feed, &interfaces[i])) {
            err_set(err, "the writer of the capture could not be started");
            return -1;
        }
    return 0;
}

int wire_open(const char *path, struct wire **out, struct err *err)
{
    struct wire *wire = calloc(1, sizeof *wire);
    struct capture_plan plan = {.path = path,
                                .comment = "mitmlab proxy",
                                .secrets = CAPTURE_SECRETS_ALL};
    if (!wire) {
        err_set(err, "start the capture: out of memory");
        return -1;
    }
    if (capture_start(&plan, &wire->capture, err)) {
        free(wire);
        return -1;
    }
    pthread_mutex_init(&wire->lock, NULL);
    wire->next_seq = 0x10000000;
    feed_init(&wire->feed, capture_feed_fd(wire->capture));
    if (declare(wire, err)) {
        struct err other = ERR_INIT;
        wire_close(wire, &other);
        return -1;
    }
    *out = wire;
    return 0;
}

void wire_flush(struct wire *wire)
{
    pthread_mutex_lock(&wire->lock);
    if (!wire->mute && feed_flush(&wire->feed))
        wire->mute = true;
    pthread_mutex_unlock(&wire->lock);
}

int wire_close(struct wire *wire, struct err *err)
{
    feed_end(&wire->feed); /* and all before it */
    int rc = capture_stop(wire->capture, NULL, err);
    feed_close(&wire->feed);
    buf_free(&wire->frame);
    pthread_mutex_destroy(&wire->lock);
    free(wire);
    return rc;
}
