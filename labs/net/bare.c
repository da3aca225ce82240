/* SPDX-License-Identifier: MIT
 *
 * Places without any namespace, for machines that give none: an address of
 * 127.66.N.0/24 each, a folder each below the run's, and programs that are
 * plain children of the runner. Only our own victims may run like this. */
#include "labs/net/plan.h"
#include "labs/net/put.h"
#include "labs/net/seats.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* An abstract socket's name is taken as long as a process holds it, and leaves
 * nothing behind. All users share 127.66.0.0/16, so it names no user. */
static int claim(unsigned block)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1,
                       "mitmlab-127.66.%u", block);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                         (size_t)len)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The block that the seed names, or the next one that is free. */
static int claim_block(const struct net_plan *plan, unsigned *out_block,
                       struct err *err)
{
    unsigned first = plan_block(plan);
    for (unsigned i = 0; i < 254; i++) {
        *out_block = 1 + (first - 1 + i) % 254;
        int fd = claim(*out_block);
        if (fd >= 0)
            return fd;
    }
    err_set(err, "254 bare runs are under way; wait until one has ended");
    return -1;
}

static int bare_start(struct net *net, struct seat *seat, int process,
                      const struct spawn *spawn, struct err *err)
{
    (void)seat;
    return children_start(&net->children, process, spawn, err);
}

static int bare_put(struct net *net, struct seat *seat, const char *path,
                    const void *bytes, size_t len, struct err *err)
{
    (void)net;
    return put_file(seat->dir, seat->hosts, path, bytes, len, err);
}

static int bare_kill(struct net *net, struct seat *seat, int process,
                     int signal)
{
    (void)seat;
    return children_kill(&net->children, process, signal);
}

/* There is nothing to route on one loopback. */
static int bare_bend(struct net *net, struct seat *seat, bool bent,
                     struct err *err)
{
    (void)net;
    (void)seat;
    (void)bent;
    (void)err;
    return 0;
}

static int bare_reap(struct net *net, int *out_process, int *out_status)
{
    return children_reap(&net->children, out_process, out_status) ? REAP_ONE
                                                                  : REAP_NONE;
}

static void bare_end(struct net *net)
{
    if (net->wait_fd >= 0)
        children_close(&net->children);
    if (net->claim >= 0)
        close(net->claim);
}

static const struct net_ways ways = {bare_start, bare_put,  bare_kill,
                                     bare_bend,  bare_reap, bare_end};

/* Programs start in their folder, so all paths are absolute. */
static int make_seat(struct seat *seat, const char *work_dir, struct err *err)
{
    static const char none[] = "127.0.0.1 localhost\n";
    char dir[sizeof seat->dir], hosts[sizeof seat->hosts];
    int len = snprintf(dir, sizeof dir, "%s/%s", work_dir, seat->name);
    if (len >= (int)sizeof dir) {
        err_set(err, "the path %s is too long", work_dir);
        return -1;
    }
    snprintf(hosts, sizeof hosts, "%s/hosts", dir);
    memcpy(seat->dir, dir, sizeof dir);
    memcpy(seat->hosts, hosts, sizeof hosts);
    if ((mkdir(dir, 0700) == 0 || errno == EEXIST) &&
        put_bytes(hosts, 0, none, sizeof none - 1) == 0)
        return 0;
    err_errno(err, "make the folder %s", dir);
    return -1;
}

static int make_seats(struct net *net, const struct net_plan *plan,
                      struct err *err)
{
    int rc = 0;
    char *work_dir = realpath(plan->work_dir, NULL);
    if (!work_dir) {
        err_errno(err, "find the folder %s", plan->work_dir);
        return -1;
    }
    for (unsigned i = 0; rc == 0 && i < net->seats_count; i++) {
        struct seat *seat = &net->seats[i];
        if (i > 0)
            memcpy(seat->source, plan->places[i - 1].ip4, sizeof seat->source);
        rc = make_seat(seat, work_dir, err);
    }
    free(work_dir);
    return rc;
}

int bare_build(struct net *net, struct net_plan *plan, struct err *err)
{
    unsigned block;
    net->ways = &ways;
    net->wait_fd = -1;
    net->claim = claim_block(plan, &block, err);
    if (net->claim < 0 || children_init(&net->children, err) < 0)
        return -1;
    net->wait_fd = net->children.epoll;
    plan_draw(plan, block);
    return make_seats(net, plan, err);
}
