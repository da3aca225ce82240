/* SPDX-License-Identifier: MIT
 *
 * One TCP connection, with or without TLS on it, read and written up to a
 * deadline. It counts what passes, so that an event can say where in the
 * stream its bytes stand: inside TLS, that is the record that carried them. */
#ifndef VICTIMS_WIRE_H
#define VICTIMS_WIRE_H

#include "proxy/base/dial.h"
#include "victims/report.h"
#include "victims/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

enum { WIRE_READ = 16 * 1024 }; /* a TLS record holds no more */

/* Why a read or write failed. */
enum wire_trouble {
    WIRE_FINE,
    WIRE_TIMEOUT,
    WIRE_RESET,     /* the connection broke */
    WIRE_TRUNCATED, /* TCP ended, TLS did not: anybody could have cut it */
    WIRE_TLS,       /* TLS failed; the reason is in OpenSSL's queue */
};

/* One direction: how much has passed, and the last piece of it. */
struct wire_way {
    uint64_t bytes;   /* of the TCP stream */
    uint64_t at, len; /* the last TLS record, or the last read or write */
    uint64_t clear;   /* application bytes */
};

struct wire {
    int fd;
    SSL *ssl; /* NULL: none */
    union address opener, acceptor;
    struct wire_way in, out;
    struct text pending; /* read, but not used yet */
    int64_t deadline;    /* CLOCK_MONOTONIC, milliseconds */
    enum wire_trouble trouble;
    bool ended; /* the other side said that no more will come */
    /* TLS messages that pass; NULL: nobody asks. */
    void (*on_tls)(struct wire *wire, bool sent, int type,
                   const unsigned char *bytes, size_t len);
    void *owner; /* whoever set on_tls */
};

static inline int64_t wire_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* From now on, everything must be over within `seconds`. */
static inline void wire_hurry(struct wire *wire, int64_t seconds)
{
    wire->deadline = wire_now() + seconds * 1000;
}

static inline void wire_count(struct wire_way *way, uint64_t len)
{
    way->at = way->bytes;
    way->len = len;
    way->bytes += len;
}

static inline void wire_on_message(int sent, int version, int type,
                                   const void *bytes, size_t len, SSL *ssl,
                                   void *argument)
{
    struct wire *wire = argument;
    const unsigned char *header = bytes;
    (void)version, (void)ssl;
    if (type == SSL3_RT_HEADER && len == 5)
        wire_count(sent ? &wire->out : &wire->in,
                   5 + (uint64_t)(header[3] << 8 | header[4]));
    else if (wire->on_tls)
        wire->on_tls(wire, sent, type, bytes, len);
}

/* Take over a connected socket. `opened`: by us. */
static inline void wire_open(struct wire *wire, int fd, bool opened)
{
    socklen_t len = sizeof(union address);
    int yes = 1;
    *wire = (struct wire){.fd = fd};
    getsockname(fd, opened ? &wire->opener.any : &wire->acceptor.any, &len);
    len = sizeof(union address);
    getpeername(fd, opened ? &wire->acceptor.any : &wire->opener.any, &len);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    /* Everything is written whole: waiting for more only costs time. */
    len = sizeof yes;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, len);
}

/* Put TLS on it; the handshake is still to be done. The SSL is ours now. */
static inline void wire_use_tls_take(struct wire *wire, SSL *ssl)
{
    wire->ssl = ssl;
    SSL_set_fd(ssl, wire->fd);
    SSL_set_app_data(ssl, wire);
    SSL_set_msg_callback(ssl, wire_on_message);
    SSL_set_msg_callback_arg(ssl, wire);
}

static inline void wire_close(struct wire *wire)
{
    SSL_free(wire->ssl);
    close(wire->fd);
    text_free(&wire->pending);
}

static inline bool wire_wait(struct wire *wire, short events)
{
    struct pollfd wait = {.fd = wire->fd, .events = events};
    int64_t left = wire->deadline - wire_now();
    int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
    if (ready > 0 || (ready < 0 && errno == EINTR))
        return true;
    wire->trouble = WIRE_TIMEOUT;
    return false;
}

