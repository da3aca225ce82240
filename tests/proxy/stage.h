/* SPDX-License-Identifier: MIT
 *
 * A stage for relays: the proxy on a loop, and around it victims and servers
 * that do exactly what a test tells them, over loopback sockets. Everything
 * runs in one thread: whoever waits turns the loop. The loop must be empty in
 * the end. */
#ifndef TESTS_PROXY_STAGE_H
#define TESTS_PROXY_STAGE_H

#include "proxy/base/buf.h"
#include "proxy/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAGE __attribute__((unused)) static

enum { PATIENCE_TURNS = 10 * 1000 }; /* of a millisecond at most */

struct stage {
    uv_loop_t loop;
    struct proxy_options options;
    struct target upstream;
    struct proxy *proxy;
    int listener; /* of the server */
    int events;   /* a file in memory */
};

/* One end that is not the proxy's. */
struct actor {
    struct stage *stage;
    int fd;
    struct buf got;
    bool eof, reset;
};

STAGE void stage_turn(struct stage *stage)
{
    struct pollfd ready = {.fd = uv_backend_fd(&stage->loop), .events = POLLIN};
    if (!uv_run(&stage->loop, UV_RUN_NOWAIT))
        usleep(200);
    else if (!poll(&ready, 1, 1))
        return;
    uv_run(&stage->loop, UV_RUN_NOWAIT);
}

STAGE int stage_listen(struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    /* Its port can be had again while connections to it are left. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)address, &len);
    return fd;
}

/* `scheme` of the upstream: "http". Options may be set before or between. */
STAGE void stage_prepare(struct stage *stage, const char *scheme)
{
    char url[64], number[16];
    struct err err = ERR_INIT;
    struct sockaddr_in address;
    *stage = (struct stage){0};
    stage->listener = stage_listen(&address);
    stage->events = memfd_create("events", MFD_CLOEXEC);
    snprintf(number, sizeof number, "%d", stage->events);
    setenv("MITMLAB_EVENTS_FD", number, 1);
    event_open(false, "attacker");
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", scheme,
             ntohs(address.sin_port));
    assert_int_equal(target_parse(url, &stage->upstream, &err), 0);
    stage->options.ways[0] =
        (struct way_in){.mode = WAY_REVERSE, .target = stage->upstream};
    stage->options.ways_count = 1;
    assert_int_equal(
        address_parse("127.0.0.1:0", &stage->options.ways[0].address, &err), 0);
}

/* Another way in, where the victim says which server it wants. */
STAGE void stage_takes(struct stage *stage, enum way_mode mode)
{
    stage->options.ways[0].mode = mode;
    stage->options.ways[0].target = (struct target){0};
}

STAGE void stage_raise(struct stage *stage)
{
    struct err err = ERR_INIT;
    assert_int_equal(uv_loop_init(&stage->loop), 0);
    if (proxy_open(&stage->loop, &stage->options, &stage->proxy, &err))
        fail_msg("proxy_open: %s", err.text);
}

STAGE void stage_open(struct stage *stage)
{
    stage_prepare(stage, "http");
    stage_raise(stage);
}

STAGE void stage_close(struct stage *stage)
{
    proxy_stop(stage->proxy);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stage->loop), 0);
    close(stage->listener);
    event_close();
    close(stage->events);
}

STAGE void stage_set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

