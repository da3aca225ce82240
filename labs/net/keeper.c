/* SPDX-License-Identifier: MIT
 *
 * One clone3(2) makes all namespaces; no privilege is needed, and none on the
 * host results. */
#include "labs/net/keeper.h"

#include "labs/net/mounts.h"
#include "labs/net/place.h"
#include "labs/net/put.h"
#include "labs/net/talk.h"
#include "labs/net/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t keeper_clone(void)
{
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
                 CLONE_NEWIPC | CLONE_NEWUTS,
        .exit_signal = SIGCHLD,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static int map(const char *path, const char *text, struct err *err)
{
    if (put_bytes(path, 0, text, strlen(text)) == 0)
        return 0;
    err_errno(err, "write %s", path);
    return -1;
}

int keeper_map_user(uid_t uid, gid_t gid, struct err *err)
{
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1\n", uid);
    snprintf(groups, sizeof groups, "0 %u 1\n", gid);
    return map("/proc/self/setgroups", "deny", err) < 0 ||
                   map("/proc/self/uid_map", users, err) < 0 ||
                   map("/proc/self/gid_map", groups, err) < 0
               ? -1
               : 0;
}

/* ---- in the keeper ------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The runner's files, its terminal above all, are not ours. */
static void keep_only(const struct keeper *it)
{
    int keep[NET_PLACES_MOST + 4];
    unsigned count = 0, from = 3;
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    for (unsigned i = 0; i <= it->plan->places_count; i++)
        keep[count++] = it->controls[i];
    keep[count++] = it->endings;
    keep[count++] = it->lifeline;
    qsort(keep, count, sizeof *keep, by_number);
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] > (int)from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        if (keep[i] >= (int)from)
            from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0U, 0);
}

/* Ctrl-C is for the runner, which then ends us in good order. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    setsid();
}

static void run_place(const struct keeper *it, int seat)
{
    const struct place place = {
        .plan = it->plan,
        .index = seat - 1,
        .control = it->controls[seat],
        .endings = it->endings,
    };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(it->lifeline);
    for (int i = 0; i <= (int)it->plan->places_count; i++)
        if (i != seat)
            close(it->controls[i]);
    place_run(&place);
    _exit(1);
}

/* Collect orphans; false when one of the inits has ended, without which the
 * run makes no sense. */
static bool inits_live(const pid_t *inits, unsigned count)
{
    pid_t gone;
    while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
        for (unsigned i = 0; i < count; i++)
            if (inits[i] == gone)
                return false;
    return true;
}

static void guard(const struct keeper *it, const pid_t *inits, int signals)
{
    struct pollfd ready[2] = {{.fd = it->lifeline, .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(ready, 2, -1) < 0)
            return;
        if (ready[0].revents)
            return;
        if (read(signals, &info, sizeof info) != sizeof info ||
            !inits_live(inits, it->plan->places_count + 1))
            return;
    }
}

static int prepare(const struct keeper *it, uid_t uid, gid_t gid,
                   struct err *err)
{
    if (keeper_map_user(uid, gid, err) < 0)
        return -1;
    /* After the mapping: a change of credentials would clear it. The lifeline
     * tells us if the runner has died before this line. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ignore_signals();
    keep_only(it);
    if (mounts_detach(err) < 0)
        return -1;
    return wire_build(it->plan, err);
}

static void keep(const struct keeper *it, uid_t uid, gid_t gid)
{
    pid_t inits[NET_PLACES_MOST + 1];
    struct err err = ERR_INIT;
    sigset_t child;
    if (prepare(it, uid, gid, &err) < 0) {
        talk_answer(it->controls[0], &err);
        _exit(1);
    }
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    int signals = signalfd(-1, &child, SFD_CLOEXEC);
    for (int seat = 0; seat <= (int)it->plan->places_count; seat++) {
        inits[seat] = fork();
        if (inits[seat] == 0)
            run_place(it, seat);
        close(it->controls[seat]);
    }
    close(it->endings);
    guard(it, inits, signals);
    _exit(0);
}

pid_t keeper_start(const struct keeper *keeper, struct err *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    /* What stdio has not written yet would be written twice. */
    fflush(NULL);
    pid_t pid = keeper_clone();
    if (pid == 0)
        keep(keeper, uid, gid);
    if (pid < 0)
        err_errno(err, "make the namespaces of the lab");
    return pid;
}
