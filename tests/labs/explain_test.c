/* SPDX-License-Identifier: MIT
 *
 * Facts of a conversation and how they are put into words. */
#include "labs/report/explain.h"

#include "certs/seen.h"
#include "certs/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- help ---------------------------------------------------------------- */

static const int versions[] = {0x0303, 0x0304, 0};

static void assert_sentence(const char *text)
{
    size_t len = strlen(text);
    if (!len || text[len - 1] != '.')
        fail_msg("no sentence: \"%s\"", text);
}

/* What every explanation owes its reader. */
static void assert_whole(const struct explanation *said)
{
    const char *sentences[] = {said->manner, said->why, said->relies,
                               said->without, said->data};
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        assert_sentence(sentences[i]);
    assert_true(said->words[0] && said->check[0] && said->rfc[0]);
    assert_true(said->field[0]);
    assert_true(!said->code == !said->name[0]);
}

/* ---- the ways ------------------------------------------------------------ */

static void four_ways_to_say_no_and_a_fifth_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        int alert, finished;
        long long bytes;
        bool said_no, by_server;
        enum explain_way way;
        const char *data;
    } rows[] = {
        {"alert", 48, 0, 0, false, false, EXPLAIN_ALERT, "No byte"},
        {"alert", 48, 1, 0, false, false, EXPLAIN_ALERT, "No byte"},
        {"close_notify", 0, 1, 0, false, false, EXPLAIN_CLOSE_NOTIFY,
         "No byte"},
        {"close_notify", -1, -1, 0, false, false, EXPLAIN_CLOSE_NOTIFY,
         "No byte"},
        {"close_notify", 0, 0, 0, false, false, EXPLAIN_ABORT, "No byte"},
        {"silent", -1, 1, 0, false, false, EXPLAIN_SILENT, "No byte"},
        {"abort", -1, 0, 0, false, false, EXPLAIN_ABORT, "No byte"},
        {"data", -1, 1, 90, false, false, EXPLAIN_YES, "leaked"},
        {"data", 0, 1, 90, false, false, EXPLAIN_YES, "leaked"},
        {"data", 90, 1, 90, false, false, EXPLAIN_YES, "leaked"},
        {"alert", 90, 1, 0, false, false, EXPLAIN_CLOSE_NOTIFY, "No byte"},
        {"data", 48, 1, 90, false, false, EXPLAIN_TOO_LATE, "leaked"},
        {"data", -1, 1, 90, true, false, EXPLAIN_TOO_LATE, "leaked"},
        {NULL, -1, 0, 0, false, true, EXPLAIN_OPEN, "before the end"},
        {NULL, 80, 0, 0, false, true, EXPLAIN_OPEN, "before the end"},
        /* Without the word of the verdict. */
        {NULL, 48, 0, 0, false, false, EXPLAIN_ALERT, "No byte"},
        {NULL, -1, 1, 0, false, false, EXPLAIN_SILENT, "No byte"},
        {NULL, 0, 1, 0, false, false, EXPLAIN_CLOSE_NOTIFY, "No byte"},
        {NULL, -1, 0, 0, false, false, EXPLAIN_ABORT, "No byte"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct explain_facts facts = EXPLAIN_UNKNOWN;
        struct explanation said;
        facts.how = rows[i].how;
        facts.alert = rows[i].alert;
        facts.finished = rows[i].finished;
        facts.app_bytes = rows[i].bytes;
        facts.said_no = rows[i].said_no;
        facts.by_server = rows[i].by_server;
        explain(&facts, &said);
        print_message("row %zu\n", i);
        assert_int_equal(said.way, rows[i].way);
        assert_non_null(strstr(said.data, rows[i].data));
        assert_whole(&said);
    }
}

static void each_way_has_words_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < EXPLAIN_WAYS_COUNT; i++)
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(explain_way_words(i), explain_way_words(j));
            assert_string_not_equal(explain_way_looks(i), explain_way_looks(j));
        }
}

/* ---- the check ----------------------------------------------------------- */

