/* SPDX-License-Identifier: MIT
 *
 * The tables of codes and alerts agree with OpenSSL. */
#include "tests/certs/bench.h"

#include "certs/verify.h"

#include <ctype.h>
#include <string.h>

static int say_code(X509_STORE_CTX *ctx, void *code)
{
    X509_STORE_CTX_set_error(ctx, *(int *)code);
    return 0;
}

/* What the victim sends if its verification ends with this code. */
static int ask_openssl(struct bench *bench, const struct forged *server,
                       int code)
{
    SSL_CTX *victim = bench_victim(bench->lab->root, NULL);
    SSL_CTX_set_cert_verify_callback(victim, say_code, &code);
    struct talk talk = bench_talk(victim, server, TLS1_3_VERSION, BANK);
    SSL_CTX_free(victim);
    return talk.alert;
}

static void the_alert_of_each_code_is_what_openssl_sends(void **state)
{
    static const int codes[] = {
#define VERIFY(code, alert, sentence) code,
#include "certs/verify.def"
#undef VERIFY
    };
    struct forged server = bench_forge(*state, "c00");
    for (size_t i = 1; i < sizeof codes / sizeof *codes; i++) {
        int alert = ask_openssl(*state, &server, codes[i]);
        if (strcmp(alert_name(alert), verify_alert(codes[i])))
            fail_msg("%s: OpenSSL sends %s, the table says %s",
                     verify_name(codes[i]), alert_name(alert),
                     verify_alert(codes[i]));
    }
    forged_close(&server);
}

static void names_and_codes_lead_to_each_other(void **state)
{
    (void)state;
    assert_string_equal(verify_name(19),
                        "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN");
    assert_int_equal(verify_code("X509_V_ERR_HOSTNAME_MISMATCH"), 62);
    assert_int_equal(verify_code("X509_V_ERR_NONSENSE"), -1);
    assert_string_equal(verify_name(9999), "X509_V_ERR_UNKNOWN");
    assert_int_equal(alert_code("unknown_ca"), 48);
    assert_int_equal(alert_code("unknown_fish"), -1);
    assert_string_equal(alert_name(200), "unknown_alert");
}

/* OpenSSL writes the same names with blanks and a capital "CA". */
static void alerts_are_spelled_as_in_the_rfc(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        const char *theirs = SSL_alert_desc_string_long(code);
        const char *ours = alert_name(code);
        if (!strcmp(theirs, "unknown") || !strcmp(ours, "unknown_alert"))
            continue;
        for (; *theirs; theirs++, ours++)
            assert_int_equal(*ours, *theirs == ' ' ? '_' : tolower(*theirs));
        assert_int_equal(*ours, '\0');
    }
}

static void every_sentence_ends_in_a_full_stop(void **state)
{
    (void)state;
    for (int code = -1; code < 256; code++) {
        const char *sentence = verify_sentence(code);
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
        sentence = alert_sentence(code);
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_alert_of_each_code_is_what_openssl_sends),
        cmocka_unit_test(names_and_codes_lead_to_each_other),
        cmocka_unit_test(alerts_are_spelled_as_in_the_rfc),
        cmocka_unit_test(every_sentence_ends_in_a_full_stop),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
