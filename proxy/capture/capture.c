/* SPDX-License-Identifier: MIT
 *
 * The runner's side of a capture: starts the writer, talks to it, ends it.
 * capture_finish() is in finish.c. */
#include "proxy/capture/capture.h"

#include "proxy/capture/feed.h"
#include "proxy/capture/section.h"
#include "proxy/capture/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STOP_MS = 4000, /* longer than the writer's own grace for the feeder */
    LINE_MOST = 1000,
};

/* Hashes of the secrets that were passed on: 64 bits, so that two different
 * lines being taken for one is not a matter of this world. */
struct seen {
    uint64_t *slots;
    size_t room, used;
};

struct capture {
    pid_t writer;
    int control; /* to the writer */
    int feed;    /* the feeder's end, until it was given away */
    uint64_t syncs;
    struct writer_counts *counts; /* shared with the writer */
    struct seen seen;
    char *path;
};

/* ---- start --------------------------------------------------------------- */

/* A new file, whatever stood there before; never through a symbolic link. */
static int create(const char *path, struct err *err)
{
    struct stat about;
    if (!stat(path, &about) && !S_ISREG(about.st_mode)) {
        err_code(err, EXIT_USAGE,
                 "a capture wants a file, and %s is something else", path);
        return -1;
    }
    if (unlink(path) && errno != ENOENT) {
        err_errno(err, "replace %s", path);
        return -1;
    }
    int fd = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
        0600);
    if (fd == -1)
        err_errno(err, "create %s", path);
    return fd;
}

static int write_section(int file, const char *comment, uint64_t *whole,
                         struct err *err)
{
    struct buf block = {0};
    int rc = section_put(&block, comment, err) ||
                     pcapng_write(file, &block, whole, err)
                 ? -1
                 : 0;
    buf_free(&block);
    return rc;
}

/* Close every descriptor above stderr but these; an end of a pipe held here
 * by accident would keep someone waiting for its end of file. */
static void close_all_but(const int *keep, unsigned count)
{
    int from = 3;
    for (;;) {
        int next = -1;
        for (unsigned i = 0; i < count; i++)
            if (keep[i] >= from && (next == -1 || keep[i] < next))
                next = keep[i];
        if (next == -1)
            break;
        if (next > from)
            close_range((unsigned)from, (unsigned)next - 1, 0);
        from = next + 1;
    }
    close_range((unsigned)from, ~0u, 0);
}

/* Nothing that ends the runner may end the writer: it has its own end. */
static void detach(void)
{
    static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
                                  SIGPIPE, SIGXFSZ, SIGTSTP};
    sigset_t none;
    setsid();
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "mitmlab-writer");
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null != -1; fd++)
        dup2(null, fd);
}

static pid_t fork_writer(const struct writer_plan *plan)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    int keep[] = {plan->control, plan->feed, plan->file, plan->keys};
    detach();
    close_all_but(keep, sizeof keep / sizeof *keep);
    _exit(writer_run(plan));
}

static int start_writer(struct capture *capture, struct writer_plan *plan,
                        struct err *err)
{
    int control[2], feed[2];
    if (feed_pair(control, err))
        return -1;
    if (feed_pair(feed, err)) {
        close(control[0]);
        close(control[1]);
        return -1;
    }
    plan->control = control[1];
    plan->feed = feed[1];
    plan->counts = capture->counts;
    capture->control = control[0];
    capture->feed = feed[0];
    capture->writer = fork_writer(plan);
    if (capture->writer == -1)
        err_errno(err, "start the writer of the capture");
    close(control[1]);
    close(feed[1]);
    return capture->writer == -1 ? -1 : 0;
}

static int open_and_start(struct capture *capture,
                          const struct capture_plan *plan, struct err *err)
{
    struct writer_plan writer = {
        .keys = -1, .secrets = plan->secrets == CAPTURE_SECRETS_ALL};
    int rc = -1;
    writer.file = create(plan->path, err);
    if (writer.file == -1)
        return -1;
    if (plan->keys_path) {
        writer.keys = create(plan->keys_path, err);
        if (writer.keys == -1)
            goto out;
    }
    if (write_section(writer.file, plan->comment, &writer.whole, err))
        goto out;
    rc = start_writer(capture, &writer, err);
out:
    close(writer.file);
    if (writer.keys != -1)
        close(writer.keys);
    return rc;
}

