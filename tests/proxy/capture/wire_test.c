/* SPDX-License-Identifier: MIT
 *
 * What a proxy tells becomes packets that an index reads back, with its events
 * and secrets in the same file. */
#include "proxy/capture/wire.h"

#include "proxy/capture/capture.h"
#include "proxy/capture/index.h"
#include "proxy/capture/pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mitmlab-wire-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/out.pcapng", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static union address address_of(const char *text)
{
    struct err err = ERR_INIT;
    union address address;
    assert_int_equal(address_parse(text, &address, &err), 0);
    return address;
}

static const char event_line[] =
    "{\"kind\":\"flow.open\",\"flow\":1,\"data\":{}}\n";
static const char key_line[] =
    "{\"kind\":\"tls.key\",\"data\":{\"line\":\"CLIENT_RANDOM 00ff 11ee\"}}\n";

static void record_one(const char *victim, const char *proxy)
{
    struct err err = ERR_INIT;
    struct wire *wire;
    struct wire_link link = {0};
    union address from = address_of(victim), to = address_of(proxy);
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(wire_open(path, &wire, &err), 0);
    wire_begin(&link, wire, WIRE_VICTIM, &from, &to);
    wire_data(&link, true, "hello", 5);
    wire_data(&link, false, long_text, sizeof long_text);
    wire_event(wire, event_line, sizeof event_line - 1);
    wire_event(wire, key_line, sizeof key_line - 1);
    wire_finish(&link, true);
    wire_finish(&link, true);
    wire_finish(&link, false);
    wire_data(&link, true, "too late", 8);
    wire_reset(&link, true);
    assert_int_equal(wire_close(wire, &err), 0);
}

