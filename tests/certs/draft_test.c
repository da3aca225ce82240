/* SPDX-License-Identifier: MIT
 *
 * The wall around what a recipe may say: nothing is signed that names anything
 * outside, and not for the gallery either. */
#include "tests/certs/bench.h"

#include "certs/draft.h"
#include "certs/mint.h"

#include <string.h>

struct saying {
    const char *names; /* as in recipe.h; NULL none */
    const char *common;
    bool in_lab, in_gallery; /* may they sign it? */
};

static bool may_sign(const struct saying *saying, bool gallery)
{
    struct recipe recipe = {.about.in_gallery = gallery,
                            .names = saying->names,
                            .common = saying->common};
    struct forge_plan plan = {.server_name = BANK};
    struct draft draft = {.recipe = &recipe, .plan = &plan, .leaf = X509_new()};
    assert_non_null(draft.leaf);
    assert_true(draft_put_names(&draft, saying->names));
    assert_true(draft_put_common(&draft, saying->common));
    bool inside = draft_is_inside(&draft);
    X509_free(draft.leaf);
    return inside;
}

static void nothing_is_signed_that_names_anything_outside(void **state)
{
    static const struct saying sayings[] = {
        {"DNS:%h", "%h", true, true},
        {"DNS:*.%p,IP:192.0.2.7", NULL, true, true},
        {"DNS:192.0.2.7", NULL, true, true},
        {"email:alice@%p", NULL, true, true},
        {"URI:https://%h/path", NULL, true, true},
        {NULL, "Cafe", true, true},
        /* Hosts under .test exist nowhere. */
        {"DNS:*.test", NULL, false, true},
        {"DNS:%h.", NULL, false, true},
        {"DNS:%h.evil.test", NULL, false, true},
        {"DNS:%h%0.evil.test", NULL, false, true},
        {NULL, "%h%0.evil.test", false, true},
        {"DNS:*", NULL, false, true},
        /* Hosts that exist. */
        {"DNS:www.example.com", NULL, false, false},
        {"DNS:%h,DNS:www.example.com", NULL, false, false},
        {"DNS:*.com", NULL, false, false},
        {"DNS:com", NULL, false, false},
        {"DNS:%h.example.com", NULL, false, false},
        {"DNS:www.example.com%0.evil.test", NULL, false, false},
        {"DNS:evil.test%0www.example.com", NULL, false, false},
        {"DNS:example.comtest", NULL, false, false},
        {"DNS:8.8.8.8", NULL, false, false},
        {"IP:8.8.8.8", NULL, false, false},
        {"email:alice@example.com", NULL, false, false},
        {"URI:https://example.com/.test", NULL, false, false},
        {"URI:https://example.com:443/x.test", NULL, false, false},
        {"URI:https://alice@example.com/", NULL, false, false},
        {NULL, "www.example.com", false, false},
        {NULL, "www.example.com%0.evil.test", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        const struct saying *it = &sayings[i];
        if (may_sign(it, false) != it->in_lab ||
            may_sign(it, true) != it->in_gallery)
            fail_msg("%s / %s", it->names ? it->names : "",
                     it->common ? it->common : "");
    }
}

static void places_are_filled_with_parts_of_the_host(void **state)
{
    static const char expected[] = "bank.lab.test|bank|b|lab.test|test|\0|";
    struct forge_plan plan = {.server_name = BANK};
    struct draft draft = {.plan = &plan};
    char *text;
    size_t len;
    (void)state;
    assert_true(draft_fill(&draft, "%h|%f|%1|%p|%t|%0|", &text, &len));
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(text, expected, len);
    OPENSSL_free(text);
}

static void an_address_stands_for_the_bank(void **state)
{
    static const char *const addresses[] = {"192.0.2.7", "2001:db8:66::7",
                                            "::1", "localhost"};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct forge_plan plan = {.server_name = addresses[i]};
        struct draft draft = {.plan = &plan};
        assert_string_equal(draft_host(&draft), BANK);
    }
}

/* Where a victim, or cert diff, would look for it. */
static void what_is_put_stands_where_the_old_one_stood(void **state)
{
    struct draft draft = {.leaf = X509_new()};
    (void)state;
    assert_true(mint_add_text(draft.leaf, NID_key_usage, "digitalSignature"));
    assert_true(mint_add_text(draft.leaf, NID_ext_key_usage, "serverAuth"));
    assert_true(draft_put_text(&draft, NID_key_usage, "keyAgreement"));
    assert_int_equal(X509_get_ext_by_NID(draft.leaf, NID_key_usage, -1), 0);
    assert_true(draft_put_text(&draft, NID_key_usage, ""));
    assert_int_equal(X509_get_ext_by_NID(draft.leaf, NID_key_usage, -1), -1);
    assert_int_equal(X509_get_ext_count(draft.leaf), 1);
    X509_free(draft.leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_signed_that_names_anything_outside),
        cmocka_unit_test(places_are_filled_with_parts_of_the_host),
        cmocka_unit_test(an_address_stands_for_the_bank),
        cmocka_unit_test(what_is_put_stands_where_the_old_one_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
