/* SPDX-License-Identifier: MIT
 *
 * The runner's side of places in namespaces: start the keeper, wait until all
 * stand, and from then on ask their inits. */
#include "labs/net/keeper.h"
#include "labs/net/mounts.h"
#include "labs/net/plan.h"
#include "labs/net/seats.h"
#include "labs/net/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const int no_fds[TALK_FDS] = {-1, -1, -1, -1, -1};

/* ---- requests ------------------------------------------------------------ */

static size_t add_strings(FILE *blob, char *const *words, unsigned *out_count)
{
    size_t len = 0;
    for (*out_count = 0; words[*out_count]; ++*out_count)
        len +=
            fwrite(words[*out_count], 1, strlen(words[*out_count]) + 1, blob);
    return len;
}

/* The words of a command in a memory file. */
static int command_blob(const struct spawn *spawn, struct talk_request *request)
{
    char *bytes = NULL;
    size_t len = 0;
    FILE *blob = open_memstream(&bytes, &len);
    if (!blob)
        return -1;
    add_strings(blob, spawn->argv, &request->argc);
    add_strings(blob, spawn->env, &request->envc);
    int fd = fclose(blob) == 0 ? talk_blob(bytes, len) : -1;
    free(bytes);
    return fd;
}

static int inside_start(struct net *net, struct seat *seat, int process,
                        const struct spawn *spawn, struct err *err)
{
    (void)net;
    struct talk_request request = {
        .kind = TALK_START, .process = process, .terminal = spawn->terminal};
    int blob = command_blob(spawn, &request);
    if (blob < 0) {
        err_errno(err, "make a memory file");
        return -1;
    }
    const int fds[TALK_FDS] = {blob, spawn->fds[0], spawn->fds[1],
                               spawn->fds[2], spawn->events_fd};
    int rc = talk_ask(seat->control, &request, fds, err);
    close(blob);
    return rc;
}

static int inside_put(struct net *net, struct seat *seat, const char *path,
                      const void *bytes, size_t len, struct err *err)
{
    (void)net;
    struct talk_request request = {.kind = TALK_PUT};
    int fds[TALK_FDS];
    memcpy(fds, no_fds, sizeof fds);
    if (strlen(path) >= sizeof request.path) {
        err_set(err, "the path %.60s... is too long", path);
        return -1;
    }
    strcpy(request.path, path);
    fds[TALK_BLOB] = talk_blob(bytes, len);
    if (fds[TALK_BLOB] < 0) {
        err_errno(err, "make a memory file");
        return -1;
    }
    int rc = talk_ask(seat->control, &request, fds, err);
    close(fds[TALK_BLOB]);
    return rc;
}

static int inside_kill(struct net *net, struct seat *seat, int process,
                       int signal)
{
    (void)net;
    struct err ignored = ERR_INIT;
    struct talk_request request = {
        .kind = TALK_KILL, .process = process, .signal = signal};
    return talk_ask(seat->control, &request, no_fds, &ignored);
}

static int inside_bend(struct net *net, struct seat *seat, bool bent,
                       struct err *err)
{
    (void)net;
    struct talk_request request = {.kind = TALK_BEND, .bent = bent};
    return talk_ask(seat->control, &request, no_fds, err);
}

static int inside_reap(struct net *net, int *out_process, int *out_status)
{
    struct talk_ending ending;
    ssize_t got = read(net->wait_fd, &ending, sizeof ending);
    if (got == 0)
        return REAP_LOST;
    if (got != sizeof ending)
        return REAP_NONE;
    *out_process = ending.process;
    *out_status = ending.status;
    return REAP_ONE;
}

/* ---- beginning and end --------------------------------------------------- */

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* As process 1 the keeper is not gone before all others of its namespace are,
 * so nothing is left when this returns. */
static void inside_end(struct net *net)
{
    if (net->keeper > 0) {
        kill(net->keeper, SIGKILL);
        while (waitpid(net->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    for (unsigned i = 0; i < net->seats_count; i++)
        close_all(&net->seats[i].control, 1);
    close_all(&net->wait_fd, 1);
    close_all(&net->lifeline, 1);
}

static const struct net_ways ways = {inside_start, inside_put,  inside_kill,
                                     inside_bend,  inside_reap, inside_end};

/* A place that does not answer for so long is not there any more. */
static const struct timeval patience = {30, 0};

/* The pipes and sockets: our ends into `net`, the others into `keeper`. */
static int connect_ends(struct net *net, struct keeper *keeper)
{
    int ends[2];
    for (unsigned i = 0; i < net->seats_count; i++) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
            return -1;
        net->seats[i].control = ends[0];
        keeper->controls[i] = ends[1];
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof patience);
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    net->wait_fd = ends[0];
    keeper->endings = ends[1];
    fcntl(net->wait_fd, F_SETFL, O_NONBLOCK);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    keeper->lifeline = ends[0];
    net->lifeline = ends[1];
    return 0;
}

static int await_all(struct net *net, struct err *err)
{
    for (unsigned i = 0; i < net->seats_count; i++)
        if (talk_await(net->seats[i].control, err) < 0) {
            err_prefix(err, "%s", net->seats[i].name);
            return -1;
        }
    return 0;
}

static void fill_seats(struct net *net, const struct net_plan *plan)
{
    for (unsigned i = 0; i < net->seats_count; i++) {
        struct seat *seat = &net->seats[i];
        strcpy(seat->dir, MOUNTS_DIR);
        strcpy(seat->hosts, MOUNTS_HOSTS);
        if (i > 0 && plan->topology == NET_LOOPBACK)
            memcpy(seat->source, plan->places[i - 1].ip4, sizeof seat->source);
    }
}

int inside_build(struct net *net, const struct net_plan *plan, struct err *err)
{
    struct keeper keeper = {.plan = plan, .endings = -1, .lifeline = -1};
    int rc = -1;
    net->ways = &ways;
    net->wait_fd = net->lifeline = -1;
    for (unsigned i = 0; i < net->seats_count; i++)
        net->seats[i].control = keeper.controls[i] = -1;
    fill_seats(net, plan);
    if (connect_ends(net, &keeper) < 0)
        err_errno(err, "connect to the places");
    else
        rc = (net->keeper = keeper_start(&keeper, err)) < 0 ? -1 : 0;
    close_all(keeper.controls, net->seats_count);
    close_all(&keeper.endings, 1);
    close_all(&keeper.lifeline, 1);
    return rc < 0 ? -1 : await_all(net, err);
}
