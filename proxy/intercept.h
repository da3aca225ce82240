/* SPDX-License-Identifier: MIT
 *
 * Makes TCP that merely passes through this host arrive at listeners of ours
 * instead: policy routing and IP_TRANSPARENT, nothing else (no nftables, no
 * conntrack). Such a listener sees the original destination as the address of
 * its own end. Works only inside a lab. */
#ifndef PROXY_INTERCEPT_H
#define PROXY_INTERCEPT_H

#include "certs/err.h"
#include "proxy/way.h"

#include <stdbool.h>
#include <uv.h>

/* For the ports and families of those ways that take over; nothing if there
 * are none. Also makes this host forward what is not intercepted.
 * EXIT_CONTAINMENT outside of a lab. */
int intercept_start(const struct way_in *ways, unsigned count, struct err *err);

/* Take the rules away again; everything is forwarded then. */
void intercept_stop(const struct way_in *ways, unsigned count);

/* WAY_KEEP. Give `tcp`, which has no socket yet, one whose packets come from
 * the victim's host, and from a port that is not the victim's: the two legs
 * stay two conversations in a capture. */
int intercept_take_source(uv_tcp_t *tcp, const union address *victim,
                          struct err *err);

/* Is it an address of this very host? */
bool intercept_is_own(const union address *address);

#endif
