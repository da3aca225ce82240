/* SPDX-License-Identifier: MIT
 *
 * Names and addresses of the places. Nothing here touches the machine. */
#include "labs/net/plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const topology_names[] = {"switch", "hub", "loopback",
                                             "bare"};

const char *net_topology_name(enum net_topology topology)
{
    return topology_names[topology];
}

int plan_find(const struct net_plan *plan, const char *name)
{
    for (unsigned i = 0; i < plan->places_count; i++)
        if (!strcmp(plan->places[i].name, name))
            return (int)i;
    return -1;
}

/* A name is also that of an interface, whose names are at most 15 bytes, and of
 * a folder. */
static bool name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 16 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           name[0] != '-' && strcmp(name, PLAN_SWITCH) != 0 &&
           strcmp(name, "br0") != 0 && strcmp(name, "lo") != 0;
}

int plan_check(const struct net_plan *plan, struct err *err)
{
    for (unsigned i = 0; i < plan->places_count; i++) {
        const char *name = plan->places[i].name;
        if (name_is_good(name) && plan_find(plan, name) == (int)i)
            continue;
        err_code(err, EXIT_LAB_INVALID,
                 "\"%.40s\" cannot name a place: 1 to 15 letters, digits and "
                 "dashes, each name once, none of switch, br0, lo",
                 name);
        return -1;
    }
    for (unsigned i = 0; i < plan->routes_count; i++) {
        const struct net_route *route = &plan->routes[i];
        const char *ends[] = {route->from, route->to, route->via};
        for (int end = 0; end < 3; end++)
            if (plan_find(plan, ends[end]) < 0) {
                err_code(err, EXIT_LAB_INVALID,
                         "a route names \"%.40s\", which is not a place",
                         ends[end]);
                return -1;
            }
    }
    return 0;
}

/* splitmix64: small, and its output is fixed for good by its definition. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

unsigned plan_block(const struct net_plan *plan)
{
    uint64_t state = plan->seed ^ 0x626c6f636bU;
    return (unsigned)(1 + draw(&state) % 254);
}

/* A host number that no other place has. 1 is what people expect of a router,
 * 255 is the broadcast address. */
static unsigned draw_host(uint64_t *state, bool used[256])
{
    unsigned host;
    do {
        host = (unsigned)(2 + draw(state) % 253);
    } while (used[host]);
    used[host] = true;
    return host;
}

void plan_draw(struct net_plan *plan, unsigned block)
{
    uint64_t state = plan->seed;
    bool used[256] = {false};
    bool wired = plan->topology == NET_SWITCH || plan->topology == NET_HUB;
    bool six = access("/proc/sys/net/ipv6", F_OK) == 0;
    for (unsigned i = 0; i < plan->places_count; i++) {
        struct net_place *it = &plan->places[i];
        unsigned host = draw_host(&state, used);
        unsigned low = (unsigned)(draw(&state) & 0xffffff);
        it->ip6[0] = it->mac[0] = '\0';
        if (!wired) {
            snprintf(it->ip4, sizeof it->ip4, "127.66.%u.%u", block & 0xff,
                     host);
            continue;
        }
        snprintf(it->ip4, sizeof it->ip4, "192.0.2.%u", host);
        if (six)
            snprintf(it->ip6, sizeof it->ip6, "2001:db8:66::%x", host);
        snprintf(it->mac, sizeof it->mac, "02:66:%02x:%02x:%02x:%02x", host,
                 low >> 16, (low >> 8) & 0xff, low & 0xff);
    }
}

void plan_mac(const struct net_place *place, unsigned char out[6])
{
    unsigned part[6] = {0};
    sscanf(place->mac, "%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2],
           &part[3], &part[4], &part[5]);
    for (int i = 0; i < 6; i++)
        out[i] = (unsigned char)part[i];
}
