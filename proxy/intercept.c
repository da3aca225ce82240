/* SPDX-License-Identifier: MIT
 *
 * For each interface, family and port a rule: TCP that came in there looks in
 * a table of ours, in which every address is this host. Packets that we send
 * came in nowhere, so they take the ordinary way. */
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

static int on_device(int fd, const char *device, const union address *listeners,
                     unsigned count, rule_action action, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < count && !rc; i++) {
        struct netlink_rule rule = {.family = listeners[i].any.sa_family,
                                    .from_device = device,
                                    .protocol = IPPROTO_TCP,
                                    .port = address_port(&listeners[i]),
                                    .table = TABLE,
                                    .priority = PRIORITY};
        rc = action(fd, &rule, err);
    }
    return rc;
}

/* On every interface but lo. */
static int on_devices(int fd, const union address *listeners, unsigned count,
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
            rc = on_device(fd, it->if_name, listeners, count, action, err);
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

int intercept_start(const union address *listeners, unsigned count,
                    struct err *err)
{
    if (!dial_inside_lab()) {
        err_code(err, EXIT_CONTAINMENT,
                 "--transparent takes over what passes through this host, so "
                 "it works only at a place of a lab");
        return -1;
    }
    int fd = netlink_open(err);
    if (fd < 0)
        return -1;
    int rc = become_router(err);
    for (unsigned i = 0; i < count && !rc; i++)
        rc = everything_is_here(fd, listeners[i].any.sa_family, err);
    if (!rc)
        rc = on_devices(fd, listeners, count, add_anew, err);
    close(fd);
    if (rc)
        intercept_stop(listeners, count);
    return rc ? -1 : 0;
}

void intercept_stop(const union address *listeners, unsigned count)
{
    struct err ignored = ERR_INIT;
    int fd = netlink_open(&ignored);
    if (fd < 0)
        return;
    (void)on_devices(fd, listeners, count, delete, &ignored);
    close(fd);
}