/* A key, and words that must stand in the explanation. */
static const struct explained {
    const char *how;
    int alert, verify_code, version;
    long long bytes;
    const char *forgery, *check, *field, *why;
} explained[] = {
    {"alert", 48, 19, 0x0304, 0, "t03", "because the victim has it",
     "trust file", "the root at its end"},
    {"alert", 48, 18, 0x0303, 0, NULL, "anchor", "issuer", "signs itself"},
    {"alert", 48, -1, 0x0303, 0, NULL, "anchor", "issuer", "only its origin"},
    /* Real clients report no code: the forgery's row says which check. */
    {"alert", 46, -1, 0x0304, 0, "n01", "must name the host", "subjectAltName",
     "somebody else"},
    {"silent", -1, -1, 0x0304, 0, "v01", "notBefore and notAfter", "notAfter",
     "past the end"},
    {"close_notify", 0, -1, 0x0303, 0, "n01", "must name the host",
     "subjectAltName", "somebody else"},
    /* What the victim says itself is nearer than the catalogue. */
    {"alert", 46, 85, 0x0304, 0, "t05", "which key of its issuer",
     "authorityKeyIdentifier", "does not point"},
    {"alert", 44, 23, 0x0304, 0, "r02", "revoked", "serialNumber", "list"},
    /* No check of the chain, and yet refused. */
    {"alert", 51, 0, 0x0304, 0, "s04", "private key", "CertificateVerify",
     "only its owner"},
    {"alert", 40, -1, 0x0304, 0, "s04", "private key", "CertificateVerify",
     "only its owner"},
    {"abort", -1, -1, 0x0304, 0, "s08", "this very handshake",
     "CertificateVerify", "only its owner"},
    {"alert", 46, -1, 0x0304, 0, "n19", "strict profile", "chain",
     "demands more"},
    {"silent", -1, -1, 0x0304, 0, "r01", "status", "stapled", "stapled"},
    {"alert", 50, -1, 0x0304, 0, "x10", "fills the place", "encoding",
     "do not add up"},
    /* Accepted. */
    {"data", -1, 19, 0x0304, 80, "t03", "because the victim has it",
     "trust file", "the root at its end"},
    {"data", -1, 0, 0x0304, 80, "n01", "must name the host", "subjectAltName",
     "somebody else"},
    {"data", -1, 0, 0x0304, 80, "z01", "none", "none", "trust file"},
    {"data", -1, -1, 0x0304, 80, "t10", "none", "none", "every check passed"},
    {"data", -1, -1, 0x0304, 80, "r02", "the list", "serialNumber", "revoked"},
    /* Nothing is known. */
    {"silent", -1, -1, 0, 0, NULL, "not known", "not known", "all that was"},
    {"alert", 200, -1, 0, 0, NULL, "not known", "not known", "all that was"},
    {"alert", 48, 12345, 0, 0, NULL, "one of the checks", "code", "code"},
};

static void the_first_check_that_failed_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++) {
        const struct explained *row = &explained[i];
        struct explain_facts facts = EXPLAIN_UNKNOWN;
        struct explanation said;
        facts.how = row->how;
        facts.alert = row->alert;
        facts.verify_code = row->verify_code;
        facts.version = row->version;
        facts.app_bytes = row->bytes;
        facts.forgery = row->forgery ? forgery_find(row->forgery) : NULL;
        explain(&facts, &said);
        print_message("row %zu: %s | %s | %s\n", i, said.check, said.field,
                      said.why);
        assert_non_null(strstr(said.check, row->check));
        assert_non_null(strstr(said.field, row->field));
        assert_non_null(strstr(said.why, row->why));
        assert_whole(&said);
    }
}

static void every_code_and_every_alert_is_explained(void **state)
{
    (void)state;
    static const char *const hows[] = {"alert", "close_notify", "silent",
                                       "abort", "data",         NULL};
    struct explanation said;
    for (int code = -1; code < 100; code++)
        for (int alert = -1; alert < 130; alert++)
            for (size_t i = 0; i < 6 * 3; i++) {
                struct explain_facts facts = EXPLAIN_UNKNOWN;
                facts.verify_code = code;
                facts.alert = alert;
                facts.how = hows[i % 6];
                facts.version = versions[i / 6];
                facts.app_bytes = i % 6 == 4 ? 1 : 0;
                explain(&facts, &said);
                assert_whole(&said);
            }
}