STAGE struct actor victim_enters_with(struct stage *stage, int buffer)
{
    struct actor actor = {.stage = stage};
    const union address *address = proxy_address(stage->proxy, 0);
    actor.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (buffer) {
        setsockopt(actor.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        setsockopt(actor.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    assert_int_equal(connect(actor.fd, &address->any, sizeof address->v4), 0);
    stage_set_nonblocking(actor.fd);
    int on = 1;
    setsockopt(actor.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return actor;
}

STAGE struct actor victim_enters(struct stage *stage)
{
    return victim_enters_with(stage, 0);
}

/* -1: nobody is at the door. */
STAGE int stage_door(struct stage *stage)
{
    return accept4(stage->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

STAGE struct actor server_enters(struct stage *stage)
{
    struct actor actor = {.stage = stage, .fd = -1};
    for (int i = 0; i < PATIENCE_TURNS && actor.fd < 0; i++) {
        stage_turn(stage);
        actor.fd = stage_door(stage);
    }
    assert_true(actor.fd >= 0);
    int on = 1;
    setsockopt(actor.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return actor;
}

STAGE void actor_leaves(struct actor *actor)
{
    if (actor->fd >= 0)
        close(actor->fd);
    actor->fd = -1;
    buf_free(&actor->got);
}

STAGE void actor_resets(struct actor *actor)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(actor->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    actor_leaves(actor);
}

STAGE void actor_finishes(struct actor *actor)
{
    assert_int_equal(shutdown(actor->fd, SHUT_WR), 0);
}

/* Take what is there. True if something new is known. */
STAGE bool actor_listens(struct actor *actor)
{
    if (actor->eof || actor->reset)
        return false;
    uint8_t *to = buf_reserve(&actor->got, 64 * 1024);
    ssize_t got = recv(actor->fd, to, 64 * 1024, 0);
    if (got > 0)
        buf_filled(&actor->got, (size_t)got);
    actor->eof = got == 0;
    actor->reset = got < 0 && errno != EAGAIN;
    return got >= 0 || actor->reset;
}

STAGE void actor_says_bytes(struct actor *actor, const void *bytes, size_t len)
{
    const char *from = bytes;
    for (int i = 0; i < PATIENCE_TURNS && len; i++) {
        ssize_t sent = send(actor->fd, from, len, MSG_NOSIGNAL);
        if (sent > 0) {
            from += sent;
            len -= (size_t)sent;
        }
        stage_turn(actor->stage);
    }
    assert_int_equal(len, 0);
}

STAGE void actor_says(struct actor *actor, const char *text)
{
    actor_says_bytes(actor, text, strlen(text));
}

/* A few turns in which nothing in particular is expected. */
STAGE void stage_rest(struct stage *stage)
{
    for (int i = 0; i < 20; i++)
        stage_turn(stage);
}

STAGE void actor_waits_for(struct actor *actor, size_t len)
{
    for (int i = 0; i < PATIENCE_TURNS && buf_len(&actor->got) < len; i++) {
        if (!actor_listens(actor))
            stage_turn(actor->stage);
        if (actor->eof || actor->reset)
            break;
    }
}

/* Exactly this text comes next. */
STAGE void actor_hears_bytes(struct actor *actor, const void *bytes, size_t len)
{
    actor_waits_for(actor, len);
    size_t got = buf_len(&actor->got);
    size_t least = got < len ? got : len;
    if (got < len || memcmp(buf_head(&actor->got), bytes, len))
        fail_msg("expected %zu bytes \"%.*s\", heard %zu: \"%.*s\"", len,
                 (int)(len < 512 ? len : 512), (const char *)bytes, got,
                 (int)(got < 512 ? got : 512),
                 got ? (char *)buf_head(&actor->got) : "");
    buf_consume(&actor->got, least);
}

STAGE void actor_hears(struct actor *actor, const char *text)
{
    actor_hears_bytes(actor, text, strlen(text));
}

STAGE void actor_hears_end(struct actor *actor)
{
    for (int i = 0; i < PATIENCE_TURNS && !actor->eof && !actor->reset; i++)
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    assert_true(actor->eof);
    assert_int_equal(buf_len(&actor->got), 0);
}

STAGE void actor_hears_reset(struct actor *actor)
{
    for (int i = 0; i < PATIENCE_TURNS && !actor->eof && !actor->reset; i++)
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    assert_true(actor->reset);
}

/* Everything up to the end of the connection, as text. */
STAGE const char *actor_hears_all(struct actor *actor)
{
    for (int i = 0; i < PATIENCE_TURNS && !actor->eof && !actor->reset; i++)
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    assert_true(actor->eof || actor->reset);
    assert_int_equal(buf_append(&actor->got, "", 1), 0);
    return (const char *)buf_head(&actor->got);
}

STAGE void actor_hears_nothing(struct actor *actor)
{
    stage_rest(actor->stage);
    actor_listens(actor);
    assert_int_equal(buf_len(&actor->got), 0);
}

/* Wait until no flow is left. */
STAGE void stage_empties(struct stage *stage)
{
    for (int i = 0; i < PATIENCE_TURNS && proxy_flows(stage->proxy); i++)
        stage_turn(stage);
    assert_int_equal(proxy_flows(stage->proxy), 0);
}

/* They leave, and nothing may be left of them. NULL: that one is not there. */
STAGE void stage_ends(struct stage *stage, struct actor *victim,
                      struct actor *server)
{
    if (victim)
        actor_leaves(victim);
    if (server)
        actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

/* All events so far as text; the caller frees. */
STAGE char *stage_events(struct stage *stage)
{
    off_t len = lseek(stage->events, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(pread(stage->events, text, (size_t)len, 0), len);
    return text;
}

/* Some event of this kind has this in it. */
STAGE bool stage_has_event(struct stage *stage, const char *kind,
                           const char *part)
{
    char mark[64], *rest = NULL;
    bool found = false;
    char *text = stage_events(stage);
    snprintf(mark, sizeof mark, "\"kind\":\"%s\"", kind);
    for (char *line = strtok_r(text, "\n", &rest); line && !found;
         line = strtok_r(NULL, "\n", &rest))
        found = strstr(line, mark) && strstr(line, part);
    free(text);
    return found;
}

#endif
