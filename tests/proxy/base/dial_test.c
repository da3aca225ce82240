/* SPDX-License-Identifier: MIT
 *
 * The walls as a table, names from the lab's table only, and connections over
 * loopback. What holds inside a lab's namespace is tested in tests/labs. */
#include "proxy/base/dial_loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_lets_only_loopback_out_of_a_lab(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool allowed;
    } rows[] = {
        {"127.0.0.1:80", true},
        {"127.66.3.2:443", true},
        {"127.255.255.255:1", true},
        {"[::1]:443", true},
        {"[::ffff:127.0.0.1]:80", true},
        {"126.255.255.255:80", false},
        {"128.0.0.0:80", false},
        {"0.0.0.0:80", false},
        {"[::]:80", false},
        {"[::2]:80", false},
        {"[::ffff:198.51.100.1]:80", false},
        {"[::127.0.0.1]:80", false},
        {"10.0.0.1:80", false},
        {"169.254.169.254:80", false},
        {"192.0.2.1:80", false},
        {"192.0.3.1:80", false},
        {"198.51.100.1:443", false},
        {"224.0.0.1:80", false},
        {"255.255.255.255:80", false},
        {"8.8.8.8:53", false},
        {"[2001:db8:66::1]:80", false},
        {"[2001:db8:67::1]:80", false},
        {"[2001:4860:4860::8888]:53", false},
        {"[fe80::1]:80", false},
        {"[ff02::1]:80", false},
        {"[64:ff9b::7f00:1]:80", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        union address address;
        assert_int_equal(address_parse(rows[i].address, &address, &err), 0);
        int rc = dial_check(&address, &err);
        if (rc != (rows[i].allowed ? 0 : -1))
            fail_msg("%s: %d", rows[i].address, rc);
        if (rc < 0)
            assert_int_equal(err.code, EXIT_CONTAINMENT);
    }
}

static void check_knows_no_other_family(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    union address address = {.any.sa_family = AF_UNIX};
    assert_int_equal(dial_check(&address, &err), -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
}

static void a_test_is_not_inside_a_lab_whatever_the_environment_says(void **s)
{
    (void)s;
    setenv("MITMLAB_PLACE", "victim", 1);
    setenv("MITMLAB_INSIDE", "1", 1);
    assert_false(dial_inside_lab());
    unsetenv("MITMLAB_PLACE");
    unsetenv("MITMLAB_INSIDE");
}

static void addresses_are_read_and_written_alike(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:443", "[::1]:0",
                                       "192.0.2.255:65535",
                                       "[2001:db8:66::a]:8080"};
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.1:80",
                                      "::1:80",
                                      "[127.0.0.1]:80",
                                      "[::1]",
                                      "[::1:80",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:+1",
                                      "127.0.0.1: 1",
                                      "host:80",
                                      "127.0.0.1:80x",
                                      "[]:80",
                                      ":80",
                                      "0x7f.1:80",
                                      "2130706433:80",
                                      "127.0.0.1:99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err err = ERR_INIT;
        union address address;
        char text[ADDRESS_TEXT];
        assert_int_equal(address_parse(good[i], &address, &err), 0);
        address_text(&address, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        union address address;
        if (address_parse(bad[i], &address, &err) == 0)
            fail_msg("\"%s\" was read", bad[i]);
        assert_int_equal(err.code, EXIT_USAGE);
    }
}

/* A table of names that the caller removes. */
static void hosts_write(char path[32], const char *text)
{
    strcpy(path, "/tmp/dial-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void names_come_from_the_table_and_from_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *name, *address; /* NULL: not in this lab */
    } rows[] = {
        {"bank.lab.test", "127.66.1.3:443"},
        {"BANK.Lab.Test", "127.66.1.3:443"},
        {"bank.lab.test.", "127.66.1.3:443"},
        {"second.lab.test", "127.66.1.3:443"},
        {"six.lab.test", "[::1]:443"},
        {"both.lab.test", "127.66.1.5:443"},
        {"localhost", "127.0.0.1:443"},
        {"127.66.1.9", "127.66.1.9:443"},
        {"::1", "[::1]:443"},
        {"198.51.100.1", "198.51.100.1:443"}, /* dial_check() stops it */
        {"hidden.lab.test", NULL},
        {"broken.lab.test", NULL},
        {"127.66.1", NULL},
        {"www.example.com", NULL},
        {"bank", NULL},
        {"", NULL},
    };
    char path[32];
    hosts_write(path, "# a table\n"
                      "127.66.1.3\tbank.lab.test second.lab.test # hidden."
                      "lab.test\r\n\n"
                      "::1 six.lab.test both.lab.test\n"
                      "127.66.1.5 both.lab.test\n"
                      "127.66.1.6 both.lab.test\n"
                      "not-a-number broken.lab.test\n");
    dial_use_hosts(path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        union address address;
        char text[ADDRESS_TEXT] = "";
        int rc = dial_resolve(rows[i].name, 443, &address, &err);
        assert_int_equal(rc, rows[i].address ? 0 : -1);
        if (rc == 0) {
            address_text(&address, text);
            assert_string_equal(text, rows[i].address);
        } else {
            assert_non_null(strstr(err.text, "name not in this lab"));
            assert_int_equal(err.code, EXIT_CONTAINMENT);
        }
    }
    dial_use_hosts(NULL);
    unlink(path);
}

