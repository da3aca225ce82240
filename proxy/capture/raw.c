/* SPDX-License-Identifier: MIT
 *
 * A packet socket through libpcap.
 *
 * Not libpcap's immediate mode: that falls back to TPACKET_V2, whose slots
 * are all as long as the longest frame, so that 64 MiB hold a thousand frames
 * of any size. TPACKET_V3 packs frames; the price is that the kernel hands a
 * block over when it is full or RETIRE_MS old. Whoever must know that nothing
 * is left calls raw_drain(). */
#include "proxy/capture/raw.h"

#include "proxy/base/dial.h"
#include "proxy/capture/libpcap.h"
#include "proxy/capture/pcapng.h"

#include <linux/if_packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SNAPLEN = 70000, /* lo: 65536 and a link header */
    RETIRE_MS = 4,
    ROOM_SMALL = 4 << 20,
};

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static const struct libpcap *pcap; /* there when a struct raw is */

struct raw {
    pcap_t *handle;
    uint64_t delivered;
};

static int refused(struct err *err, const char *iface, pcap_t *handle, int code)
{
    const char *why = pcap->geterr(handle);
    err_set(err, "capture on %s: %s", iface,
            *why ? why : pcap->statustostr(code));
    return -1;
}

/* What belongs before the activation; these cannot fail on a new handle. */
static void configure(pcap_t *handle, size_t room)
{
    pcap->set_snaplen(handle, SNAPLEN);
    pcap->set_promisc(handle, 1);
    pcap->set_timeout(handle, RETIRE_MS);
    pcap->set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
    pcap->set_buffer_size(handle, (int)room);
}

static int activate(struct raw *raw, const char *iface, size_t room,
                    struct err *err)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    raw->handle = pcap->create(iface, text);
    if (!raw->handle) {
        err_set(err, "capture on %s: %s", iface, text);
        return -1;
    }
    configure(raw->handle, room);
    int code = pcap->activate(raw->handle);
    if (code < 0)
        return refused(err, iface, raw->handle, code);
    if (pcap->setnonblock(raw->handle, 1, text)) {
        err_set(err, "capture on %s: %s", iface, text);
        return -1;
    }
    /* On lo every packet passes twice, out and in. libpcap drops the first
     * too, but only after it went through the ring and was counted. */
    int yes = 1;
    if (!strcmp(iface, "lo"))
        setsockopt(pcap->fileno(raw->handle), SOL_PACKET,
                   PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
    return 0;
}

int raw_open_room(const char *iface, size_t room, struct raw **out,
                  struct err *err)
{
    if (!dial_inside_lab()) {
        err_code(err, EXIT_CONTAINMENT,
                 "capture on %s: refused outside the network of a running lab; "
                 "'mitmlab run LAB' makes one",
                 iface);
        return -1;
    }
    struct raw *raw = calloc(1, sizeof *raw);
    if (!raw) {
        err_errno(err, "capture on %s", iface);
        return -1;
    }
    pcap = libpcap_get(err);
    if (!pcap || activate(raw, iface, room, err)) {
        raw_close(raw);
        return -1;
    }
    *out = raw;
    return 0;
}

int raw_open(const char *iface, struct raw **out, struct err *err)
{
    return raw_open_room(iface, ROOM_SMALL, out, err);
}

const char *raw_library(void)
{
    struct err ignored = ERR_INIT;
    const struct libpcap *found = libpcap_get(&ignored);
    return found ? found->lib_version() : "not installed";
}

void raw_close(struct raw *raw)
{
    if (!raw)
        return;
    if (raw->handle)
        pcap->close(raw->handle);
    free(raw);
}

int raw_fd(const struct raw *raw)
{
    return pcap->get_selectable_fd(raw->handle);
}

uint16_t raw_link(const struct raw *raw)
{
    /* libpcap's own numbers differ from those of files for a few types. */
    int type = pcap->datalink(raw->handle);
    return type == DLT_RAW ? PCAPNG_LINK_RAW : (uint16_t)type;
}

uint32_t raw_snaplen(const struct raw *raw)
{
    return (uint32_t)pcap->snapshot(raw->handle);
}

int raw_next(struct raw *raw, struct raw_frame *out, struct err *err)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int got = pcap->next_ex(raw->handle, &header, &bytes);
    if (got < 0) {
        err_set(err, "capture: %s", pcap->geterr(raw->handle));
        return -1;
    }
    if (!got)
        return 0;
    raw->delivered++;
    out->bytes = bytes;
    out->len = header->caplen;
    out->original = header->len;
    /* With nanosecond precision tv_usec counts nanoseconds. */
    out->time_ns = (uint64_t)header->ts.tv_sec * 1000000000u +
                   (uint64_t)header->ts.tv_usec;
    return 1;
}

int raw_send(struct raw *raw, const void *bytes, size_t len, struct err *err)
{
    if (pcap->inject(raw->handle, bytes, len) == (int)len)
        return 0;
    err_set(err, "send a frame: %s", pcap->geterr(raw->handle));
    return -1;
}

void raw_counts(struct raw *raw, uint64_t *out_received, uint64_t *out_dropped)
{
    struct pcap_stat stat = {0};
    pcap->stats(raw->handle, &stat);
    *out_received = stat.ps_recv;
    *out_dropped = stat.ps_drop;
}

/* Number of frames that have gone into the ring so far. */
static uint64_t frames_in(struct raw *raw)
{
    uint64_t received, dropped;
    raw_counts(raw, &received, &dropped);
    return received - dropped;
}

/* Give the kernel time to hand over its last block; false when it has none:
 * frames that passed while the socket was being set up are counted too. */
static bool wait_for_block(const struct raw *raw)
{
    struct pollfd ready = {.fd = raw_fd(raw), .events = POLLIN};
    return poll(&ready, 1, 25 * RETIRE_MS) > 0;
}

int raw_drain(struct raw *raw,
              void (*each)(void *context, const struct raw_frame *frame),
              void *context, struct err *err)
{
    struct raw_frame frame;
    uint64_t goal = frames_in(raw);
    while (raw->delivered < goal) {
        int got = raw_next(raw, &frame, err);
        if (got < 0)
            return -1;
        if (got)
            each(context, &frame);
        else if (!wait_for_block(raw))
            raw->delivered = goal;
    }
    return 0;
}
