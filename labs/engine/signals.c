/* SPDX-License-Identifier: MIT
 *
 * A handler that writes a byte into a pipe. */
#include "labs/engine/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t first;

static void on_signal(int signal)
{
    int saved = errno;
    if (first)
        _exit(128 + signal);
    first = signal;
    while (write(ends[1], "", 1) < 0 && errno == EINTR)
        ;
    errno = saved;
}

int signals_open(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    first = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        abort();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files reads like a full disk */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return ends[0];
}

void signals_close(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    close(ends[0]);
    close(ends[1]);
    ends[0] = ends[1] = -1;
}

int signals_seen(void)
{
    return first;
}
