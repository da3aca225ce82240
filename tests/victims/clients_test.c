/* SPDX-License-Identifier: MIT
 *
 * What each client makes of each certificate: end to end over loopback, judged
 * by what the bank saw of it. */
#include "tests/victims/stage.h"

#include <stdio.h>
#include <string.h>

enum client {
    CAREFUL,
    NO_VERIFY,
    NO_NAME_CHECK,
    NO_DATES,
    NO_PURPOSE,
    NO_CA_CHECK,
    NO_SIGNATURE,
    ANY_ROOT,
    NAME_PREFIX,
    COMMON_NAME,
};

static const char *const programs[] = {
    [CAREFUL] = "https-client",
    [NO_VERIFY] = "https-client-no-verify",
    [NO_NAME_CHECK] = "https-client-no-name-check",
    [NO_DATES] = "https-client-no-dates",
    [NO_PURPOSE] = "https-client-no-purpose",
    [NO_CA_CHECK] = "https-client-no-ca-check",
    [NO_SIGNATURE] = "https-client-no-signature",
    [ANY_ROOT] = "https-client-any-root",
    [NAME_PREFIX] = "https-client-name-prefix",
    [COMMON_NAME] = "https-client-common-name",
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

struct encounter {
    const char *forgery; /* NULL: the bank's own certificate */
    enum client client;
    const char *trust; /* which CAs */
    int exit, code;    /* of the client: exit code, verify code */
    const char *alert; /* that the bank got; NULL: none but close_notify */
};

static const struct encounter encounters[] = {
    {NULL, CAREFUL, "lab", 0, 0, NULL},
    {NULL, CAREFUL, "rogue", 60, 20, "unknown_ca"},
    {"c00", CAREFUL, "lab", 0, 0, NULL},
    {"c01", CAREFUL, "lab", 0, 0, NULL},
    {"t01", CAREFUL, "lab", 60, 18, "unknown_ca"},
    {"t02", CAREFUL, "lab", 60, 20, "unknown_ca"},
    {"t03", CAREFUL, "lab", 60, 19, "unknown_ca"},
    {"t04", CAREFUL, "lab", 60, 19, "unknown_ca"},
    {"s01", CAREFUL, "lab", 60, 7, "decrypt_error"},
    {"v01", CAREFUL, "lab", 60, 10, "certificate_expired"},
    {"n01", CAREFUL, "lab", 60, 62, "bad_certificate"},
    {"t03", CAREFUL, "rogue", 0, 0, NULL},
    {"t01", NO_VERIFY, "lab", 0, 18, NULL},
    {"t03", NO_VERIFY, "lab", 0, 19, NULL},
    {"v01", NO_VERIFY, "lab", 0, 10, NULL},
    {"n01", NO_VERIFY, "lab", 0, 0, NULL},
    {"c00", NO_NAME_CHECK, "lab", 0, 0, NULL},
    {"n01", NO_NAME_CHECK, "lab", 0, 0, NULL},
    {"t01", NO_NAME_CHECK, "lab", 60, 18, "unknown_ca"},
    {"t03", NO_NAME_CHECK, "lab", 60, 19, "unknown_ca"},
    {"v01", NO_NAME_CHECK, "lab", 60, 10, "certificate_expired"},
    {"c00", NO_DATES, "lab", 0, 0, NULL},
    {"c00", NO_PURPOSE, "lab", 0, 0, NULL},
    {"c00", NO_CA_CHECK, "lab", 0, 0, NULL},
    {"c00", NO_SIGNATURE, "lab", 0, 0, NULL},
    {"c00", ANY_ROOT, "lab", 0, 0, NULL},
    {"c00", NAME_PREFIX, "lab", 0, 0, NULL},
    {"v01", NO_DATES, "lab", 0, 0, NULL},
    {"v02", NO_DATES, "lab", 0, 0, NULL},
    {"v03", NO_DATES, "gallery", 0, 0, NULL},
    {"t03", NO_DATES, "lab", 60, 19, "unknown_ca"},
    {"u01", NO_PURPOSE, "lab", 0, 0, NULL},
    {"u04", NO_PURPOSE, "lab", 0, 0, NULL},
    {"p07", NO_PURPOSE, "gallery", 0, 0, NULL},
    {"p01", NO_PURPOSE, "lab", 60, 79, "unknown_ca"},
    {"p01", NO_CA_CHECK, "lab", 0, 32, NULL},
    {"p02", NO_CA_CHECK, "gallery", 0, 26, NULL},
    {"p04", NO_CA_CHECK, "gallery", 0, 25, NULL},
    {"t03", NO_CA_CHECK, "lab", 60, 19, "unknown_ca"},
    {"u01", NO_CA_CHECK, "lab", 60, 26, "unsupported_certificate"},
    {"s01", NO_SIGNATURE, "lab", 0, 7, NULL},
    {"s03", NO_SIGNATURE, "lab", 0, 7, NULL},
    {"t06", NO_SIGNATURE, "lab", 0, 7, NULL},
    {"t03", NO_SIGNATURE, "lab", 60, 19, "unknown_ca"},
    {"n01", NO_SIGNATURE, "lab", 60, 62, "bad_certificate"},
    {"t01", ANY_ROOT, "lab", 0, 18, NULL},
    {"t02", ANY_ROOT, "lab", 0, 21, NULL},
    {"t03", ANY_ROOT, "lab", 0, 19, NULL},
    {"s01", ANY_ROOT, "lab", 60, 7, "decrypt_error"},
    {"v01", ANY_ROOT, "lab", 60, 10, "certificate_expired"},
    {"n01", ANY_ROOT, "lab", 60, 62, "bad_certificate"},
    {"n11", NAME_PREFIX, "gallery", 0, 0, NULL},
    {"n17", NAME_PREFIX, "gallery", 0, 0, NULL},
    {"n01", NAME_PREFIX, "lab", 60, 62, "bad_certificate"},
    {"t03", NAME_PREFIX, "lab", 60, 19, "unknown_ca"},
    {"n02", COMMON_NAME, "lab", 0, 0, NULL},
    {"n03", COMMON_NAME, "lab", 0, 0, NULL},
    {"n18", COMMON_NAME, "gallery", 0, 0, NULL},
    {"n01", COMMON_NAME, "lab", 60, 62, "bad_certificate"},
    {"t03", COMMON_NAME, "lab", 60, 19, "unknown_ca"},
};

static const char *text_of(json_t *data, const char *key)
{
    return json_string_value(json_object_get(data, key));
}

static long long number_of(json_t *data, const char *key)
{
    return json_integer_value(json_object_get(data, key));
}

static void check_verdict(struct stage *stage, const struct encounter *expected)
{
    json_t *verdict = stage_event(stage, "tls.verdict", 0);
    bool refused = expected->alert != NULL;
    assert_string_equal(text_of(verdict, "verdict"),
                        refused ? "refused" : "accepted");
    assert_string_equal(text_of(verdict, "how"), refused ? "alert" : "data");
    assert_string_equal(text_of(verdict, "alert"),
                        refused ? expected->alert : "close_notify");
    assert_true(refused == (number_of(verdict, "app_bytes") == 0));
}

static void meet(struct stage *stage, const struct encounter *expected,
                 const char *version)
{
    static struct stage_visit visit;
    char command[256];
    print_message("%s meets %s, trusts %s, TLS %s\n",
                  programs[expected->client],
                  expected->forgery ? expected->forgery : "the bank",
                  expected->trust, version);
    snprintf(command, sizeof command,
             "%s --get https://bank.lab.test:{https}/ --trust {dir}/%s.pem "
             "--tls %s",
             programs[expected->client], expected->trust, version);
    stage_open_bank(stage, expected->forgery);
    stage_run(stage, command, &visit);
    assert_int_equal(visit.exit, expected->exit);
    assert_int_equal(number_of(visit.result, "verify_code"), expected->code);
    check_verdict(stage, expected);
    stage_close_bank(stage);
    json_decref(visit.result);
}

static void each_client_refuses_what_it_checks_and_nothing_else(void **state)
{
    for (unsigned i = 0; i < sizeof encounters / sizeof *encounters; i++) {
        meet(*state, &encounters[i], "1.3");
        meet(*state, &encounters[i], "1.2");
    }
}

/* Nobody signs for this one: there is no certificate to blame. */
static void without_the_private_key_nobody_gets_through(void **state)
{
    struct stage *stage = *state;
    static struct stage_visit visit;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "%s --get https://bank.lab.test:{https}/ --trust "
                 "{dir}/lab.pem",
                 programs[i]);
        stage_open_bank(stage, "s04");
        stage_run(stage, command, &visit);
        assert_int_equal(visit.exit, 35);
        json_t *verdict = stage_event(stage, "tls.verdict", 0);
        assert_string_equal(text_of(verdict, "verdict"), "refused");
        assert_string_equal(text_of(verdict, "alert"), "decrypt_error");
        stage_close_bank(stage);
        json_decref(visit.result);
    }
}