static void capture_free(struct capture *capture)
{
    capture_feed_given(capture);
    if (capture->control != -1)
        close(capture->control);
    if (capture->counts)
        munmap(capture->counts, sizeof *capture->counts);
    free(capture->seen.slots);
    free(capture->path);
    free(capture);
}

static struct capture *capture_new(const char *path)
{
    struct capture *capture = calloc(1, sizeof *capture);
    if (!capture)
        return NULL;
    capture->control = capture->feed = -1;
    capture->path = strdup(path);
    void *counts = mmap(NULL, sizeof *capture->counts, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts != MAP_FAILED)
        capture->counts = counts;
    if (capture->path && capture->counts)
        return capture;
    capture_free(capture);
    return NULL;
}

int capture_start(const struct capture_plan *plan, struct capture **out,
                  struct err *err)
{
    struct capture *capture = capture_new(plan->path);
    if (!capture) {
        err_set(err, "start the capture: out of memory");
        return -1;
    }
    if (open_and_start(capture, plan, err)) {
        capture_free(capture);
        return -1;
    }
    *out = capture;
    return 0;
}

int capture_feed_fd(const struct capture *capture)
{
    return capture->feed;
}

void capture_feed_given(struct capture *capture)
{
    if (capture->feed != -1)
        close(capture->feed);
    capture->feed = -1;
}

/* ---- secrets ------------------------------------------------------------- */

/* FNV-1a; 0 marks an empty slot. */
static uint64_t hash_of(const char *line)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *line; line++)
        hash = (hash ^ (uint8_t)*line) * 0x100000001b3;
    return hash ? hash : 1;
}

static bool put_hash(uint64_t *slots, size_t room, uint64_t hash)
{
    size_t at = hash & (room - 1);
    while (slots[at] && slots[at] != hash)
        at = (at + 1) & (room - 1);
    bool is_new = !slots[at];
    slots[at] = hash;
    return is_new;
}

static int seen_grow(struct seen *seen)
{
    size_t room = seen->room ? seen->room * 2 : 256;
    uint64_t *slots = calloc(room, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < seen->room; i++)
        if (seen->slots[i])
            put_hash(slots, room, seen->slots[i]);
    free(seen->slots);
    seen->slots = slots;
    seen->room = room;
    return 0;
}

/* True for a line that was not there before. Out of memory: better twice in
 * the file than not at all. */
static bool seen_add(struct seen *seen, const char *line)
{
    if (seen->used * 2 >= seen->room && seen_grow(seen))
        return true;
    bool is_new = put_hash(seen->slots, seen->room, hash_of(line));
    seen->used += is_new;
    return is_new;
}

/* LABEL <hex> <hex>, RFC 9850. */
static bool is_key_line(const char *line)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    size_t label = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (!label || line[label] != ' ' || strlen(line) > LINE_MOST)
        return false;
    line += label + 1;
    size_t random = strspn(line, hex);
    if (!random || line[random] != ' ')
        return false;
    line += random + 1;
    size_t secret = strspn(line, hex);
    return secret && !line[secret];
}

static int writer_gone(struct err *err)
{
    err_code(err, EXIT_PARTIAL, "the writer of the capture has died");
    return -1;
}

int capture_secret(struct capture *capture, const char *line, struct err *err)
{
    struct {
        uint32_t request;
        char line[LINE_MOST];
    } message = {.request = WRITER_SECRET};
    if (!is_key_line(line) || !seen_add(&capture->seen, line))
        return 0;
    size_t len = strlen(line);
    memcpy(message.line, line, len);
    len += sizeof message.request;
    if (send(capture->control, &message, len, MSG_NOSIGNAL) == (ssize_t)len)
        return 0;
    return writer_gone(err);
}

