/* SPDX-License-Identifier: MIT
 *
 * fork, limits, one JSON value over a pipe. */
#include "labs/engine/jail.h"

#include "proxy/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CPU_SECONDS = 1,
    WALL_MS = 60 * 1000, /* for one that got stuck: on a busy machine a second
                            of work may take many */
    MEMORY_MORE = 128 << 20, /* on top of what the child begins with */
    ANSWER_MOST = 8 << 20,
};

/* Shared with the child, so that we know where it was when it was stopped. */
static volatile int *last_line;

void jail_at_line(int line)
{
    if (last_line)
        *last_line = line;
}

/* ---- in the child -------------------------------------------------------- */

static size_t pages_in_use(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages;
}

static void limit(int what, rlim_t most)
{
    struct rlimit both = {most, most};
    setrlimit(what, &both);
}

static void lock_down(int keep)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    size_t now = pages_in_use() * (size_t)sysconf(_SC_PAGESIZE);
    if (dup2(keep, 3) == 3)
        close_range(4, ~0u, 0);
    limit(RLIMIT_CPU, CPU_SECONDS);
    if (now)
        limit(RLIMIT_AS, now + MEMORY_MORE);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 4);
}

static void write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            text += put;
            len -= (size_t)put;
        }
    }
}

static void child(jail_task *task, void *argument, int fd)
{
    signal(SIGINT, SIG_IGN); /* the runner decides what ^C means */
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    lock_down(fd);
    struct err err = ERR_INIT;
    json_t *answer = NULL;
    json_t *whole = json_object();
    if (task(argument, &answer, &err))
        json_object_set_new(
            whole, "error",
            json_pack("{s:s,s:i}", "text", err.text, "code", err.code));
    else
        json_object_set_new(whole, "answer", answer ? answer : json_null());
    char *text = json_dumps(whole, JSON_COMPACT);
    if (text)
        write_all(3, text, strlen(text));
    _exit(text ? 0 : 1);
}

/* ---- in the parent ------------------------------------------------------- */

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Everything until the end of file; -1 when time or room is over. */
static int read_all(int fd, struct buf *text)
{
    long long deadline = now_ms() + WALL_MS;
    for (;;) {
        struct pollfd poll_fd = {fd, POLLIN, 0};
        long long left = deadline - now_ms();
        if (left <= 0 || buf_len(text) > ANSWER_MOST)
            return -1;
        if (poll(&poll_fd, 1, (int)left) <= 0)
            continue;
        uint8_t *room = buf_reserve(text, 65536);
        ssize_t got = room ? read(fd, room, 65536) : -1;
        if (got == 0)
            return 0;
        if (got > 0)
            buf_filled(text, (size_t)got);
        else if (errno != EINTR)
            return -1;
    }
}

static int stopped(const char *file, struct err *err)
{
    err_code(err, EXIT_LAB_INVALID,
             "%s:%d: stopped: it computes for more than %d s or wants too much "
             "memory",
             file, *last_line, CPU_SECONDS);
    return -1;
}

static int take_answer(struct buf *text, const char *file, json_t **out_answer,
                       struct err *err)
{
    json_t *whole =
        json_loadb((char *)buf_head(text), buf_len(text), JSON_ALLOW_NUL, NULL);
    json_t *error = json_object_get(whole, "error");
    json_t *answer = json_object_get(whole, "answer");
    int rc = -1;
    if (error)
        err_code(
            err,
            (enum exit_code)json_integer_value(json_object_get(error, "code")),
            "%s", json_string_value(json_object_get(error, "text")));
    else if (!answer)
        stopped(file, err);
    else
        rc = 0;
    if (!rc)
        *out_answer = json_incref(answer);
    json_decref(whole);
    return rc;
}

static int watch(pid_t pid, int fd, const char *file, json_t **out_answer,
                 struct err *err)
{
    struct buf text = {0};
    int rc = read_all(fd, &text);
    if (rc)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    rc = rc || !buf_len(&text) ? stopped(file, err)
                               : take_answer(&text, file, out_answer, err);
    buf_free(&text);
    return rc;
}

int jail_run(jail_task *task, void *argument, const char *file,
             json_t **out_answer, struct err *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC)) {
        err_errno(err, "make a pipe");
        return -1;
    }
    last_line = mmap(NULL, sizeof *last_line, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (last_line == MAP_FAILED)
        abort();
    fflush(NULL);
    int rc = -1;
    pid_t pid = fork();
    if (!pid)
        child(task, argument, pipe_fds[1]);
    close(pipe_fds[1]);
    if (pid < 0)
        err_errno(err, "fork a process for %s", file);
    else
        rc = watch(pid, pipe_fds[0], file, out_answer, err);
    close(pipe_fds[0]);
    munmap((void *)last_line, sizeof *last_line);
    last_line = NULL;
    return rc;
}
