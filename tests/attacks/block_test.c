/* SPDX-License-Identifier: MIT
 *
 * block, on hellos and requests in memory: who is held back and who is not. */
#include "tests/attacks/events.h"

#include "attacks/attack.h"
#include "proxy/hello.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    bool held;
} rows[] = {
    {"ocsp.lab.test", true},
    {"OCSP.lab.test", true},
    {"ocsp.lab.test:8080", true},
    {"bank.lab.test", false},
    {"an.ocsp.lab.test", false},
    {"ocsp.lab.test.evil.test", false},
    {"ocsp", false},
    {"", false},
};
enum { ROWS = sizeof rows / sizeof *rows };

static struct attack_run *start_block(void)
{
    struct attack_env env = {.kind = ATTACK_HOOK};
    struct attack_run *run;
    struct err err = ERR_INIT;
    assert_int_equal(attack_start("block,host=ocsp.lab.test", &env, &run, &err),
                     0);
    return run;
}

static void expect_event(bool held, const char *what)
{
    json_t *event = events_next();
    if (!held) {
        assert_null(event);
        return;
    }
    assert_string_equal(events_text(event, "kind"), "attack.blocked");
    assert_string_equal(events_text(event, "what"), what);
    assert_string_equal(events_text(event, "host"), "ocsp.lab.test");
    json_decref(event);
}

static void a_request_to_that_host_is_cut_and_no_other(void **state)
{
    struct attack_run *run = start_block();
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        struct flow flow = {.id = 1};
        struct message request = {.kind = HTTP1_REQUEST, .host = rows[i].name};
        enum hook_act act =
            run->hook.on_request(run->hook.config, &flow, &request);
        assert_int_equal(act, rows[i].held ? HOOK_CUT : HOOK_PASS);
        expect_event(rows[i].held, "request");
    }
    struct flow flow = {.id = 1};
    struct message nameless = {.kind = HTTP1_REQUEST};
    assert_int_equal(run->hook.on_request(run->hook.config, &flow, &nameless),
                     HOOK_PASS);
    attack_stop(run);
}

static void so_is_a_hello_that_names_it(void **state)
{
    struct attack_run *run = start_block();
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        struct flow flow = {.id = 1};
        struct hello hello = {0};
        snprintf(hello.server_name, sizeof hello.server_name, "%s",
                 rows[i].name);
        enum hook_act act = run->hook.on_hello(run->hook.config, &flow, &hello);
        assert_int_equal(act, rows[i].held ? HOOK_CUT : HOOK_PASS);
        expect_event(rows[i].held, "hello");
    }
    attack_stop(run);
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, events_open, events_close)
    const struct CMUnitTest tests[] = {
        CASE(a_request_to_that_host_is_cut_and_no_other),
        CASE(so_is_a_hello_that_names_it),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
