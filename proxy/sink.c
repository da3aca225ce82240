/* SPDX-License-Identifier: MIT
 *
 * Whether a write waits is a property of the open file, which others may
 * share with us; so one is opened that is ours alone. */
#include "proxy/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_MS = 10 * 1000, /* of one that does not keep going */
    /* What a pipe takes without waiting if it takes anything (pipe(7)). */
    ATOMIC = 4096,
    CATCH_UP_MS = 50,
    READS_MS = 5, /* who is at it reads within this */
};

void sink_open(struct sink *sink, int fd)
{
    *sink = (struct sink){.fd = fd, .own = -1};
}

void sink_keep_going(struct sink *sink)
{
    struct stat about;
    char name[40];
    sink->going =
        sink->fd >= 0 && !fstat(sink->fd, &about) && !S_ISREG(about.st_mode);
    if (!sink->going)
        return;
    sink->socket = S_ISSOCK(about.st_mode);
    snprintf(name, sizeof name, "/proc/self/fd/%d", sink->fd);
    if (S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode))
        sink->own = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static bool takes_something(const struct sink *sink, int ms)
{
    struct pollfd wait = {.fd = sink->fd, .events = POLLOUT};
    return poll(&wait, 1, ms) > 0;
}

static void note_trouble(struct sink *sink, int trouble)
{
    if (!sink->trouble)
        sink->trouble = trouble;
}

/* At most `len` bytes, without waiting: how many; 0: none now. What nobody
 * will ever read is gone, and counts as written. */
static size_t write_some(struct sink *sink, const void *bytes, size_t len)
{
    ssize_t wrote;
    if (sink->socket) {
        wrote = send(sink->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (sink->own >= 0) {
        wrote = write(sink->own, bytes, len);
    } else {
        if (!takes_something(sink, 0))
            return 0;
        wrote = write(sink->fd, bytes, len < ATOMIC ? len : ATOMIC);
    }
    if (wrote >= 0)
        return (size_t)wrote;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    note_trouble(sink, errno);
    return len;
}

void sink_flush(struct sink *sink)
{
    while (buf_len(&sink->kept)) {
        size_t wrote =
            write_some(sink, buf_head(&sink->kept), buf_len(&sink->kept));
        if (!wrote)
            return;
        buf_consume(&sink->kept, wrote);
    }
    buf_free(&sink->kept);
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sink_catch_up(struct sink *sink)
{
    long long end = now_ms() + CATCH_UP_MS;
    sink_flush(sink);
    while (buf_len(&sink->kept) && now_ms() < end &&
           takes_something(sink, READS_MS))
        sink_flush(sink);
}

/* A slow reader holds us up, one that does not read does so once. */
static bool has_room(struct sink *sink, size_t len)
{
    while (buf_len(&sink->kept) + len > SINK_BYTES_MOST) {
        if (sink->stalled || !takes_something(sink, SINK_PATIENCE_MS))
            return false;
        sink_flush(sink);
    }
    return true;
}

static void lose(struct sink *sink)
{
    if (!sink->stalled)
        fprintf(stderr, "mitmlab: nobody reads the events; they are dropped "
                        "until somebody does\n");
    sink->stalled = true;
    sink->lost++;
    note_trouble(sink, ETIMEDOUT);
}

/* Of one that does not keep going: how many bytes were not written; then errno
 * says why. */
static size_t write_all(const struct sink *sink, const char *bytes, size_t len)
{
    while (len) {
        ssize_t wrote = write(sink->fd, bytes, len);
        if (wrote >= 0) {
            bytes += wrote;
            len -= (size_t)wrote;
        } else if (errno == EAGAIN) {
            if (!takes_something(sink, WAIT_MS)) {
                errno = ETIMEDOUT;
                return len;
            }
        } else if (errno != EINTR) {
            return len;
        }
    }
    return 0;
}

/* Behind a line of which only the beginning was written comes a line feed, so
 * that no other line is lost with it. */
static void write_line(struct sink *sink, const char *line, size_t len)
{
    size_t left = sink->torn ? write_all(sink, "\n", 1) : 0;
    if (!left) {
        left = write_all(sink, line, len);
        sink->torn = left && left < len;
    }
    if (left)
        note_trouble(sink, errno);
}

void sink_put(struct sink *sink, const char *line, size_t len)
{
    size_t wrote = 0;
    if (sink->fd < 0)
        return;
    if (!sink->going) {
        write_line(sink, line, len);
        return;
    }
    sink_flush(sink);
    while (!buf_len(&sink->kept) && wrote < len) {
        size_t some = write_some(sink, line + wrote, len - wrote);
        if (!some)
            break;
        wrote += some;
    }
    if (wrote == len)
        return;
    /* The rest of a line that has begun is kept in any case. */
    if ((!wrote && (sink->stalled || !has_room(sink, len))) ||
        buf_append(&sink->kept, line + wrote, len - wrote))
        lose(sink);
}

uint64_t sink_returned(struct sink *sink)
{
    uint64_t lost = sink->lost;
    if (!sink->stalled)
        return 0;
    sink_flush(sink);
    if (buf_len(&sink->kept) > SINK_BYTES_MOST / 2)
        return 0;
    sink->stalled = false;
    sink->lost = 0;
    return lost;
}

uint64_t sink_close(struct sink *sink)
{
    uint64_t lost = sink->lost;
    int patience = sink->stalled ? 0 : SINK_PATIENCE_MS;
    while (buf_len(&sink->kept) && takes_something(sink, patience))
        sink_flush(sink);
    const char *at = (const char *)buf_head(&sink->kept);
    for (size_t i = 0; i < buf_len(&sink->kept); i++)
        lost += at[i] == '\n';
    if (sink->own >= 0)
        close(sink->own);
    buf_free(&sink->kept);
    if (lost)
        note_trouble(sink, ETIMEDOUT);
    *sink = (struct sink){.fd = -1, .own = -1, .trouble = sink->trouble};
    return lost;
}
