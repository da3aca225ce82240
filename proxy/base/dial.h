/* SPDX-License-Identifier: MIT
 *
 * The only door out. Every outgoing connection of every program of ours,
 * victims included, is made here (on a loop: dial_loop.h), and each address is
 * checked after names have become addresses. tests/layers.sh fails on a
 * connect(2), a uv_tcp_connect() or a getaddrinfo(3) anywhere else.
 *
 * Allowed everywhere: 127.0.0.0/8 and ::1. Allowed inside a network namespace
 * that a run of ours made: 192.0.2.0/24 and 2001:db8:66::/64 (documentation
 * addresses, RFC 5737 and RFC 3849), and what their protocols need there:
 * 0.0.0.0 and ::, broadcast, multicast, fe80::/10. Anything else is
 * EXIT_CONTAINMENT.
 *
 * Names come from the lab's table ($MITMLAB_HOSTS or --hosts), in the format
 * of hosts(5), never from the host's resolver. "localhost" and addresses
 * written as numbers need no table.
 *
 * $MITMLAB_SOURCE, an address, is where connections come from: on loopback
 * every place has its own, which the kernel would not choose by itself. */
#ifndef PROXY_BASE_DIAL_H
#define PROXY_BASE_DIAL_H

#include "certs/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 socket address; .any.sa_family tells which. */
union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum { ADDRESS_TEXT = 64 }; /* room for "[2001:db8:66::a]:65535" */

/* "192.0.2.10:443", "[::1]:443". */
void address_text(const union address *address, char text[ADDRESS_TEXT]);

/* Read "127.0.0.1:443", "[::1]:443"; 0 or -1 with a sentence. */
int address_parse(const char *text, union address *out, struct err *err);
socklen_t address_len(const union address *address);
uint16_t address_port(const union address *address);

/* True when this process runs in a network namespace made by a lab run: owned
 * by a user namespace below the machine's first, named in /run/lab/.netns by
 * the init of this place, and without a default route. No variable of the
 * environment counts. A yes is remembered. */
bool dial_inside_lab(void);

/* 0 when the address is inside the walls, else -1 and EXIT_CONTAINMENT. The
 * same check guards what the proxy listens on. */
int dial_check(const union address *address, struct err *err);

/* Which file names come from; NULL: $MITMLAB_HOSTS. Borrowed for good. */
void dial_use_hosts(const char *path);

/* Look `host` (a name or a number) up in the lab's table; first match, IPv4
 * before IPv6. An unknown name is -1 with "name not in this lab" and
 * EXIT_CONTAINMENT. */
int dial_resolve(const char *host, int port, union address *out,
                 struct err *err);

/* The same for a name with several addresses: the one with this number, from
 * 0. -1 also when there are not as many. */
int dial_resolve_nth(const char *host, int port, unsigned nth,
                     union address *out, struct err *err);

/* The address of this place ($MITMLAB_SOURCE), if it says one that can reach
 * `to`. */
bool dial_source(const union address *to, union address *out);

/* Connect and block for at most `timeout_ms` (-1: as long as the kernel does).
 * Returns a socket that the caller closes, or -1; the code is EXIT_TIMEOUT
 * when nobody answered in time. */
int dial_blocking(const char *host, int port, int timeout_ms, struct err *err);

/* Begin to connect a socket that does not block, and say how it went: 0, or
 * errno, of which EINPROGRESS is no failure. The address has been checked. */
int dial_begin(int fd, const union address *to);

/* Connect to a socket that is a file of this machine (unix(7)), which leads
 * nowhere else. Returns a descriptor that the caller closes, or -1. */
int dial_local(const char *path, struct err *err);

#endif
