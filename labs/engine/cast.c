/* SPDX-License-Identifier: MIT
 *
 * One poll(2) over the pipes of all programs. */
#include "labs/engine/cast.h"

#include "labs/engine/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STOP_MS = 2000,
    SILENCE_MS = 4000, /* a proxy speaks once a second */
    CHUNK = 64 << 10,
    POLL_MOST = 128,
};

void cast_init(struct cast *cast, struct net *net)
{
    *cast = (struct cast){.net = net, .interrupt_fd = -1};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void actor_free(struct actor *actor)
{
    close_fd(&actor->events_fd);
    close_fd(&actor->output_fd);
    buf_free(&actor->events);
    buf_free(&actor->output);
    free(actor->name);
    free(actor->place);
    free(actor);
}

void cast_free(struct cast *cast)
{
    while (cast->actors) {
        struct actor *actor = cast->actors;
        cast->actors = actor->next;
        actor_free(actor);
    }
}

/* ---- starting ------------------------------------------------------------ */

/* Read ends are ours and do not block; write ends go to the program. */
static int make_pipe(int *out_read, int *out_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return -1;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* as much as we may have */
    *out_read = fds[0];
    *out_write = fds[1];
    return 0;
}

/* "bank-server"; of this program also what it was started as: "mitmlab
 * proxy". */
static char *name_of(const char *const *argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *base = slash ? slash + 1 : argv[0];
    char *name;
    bool ours = !strcmp(base, "mitmlab") && argv[1];
    if (asprintf(&name, "%s%s%s", base, ours ? " " : "", ours ? argv[1] : "") <
        0)
        abort();
    return name;
}

struct actor *cast_start(struct cast *cast, enum actor_role role,
                         const char *place, const char *const *argv,
                         const char *const *env, int stdin_fd, struct err *err)
{
    int events = -1, output = -1;
    struct actor *actor = calloc(1, sizeof *actor);
    actor->events_fd = actor->output_fd = -1;
    actor->role = role;
    actor->name = name_of(argv);
    actor->place = strdup(place);
    actor->heard_ms = clock_ms();
    if (make_pipe(&actor->events_fd, &events) ||
        make_pipe(&actor->output_fd, &output)) {
        err_errno(err, "make a pipe for %s", actor->name);
    } else {
        struct net_command command = {
            argv, env, {stdin_fd, output, output}, events, false};
        actor->process = net_start(cast->net, place, &command, err);
    }
    close_fd(&events);
    close_fd(&output);
    if (actor->process <= 0) {
        actor_free(actor);
        return NULL;
    }
    actor->number = ++cast->count;
    actor->next = cast->actors;
    cast->actors = actor;
    return actor;
}

/* ---- listening ----------------------------------------------------------- */

static const char *kind_of(const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "kind"));
    return kind ? kind : "";
}

static void take_event(struct cast *cast, struct actor *actor, json_t *event)
{
    const char *kind = kind_of(event);
    actor->heard_ms = clock_ms();
    if (!strcmp(kind, "ready"))
        actor->ready = true;
    else if (!strcmp(kind, "flow.open"))
        actor->open_flows++;
    else if (!strcmp(kind, "flow.end") && actor->open_flows)
        actor->open_flows--;
    if (cast->on_event)
        cast->on_event(cast->context, actor, event);
}

/* A line that is no event is dropped: what a program of ours writes is checked
 * by its own tests, and a broken one must not stop the run. */
static void take_lines(struct cast *cast, struct actor *actor)
{
    uint8_t *end;
    while (buf_len(&actor->events) &&
           (end = memchr(buf_head(&actor->events), '\n',
                         buf_len(&actor->events)))) {
        size_t len = (size_t)(end - buf_head(&actor->events));
        json_t *event = json_loadb((char *)buf_head(&actor->events), len,
                                   JSON_ALLOW_NUL, NULL);
        if (json_is_object(event))
            take_event(cast, actor, event);
        json_decref(event);
        buf_consume(&actor->events, len + 1);
    }
    if (buf_len(&actor->events) > ACTOR_LINE_MOST)
        buf_clear(&actor->events);
}

static void keep_output(struct actor *actor, size_t got)
{
    size_t len = buf_len(&actor->output) + got;
    if (len > ACTOR_OUTPUT_MOST) {
        actor->output_cut = true;
        got -= len - ACTOR_OUTPUT_MOST < got ? len - ACTOR_OUTPUT_MOST : got;
    }
    buf_filled(&actor->output, got);
}

