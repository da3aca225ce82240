/* SPDX-License-Identifier: MIT
 *
 * The small network of one run, as the engine sees it: seats, processes by
 * number, and their environment. How a thing is done is in inside.c or
 * bare.c. */
#include "labs/net/net.h"

#include "labs/net/plan.h"
#include "labs/net/probe.h"
#include "labs/net/seats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* ---- beginning and end --------------------------------------------------- */

static void name_seats(struct net *net, const struct net_plan *plan)
{
    strcpy(net->seats[0].name, PLAN_SWITCH);
    for (unsigned i = 0; i < plan->places_count; i++)
        snprintf(net->seats[i + 1].name, sizeof net->seats->name, "%s",
                 plan->places[i].name);
    net->seats_count = plan->places_count + 1;
}

static int build(struct net *net, struct net_plan *plan, struct err *err)
{
    if (plan->topology == NET_BARE)
        return bare_build(net, plan, err);
    plan_draw(plan, plan_block(plan));
    if (inside_build(net, plan, err) == 0)
        return 0;
    /* A machine without namespaces fails in many ways, but for one reason. */
    struct err cause = ERR_INIT;
    if (net_probe(&cause) < 0)
        *err = cause;
    return -1;
}

int net_build(struct net_plan *plan, struct net **out, struct err *err)
{
    if (plan_check(plan, err) < 0)
        return -1;
    struct net *net = calloc(1, sizeof *net);
    if (!net) {
        err_set(err, "out of memory");
        return -1;
    }
    name_seats(net, plan);
    if (build(net, plan, err) < 0) {
        net_free(net);
        return -1;
    }
    *out = net;
    return 0;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    net->ways->end(net);
    free(net->seat_of);
    free(net);
}

/* ---- places -------------------------------------------------------------- */

static struct seat *find_seat(const struct net *net, const char *place)
{
    for (unsigned i = 0; i < net->seats_count; i++)
        if (!strcmp(net->seats[i].name, place))
            return (struct seat *)&net->seats[i];
    return NULL;
}

static struct seat *want_seat(const struct net *net, const char *place,
                              struct err *err)
{
    struct seat *seat = find_seat(net, place);
    if (!seat)
        err_code(err, EXIT_LAB_INVALID, "there is no place \"%.40s\"", place);
    return seat;
}

const char *net_dir(const struct net *net, const char *place)
{
    const struct seat *seat = find_seat(net, place);
    return seat ? seat->dir : NULL;
}

int net_put(struct net *net, const char *place, const char *path,
            const void *bytes, size_t len, struct err *err)
{
    struct seat *seat = want_seat(net, place, err);
    if (!seat)
        return -1;
    if (net->ways->put(net, seat, path, bytes, len, err) == 0)
        return 0;
    err_prefix(err, "at %s", place);
    return -1;
}

int net_bend(struct net *net, bool bent, struct err *err)
{
    /* Seat 0 is the switch: it has no routes. */
    for (unsigned i = 1; i < net->seats_count; i++) {
        struct seat *seat = &net->seats[i];
        if (net->ways->bend(net, seat, bent, err) < 0) {
            err_prefix(err, "at %s", seat->name);
            return -1;
        }
    }
    return 0;
}

/* ---- environment --------------------------------------------------------- */

enum { ENV_MOST = 128 };

/* Strings "K=V"; the last one with a name counts. */
struct environment {
    char *items[ENV_MOST + 1];
    unsigned count;
};

static int env_add(struct environment *env, const char *text)
{
    size_t name = strcspn(text, "=") + 1;
    unsigned at = 0;
    while (at < env->count && strncmp(env->items[at], text, name) != 0)
        at++;
    char *copy = at < ENV_MOST ? strdup(text) : NULL;
    if (!copy)
        return -1;
    if (at == env->count)
        env->count++;
    free(env->items[at]);
    env->items[at] = copy;
    return 0;
}

static int env_set(struct environment *env, const char *name, const char *value)
{
    char *text = NULL;
    if (!value || !*value)
        return 0;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        return -1;
    int rc = env_add(env, text);
    free(text);
    return rc;
}

