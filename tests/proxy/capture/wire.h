/* SPDX-License-Identifier: MIT
 *
 * A capture written by hand, for tests: TCP segments and raw frames between
 * "victim" (192.0.2.1) and "server" (192.0.2.2); and the Wireshark programs,
 * where they are installed. */
#ifndef TESTS_PROXY_CAPTURE_WIRE_H
#define TESTS_PROXY_CAPTURE_WIRE_H

#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/need.h"

enum { WIRE_VICTIM, WIRE_SERVER };

struct wire {
    struct buf file;
    uint64_t time_ns;
    uint16_t victim_port, server_port;
    uint32_t seq[2]; /* of the next byte of each end */
    const char *comment;
};

static inline void wire_start(struct wire *wire)
{
    static const char *names[] = {"victim", "server"};
    struct pcapng_section section = {
        .application = "mitmlab tests", .hardware = "x", .os = "y"};
    *wire = (struct wire){.time_ns = 1700000000000000000u,
                          .victim_port = 40000,
                          .server_port = 80,
                          .seq = {1000, 5000}};
    section.comment = "a capture made by hand";
    assert_int_equal(0, pcapng_put_section(&wire->file, &section));
    for (int i = 0; i < 2; i++) {
        struct pcapng_interface interface = {.name = names[i],
                                             .description = "by hand",
                                             .link = PCAPNG_LINK_ETHERNET,
                                             .snaplen = 65535};
        assert_int_equal(0, pcapng_put_interface(&wire->file, &interface));
    }
}

static inline void wire_frame(struct wire *wire, uint32_t interface,
                              const void *bytes, size_t len)
{
    struct pcapng_packet packet = {.interface = interface,
                                   .time_ns = wire->time_ns += 1000,
                                   .flags = PCAPNG_OUTBOUND,
                                   .original = (uint32_t)len,
                                   .bytes = bytes,
                                   .len = (uint32_t)len,
                                   .comment = wire->comment};
    assert_int_equal(0, pcapng_put_packet(&wire->file, &packet));
}

/* A segment with this sequence number; the state of the ends stays. */
static inline void wire_segment(struct wire *wire, int from, uint8_t flags,
                                uint32_t seq, const void *payload, size_t len)
{
    struct buf frame = {0};
    struct packet_segment segment = {.mac_src = {2, 0x66, 0, 0, 0, 1},
                                     .mac_dst = {2, 0x66, 0, 0, 0, 2},
                                     .src = {192, 0, 2, 1},
                                     .dst = {192, 0, 2, 2},
                                     .window = 65535,
                                     .seq = seq,
                                     .ack = wire->seq[!from],
                                     .flags = flags,
                                     .payload = payload,
                                     .payload_len = len};
    segment.src_port = wire->victim_port;
    segment.dst_port = wire->server_port;
    if (from == WIRE_SERVER) {
        segment.src_port = wire->server_port;
        segment.dst_port = wire->victim_port;
        segment.mac_src[5] = segment.src[3] = 2;
        segment.mac_dst[5] = segment.dst[3] = 1;
    }
    if (!(flags & PACKET_ACK))
        segment.ack = 0;
    assert_int_equal(0, packet_build(&frame, &segment));
    wire_frame(wire, (uint32_t)from, buf_head(&frame), buf_len(&frame));
    buf_free(&frame);
}

/* The next segment of that end. */
static inline void wire_say(struct wire *wire, int from, uint8_t flags,
                            const void *payload, size_t len)
{
    wire_segment(wire, from, flags, wire->seq[from], payload, len);
    wire->seq[from] += (uint32_t)len + !!(flags & (PACKET_SYN | PACKET_FIN));
}

static inline void wire_text(struct wire *wire, int from, const char *text)
{
    wire_say(wire, from, PACKET_ACK | PACKET_PSH, text, strlen(text));
}

static inline void wire_open(struct wire *wire)
{
    wire_say(wire, WIRE_VICTIM, PACKET_SYN, NULL, 0);
    wire_say(wire, WIRE_SERVER, PACKET_SYN | PACKET_ACK, NULL, 0);
    wire_say(wire, WIRE_VICTIM, PACKET_ACK, NULL, 0);
}

static inline void wire_end(struct wire *wire)
{
    wire_say(wire, WIRE_VICTIM, PACKET_FIN | PACKET_ACK, NULL, 0);
    wire_say(wire, WIRE_SERVER, PACKET_FIN | PACKET_ACK, NULL, 0);
    wire_say(wire, WIRE_VICTIM, PACKET_ACK, NULL, 0);
}

static inline void wire_save(const struct wire *wire, const char *path,
                             size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(len, fwrite(buf_head(&wire->file), 1, len, file));
    fclose(file);
}

/* Run a shell line and take what it prints; its exit status. */
static inline int wire_shell(const char *line, char *out, size_t room)
{
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(out, 1, room - 1, pipe);
    out[got] = '\0';
    while (fgetc(pipe) != EOF)
        ;
    return pclose(pipe);
}

/* Is this program installed? Says so when it is not. */
static inline bool wire_has(const char *program)
{
    char line[128], out[256];
    snprintf(line, sizeof line, "command -v %s", program);
    return !wire_shell(line, out, sizeof out);
}

#endif