static int listen_somewhere(union address *out)
{
    struct err err = ERR_INIT;
    socklen_t len = sizeof *out;
    assert_int_equal(address_parse("127.0.0.1:0", out, &err), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &out->any, address_len(out)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, &out->any, &len), 0);
    return fd;
}

static void blocking_connects_and_comes_from_the_source_of_the_place(void **s)
{
    (void)s;
    union address to, from;
    char text[ADDRESS_TEXT];
    socklen_t len = sizeof from;
    struct err err = ERR_INIT;
    int listener = listen_somewhere(&to);
    setenv("MITMLAB_SOURCE", "127.66.7.1", 1);
    int fd = dial_blocking("localhost", ntohs(to.v4.sin_port), 1000, &err);
    unsetenv("MITMLAB_SOURCE");
    assert_true(fd >= 0);
    int accepted = accept(listener, &from.any, &len);
    assert_true(accepted >= 0);
    address_text(&from, text);
    assert_memory_equal(text, "127.66.7.1:", 11);
    close(accepted);
    close(fd);
    close(listener);
}

static void blocking_says_why_it_could_not(void **state)
{
    (void)state;
    union address to;
    struct err err = ERR_INIT;
    int listener = listen_somewhere(&to);
    close(listener);
    int port = ntohs(to.v4.sin_port);
    assert_int_equal(dial_blocking("127.0.0.1", port, 1000, &err), -1);
    assert_non_null(strstr(err.text, "refused"));
    assert_int_equal(dial_blocking("198.51.100.1", 80, 1000, &err), -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
    assert_int_equal(dial_blocking("www.example.com", 80, 1000, &err), -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
}

static void on_connect(uv_connect_t *request, int status)
{
    *(int *)request->data = status;
    uv_close((uv_handle_t *)request->handle, NULL);
}

static void a_loop_connects_and_refuses_the_outside_at_once(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_tcp_t tcp;
    union address to, outside;
    struct err err = ERR_INIT;
    int status = 1;
    uv_connect_t request = {.data = &status};
    int listener = listen_somewhere(&to);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_tcp_init(&loop, &tcp), 0);
    assert_int_equal(address_parse("198.51.100.1:80", &outside, &err), 0);
    assert_int_equal(dial_start(&request, &tcp, &outside, on_connect, &err),
                     -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
    assert_int_equal(dial_start(&request, &tcp, &to, on_connect, &err), 0);
    assert_int_equal(status, 1);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(status, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(listener);
}

static void on_dialled(uv_write_t *request, int status)
{
    *(int *)request->data = status;
    uv_close((uv_handle_t *)request->handle, NULL);
}

/* What dial_at_once() said, and how it ended: 2 if it was not under way. */
static void dial_one(const union address *to, int out_said[2], struct err *err)
{
    uv_loop_t loop;
    uv_tcp_t tcp;
    int said = 2;
    uv_write_t request = {.data = &out_said[1]};
    out_said[1] = 2;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_tcp_init(&loop, &tcp), 0);
    if (dial_at_once(&request, &tcp, to, on_dialled, &said, err))
        said = -1;
    out_said[0] = said;
    if (said != DIAL_UNDER_WAY)
        uv_close((uv_handle_t *)&tcp, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_connection_within_the_machine_stands_at_once(void **state)
{
    (void)state;
    union address to, outside;
    struct err err = ERR_INIT;
    int said[2];
    int listener = listen_somewhere(&to);
    dial_one(&to, said, &err);
    assert_int_equal(said[0], 0);
    assert_int_equal(said[1], 2);
    close(listener);
    dial_one(&to, said, &err);
    assert_int_equal(said[0], UV_ECONNREFUSED);
    assert_int_equal(said[1], 2);
    assert_int_equal(address_parse("198.51.100.1:80", &outside, &err), 0);
    dial_one(&outside, said, &err);
    assert_int_equal(said[0], -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
}

/* Its queue is full, so the kernel drops what would open a connection until
 * there is room, and then it is sent again. */
static void one_that_takes_its_time_is_waited_for(void **state)
{
    (void)state;
    union address to;
    struct err err = ERR_INIT;
    uv_loop_t loop;
    uv_tcp_t tcp;
    int listener = listen_somewhere(&to), said = 2, ended = 2, friends[2];
    uv_write_t request = {.data = &ended};
    assert_int_equal(listen(listener, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        friends[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        dial_begin(friends[i], &to);
    }
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_tcp_init(&loop, &tcp), 0);
    assert_int_equal(dial_at_once(&request, &tcp, &to, on_dialled, &said, &err),
                     0);
    assert_int_equal(said, DIAL_UNDER_WAY);
    assert_int_equal(ended, 2);
    for (unsigned i = 0; i < 2; i++) {
        close(accept(listener, NULL, NULL));
        close(friends[i]);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(ended, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_lets_only_loopback_out_of_a_lab),
        cmocka_unit_test(check_knows_no_other_family),
        cmocka_unit_test(
            a_test_is_not_inside_a_lab_whatever_the_environment_says),
        cmocka_unit_test(addresses_are_read_and_written_alike),
        cmocka_unit_test(names_come_from_the_table_and_from_nowhere_else),
        cmocka_unit_test(
            blocking_connects_and_comes_from_the_source_of_the_place),
        cmocka_unit_test(blocking_says_why_it_could_not),
        cmocka_unit_test(a_loop_connects_and_refuses_the_outside_at_once),
        cmocka_unit_test(a_connection_within_the_machine_stands_at_once),
        cmocka_unit_test(one_that_takes_its_time_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