/* Each code that the catalogue can make has a row that is about it. */
static void no_forgery_is_left_to_a_general_row(void **state)
{
    (void)state;
    const struct forgery *forgery;
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.verify_code = 12345;
    int general = explain_check_row(&facts);
    for (unsigned i = 0; (forgery = forgery_at(i)); i++) {
        const int codes[] = {forgery->verify_code,
                             forgery->demand ? forgery->demand_code : 0};
        for (int j = 0; j < 2; j++) {
            struct explain_facts seen = EXPLAIN_UNKNOWN;
            seen.how = "alert";
            seen.verify_code = codes[j];
            seen.forgery = forgery;
            seen.alert = alert_code(forgery->alert);
            if (explain_check_row(&seen) == general)
                fail_msg("%s: code %d has no row of its own", forgery->id,
                         codes[j]);
        }
    }
}

/* ---- what was measured --------------------------------------------------- */

/* A word of seen.def as the facts that a server would have seen. */
static struct explain_facts facts_of(const struct seen *row, unsigned client)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    const char *said = row->said[client];
    facts.version = row->version;
    facts.forgery = forgery_find(row->forgery);
    facts.alert = alert_code(said);
    facts.finished = facts.alert <= 0 && strcmp(said, "abort") != 0;
    facts.how = facts.alert > 0             ? "alert"
                : !strcmp(said, "accepted") ? "data"
                                            : said;
    facts.app_bytes = !strcmp(said, "accepted") ? 100 : 0;
    return facts;
}

static enum explain_way way_of(const char *said)
{
    return !strcmp(said, "accepted")       ? EXPLAIN_YES
           : !strcmp(said, "close_notify") ? EXPLAIN_CLOSE_NOTIFY
           : !strcmp(said, "silent")       ? EXPLAIN_SILENT
           : !strcmp(said, "abort")        ? EXPLAIN_ABORT
                                           : EXPLAIN_ALERT;
}

/* Rows of the table that are taken when nothing is known. */
static void general_rows(int *out_manner, int *out_check)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.how = "silent";
    *out_check = explain_check_row(&facts);
    facts.by_server = true;
    facts.how = NULL;
    *out_manner = explain_manner_row(&facts);
}

static void assert_explained(const struct seen *row, unsigned client,
                             const struct explanation *said)
{
    const struct forgery *forgery = forgery_find(row->forgery);
    const char *word = row->said[client];
    print_message("%s, TLS %s, %s: %s\n", row->forgery,
                  row->version == 0x0304 ? "1.3" : "1.2", seen_client(client),
                  word);
    assert_whole(said);
    assert_int_equal(said->way, way_of(word));
    assert_string_equal(said->check, forgery->check);
    assert_string_equal(said->rfc, forgery->rfc);
    if (said->way != EXPLAIN_YES)
        assert_int_equal(said->code, forgery->verify_code);
    else if (said->code)
        assert_non_null(strstr(said->manner, "fails a check"));
}

static void every_measured_row_is_explained(void **state)
{
    (void)state;
    const struct seen *row;
    unsigned count = 0;
    int general_manner, general_check;
    general_rows(&general_manner, &general_check);
    for (unsigned i = 0; (row = seen_at(i)); i++)
        for (unsigned client = 0; client < SEEN_CLIENTS; client++) {
            struct explain_facts facts = facts_of(row, client);
            struct explanation said;
            if (!strcmp(row->said[client], "offer"))
                continue; /* nothing was shown */
            explain(&facts, &said);
            assert_explained(row, client, &said);
            assert_int_not_equal(explain_check_row(&facts), general_check);
            assert_int_not_equal(explain_manner_row(&facts), general_manner);
            count++;
        }
    assert_true(count > 6 * 200);
}

static void every_forgery_was_measured_where_it_can_be_shown(void **state)
{
    (void)state;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        assert_true(!seen_find(it->id, 0x0303) == (it->tls == TLS_13_ONLY));
        assert_true(!seen_find(it->id, 0x0304) == (it->tls == TLS_12_ONLY));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_ways_to_say_no_and_a_fifth_are_told_apart),
        cmocka_unit_test(each_way_has_words_of_its_own),
        cmocka_unit_test(the_first_check_that_failed_is_named),
        cmocka_unit_test(every_code_and_every_alert_is_explained),
        cmocka_unit_test(no_forgery_is_left_to_a_general_row),
        cmocka_unit_test(every_measured_row_is_explained),
        cmocka_unit_test(every_forgery_was_measured_where_it_can_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
