/* SPDX-License-Identifier: MIT
 *
 * A network that is quiet (nothing is sent that no program asked for) and
 * whose frames are what a wire would carry (no offloads, MTU 1500). */
#include "labs/net/wire.h"

#include "labs/net/plan.h"
#include "proxy/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <net/if.h>

/* ---- switches of the kernel ---------------------------------------------- */

struct setting {
    const char *name, *value;
};

/* No advertisement, redirect, duplicate detection or unsolicited report: a
 * capture shows what the programs do. The kernel must not correct a route that
 * the lab bends, either, nor probe for lost segments (RFC 8985 7) where none
 * can be lost: on a busy machine the probe would look like a retransmission.
 * `default` is what interfaces made later begin with. */
static const struct setting quiet[] = {
    {"ipv4/tcp_early_retrans", "0"},
    {"ipv4/conf/all/rp_filter", "0"},
    {"ipv4/conf/default/rp_filter", "0"},
    {"ipv4/conf/all/accept_redirects", "0"},
    {"ipv4/conf/default/accept_redirects", "0"},
    {"ipv4/conf/all/send_redirects", "0"},
    {"ipv4/conf/default/send_redirects", "0"},
    {"ipv6/conf/all/disable_ipv6", "0"},
    {"ipv6/conf/default/disable_ipv6", "0"},
    {"ipv6/conf/default/accept_ra", "0"},
    {"ipv6/conf/default/autoconf", "0"},
    {"ipv6/conf/default/accept_dad", "0"},
    {"ipv6/conf/default/dad_transmits", "0"},
    {"ipv6/conf/default/router_solicitations", "0"},
    {"ipv6/conf/all/accept_redirects", "0"},
    {"ipv6/conf/default/accept_redirects", "0"},
    /* Version 1 reports a group while it is joined (RFC 2710), version 2 when
     * the kernel finds the time; neither may say it again later. */
    {"ipv6/conf/default/force_mld_version", "1"},
    {"ipv6/conf/default/mldv1_unsolicited_report_interval", "86400000"},
    {NULL, NULL},
};

/* The switch itself has no address and says nothing. */
static const struct setting mute[] = {
    {"ipv6/conf/all/disable_ipv6", "1"},
    {"ipv6/conf/default/disable_ipv6", "1"},
    {NULL, NULL},
};

static const struct setting router[] = {
    {"ipv4/ip_forward", "1"},
    {"ipv6/conf/all/forwarding", "1"},
    {"ipv4/conf/all/accept_redirects", "0"},
    {NULL, NULL},
};

/* A kernel without a setting (or without IPv6) does not do what it turns
 * off. */
static int settle(const struct setting *table, struct err *err)
{
    for (; table->name; table++)
        if (netlink_sysctl(table->name, table->value, err) < 0 &&
            errno != ENOENT)
            return -1;
    return 0;
}

/* ---- interfaces ---------------------------------------------------------- */

/* Frames are built whole by the sender: segments as on the wire, checksums
 * that are right. A kernel that does not know one of these does not do it. */
static void offloads_off(int inet, const char *name)
{
    static const unsigned commands[] = {ETHTOOL_SGRO,    ETHTOOL_STSO,
                                        ETHTOOL_SGSO,    ETHTOOL_SRXCSUM,
                                        ETHTOOL_STXCSUM, ETHTOOL_SSG};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct ethtool_value off = {.cmd = commands[i], .data = 0};
        struct ifreq request = {.ifr_data = (void *)&off};
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
        ioctl(inet, SIOCETHTOOL, &request);
    }
}

/* Until both ends of a cable know that they are connected, a switch would not
 * forward, and the first packet would be sent again after a second. The
 * kernel says so within a millisecond or two. */
static int await_carrier(int inet, const char *name, struct err *err)
{
    const struct timespec pause = {0, 200 * 1000};
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    for (int i = 0; i < 20000; i++) {
        if (ioctl(inet, SIOCGIFFLAGS, &request) < 0) {
            err_errno(err, "ask for the state of %s", name);
            return -1;
        }
        if (request.ifr_flags & IFF_RUNNING)
            return 0;
        nanosleep(&pause, NULL);
    }
    err_set(err, "the cable of %s does not come up", name);
    return -1;
}

/* How many solicited-node groups (RFC 4291 2.7.1) has this host joined? -1:
 * there is no IPv6. */
