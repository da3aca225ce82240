/* SPDX-License-Identifier: MIT
 *
 * A comparison names the bytes that differ, all of them and no others. */
#include "tests/certs/bench.h"

#include "certs/diff.h"
#include "certs/keys.h"
#include "certs/mint.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* With the server's own key, so that only the flaw differs. */
static struct forged forge_own(struct bench *bench, const char *id)
{
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.forgery = forgery_find(id),
                              .server_name = BANK,
                              .key = bench->original_key};
    if (forge_leaf(&bench->signers, bench->original, &plan, &forged, &err))
        fail_msg("%s", err.text);
    return forged;
}

static struct diff compare(X509 *a, X509 *b)
{
    struct err err = ERR_INIT;
    struct diff diff;
    if (diff_certificates(a, b, &diff, &err))
        fail_msg("%s", err.text);
    return diff;
}

static bool has_field(const struct diff *diff, const char *field)
{
    for (unsigned i = 0; i < diff->count; i++)
        if (!strcmp(diff->runs[i].field, field))
            return true;
    return false;
}

static void the_flipped_byte_of_s01_is_the_only_difference(void **state)
{
    struct bench *bench = *state;
    struct forged s01 = forge_own(bench, "s01");
    struct diff diff = compare(bench->original, s01.leaf);
    assert_int_equal(diff.count, 1);
    assert_string_equal(diff.runs[0].field, "signature");
    assert_int_equal(diff.runs[0].at_a, diff.len_a - 1);
    assert_int_equal(diff.runs[0].at_b, diff.len_b - 1);
    assert_int_equal(diff.runs[0].len_a, 1);
    assert_int_equal(diff.runs[0].len_b, 1);
    assert_int_equal(diff.der_a[diff.len_a - 1] ^ diff.der_b[diff.len_b - 1],
                     0xff);
    diff_close(&diff);
    forged_close(&s01);
}

static void equal_certificates_have_no_difference(void **state)
{
    struct bench *bench = *state;
    struct diff diff = compare(bench->original, bench->original);
    assert_int_equal(diff.count, 0);
    diff_close(&diff);
}

static void another_name_shows_as_names_and_subject(void **state)
{
    struct bench *bench = *state;
    struct forged n01 = forge_own(bench, "n01");
    struct diff diff = compare(bench->original, n01.leaf);
    assert_true(has_field(&diff, "names"));
    assert_true(has_field(&diff, "subject"));
    assert_true(has_field(&diff, "serial"));
    assert_true(has_field(&diff, "signature"));
    assert_false(has_field(&diff, "key"));
    assert_false(has_field(&diff, "issuer"));
    assert_false(has_field(&diff, "not_after"));
    assert_false(has_field(&diff, "key_usage"));
    diff_close(&diff);
    forged_close(&n01);
}

/* Puts the bytes of b where the runs say, and must get b. */
static void check_complete(X509 *a, X509 *b)
{
    struct diff diff = compare(a, b);
    unsigned char *built = malloc(diff.len_a + diff.len_b);
    size_t from = 0, len = 0;
    for (unsigned i = 0; i < diff.count; i++) {
        const struct diff_bytes *run = &diff.runs[i];
        assert_true(run->at_a >= from);
        memcpy(built + len, diff.der_a + from, run->at_a - from);
        len += run->at_a - from;
        assert_int_equal(len, run->at_b);
        memcpy(built + len, diff.der_b + run->at_b, run->len_b);
        len += run->len_b;
        from = run->at_a + run->len_a;
    }
    memcpy(built + len, diff.der_a + from, diff.len_a - from);
    len += diff.len_a - from;
    assert_int_equal(len, diff.len_b);
    assert_memory_equal(built, diff.der_b, len);
    free(built);
    diff_close(&diff);
}

static void the_runs_turn_one_certificate_into_the_other(void **state)
{
    struct bench *bench = *state;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct forged forged = bench_forge(bench, it->id);
        check_complete(bench->original, forged.leaf);
        check_complete(forged.leaf, bench->original);
        forged_close(&forged);
    }
}

static void an_extension_of_one_side_alone_is_a_run(void **state)
{
    struct bench *bench = *state;
    struct diff diff = compare(bench->original, bench->lab->cert);
    bool found = false;
    for (unsigned i = 0; i < diff.count; i++)
        if (!strcmp(diff.runs[i].field, "permitted"))
            found = !diff.runs[i].len_a && diff.runs[i].len_b;
    assert_true(found);
    diff_close(&diff);
}

static void many_extensions_do_not_break_it(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    EVP_PKEY *key = keys_make(KEY_P256, &err);
    const char *name = BANK;
    X509 *few = mint_server(&name, 1, key), *many = mint_server(&name, 1, key);
    for (int i = 0; i < 300; i++)
        assert_true(mint_add_text(many, NID_netscape_comment, "x"));
    assert_true(mint_sign(few, key) && mint_sign(many, key));
    struct diff diff = compare(few, many);
    assert_true(diff.count > 0);
    diff_close(&diff);
    X509_free(few);
    X509_free(many);
    EVP_PKEY_free(key);
}

static void the_json_lists_fields_and_bytes(void **state)
{
    struct bench *bench = *state;
    struct forged t03 = bench_forge(bench, "t03");
    struct diff diff = compare(bench->original, t03.leaf);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    diff_json(&diff, bench->original, t03.leaf, out);
    fclose(out);
    json_error_t error;
    json_t *object = json_loads(text, 0, &error);
    if (!object)
        fail_msg("%s in %s", error.text, text);
    assert_int_equal(json_array_size(json_object_get(object, "bytes")),
                     diff.count);
    json_t *first = json_array_get(json_object_get(object, "fields"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "field")),
                        "serial");
    json_decref(object);
    free(text);
    diff_close(&diff);
    forged_close(&t03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flipped_byte_of_s01_is_the_only_difference),
        cmocka_unit_test(equal_certificates_have_no_difference),
        cmocka_unit_test(another_name_shows_as_names_and_subject),
        cmocka_unit_test(the_runs_turn_one_certificate_into_the_other),
        cmocka_unit_test(an_extension_of_one_side_alone_is_a_run),
        cmocka_unit_test(many_extensions_do_not_break_it),
        cmocka_unit_test(the_json_lists_fields_and_bytes),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
