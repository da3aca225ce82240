/* SPDX-License-Identifier: MIT
 *
 * rtnetlink(7): messages are built here, sent, and their answers awaited. */
#include "proxy/base/netlink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>

/* ---- requests ------------------------------------------------------------ */

int netlink_open(struct err *err)
{
    int on = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        err_errno(err, "open a netlink socket");
        return -1;
    }
    /* Both only make answers shorter and clearer; old kernels have neither. */
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    return fd;
}

/* Room for `len` bytes at the end of the message. */
static void *grow(struct netlink_message *message, size_t len)
{
    size_t at = message->header.nlmsg_len, padded = NLMSG_ALIGN(len);
    assert(at + padded <= sizeof message->bytes);
    memset(message->bytes + at, 0, padded);
    message->header.nlmsg_len += (unsigned)padded;
    return message->bytes + at;
}

void netlink_begin(struct netlink_message *message, int type, int flags,
                   const void *body, size_t len)
{
    message->header = (struct nlmsghdr){
        .nlmsg_len = NLMSG_HDRLEN,
        .nlmsg_type = (unsigned short)type,
        .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags),
        .nlmsg_seq = 1,
    };
    memcpy(grow(message, len), body, len);
}

void netlink_put(struct netlink_message *message, int attribute,
                 const void *data, size_t len)
{
    struct nlattr *it = grow(message, NLA_HDRLEN + len);
    it->nla_type = (unsigned short)attribute;
    it->nla_len = (unsigned short)(NLA_HDRLEN + len);
    if (len > 0)
        memcpy((char *)it + NLA_HDRLEN, data, len);
}

void netlink_put_u8(struct netlink_message *message, int attribute,
                    uint8_t value)
{
    netlink_put(message, attribute, &value, sizeof value);
}

void netlink_put_u16(struct netlink_message *message, int attribute,
                     uint16_t value)
{
    netlink_put(message, attribute, &value, sizeof value);
}

void netlink_put_u32(struct netlink_message *message, int attribute,
                     uint32_t value)
{
    netlink_put(message, attribute, &value, sizeof value);
}

void netlink_put_text(struct netlink_message *message, int attribute,
                      const char *text)
{
    netlink_put(message, attribute, text, strlen(text) + 1);
}

struct nlattr *netlink_nest(struct netlink_message *message, int attribute,
                            const void *body, size_t len)
{
    struct nlattr *nest = grow(message, NLA_HDRLEN);
    nest->nla_type = (unsigned short)attribute;
    if (body)
        memcpy(grow(message, len), body, len);
    return nest;
}

void netlink_nest_end(struct netlink_message *message, struct nlattr *nest)
{
    unsigned char *end = message->bytes + message->header.nlmsg_len;
    nest->nla_len = (unsigned short)(end - (unsigned char *)nest);
}

/* The kernel's own sentence, if the answer has one, else "". */
static const char *kernel_words(const struct netlink_message *answer,
                                char text[128])
{
    const struct nlmsgerr *body = NLMSG_DATA(&answer->header);
    const unsigned char *at = (const unsigned char *)(body + 1);
    const unsigned char *end = answer->bytes + answer->header.nlmsg_len;
    text[0] = '\0';
    if (!(answer->header.nlmsg_flags & NLM_F_ACK_TLVS) ||
        !(answer->header.nlmsg_flags & NLM_F_CAPPED))
        return text;
    while (end - at >= NLA_HDRLEN) {
        const struct nlattr *it = (const struct nlattr *)at;
        if (it->nla_len < NLA_HDRLEN || it->nla_len > end - at)
            break;
        if (it->nla_type == NLMSGERR_ATTR_MSG)
            snprintf(text, 128, " (%.*s)", (int)(it->nla_len - NLA_HDRLEN),
                     (const char *)at + NLA_HDRLEN);
        at += NLA_ALIGN(it->nla_len);
    }
    return text;
}

