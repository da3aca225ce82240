/* SPDX-License-Identifier: MIT
 *
 * One event is one line and one write(2), so that lines of several threads
 * and programs on the same descriptor never mix. */
#include "proxy/event.h"

#include "proxy/sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_MOST = 4096,     /* bytes of one event_text() */
    TEXT_BUFFERS = 8,     /* so many may be used in one event() call */
    ESCAPE_MOST = 6,      /* \u00XX */
    LINE_ON_STACK = 8192, /* longer lines are allocated */
};

static struct {
    struct sink sink;
    char place[64];
    void (*take)(void *context, const char *line, size_t len);
    void *context;
    pthread_mutex_t lock;
} told = {.sink = {.fd = -1, .own = -1}, .lock = PTHREAD_MUTEX_INITIALIZER};

static int descriptor_in_environment(void)
{
    const char *text = getenv("MITMLAB_EVENTS_FD");
    if (!text || !*text)
        return -1;
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno || *end || fd < 0 || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0)
        return -1;
    /* Programs that we start get a descriptor of their own. */
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

void event_open(bool json_to_stdout, const char *fallback_place)
{
    const char *place = getenv("MITMLAB_PLACE");
    if (!place || !*place)
        place = fallback_place ? fallback_place : "";
    snprintf(told.place, sizeof told.place, "%s", place);
    int fd = descriptor_in_environment();
    sink_open(&told.sink, fd < 0 && json_to_stdout ? STDOUT_FILENO : fd);
}

void event_keep_going(void)
{
    sink_keep_going(&told.sink);
}

bool event_wanted(void)
{
    return told.sink.fd >= 0 || told.take;
}

void event_copy(void (*take)(void *context, const char *line, size_t len),
                void *context)
{
    told.take = take;
    told.context = context;
}

int event_lost(void)
{
    pthread_mutex_lock(&told.lock);
    int lost = told.sink.trouble;
    pthread_mutex_unlock(&told.lock);
    return lost;
}

static void say_lost(uint64_t lost)
{
    if (lost)
        fprintf(stderr,
                "mitmlab: %" PRIu64 " event%s dropped, because nobody read "
                "them\n",
                lost, lost == 1 ? " was" : "s were");
}

void event_close(void)
{
    pthread_mutex_lock(&told.lock);
    say_lost(sink_close(&told.sink));
    pthread_mutex_unlock(&told.lock);
}

static size_t escape(char *to, uint8_t byte)
{
    if (byte == '"' || byte == '\\') {
        to[0] = '\\';
        to[1] = (char)byte;
        return 2;
    }
    if (byte >= 0x20 && byte < 0x7f) {
        to[0] = (char)byte;
        return 1;
    }
    static const char digits[] = "0123456789abcdef";
    memcpy(to, "\\u00", 4);
    to[4] = digits[byte >> 4];
    to[5] = digits[byte & 15];
    return ESCAPE_MOST;
}

/* `to` has room for len * ESCAPE_MOST and the quotes. */
static size_t quote(char *to, const uint8_t *bytes, size_t len, bool cut)
{
    size_t used = 0;
    to[used++] = '"';
    for (size_t i = 0; i < len; i++)
        used += escape(to + used, bytes[i]);
    if (cut) {
        memcpy(to + used, "...", 3);
        used += 3;
    }
    to[used++] = '"';
    return used;
}

const char *event_text(const void *bytes, size_t len, size_t most)
{
    static _Thread_local char texts[TEXT_BUFFERS][TEXT_MOST * ESCAPE_MOST + 8];
    static _Thread_local unsigned turn;
    char *text = texts[turn++ % TEXT_BUFFERS];
    most = most < TEXT_MOST ? most : TEXT_MOST;
    size_t shown = len < most ? len : most;
    text[quote(text, bytes, shown, shown < len)] = 0;
    return text;
}

int event_append_text(struct buf *out, const void *bytes, size_t len,
                      size_t most)
{
    size_t shown = len < most ? len : most;
    char *to = (char *)buf_reserve(out, shown * ESCAPE_MOST + 8);
    if (!to)
        return -1;
    buf_filled(out, quote(to, bytes, shown, shown < len));
    return 0;
}

