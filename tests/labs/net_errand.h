/* SPDX-License-Identifier: MIT
 *
 * What the tests of the network do at a place: small programs, each a row of
 * the table at the end. They print one line "ready" when somebody must wait
 * for them. */
#ifndef TESTS_LABS_NET_ERRAND_H
#define TESTS_LABS_NET_ERRAND_H

#include "proxy/base/dial.h"
#include "proxy/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>

enum { MARKER_PORT = 6666 }; /* a datagram to it says "all is over" */

static void say_ready(void)
{
    printf("ready\n");
    fflush(stdout);
}

static union address number(const char *host, const char *port)
{
    union address address;
    struct err err = ERR_INIT;
    if (dial_resolve(host, atoi(port), &address, &err) < 0)
        fprintf(stderr, "%s\n", err.text);
    return address;
}

/* dial HOST PORT: through the walls; exit code of the refusal. */
static int errand_dial(char **args)
{
    struct err err = ERR_INIT;
    union address own;
    socklen_t len = sizeof own;
    char text[ADDRESS_TEXT];
    int fd = dial_blocking(args[0], atoi(args[1]), 5000, &err);
    if (fd < 0) {
        printf("%s\n", err.text);
        return err.code;
    }
    getsockname(fd, &own.any, &len);
    address_text(&own, text);
    printf("from %s\n", text);
    return 0;
}

/* connect ADDRESS PORT: past the walls; errno is the exit code. */
static int errand_connect(char **args)
{
    union address to = number(args[0], args[1]);
    int fd = socket(to.any.sa_family, SOCK_STREAM, 0);
    return connect(fd, &to.any, address_len(&to)) < 0 ? errno : 0;
}

/* say ADDRESS PORT: a datagram. */
static int errand_say(char **args)
{
    union address to = number(args[0], args[1]);
    int fd = socket(to.any.sa_family, SOCK_DGRAM, 0);
    return sendto(fd, "over", 4, 0, &to.any, address_len(&to)) == 4 ? 0 : errno;
}

static int listen_at(const char *host, const char *port, bool transparent)
{
    union address at = number(host, port);
    int on = 1, fd = socket(at.any.sa_family, SOCK_STREAM, 0);
    int level = at.any.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int option =
        at.any.sa_family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if ((transparent && setsockopt(fd, level, option, &on, sizeof on) < 0) ||
        bind(fd, &at.any, address_len(&at)) < 0 || listen(fd, 16) < 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

/* Take `count` connections; print who wanted to speak to whom. */
static int serve(int listener, int count)
{
    say_ready();
    for (int i = 0; i < count; i++) {
        union address own, peer;
        socklen_t len = sizeof peer;
        char own_text[ADDRESS_TEXT], peer_text[ADDRESS_TEXT];
        int fd = accept(listener, &peer.any, &len);
        if (fd < 0)
            return errno;
        len = sizeof own;
        getsockname(fd, &own.any, &len);
        address_text(&own, own_text);
        address_text(&peer, peer_text);
        *strrchr(peer_text, ':') = '\0';
        printf("%s to %s\n", peer_text, own_text);
        fflush(stdout);
        close(fd);
    }
    return 0;
}

/* serve ADDRESS PORT COUNT */
static int errand_serve(char **args)
{
    return serve(listen_at(args[0], args[1], false), atoi(args[2]));
}

/* intercept FAMILY PORT COUNT: what a transparent proxy does. */
static int errand_intercept(char **args)
{
    struct err err = ERR_INIT;
    int family = atoi(args[0]) == 6 ? AF_INET6 : AF_INET;
    const struct netlink_rule rule = {.family = family,
                                      .from_device = "eth0",
                                      .protocol = IPPROTO_TCP,
                                      .port = (uint16_t)atoi(args[1]),
                                      .table = 66,
                                      .priority = 66};
    const struct netlink_route route = {
        .family = family,
        .device = "lo",
        .table = 66,
        .type = RTN_LOCAL,
        .scope = family == AF_INET ? RT_SCOPE_HOST : 0};
    int netlink = netlink_open(&err);
    if (netlink < 0 || netlink_route_add(netlink, &route, &err) < 0 ||
        netlink_rule_add(netlink, &rule, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const char *any = family == AF_INET6 ? "::" : "0.0.0.0";
    return serve(listen_at(any, args[1], true), atoi(args[2]));
}

/* inside: what dial_check() allows at this place; exit 0 if all is right. */
static int errand_inside(char **args)
{
    static const struct {
        const char *address;
        bool allowed;
    } rows[] = {
        {"127.0.0.1:80", true},         {"[::1]:80", true},
        {"192.0.2.0:80", true},         {"192.0.2.255:80", true},
        {"0.0.0.0:80", true},           {"[::]:80", true},
        {"255.255.255.255:67", true},   {"224.0.0.251:5353", true},
        {"239.255.255.255:1", true},    {"[2001:db8:66::1]:80", true},
        {"[fe80::1]:80", true},         {"[febf::1]:80", true},
        {"[ff02::1]:80", true},         {"[::ffff:192.0.2.9]:80", true},
        {"192.0.1.255:80", false},      {"192.0.3.0:80", false},
        {"198.51.100.1:80", false},     {"10.0.0.1:80", false},
        {"240.0.0.1:80", false},        {"255.255.255.254:80", false},
        {"0.0.0.1:80", false},          {"[2001:db8:66:1::1]:80", false},
        {"[2001:db8:65::1]:80", false}, {"[fec0::1]:80", false},
        {"[::ffff:10.0.0.1]:80", false}};
    int wrong = dial_inside_lab() ? 0 : 1;
    (void)args;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        union address address;
        if (address_parse(rows[i].address, &address, &err) < 0 ||
            (dial_check(&address, &err) == 0) != rows[i].allowed) {
            fprintf(stderr, "%s %s\n", rows[i].address, err.text);
            wrong = 1;
        }
    }
    return wrong;
}

/* outside: is this place one from which nothing may be reached? */
static int errand_outside(char **args)
{
    (void)args;
    return dial_inside_lab() ? 1 : 0;
}

/* default: give this place a way out, and ask again. */
static int errand_default(char **args)
{
    struct err err = ERR_INIT;
    struct in_addr gateway;
    int netlink = netlink_open(&err);
    inet_pton(AF_INET, args[0], &gateway);
    const struct netlink_route route = {
        .family = AF_INET, .gateway = &gateway, .device = "eth0"};
    if (netlink < 0 || netlink_route_add(netlink, &route, &err) < 0)
        return 2;
    int inside = dial_inside_lab();
    netlink_route_del(netlink, &route, &err);
    return inside ? 1 : dial_inside_lab() ? 0 : 3;
}

static int packet_socket(const char *interface, unsigned char own[6])
{
    struct ifreq request = {0};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(interface)};
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex,
                              .mr_type = PACKET_MR_PROMISC};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) ||
        ioctl(fd, SIOCGIFHWADDR, &request) < 0) {
        perror(interface);
        exit(1);
    }
    memcpy(own, request.ifr_hwaddr.sa_data, 6);
    return fd;
}