/* Each says no, in the same words, and each in its own way. */
static void a_refusal_looks_different_from_the_other_side(void **state)
{
    static const struct {
        const char *program, *how;
        bool refused, finished;
    } ways[] = {
        {"https-client", "alert", true, false},
        {"https-client-late --leave abort", "abort", true, false},
        {"https-client-late --leave close", "close_notify", true, true},
        {"https-client-late --leave fin", "silent", true, true},
        {"https-client-late --leave reset", "silent", true, true},
        {"https-client-too-late", "data", false, true},
    };
    static const char *const versions[] = {"1.2", "1.3"};
    struct stage *stage = *state;
    static struct stage_visit visit;
    for (unsigned i = 0; i < 2 * sizeof ways / sizeof *ways; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "%s --get https://bank.lab.test:{https}/ --trust "
                 "{dir}/lab.pem --tls %s",
                 ways[i / 2].program, versions[i % 2]);
        print_message("%s\n", command);
        stage_open_bank(stage, "t03");
        stage_run(stage, command, &visit);
        assert_int_equal(visit.exit, 60);
        assert_int_equal(number_of(visit.result, "verify_code"), 19);
        json_t *verdict = stage_event(stage, "tls.verdict", 0);
        assert_string_equal(text_of(verdict, "how"), ways[i / 2].how);
        assert_string_equal(text_of(verdict, "verdict"),
                            ways[i / 2].refused ? "refused" : "accepted");
        assert_int_equal(json_is_true(json_object_get(verdict, "finished")),
                         ways[i / 2].finished);
        stage_close_bank(stage);
        json_decref(visit.result);
    }
}