/* An operation gave `rc`. True: it is worth trying again. */
static inline bool wire_again(struct wire *wire, int rc, short events)
{
    int why = SSL_ERROR_SYSCALL;
    if (wire->ssl)
        why = SSL_get_error(wire->ssl, rc);
    else if (errno == EAGAIN)
        why = events == POLLIN ? SSL_ERROR_WANT_READ : SSL_ERROR_WANT_WRITE;
    switch (why) {
    case SSL_ERROR_WANT_READ:
        return wire_wait(wire, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wire_wait(wire, POLLOUT);
    case SSL_ERROR_ZERO_RETURN: /* close_notify */
        wire->ended = true;
        return false;
    case SSL_ERROR_SSL:
        wire->trouble = ERR_GET_REASON(ERR_peek_error()) ==
                                SSL_R_UNEXPECTED_EOF_WHILE_READING
                            ? WIRE_TRUNCATED
                            : WIRE_TLS;
        return false;
    default:
        wire->trouble = WIRE_RESET;
        return false;
    }
}

/* SSL_connect() or SSL_accept(). 0, or -1 with the trouble. */
static inline int wire_handshake(struct wire *wire, int (*shake)(SSL *))
{
    int rc;
    do {
        ERR_clear_error();
        rc = shake(wire->ssl);
    } while (rc != 1 && wire_again(wire, rc, POLLIN));
    return rc == 1 ? 0 : -1;
}

/* Append what comes next to `pending`. > 0: so many bytes; 0: the other side
 * has finished; -1: trouble. */
static inline int wire_read(struct wire *wire)
{
    char *to = text_reserve(&wire->pending, WIRE_READ);
    int got;
    if (wire->ended)
        return 0;
    do {
        ERR_clear_error();
        got = wire->ssl ? SSL_read(wire->ssl, to, WIRE_READ)
                        : (int)recv(wire->fd, to, WIRE_READ, 0);
        if (!wire->ssl && got == 0)
            wire->ended = true;
    } while (got <= 0 && !wire->ended && wire_again(wire, got, POLLIN));
    if (got <= 0)
        return wire->ended ? 0 : -1;
    if (!wire->ssl)
        wire_count(&wire->in, (uint64_t)got);
    wire->in.clear += (uint64_t)got;
    wire->pending.len += (size_t)got;
    wire->pending.bytes[wire->pending.len] = 0;
    return got;
}

/* Send all of it. `where`, if given, learns where it stands. */
static inline int wire_write(struct wire *wire, const void *bytes, size_t len,
                             struct report_where *where)
{
    uint64_t from = wire->out.bytes;
    for (size_t done = 0; done < len;) {
        const char *rest = (const char *)bytes + done;
        ERR_clear_error();
        int sent = wire->ssl
                       ? SSL_write(wire->ssl, rest, (int)(len - done))
                       : (int)send(wire->fd, rest, len - done, MSG_NOSIGNAL);
        if (sent <= 0 && !wire_again(wire, sent, POLLOUT))
            return -1;
        if (sent > 0 && !wire->ssl)
            wire_count(&wire->out, (uint64_t)sent);
        done += sent > 0 ? (size_t)sent : 0;
    }
    wire->out.clear += len;
    if (where) {
        where->at = from;
        where->len = wire->out.bytes - from;
    }
    return 0;
}

/* Has the other side closed its half? A close_notify says that it will. */
static inline bool wire_peer_is_gone(struct wire *wire)
{
    struct pollfd wait = {.fd = wire->fd, .events = POLLIN};
    char byte;
    return wire->ended && poll(&wait, 1, 20) > 0 &&
           recv(wire->fd, &byte, 1, MSG_PEEK) == 0;
}

/* Say goodbye, and wait a moment for the other side to do the same, so that
 * nothing is left unread: closing on unread bytes resets the connection, and
 * so does a goodbye to somebody who has left. */
static inline void wire_finish(struct wire *wire)
{
    bool tls = wire->ssl && SSL_is_init_finished(wire->ssl);
    char rest[1024];
    ssize_t got;
    if (tls && wire->trouble == WIRE_FINE && !wire_peer_is_gone(wire)) {
        ERR_clear_error();
        SSL_shutdown(wire->ssl);
    }
    shutdown(wire->fd, SHUT_WR);
    wire_hurry(wire, 1);
    while (tls && wire->trouble == WIRE_FINE && wire_read(wire) > 0)
        text_consume(&wire->pending, wire->pending.len);
    do
        got = recv(wire->fd, rest, sizeof rest, 0);
    while (got > 0 || (got < 0 && errno == EAGAIN && wire_wait(wire, POLLIN)));
}

#endif
