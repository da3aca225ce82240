/* SPDX-License-Identifier: MIT
 *
 * What is said of a certificate is true, valid JSON, narrow enough, and shows
 * no byte that a terminal or a page would obey. */
#include "tests/certs/bench.h"

#include "certs/keys.h"
#include "certs/mint.h"
#include "certs/show.h"

#include <jansson.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(X509 *cert)
{
    json_error_t error;
    char *text = show_json_text(cert);
    json_t *object = json_loads(text, 0, &error);
    if (!object)
        fail_msg("%s in %s", error.text, text);
    free(text);
    return object;
}

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const char *item_of(json_t *object, const char *key, size_t index)
{
    return json_string_value(
        json_array_get(json_object_get(object, key), index));
}

static void a_leaf_is_described(void **state)
{
    struct bench *bench = *state;
    json_t *leaf = parse(bench->original);
    assert_int_equal(json_integer_value(json_object_get(leaf, "version")), 3);
    assert_string_equal(text_of(leaf, "subject"),
                        "O=mitmlab TRAINING, CN=bank.lab.test");
    assert_int_equal(strlen(text_of(leaf, "not_after")), 20);
    assert_string_equal(item_of(leaf, "names", 0), "DNS:bank.lab.test");
    assert_string_equal(text_of(leaf, "key_type"), "EC P-256");
    assert_int_equal(json_integer_value(json_object_get(leaf, "key_bits")),
                     256);
    assert_int_equal(strlen(text_of(leaf, "key")), 64);
    assert_string_equal(text_of(leaf, "signature_algorithm"),
                        "ecdsa-with-SHA256");
    assert_true(json_is_false(json_object_get(leaf, "is_ca")));
    assert_true(json_is_null(json_object_get(leaf, "pathlen")));
    assert_string_equal(item_of(leaf, "key_usage", 0), "digitalSignature");
    assert_string_equal(item_of(leaf, "extended_key_usage", 0), "serverAuth");
    assert_int_equal(json_array_size(json_object_get(leaf, "permitted")), 0);
    assert_string_equal(item_of(leaf, "extensions", 0),
                        "basicConstraints, critical");
    json_decref(leaf);
}

static void a_ca_shows_what_it_may_name(void **state)
{
    static const char *const permitted[] = {
        "DNS:lab.test",       "email:lab.test",  "URI:.lab.test",
        "IP:127.0.0.0/8",     "IP:192.0.2.0/24", "IP:::1/128",
        "IP:2001:db8:66::/64"};
    struct bench *bench = *state;
    json_t *ca = parse(bench->lab->cert);
    assert_true(json_is_true(json_object_get(ca, "is_ca")));
    assert_int_equal(json_integer_value(json_object_get(ca, "pathlen")), 0);
    for (size_t i = 0; i < sizeof permitted / sizeof *permitted; i++)
        assert_string_equal(item_of(ca, "permitted", i), permitted[i]);
    assert_int_equal(json_array_size(json_object_get(ca, "permitted")), 7);
    assert_int_equal(json_array_size(json_object_get(ca, "excluded")), 0);
    json_decref(ca);
}

static void key_ids_lead_from_leaf_to_issuer(void **state)
{
    struct bench *bench = *state;
    json_t *leaf = parse(bench->original), *ca = parse(bench->lab->cert);
    assert_string_equal(text_of(leaf, "authority_key_id"),
                        text_of(ca, "subject_key_id"));
    assert_string_equal(text_of(leaf, "issuer"), text_of(ca, "subject"));
    json_decref(leaf);
    json_decref(ca);
}

/* A name made to attack whoever prints it. */
static X509 *make_hostile(EVP_PKEY *key)
{
    static const char evil[] = "\x1b[2J<script>\n\"\\\xff";
    X509 *cert = X509_new();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    assert_true(mint_serial(cert, NULL) && X509_set_version(cert, 2) &&
                mint_validity(cert, 0, 60) && X509_set_pubkey(cert, key));
    assert_true(X509_NAME_add_entry_by_txt(
        X509_get_subject_name(cert), "CN", MBSTRING_ASC,
        (const unsigned char *)evil, sizeof evil - 1, -1, 0));
    assert_true(mint_push_name(names, evil));
    assert_true(mint_add(cert, NID_subject_alt_name, names, false));
    assert_true(mint_sign(cert, key));
    GENERAL_NAMES_free(names);
    return cert;
}

static void bytes_from_outside_are_escaped(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    EVP_PKEY *key = keys_make(KEY_ED25519, &err);
    X509 *cert = make_hostile(key);
    json_t *object = parse(cert);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    show_text(cert, 80, out);
    fclose(out);
    for (size_t i = 0; i < len; i++)
        assert_true(text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f));
    assert_int_equal(json_array_size(json_object_get(object, "names")), 1);
    assert_string_equal(item_of(object, "names", 0),
                        "DNS:\\x1B[2J<script>\\x0A\"\\x5C\\xFF");
    assert_string_equal(text_of(object, "key_type"), "Ed25519");
    json_decref(object);
    free(text);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void no_line_is_wider_than_asked(void **state)
{
    struct bench *bench = *state;
    for (unsigned width = 40; width <= 120; width += 10) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        show_text(bench->lab->root, width, out);
        fclose(out);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            assert_in_range(strlen(line), 1, width);
        free(text);
    }
}

static void wrapping_keeps_words_and_breaks_what_is_too_long(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    show_wrapped("one two three 0123456789ABCDEF", 2, 12, out);
    fclose(out);
    assert_string_equal(text, "one two\n  three\n  0123456789\n  ABCDEF\n");
    free(text);
}

static void any_text_becomes_json(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    show_json_string("a\"b\\c\n\x7f\xc3", out);
    fclose(out);
    assert_string_equal(text, "\"a\\\"b\\\\c\\u000a\\u007f\\u00c3\"");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_is_described),
        cmocka_unit_test(a_ca_shows_what_it_may_name),
        cmocka_unit_test(key_ids_lead_from_leaf_to_issuer),
        cmocka_unit_test(bytes_from_outside_are_escaped),
        cmocka_unit_test(no_line_is_wider_than_asked),
        cmocka_unit_test(wrapping_keeps_words_and_breaks_what_is_too_long),
        cmocka_unit_test(any_text_becomes_json),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
