/* SPDX-License-Identifier: MIT
 *
 * libpcap, which is loaded when the first capture begins. On many systems it
 * brings half a dozen libraries of its own (D-Bus, systemd, a second crypto
 * library ...), and most of our processes never capture anything: linked in,
 * they would take a third of the time that a command needs to start. */
#ifndef PROXY_CAPTURE_LIBPCAP_H
#define PROXY_CAPTURE_LIBPCAP_H

#include "certs/err.h"

#include <pcap/pcap.h>

#define LIBPCAP_FUNCTIONS(X)                                                   \
    X(activate)                                                                \
    X(close)                                                                   \
    X(create)                                                                  \
    X(datalink)                                                                \
    X(fileno)                                                                  \
    X(get_selectable_fd)                                                       \
    X(geterr)                                                                  \
    X(inject)                                                                  \
    X(lib_version)                                                             \
    X(next_ex)                                                                 \
    X(set_buffer_size)                                                         \
    X(set_promisc)                                                             \
    X(set_snaplen)                                                             \
    X(set_timeout)                                                             \
    X(set_tstamp_precision)                                                    \
    X(setnonblock)                                                             \
    X(snapshot)                                                                \
    X(stats)                                                                   \
    X(statustostr)

/* pcap->create() is pcap_create(), and so on. */
struct libpcap {
#define X(name) __typeof__(pcap_##name) *name;
    LIBPCAP_FUNCTIONS(X)
#undef X
};

/* NULL, with a sentence, where it is not installed. */
const struct libpcap *libpcap_get(struct err *err);

#endif
