/* SPDX-License-Identifier: MIT */
#include "labs/cli/hold_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 50 };

static const char *editor_of_person(void)
{
    static const char *const variables[] = {"VISUAL", "EDITOR"};
    for (unsigned i = 0; i < 2; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return value;
    }
    return "vi";
}

/* Until it has ended, by itself or because we shall stop. */
static int wait_for_editor(pid_t child, int stop)
{
    int status = -1;
    for (;;) {
        struct pollfd ready = {.fd = stop, .events = POLLIN};
        pid_t ended = waitpid(child, &status, stop < 0 ? 0 : WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            return status;
        if (stop >= 0 && poll(&ready, 1, LOOK_MS) > 0) {
            kill(child, SIGTERM);
            stop = -1;
        }
    }
}

/* By a shell, because $EDITOR may be a command with words: `sed -i s/a/b/`. */
static int run_editor(const char *path, int stop, struct err *err)
{
    const char *editor = editor_of_person();
    char *command;
    if (asprintf(&command, "%s \"$1\"", editor) < 0) {
        err_set(err, "out of memory");
        return -1;
    }
    pid_t child = fork();
    if (!child) {
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    free(command);
    if (child < 0) {
        err_errno(err, "start the editor");
        return -1;
    }
    int status = wait_for_editor(child, stop);
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    err_set(err,
            "the editor \"%s\" ended badly; nothing is changed. $EDITOR "
            "says which one is used",
            editor);
    return -1;
}

static int read_back(const char *path, struct buf *text, struct err *err)
{
    struct buf edited = {0};
    size_t got;
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, "read what was edited");
        return -1;
    }
    uint8_t *to;
    do {
        to = buf_reserve(&edited, 64 * 1024);
        got = to ? fread(to, 1, 64 * 1024, file) : 0;
        buf_filled(&edited, got);
    } while (got);
    int bad = !to || ferror(file);
    fclose(file);
    if (bad) {
        err_set(err, "what was edited cannot be read");
        buf_free(&edited);
        return -1;
    }
    buf_free(text);
    *text = edited;
    return 0;
}

static int write_out(int fd, const struct buf *text, struct err *err)
{
    size_t done = 0, len = buf_len(text);
    while (done < len) {
        ssize_t put = write(fd, buf_head(text) + done, len - done);
        if (put <= 0) {
            err_errno(err, "write a file for the editor");
            return -1;
        }
        done += (size_t)put;
    }
    return 0;
}

int hold_editor(struct buf *text, int stop, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/mitmlab-XXXXXX.http",
                 folder && *folder ? folder : "/tmp") < 0) {
        err_set(err, "out of memory");
        return -1;
    }
    /* 0600 by mkstemps(3): what is held may be a password. */
    int fd = mkostemps(path, 5, O_CLOEXEC), rc = -1;
    if (fd < 0) {
        err_errno(err, "make a file for the editor");
    } else {
        rc = write_out(fd, text, err) || close(fd) ||
                     run_editor(path, stop, err) || read_back(path, text, err)
                 ? -1
                 : 0;
        unlink(path);
    }
    free(path);
    return rc;
}
