/* SPDX-License-Identifier: MIT
 *
 * What a client makes of answers that a bank would not send: cut short, in
 * pieces, nonsense, or none. A child process plays the server. */
#include "tests/victims/stage.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
    const char *bytes;
    int exit;
    const char *says; /* part of what is printed */
};

static const struct answer answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, "hello"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 18,
     "5 bytes came, 50 were announced"},
    {"HTTP/1.1 200 OK\r\n\r\nto the end", 0, "to the end"},
    {"HTTP/1.1 204 No Content\r\n\r\n", 0, "204"},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, "200"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
     "x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     0, "200"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     "6;x=y\r\n world\r\n0\r\nX: y\r\n\r\n",
     0, "hello world"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXY\r\n", 8,
     "RFC 9112 7.1"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", 8,
     "RFC 9112 7.1"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 18,
     "cut short"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
     "chunked\r\n\r\nffffffffffffffffffff\r\n",
     8, "RFC 9112 7.1"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
     8, "RFC 9112 6.3"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\nhello",
     8, "RFC 9112 6.3"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", 8, "RFC 9112 6.3"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 8,
     "RFC 9112 6.3"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", 8, "too large"},
    {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", 8, "RFC 9112 2.2"},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 8, "RFC 9112 5.1"},
    {"HTTP/1.1 200 OK\r\n folded\r\n\r\n", 8, "RFC 9112 5.2"},
    {"SSH-2.0-OpenSSH_9.2 hello\r\n\r\n", 8, "not HTTP"},
    {"\r\n\r\n", 8, "RFC 9112 3"},
    {"HTTP/1.1 200 OK\r\nContent-Length", 56, "broke"},
    {"", 52, "no answer"},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 1, "404"},
    {"HTTP/1.1 200 \033]0;gotcha\007\r\nContent-Length: 7\r\n\r\n\033[31mred",
     0, "\\x1b[31mre"},
};

/* A server for one connection; returns its port. */
static int play(const char *bytes, bool hang, pid_t *out_child)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    char request[4096];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&at, &len);
    *out_child = fork();
    if (*out_child == 0) {
        int fd = accept(listener, NULL, NULL);
        ssize_t got = recv(fd, request, sizeof request, 0);
        if (got > 0)
            send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
        if (!hang)
            shutdown(fd, SHUT_WR);
        while (recv(fd, request, sizeof request, 0) > 0)
            ;
        _exit(0);
    }
    close(listener);
    return ntohs(at.sin_port);
}

static void visit(struct stage *stage, const char *bytes, bool hang,
                  struct stage_visit *out)
{
    pid_t child;
    char command[128];
    snprintf(command, sizeof command,
             "https-client --timeout 1 --get http://127.0.0.1:%d/",
             play(bytes, hang, &child));
    stage_run(stage, command, out);
    json_decref(out->result);
    waitpid(child, NULL, 0);
}

static void an_answer_is_taken_as_far_as_it_goes(void **state)
{
    static struct stage_visit out;
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        visit(*state, answers[i].bytes, false, &out);
        print_message("row %u: %d\n", i, out.exit);
        assert_int_equal(out.exit, answers[i].exit);
        assert_non_null(strstr(out.output, answers[i].says));
        assert_null(strchr(out.output, '\033'));
    }
}

static void patience_has_an_end(void **state)
{
    static const char *const rows[] = {
        "", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"};
    static struct stage_visit out;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        visit(*state, rows[i], true, &out);
        assert_int_equal(out.exit, 28);
    }
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_is_taken_as_far_as_it_goes),
        CASE(patience_has_an_end),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
