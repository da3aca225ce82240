/* SPDX-License-Identifier: MIT
 *
 * What the peer's socket does not take at once is fetched out of the pipe and
 * written by libuv like everything else, so a slow reader costs no more than
 * it always does, and no pipe. */
#include "proxy/pour.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIPE = 1024 * 1024, /* what an ordinary user may ask for. Large pieces
                           halve the time that the kernel takes for each */
    PIECE_LEAST = WORKER_BLOCK,
    TURN_MOST = PIPE, /* then the others have their turn */
};

static struct worker *worker_of(const struct end *end)
{
    return end->relay->worker;
}

bool pour_can(const struct end *from)
{
    const struct end *to = from->peer;
    return !worker_of(from)->pipe_fails && !worker_of(from)->options->wire &&
           from->open && to->open && !from->tls.ssl && !to->tls.ssl &&
           !buf_len(&from->in) && from->hears == END_HEARS &&
           to->says == END_SAYS;
}

static int open_pipe(struct worker *worker)
{
    if (worker->piped)
        return 0;
    worker->pipe_fails = pipe2(worker->pipe, O_NONBLOCK | O_CLOEXEC) != 0;
    worker->piped = !worker->pipe_fails;
    if (worker->piped) /* A smaller one is as good, only slower. */
        (void)fcntl(worker->pipe[1], F_SETPIPE_SZ, PIPE);
    return worker->piped ? 0 : -1;
}

void pour_close(struct worker *worker)
{
    if (!worker->piped)
        return;
    close(worker->pipe[0]);
    close(worker->pipe[1]);
    worker->piped = false;
}

/* About as much as the socket takes at once, so that little is left over: a
 * peer that reads nothing costs a block, not a pipe. */
static size_t room_of(int fd)
{
    int room = 0, used = 0;
    socklen_t len = sizeof room;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &len) ||
        ioctl(fd, SIOCOUTQ, &used) || room - used < PIECE_LEAST)
        return PIECE_LEAST;
    return room - used < PIPE ? (size_t)(room - used) : PIPE;
}

/* The rest of the pipe, for libuv to write. */
static int fetch(struct end *to, size_t left)
{
    struct worker *worker = worker_of(to);
    if (worker_lend(worker, &to->out) || !buf_reserve(&to->out, left))
        return -1;
    while (left) {
        ssize_t got = read(worker->pipe[0], buf_reserve(&to->out, left), left);
        if (got <= 0 && errno != EINTR)
            return -1;
        if (got > 0) {
            buf_filled(&to->out, (size_t)got);
            left -= (size_t)got;
        }
    }
    end_flush(to);
    return 0;
}

/* Empty the pipe, in which there are `len` bytes. */
static int pass_on(struct end *to, int fd, size_t len)
{
    struct worker *worker = worker_of(to);
    to->out_total += len;
    while (len) {
        ssize_t went = splice(worker->pipe[0], NULL, fd, NULL, len,
                              SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (went > 0)
            len -= (size_t)went;
        else if (went < 0 && errno == EAGAIN)
            return fetch(to, len);
        else if (went == 0 || errno != EINTR)
            return -1;
    }
    return 0;
}

/* splice(2) brought nothing. */
static void nothing_came(struct end *from, ssize_t got)
{
    int why = errno;
    if (got < 0 && (why == EAGAIN || why == EINTR))
        return;
    if (got < 0 && why == EINVAL)
        worker_of(from)->pipe_fails = true; /* not for this kind of socket */
    else
        end_fell_silent(from, got < 0);
}

ssize_t pour(struct end *from, uint64_t most)
{
    struct end *to = from->peer;
    struct worker *worker = worker_of(from);
    uv_os_fd_t in, out;
    size_t total = 0;
    assert(pour_can(from) && !end_blocked(to));
    if (uv_fileno((uv_handle_t *)&from->tcp, &in) ||
        uv_fileno((uv_handle_t *)&to->tcp, &out) || open_pipe(worker))
        return 0;
    while (total < most && total < TURN_MOST && !end_blocked(to)) {
        size_t piece = room_of(out);
        if (piece > most - total)
            piece = (size_t)(most - total);
        ssize_t got = splice(in, NULL, worker->pipe[1], NULL, piece,
                             SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (got <= 0) {
            nothing_came(from, got);
            break;
        }
        total += (size_t)got;
        from->in_total += (size_t)got;
        if (pass_on(to, out, (size_t)got)) {
            pour_close(worker); /* and what is in it */
            end_went_deaf(to);
            return -1;
        }
    }
    worker->poured += total;
    from->pours = from->hears == END_HEARS && !worker->pipe_fails;
    return (ssize_t)total;
}