int netlink_ask(int fd, struct netlink_message *message, struct err *err)
{
    struct netlink_message answer;
    char words[128];
    ssize_t got = -1;
    if (send(fd, message->bytes, message->header.nlmsg_len, 0) >= 0)
        do {
            got = recv(fd, answer.bytes, sizeof answer.bytes, 0);
        } while (got < 0 && errno == EINTR);
    if (got < 0) {
        err_errno(err, "netlink");
        return -1;
    }
    if ((size_t)got < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
        answer.header.nlmsg_len > (size_t)got ||
        answer.header.nlmsg_type != NLMSG_ERROR) {
        err_set(err, "netlink: an answer that is not an acknowledgement");
        errno = EPROTO;
        return -1;
    }
    int error = -((const struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
    if (error == 0)
        return 0;
    err_set(err, "%s%s", strerror(error), kernel_words(&answer, words));
    errno = error;
    return -1;
}

/* Say what was asked for when the answer is no; errno stays. */
static int ask(int fd, struct netlink_message *message, struct err *err,
               const char *what, const char *name)
{
    if (netlink_ask(fd, message, err) == 0)
        return 0;
    int saved = errno;
    err_prefix(err, "%s %s", what, name);
    errno = saved;
    return -1;
}

/* ---- links and addresses ------------------------------------------------- */

int netlink_index(int fd, const char *name, struct err *err)
{
    /* The socket, not the process, says which namespace is meant. */
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    struct netlink_message message;
    netlink_begin(&message, RTM_GETLINK, 0, &body, sizeof body);
    message.header.nlmsg_flags &= (unsigned short)~NLM_F_ACK;
    netlink_put_text(&message, IFLA_IFNAME, name);
    union {
        struct nlmsghdr header;
        char bytes[8192];
    } answer;
    ssize_t got = -1;
    if (send(fd, message.bytes, message.header.nlmsg_len, 0) >= 0)
        got = recv(fd, answer.bytes, sizeof answer.bytes, 0);
    if (got >= (ssize_t)NLMSG_LENGTH(sizeof body) &&
        answer.header.nlmsg_type == RTM_NEWLINK)
        return ((struct ifinfomsg *)NLMSG_DATA(&answer.header))->ifi_index;
    if (got >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
        answer.header.nlmsg_type == NLMSG_ERROR)
        errno = -((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
    err_errno(err, "find interface %s", name);
    return -1;
}

int netlink_link_add(int fd, const char *name, const char *kind,
                     struct err *err)
{
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    struct netlink_message message;
    netlink_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body,
                  sizeof body);
    netlink_put_text(&message, IFLA_IFNAME, name);
    struct nlattr *info = netlink_nest(&message, IFLA_LINKINFO, NULL, 0);
    netlink_put_text(&message, IFLA_INFO_KIND, kind);
    netlink_nest_end(&message, info);
    return ask(fd, &message, err, "add a link of kind", kind);
}

int netlink_veth_add(int fd, const char *name, const unsigned char *mac,
                     const char *peer, pid_t peer_pid, struct err *err)
{
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    struct netlink_message message;
    netlink_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body,
                  sizeof body);
    netlink_put_text(&message, IFLA_IFNAME, name);
    if (mac)
        netlink_put(&message, IFLA_ADDRESS, mac, 6);
    struct nlattr *info = netlink_nest(&message, IFLA_LINKINFO, NULL, 0);
    netlink_put_text(&message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = netlink_nest(&message, IFLA_INFO_DATA, NULL, 0);
    struct nlattr *other =
        netlink_nest(&message, VETH_INFO_PEER, &body, sizeof body);
    netlink_put_text(&message, IFLA_IFNAME, peer);
    if (peer_pid)
        netlink_put_u32(&message, IFLA_NET_NS_PID, (uint32_t)peer_pid);
    netlink_nest_end(&message, other);
    netlink_nest_end(&message, data);
    netlink_nest_end(&message, info);
    return ask(fd, &message, err, "add the veth pair", name);
}

/* A change to a link that exists. */
static void begin_set(struct netlink_message *message, int index,
                      unsigned flags)
{
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC,
                             .ifi_index = index,
                             .ifi_flags = flags,
                             .ifi_change = flags};
    netlink_begin(message, RTM_NEWLINK, 0, &body, sizeof body);
}

int netlink_link_up(int fd, const char *name, const char *master,
                    struct err *err)
{
    struct netlink_message message;
    int index = netlink_index(fd, name, err), bridge = 0;
    if (index < 0 || (master && (bridge = netlink_index(fd, master, err)) < 0))
        return -1;
    begin_set(&message, index, IFF_UP);
    if (ask(fd, &message, err, "bring up", name) < 0)
        return -1;
    if (!bridge)
        return 0;
    begin_set(&message, index, 0);
    netlink_put_u32(&message, IFLA_MASTER, (uint32_t)bridge);
    return ask(fd, &message, err, "plug in", name);
}

int netlink_link_mtu(int fd, const char *name, unsigned mtu, struct err *err)
{
    struct netlink_message message;
    int index = netlink_index(fd, name, err);
    if (index < 0)
        return -1;
    begin_set(&message, index, 0);
    netlink_put_u32(&message, IFLA_MTU, mtu);
    return ask(fd, &message, err, "set the MTU of", name);
}

static size_t family_len(int family)
{
    return family == AF_INET6 ? sizeof(struct in6_addr)
                              : sizeof(struct in_addr);
}

int netlink_address_add(int fd, const char *name, int family, const void *bytes,
                        unsigned bits, struct err *err)
{
    struct netlink_message message;
    int index = netlink_index(fd, name, err);
    if (index < 0)
        return -1;
    struct ifaddrmsg body = {
        .ifa_family = (unsigned char)family,
        .ifa_prefixlen = (unsigned char)bits,
        .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
        .ifa_index = (unsigned)index,
    };
    netlink_begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body,
                  sizeof body);
    netlink_put(&message, IFA_LOCAL, bytes, family_len(family));
    netlink_put(&message, IFA_ADDRESS, bytes, family_len(family));
    return ask(fd, &message, err, "give an address to", name);
}

/* ---- routes and rules ---------------------------------------------------- */

static int route_ask(int fd, int type, int flags,
                     const struct netlink_route *route, struct err *err)
{
    struct netlink_message message;
    size_t len = family_len(route->family);
    int index = route->device ? netlink_index(fd, route->device, err) : 0;
    if (index < 0)
        return -1;
    struct rtmsg body = {
        .rtm_family = (unsigned char)route->family,
        .rtm_dst_len = (unsigned char)route->bits,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = route->scope,
        .rtm_type = route->type ? route->type : RTN_UNICAST,
    };
    netlink_begin(&message, type, flags, &body, sizeof body);
    netlink_put_u32(&message, RTA_TABLE,
                    route->table ? route->table : RT_TABLE_MAIN);
    if (route->destination)
        netlink_put(&message, RTA_DST, route->destination, len);
    if (route->gateway)
        netlink_put(&message, RTA_GATEWAY, route->gateway, len);
    if (route->source)
        netlink_put(&message, RTA_PREFSRC, route->source, len);
    if (index)
        netlink_put_u32(&message, RTA_OIF, (uint32_t)index);
    return ask(fd, &message, err, "change a route by",
               route->device ? route->device : "any interface");
}

int netlink_route_add(int fd, const struct netlink_route *route,
                      struct err *err)
{
    return route_ask(fd, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route,
                     err);
}

int netlink_route_del(int fd, const struct netlink_route *route,
                      struct err *err)
{
    return route_ask(fd, RTM_DELROUTE, 0, route, err);
}

static int rule_ask(int fd, int type, int flags,
                    const struct netlink_rule *rule, struct err *err)
{
    struct netlink_message message;
    struct fib_rule_hdr body = {
        .family = (unsigned char)rule->family,
        .action = FR_ACT_TO_TBL,
    };
    netlink_begin(&message, type, flags, &body, sizeof body);
    netlink_put_u32(&message, FRA_TABLE, rule->table);
    netlink_put_u32(&message, FRA_PRIORITY, rule->priority);
    if (rule->from_device)
        netlink_put_text(&message, FRA_IIFNAME, rule->from_device);
    if (rule->protocol)
        netlink_put_u8(&message, FRA_IP_PROTO, rule->protocol);
    if (rule->port) {
        struct fib_rule_port_range range = {rule->port, rule->port};
        netlink_put(&message, FRA_DPORT_RANGE, &range, sizeof range);
    }
    if (rule->from_port) {
        struct fib_rule_port_range range = {rule->from_port, rule->from_port};
        netlink_put(&message, FRA_SPORT_RANGE, &range, sizeof range);
    }
    return ask(fd, &message, err, "change a routing rule for",
               rule->from_device ? rule->from_device : "any interface");
}

int netlink_rule_add(int fd, const struct netlink_rule *rule, struct err *err)
{
    return rule_ask(fd, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, err);
}

int netlink_rule_del(int fd, const struct netlink_rule *rule, struct err *err)
{
    return rule_ask(fd, RTM_DELRULE, 0, rule, err);
}

/* ---- switches ------------------------------------------------------------ */

int netlink_sysctl(const char *name, const char *value, struct err *err)
{
    char path[160];
    snprintf(path, sizeof path, "/proc/sys/net/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(value);
    if (fd >= 0 && write(fd, value, len) == (ssize_t)len) {
        close(fd);
        return 0;
    }
    err_errno(err, "write %s to %s", value, path);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}
