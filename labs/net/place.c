/* SPDX-License-Identifier: MIT
 *
 * The init of a place: one loop over requests of the runner and endings of
 * programs. */
#include "labs/net/place.h"

#include "labs/net/mounts.h"
#include "labs/net/plan.h"
#include "labs/net/put.h"
#include "labs/net/spawn.h"
#include "labs/net/talk.h"
#include "labs/net/wire.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only places on a wire have a network of their own. */
static bool is_wired(const struct place *it)
{
    return it->index >= 0 && it->plan->topology != NET_LOOPBACK;
}

static int enter(const struct place *it, struct err *err)
{
    struct wire_switch at = {-1, -1};
    bool wired = is_wired(it);
    const char *name =
        it->index < 0 ? PLAN_SWITCH : it->plan->places[it->index].name;
    int rc = -1;
    if (wired && wire_switch_open(&at, err) < 0)
        goto out;
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | (wired ? CLONE_NEWNET : 0)) < 0) {
        err_errno(err, "make the namespaces of %s", name);
        goto out;
    }
    if (sethostname(name, strlen(name)) < 0) {
        err_errno(err, "name the host %s", name);
        goto out;
    }
    if ((!wired || wire_plug(it->plan, (unsigned)it->index, &at, err) == 0) &&
        mounts_make(err) == 0)
        rc = 0;
out:
    if (at.netlink >= 0)
        close(at.netlink);
    if (at.inet >= 0)
        close(at.inet);
    return rc;
}

/* ---- requests ------------------------------------------------------------ */

/* Pointers to the `count` strings from `text` on; where they end. */
static char *strings(char *text, const char *end, unsigned count, char **out)
{
    for (unsigned i = 0; i < count; i++) {
        out[i] = text < end ? text : "";
        text += text < end ? strlen(text) + 1 : 0;
    }
    out[count] = NULL;
    return text;
}

static void start(struct children *children, const struct talk_request *request,
                  const int *fds, char *blob, size_t len, struct err *err)
{
    char **words = calloc(request->argc + request->envc + 2, sizeof *words);
    if (!words || request->argc == 0) {
        err_set(err, "a command without words");
        free(words);
        return;
    }
    char **env = words + request->argc + 1;
    char *rest = strings(blob, blob + len, request->argc, words);
    strings(rest, blob + len, request->envc, env);
    const struct spawn spawn = {
        .argv = words,
        .env = env,
        .dir = MOUNTS_DIR,
        .fds = {fds[TALK_STDIN], fds[TALK_STDOUT], fds[TALK_STDERR]},
        .events_fd = fds[TALK_EVENTS],
        .terminal = request->terminal,
    };
    children_start(children, request->process, &spawn, err);
    free(words);
}

static void serve(const struct place *it, struct children *children,
                  const struct talk_request *request, const int *fds,
                  struct err *err)
{
    size_t len = 0;
    char *blob = NULL;
    if (request->kind == TALK_KILL) {
        if (children_kill(children, request->process, request->signal) < 0)
            err_errno(err, "signal process %d", request->process);
        return;
    }
    if (request->kind == TALK_BEND) {
        if (is_wired(it))
            wire_bend(it->plan, (unsigned)it->index, request->bent, err);
        return;
    }
    if (fds[TALK_BLOB] >= 0)
        blob = talk_blob_read(fds[TALK_BLOB], &len);
    if (!blob)
        err_set(err, "a request without its bytes");
    else if (request->kind == TALK_START)
        start(children, request, fds, blob, len, err);
    else
        put_file(MOUNTS_DIR, MOUNTS_HOSTS, request->path, blob, len, err);
    free(blob);
}

/* False when the runner is gone or talks nonsense. */
static bool take_request(const struct place *it, struct children *children)
{
    struct talk_request request;
    struct err err = ERR_INIT;
    int fds[TALK_FDS];
    if (talk_listen(it->control, &request, fds) <= 0)
        return false;
    serve(it, children, &request, fds, &err);
    for (int i = 0; i < TALK_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    talk_answer(it->control, &err);
    return true;
}

static bool tell_endings(const struct place *it, struct children *children)
{
    struct talk_ending ending;
    while (children_reap(children, &ending.process, &ending.status))
        if (write(it->endings, &ending, sizeof ending) != sizeof ending)
            return false;
    return true;
}

void place_run(const struct place *it)
{
    struct err err = ERR_INIT;
    struct children children;
    int rc = enter(it, &err);
    if (rc == 0)
        rc = children_init(&children, &err);
    talk_answer(it->control, &err);
    if (rc < 0)
        return;
    struct pollfd ready[2] = {{.fd = it->control, .events = POLLIN},
                              {.fd = children.epoll, .events = POLLIN}};
    for (;;) {
        if (poll(ready, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return;
        }
        if (ready[1].revents && !tell_endings(it, &children))
            return;
        if (ready[0].revents && !take_request(it, &children))
            return;
    }
}
