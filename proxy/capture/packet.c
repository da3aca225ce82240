/* SPDX-License-Identifier: MIT
 *
 * Link, IP and TCP or UDP headers, both ways. Whatever does not fit into the
 * bytes at hand is left out; nothing is an error. */
#include "proxy/capture/packet.h"

#include "proxy/capture/pcapng.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* What is left of the frame: captured bytes, and length as the IP header has
 * it (more when the capture was cut). */
struct rest {
    const uint8_t *at;
    size_t len, original;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void skip(struct rest *rest, size_t len)
{
    rest->at += len;
    rest->len -= len;
    rest->original -= len;
}

/* ---- link ---------------------------------------------------------------- */

static bool parse_ethernet(struct rest *rest, struct packet *out)
{
    if (rest->len < 14)
        return false;
    out->mac_dst = rest->at;
    out->mac_src = rest->at + 6;
    out->ether_type = get16(rest->at + 12);
    skip(rest, 14);
    /* At most two VLAN tags (802.1Q, 802.1ad). */
    for (int tags = 0; tags < 2 && rest->len >= 4 &&
                       (out->ether_type == 0x8100 || out->ether_type == 0x88a8);
         tags++) {
        out->ether_type = get16(rest->at + 2);
        skip(rest, 4);
    }
    return true;
}

static bool parse_cooked(struct rest *rest, size_t header, size_t type_at,
                         struct packet *out)
{
    if (rest->len < header)
        return false;
    out->ether_type = get16(rest->at + type_at);
    skip(rest, header);
    return true;
}

static bool parse_bare_ip(struct rest *rest, struct packet *out)
{
    if (!rest->len)
        return false;
    out->ether_type = rest->at[0] >> 4 == 6 ? 0x86dd : 0x0800;
    return true;
}

static bool parse_link(uint16_t link, struct rest *rest, struct packet *out)
{
    switch (link) {
    case PCAPNG_LINK_ETHERNET:
        return parse_ethernet(rest, out);
    case PCAPNG_LINK_COOKED:
        return parse_cooked(rest, 16, 14, out);
    case PCAPNG_LINK_COOKED2:
        return parse_cooked(rest, 20, 0, out);
    case PCAPNG_LINK_RAW:
    case PCAPNG_LINK_IPV4:
    case PCAPNG_LINK_IPV6:
        return parse_bare_ip(rest, out);
    }
    return false;
}

/* ---- IP ------------------------------------------------------------------ */

/* Cut Ethernet padding off; remember what the header promised. */
static void limit(struct rest *rest, size_t total)
{
    rest->original = total;
    if (rest->len > total)
        rest->len = total;
}

static bool parse_ipv4(struct rest *rest, struct packet *out)
{
    if (rest->len < 20 || rest->at[0] >> 4 != 4)
        return false;
    size_t header = (size_t)(rest->at[0] & 15) * 4, total = get16(rest->at + 2);
    /* Length 0: a large segment that the kernel has not cut up yet. */
    if (!total)
        total = rest->original;
    if (header < 20 || header > rest->len || total < header)
        return false;
    out->family = AF_INET;
    out->protocol = rest->at[9];
    out->fragment = (get16(rest->at + 6) & 0x1fff) != 0;
    memcpy(out->src, rest->at + 12, 4);
    memcpy(out->dst, rest->at + 16, 4);
    limit(rest, total);
    skip(rest, header);
    return true;
}

/* Step over one IPv6 extension header; false when `protocol` is not one. */
static bool step_extension(struct rest *rest, struct packet *out)
{
    size_t header;
    switch (out->protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
        header = rest->len >= 2 ? ((size_t)rest->at[1] + 1) * 8 : 8;
        break;
    case IPPROTO_FRAGMENT:
        header = 8;
        if (rest->len >= 4 && get16(rest->at + 2) & 0xfff8)
            out->fragment = true;
        break;
    default:
        return false;
    }
    if (rest->len < header) {
        out->fragment = true; /* what follows is not there */
        return false;
    }
    out->protocol = rest->at[0];
    skip(rest, header);
    return !out->fragment;
}

static bool parse_ipv6(struct rest *rest, struct packet *out)
{
    if (rest->len < 40 || rest->at[0] >> 4 != 6)
        return false;
    size_t payload = get16(rest->at + 4);
    out->family = AF_INET6;
    out->protocol = rest->at[6];
    memcpy(out->src, rest->at + 8, 16);
    memcpy(out->dst, rest->at + 24, 16);
    if (payload)
        limit(rest, 40 + payload);
    skip(rest, 40);
    for (int most = 8; most && step_extension(rest, out); most--)
        ;
    return true;
}

/* ---- TCP and UDP --------------------------------------------------------- */

static void parse_tcp(struct rest *rest, struct packet *out)
{
    if (rest->len < 20)
        return;
    size_t header = (size_t)(rest->at[12] >> 4) * 4;
    if (header < 20 || header > rest->len)
        return;
    out->src_port = get16(rest->at);
    out->dst_port = get16(rest->at + 2);
    out->seq = get32(rest->at + 4);
    out->ack = get32(rest->at + 8);
    out->flags = rest->at[13];
    out->header = rest->at;
    skip(rest, header);
}

static void parse_udp(struct rest *rest, struct packet *out)
{
    if (rest->len < 8)
        return;
    out->src_port = get16(rest->at);
    out->dst_port = get16(rest->at + 2);
    skip(rest, 8);
}

void packet_parse(uint16_t link, const uint8_t *frame, size_t len,
                  struct packet *out)
{
    struct rest rest = {frame, len, len};
    *out = (struct packet){0};
    bool linked = parse_link(link, &rest, out);
    out->body = rest.at;
    out->body_len = rest.len;
    if (linked) {
        bool ip = out->ether_type == 0x0800   ? parse_ipv4(&rest, out)
                  : out->ether_type == 0x86dd ? parse_ipv6(&rest, out)
                                              : false;
        if (ip && !out->fragment && out->protocol == IPPROTO_TCP)
            parse_tcp(&rest, out);
        else if (ip && !out->fragment && out->protocol == IPPROTO_UDP)
            parse_udp(&rest, out);
    }
    out->payload = rest.at;
    out->payload_len = rest.len;
    out->payload_original = rest.original;
}

bool packet_is_tcp(const struct packet *packet)
{
    return packet->family && !packet->fragment &&
           packet->protocol == IPPROTO_TCP && packet->src_port;
}

void packet_address(int family, const uint8_t *address,
                    char text[PACKET_ADDRESS_TEXT])
{
    if (!family || !inet_ntop(family, address, text, PACKET_ADDRESS_TEXT))
        text[0] = '\0';
}

/* ---- the other way ------------------------------------------------------- */

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

/* The sum of RFC 1071, not yet folded. */
static uint64_t sum(const uint8_t *bytes, size_t len)
{
    uint64_t total = 0;
    for (size_t i = 0; i + 1 < len; i += 2)
        total += get16(bytes + i);
    if (len % 2)
        total += (uint64_t)bytes[len - 1] << 8;
    return total;
}

static uint16_t fold(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static void write_ip(uint8_t *at, const struct packet_segment *segment,
                     size_t total)
{
    memset(at, 0, 20);
    at[0] = 0x45;
    put16(at + 2, (uint16_t)total);
    put16(at + 4, segment->id);
    put16(at + 6, 0x4000); /* do not fragment */
    at[8] = 64;
    at[9] = IPPROTO_TCP;
    memcpy(at + 12, segment->src, 4);
    memcpy(at + 16, segment->dst, 4);
    put16(at + 10, fold(sum(at, 20)));
}

static void write_ip6(uint8_t *at, const struct packet_segment *segment,
                      size_t total)
{
    memset(at, 0, 40);
    at[0] = 0x60;
    put16(at + 4, (uint16_t)(total - 40));
    at[6] = IPPROTO_TCP;
    at[7] = 64;
    memcpy(at + 8, segment->src, 16);
    memcpy(at + 24, segment->dst, 16);
}

static void write_tcp(uint8_t *at, const struct packet_segment *segment)
{
    size_t header = 20 + segment->options_len;
    put16(at, segment->src_port);
    put16(at + 2, segment->dst_port);
    put32(at + 4, segment->seq);
    put32(at + 8, segment->ack);
    at[12] = (uint8_t)(header / 4 << 4);
    at[13] = segment->flags;
    put16(at + 14, segment->window);
    put32(at + 16, 0); /* checksum and urgent pointer */
    if (segment->options_len)
        memcpy(at + 20, segment->options, segment->options_len);
    if (segment->payload_len)
        memcpy(at + header, segment->payload, segment->payload_len);
    size_t len = header + segment->payload_len;
    /* The pseudo header of RFC 9293 3.1. */
    size_t address = segment->v6 ? 16 : 4;
    uint64_t total = sum(segment->src, address) + sum(segment->dst, address) +
                     IPPROTO_TCP + len + sum(at, len);
    put16(at + 16, fold(total));
}

int packet_build(struct buf *out, const struct packet_segment *segment)
{
    size_t ip = segment->v6 ? 40 : 20;
    size_t total = ip + 20 + segment->options_len + segment->payload_len;
    if (segment->options_len > 40 || segment->options_len % 4 ||
        total > UINT16_MAX)
        return -1;
    uint8_t *at = buf_reserve(out, 14 + total);
    if (!at)
        return -1;
    memcpy(at, segment->mac_dst, 6);
    memcpy(at + 6, segment->mac_src, 6);
    put16(at + 12, segment->v6 ? 0x86dd : 0x0800);
    if (segment->v6)
        write_ip6(at + 14, segment, total);
    else
        write_ip(at + 14, segment, total);
    write_tcp(at + 14 + ip, segment);
    buf_filled(out, 14 + total);
    return 0;
}
