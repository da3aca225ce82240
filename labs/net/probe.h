/* SPDX-License-Identifier: MIT
 *
 * What this machine gives a lab, found out by really doing it: some machines
 * hand out a user namespace and then refuse everything in it. */
#ifndef LABS_NET_PROBE_H
#define LABS_NET_PROBE_H

#include "certs/err.h"

#include <stdbool.h>

enum probe_step {
    PROBE_USER,    /* user, network, mount, pid namespaces; being root there */
    PROBE_PROC,    /* a /proc of their own */
    PROBE_MOUNT,   /* an empty /run, a file over /etc/hosts */
    PROBE_VETH,    /* a cable */
    PROBE_BRIDGE,  /* a switch */
    PROBE_CAPTURE, /* a packet socket on the cable */
    PROBE_IPV6,    /* an IPv6 address */
    PROBE_STEPS
};

struct probe_result {
    bool ok;
    char detail[200]; /* what failed, in the kernel's words */
};

/* Try all of them, in a child and namespaces of their own; 10 s at most. */
void probe_run(struct probe_result out[PROBE_STEPS]);

/* Why the machine refuses: `cause` is a sentence, `fix` a command or "". */
struct probe_cause {
    char cause[256], fix[256];
};
void probe_explain(const struct probe_result results[PROBE_STEPS],
                   struct probe_cause *out);

/* 0 when the places of a lab can be built here. Else -1, EXIT_MACHINE, and the
 * line of `mitmlab doctor` that says why and what helps. */
int net_probe(struct err *err);

#endif
