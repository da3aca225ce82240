/* SPDX-License-Identifier: MIT
 *
 * The least that a relay in C can do: one thread, epoll, bytes from one socket
 * to the other; nothing is parsed, noted or checked. What a proxy needs beyond
 * this is what its work costs.
 *
 *   relay_floor PORT SERVER_PORT        on 127.0.0.1 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, EVENTS = 256 };

struct side {
    int fd;
    unsigned watched;
    bool ended;        /* brings nothing more */
    char *waits;       /* what this side did not take yet */
    size_t from, to;   /* of it */
    struct side *peer; /* of the same pair: see pair_free() */
};

struct pair {
    struct side victim, server;
    bool dead;
    struct pair *next; /* of those to be freed behind this turn */
};

static int loop;
static struct pair *graves;
static char block[BLOCK];

static struct pair *pair_of(struct side *side)
{
    struct side *victim = side < side->peer ? side : side->peer;
    return (struct pair *)victim; /* its first member */
}

static void bury(struct pair *pair)
{
    if (pair->dead)
        return;
    pair->dead = true;
    close(pair->victim.fd);
    close(pair->server.fd);
    pair->next = graves;
    graves = pair;
}

static void free_graves(void)
{
    while (graves) {
        struct pair *pair = graves;
        graves = pair->next;
        free(pair->victim.waits);
        free(pair->server.waits);
        free(pair);
    }
}

/* Read while the peer takes everything; write while something waits. */
static void watch(struct side *side)
{
    unsigned wanted = (!side->ended && !side->peer->waits ? EPOLLIN : 0U) |
                      (side->waits ? EPOLLOUT : 0U);
    struct epoll_event event = {.events = wanted, .data.ptr = side};
    if (wanted == side->watched)
        return;
    epoll_ctl(loop, side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, side->fd,
              &event);
    side->watched = wanted ? wanted : EPOLLERR;
}

static int keep(struct side *to, const char *bytes, size_t len)
{
    to->waits = malloc(len);
    if (!to->waits)
        return -1;
    memcpy(to->waits, bytes, len);
    to->from = 0;
    to->to = len;
    return 0;
}

static int pass_on(struct side *to, const char *bytes, size_t len)
{
    ssize_t sent = send(to->fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return -1;
    size_t went = sent > 0 ? (size_t)sent : 0;
    return went == len ? 0 : keep(to, bytes + went, len - went);
}

static int drain(struct side *side)
{
    ssize_t sent = send(side->fd, side->waits + side->from,
                        side->to - side->from, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? 0 : -1;
    side->from += (size_t)sent;
    if (side->from < side->to)
        return 0;
    free(side->waits);
    side->waits = NULL;
    return 0;
}

static int read_side(struct side *side)
{
    ssize_t got = recv(side->fd, block, sizeof block, 0);
    if (got < 0)
        return errno == EAGAIN ? 0 : -1;
    if (got > 0)
        return pass_on(side->peer, block, (size_t)got);
    side->ended = true;
    shutdown(side->peer->fd, SHUT_WR);
    return side->peer->ended ? -1 : 0;
}

static void on_side(struct side *side, unsigned events)
{
    struct pair *pair = pair_of(side);
    if (pair->dead)
        return;
    if (((events & EPOLLOUT) && side->waits && drain(side)) ||
        ((events & (EPOLLIN | EPOLLHUP)) && !side->peer->waits &&
         !side->ended && read_side(side)) ||
        (events & EPOLLERR)) {
        bury(pair);
        return;
    }
    watch(side);
    watch(side->peer);
}

static struct sockaddr_in on_loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void greet(int listener, const struct sockaddr_in *server)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct pair *pair = calloc(1, sizeof *pair);
        if (!pair)
            exit(1);
        pair->victim = (struct side){.fd = fd, .peer = &pair->server};
        pair->server = (struct side){
            .fd =
                socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
            .peer = &pair->victim};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(pair->server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(pair->server.fd, (const struct sockaddr *)server,
                    sizeof *server) &&
            errno != EINPROGRESS) {
            bury(pair);
            continue;
        }
        watch(&pair->victim);
        watch(&pair->server);
    }
}

int main(int argc, char **argv)
{
    int on = 1;
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in here = on_loopback(argv[1]);
    struct sockaddr_in server = on_loopback(argv[2]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) ||
        listen(fd, 4096) || loop < 0) {
        perror("relay_floor");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_side(events[i].data.ptr, events[i].events);
            else
                greet(fd, &server);
        }
        free_graves();
    }
}
