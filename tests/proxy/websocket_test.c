/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames and messages, whole and a byte at a time. The unmasked and
 * compressed examples are those of RFC 6455 5.7 and RFC 7692 7.2.3. */
#include "proxy/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static const struct websocket_deal plain, deflates = {.deflates = true};

/* What came out of one direction. */
struct heard {
    char text[256]; /* "text:Hello ping:x " */
    const char *why;
};

static void hear(struct heard *heard, const struct websocket_message *message)
{
    size_t at = strlen(heard->text);
    snprintf(heard->text + at, sizeof heard->text - at, "%s:%.*s%s ",
             websocket_opcode_name(message->opcode), (int)message->len,
             (const char *)message->bytes, message->cut ? "..." : "");
}

static struct heard play(const struct websocket_deal *deal, bool from_victim,
                         size_t most, const void *bytes, size_t len,
                         size_t piece)
{
    struct websocket_reader reader;
    struct heard heard = {0};
    websocket_open(&reader, deal, from_victim, most);
    for (size_t at = 0; at < len;) {
        struct websocket_message message;
        size_t some = piece < len - at ? piece : len - at, used;
        uint8_t *exact = malloc(some);
        memcpy(exact, (const char *)bytes + at, some);
        enum websocket_step step =
            websocket_feed(&reader, exact, some, &used, &message, &heard.why);
        if (step == WEBSOCKET_MESSAGE || step == WEBSOCKET_CONTROL)
            hear(&heard, &message);
        free(exact);
        assert_true(used <= some);
        at += used;
        if (step == WEBSOCKET_FAULT)
            break;
        heard.why = NULL;
    }
    websocket_close(&reader);
    return heard;
}

#define BYTES(text) (text), sizeof(text) - 1

struct example {
    const char *name, *bytes;
    size_t len;
    bool from_victim, deflates;
    const char *heard; /* NULL: it is refused, with these words */
    const char *why;
};

static const struct example examples[] = {
    {"unmasked", BYTES("\x81\x05Hello"), false, false, "text:Hello ", NULL},
    {"masked", BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), true,
     false, "text:Hello ", NULL},
    {"in_two", BYTES("\x01\x03Hel\x80\x02lo"), false, false, "text:Hello ",
     NULL},
    {"ping_between", BYTES("\x01\x03Hel\x89\x01!\x80\x02lo"), false, false,
     "ping:! text:Hello ", NULL},
    {"empty", BYTES("\x82\x00\x88\x00"), false, false, "binary: close: ", NULL},
    {"length_in_16_bits", BYTES("\x81\x7e\x00\x05Hello"), false, false,
     "text:Hello ", NULL},
    {"length_in_64_bits",
     BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05Hello"), false, false,
     "text:Hello ", NULL},
    {"compressed", BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), false, true,
     "text:Hello ", NULL},
    {"compressed_in_two", BYTES("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"),
     false, true, "text:Hello ", NULL},
    {"window_of_the_message_before",
     BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
           "\xc1\x05\xf2\x00\x11\x00\x00"),
     false, true, "text:Hello text:Hello ", NULL},
    {"stored_block", BYTES("\xc1\x0b\x00\x05\x00\xfa\xffHello\x00"), false,
     true, "text:Hello ", NULL},
    {"last_block", BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), false,
     true, "text:Hello ", NULL},
    {"plain_though_agreed", BYTES("\x81\x05Hello"), false, true, "text:Hello ",
     NULL},
    {"no_mask", BYTES("\x81\x05Hello"), true, false, NULL, "not masked"},
    {"mask_of_the_server", BYTES("\x81\x81\x00\x00\x00\x00H"), false, false,
     NULL, "masked"},
    {"reserved_opcode", BYTES("\x83\x00"), false, false, NULL, "reserved"},
    {"reserved_control", BYTES("\x8b\x00"), false, false, NULL, "reserved"},
    {"reserved_bit", BYTES("\xa1\x00"), false, true, NULL, "reserved bit"},
    {"compressed_unasked", BYTES("\xc1\x00"), false, false, NULL,
     "reserved bit"},
    {"compressed_continuation", BYTES("\x01\x00\xc0\x00"), false, true, NULL,
     "reserved bit"},
    {"compressed_ping", BYTES("\xc9\x00"), false, true, NULL, "reserved bit"},
    {"fragmented_ping", BYTES("\x09\x00"), false, false, NULL, "control"},
    {"long_ping", BYTES("\x89\x7e\x00\x7e"), false, false, NULL, "control"},
    {"no_message_to_continue", BYTES("\x80\x00"), false, false, NULL,
     "continuation"},
    {"message_in_a_message", BYTES("\x01\x00\x81\x00"), false, false, NULL,
     "inside another"},
    {"length_over_63_bits", BYTES("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"),
     false, false, NULL, "63 bits"},
    {"damaged", BYTES("\xc1\x04\xff\xff\xff\xff"), false, true, NULL,
     "damaged"},
};

