/* SPDX-License-Identifier: MIT
 *
 * One frame taken apart as far as TCP or UDP, and put together again. Pure
 * and bounds-checked: it reads hostile bytes. Streams are index.h's matter. */
#ifndef PROXY_CAPTURE_PACKET_H
#define PROXY_CAPTURE_PACKET_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_tcp_flags {
    PACKET_FIN = 0x01,
    PACKET_SYN = 0x02,
    PACKET_RST = 0x04,
    PACKET_PSH = 0x08,
    PACKET_ACK = 0x10,
};

/* All pointers lead into the frame. */
struct packet {
    const uint8_t *mac_src, *mac_dst; /* NULL: no Ethernet header */
    uint16_t ether_type;              /* 0x0800, 0x86dd, 0x0806 ... */
    const uint8_t *body;              /* what follows the link header ... */
    size_t body_len;                  /* ... with padding */
    int family;                       /* AF_INET, AF_INET6, or 0: not IP */
    uint8_t src[16], dst[16];         /* 4 or 16 bytes, by family */
    uint8_t protocol;                 /* IPPROTO_*, 0 when not IP */
    bool fragment;                    /* not the first one: no ports */
    uint16_t src_port, dst_port;      /* TCP and UDP */
    uint32_t seq, ack;                /* TCP */
    uint8_t flags;                    /* TCP */
    const uint8_t *header;            /* of TCP; NULL: it is not TCP */
    const uint8_t *payload;  /* of TCP or UDP; else what follows the last header
                                that was understood */
    size_t payload_len;      /* captured bytes, without Ethernet padding */
    size_t payload_original; /* as the headers say; more when it was cut */
};

/* Always fills *out with what could be understood. */
void packet_parse(uint16_t link, const uint8_t *frame, size_t len,
                  struct packet *out);

/* A TCP segment whose header is all there. */
bool packet_is_tcp(const struct packet *packet);

/* "192.0.2.10" or "2001:db8:66::a"; "" when not IP. */
enum { PACKET_ADDRESS_TEXT = 46 };
void packet_address(int family, const uint8_t *address,
                    char text[PACKET_ADDRESS_TEXT]);

/* Build an Ethernet + IP + TCP frame with valid checksums at the back of
 * `out`. `options` goes between TCP header and payload (a multiple of four).
 * 0, or -1 when memory is out or the payload is too long for one packet. */
struct packet_segment {
    uint8_t mac_src[6], mac_dst[6];
    bool v6;
    uint8_t src[16], dst[16]; /* IPv4: the first four */
    uint16_t src_port, dst_port, id, window;
    uint32_t seq, ack;
    uint8_t flags;
    const uint8_t *options;
    size_t options_len;
    const uint8_t *payload;
    size_t payload_len;
};
int packet_build(struct buf *out, const struct packet_segment *segment);

#endif
