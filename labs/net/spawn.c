/* SPDX-License-Identifier: MIT
 *
 * fork, set up, exec; and one pidfd a child, so that one epoll descriptor says
 * that someone has ended without a signal handler anywhere. */
#include "labs/net/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    struct child *next;
    int process, pidfd;
    pid_t pid;
};

enum {
    STATUS_FD = SPAWN_EVENTS_FD + 1, /* where a child says why it cannot run */
    ABOVE = 16,                      /* above all that a program gets */
};

/* ---- in the child -------------------------------------------------------- */

/* Everything goes up first, so that no move overwrites what is yet to move. */
static int move_fds(const struct spawn *spawn, int status)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int from[] = {spawn->fds[0], spawn->fds[1], spawn->fds[2],
                        spawn->events_fd, status};
    int high[STATUS_FD + 1];
    for (int i = 0; i <= STATUS_FD; i++) {
        int fd = from[i] < 0 && i < SPAWN_EVENTS_FD ? null : from[i];
        high[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
        if (fd >= 0 && high[i] < 0)
            return -1;
    }
    for (int i = 0; i <= STATUS_FD; i++) {
        if (high[i] < 0)
            close(i);
        else if (dup3(high[i], i, i == STATUS_FD ? O_CLOEXEC : 0) < 0)
            return -1;
    }
    return close_range(STATUS_FD + 1, ~0U, 0);
}

static void default_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run(const struct spawn *spawn, pid_t parent, int status)
{
    const struct rlimit no_core = {0, 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before we could ask to die with it */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    umask(077);
    default_signals();
    setsid();
    if (move_fds(spawn, status) == 0 && chdir(spawn->dir) == 0) {
        /* One that is somebody else's terminal stays that; the program then
         * merely has no job control. */
        if (spawn->terminal)
            ioctl(0, TIOCSCTTY, 0);
        environ = (char **)spawn->env;
        execvp(spawn->argv[0], spawn->argv);
    }
    int why = errno;
    while (write(STATUS_FD, &why, sizeof why) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* ---- in the parent ------------------------------------------------------- */

int children_init(struct children *children, struct err *err)
{
    *children = (struct children){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (children->epoll >= 0)
        return 0;
    err_errno(err, "epoll_create");
    return -1;
}

/* Wait until the exec has closed the pipe, or for the reason that it could
 * not. */
static int await_exec(int status, const char *name, struct err *err)
{
    int why = 0;
    ssize_t got;
    do {
        got = read(status, &why, sizeof why);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    errno = why;
    /* A folder on the PATH that may not be searched gives EACCES for a name
     * that is nowhere. */
    if (why == ENOENT || (why == EACCES && !strchr(name, '/')))
        err_set(err, "%s is not installed on this machine", name);
    else
        err_errno(err, "run %s", name);
    return -1;
}

static pid_t fork_child(const struct spawn *spawn, struct err *err)
{
    int status[2];
    pid_t parent = getpid();
    if (pipe2(status, O_CLOEXEC) < 0) {
        err_errno(err, "pipe for %s", spawn->argv[0]);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        run(spawn, parent, status[1]);
    close(status[1]);
    if (pid < 0) {
        err_errno(err, "fork for %s", spawn->argv[0]);
    } else if (await_exec(status[0], spawn->argv[0], err) < 0) {
        waitpid(pid, NULL, 0);
        pid = -1;
    }
    close(status[0]);
    return pid;
}

int children_start(struct children *children, int process,
                   const struct spawn *spawn, struct err *err)
{
    struct child *child = calloc(1, sizeof *child);
    if (!child) {
        err_set(err, "out of memory");
        return -1;
    }
    *child = (struct child){children->list, process, -1, -1};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = child};
    child->pid = fork_child(spawn, err);
    if (child->pid < 0) {
        free(child);
        return -1;
    }
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd < 0 || fcntl(child->pidfd, F_SETFD, FD_CLOEXEC) < 0 ||
        epoll_ctl(children->epoll, EPOLL_CTL_ADD, child->pidfd, &event) < 0) {
        err_errno(err, "watch %s", spawn->argv[0]);
        kill(-child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        if (child->pidfd >= 0)
            close(child->pidfd);
        free(child);
        return -1;
    }
    children->list = child;
    return 0;
}

int children_kill(struct children *children, int process, int signal)
{
    for (struct child *it = children->list; it; it = it->next)
        if (it->process == process)
            return kill(signal == SIGKILL ? -it->pid : it->pid, signal);
    errno = ESRCH;
    return -1;
}

/* The child is a zombie until waitpid(), so its number, which is also that of
 * its group, cannot have been given to another. */
static int bury(struct children *children, struct child *child)
{
    int status = 0;
    struct child **link = &children->list;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->pidfd);
    free(child);
    return status;
}

bool children_reap(struct children *children, int *out_process, int *out_status)
{
    struct epoll_event event;
    if (epoll_wait(children->epoll, &event, 1, 0) != 1)
        return false;
    struct child *child = event.data.ptr;
    *out_process = child->process;
    *out_status = bury(children, child);
    return true;
}

void children_close(struct children *children)
{
    while (children->list)
        bury(children, children->list);
    close(children->epoll);
}
