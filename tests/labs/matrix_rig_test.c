/* SPDX-License-Identifier: MIT
 *
 * The rig, in a process of its own on loopback: each manner in which a victim
 * can decide is told from the others, with the programs of victims/ and with
 * clients that behave as some real ones do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "labs/matrix/rig.h"
#include "proxy/event.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST "bank.lab.test"

static struct {
    char dir[64];
    pid_t pid;
    FILE *events;
    json_t *ready; /* its data */
} rig;

/* ---- the rig as a process ------------------------------------------------ */

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", rig.dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static json_t *next_event(void)
{
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, rig.events) <= 0)
        fail_msg("the rig has ended");
    json_t *event = json_loads(line, JSON_ALLOW_NUL, NULL);
    free(line);
    assert_non_null(event);
    return event;
}

static const char *kind_of(const json_t *event)
{
    return json_string_value(json_object_get(event, "kind"));
}

static void open_rig(const char *const *words)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig.pid = fork();
    assert_true(rig.pid >= 0);
    if (!rig.pid) {
        char number[12];
        close(ends[0]);
        snprintf(number, sizeof number, "%d", ends[1]);
        setenv("MITMLAB_EVENTS_FD", number, 1);
        execv(BINARY_DIR "/mitmlab", (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    rig.events = fdopen(ends[0], "r");
    json_t *event = next_event();
    assert_string_equal(kind_of(event), "ready");
    rig.ready = json_incref(json_object_get(event, "data"));
    json_decref(event);
}

static void close_rig(void)
{
    int status;
    kill(rig.pid, SIGTERM);
    assert_int_equal(waitpid(rig.pid, &status, 0), rig.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fclose(rig.events);
    json_decref(rig.ready);
}

static int setup(void **state)
{
    const char *const words[] = {"mitmlab", "rig", "--tls", "1.2,1.3", NULL};
    (void)state;
    snprintf(rig.dir, sizeof rig.dir, "/tmp/mitmlab-rig-XXXXXX");
    if (!mkdtemp(rig.dir))
        return -1;
    open_rig(words);
    write_file("hosts", "127.0.0.1 " HOST "\n");
    write_file("trust.pem",
               json_string_value(json_object_get(rig.ready, "trust")));
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    close_rig();
    snprintf(command, sizeof command, "rm -r %s", rig.dir);
    return system(command);
}

static int port_of(const char *row, const char *tls)
{
    size_t i;
    json_t *stand;
    const char *its_row, *its_tls;
    int port;
    json_array_foreach(json_object_get(rig.ready, "stands"), i, stand)
    {
        assert_int_equal(json_unpack(stand, "{s:s,s:s,s:i}", "row", &its_row,
                                     "tls", &its_tls, "port", &port),
                         0);
        if (!strcmp(its_row, row) && !strcmp(its_tls, tls))
            return port;
    }
    return 0;
}

/* The next verdict, and the end of its flow; json_decref() it. */
static json_t *verdict(void)
{
    json_t *found = NULL;
    for (;;) {
        json_t *event = next_event();
        bool over = !strcmp(kind_of(event), "flow.end");
        if (!strcmp(kind_of(event), "tls.verdict"))
            found = json_incref(json_object_get(event, "data"));
        json_decref(event);
        if (over)
            return found;
    }
}

static void expect(const char *row, const char *how, const char *alert)
{
    json_t *got = verdict();
    assert_non_null(got);
    const char *said = json_string_value(json_object_get(got, "alert"));
    if (strcmp(json_string_value(json_object_get(got, "how")), how) != 0 ||
        strcmp(json_string_value(json_object_get(got, "forgery")), row) != 0 ||
        strcmp(said ? said : "", alert) != 0)
        fail_msg("%s: not %s \"%s\" but %s", row, how, alert,
                 json_dumps(got, 0));
    bool data = !strcmp(how, "data");
    assert_string_equal(json_string_value(json_object_get(got, "verdict")),
                        data ? "accepted" : "refused");
    assert_int_equal(json_integer_value(json_object_get(got, "app_bytes")) > 0,
                     data);
    json_decref(got);
}

/* ---- victims ------------------------------------------------------------- */

/* A program of victims/ asks for the row's page. */
static void send_program(const char *program, const char *row, const char *tls)
{
    char command[512];
    snprintf(command, sizeof command,
             "MITMLAB_HOSTS=%s/hosts %s/victims/%s --trust %s/trust.pem "
             "--get https://" HOST ":%d/ >/dev/null 2>&1",
             rig.dir, BINARY_DIR, program, rig.dir, port_of(row, tls));
    assert_true(system(command) != -1);
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Finishes a handshake with whoever it is and then leaves. */
static void finish_and_leave(int port, bool politely)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    int fd = dial(port);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    if (politely)
        SSL_shutdown(ssl);
    close(fd);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* ---- verdicts ------------------------------------------------------------ */

static const char *const both[] = {"1.2", "1.3"};

static void whoever_is_careful_accepts_the_controls(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        send_program("https-client", "c00", both[i]);
        expect("c00", "data", "");
        send_program("https-client", "c01", both[i]);
        expect("c01", "data", "");
    }
}

static void a_refusal_is_an_alert(void **state)
{
    static const char *const cases[][2] = {
        {"t03", "unknown_ca"},    {"n01", "bad_certificate"},
        {"s04", "decrypt_error"}, {"s08", "decrypt_error"},
        {"x04", "unknown_ca"},    {"x10", "decode_error"},
    };
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const char *const *it = cases[i / 2];
        send_program("https-client", it[0], both[i % 2]);
        expect(it[0], "alert", it[1]);
    }
}

static void whoever_checks_nothing_accepts(void **state)
{
    (void)state;
    send_program("https-client-no-verify", "t03", "1.3");
    expect("t03", "data", "");
    send_program("https-client-no-name-check", "n01", "1.2");
    expect("n01", "data", "");
    /* ... but who has no key cannot finish a handshake with anybody. */
    send_program("https-client-no-verify", "s04", "1.3");
    expect("s04", "alert", "decrypt_error");
}

static void who_leaves_after_the_handshake_has_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        finish_and_leave(port_of("n01", both[i]), true);
        expect("n01", "close_notify", "");
        finish_and_leave(port_of("n01", both[i]), false);
        expect("n01", "silent", "");
    }
}