static void check_streams(const char *victim, uint16_t victim_port,
                          const char *proxy, uint16_t proxy_port)
{
    struct err err = ERR_INIT;
    struct capture_index *index;
    uint8_t bytes[8000];
    struct index_tuple tuple = {victim, victim_port, proxy, proxy_port};
    assert_int_equal(capture_index_load(path, &index, &err), 0);
    assert_int_equal(
        index_bytes_of(index, &tuple, INDEX_UP, 0, 0, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(
        index_bytes_of(index, &tuple, INDEX_DOWN, 0, 0, bytes, sizeof bytes),
        5000);
    /* SYN, SYN+ACK, ACK, five bytes; 5000 bytes are four segments. */
    assert_int_equal(index_frame_of(index, &tuple, INDEX_UP, 0, 0), 4);
    assert_int_equal(index_frame_of(index, &tuple, INDEX_DOWN, 4999, 0), 8);
    assert_int_equal(index_end_of(index, &tuple, INDEX_UP, 0), 9);
    assert_int_equal(index_end_of(index, &tuple, INDEX_DOWN, 0), 10);
    assert_int_equal(index_count(index), 11);
    struct index_frame frame;
    assert_int_equal(index_frame(index, 4, &frame), 0);
    assert_string_equal(frame.place, "victim");
    capture_index_free(index);
}

static void two_legs_read_back_as_they_were_told(void **state)
{
    (void)state;
    record_one("127.0.0.1:4000", "127.0.0.2:443");
    check_streams("127.0.0.1", 4000, "127.0.0.2", 443);
}

static void ipv6_is_recorded_as_ipv6(void **state)
{
    (void)state;
    record_one("[::1]:4000", "[::1]:443");
    check_streams("::1", 4000, "::1", 443);
}

/* Kinds of blocks in the order of the file, events joined. */
static void read_kinds(char *kinds, size_t most, struct buf *events)
{
    struct err err = ERR_INIT;
    struct pcapng_file *file;
    struct pcapng_block block;
    size_t count = 0;
    assert_int_equal(pcapng_open(path, &file, &err), 0);
    while (pcapng_file_next(file, &block, &err) > 0) {
        assert_in_range(count, 0, most - 2);
        kinds[count++] = (char)('A' + block.kind);
        if (block.kind == PCAPNG_EVENTS)
            buf_append(events, block.events.bytes, block.events.len);
    }
    kinds[count] = '\0';
    pcapng_close(file);
}

static void a_finished_file_has_secrets_first_and_keeps_its_events(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf events = {0};
    char kinds[64];
    record_one("127.0.0.1:4000", "127.0.0.2:443");
    struct capture_comment comment = {4, "here"};
    struct capture_finish finish = {.path = path,
                                    .secrets = CAPTURE_SECRETS_ALL,
                                    .comments = &comment,
                                    .comments_count = 1};
    assert_int_equal(capture_finish(&finish, &err), 0);
    read_kinds(kinds, sizeof kinds, &events);
    const char *secret = strchr(kinds, 'A' + PCAPNG_SECRETS);
    assert_non_null(secret);
    assert_true(secret < strchr(kinds, 'A' + PCAPNG_PACKET));
    assert_null(strchr(secret + 1, 'A' + PCAPNG_SECRETS));
    /* The key is a secret of the file, and no event. */
    assert_int_equal(buf_len(&events), sizeof event_line - 1);
    assert_memory_equal(buf_head(&events), event_line, sizeof event_line - 1);
    buf_free(&events);
    check_streams("127.0.0.1", 4000, "127.0.0.2", 443);
}

static void a_long_event_is_spread_over_blocks(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct wire *wire;
    struct buf events = {0};
    char kinds[64];
    size_t len = 300000;
    char *line = malloc(len);
    assert_non_null(line);
    memset(line, 'e', len);
    assert_int_equal(wire_open(path, &wire, &err), 0);
    wire_event(wire, line, len);
    assert_int_equal(wire_close(wire, &err), 0);
    read_kinds(kinds, sizeof kinds, &events);
    assert_int_equal(buf_len(&events), len);
    assert_memory_equal(buf_head(&events), line, len);
    buf_free(&events);
    free(line);
}

/* ---- connections that do not come about ---------------------------------- */

enum { TCP_FLAGS_AT = 14 + 20 + 13 }; /* behind Ethernet and IPv4 */

/* The TCP flags of all frames, in hexadecimal: "02 12 10". */
static void read_flags(char *out, size_t room)
{
    struct err err = ERR_INIT;
    struct pcapng_file *file;
    struct pcapng_block block;
    *out = '\0';
    assert_int_equal(pcapng_open(path, &file, &err), 0);
    while (pcapng_file_next(file, &block, &err) > 0) {
        size_t used = strlen(out);
        if (block.kind == PCAPNG_PACKET)
            snprintf(out + used, room - used, "%s%02x", used ? " " : "",
                     block.packet.bytes[TCP_FLAGS_AT]);
    }
    pcapng_close(file);
}

static void a_dial_is_a_syn_and_what_became_of_it(void **state)
{
    (void)state;
    static const struct {
        bool refused, connected;
        const char *flags;
    } rows[] = {
        {true, false, "02 14"},
        {false, true, "02 12 10 11 11 10"},
        {false, false, "02"}, /* nobody answered: nothing ends either */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        struct wire *wire;
        struct wire_link link = {0};
        union address from = address_of("127.0.0.1:4000"),
                      to = address_of("127.0.0.2:443");
        char flags[64];
        assert_int_equal(wire_open(path, &wire, &err), 0);
        wire_dial(&link, wire, WIRE_SERVER, &from, &to);
        if (rows[i].connected)
            wire_begin(&link, wire, WIRE_SERVER, &from, &to);
        if (rows[i].refused)
            wire_refused(&link);
        wire_finish(&link, true);
        wire_finish(&link, false);
        wire_reset(&link, true);
        assert_int_equal(wire_close(wire, &err), 0);
        read_flags(flags, sizeof flags);
        assert_string_equal(flags, rows[i].flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dial_is_a_syn_and_what_became_of_it),
        cmocka_unit_test(two_legs_read_back_as_they_were_told),
        cmocka_unit_test(ipv6_is_recorded_as_ipv6),
        cmocka_unit_test(
            a_finished_file_has_secrets_first_and_keeps_its_events),
        cmocka_unit_test(a_long_event_is_spread_over_blocks),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
