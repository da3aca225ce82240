/* SPDX-License-Identifier: MIT
 *
 * Messages of DNS: what is read of them, what is no message at all, and what
 * is written. */
#include "proxy/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BANK                                                                   \
    "\x04"                                                                     \
    "bank"                                                                     \
    "\x03"                                                                     \
    "lab"                                                                      \
    "\x04"                                                                     \
    "test"                                                                     \
    "\0"
#define ASKS "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" BANK "\0\x01\0\x01"
#define HEAD(answers, more)                                                    \
    "\x12\x34\x81\x80\0\x01\0" answers "\0\0\0" more BANK "\0\x01\0\x01"
#define ADDRESS     "\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\x42\x01\x02"
#define ALIAS       "\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03www\xc0\x11"
#define OPT         "\0\0\x29\x04\xd0\0\0\0\0\0\0"
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* From a heap block of exactly this size. */
static int read_exact(const uint8_t *bytes, size_t len, struct dns_message *out,
                      const char **why)
{
    uint8_t *exact = malloc(len + !len);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    int rc = dns_read(exact, len, out, why);
    free(exact);
    return rc;
}

static void a_question_is_read(void **state)
{
    (void)state;
    struct dns_message message;
    const char *why;
    assert_int_equal(read_exact(BYTES(ASKS), &message, &why), 0);
    assert_int_equal(message.id, 0x1234);
    assert_false(message.answer);
    assert_false(message.edns);
    assert_string_equal(message.name, "bank.lab.test");
    assert_int_equal(message.type, DNS_A);
    assert_int_equal(message.question_end, sizeof ASKS - 1);
}

static void names_are_texts_whatever_is_in_them(void **state)
{
    (void)state;
    struct dns_message message;
    const char *why;
    static const char odd[] = "\0\x01\0\0\0\x01\0\0\0\0\0\0"
                              "\x04"
                              "a.\\\n"
                              "\x01"
                              "B"
                              "\0"
                              "\0\x01\0\x01";
    static const char root[] = "\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
    assert_int_equal(read_exact(BYTES(odd), &message, &why), 0);
    assert_string_equal(message.name, "a\\046\\092\\010.B");
    assert_int_equal(read_exact(BYTES(root), &message, &why), 0);
    assert_string_equal(message.name, ".");
}

static void records_are_read_one_after_the_other(void **state)
{
    (void)state;
    static const char whole[] = HEAD("\x02", "\x01") ALIAS ADDRESS OPT;
    static const struct {
        const char *name, *type, *data;
        unsigned ttl;
        bool answers;
    } rows[] = {
        {"bank.lab.test", "CNAME", "www.lab.test", 60, true},
        {"bank.lab.test", "A", "127.66.1.2", 300, true},
        {".", "OPT", "\\# 0 ", 0, false},
    };
    struct dns_message message;
    struct dns_record record;
    const char *why;
    size_t len = sizeof whole - 1;
    const uint8_t *bytes = (const uint8_t *)whole;
    assert_int_equal(read_exact(bytes, len, &message, &why), 0);
    assert_true(message.answer && message.edns);
    assert_int_equal(message.records, 3);
    size_t at = message.question_end;
    for (unsigned i = 0; i < 3; i++) {
        char type[DNS_WORD_TEXT], data[DNS_DATA_TEXT];
        assert_true(dns_next(bytes, len, i, &at, &record));
        dns_type_text(record.type, type);
        dns_data_text(bytes, len, &record, data);
        assert_string_equal(record.name, rows[i].name);
        assert_string_equal(type, rows[i].type);
        assert_string_equal(data, rows[i].data);
        assert_int_equal(record.ttl, rows[i].ttl);
        assert_int_equal(record.answers, rows[i].answers);
    }
    assert_false(dns_next(bytes, len, 3, &at, &record));
}

static void no_prefix_of_a_message_is_a_message(void **state)
{
    (void)state;
    static const char whole[] = HEAD("\x02", "\x01") ALIAS ADDRESS OPT;
    struct dns_message message;
    for (size_t cut = 0; cut < sizeof whole - 1; cut++) {
        const char *why = NULL;
        assert_int_equal(
            read_exact((const uint8_t *)whole, cut, &message, &why), -1);
        assert_non_null(why);
    }
}

