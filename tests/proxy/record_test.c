/* SPDX-License-Identifier: MIT
 *
 * Where records begin and end, in pieces of every size. */
#include "proxy/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static const uint8_t three[] = {22, 3, 1, 0, 3, 'a', 'b', 'c', /* handshake */
                                20, 3, 3, 0, 0,                /* empty */
                                23, 3, 3, 0, 2, 'd', 'e'};

/* Walk over it in pieces of at most `most`; how many records were whole. */
static unsigned walk(struct record *record, const uint8_t *bytes, size_t len,
                     size_t most, uint64_t at[8])
{
    unsigned whole = 0;
    for (size_t done = 0; done < len;) {
        size_t piece = len - done < most ? len - done : most;
        enum record_part part;
        size_t took = record_next(record, bytes + done, piece, &part);
        assert_true(took > 0 && took <= piece);
        done += took;
        if (part != RECORD_NONE && record_is_whole(record))
            at[whole++] = record->at;
    }
    return whole;
}

static void records_are_found_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t most = 1; most <= sizeof three; most++) {
        struct record record = {0};
        uint64_t at[8];
        assert_int_equal(walk(&record, three, sizeof three, most, at), 3);
        assert_int_equal(at[0], 0);
        assert_int_equal(at[1], 8);
        assert_int_equal(at[2], 13);
        assert_int_equal(record.number, 3);
        assert_int_equal(record.seen, sizeof three);
        assert_int_equal(record_body_len(&record), 2);
        assert_false(record.lost);
    }
}

static void what_is_no_tls_is_lost_for_good(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"GET / HTTP/1.1\r\n", 16},
                {"\x16\x02\x00\x00\x01x", 6},
                {"\x18\x03\x03\x00\x01x", 6},
                {"\x17\x03\x03\xff\xff", 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct record record = {0};
        uint64_t at[8];
        assert_int_equal(
            walk(&record, (const uint8_t *)rows[i].bytes, rows[i].len, 3, at),
            0);
        assert_true(record.lost);
        assert_int_equal(walk(&record, three, sizeof three, 100, at), 0);
    }
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(record_type_name(RECORD_ALERT), "alert");
    assert_string_equal(record_type_name(23), "application_data");
    assert_null(record_type_name(19));
    assert_null(record_type_name(24));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_in_pieces_of_any_size),
        cmocka_unit_test(what_is_no_tls_is_lost_for_good),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