/* RFC 1071: over the TCP part of an IPv4 frame, with its pseudo header. */
static bool checksum_right(const unsigned char *ip, size_t len)
{
    uint32_t sum = IPPROTO_TCP;
    size_t head = (size_t)(ip[0] & 15) * 4;
    size_t total = (size_t)ip[2] << 8 | ip[3];
    if (total > len)
        return false;
    sum += (uint32_t)(total - head);
    for (size_t i = 12; i < total; i++)
        if (i < 20 || i >= head)
            sum += (i % 2) ? ip[i] : (uint32_t)ip[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

/* watch INTERFACE: until the marker comes. Prints how many TCP segments of
 * others were seen, how many checksums were wrong, and the longest frame. */
static int errand_watch(char **args)
{
    unsigned char own[6], frame[65536];
    int fd = packet_socket(args[0], own), foreign = 0, wrong = 0;
    ssize_t got, longest = 0;
    say_ready();
    while ((got = recv(fd, frame, sizeof frame, 0)) > 0) {
        const unsigned char *ip = frame + 14;
        if (frame[12] != 8 || frame[13] != 0)
            continue;
        if (ip[9] == IPPROTO_UDP && ip[22] == (MARKER_PORT >> 8) &&
            ip[23] == (MARKER_PORT & 255))
            break;
        if (ip[9] != IPPROTO_TCP)
            continue;
        foreign += memcmp(frame, own, 6) && memcmp(frame + 6, own, 6);
        wrong += !checksum_right(ip, (size_t)got - 14);
        longest = got > longest ? got : longest;
    }
    printf("%d foreign, %d wrong, longest %zd\n", foreign, wrong, longest);
    return 0;
}

/* count INTERFACE MILLISECONDS: prints every frame that comes by itself. */
static int errand_count(char **args)
{
    unsigned char own[6], frame[2048];
    int fd = packet_socket(args[0], own), frames = 0;
    struct timeval patience = {0, atoi(args[1]) * 1000L};
    patience.tv_sec = patience.tv_usec / 1000000;
    patience.tv_usec %= 1000000;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got;
    while ((got = recv(fd, frame, sizeof frame, 0)) > 0) {
        frames++;
        for (ssize_t i = 0; i < got && i < 100; i++)
            printf("%02x", frame[i]);
        printf("\n");
    }
    printf("%d\n", frames);
    return 0;
}

static void ask_arp(int fd, const unsigned char own[6], const char *from,
                    const char *whose)
{
    unsigned char ask[42] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    memset(ask, 0xff, 6);
    memcpy(ask + 6, own, 6);
    memcpy(ask + 22, own, 6);
    inet_pton(AF_INET, from, ask + 28);
    inet_pton(AF_INET, whose, ask + 38);
    if (send(fd, ask, sizeof ask, 0) < 0)
        perror("send");
}

/* arp OWN NOBODY A B: who answers for them? Ends when A and B have answered,
 * and NOBODY was asked for first, so whoever answers for it has done so. */
static int errand_arp(char **args)
{
    unsigned char own[6], frame[2048];
    int fd = packet_socket("eth0", own), found = 0;
    for (int i = 1; i < 4; i++)
        ask_arp(fd, own, args[0], args[i]);
    while (found < 2 && recv(fd, frame, sizeof frame, 0) > 0) {
        char who[INET_ADDRSTRLEN];
        if (frame[12] != 8 || frame[13] != 6 || frame[21] != 2)
            continue;
        inet_ntop(AF_INET, frame + 28, who, sizeof who);
        printf("%s is at %02x:%02x:%02x:%02x:%02x:%02x\n", who, frame[6],
               frame[7], frame[8], frame[9], frame[10], frame[11]);
        found += strcmp(who, args[1]) != 0;
    }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(char **args);
} errands[] = {
    {"dial", errand_dial},       {"connect", errand_connect},
    {"say", errand_say},         {"serve", errand_serve},
    {"inside", errand_inside},   {"outside", errand_outside},
    {"default", errand_default}, {"intercept", errand_intercept},
    {"watch", errand_watch},     {"count", errand_count},
    {"arp", errand_arp},
};

/* main() of a test calls it first: does not return when on an errand. */
static void errand_main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof errands / sizeof *errands; i++)
        if (!strcmp(argv[1], errands[i].name)) {
            int rc = errands[i].run(argv + 2);
            fflush(stdout);
            _exit(rc);
        }
}

#endif