#define ASKED(count) "\0\x01\0\0\0" count "\0\0\0\0\0\0"
static void nonsense_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *why;
    } rows[] = {
        {BYTES(ASKED("\0")), "one question"},
        {BYTES(ASKED("\x02") BANK "\0\x01\0\x01" BANK "\0\x01\0\x01"),
         "one question"},
        {BYTES(ASKS "x"), "behind the last record"},
        /* To itself, into the head, forwards, and one to the other. */
        {BYTES(ASKED("\x01") "\xc0\x0c\0\x01\0\x01"), "points"},
        {BYTES(ASKED("\x01") "\xc0\x04\0\x01\0\x01"), "points"},
        {BYTES(HEAD("\x01", "\0") "\xc0\x30" ADDRESS), "points"},
        {BYTES(HEAD("\x01", "\0") "\xc0\x1f\xc0\x1f" ADDRESS), "points"},
        {BYTES(ASKED("\x01") "\x41"
                             "a\0\0\x01\0\x01"),
         "label"},
        {BYTES(ASKED("\x01") "\x3f"
                             "a\0\0\x01\0\x01"),
         "longer"},
        {BYTES(HEAD("\x01", "\0") "\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x03\x7f\0\0"),
         "wrong length"},
        {BYTES(
             HEAD("\x01", "\0") "\xc0\x0c\0\x10\0\x01\0\0\0\0\xff\xff\x7f\0\0"),
         "within a record"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_message message;
        const char *why = "";
        if (!read_exact(rows[i].bytes, rows[i].len, &message, &why))
            fail_msg("row %zu was accepted", i);
        if (!strstr(why, rows[i].why))
            fail_msg("row %zu: %s", i, why);
    }
}

/* 255 bytes are a name, 257 are none (RFC 1035 2.3.4). */
static void a_name_has_at_most_255_bytes(void **state)
{
    (void)state;
    for (unsigned labels = 127; labels <= 128; labels++) {
        uint8_t bytes[DNS_HEAD + 300] = {[5] = 1};
        size_t at = DNS_HEAD;
        struct dns_message message;
        const char *why;
        for (unsigned i = 0; i < labels; i++) {
            bytes[at++] = 1;
            bytes[at++] = 1; /* the longest as a text */
        }
        at += 1 + 4;
        assert_int_equal(read_exact(bytes, at, &message, &why),
                         labels == 127 ? 0 : -1);
    }
}

static void letters_of_either_case_ask_the_same(void **state)
{
    (void)state;
    struct dns_message one, other;
    const char *why;
    char bytes[] = ASKS;
    assert_int_equal(dns_read(BYTES(ASKS), &one, &why), 0);
    bytes[DNS_HEAD + 1] = 'B';
    assert_int_equal(dns_read(BYTES(bytes), &other, &why), 0);
    assert_true(dns_same_question(&one, &other));
    bytes[DNS_HEAD + 1] = 'c';
    assert_int_equal(dns_read(BYTES(bytes), &other, &why), 0);
    assert_false(dns_same_question(&one, &other));
    other = one;
    other.type = DNS_AAAA;
    assert_false(dns_same_question(&one, &other));
}

static void a_frame_of_tcp_is_whole_or_not(void **state)
{
    (void)state;
    static const uint8_t bytes[2 + DNS_HEAD + 1] = {0, DNS_HEAD};
    static const uint8_t small[2] = {0, DNS_HEAD - 1};
    for (size_t len = 0; len < 2 + DNS_HEAD; len++)
        assert_int_equal(dns_frame(bytes, len), 0);
    assert_int_equal(dns_frame(bytes, sizeof bytes), 2 + DNS_HEAD);
    assert_int_equal(dns_frame(small, sizeof small), -1);
}

