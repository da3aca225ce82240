/* SPDX-License-Identifier: MIT
 *
 * The loop between an interface and the writer of the capture. */
#include "proxy/capture/tap.h"

#include "proxy/capture/feed.h"
#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"
#include "proxy/capture/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROOM = 64 << 20,     /* bytes of frames that the kernel may hold for us */
    FRAMES_A_TURN = 512, /* before the writer's requests are looked at */
};

/* ---- who sent it --------------------------------------------------------- */

static int parse_source(const char *text, struct tap_map *out)
{
    uint8_t *mac = out->address;
    int used = 0;
    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
               &mac[2], &mac[3], &mac[4], &mac[5], &used) == 6 &&
        !text[used]) {
        out->family = AF_PACKET;
        return 0;
    }
    out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(out->family, text, out->address) == 1 ? 0 : -1;
}

int tap_map_parse(const char *text, struct tap_map *out, struct err *err)
{
    char source[64];
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : sizeof source;
    *out = (struct tap_map){0};
    if (len < sizeof source && equals[1] &&
        strlen(equals + 1) < sizeof out->place) {
        memcpy(source, text, len);
        source[len] = '\0';
        memcpy(out->place, equals + 1, strlen(equals + 1) + 1);
        if (!parse_source(source, out))
            return 0;
    }
    err_code(err, EXIT_USAGE,
             "\"%s\" is not MAC=PLACE or ADDRESS=PLACE, such as "
             "02:66:00:00:00:01=victim",
             text);
    return -1;
}

static bool sent_by(const struct packet *packet, const struct tap_map *map)
{
    if (map->family == AF_PACKET)
        return packet->mac_src && !memcmp(packet->mac_src, map->address, 6);
    return packet->family == map->family &&
           !memcmp(packet->src, map->address, map->family == AF_INET ? 4 : 16);
}

/* Is this the first map of its place? */
static bool first_of_place(const struct tap_plan *plan, unsigned at)
{
    for (unsigned i = 0; i < at; i++)
        if (!strcmp(plan->maps[i].place, plan->maps[at].place))
            return false;
    return true;
}

static uint32_t number_of_place(const struct tap_plan *plan, const char *place)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < plan->maps_count; i++) {
        if (!strcmp(plan->maps[i].place, place))
            return number;
        number += first_of_place(plan, i);
    }
    return number;
}

uint32_t tap_interface_of(const struct tap_plan *plan,
                          const struct packet *packet)
{
    for (unsigned i = 0; i < plan->maps_count; i++)
        if (sent_by(packet, &plan->maps[i]))
            return number_of_place(plan, plan->maps[i].place);
    return number_of_place(plan, plan->fallback);
}

/* ---- the loop ------------------------------------------------------------ */

struct tap {
    const struct tap_plan *plan;
    struct raw *raw;
    struct feed feed;
    uint64_t seen[TAP_MAPS_MOST + 1]; /* frames by interface */
    bool writer_gone;
};

static int declare(struct tap *tap, const char *place)
{
    char description[FEED_TEXT_MOST];
    snprintf(description, sizeof description, "what %s sent into %s", place,
             tap->plan->iface);
    struct feed_interface interface = {.name = place,
                                       .description = description,
                                       .link = raw_link(tap->raw),
                                       .snaplen = raw_snaplen(tap->raw)};
    return feed_interface(&tap->feed, &interface);
}

static int declare_all(struct tap *tap)
{
    const struct tap_plan *plan = tap->plan;
    uint32_t count = 0;
    for (unsigned i = 0; i < plan->maps_count; i++) {
        if (!first_of_place(plan, i))
            continue;
        count++;
        if (declare(tap, plan->maps[i].place))
            return -1;
    }
    /* The fallback may be one of the places. */
    if (number_of_place(plan, plan->fallback) == count)
        return declare(tap, plan->fallback);
    return 0;
}

static void on_raw_frame(void *context, const struct raw_frame *raw)
{
    struct tap *tap = context;
    struct packet packet;
    packet_parse(raw_link(tap->raw), raw->bytes, raw->len, &packet);
    struct feed_frame frame = {.time_ns = raw->time_ns,
                               .flags = PCAPNG_OUTBOUND,
                               .len = raw->len,
                               .original = raw->original};
    frame.interface = tap_interface_of(tap->plan, &packet);
    tap->seen[frame.interface]++;
    if (feed_frame(&tap->feed, &frame, raw->bytes, NULL))
        tap->writer_gone = true;
}

/* The kernel cannot say whose frames it dropped: they go on the fallback. */
static void report_drops(struct tap *tap)
{
    uint64_t received, dropped;
    raw_counts(tap->raw, &received, &dropped);
    uint32_t fallback = number_of_place(tap->plan, tap->plan->fallback);
    for (uint32_t i = 0; i < TAP_MAPS_MOST + 1; i++)
        if (tap->seen[i] || i == fallback)
            feed_drops(&tap->feed, i, tap->seen[i],
                       i == fallback ? dropped : 0);
}

static int answer(struct tap *tap, uint64_t sync, struct err *err)
{
    if (raw_drain(tap->raw, on_raw_frame, tap, err))
        return -1;
    report_drops(tap);
    return feed_sync(&tap->feed, sync);
}

static int pass_on(struct tap *tap, struct err *err)
{
    struct raw_frame frame;
    int got = 1;
    for (unsigned i = 0; i < FRAMES_A_TURN && got > 0; i++) {
        got = raw_next(tap->raw, &frame, err);
        if (got > 0)
            on_raw_frame(tap, &frame);
    }
    if (got < 0)
        return -1;
    return feed_flush(&tap->feed);
}

/* 1: go on; 0: time to leave; -1: trouble. */
static int turn(struct tap *tap, int signals, struct err *err)
{
    struct pollfd ready[] = {{.fd = raw_fd(tap->raw), .events = POLLIN},
                             {.fd = tap->feed.fd, .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
    if (poll(ready, 3, -1) == -1)
        return errno == EINTR ? 1 : -1;
    if (ready[0].revents && pass_on(tap, err))
        return -1;
    if (ready[2].revents || tap->writer_gone)
        return 0;
    uint64_t sync;
    int asked = ready[1].revents ? feed_asked(&tap->feed, &sync) : 0;
    if (asked > 0)
        return answer(tap, sync, err) ? -1 : 1;
    return asked == 0;
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGINT, SIG_IGN); /* the runner decides what Ctrl-C means */
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run(struct tap *tap, int signals, struct err *err)
{
    if (raw_open_room(tap->plan->iface, ROOM, &tap->raw, err))
        return -1;
    if (declare_all(tap))
        return 0;
    int more = 1;
    while (more > 0)
        more = turn(tap, signals, err);
    if (!more && raw_drain(tap->raw, on_raw_frame, tap, err))
        more = -1;
    report_drops(tap);
    return more;
}

int tap_run(const struct tap_plan *plan, int feed_fd, struct err *err)
{
    struct tap tap = {.plan = plan};
    int signals = signals_open();
    feed_init(&tap.feed, feed_fd);
    int rc = run(&tap, signals, err);
    if (rc)
        feed_trouble(&tap.feed, err->text);
    feed_end(&tap.feed);
    raw_close(tap.raw);
    feed_close(&tap.feed);
    if (signals != -1)
        close(signals);
    return rc;
}