/* ---- sync ---------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int no_feeder(const struct capture *capture, struct err *err)
{
    if (capture->counts->feeder_trouble)
        err_code(err, EXIT_PARTIAL, "nothing is captured: %s",
                 capture->counts->trouble);
    else
        err_code(err, EXIT_PARTIAL,
                 "nothing is captured: the process that watches the network "
                 "has ended");
    return -1;
}

/* 1: an answer to sync `number`; 0: to an older one; -1: the writer is gone. */
static int take_answer(struct capture *capture, uint64_t number,
                       struct writer_sync *out)
{
    ssize_t got = recv(capture->control, out, sizeof *out, MSG_DONTWAIT);
    if (got == -1 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
        return 0;
    if (got != sizeof *out)
        return -1;
    return out->number == number;
}

static int await_answer(struct capture *capture, uint64_t number,
                        int timeout_ms, struct err *err)
{
    int64_t deadline = now_ms() + timeout_ms;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd ready = {.fd = capture->control, .events = POLLIN};
        struct writer_sync sync;
        if (left <= 0 || !poll(&ready, 1, (int)left)) {
            err_code(err, EXIT_PARTIAL,
                     "the capture does not answer within %d ms", timeout_ms);
            return -1;
        }
        if (!ready.revents)
            continue;
        int got = take_answer(capture, number, &sync);
        if (got < 0)
            return writer_gone(err);
        if (got > 0)
            return sync.answered ? 0 : no_feeder(capture, err);
    }
}

int capture_sync(struct capture *capture, int timeout_ms, struct err *err)
{
    struct writer_sync sync = {.request = WRITER_SYNC,
                               .number = ++capture->syncs};
    if (send(capture->control, &sync, sizeof sync, MSG_NOSIGNAL) != sizeof sync)
        return writer_gone(err);
    return await_answer(capture, sync.number, timeout_ms, err);
}

/* ---- counts and the end -------------------------------------------------- */

void capture_counts(const struct capture *capture, struct capture_counts *out)
{
    const struct writer_counts *counts = capture->counts;
    *out = (struct capture_counts){.packets = counts->packets,
                                   .dropped = counts->dropped,
                                   .lost = counts->lost};
    unsigned long long packets = out->packets;
    if (counts->failed)
        snprintf(out->why, sizeof out->why,
                 "capture incomplete after packet %llu (%s)", packets,
                 counts->why);
    else if (counts->feeder_trouble)
        snprintf(out->why, sizeof out->why,
                 "capture incomplete after packet %llu (%.180s)", packets,
                 counts->trouble);
    else if (out->dropped || out->lost)
        snprintf(out->why, sizeof out->why,
                 "capture incomplete: %llu packets were dropped",
                 (unsigned long long)(out->dropped + out->lost));
    out->complete = !out->why[0];
}

/* The writer's end of the socket closes when it exits. */
static bool wait_for_end(const struct capture *capture)
{
    int64_t deadline = now_ms() + STOP_MS;
    char rest[64];
    for (int64_t left; (left = deadline - now_ms()) > 0;) {
        struct pollfd ready = {.fd = capture->control, .events = POLLIN};
        if (poll(&ready, 1, (int)left) > 0 &&
            recv(capture->control, rest, sizeof rest, MSG_DONTWAIT) <= 0)
            return true;
    }
    return false;
}

static int reap(struct capture *capture, struct err *err)
{
    int status = 0;
    uint64_t cut;
    if (!wait_for_end(capture))
        kill(capture->writer, SIGKILL);
    while (waitpid(capture->writer, &status, 0) == -1 && errno == EINTR)
        ;
    if (!WIFSIGNALED(status))
        return 0;
    if (pcapng_repair(capture->path, &cut, err))
        return -1;
    err_code(err, EXIT_PARTIAL,
             "the writer of the capture was killed; %s ends at its last whole "
             "packet",
             capture->path);
    return -1;
}

int capture_stop(struct capture *capture, struct capture_counts *out_counts,
                 struct err *err)
{
    struct capture_counts counts;
    capture_feed_given(capture);
    shutdown(capture->control, SHUT_WR);
    int rc = reap(capture, err);
    capture_counts(capture, &counts);
    if (!rc && !counts.complete) {
        err_code(err, EXIT_PARTIAL, "%s", counts.why);
        rc = -1;
    }
    if (rc && counts.complete) {
        counts.complete = false;
        snprintf(counts.why, sizeof counts.why, "%.255s", err->text);
    }
    if (out_counts)
        *out_counts = counts;
    capture_free(capture);
    return rc;
}