static void addresses_and_times_are_edited_in_place(void **state)
{
    (void)state;
    uint8_t bytes[] = HEAD("\x01", "\0") ADDRESS;
    static const uint8_t other[16] = {127, 0, 0, 1};
    size_t len = sizeof bytes - 1, at;
    struct dns_message message;
    struct dns_record record;
    const char *why;
    char data[DNS_DATA_TEXT];
    assert_int_equal(dns_read(bytes, len, &message, &why), 0);
    at = message.question_end;
    assert_true(dns_next(bytes, len, 0, &at, &record));
    assert_int_equal(dns_put_address(bytes, &record, other, 16), -1);
    assert_int_equal(dns_put_address(bytes, &record, other, 4), 0);
    dns_put_ttl(bytes, &record, 0x01020304);
    at = message.question_end;
    assert_true(dns_next(bytes, len, 0, &at, &record));
    dns_data_text(bytes, len, &record, data);
    assert_string_equal(data, "127.0.0.1");
    assert_int_equal(record.ttl, 0x01020304);
}

static void an_answer_that_is_written_can_be_read(void **state)
{
    (void)state;
    static const char query[] =
        "\x12\x34\x01\0\0\x01\0\0\0\0\0\x01" BANK "\0\x01\0\x01" OPT;
    static const struct dns_given given = {
        .type = DNS_A,
        .ttl = 300,
        .data = (const uint8_t *)"\x7f\x42\x01\x02",
        .len = 4};
    struct dns_message asked, said;
    const char *why;
    struct buf out = {0};
    assert_int_equal(dns_read(BYTES(query), &asked, &why), 0);
    assert_int_equal(dns_write_answer(&out, (const uint8_t *)query, &asked,
                                      DNS_NOERROR, &given, 1),
                     0);
    static const char wanted[] = HEAD("\x01", "\x01") ADDRESS OPT;
    assert_int_equal(buf_len(&out), sizeof wanted - 1);
    assert_memory_equal(buf_head(&out), wanted, sizeof wanted - 1);
    buf_clear(&out);
    assert_int_equal(dns_write_answer(&out, (const uint8_t *)query, &asked,
                                      DNS_NXDOMAIN, NULL, 0),
                     0);
    assert_int_equal(dns_read(buf_head(&out), buf_len(&out), &said, &why), 0);
    assert_int_equal(said.rcode, DNS_NXDOMAIN);
    assert_true(said.edns && dns_same_question(&asked, &said));
    buf_free(&out);
}

static void a_name_becomes_bytes_and_a_text_again(void **state)
{
    (void)state;
    static const char *const names[] = {".", "a", "bank.lab.test",
                                        "a\\.b\\027.lab.test"};
    static const char *const wrong[] = {
        "a..b", ".a", "a\\",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    uint8_t bytes[DNS_NAME_BYTES];
    size_t len;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf message = {0};
        struct dns_message read;
        const char *why;
        assert_int_equal(dns_name_bytes(names[i], bytes, &len), 0);
        assert_int_equal(buf_append(&message, "\0\1\0\0\0\1\0\0\0\0\0\0", 12),
                         0);
        assert_int_equal(buf_append(&message, bytes, len), 0);
        assert_int_equal(buf_append(&message, "\0\1\0\1", 4), 0);
        assert_int_equal(
            dns_read(buf_head(&message), buf_len(&message), &read, &why), 0);
        assert_string_equal(read.name,
                            i == 3 ? "a\\046b\\027.lab.test" : names[i]);
        buf_free(&message);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(dns_name_bytes(wrong[i], bytes, &len), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_becomes_bytes_and_a_text_again),
        cmocka_unit_test(a_question_is_read),
        cmocka_unit_test(names_are_texts_whatever_is_in_them),
        cmocka_unit_test(records_are_read_one_after_the_other),
        cmocka_unit_test(no_prefix_of_a_message_is_a_message),
        cmocka_unit_test(nonsense_is_refused_with_a_reason),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
        cmocka_unit_test(letters_of_either_case_ask_the_same),
        cmocka_unit_test(a_frame_of_tcp_is_whole_or_not),
        cmocka_unit_test(addresses_and_times_are_edited_in_place),
        cmocka_unit_test(an_answer_that_is_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
