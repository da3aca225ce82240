/* SPDX-License-Identifier: MIT
 *
 * Links, addresses, routes and rules of the network namespace that we are in,
 * spoken to the kernel directly: no `ip` program is needed at a place.
 *
 * A request is built in a struct netlink_message, sent with netlink_ask(), and
 * answered before that returns. Every function that takes `struct err` returns
 * 0, or -1 with the kernel's own words; errno is kept for the caller. */
#ifndef PROXY_BASE_NETLINK_H
#define PROXY_BASE_NETLINK_H

#include "certs/err.h"

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- requests ------------------------------------------------------------ */

struct netlink_message {
    union {
        struct nlmsghdr header;
        unsigned char bytes[1024];
    };
};

/* A socket for requests in the namespace we are in now, and in that one for
 * good: it still speaks to it after setns(2) or unshare(2). Close it. */
int netlink_open(struct err *err);

/* Begin a request, such as RTM_NEWLINK with a struct ifinfomsg. */
void netlink_begin(struct netlink_message *message, int type, int flags,
                   const void *body, size_t len);

/* Add an attribute. */
void netlink_put(struct netlink_message *message, int attribute,
                 const void *data, size_t len);
void netlink_put_u8(struct netlink_message *message, int attribute,
                    uint8_t value);
void netlink_put_u16(struct netlink_message *message, int attribute,
                     uint16_t value);
void netlink_put_u32(struct netlink_message *message, int attribute,
                     uint32_t value);
void netlink_put_text(struct netlink_message *message, int attribute,
                      const char *text);

/* Attributes put between these two lie inside `attribute`. `body`, of `len`
 * bytes, comes first if it is not NULL (VETH_INFO_PEER wants that). */
struct nlattr *netlink_nest(struct netlink_message *message, int attribute,
                            const void *body, size_t len);
void netlink_nest_end(struct netlink_message *message, struct nlattr *nest);

/* Send it and wait for the kernel's answer. */
int netlink_ask(int fd, struct netlink_message *message, struct err *err);

/* ---- links and addresses ------------------------------------------------- */

/* The number of an interface, or -1. */
int netlink_index(int fd, const char *name, struct err *err);

/* A link of a kind that needs no more words: "dummy", "bridge". */
int netlink_link_add(int fd, const char *name, const char *kind,
                     struct err *err);

/* A veth pair: `name` here with the hardware address `mac` (6 bytes; NULL: the
 * kernel's choice), `peer` in the namespace of process `peer_pid` (0: here). */
int netlink_veth_add(int fd, const char *name, const unsigned char *mac,
                     const char *peer, pid_t peer_pid, struct err *err);

/* Up, and then a port of bridge `master` (NULL: of none). */
int netlink_link_up(int fd, const char *name, const char *master,
                    struct err *err);
int netlink_link_mtu(int fd, const char *name, unsigned mtu, struct err *err);

/* `bytes` is a struct in_addr or in6_addr. IPv6 addresses are usable at once:
 * there is nobody to collide with, so nobody is asked (RFC 4862 5.4). */
int netlink_address_add(int fd, const char *name, int family, const void *bytes,
                        unsigned bits, struct err *err);

/* ---- routes and rules ---------------------------------------------------- */

/* Leave what you do not need 0. */
struct netlink_route {
    int family;
    const void *destination; /* in_addr or in6_addr; NULL: everything */
    unsigned bits;
    const void *gateway;
    const void *source;  /* the address that packets come from by default */
    const char *device;  /* interface name */
    uint32_t table;      /* 0: main */
    unsigned char type;  /* 0: RTN_UNICAST; RTN_LOCAL hands it to this host */
    unsigned char scope; /* 0: everywhere; RT_SCOPE_HOST for RTN_LOCAL (IPv4) */
};

/* A route that is there already is replaced. */
int netlink_route_add(int fd, const struct netlink_route *route,
                      struct err *err);
int netlink_route_del(int fd, const struct netlink_route *route,
                      struct err *err);

/* Packets that match look in `table`. Lower priorities are asked first; the
 * kernel's own are 0 (local), 32766 (main) and 32767. */
struct netlink_rule {
    int family;
    const char *from_device; /* came in by this interface; NULL: any */
    uint8_t protocol;        /* IPPROTO_TCP; 0: any */
    uint16_t port;           /* destination; 0: any */
    uint16_t from_port;      /* source; 0: any */
    uint32_t table;
    uint32_t priority;
};
int netlink_rule_add(int fd, const struct netlink_rule *rule, struct err *err);
int netlink_rule_del(int fd, const struct netlink_rule *rule, struct err *err);

/* ---- switches of the kernel that have no message --------------------------
 */

/* Write `value` to /proc/sys/net/<name>, such as "ipv4/ip_forward". */
int netlink_sysctl(const char *name, const char *value, struct err *err);

#endif
