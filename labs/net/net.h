/* SPDX-License-Identifier: MIT
 *
 * The small network of one run: places, the wire between them, and programs
 * at them. Everything dies with the runner, however the runner dies. */
#ifndef LABS_NET_NET_H
#define LABS_NET_NET_H

#include "certs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum net_topology { NET_SWITCH, NET_HUB, NET_LOOPBACK, NET_BARE };
const char *net_topology_name(enum net_topology topology);

enum { NET_PLACES_MOST = 8, NET_NAMES_MOST = 32 };

struct net_place {
    const char *name; /* "victim" */
    char ip4[16];     /* "192.0.2.17"; loopback and bare: "127.66.N.x" */
    char ip6[46];     /* "2001:db8:66::11"; "" on loopback and bare */
    char mac[18];     /* "02:66:..."; "" on loopback and bare */
};

/* A static route: `from` reaches the addresses of `to` through `via`. */
struct net_route {
    const char *from, *to, *via;
};

/* What to build. net_build() fills in the addresses from the seed. */
struct net_plan {
    enum net_topology topology;
    uint64_t seed;
    const char *work_dir; /* bare only: where the places' files go; a folder of
                             the run that the caller removes */
    struct net_place places[NET_PLACES_MOST];
    unsigned places_count;
    struct net_route routes[NET_PLACES_MOST];
    unsigned routes_count;
};

struct net;

/* Blocks until all places stand (tens of milliseconds). -1 with EXIT_MACHINE
 * and the cause when the machine gives no namespaces. */
int net_build(struct net_plan *plan, struct net **out, struct err *err);

/* Ends every process in the net and waits for it; then nothing is left. */
void net_free(struct net *net);

/* "/run/lab" at that place, as its programs see it (bare: a real folder, always
 * absolute). NULL: no such place. */
const char *net_dir(const struct net *net, const char *place);

/* Write a file at a place (0600, replaced whole, folders made on the way). A
 * path that does not start with '/' is below net_dir(). "/etc/hosts" is the
 * place's own; nothing else can be written. */
int net_put(struct net *net, const char *place, const char *path,
            const void *bytes, size_t len, struct err *err);

/* Switch all routes of the plan off, or on again: an attacker gets onto a path
 * and off it. They are on when the net has just been built. On loopback and
 * bare there is nothing to route, and nothing is done. */
int net_bend(struct net *net, bool bent, struct err *err);

/* Start a program at a place. "switch" names the switch itself, where the
 * capture sits. Environment: `env` (NULL-terminated "K=V") on top of a small
 * clean one: PATH as ours, HOME (net_dir(), which is also the folder that it
 * starts in), LC_ALL, MITMLAB_PLACE, MITMLAB_HOSTS, MITMLAB_TRUST, and
 * MITMLAB_SOURCE on loopback and bare. fds[0..2] become stdin, stdout, stderr
 * (-1: /dev/null); events_fd becomes descriptor 3, named by
 * $MITMLAB_EVENTS_FD (-1: none). No other descriptor is passed on. The caller
 * closes its copies. Returns when the program runs: a process number > 0 (of
 * this net, not a pid); or -1 when it cannot, such as when it is not
 * installed. */
struct net_command {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up */
    const char *const *env;
    int fds[3];
    int events_fd;
    bool terminal; /* give it the terminal of fds[0] as its own (a shell) */
};
int net_start(struct net *net, const char *place,
              const struct net_command *command, struct err *err);

/* A signal for a process; 0 or -1 if it is gone. SIGKILL goes to its whole
 * process group; what is left of that is killed when the process ends, too. */
int net_kill(struct net *net, int process, int signal);

/* Readable when some process has ended. */
int net_wait_fd(const struct net *net);

/* Take one ending: true, with number and status as of waitpid(2). If the places
 * themselves have died, every process that ran in them is told as killed. */
bool net_reap(struct net *net, int *out_process, int *out_status);

#endif