/* Read what is there. Closes the descriptor at its end. */
static void drain(struct cast *cast, struct actor *actor, int *fd)
{
    struct buf *into =
        fd == &actor->events_fd ? &actor->events : &actor->output;
    for (;;) {
        uint8_t *room = buf_reserve(into, CHUNK);
        ssize_t got = room ? read(*fd, room, CHUNK) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_fd(fd);
            return;
        }
        if (into == &actor->output) {
            keep_output(actor, (size_t)got);
        } else {
            buf_filled(into, (size_t)got);
            take_lines(cast, actor);
        }
    }
}

static struct actor *find_process(const struct cast *cast, int process)
{
    for (struct actor *it = cast->actors; it; it = it->next)
        if (it->process == process)
            return it;
    return NULL;
}

static void reap(struct cast *cast)
{
    int process, status;
    while (net_reap(cast->net, &process, &status)) {
        struct actor *actor = find_process(cast, process);
        if (!actor)
            continue;
        actor->ended = true;
        actor->status = status;
    }
}

struct watched {
    struct pollfd fds[POLL_MOST];
    struct actor *actors[POLL_MOST];
    int *sources[POLL_MOST];
    nfds_t count;
};

static void watch(struct watched *watched, struct actor *actor, int *source,
                  int fd)
{
    if (fd < 0 || watched->count == POLL_MOST)
        return;
    watched->fds[watched->count] = (struct pollfd){fd, POLLIN, 0};
    watched->actors[watched->count] = actor;
    watched->sources[watched->count++] = source;
}

/* One round. False when a signal has come. */
static bool listen_once(struct cast *cast, int timeout_ms)
{
    struct watched watched = {.count = 0};
    bool calm = true;
    watch(&watched, NULL, NULL, net_wait_fd(cast->net));
    watch(&watched, NULL, &cast->interrupt_fd, cast->interrupt_fd);
    for (struct actor *it = cast->actors; it; it = it->next) {
        watch(&watched, it, &it->events_fd, it->events_fd);
        watch(&watched, it, &it->output_fd, it->output_fd);
    }
    if (poll(watched.fds, watched.count, timeout_ms) <= 0)
        return true;
    for (nfds_t i = 0; i < watched.count; i++) {
        if (!watched.fds[i].revents)
            continue;
        if (watched.actors[i])
            drain(cast, watched.actors[i], watched.sources[i]);
        else if (watched.sources[i])
            calm = false;
        else
            reap(cast);
    }
    return calm;
}

bool cast_wait(struct cast *cast, cast_condition *done, void *argument,
               int64_t deadline_ms)
{
    for (;;) {
        if (done(argument))
            return true;
        int64_t left = deadline_ms - clock_ms();
        if (left <= 0 || !listen_once(cast, left > 500 ? 500 : (int)left))
            return done(argument);
    }
}

void cast_forget(struct cast *cast, struct actor *actor)
{
    struct actor **link = &cast->actors;
    while (*link && *link != actor)
        link = &(*link)->next;
    if (*link)
        *link = actor->next;
    actor_free(actor);
}

/* ---- ending -------------------------------------------------------------- */

bool actor_silent(const struct actor *actor)
{
    return actor->ended && actor->events_fd < 0 && actor->output_fd < 0;
}

int actor_exit(const struct actor *actor)
{
    return WIFEXITED(actor->status) ? WEXITSTATUS(actor->status)
                                    : 128 + WTERMSIG(actor->status);
}

static bool is_silent(void *argument)
{
    return actor_silent(argument);
}

/* As cast_wait(), but a signal does not shorten it: what ends must end. */
static bool wait_silent(struct cast *cast, struct actor *actor, int ms)
{
    int interrupt = cast->interrupt_fd;
    cast->interrupt_fd = -1;
    bool silent = cast_wait(cast, is_silent, actor, clock_ms() + ms);
    cast->interrupt_fd = interrupt;
    return silent;
}

bool cast_stop(struct cast *cast, struct actor *actor)
{
    actor->stopping = true;
    net_kill(cast->net, actor->process, SIGTERM);
    if (wait_silent(cast, actor, STOP_MS))
        return true;
    net_kill(cast->net, actor->process, SIGKILL);
    wait_silent(cast, actor, STOP_MS);
    return false;
}

struct actor *cast_fallen(const struct cast *cast)
{
    for (struct actor *it = cast->actors; it; it = it->next) {
        if (it->stopping || it->role == ACTOR_ACT)
            continue;
        bool silent = it->role == ACTOR_PROXY && it->ready &&
                      clock_ms() - it->heard_ms > SILENCE_MS;
        if (it->ended || silent)
            return it;
    }
    return NULL;
}
