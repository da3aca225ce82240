/* SPDX-License-Identifier: MIT
 *
 * What `mitmlab feed` does: stands at an interface, says of each frame which
 * place sent it, and passes it on to the writer of the capture (feed.h).
 *
 * At a switch the sender is known by its MAC address, which is its own even
 * when the IP address in the frame is a lie. On lo there are no MAC addresses,
 * so the source IP address tells. */
#ifndef PROXY_CAPTURE_TAP_H
#define PROXY_CAPTURE_TAP_H

#include "certs/err.h"

#include <stdint.h>

enum { TAP_MAPS_MOST = 31, TAP_PLACE_MOST = 32 };

struct tap_map {
    char place[TAP_PLACE_MOST];
    int family; /* AF_PACKET (a MAC address), AF_INET or AF_INET6 */
    uint8_t address[16];
};

/* "02:66:00:00:00:01=victim", "127.66.3.2=victim", "2001:db8:66::2=victim" */
int tap_map_parse(const char *text, struct tap_map *out, struct err *err);

struct tap_plan {
    const char *iface;
    const char *fallback; /* place of a frame that no map knows: "switch" */
    struct tap_map maps[TAP_MAPS_MOST];
    unsigned maps_count;
};

/* Which of the plan's interfaces a frame belongs to: number of the place in
 * order of first appearance in the maps, the fallback being the last. */
struct packet;
uint32_t tap_interface_of(const struct tap_plan *plan,
                          const struct packet *packet);

/* Runs until SIGTERM or until the writer closes its end, then drains. -1 when
 * the interface cannot be captured (the writer has been told why). */
int tap_run(const struct tap_plan *plan, int feed_fd, struct err *err);

#endif
