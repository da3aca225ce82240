/* SPDX-License-Identifier: MIT
 *
 * What net.c knows about a run, and the two ways to carry out what it is asked
 * for: inside.c (places in namespaces) and bare.c (plain processes). Private
 * to this folder. */
#ifndef LABS_NET_SEATS_H
#define LABS_NET_SEATS_H

#include "labs/net/net.h"
#include "labs/net/spawn.h"

/* A place, or the switch, which is seat 0. */
struct seat {
    char name[16];
    char dir[256];   /* what net_dir() says */
    char hosts[272]; /* its table of names */
    char source[16]; /* for $MITMLAB_SOURCE; "" where it has its own network */
    int control;     /* inside: to its init */
};

/* 0 or -1 as in net.h. `reap` takes one ending without waiting. */
struct net_ways {
    int (*start)(struct net *net, struct seat *seat, int process,
                 const struct spawn *spawn, struct err *err);
    int (*put)(struct net *net, struct seat *seat, const char *path,
               const void *bytes, size_t len, struct err *err);
    int (*kill)(struct net *net, struct seat *seat, int process, int signal);
    int (*bend)(struct net *net, struct seat *seat, bool bent, struct err *err);
    int (*reap)(struct net *net, int *out_process, int *out_status);
    void (*end)(struct net *net);
};

struct net {
    const struct net_ways *ways;
    struct seat seats[NET_PLACES_MOST + 1];
    unsigned seats_count;
    int wait_fd;

    /* By process number: its seat, or SEAT_GONE when its end was told. */
    unsigned char *seat_of;
    int processes, processes_room;

    pid_t keeper;             /* inside */
    int lifeline;             /* inside: closed last, ends the keeper */
    struct children children; /* bare */
    int claim;                /* bare: holds our block of addresses */
};

enum { SEAT_GONE = 255 };

/* What `reap` returns. REAP_LOST: whoever could tell of endings has died, and
 * everything with it. */
enum { REAP_NONE, REAP_ONE, REAP_LOST };

/* Fill in ways, wait_fd and the seats' own parts. The names are there. What
 * was made before a failure is undone by ways->end(). */
int inside_build(struct net *net, const struct net_plan *plan, struct err *err);
int bare_build(struct net *net, struct net_plan *plan, struct err *err);

#endif