static void the_name_in_the_url_counts_and_not_the_one_on_the_road(void **state)
{
    struct stage *stage = *state;
    static struct stage_visit visit;
    stage_open_bank(stage, NULL);
    stage_run(stage,
              "https-client --get https://other.lab.test:{https}/ --trust "
              "{dir}/lab.pem",
              &visit);
    assert_int_equal(visit.exit, 60);
    assert_non_null(strstr(visit.output, "hostname mismatch"));
    json_decref(visit.result);
    stage_run(stage,
              "https-client --get https://127.0.0.1:{https}/ --trust "
              "{dir}/lab.pem",
              &visit);
    assert_int_equal(visit.exit, 60);
    assert_int_equal(number_of(visit.result, "verify_code"), 64);
    assert_string_equal(text_of(visit.result, "verify_name"),
                        "X509_V_ERR_IP_ADDRESS_MISMATCH");
    json_decref(visit.result);
    stage_close_bank(stage);
}

/* Wishes that an option adds to the careful client's own. */
static void the_clock_and_the_profile_are_options(void **state)
{
    static const struct {
        const char *forgery, *option;
        int exit, code, depth;
    } rows[] = {
        {NULL, "--clock 2001-02-03T04:05:06Z", 60, 9, -1},
        {NULL, "--clock 4102444800", 60, 10, -1},
        {NULL, "--strict", 0, 0, -1},
        {"t01", "--strict", 60, 18, 0},
        {"t03", "--strict", 60, 19, 1},
        {"n01", "--strict", 60, 62, 0},
        {"t05", "", 60, 7, -1},
        {"t05", "--strict", 60, 85, -1},
    };
    struct stage *stage = *state;
    static struct stage_visit visit;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "https-client --get https://bank.lab.test/ --connect "
                 "127.0.0.1:{https} --trust {dir}/lab.pem %s",
                 rows[i].option);
        print_message("%s %s\n", rows[i].forgery ? rows[i].forgery : "bank",
                      rows[i].option);
        stage_open_bank(stage, rows[i].forgery);
        stage_run(stage, command, &visit);
        assert_int_equal(visit.exit, rows[i].exit);
        assert_int_equal(number_of(visit.result, "verify_code"), rows[i].code);
        if (rows[i].depth >= 0)
            assert_int_equal(number_of(visit.result, "depth"), rows[i].depth);
        else if (!rows[i].code)
            assert_null(json_object_get(visit.result, "depth"));
        json_decref(visit.result);
        stage_close_bank(stage);
    }
}

static void without_a_list_nobody_is_trusted(void **state)
{
    struct stage *stage = *state;
    static struct stage_visit visit;
    stage_open_bank(stage, NULL);
    stage_run(stage, "https-client --get https://bank.lab.test:{https}/",
              &visit);
    assert_int_equal(visit.exit, 60);
    json_decref(visit.result);
    stage_run(stage,
              "https-client --get https://bank.lab.test:{https}/ --trust "
              "{dir}/nothing.pem",
              &visit);
    assert_int_equal(visit.exit, 77);
    json_decref(visit.result);
    stage_close_bank(stage);
}

