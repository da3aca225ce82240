/* SPDX-License-Identifier: MIT
 *
 * The settings of one leg: what is understood, and what is said of mistakes. */
#include "proxy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void all_words_are_understood(void **state)
{
    (void)state;
    struct policy policy;
    struct err err = ERR_INIT;
    int rc = policy_parse("versions=1.0-1.2,groups=X25519:P-384,"
                          "ciphers=AES128-SHA:TLS_AES_128_GCM_SHA256:!PSK:"
                          "@SECLEVEL=0,alpn=h2:http/1.1,resume=ids,staple=on,"
                          "seclevel=2",
                          &policy, &err);
    if (rc)
        fail_msg("%s", err.text);
    assert_int_equal(policy.least, TLS1_VERSION);
    assert_int_equal(policy.most, TLS1_2_VERSION);
    assert_string_equal(policy.groups, "X25519:P-384");
    assert_string_equal(policy.ciphers, "AES128-SHA:!PSK:@SECLEVEL=0");
    assert_string_equal(policy.suites, "TLS_AES_128_GCM_SHA256");
    assert_int_equal(policy.alpn_count, 2);
    assert_string_equal(policy.alpn[1], "http/1.1");
    assert_int_equal(policy.resume, RESUME_IDS);
    assert_true(policy.staple && policy.level_given);
    assert_int_equal(policy.level, 2);
}

static void one_version_is_the_only_one(void **state)
{
    (void)state;
    struct policy policy;
    struct err err = ERR_INIT;
    assert_int_equal(policy_parse("versions=1.3", &policy, &err), 0);
    assert_int_equal(policy.least, TLS1_3_VERSION);
    assert_int_equal(policy.most, TLS1_3_VERSION);
}

static const struct {
    const char *text, *says;
} mistakes[] = {
    {"", "KEY=VALUE"},
    {"version=1.2", "did you mean versions?"},
    {"versions", "versions="},
    {"versions=", "versions="},
    {"versions=1.2,versions=1.3", "one value"},
    {"versions=1.4", "version \"1.4\""},
    {"versions=1.3-1.2", "wrong way round"},
    {"versions=1.2-", "version \"\""},
    {"groups=P-265", "did you mean P-256?"},
    {"groups=X25519:x2551", "did you mean X25519?"},
    {"ciphers=ECDHE-RSA-AES128-SHAA", "did you mean ECDHE-RSA-AES128-SHA?"},
    {"ciphers=TLS_AES_128_GCM_SHA265", "did you mean TLS_AES_128_GCM_SHA256?"},
    {"ciphers=!AES128-SAH", "AES128-SAH"},
    {"ciphers=ALL:@STRENGHT", "\"@STRENGHT\""},
    {"ciphers=@SECLEVEL=9", "\"@SECLEVEL=9\""},
    {"alpn=1:2:3:4:5:6:7:8:9", "at most 8"},
    {"alpn=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "longer than"},
    {"resume=yes", "way to resume \"yes\""},
    {"resume=ticket", "did you mean tickets?"},
    {"staple=of", "did you mean off?"},
    {"seclevel=6", "0 to 5"},
    {"seclevel=-1", "0 to 5"},
    {"seclevel=1x", "0 to 5"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct policy policy;
        struct err err = ERR_INIT;
        int rc = policy_parse(mistakes[i].text, &policy, &err);
        if (rc != -1 || !strstr(err.text, mistakes[i].says))
            fail_msg("\"%s\": %d, %s", mistakes[i].text, rc, err.text);
        assert_int_equal(err.code, EXIT_USAGE);
    }
}

/* A list that OpenSSL knows word by word, and that leaves nothing. */
static void what_leaves_nothing_is_refused(void **state)
{
    (void)state;
    struct policy policy;
    struct err err = ERR_INIT;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(policy_parse("ciphers=AES128-SHA:!ALL", &policy, &err), 0);
    assert_int_equal(policy_apply(&policy, 1, context, &err), -1);
    assert_true(err.text[0]);
    SSL_CTX_free(context);
}

static void protocols_are_those_that_were_given(void **state)
{
    (void)state;
    struct policy policy = {0};
    struct err err = ERR_INIT;
    assert_true(policy_speaks(&policy, alpn_name("http/1.1")));
    assert_true(policy_speaks(&policy, alpn_name("h2")));
    assert_false(policy_speaks(&policy, alpn_name("h3")));
    assert_int_equal(policy_parse("alpn=h2", &policy, &err), 0);
    assert_true(policy_speaks(&policy, alpn_name("h2")));
    assert_false(policy_speaks(&policy, alpn_name("http/1.1")));
    assert_int_equal(policy_parse("alpn=none", &policy, &err), 0);
    assert_false(policy_speaks(&policy, alpn_name("http/1.1")));
}

static void old_versions_need_the_lowest_level(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int level;
    } rows[] = {{"versions=1.0-1.2", 0},
                {"versions=1.2", 1},
                {"versions=1.1,seclevel=1", 1},
                {"seclevel=3", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy policy;
        struct err err = ERR_INIT;
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        assert_int_equal(policy_parse(rows[i].text, &policy, &err), 0);
        assert_int_equal(policy_apply(&policy, 1, context, &err), 0);
        assert_int_equal(SSL_CTX_get_security_level(context), rows[i].level);
        SSL_CTX_free(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_words_are_understood),
        cmocka_unit_test(one_version_is_the_only_one),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(what_leaves_nothing_is_refused),
        cmocka_unit_test(protocols_are_those_that_were_given),
        cmocka_unit_test(old_versions_need_the_lowest_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
