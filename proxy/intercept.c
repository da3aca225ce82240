/* SPDX-License-Identifier: MIT
 *
 * For each interface, family and port a rule: TCP that came in there looks in
 * a table of ours, in which every address is this host. Packets that we send
 * came in nowhere, so they take the ordinary way. Where the victim's address
 * is kept, what servers answer from that port is for this host, too. */
#include "proxy/intercept.h"

#include "proxy/base/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TABLE = 66, PRIORITY = 66 };

typedef int (*rule_action)(int fd, const struct netlink_rule *rule,
                           struct err *err);

static int on_device(int fd, const char *device, const struct way_in *ways,
                     unsigned count, rule_action action, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < count && !rc; i++) {
        if (!way_takes_over(&ways[i]))
            continue;
        struct netlink_rule rule = {.family = ways[i].address.any.sa_family,
                                    .from_device = device,
                                    .protocol = IPPROTO_TCP,
                                    .port = address_port(&ways[i].address),
                                    .table = TABLE,
                                    .priority = PRIORITY};
        rc = action(fd, &rule, err);
        if (rc || ways[i].mode != WAY_KEEP)
            continue;
        rule.from_port = rule.port;
        rule.port = 0;
        rc = action(fd, &rule, err);
    }
    return rc;
}

/* On every interface but lo. */
static int on_devices(int fd, const struct way_in *ways, unsigned count,
                      rule_action action, struct err *err)
{
    struct if_nameindex *list = if_nameindex();
    int rc = 0;
    if (!list) {
        err_errno(err, "list the interfaces");
        return -1;
    }
    for (struct if_nameindex *it = list; it->if_index && !rc; it++)
        if (strcmp(it->if_name, "lo"))
            rc = on_device(fd, it->if_name, ways, count, action, err);
    if_freenameindex(list);
    return rc;
}

/* A rule may be left from a proxy that was killed; one too many is taken away
 * before ours is added, and it does not matter if there is none. */
static int add_anew(int fd, const struct netlink_rule *rule, struct err *err)
{
    struct err ignored = ERR_INIT;
    while (!netlink_rule_del(fd, rule, &ignored))
        ;
    return netlink_rule_add(fd, rule, err);
}

static int delete (int fd, const struct netlink_rule *rule, struct err *err)
{
    (void)netlink_rule_del(fd, rule, err);
    return 0;
}

static int everything_is_here(int fd, int family, struct err *err)
{
    struct netlink_route route = {.family = family,
                                  .device = "lo",
                                  .table = TABLE,
                                  .type = RTN_LOCAL,
                                  .scope =
                                      family == AF_INET ? RT_SCOPE_HOST : 0};
    return netlink_route_add(fd, &route, err);
}

static int set_on_device(const char *device, const char *what,
                         const char *value, struct err *err)
{
    char name[128];
    snprintf(name, sizeof name, "ipv4/conf/%s/%s", device, what);
    return netlink_sysctl(name, value, err);
}

/* Forward; do not tell victims that there is a shorter way (ICMP redirect);
 * and do not drop packets because their way back is another one. */
static int become_router(struct err *err)
{
    struct if_nameindex *list = if_nameindex();
    int rc = netlink_sysctl("ipv4/ip_forward", "1", err) ||
             set_on_device("all", "send_redirects", "0", err) ||
             set_on_device("all", "rp_filter", "0", err);
    for (struct if_nameindex *it = list; it && it->if_index && !rc; it++)
        rc = set_on_device(it->if_name, "send_redirects", "0", err) ||
             set_on_device(it->if_name, "rp_filter", "0", err);
    if (list)
        if_freenameindex(list);
    if (!rc && access("/proc/sys/net/ipv6", F_OK) == 0)
        rc = netlink_sysctl("ipv6/conf/all/forwarding", "1", err);
    return rc ? -1 : 0;
}

static bool any_takes_over(const struct way_in *ways, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (way_takes_over(&ways[i]))
            return true;
    return false;
}

int intercept_start(const struct way_in *ways, unsigned count, struct err *err)
{
    if (!any_takes_over(ways, count))
        return 0;
    if (!dial_inside_lab()) {
        err_code(err, EXIT_CONTAINMENT,
                 "transparent and keep take over what passes through this "
                 "host, so they work only at a place of a lab");
        return -1;
    }
    int fd = netlink_open(err);
    if (fd < 0)
        return -1;
    int rc = become_router(err);
    for (unsigned i = 0; i < count && !rc; i++)
        rc = everything_is_here(fd, ways[i].address.any.sa_family, err);
    if (!rc)
        rc = on_devices(fd, ways, count, add_anew, err);
    close(fd);
    if (rc)
        intercept_stop(ways, count);
    return rc ? -1 : 0;
}

void intercept_stop(const struct way_in *ways, unsigned count)
{
    struct err ignored = ERR_INIT;
    int fd = any_takes_over(ways, count) ? netlink_open(&ignored) : -1;
    if (fd < 0)
        return;
    (void)on_devices(fd, ways, count, delete, &ignored);
    close(fd);
}

/* ---- with the victim's address ------------------------------------------- */

static int open_socket(const union address *address)
{
    return socket(address->any.sa_family,
                  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
}

static void set_port(union address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6)
        address->v6.sin6_port = htons(port);
    else
        address->v4.sin_port = htons(port);
}

/* A socket at that host and any port; -1 with errno. */
static int bind_to_host(const union address *host, bool foreign)
{
    union address wanted = *host;
    bool v6 = host->any.sa_family == AF_INET6;
    int on = 1, fd = open_socket(host);
    set_port(&wanted, 0);
    if (fd < 0)
        return -1;
    if ((!foreign ||
         !setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                     v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on)) &&
        !bind(fd, &wanted.any, address_len(&wanted)))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool has_port(int fd, uint16_t port)
{
    union address own = {0};
    socklen_t len = sizeof own;
    return !getsockname(fd, &own.any, &len) && address_port(&own) == port;
}

int intercept_take_source(uv_tcp_t *tcp, const union address *victim,
                          struct err *err)
{
    char text[ADDRESS_TEXT];
    if (dial_check(victim, err))
        return -1;
    int fd = bind_to_host(victim, true);
    if (fd >= 0 && has_port(fd, address_port(victim))) {
        int other = bind_to_host(victim, true); /* while that one is taken */
        close(fd);
        fd = other;
    }
    if (fd >= 0 && !uv_tcp_open(tcp, fd))
        return 0;
    address_text(victim, text);
    err_errno(err, "send from the victim's address %s", text);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool intercept_is_own(const union address *address)
{
    int fd = bind_to_host(address, false);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