static int groups_joined(void)
{
    char line[128];
    int count = 0;
    FILE *file = fopen("/proc/self/net/igmp6", "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        count += strstr(line, " eth0 ") &&
                 strstr(line, " ff0200000000000000000001ff");
    fclose(file);
    return count;
}

/* The kernel joins the groups of its addresses, link-local and ours, in its own
 * time, and says so on the wire. Let that happen before the cable is plugged
 * in. On a kernel that does it otherwise the wire is a little less quiet, and
 * that is all. */
static void await_groups(const struct net_place *place)
{
    const struct timespec pause = {0, 200 * 1000};
    int wanted = place->ip6[0] ? 2 : 0;
    for (int i = 0; i < 500; i++) {
        int joined = groups_joined();
        if (joined < 0 || joined >= wanted)
            return;
        nanosleep(&pause, NULL);
    }
}

int wire_switch_open(struct wire_switch *out, struct err *err)
{
    out->netlink = netlink_open(err);
    out->inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out->netlink >= 0 && out->inet >= 0)
        return 0;
    if (out->inet < 0)
        err_errno(err, "open a socket");
    return -1;
}

/* ---- the switch ---------------------------------------------------------- */

/* A hub is a switch that forgets at once where anyone is. */
static int add_bridge(int netlink, bool hub, struct err *err)
{
    static const unsigned char mac[6] = {0x02, 0x66, 0, 0, 0, 0xb0};
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    struct netlink_message message;
    netlink_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body,
                  sizeof body);
    netlink_put_text(&message, IFLA_IFNAME, "br0");
    netlink_put(&message, IFLA_ADDRESS, mac, sizeof mac);
    struct nlattr *info = netlink_nest(&message, IFLA_LINKINFO, NULL, 0);
    netlink_put_text(&message, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = netlink_nest(&message, IFLA_INFO_DATA, NULL, 0);
    netlink_put_u32(&message, IFLA_BR_STP_STATE, 0);
    netlink_put_u32(&message, IFLA_BR_FORWARD_DELAY, 0);
    netlink_put_u8(&message, IFLA_BR_MCAST_SNOOPING, 0);
    if (hub)
        netlink_put_u32(&message, IFLA_BR_AGEING_TIME, 0);
    netlink_nest_end(&message, data);
    netlink_nest_end(&message, info);
    if (netlink_ask(netlink, &message, err) == 0)
        return 0;
    err_prefix(err, "add the switch br0");
    return -1;
}

static int build_switch(const struct net_plan *plan, int netlink,
                        struct err *err)
{
    if (settle(mute, err) < 0 || netlink_link_up(netlink, "lo", NULL, err) < 0)
        return -1;
    if (add_bridge(netlink, plan->topology == NET_HUB, err) < 0)
        return -1;
    return netlink_link_up(netlink, "br0", NULL, err);
}

/* ---- loopback ------------------------------------------------------------ */

/* Resolvers that ask only for addresses of a kind that this host has
 * (AI_ADDRCONFIG) find none, and then no name at all, where 127.0.0.1 is the
 * only one. A kernel without dummy devices gets that address on lo. */
static int give_real_address(int netlink, struct err *err)
{
    struct in_addr real;
    const char *name = "eth0";
    inet_pton(AF_INET, "192.0.2.1", &real);
    if (netlink_link_add(netlink, name, "dummy", err) < 0)
        name = "lo";
    return netlink_address_add(netlink, name, AF_INET, &real, 32, err) < 0 ||
                   netlink_link_up(netlink, name, NULL, err) < 0
               ? -1
               : 0;
}

/* A program that does not say where it connects from gets 127.0.0.1, which
 * would be nobody. So the route to a place says that packets to it come from
 * the first place, which is the victim; and the route to the first place that
 * they come from the second. Our own programs say it: $MITMLAB_SOURCE. */
static int give_sources(const struct net_plan *plan, int netlink,
                        struct err *err)
{
    for (unsigned i = 0; i < plan->places_count; i++) {
        unsigned from = i == 0 && plan->places_count > 1 ? 1 : 0;
        struct in_addr to, source;
        inet_pton(AF_INET, plan->places[i].ip4, &to);
        inet_pton(AF_INET, plan->places[from].ip4, &source);
        const struct netlink_route route = {
            .family = AF_INET,
            .destination = &to,
            .bits = 32,
            .source = &source,
            .device = "lo",
            .table = RT_TABLE_LOCAL,
            .type = RTN_LOCAL,
            .scope = RT_SCOPE_HOST,
        };
        if (netlink_route_add(netlink, &route, err) < 0)
            return -1;
    }
    return 0;
}

static int build_loopback(const struct net_plan *plan, int netlink, int inet,
                          struct err *err)
{
    if (settle(quiet, err) < 0 || netlink_link_up(netlink, "lo", NULL, err) < 0)
        return -1;
    if (netlink_link_mtu(netlink, "lo", 1500, err) < 0)
        return -1;
    offloads_off(inet, "lo");
    if (give_real_address(netlink, err) < 0)
        return -1;
    return give_sources(plan, netlink, err);
}

