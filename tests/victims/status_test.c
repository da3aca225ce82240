/* SPDX-License-Identifier: MIT
 *
 * The client that asks about revocation: which answers of the CA count, and
 * what it makes of silence. */
#include "tests/victims/stage.h"

#include "certs/status.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY = 24 * 3600 };

/* The bank gets a certificate that says where to ask, and may want a staple. */
static void issue(struct stage *stage, const char *responder, bool must_staple)
{
    static const char *const names[] = {"bank.lab.test"};
    struct ca_standing standing = {responder, must_staple};
    struct err err = ERR_INIT;
    X509_free(stage->original);
    EVP_PKEY_free(stage->original_key);
    assert_int_equal(ca_issue_with(stage->lab, names, 1, &standing,
                                   &stage->original, &stage->original_key,
                                   &err),
                     0);
}

static void save(const char *path, const struct status *status)
{
    unsigned char *bytes;
    size_t len = status_respond(status, &bytes);
    FILE *file = fopen(path, "w");
    assert_true(len > 0 && file && fwrite(bytes, 1, len, file) == len);
    fclose(file);
    OPENSSL_free(bytes);
}

static int visit_with(struct stage *stage, const char *how, const char *tls)
{
    static struct stage_visit visit;
    char command[256];
    snprintf(command, sizeof command,
             "https-client-status --get https://bank.lab.test:{https}/ --trust "
             "{dir}/lab.pem --status %s --tls %s",
             how, tls);
    stage_run(stage, command, &visit);
    json_decref(visit.result);
    return visit.exit;
}

static void only_a_good_staple_of_the_ca_counts(void **state)
{
    struct stage *stage = *state;
    const struct {
        const char *what;
        struct status status;
        bool accepted;
    } rows[] = {
        {"good", {.issuer_key = stage->lab->key}, true},
        {"revoked", {.issuer_key = stage->lab->key, .revoked = true}, false},
        {"out of date",
         {.issuer_key = stage->lab->key, .from = -8 * DAY, .until = -DAY},
         false},
        {"not yet",
         {.issuer_key = stage->lab->key, .from = DAY, .until = 2 * DAY},
         false},
        {"of another certificate",
         {.issuer_key = stage->lab->key, .of_another = true},
         false},
    };
    char *path = stage->staple;
    issue(stage, NULL, true);
    snprintf(path, sizeof stage->staple, "%s/staple.ocsp", stage->dir);
    for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct status status = rows[i / 2].status;
        print_message("%s\n", rows[i / 2].what);
        status.cert = stage->original;
        status.issuer = stage->lab->cert;
        save(path, &status);
        stage_open_bank(stage, NULL);
        assert_int_equal(visit_with(stage, "staple", i % 2 ? "1.2" : "1.3"),
                         rows[i / 2].accepted ? 0 : 60);
        json_t *verdict = stage_event(stage, "tls.verdict", 0);
        if (!rows[i / 2].accepted)
            assert_string_equal(
                json_string_value(json_object_get(verdict, "alert")),
                "bad_certificate_status_response");
        stage_close_bank(stage);
    }
}

/* Signed by a stranger in the CA's name. */
static void a_staple_that_the_ca_did_not_sign_is_none(void **state)
{
    struct stage *stage = *state;
    char *path = stage->staple;
    issue(stage, NULL, true);
    snprintf(path, sizeof stage->staple, "%s/staple.ocsp", stage->dir);
    struct status status = {.cert = stage->original,
                            .issuer = stage->rogue->cert,
                            .issuer_key = stage->rogue->key};
    save(path, &status);
    stage_open_bank(stage, NULL);
    assert_int_equal(visit_with(stage, "staple", "1.3"), 60);
    stage_close_bank(stage);
}

/* Nobody listens where the certificate says, or it says nothing. */
static void silence_is_what_the_setting_makes_of_it(void **state)
{
    static const struct {
        const char *how;
        bool must_staple;
        int exit;
    } rows[] = {
        {"none", false, 0},   {"soft", false, 0},   {"hard", false, 60},
        {"staple", false, 0}, {"staple", true, 60}, {"none", true, 0},
    };
    static const char *const responders[] = {"http://127.0.0.1:1/", NULL};
    struct stage *stage = *state;
    for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i / 2].how);
        issue(stage, responders[i % 2], rows[i / 2].must_staple);
        stage_open_bank(stage, NULL);
        assert_int_equal(visit_with(stage, rows[i / 2].how, "1.3"),
                         rows[i / 2].exit);
        stage_close_bank(stage);
    }
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(only_a_good_staple_of_the_ca_counts),
        CASE(a_staple_that_the_ca_did_not_sign_is_none),
        CASE(silence_is_what_the_setting_makes_of_it),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
