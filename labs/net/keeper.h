/* SPDX-License-Identifier: MIT
 *
 * The keeper: first process of the run's namespaces, owner of the switch,
 * parent of every place. It listens to nobody. It dies with the runner, and as
 * process 1 of its pid namespace takes everything in it along. */
#ifndef LABS_NET_KEEPER_H
#define LABS_NET_KEEPER_H

#include "labs/net/net.h"

struct keeper {
    const struct net_plan *plan;
    int controls[NET_PLACES_MOST + 1]; /* of the inits; [0]: the switch */
    int endings;                       /* the end that is written to */
    int lifeline;                      /* hangs up when the runner ends */
};

/* Start it. The places report on their control sockets; if the keeper itself
 * cannot go on, it says so on that of the switch. The caller closes its copies
 * of the descriptors. Returns its pid, or -1. */
pid_t keeper_start(const struct keeper *keeper, struct err *err);

/* A process in fresh namespaces of every kind that a lab needs, in which it is
 * root and process 1: like fork(2), 0 in the child, whose user is not mapped
 * yet. -1 with errno. */
pid_t keeper_clone(void);

/* Called in that child: be root there, as whoever has started it. */
int keeper_map_user(uid_t uid, gid_t gid, struct err *err);

#endif