/* A line in the making; grows from the stack to the heap. */
struct line {
    char *text;
    size_t len, room;
    bool on_heap, broken;
};

static bool line_room(struct line *line, size_t more)
{
    if (line->broken || line->room - line->len > more)
        return !line->broken;
    size_t room = (line->len + more + 1) * 2;
    char *text = malloc(room);
    line->broken = !text;
    if (!text)
        return false;
    memcpy(text, line->text, line->len);
    if (line->on_heap)
        free(line->text);
    line->text = text;
    line->room = room;
    line->on_heap = true;
    return true;
}

__attribute__((format(printf, 2, 0))) static void
line_vadd(struct line *line, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && line_room(line, (size_t)len)) {
        vsnprintf(line->text + line->len, line->room - line->len, format,
                  again);
        line->len += (size_t)len;
    }
    va_end(again);
}

__attribute__((format(printf, 2, 3))) static void
line_add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    line_vadd(line, format, args);
    va_end(args);
}

static void add_address(struct line *line, const union address *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    int port = 0;
    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof text);
        port = ntohs(address->v6.sin6_port);
    } else if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof text);
        port = ntohs(address->v4.sin_port);
    }
    line_add(line, "\"%s\",%d", text, port);
}

static void add_where(struct line *line, const struct event_where *where)
{
    static const char *const legs[] = {NULL, "victim", "server"};
    static const char *const dirs[] = {NULL, "up", "down"};
    if (where->flow)
        line_add(line, ",\"flow\":%" PRIu64, where->flow);
    if (where->leg)
        line_add(line, ",\"leg\":\"%s\"", legs[where->leg]);
    if (where->opener && where->acceptor) {
        line_add(line, ",\"tuple\":[");
        add_address(line, where->opener);
        line_add(line, ",");
        add_address(line, where->acceptor);
        line_add(line, "]");
    }
    if (where->dir)
        line_add(line, ",\"dir\":\"%s\",\"at\":%" PRIu64 ",\"len\":%" PRIu64,
                 dirs[where->dir], where->at, where->len);
}

static void begin_line(struct line *line, const char *kind,
                       const struct event_where *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    line_add(line, "{\"t\":%lld%09ld,\"place\":%s,\"kind\":\"%s\"",
             (long long)now.tv_sec, now.tv_nsec,
             event_text(told.place, strlen(told.place), TEXT_MOST), kind);
    if (where)
        add_where(line, where);
    line_add(line, ",\"data\":{");
}

/* Where they are missing, for a reader that is back. */
static void tell_lost(uint64_t lost)
{
    char first[512];
    struct line line = {.text = first, .room = sizeof first};
    begin_line(&line, "events.dropped", NULL);
    line_add(&line, "\"count\":%" PRIu64 "}}\n", lost);
    if (!line.broken)
        sink_put(&told.sink, line.text, line.len);
    if (line.on_heap)
        free(line.text);
    say_lost(lost);
}

void event_catch_up(void)
{
    pthread_mutex_lock(&told.lock);
    sink_catch_up(&told.sink);
    uint64_t lost = sink_returned(&told.sink);
    if (lost)
        tell_lost(lost);
    pthread_mutex_unlock(&told.lock);
}

void event(const char *kind, const struct event_where *where, const char *data,
           ...)
{
    if (!event_wanted())
        return;
    char first[LINE_ON_STACK];
    struct line line = {.text = first, .room = sizeof first};
    begin_line(&line, kind, where);
    va_list args;
    va_start(args, data);
    line_vadd(&line, data, args);
    va_end(args);
    line_add(&line, "}}\n");
    if (!line.broken) {
        pthread_mutex_lock(&told.lock);
        uint64_t lost = sink_returned(&told.sink);
        if (lost)
            tell_lost(lost);
        sink_put(&told.sink, line.text, line.len);
        if (told.take)
            told.take(told.context, line.text, line.len);
        pthread_mutex_unlock(&told.lock);
    }
    if (line.on_heap)
        free(line.text);
}
