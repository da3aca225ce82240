/* SPDX-License-Identifier: MIT
 *
 * The init of a place: makes its namespaces, then starts programs and writes
 * files when the runner asks. One process a place, a child of the keeper. */
#ifndef LABS_NET_PLACE_H
#define LABS_NET_PLACE_H

#include "labs/net/net.h"

struct place {
    const struct net_plan *plan;
    int index;   /* in the plan; -1: the switch */
    int control; /* requests and answers; the first answer says "I stand" */
    int endings; /* where struct talk_ending goes */
};

/* Called in a process of its own. Returns when the runner is gone. */
void place_run(const struct place *place);

#endif
