/* SPDX-License-Identifier: MIT
 *
 * What a place sees of the file system: the host's, without /run (sockets of
 * resolvers, buses and daemons lie there), with a table of names, a resolver
 * file and a name service switch of its own, and /run/lab in memory. */
#ifndef LABS_NET_MOUNTS_H
#define LABS_NET_MOUNTS_H

#include "certs/err.h"

#define MOUNTS_DIR   "/run/lab"
#define MOUNTS_HOSTS "/etc/hosts"

/* In a fresh mount and pid namespace: nothing spreads to the host from here,
 * and /proc shows our processes only. */
int mounts_detach(struct err *err);

/* In a mount namespace of the place's own, after its network namespace is
 * made: /run, /etc and the mark that dial_inside_lab() looks for. */
int mounts_make(struct err *err);

#endif
