/* SPDX-License-Identifier: MIT
 *
 * The wire: one Ethernet switch or hub, a cable to every place, addresses and
 * routes; or, on loopback, one interface for all. Everything by netlink and
 * /proc/sys/net, in the namespace of the caller. */
#ifndef LABS_NET_WIRE_H
#define LABS_NET_WIRE_H

#include "labs/net/net.h"

/* Sockets that still speak to the keeper's namespace after unshare(2). */
struct wire_switch {
    int netlink, inet;
};
int wire_switch_open(struct wire_switch *out, struct err *err);

/* Called by the keeper: the switch `br0`, or the loopback interface. */
int wire_build(const struct net_plan *plan, struct err *err);

/* Called by the init of place `index` in its own namespace: its `eth0`, whose
 * other end is the port of the switch that bears the place's name. Frames can
 * flow when this returns. */
int wire_plug(const struct net_plan *plan, unsigned index,
              const struct wire_switch *at, struct err *err);

/* Called by the same init: the plan's routes hold at this place, or no more. */
int wire_bend(const struct net_plan *plan, unsigned index, bool bent,
              struct err *err);

#endif
