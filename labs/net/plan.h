/* SPDX-License-Identifier: MIT
 *
 * A plan made whole: names checked, addresses drawn from the seed. The same
 * seed gives the same addresses. */
#ifndef LABS_NET_PLAN_H
#define LABS_NET_PLAN_H

#include "labs/net/net.h"

/* The seat of the capture, which is not in the plan. */
#define PLAN_SWITCH "switch"

/* 0, or -1 with EXIT_LAB_INVALID: a name twice, a route of a stranger, ... */
int plan_check(const struct net_plan *plan, struct err *err);

/* The 127.66.N block that the seed names; 1 to 254. */
unsigned plan_block(const struct net_plan *plan);

/* Fill in all addresses; those of loopback and bare lie in 127.66.`block`. */
void plan_draw(struct net_plan *plan, unsigned block);

/* The number of a place, or -1. */
int plan_find(const struct net_plan *plan, const char *name);

/* "02:66:0a:0b:0c:0d" as bytes. */
void plan_mac(const struct net_place *place, unsigned char out[6]);

#endif
