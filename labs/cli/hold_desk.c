/* SPDX-License-Identifier: MIT */
#include "labs/cli/hold_desk.h"

#include "attacks/hold.h"
#include "labs/cli/hold_editor.h"
#include "labs/cli/term.h"
#include "proxy/base/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    REQUEST_MOST = 64 * 1024 * 1024, /* bytes of one command and its text */
    PATIENCE_S = 5,                  /* for a client to say or hear it */
    LINE_MOST = 4096,
};

struct hold_desk {
    struct hold *hold;
    char path[HOLD_PATH];
    int door, stop[2]; /* stop: a pipe, its closing ends the thread */
    bool terminal;     /* somebody may type at stdin */
    struct buf typed;
    pthread_t thread;
};

/* ---- the socket ---------------------------------------------------------- */

static int own_folder(const char *path, bool make, struct err *err)
{
    struct stat stat;
    if (make && mkdir(path, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", path);
        return -1;
    }
    if (lstat(path, &stat)) {
        err_errno(err, "no proxy holds anything: %s", path);
        return -1;
    }
    if (S_ISDIR(stat.st_mode) && stat.st_uid == geteuid() &&
        !(stat.st_mode & 077))
        return 0;
    err_set(err,
            "%s is not a folder of yours alone; --hold-at names another "
            "place",
            path);
    return -1;
}

int hold_desk_path(char path[HOLD_PATH], bool make, struct err *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int len = snprintf(path, HOLD_PATH, "%s/mitmlab-%u",
                       runtime && *runtime ? runtime : "/tmp", geteuid());
    if (len < 0 || len + 6 > HOLD_PATH) {
        err_set(err, "$XDG_RUNTIME_DIR is too long for the path of a socket");
        return -1;
    }
    if (own_folder(path, make, err))
        return -1;
    strcat(path, "/hold");
    return 0;
}

static bool somebody_listens(const char *path)
{
    struct err ignored = ERR_INIT;
    int fd = dial_local(path, &ignored);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int open_door(struct hold_desk *desk, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (somebody_listens(desk->path)) {
        err_set(err,
                "another proxy holds messages at %s; --hold-at names "
                "another place",
                desk->path);
        return -1;
    }
    memcpy(address.sun_path, desk->path, strlen(desk->path));
    /* What a killed proxy left behind; anything but a socket stays. */
    struct stat stat;
    if (!lstat(desk->path, &stat) && S_ISSOCK(stat.st_mode))
        unlink(desk->path);
    desk->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    int rc = desk->door < 0 ||
             bind(desk->door, (struct sockaddr *)&address, sizeof address) ||
             listen(desk->door, 8);
    umask(before);
    if (rc)
        err_errno(err, "listen at %s", desk->path);
    return rc ? -1 : 0;
}

static void be_patient(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static int send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        at += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* Up to its end. */
static int receive_all(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *to = buf_reserve(out, 64 * 1024);
        ssize_t got = to ? recv(fd, to, 64 * 1024, 0) : -1;
        if (got <= 0)
            return (int)got;
        buf_filled(out, (size_t)got);
        if (buf_len(out) > REQUEST_MOST)
            return -1;
    }
}

/* ---- commands ------------------------------------------------------------ */

/* The first line of `asked` is the command. */
static int obey(struct hold_desk *desk, struct buf *asked, struct buf *out,
                struct err *err)
{
    char line[LINE_MOST];
    size_t len = buf_len(asked);
    const char *text = len ? (char *)buf_head(asked) : "";
    const char *end = len ? memchr(text, '\n', len) : NULL;
    size_t used = end ? (size_t)(end - text) : len;
    if (used >= sizeof line || memchr(text, 0, used)) {
        err_code(err, EXIT_USAGE, "this command is too long");
        return -1;
    }
    memcpy(line, text, used);
    line[used] = 0;
    if (strncmp(line, "put ", 4) != 0)
        return hold_command(desk->hold, line, out, err);
    unsigned number = hold_which(desk->hold, line + 4, err);
    buf_consume(asked, used + (end != NULL));
    return number ? hold_put(desk->hold, number, (char *)buf_head(asked),
                             buf_len(asked), err)
                  : -1;
}

static void serve_client(struct hold_desk *desk)
{
    struct buf asked = {0}, out = {0};
    struct err err = ERR_INIT;
    int fd = accept4(desk->door, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    be_patient(fd);
    if (!receive_all(fd, &asked)) {
        int rc = obey(desk, &asked, &out, &err);
        if (rc ? dprintf(fd, "no: %s\n", err.text) > 0
               : !send_all(fd, "ok\n", 3))
            (void)send_all(fd, buf_len(&out) ? buf_head(&out) : NULL,
                           buf_len(&out));
    }
    close(fd);
    buf_free(&asked);
    buf_free(&out);
}

static int edit(struct hold_desk *desk, const char *word, struct buf *out,
                struct err *err)
{
    struct buf text = {0};
    char line[32];
    unsigned number = hold_which(desk->hold, word, err);
    if (!number)
        return -1;
    snprintf(line, sizeof line, "get %u", number);
    int rc = hold_command(desk->hold, line, &text, err) ||
             hold_editor(&text, desk->stop[0], err) ||
             hold_put(desk->hold, number, (char *)buf_head(&text),
                      buf_len(&text), err);
    buf_free(&text);
    if (!rc)
        (void)buf_printf(out, "edited %u\n", number);
    return rc;
}

void hold_desk_print(const char *command, struct buf *reply)
{
    struct term term;
    size_t len = buf_len(reply);
    bool exact = !strncmp(command, "show", 4) || !isatty(STDOUT_FILENO) ||
                 buf_append(reply, "", 1);
    if (exact) {
        if (len)
            fwrite(buf_head(reply), 1, len, stdout);
        return;
    }
    term_look(&term, STDOUT_FILENO);
    term_flow(stdout, &term, (char *)buf_head(reply), 0, "");
}

static void obey_typed(struct hold_desk *desk, const char *line)
{
    struct buf out = {0};
    struct err err = ERR_INIT;
    line += strspn(line, " \t");
    bool edits = !strncmp(line, "edit", 4) && (!line[4] || line[4] == ' ');
    int rc = edits ? edit(desk, line + 4, &out, &err)
                   : hold_command(desk->hold, line, &out, &err);
    if (rc)
        (void)buf_printf(&out, "no: %s\n", err.text);
    hold_desk_print(rc ? "" : line, &out);
    /* No prompt: lines of traffic come at any time and would stand behind it. */
    fflush(stdout);
    buf_free(&out);
}

/* ---- the terminal -------------------------------------------------------- */

/* A job in the background that reads from its terminal would be stopped. */
static bool is_foreground(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void read_terminal(struct hold_desk *desk)
{
    uint8_t *to = buf_reserve(&desk->typed, LINE_MOST);
    ssize_t got = to ? read(STDIN_FILENO, to, LINE_MOST) : 0;
    if (got <= 0) {
        /* control-D: the socket is still there */
        desk->terminal = got < 0 && errno == EINTR;
        return;
    }
    buf_filled(&desk->typed, (size_t)got);
    for (;;) {
        char line[LINE_MOST];
        size_t len = buf_len(&desk->typed);
        const char *text = (char *)buf_head(&desk->typed);
        const char *end = len ? memchr(text, '\n', len) : NULL;
        if (!end)
            return;
        size_t used = (size_t)(end - text);
        snprintf(line, sizeof line, "%.*s", (int)used, text);
        buf_consume(&desk->typed, used + 1);
        obey_typed(desk, line);
    }
}

static void *run(void *context)
{
    struct hold_desk *desk = context;
    for (;;) {
        bool foreground = desk->terminal && is_foreground();
        struct pollfd ready[] = {
            {.fd = desk->stop[0], .events = POLLIN},
            {.fd = desk->door, .events = POLLIN},
            {.fd = foreground ? STDIN_FILENO : -1, .events = POLLIN},
        };
        /* Whether we are in the background is nothing that poll(2) tells. */
        if (poll(ready, 3, desk->terminal ? 500 : -1) < 0 && errno != EINTR)
            return NULL;
        if (ready[0].revents)
            return NULL;
        if (ready[1].revents)
            serve_client(desk);
        if (ready[2].revents && is_foreground())
            read_terminal(desk);
    }
}

/* ---- life ---------------------------------------------------------------- */

int hold_desk_open(struct hold *hold, const char *path, struct hold_desk **out,
                   struct err *err)
{
    struct hold_desk *desk = calloc(1, sizeof *desk);
    if (!desk) {
        err_set(err, "hold: out of memory");
        return -1;
    }
    *desk = (struct hold_desk){.hold = hold, .door = -1, .stop = {-1, -1}};
    desk->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int rc = 0;
    if (!path)
        rc = hold_desk_path(desk->path, true, err);
    else if ((size_t)snprintf(desk->path, HOLD_PATH, "%s", path) >= HOLD_PATH) {
        err_code(err, EXIT_USAGE, "--hold-at wants a path of at most %d bytes",
                 HOLD_PATH - 1);
        rc = -1;
    }
    if (rc || open_door(desk, err)) {
        /* Whoever listens there keeps the path. */
        desk->path[0] = 0;
        rc = -1;
    } else if (pipe2(desk->stop, O_CLOEXEC) ||
               pthread_create(&desk->thread, NULL, run, desk)) {
        err_set(err, "hold: no thread for commands");
        rc = -1;
    }
    if (!rc) {
        *out = desk;
        return 0;
    }
    desk->thread = 0;
    hold_desk_close(desk);
    return -1;
}

void hold_desk_close(struct hold_desk *desk)
{
    if (!desk)
        return;
    if (desk->stop[1] >= 0)
        close(desk->stop[1]);
    if (desk->thread)
        pthread_join(desk->thread, NULL);
    if (desk->stop[0] >= 0)
        close(desk->stop[0]);
    if (desk->door >= 0)
        close(desk->door);
    if (desk->path[0])
        unlink(desk->path);
    buf_free(&desk->typed);
    free(desk);
}

int hold_desk_ask(const char *path, const char *line, const struct buf *text,
                  struct buf *out, struct err *err)
{
    struct buf said = {0};
    int fd = dial_local(path, err);
    if (fd < 0) {
        err_prefix(err, "no proxy holds anything there");
        return -1;
    }
    be_patient(fd);
    int rc = send_all(fd, line, strlen(line)) || send_all(fd, "\n", 1) ||
             (text && buf_len(text) &&
              send_all(fd, buf_head(text), buf_len(text))) ||
             shutdown(fd, SHUT_WR) || receive_all(fd, &said);
    close(fd);
    size_t len = buf_len(&said);
    if (rc || len < 3) {
        err_set(err, "the proxy at %s does not answer", path);
        rc = -1;
    } else if (!memcmp(buf_head(&said), "ok\n", 3)) {
        rc = buf_append(out, buf_head(&said) + 3, len - 3);
    } else {
        err_code(err, EXIT_USAGE, "%.*s", (int)(len - 5),
                 (char *)buf_head(&said) + 4);
        rc = -1;
    }
    buf_free(&said);
    return rc;
}
