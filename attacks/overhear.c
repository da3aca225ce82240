/* SPDX-License-Identifier: MIT
 *
 * A table of conversations, and per direction the next sequence number and a
 * finder of secrets. */
#include "attacks/overhear.h"

#include "proxy/capture/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A conversation may stand in one of WAYS slots of the set that its addresses
 * choose. */
enum { SETS = 128, WAYS = 8 };

struct direction {
    const struct stream *stream; /* whose direction it is, */
    int from;                    /* and which */
    bool heard;                  /* next is known */
    bool from_start;             /* a SYN was heard: offsets are true */
    uint32_t next;               /* sequence number */
    struct secrets secrets;
};

struct stream {
    union address ends[2];
    int opener;    /* which end opened it; -1: not heard */
    uint64_t id;   /* 1, 2, 3 ... */
    uint64_t used; /* when a packet of it was last heard */
    struct direction from[2];
};

struct overhear {
    const struct secrets_look *look;
    struct stream *streams[SETS][WAYS];
    uint64_t opened, packets;
};

static void on_secret(void *context, const struct secret *secret)
{
    const struct direction *in = context;
    const struct stream *stream = in->stream;
    struct event_where where = {.flow = stream->id};
    if (stream->opener >= 0 && stream->from[in->from].from_start) {
        where.opener = &stream->ends[stream->opener];
        where.acceptor = &stream->ends[!stream->opener];
        where.dir = in->from == stream->opener ? DIR_UP : DIR_DOWN;
        where.at = secret->at;
        where.len = secret->len;
    }
    secret_report(secret, &where);
}

/* ---- the table --------------------------------------------------------------- */

static union address end_of(const struct packet *packet, bool source)
{
    union address end;
    memset(&end, 0, sizeof end); /* ends are compared byte by byte */
    end.any.sa_family = (sa_family_t)packet->family;
    const uint8_t *bytes = source ? packet->src : packet->dst;
    in_port_t port = htons(source ? packet->src_port : packet->dst_port);
    if (packet->family == AF_INET6) {
        memcpy(&end.v6.sin6_addr, bytes, 16);
        end.v6.sin6_port = port;
    } else {
        memcpy(&end.v4.sin_addr, bytes, 4);
        end.v4.sin_port = port;
    }
    return end;
}

static bool same_end(const union address *a, const union address *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* The same for both directions. */
static unsigned set_of(const union address ends[2])
{
    unsigned sum = 0;
    for (int i = 0; i < 2; i++) {
        const uint8_t *bytes = (const uint8_t *)&ends[i];
        unsigned hash = 2166136261U;
        for (size_t at = 0; at < sizeof ends[i]; at++)
            hash = (hash ^ bytes[at]) * 16777619U;
        sum += hash;
    }
    return sum % SETS;
}

/* The conversation between these ends, and which of them is ends[0]. NULL
 * when memory is out. */
static struct stream *find_stream(struct overhear *overhear,
                                  const union address ends[2], int *from)
{
    struct stream **set = overhear->streams[set_of(ends)], **oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i] && same_end(&set[i]->ends[0], &ends[0]) &&
            same_end(&set[i]->ends[1], &ends[1]))
            return *from = 0, set[i];
        if (set[i] && same_end(&set[i]->ends[0], &ends[1]) &&
            same_end(&set[i]->ends[1], &ends[0]))
            return *from = 1, set[i];
        if (!set[i] || (*oldest && set[i]->used < (*oldest)->used))
            oldest = &set[i];
    }
    struct stream *fresh = *oldest ? *oldest : malloc(sizeof *fresh);
    if (!fresh)
        return NULL;
    *fresh = (struct stream){
        .ends = {ends[0], ends[1]},
        .opener = -1,
        .from = {{.stream = fresh, .from = 0}, {.stream = fresh, .from = 1}},
    };
    *oldest = fresh;
    *from = 0;
    return fresh;
}

/* ---- one packet ----------------------------------------------------------------- */

static void begin(struct overhear *overhear, struct direction *direction,
                  uint32_t next, bool from_start)
{
    direction->heard = true;
    direction->from_start = from_start;
    direction->next = next;
    secrets_init(&direction->secrets, overhear->look, on_secret, direction);
}

/* A SYN: `from` opens the conversation, or accepts it. */
static void on_syn(struct overhear *overhear, struct stream *stream, int from,
                   const struct packet *packet)
{
    if (!(packet->flags & PACKET_ACK)) {
        stream->from[!from].heard = false; /* the addresses may be used again */
        stream->opener = from;
        stream->id = ++overhear->opened;
    }
    begin(overhear, &stream->from[from], packet->seq + 1, true);
}

static void flush(struct stream *stream, int from)
{
    if (stream->from[from].heard)
        secrets_flush(&stream->from[from].secrets);
}

static void on_bytes(struct stream *stream, int from,
                     const struct packet *packet)
{
    struct direction *direction = &stream->from[from];
    const uint8_t *bytes = packet->payload;
    size_t len = packet->payload_len;
    int32_t ahead = (int32_t)(packet->seq - direction->next);
    if (ahead < 0 && (size_t) - (int64_t)ahead >= packet->payload_original)
        return; /* heard before */
    direction->next = packet->seq + (uint32_t)packet->payload_original;
    if (ahead > 0)
        secrets_skip(&direction->secrets, (uint64_t)ahead);
    size_t old = ahead < 0 ? (size_t) - (int64_t)ahead : 0;
    if (old < len)
        secrets_feed(&direction->secrets, bytes + old, len - old);
    size_t seen = old > len ? old : len;
    if (packet->payload_original > seen)
        secrets_skip(&direction->secrets, packet->payload_original - seen);
}

void overhear_frame(struct overhear *overhear, uint16_t link,
                    const uint8_t *frame, size_t len)
{
    struct packet packet;
    int from;
    packet_parse(link, frame, len, &packet);
    if (!packet.family || packet.protocol != IPPROTO_TCP || packet.fragment)
        return;
    union address ends[2] = {end_of(&packet, true), end_of(&packet, false)};
    struct stream *stream = find_stream(overhear, ends, &from);
    if (!stream)
        return;
    stream->used = ++overhear->packets;
    if (packet.flags & PACKET_SYN) {
        on_syn(overhear, stream, from, &packet);
        return;
    }
    if (packet.payload_original) {
        flush(stream, !from); /* HTTP takes turns: the other has finished */
        if (!stream->from[from].heard)
            begin(overhear, &stream->from[from], packet.seq, false);
        on_bytes(stream, from, &packet);
    }
    if (packet.flags & (PACKET_FIN | PACKET_RST))
        flush(stream, from);
}

struct overhear *overhear_new(const struct secrets_look *look)
{
    struct overhear *overhear = calloc(1, sizeof *overhear);
    if (overhear)
        overhear->look = look;
    return overhear;
}

void overhear_free(struct overhear *overhear)
{
    for (int set = 0; overhear && set < SETS; set++)
        for (int way = 0; way < WAYS; way++) {
            struct stream *stream = overhear->streams[set][way];
            if (stream) {
                flush(stream, 0);
                flush(stream, 1);
            }
            free(stream);
        }
    free(overhear);
}
