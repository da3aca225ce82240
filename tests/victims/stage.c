/* SPDX-License-Identifier: MIT
 *
 * Processes, pipes and files for the tests of the victims. */
#include "tests/victims/stage.h"

#include "certs/file.h"
#include "certs/gallery.h"
#include "certs/keys.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MOST = 32, PATIENCE_MS = 5000 };

/* ---- files ------------------------------------------------------------------ */

static void path_in(const struct stage *stage, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", stage->dir, name);
}

static void save_server(const struct stage *stage, X509 *leaf,
                        STACK_OF(X509) * chain, EVP_PKEY *key)
{
    char path[128];
    struct err err = ERR_INIT;
    path_in(stage, "bank.crt", path);
    assert_int_equal(file_save_certs(path, leaf, chain, &err), 0);
    path_in(stage, "bank.key", path);
    assert_int_equal(keys_save(key, path, &err), 0);
}

static void save_files(const struct stage *stage)
{
    char path[128];
    struct err err = ERR_INIT;
    path_in(stage, "lab.pem", path);
    assert_int_equal(file_save_certs(path, stage->lab->root, NULL, &err), 0);
    path_in(stage, "rogue.pem", path);
    assert_int_equal(file_save_certs(path, stage->rogue->root, NULL, &err), 0);
    path_in(stage, "hosts", path);
    FILE *hosts = fopen(path, "w");
    fprintf(hosts, "127.0.0.1 bank.lab.test other.lab.test\n");
    fclose(hosts);
    setenv("MITMLAB_HOSTS", path, 1);
}

int stage_setup(void **state)
{
    static const char *const names[] = {"bank.lab.test"};
    struct stage *stage = calloc(1, sizeof *stage);
    struct err err = ERR_INIT;
    strcpy(stage->dir, "/tmp/mitmlab-stage-XXXXXX");
    if (!mkdtemp(stage->dir) || ca_make_lab("stage", &stage->lab, &err) ||
        ca_make_rogue("stage", &stage->rogue, &err) ||
        ca_issue(stage->lab, names, 1, &stage->original, &stage->original_key,
                 &err))
        return -1;
    unsetenv("MITMLAB_TRUST");
    signal(SIGPIPE, SIG_IGN);
    save_files(stage);
    *state = stage;
    return 0;
}

int stage_teardown(void **state)
{
    struct stage *stage = *state;
    char command[128];
    if (stage->bank)
        stage_close_bank(stage);
    json_decref(stage->seen);
    snprintf(command, sizeof command, "rm -r %s", stage->dir);
    ca_free(stage->lab);
    ca_free(stage->rogue);
    X509_free(stage->original);
    EVP_PKEY_free(stage->original_key);
    free(stage);
    return system(command);
}

/* ---- processes --------------------------------------------------------------- */

/* Start argv, its events and its words on these descriptors, which are ours no
 * more. */
static pid_t start(char *const argv[], int events, int output)
{
    char number[16], path[256];
    snprintf(path, sizeof path, "%s/victims/%s", BINARY_DIR, argv[0]);
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(events, F_SETFD, 0);
        snprintf(number, sizeof number, "%d", events);
        setenv("MITMLAB_EVENTS_FD", number, 1);
        dup2(output, 1);
        dup2(output, 2);
        execv(path, argv);
        _exit(127);
    }
    assert_true(pid > 0);
    close(events);
    close(output);
    return pid;
}

