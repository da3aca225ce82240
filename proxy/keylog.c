/* SPDX-License-Identifier: MIT */
#include "proxy/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 1024 };

struct keylog {
    int fd;
    pthread_mutex_t lock;
    bool torn;          /* the file ends within a line */
    unsigned long lost; /* lines */
    int why;            /* errno of the first of them */
    char path[];
};

int keylog_open(const char *path, struct keylog **out, struct err *err)
{
    size_t len = strlen(path) + 1;
    struct keylog *keylog = calloc(1, sizeof *keylog + len);
    if (!keylog) {
        err_set(err, "open the key log %s: out of memory", path);
        return -1;
    }
    keylog->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (keylog->fd < 0) {
        err_errno(err, "open the key log %s", path);
        free(keylog);
        return -1;
    }
    memcpy(keylog->path, path, len);
    pthread_mutex_init(&keylog->lock, NULL);
    *out = keylog;
    return 0;
}

static void note_loss(struct keylog *keylog, int why)
{
    if (keylog->lost++)
        return;
    keylog->why = why;
    fprintf(stderr,
            "mitmlab: TLS secrets cannot be written to %s: %s; the proxy goes "
            "on without\n",
            keylog->path, strerror(why));
}

/* In one write, so that somebody else's lines may be in the same file. */
static void write_line(struct keylog *keylog, const char *text, size_t len)
{
    ssize_t wrote;
    do
        wrote = write(keylog->fd, text, len);
    while (wrote < 0 && errno == EINTR);
    if (wrote == (ssize_t)len) {
        keylog->torn = false;
        return;
    }
    keylog->torn |= wrote > 0;
    note_loss(keylog, wrote < 0 ? errno : ENOSPC);
}

void keylog_add(struct keylog *keylog, const char *line)
{
    char text[LINE_MOST];
    pthread_mutex_lock(&keylog->lock);
    int len =
        snprintf(text, sizeof text, "%s%s\n", keylog->torn ? "\n" : "", line);
    if (len > 0 && (size_t)len < sizeof text)
        write_line(keylog, text, (size_t)len);
    else
        note_loss(keylog, EMSGSIZE);
    pthread_mutex_unlock(&keylog->lock);
}

int keylog_close(struct keylog *keylog, struct err *err)
{
    if (!keylog)
        return 0;
    int rc = keylog->lost ? -1 : 0;
    if (rc)
        err_code(err, EXIT_PARTIAL,
                 "the key log %s is not complete: %lu line%s could not be "
                 "written: %s",
                 keylog->path, keylog->lost, keylog->lost == 1 ? "" : "s",
                 strerror(keylog->why));
    close(keylog->fd);
    pthread_mutex_destroy(&keylog->lock);
    free(keylog);
    return rc;
}