static int env_fill(struct environment *env, const struct seat *seat,
                    const struct net_command *command)
{
    char trust[sizeof seat->dir + 16], events[16];
    const char *path = getenv("PATH");
    snprintf(trust, sizeof trust, "%s/trust.pem", seat->dir);
    snprintf(events, sizeof events, "%d", SPAWN_EVENTS_FD);
    const char *const rows[][2] = {
        {"PATH", path && *path ? path : "/usr/local/bin:/usr/bin:/bin"},
        {"HOME", seat->dir},
        {"LC_ALL", "C.UTF-8"},
        {"TERM", command->terminal ? getenv("TERM") : NULL},
        {"MITMLAB_PLACE", seat->name},
        {"MITMLAB_HOSTS", seat->hosts},
        {"MITMLAB_TRUST", trust},
        {"MITMLAB_SOURCE", seat->source},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (env_set(env, rows[i][0], rows[i][1]) < 0)
            return -1;
    for (const char *const *it = command->env; it && *it; it++)
        if (env_add(env, *it) < 0)
            return -1;
    return command->events_fd < 0 ? 0
                                  : env_set(env, "MITMLAB_EVENTS_FD", events);
}

static void env_free(struct environment *env)
{
    for (unsigned i = 0; i < env->count; i++)
        free(env->items[i]);
}

/* ---- processes ----------------------------------------------------------- */

/* The next number; 0 when there is no memory. 0 itself names no process. */
static int new_process(struct net *net)
{
    if (net->processes + 1 >= net->processes_room) {
        int room = net->processes_room ? 2 * net->processes_room : 64;
        unsigned char *bigger = realloc(net->seat_of, (size_t)room);
        if (!bigger)
            return 0;
        net->seat_of = bigger;
        net->processes_room = room;
    }
    net->seat_of[net->processes + 1] = SEAT_GONE;
    return ++net->processes;
}

int net_start(struct net *net, const char *place,
              const struct net_command *command, struct err *err)
{
    struct seat *seat = want_seat(net, place, err);
    struct environment env = {.count = 0};
    int process = seat ? new_process(net) : 0, rc = -1;
    if (process == 0) {
        if (seat)
            err_set(err, "out of memory");
        return -1;
    }
    if (env_fill(&env, seat, command) < 0) {
        err_set(err, "more than %d variables for a program", ENV_MOST);
        goto out;
    }
    const struct spawn spawn = {
        .argv = (char *const *)command->argv,
        .env = env.items,
        .dir = seat->dir,
        .fds = {command->fds[0], command->fds[1], command->fds[2]},
        .events_fd = command->events_fd,
        .terminal = command->terminal,
    };
    rc = net->ways->start(net, seat, process, &spawn, err);
    if (rc < 0)
        err_prefix(err, "at %s", place);
    else
        net->seat_of[process] = (unsigned char)(seat - net->seats);
out:
    env_free(&env);
    return rc < 0 ? -1 : process;
}

int net_kill(struct net *net, int process, int signal)
{
    if (process <= 0 || process > net->processes ||
        net->seat_of[process] == SEAT_GONE) {
        errno = ESRCH;
        return -1;
    }
    struct seat *seat = &net->seats[net->seat_of[process]];
    return net->ways->kill(net, seat, process, signal);
}

int net_wait_fd(const struct net *net)
{
    return net->wait_fd;
}

/* Nobody is left to tell of endings: all that ran was killed. */
static bool reap_lost(const struct net *net, int *out_process, int *out_status)
{
    for (int i = 1; i <= net->processes; i++)
        if (net->seat_of[i] != SEAT_GONE) {
            *out_process = i;
            *out_status = SIGKILL; /* as waitpid(2) says it */
            return true;
        }
    return false;
}

bool net_reap(struct net *net, int *out_process, int *out_status)
{
    int got = net->ways->reap(net, out_process, out_status);
    if (got == REAP_NONE ||
        (got == REAP_LOST && !reap_lost(net, out_process, out_status)))
        return false;
    assert(*out_process > 0 && *out_process <= net->processes);
    net->seat_of[*out_process] = SEAT_GONE;
    return true;
}