/* The exit code, or -1 when it does not end in time or was killed. */
static int wait_for(pid_t pid, int milliseconds)
{
    int status;
    for (int waited = 0; waited < milliseconds; waited++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

/* One line; false at the end, or when none comes in time. The end of a file
 * is only the end once its writer has gone. */
static bool read_line(int fd, bool growing, char *line, size_t room)
{
    size_t len = 0;
    int waited = 0;
    while (len < room - 1) {
        ssize_t got = read(fd, line + len, 1);
        if (got == 1 && line[len++] == '\n')
            break;
        if (got == 1)
            continue;
        if (!growing || waited++ == PATIENCE_MS)
            return false;
        usleep(1000);
    }
    line[len] = 0;
    return true;
}

static json_t *read_event(int fd, bool growing)
{
    static char line[1 << 17];
    if (!read_line(fd, growing, line, sizeof line))
        return NULL;
    json_t *event = json_loads(line, JSON_ALLOW_NUL, NULL);
    assert_non_null(event);
    return event;
}

/* ---- the bank ------------------------------------------------------------------ */

/* What the lab's CA cannot sign hangs in a gallery, whose root then becomes
 * gallery.pem. */
static void use_gallery(const struct stage *stage,
                        const struct forgery *forgery)
{
    struct forged forged;
    struct gallery *gallery;
    struct err err = ERR_INIT;
    char path[128];
    assert_int_equal(gallery_make("stage", &gallery, &err), 0);
    assert_int_equal(
        gallery_forge(gallery, forgery, "bank.lab.test", &forged, &err), 0);
    save_server(stage, forged.leaf, forged.chain, forged.key);
    path_in(stage, "gallery.pem", path);
    assert_int_equal(file_save_certs(path, gallery_root(gallery), NULL, &err),
                     0);
    forged_close(&forged);
    gallery_free(gallery);
}

static void use_forgery(const struct stage *stage, const char *id)
{
    struct forged forged;
    struct err err = ERR_INIT;
    struct forge_signers signers = {.lab = stage->lab, .rogue = stage->rogue};
    struct forge_plan plan = {.forgery = forgery_find(id),
                              .server_name = "bank.lab.test"};
    assert_non_null(plan.forgery);
    if (plan.forgery->in_gallery) {
        use_gallery(stage, plan.forgery);
        return;
    }
    assert_int_equal(
        forge_leaf(&signers, stage->original, &plan, &forged, &err), 0);
    save_server(stage, forged.leaf, forged.chain, forged.key);
    forged_close(&forged);
}

static int port_of(json_t *listen, size_t index)
{
    const char *text = json_string_value(json_array_get(listen, index));
    assert_non_null(text);
    return atoi(strrchr(text, ':') + 1);
}

void stage_open_bank(struct stage *stage, const char *forgery)
{
    char cert[128], key[128], events[128];
    path_in(stage, "bank.crt", cert);
    path_in(stage, "bank.key", key);
    if (forgery)
        use_forgery(stage, forgery);
    else
        save_server(stage, stage->original, stage->lab->above,
                    stage->original_key);
    char *argv[] = {"bank-server",
                    "--listen",
                    "127.0.0.1:0",
                    "--listen-tls",
                    "127.0.0.1:0",
                    "--cert",
                    cert,
                    "--key",
                    key,
                    "--user",
                    "alice",
                    "--password",
                    "correct horse",
                    "--balance",
                    "1000",
                    *stage->staple ? "--staple" : NULL,
                    stage->staple,
                    NULL};
    path_in(stage, "events", events);
    unlink(events);
    int to = open(events, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    stage->events = open(events, O_RDONLY | O_CLOEXEC);
    assert_true(to >= 0 && stage->events >= 0);
    stage->bank = start(argv, to, dup(2));
    json_decref(stage->seen);
    stage->seen = json_array();
    json_t *listen = json_object_get(stage_event(stage, "ready", 0), "listen");
    stage->http = port_of(listen, 0);
    stage->https = port_of(listen, 1);
}

void stage_close_bank(struct stage *stage)
{
    json_t *event;
    kill(stage->bank, SIGTERM);
    int code = wait_for(stage->bank, 2000);
    stage->bank = 0;
    while ((event = read_event(stage->events, false)))
        json_array_append_new(stage->seen, event);
    close(stage->events);
    assert_int_equal(code, 0);
}

/* ---- events ---------------------------------------------------------------------- */

static json_t *find(const struct stage *stage, const char *kind, unsigned nth)
{
    size_t index;
    json_t *event;
    json_array_foreach(
        stage->seen, index,
        event) if (!strcmp(json_string_value(json_object_get(event, "kind")),
                           kind) &&
                   nth-- == 0) return json_object_get(event, "data");
    return NULL;
}

json_t *stage_event(struct stage *stage, const char *kind, unsigned nth)
{
    json_t *data;
    while (!(data = find(stage, kind, nth))) {
        json_t *event = read_event(stage->events, stage->bank);
        if (!event)
            fail_msg("no event %s number %u", kind, nth);
        json_array_append_new(stage->seen, event);
    }
    return data;
}

unsigned stage_count(const struct stage *stage, const char *kind)
{
    unsigned count = 0;
    while (find(stage, kind, count))
        count++;
    return count;
}

/* ---- clients ------------------------------------------------------------------------ */

/* Put the stage's values in the place of "{http}" and so on. */
static void fill_in(const struct stage *stage, const char *command, char *to,
                    size_t room)
{
    size_t used = 0;
    while (*command && used + 100 < room) {
        if (!strncmp(command, "{http}", 6))
            used += (size_t)snprintf(to + used, room - used, "%d", stage->http);
        else if (!strncmp(command, "{https}", 7))
            used +=
                (size_t)snprintf(to + used, room - used, "%d", stage->https);
        else if (!strncmp(command, "{dir}", 5))
            used += (size_t)snprintf(to + used, room - used, "%s", stage->dir);
        else {
            to[used++] = *command++;
            continue;
        }
        command = strchr(command, '}') + 1;
    }
    to[used] = 0;
}

void stage_run(struct stage *stage, const char *command,
               struct stage_visit *out)
{
    char words[4096], *argv[WORDS_MOST + 1] = {NULL};
    unsigned count = 0;
    int events[2], output[2];
    ssize_t got;
    fill_in(stage, command, words, sizeof words);
    for (char *word = strtok(words, " "); word && count < WORDS_MOST;
         word = strtok(NULL, " ")) {
        for (char *plus = word; (plus = strchr(plus, '_')); plus++)
            *plus = ' '; /* so that a word may hold spaces */
        argv[count++] = word;
    }
    *out = (struct stage_visit){0};
    assert_int_equal(pipe2(events, O_CLOEXEC) | pipe2(output, O_CLOEXEC), 0);
    pid_t pid = start(argv, events[1], output[1]);
    size_t len = 0;
    while (len < sizeof out->output - 1 &&
           (got = read(output[0], out->output + len,
                       sizeof out->output - 1 - len)) > 0)
        len += (size_t)got;
    for (json_t *event; (event = read_event(events[0], false));
         json_decref(event))
        if (!strcmp(json_string_value(json_object_get(event, "kind")),
                    "client.result"))
            out->result = json_incref(json_object_get(event, "data"));
    close(events[0]);
    close(output[0]);
    out->exit = wait_for(pid, PATIENCE_MS);
}

/* ---- by hand -------------------------------------------------------------------------- */

int stage_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

size_t stage_talk(int port, const void *bytes, size_t len, char *answer,
                  size_t room)
{
    int fd = stage_connect(port);
    size_t used = 0;
    ssize_t got;
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    assert_true(sent == (ssize_t)len || sent < 0);
    shutdown(fd, SHUT_WR);
    while (used < room - 1 &&
           (got = recv(fd, answer + used, room - 1 - used, 0)) > 0)
        used += (size_t)got;
    answer[used] = 0;
    close(fd);
    return used;
}