static void what_nobody_offers_is_told_from_a_refusal(void **state)
{
    (void)state;
    send_program("https-client", "a01", "1.2");
    expect("a01", "offer", "");
    send_program("https-client", "a02", "1.2");
    expect("a02", "offer", "");
    send_program("https-client", "a03", "1.2");
    expect("a03", "offer", "");
}

static void companions_are_what_they_say(void **state)
{
    (void)state;
    send_program("https-client", "a04", "1.2");
    expect("a04", "alert", "handshake_failure");
    send_program("https-client", "a05", "1.2");
    expect("a05", "data", "");
    send_program("https-client", "a06", "1.3");
    expect("a06", "alert", "illegal_parameter");
    send_program("https-client", "a07", "1.3");
    expect("a07", "abort", "");
    send_program("https-client", "a08", "1.2");
    expect("a08", "abort", "");
}

static void plain_words_to_plain_http_are_data(void **state)
{
    char answer[64] = "";
    (void)state;
    int fd = dial(port_of("a07", "1.3"));
    assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
    shutdown(fd, SHUT_WR);
    assert_true(read(fd, answer, sizeof answer - 1) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    close(fd);
    expect("a07", "data", "");
}

static void who_says_nothing_has_decided_nothing(void **state)
{
    (void)state;
    close(dial(port_of("t03", "1.3")));
    assert_null(verdict());
}

static void what_is_no_tls_is_no_verdict(void **state)
{
    (void)state;
    int fd = dial(port_of("t03", "1.3"));
    assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
    json_t *none = verdict();
    assert_null(none);
    close(fd);
}

static void each_version_that_can_show_a_row_has_a_stand(void **state)
{
    struct row row;
    (void)state;
    for (unsigned i = 0; row_at(i, &row); i++) {
        assert_int_equal(port_of(row.id, "1.2") > 0, row_in_tls12(&row));
        assert_int_equal(port_of(row.id, "1.3") > 0, row_in_tls13(&row));
    }
}

static void what_wants_one_more_root_says_which(void **state)
{
    (void)state;
    json_t *installed = json_object_get(rig.ready, "installed");
    assert_int_equal(json_object_size(installed), 5);
    assert_non_null(json_object_get(installed, "z01"));
    assert_null(json_object_get(installed, "t03"));
}

static void no_key_is_told(void **state)
{
    (void)state;
    char *all = json_dumps(rig.ready, 0);
    assert_null(strstr(all, "PRIVATE"));
    free(all);
}

/* ---- rows ---------------------------------------------------------------- */

static void a_list_is_families_and_ids(void **state)
{
    static struct row rows[ROWS_MOST];
    struct err err = ERR_INIT;
    (void)state;
    int all = rows_select(NULL, rows, &err);
    assert_true(all > 130);
    assert_int_equal(rows_select("n01,c,z", rows, &err), 5);
    assert_string_equal(rows[0].id, "c00");
    assert_string_equal(rows[4].id, "z01");
    assert_int_equal(rows_select("a", rows, &err), 8);
    assert_non_null(rows[0].offer);
    assert_int_equal(rows_select("T3,t03", rows, &err), -1);
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "did you mean t03?"));
    assert_int_equal(rows_select("", rows, &err), -1);
    assert_int_equal(rows_select("q", rows, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_careful_accepts_the_controls),
        cmocka_unit_test(a_refusal_is_an_alert),
        cmocka_unit_test(whoever_checks_nothing_accepts),
        cmocka_unit_test(who_leaves_after_the_handshake_has_refused),
        cmocka_unit_test(what_nobody_offers_is_told_from_a_refusal),
        cmocka_unit_test(companions_are_what_they_say),
        cmocka_unit_test(plain_words_to_plain_http_are_data),
        cmocka_unit_test(who_says_nothing_has_decided_nothing),
        cmocka_unit_test(what_is_no_tls_is_no_verdict),
        cmocka_unit_test(each_version_that_can_show_a_row_has_a_stand),
        cmocka_unit_test(what_wants_one_more_root_says_which),
        cmocka_unit_test(no_key_is_told),
        cmocka_unit_test(a_list_is_families_and_ids),
    };
    return cmocka_run_group_tests_name("matrix_rig", tests, setup, teardown);
}