static void a_visit_logs_in_pays_and_shows_the_balance(void **state)
{
    struct stage *stage = *state;
    static struct stage_visit visit;
    static const char *const schemes[] = {"http", "https"};
    stage_open_bank(stage, NULL);
    for (unsigned i = 0; i < 2; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "https-client --get %s://bank.lab.test:{%s}/balance --trust "
                 "{dir}/lab.pem --user alice --password correct_horse "
                 "--transfer <b>&co=100",
                 schemes[i], schemes[i]);
        stage_run(stage, command, &visit);
        assert_int_equal(visit.exit, 0);
        assert_int_equal(number_of(visit.result, "status"), 200);
        assert_non_null(strstr(visit.output, "&#60;b&#62;&#38;co"));
        json_t *entry = stage_event(stage, "ledger.entry", i);
        assert_string_equal(text_of(entry, "from"), "alice");
        assert_string_equal(text_of(entry, "to"), "<b>&co");
        assert_int_equal(number_of(entry, "amount"), 100);
        assert_int_equal(number_of(entry, "balance"), 900 - 100 * (int)i);
        json_decref(visit.result);
    }
    stage_close_bank(stage);
    assert_int_equal(stage_count(stage, "bank.login"), 2);
    assert_int_equal(stage_count(stage, "http.request"), 6);
}

static void a_wrong_password_is_an_exit_code_of_its_own(void **state)
{
    struct stage *stage = *state;
    static struct stage_visit visit;
    stage_open_bank(stage, NULL);
    stage_run(stage,
              "https-client --get http://bank.lab.test:{http}/balance --user "
              "alice --password wrong",
              &visit);
    assert_int_equal(visit.exit, 1);
    assert_int_equal(number_of(visit.result, "status"), 401);
    assert_false(json_is_true(
        json_object_get(stage_event(stage, "bank.login", 0), "ok")));
    json_decref(visit.result);
    stage_close_bank(stage);
    assert_int_equal(stage_count(stage, "http.request"), 1);
}

static void
words_that_make_no_sense_are_refused_before_anything_is_sent(void **state)
{
    static const struct {
        const char *command;
        int exit;
    } rows[] = {
        {"https-client", 2},
        {"https-client --get ftp://bank.lab.test/", 2},
        {"https-client --get http:///", 2},
        {"https-client --get http://bank.lab.test:99999/", 2},
        {"https-client --get http://bank.lab.test/a_b", 2},
        {"https-client --get http://bank.lab.test/ --field nonsense", 2},
        {"https-client --get http://bank.lab.test/ --tls 1.1", 2},
        {"https-client --get http://bank.lab.test/ --timeout 0", 2},
        {"https-client --get http://bank.lab.test/ --clock yesterday", 2},
        {"https-client --get http://bank.lab.test/ --clock 2026-02-01", 2},
        {"https-client --get http://bank.lab.test/ --connect there", 2},
        {"https-client --get http://bank.lab.test/ --connect 8.8.8.8:80", 6},
        {"https-client --get http://www.example.com/ --connect 127.0.0.1:1", 7},
        {"https-client --get http://bank.lab.test/ --user alice", 2},
        {"https-client --get http://bank.lab.test/ --transfer bob", 2},
        {"https-client --get http://bank.lab.test/ --nonsense", 2},
        {"https-client-late --get http://bank.lab.test/ --leave angry", 2},
        {"https-client --get http://bank.lab.test/ --leave fin", 2},
        {"https-client --get http://www.example.com/", 6},
        {"https-client --get http://8.8.8.8/", 6},
        {"https-client --get http://127.0.0.1:1/", 7},
    };
    static struct stage_visit visit;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        stage_run(*state, rows[i].command, &visit);
        print_message("%s\n", rows[i].command);
        assert_int_equal(visit.exit, rows[i].exit);
        json_decref(visit.result);
    }
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(each_client_refuses_what_it_checks_and_nothing_else),
        CASE(without_the_private_key_nobody_gets_through),
        CASE(a_refusal_looks_different_from_the_other_side),
        CASE(the_name_in_the_url_counts_and_not_the_one_on_the_road),
        CASE(the_clock_and_the_profile_are_options),
        CASE(without_a_list_nobody_is_trusted),
        CASE(a_visit_logs_in_pays_and_shows_the_balance),
        CASE(a_wrong_password_is_an_exit_code_of_its_own),
        CASE(words_that_make_no_sense_are_refused_before_anything_is_sent),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
