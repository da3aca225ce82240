/* SPDX-License-Identifier: MIT
 *
 * What a victim has to say to the lab: one JSON line an event, in the format
 * that proxy/event.h describes. Lines go to the descriptor in
 * $MITMLAB_EVENTS_FD, or with --json to stdout, or nowhere. */
#ifndef VICTIMS_REPORT_H
#define VICTIMS_REPORT_H

#include "proxy/base/dial.h"
#include "victims/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* Where in the traffic the fact can be seen. Zeroed: nowhere in particular. */
struct report_where {
    uint64_t flow;                          /* 0: none */
    const char *leg;                        /* "victim", or NULL */
    const union address *opener, *acceptor; /* ends of the TCP connection */
    const char *dir;                        /* "up", "down", or NULL */
    uint64_t at, len;                       /* offsets in that direction */
};

static int report_fd = -1;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void report_open(bool json)
{
    const char *number = getenv("MITMLAB_EVENTS_FD");
    int fd = number && *number ? atoi(number) : -1;
    if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        report_fd = fd;
    else if (json)
        report_fd = STDOUT_FILENO;
}

/* Members of an event's data, one after the other. */
static inline void report_key(struct text *data, const char *key)
{
    text_add(data, "%s\"%s\":", data->len ? "," : "", key);
}

static inline void report_bytes(struct text *data, const char *key,
                                const void *bytes, size_t len)
{
    report_key(data, key);
    text_json(data, bytes, len);
}

static inline void report_string(struct text *data, const char *key,
                                 const char *value)
{
    report_bytes(data, key, value, strlen(value));
}

static inline void report_number(struct text *data, const char *key,
                                 long long value)
{
    report_key(data, key);
    text_add(data, "%lld", value);
}

static inline void report_flag(struct text *data, const char *key, bool value)
{
    report_key(data, key);
    text_add(data, "%s", value ? "true" : "false");
}

static inline void report_address(struct text *line,
                                  const union address *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool six = address->any.sa_family == AF_INET6;
    inet_ntop(address->any.sa_family,
              six ? (const void *)&address->v6.sin6_addr
                  : (const void *)&address->v4.sin_addr,
              text, sizeof text);
    text_add(line, "\"%s\",%d", text,
             ntohs(six ? address->v6.sin6_port : address->v4.sin_port));
}

static inline void report_place(struct text *line,
                                const struct report_where *where)
{
    if (where->flow)
        text_add(line, ",\"flow\":%" PRIu64, where->flow);
    if (where->leg)
        text_add(line, ",\"leg\":\"%s\"", where->leg);
    if (where->opener && where->acceptor) {
        text_add(line, ",\"tuple\":[");
        report_address(line, where->opener);
        text_add(line, ",");
        report_address(line, where->acceptor);
        text_add(line, "]");
    }
    if (where->dir)
        text_add(line, ",\"dir\":\"%s\",\"at\":%" PRIu64 ",\"len\":%" PRIu64,
                 where->dir, where->at, where->len);
}

/* Write one event, and forget `data`. One line is written at once, so that
 * the lines of several threads do not mix. */
static inline void report(const char *kind, const struct report_where *where,
                          struct text *data)
{
    struct text line = {0};
    struct timespec now;
    const char *place = getenv("MITMLAB_PLACE");
    clock_gettime(CLOCK_REALTIME, &now);
    text_add(&line, "{\"t\":%lld%09ld,\"place\":", (long long)now.tv_sec,
             now.tv_nsec);
    text_json(&line, place ? place : "", place ? strlen(place) : 0);
    text_add(&line, ",\"kind\":\"%s\"", kind);
    if (where)
        report_place(&line, where);
    text_add(&line, ",\"data\":{%s}}\n", data->len ? data->bytes : "");
    pthread_mutex_lock(&report_lock);
    for (size_t done = 0; report_fd >= 0 && done < line.len;) {
        ssize_t wrote = write(report_fd, line.bytes + done, line.len - done);
        if (wrote < 0 && errno != EINTR)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    pthread_mutex_unlock(&report_lock);
    text_free(&line);
    text_free(data);
}

/* The first line of every program. */
static inline void report_ready(const char *program, const char *listen)
{
    struct text data = {0};
    report_string(&data, "program", program);
    report_number(&data, "pid", getpid());
    report_key(&data, "listen");
    text_add(&data, "[%s]", listen);
    report("ready", NULL, &data);
}

#endif