int wire_build(const struct net_plan *plan, struct err *err)
{
    struct wire_switch here;
    if (wire_switch_open(&here, err) < 0)
        return -1;
    int rc = plan->topology == NET_LOOPBACK
                 ? build_loopback(plan, here.netlink, here.inet, err)
                 : build_switch(plan, here.netlink, err);
    close(here.netlink);
    close(here.inet);
    return rc;
}

/* ---- the end at a place -------------------------------------------------- */

static int give_addresses(const struct net_place *place, int netlink,
                          struct err *err)
{
    struct in_addr four;
    struct in6_addr six;
    inet_pton(AF_INET, place->ip4, &four);
    if (netlink_address_add(netlink, "eth0", AF_INET, &four, 24, err) < 0)
        return -1;
    if (inet_pton(AF_INET6, place->ip6, &six) != 1)
        return 0;
    return netlink_address_add(netlink, "eth0", AF_INET6, &six, 64, err);
}

/* The cable: both ends up, and plugged in only when they know it, so that the
 * switch forwards from the first frame on. */
static int lay_cable(const struct net_place *place, int netlink, int inet,
                     const struct wire_switch *at, struct err *err)
{
    unsigned char mac[6];
    plan_mac(place, mac);
    if (netlink_veth_add(netlink, "eth0", mac, place->name, 1, err) < 0)
        return -1;
    offloads_off(inet, "eth0");
    offloads_off(at->inet, place->name);
    if (netlink_link_up(at->netlink, place->name, NULL, err) < 0 ||
        give_addresses(place, netlink, err) < 0 ||
        netlink_link_up(netlink, "eth0", NULL, err) < 0 ||
        await_carrier(at->inet, place->name, err) < 0 ||
        await_carrier(inet, "eth0", err) < 0)
        return -1;
    await_groups(place);
    return netlink_link_up(at->netlink, place->name, "br0", err);
}

/* The addresses of `to` are reached through `via`, in both families. */
static int bend_route(const struct net_place *to, const struct net_place *via,
                      int netlink, bool bent, struct err *err)
{
    struct in6_addr ends[2]; /* large enough for either family */
    static const struct {
        int family;
        unsigned bits;
    } rows[] = {{AF_INET, 32}, {AF_INET6, 128}};
    for (int i = 0; i < 2; i++) {
        int family = rows[i].family;
        bool six = family == AF_INET6;
        if (inet_pton(family, six ? to->ip6 : to->ip4, &ends[0]) != 1 ||
            inet_pton(family, six ? via->ip6 : via->ip4, &ends[1]) != 1)
            continue;
        const struct netlink_route route = {
            .family = family,
            .destination = &ends[0],
            .bits = rows[i].bits,
            .gateway = &ends[1],
            .device = "eth0",
        };
        if (bent ? netlink_route_add(netlink, &route, err) < 0
                 : netlink_route_del(netlink, &route, err) < 0)
            return -1;
    }
    return 0;
}

static int bend_routes(const struct net_plan *plan, unsigned index, int netlink,
                       bool bent, struct err *err)
{
    for (unsigned i = 0; i < plan->routes_count; i++) {
        const struct net_route *it = &plan->routes[i];
        int via = plan_find(plan, it->via);
        if (via == (int)index && settle(router, err) < 0)
            return -1;
        if (plan_find(plan, it->from) != (int)index)
            continue;
        const struct net_place *to = &plan->places[plan_find(plan, it->to)];
        if (bend_route(to, &plan->places[via], netlink, bent, err) < 0)
            return -1;
    }
    return 0;
}

int wire_plug(const struct net_plan *plan, unsigned index,
              const struct wire_switch *at, struct err *err)
{
    int rc = -1;
    struct wire_switch own;
    if (wire_switch_open(&own, err) < 0)
        return -1;
    if (settle(quiet, err) == 0 &&
        netlink_link_up(own.netlink, "lo", NULL, err) == 0 &&
        lay_cable(&plan->places[index], own.netlink, own.inet, at, err) == 0)
        rc = bend_routes(plan, index, own.netlink, true, err);
    close(own.netlink);
    close(own.inet);
    return rc;
}

int wire_bend(const struct net_plan *plan, unsigned index, bool bent,
              struct err *err)
{
    int netlink = netlink_open(err);
    if (netlink < 0)
        return -1;
    int rc = bend_routes(plan, index, netlink, bent, err);
    close(netlink);
    return rc;
}