static void check_example(const struct example *example, size_t piece)
{
    struct heard heard =
        play(example->deflates ? &deflates : &plain, example->from_victim, MOST,
             example->bytes, example->len, piece);
    if (!example->heard != !!heard.why)
        fail_msg("%s by %zu: %s", example->name, piece,
                 heard.why ? heard.why : "not refused");
    if (example->heard && strcmp(heard.text, example->heard))
        fail_msg("%s by %zu: %s", example->name, piece, heard.text);
    if (example->why && !strstr(heard.why, example->why))
        fail_msg("%s by %zu: %s", example->name, piece, heard.why);
}

static void examples_say_what_they_should_in_any_pieces(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof examples / sizeof *examples; i++)
        for (size_t piece = 1; piece <= 64; piece *= 2)
            check_example(&examples[i], piece);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 70000};
    static const uint8_t mask[4] = {1, 2, 3, 4};
    for (unsigned i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t len = sizes[i / 2], used;
        const char *why;
        struct buf out = {0};
        struct websocket_reader reader;
        struct websocket_message message;
        uint8_t *bytes = calloc(1, len + 1);
        for (size_t at = 0; at < len; at++)
            bytes[at] = (uint8_t)(at * 7);
        assert_int_equal(websocket_write(&out, WEBSOCKET_BINARY, bytes, len,
                                         i % 2 ? mask : NULL),
                         0);
        websocket_open(&reader, &plain, i % 2, 100000);
        assert_int_equal(websocket_feed(&reader, buf_head(&out), buf_len(&out),
                                        &used, &message, &why),
                         WEBSOCKET_MESSAGE);
        assert_int_equal(used, buf_len(&out));
        assert_int_equal(message.len, len);
        if (len)
            assert_memory_equal(message.bytes, bytes, len);
        websocket_close(&reader);
        buf_free(&out);
        free(bytes);
    }
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    struct heard heard =
        play(&plain, false, 3, BYTES("\x81\x05Hello\x81\x02ok"), 100);
    assert_string_equal(heard.text, "text:Hel... text:ok ");
}

/* A message of so many MiB of zeros, packed to a thousandth of that. */
static uint8_t *pack_zeros(unsigned mib, size_t *out_len)
{
    enum { HEAD = 10, PIECE = 1 << 20 };
    size_t room = HEAD + (size_t)mib * 2048;
    uint8_t *zeros = calloc(1, PIECE), *packed = malloc(room);
    z_stream zlib = {.next_out = packed + HEAD,
                     .avail_out = (uInt)(room - HEAD)};
    assert_int_equal(
        deflateInit2(&zlib, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (unsigned i = 0; i < mib; i++) {
        zlib.next_in = zeros;
        zlib.avail_in = PIECE;
        assert_int_equal(deflate(&zlib, i + 1 < mib ? 0 : Z_SYNC_FLUSH), Z_OK);
    }
    size_t len = zlib.total_out - 4;
    deflateEnd(&zlib);
    free(zeros);
    memcpy(packed,
           (uint8_t[HEAD]){0xc2, 127, 0, 0, 0, 0, len >> 24, len >> 16,
                           len >> 8, len & 0xff},
           HEAD);
    *out_len = HEAD + len;
    return packed;
}

static void little_is_kept_of_what_is_large_and_a_bomb_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *packed = pack_zeros(8, &len);
    struct heard heard = play(&deflates, false, 2, packed, len, 4096);
    assert_null(heard.why);
    free(packed);
    packed = pack_zeros(65, &len);
    heard = play(&deflates, false, 2, packed, len, 4096);
    assert_non_null(heard.why);
    assert_non_null(strstr(heard.why, "bomb"));
    free(packed);
}

static void a_side_may_forget_its_window(void **state)
{
    (void)state;
    struct websocket_deal deal = {.deflates = true, .server_resets = true};
    /* The second message needs the window of the first. */
    struct heard heard = play(&deal, false, MOST,
                              BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                                    "\xc1\x05\xf2\x00\x11\x00\x00"),
                              100);
    assert_string_equal(heard.text, "text:Hello ");
    assert_non_null(heard.why);
}

static void the_deal_is_read_from_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        struct websocket_deal deal;
    } rows[] = {
        {NULL, {0}},
        {"", {0}},
        {"permessage-deflate", {.deflates = true}},
        {"Permessage-Deflate ; server_no_context_takeover",
         {.deflates = true, .server_resets = true}},
        {"permessage-deflate; client_max_window_bits=12; "
         "client_no_context_takeover",
         {.deflates = true, .victim_resets = true}},
        {"x-other", {.other = true}},
        {"permessage-deflate, x-other; a=b", {.deflates = true, .other = true}},
        {"permessage-deflate; surprise", {.deflates = true, .other = true}},
        {";;,,=;", {.other = true}},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct websocket_deal deal;
        websocket_deal_read(&deal, rows[i].field);
        if (deal.deflates != rows[i].deal.deflates ||
            deal.other != rows[i].deal.other ||
            deal.victim_resets != rows[i].deal.victim_resets ||
            deal.server_resets != rows[i].deal.server_resets)
            fail_msg("%s", rows[i].field ? rows[i].field : "(none)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_say_what_they_should_in_any_pieces),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(little_is_kept_of_what_is_large_and_a_bomb_refused),
        cmocka_unit_test(a_side_may_forget_its_window),
        cmocka_unit_test(the_deal_is_read_from_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
