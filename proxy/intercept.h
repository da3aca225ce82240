/* SPDX-License-Identifier: MIT
 *
 * Makes TCP that merely passes through this host arrive at listeners of ours
 * instead: policy routing and IP_TRANSPARENT, nothing else (no nftables, no
 * conntrack). Such a listener sees the original destination as the address of
 * its own end. Works only inside a lab. */
#ifndef PROXY_INTERCEPT_H
#define PROXY_INTERCEPT_H

#include "certs/err.h"
#include "proxy/base/dial.h"

/* For the ports and families of these listeners. Also makes this host forward
 * what is not intercepted. EXIT_CONTAINMENT outside of a lab. */
int intercept_start(const union address *listeners, unsigned count,
                    struct err *err);

/* Take the rules away again; everything is forwarded then. */
void intercept_stop(const union address *listeners, unsigned count);

#endif
