/* SPDX-License-Identifier: MIT
 *
 * Which frame carried which byte, whatever TCP did on the way. */
#include "proxy/capture/index.h"
#include "tests/proxy/capture/wire.h"

#include <sys/socket.h>

static const struct index_tuple tuple = {"192.0.2.1", 40000, "192.0.2.2", 80};

static struct capture_index *load(struct wire *wire)
{
    struct capture_index *index = NULL;
    struct err err = ERR_INIT;
    int rc = capture_index_read(buf_head(&wire->file), buf_len(&wire->file),
                                &index, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(0, rc);
    buf_free(&wire->file);
    return index;
}

static uint64_t up(const struct capture_index *index, uint64_t offset)
{
    return index_frame_of(index, &tuple, INDEX_UP, offset, 0);
}

static void offsets_lead_to_frames_in_both_directions(void **state)
{
    struct wire wire;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    wire_text(&wire, WIRE_VICTIM, "0123456789"); /* 4 */
    wire_text(&wire, WIRE_SERVER, "abcdefghij"); /* 5 */
    wire_text(&wire, WIRE_VICTIM, "ABC");        /* 6 */
    wire_end(&wire);                             /* 7 8 9 */
    struct capture_index *index = load(&wire);
    assert_int_equal(9, index_count(index));
    assert_int_equal(4, up(index, 0));
    assert_int_equal(4, up(index, 9));
    assert_int_equal(6, up(index, 10));
    assert_int_equal(6, up(index, 12));
    assert_int_equal(0, up(index, 13));
    assert_int_equal(5, index_frame_of(index, &tuple, INDEX_DOWN, 9, 0));
    assert_int_equal(0, index_frame_of(index, &tuple, INDEX_DOWN, 10, 0));
    assert_int_equal(7, index_end_of(index, &tuple, INDEX_UP, 0));
    assert_int_equal(8, index_end_of(index, &tuple, INDEX_DOWN, 0));
    struct index_tuple other = tuple;
    other.src_port++;
    assert_int_equal(0, index_frame_of(index, &other, INDEX_UP, 0, 0));
    other.src = "nonsense";
    assert_int_equal(0, index_frame_of(index, &other, INDEX_UP, 0, 0));
    capture_index_free(index);
}

static void a_frame_says_what_it_is(void **state)
{
    struct wire wire;
    struct index_frame frame;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    wire_text(&wire, WIRE_SERVER, "hello");
    struct capture_index *index = load(&wire);
    assert_int_equal(-1, index_frame(index, 0, &frame));
    assert_int_equal(-1, index_frame(index, 5, &frame));
    assert_int_equal(0, index_frame(index, 4, &frame));
    assert_string_equal("server", frame.place);
    assert_string_equal("192.0.2.2", frame.src);
    assert_string_equal("192.0.2.1", frame.dst);
    assert_int_equal(80, frame.packet.src_port);
    assert_int_equal(5, frame.packet.payload_len);
    assert_int_equal(PACKET_ACK | PACKET_PSH, frame.packet.flags);
    assert_int_equal(1700000000000004000, frame.time_ns);
    assert_true(frame.tcp);
    assert_int_equal(0, frame.stream);
    assert_int_equal(0, frame.offset);
    capture_index_free(index);
}

/* "AAAA" "BBBB" "CCCC" in disorder, twice, overlapping. */
static void the_first_transmission_counts(void **state)
{
    struct wire wire;
    struct index_frame frame;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    uint32_t seq = wire.seq[WIRE_VICTIM];
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq, "AAAA", 4);       /* 4 */
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq + 8, "CCCC", 4);   /* 5 */
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq, "AAAA", 4);       /* 6 */
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq + 2, "AABB", 4);   /* 7 */
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq + 4, "BBBBCC", 6); /* 8 */
    wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq - 1, "x", 1);      /* 9 */
    struct capture_index *index = load(&wire);
    assert_int_equal(4, up(index, 0));
    assert_int_equal(4, up(index, 3));
    assert_int_equal(7, up(index, 4));
    assert_int_equal(7, up(index, 5));
    assert_int_equal(8, up(index, 6));
    assert_int_equal(5, up(index, 8));
    assert_int_equal(5, up(index, 11));
    uint8_t stream[32];
    assert_int_equal(12, index_bytes_of(index, &tuple, INDEX_UP, 0, 0, stream,
                                        sizeof stream));
    assert_memory_equal("AAAABBBBCCCC", stream, 12);
    index_frame(index, 6, &frame);
    assert_true(frame.again);
    index_frame(index, 7, &frame);
    assert_false(frame.again);
    index_frame(index, 9, &frame);
    assert_true(frame.again); /* a keep-alive probe */
    capture_index_free(index);
}

static void sequence_numbers_may_wrap(void **state)
{
    struct wire wire;
    char chunk[1000];
    (void)state;
    memset(chunk, 'x', sizeof chunk);
    wire_start(&wire);
    wire.seq[WIRE_VICTIM] = 0xfffffff0;
    wire_open(&wire);
    for (int i = 0; i < 4; i++)
        wire_say(&wire, WIRE_VICTIM, PACKET_ACK, chunk, sizeof chunk);
    struct capture_index *index = load(&wire);
    for (uint64_t i = 0; i < 4000; i++)
        assert_int_equal(4 + i / 1000, up(index, i));
    capture_index_free(index);
}

/* More than 4 GiB in one direction: what was captured of it. */
static void a_stream_may_be_longer_than_its_sequence_numbers(void **state)
{
    struct wire wire;
    const uint32_t step = 200 << 20;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    uint32_t seq = wire.seq[WIRE_VICTIM];
    for (uint32_t i = 0; i < 30; i++)
        wire_segment(&wire, WIRE_VICTIM, PACKET_ACK, seq + i * step, "z", 1);
    struct capture_index *index = load(&wire);
    for (uint64_t i = 0; i < 30; i++)
        assert_int_equal(4 + i, up(index, i * step));
    capture_index_free(index);
}

/* A blind attacker's guess must not lead the true segments astray. */
static void a_forged_number_moves_nothing(void **state)
{
    struct wire wire;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    wire_text(&wire, WIRE_VICTIM, "first");
    for (uint32_t i = 1; i < 8; i++)
        wire_segment(&wire, WIRE_VICTIM, PACKET_RST | PACKET_ACK,
                     wire.seq[0] + i * 0x30000000u, "!", 1);
    wire_text(&wire, WIRE_VICTIM, "second");
    struct capture_index *index = load(&wire);
    assert_int_equal(12, up(index, 5));
    capture_index_free(index);
}

static void a_syn_with_a_new_number_opens_a_new_connection(void **state)
{
    struct wire wire;
    struct index_frame frame;
    (void)state;
    wire_start(&wire);
    wire_open(&wire);
    wire_segment(&wire, WIRE_VICTIM, PACKET_SYN, 1000, NULL, 0); /* 4: again */
    wire_text(&wire, WIRE_VICTIM, "one");                        /* 5 */
    wire_end(&wire);
    uint64_t between = wire.time_ns + 1;
    wire.seq[0] = 90000;
    wire.seq[1] = 70000;
    wire_open(&wire);                     /* 9 10 11 */
    wire_text(&wire, WIRE_VICTIM, "two"); /* 12 */
    struct capture_index *index = load(&wire);
    assert_int_equal(12, up(index, 0));
    assert_int_equal(5, index_frame_of(index, &tuple, INDEX_UP, 0, between));
    assert_int_equal(
        12, index_frame_of(index, &tuple, INDEX_UP, 0, between + 5000));
    index_frame(index, 5, &frame);
    assert_int_equal(0, frame.stream);
    index_frame(index, 12, &frame);
    assert_int_equal(1, frame.stream);
    capture_index_free(index);
}

static void a_connection_without_its_syn_starts_where_it_is_seen(void **state)
{
    struct wire wire;
    (void)state;
    wire_start(&wire);
    wire_text(&wire, WIRE_VICTIM, "already under way");
    struct capture_index *index = load(&wire);
    assert_int_equal(1, up(index, 3));
    capture_index_free(index);
}

static void both_tuples_of_a_relayed_connection_lead_to_it(void **state)
{
    struct wire wire;
    char comment[INDEX_ALIAS_TEXT];
    /* The victim dialled another address, from another port; with these two
     * the order of the ends is the other way round. */
    const struct index_tuple seen = {"203.0.113.9", 1234, "127.0.0.1", 8443};
    (void)state;
    index_alias_text(&seen, comment);
    wire_start(&wire);
    wire.comment = comment;
    wire_say(&wire, WIRE_VICTIM, PACKET_SYN, NULL, 0);
    wire.comment = NULL;
    wire_say(&wire, WIRE_SERVER, PACKET_SYN | PACKET_ACK, NULL, 0);
    wire_text(&wire, WIRE_VICTIM, "question");
    wire_text(&wire, WIRE_SERVER, "answer");
    struct capture_index *index = load(&wire);
    assert_int_equal(3, up(index, 0));
    assert_int_equal(3, index_frame_of(index, &seen, INDEX_UP, 0, 0));
    assert_int_equal(4, index_frame_of(index, &seen, INDEX_DOWN, 0, 0));
    capture_index_free(index);
}

static uint64_t find(const struct capture_index *index, const char *text)
{
    struct index_query query = {.bytes = text, .len = strlen(text)};
    return index_find(index, &query);
}

static void bytes_are_found_within_and_across_segments(void **state)
{
    static const uint8_t arp[] = {
        255, 255, 255, 255, 255, 255, 2, 0x66, 0,   0,   0,   1,   0x08, 0x06,
        0,   1,   8,   0,   6,   4,   0, 1,    'a', 'r', 'p', 'a', 'r',  'p'};
    struct wire wire;
    (void)state;
    wire_start(&wire);
    wire_frame(&wire, WIRE_VICTIM, arp, sizeof arp);  /* 1 */
    wire_open(&wire);                                 /* 2 3 4 */
    wire_text(&wire, WIRE_VICTIM, "user=alice&pass"); /* 5 */
    wire_text(&wire, WIRE_SERVER, "pass");            /* 6 */
    wire_text(&wire, WIRE_VICTIM, "word=s3");         /* 7 */
    wire_text(&wire, WIRE_VICTIM, "c");               /* 8 */
    wire_text(&wire, WIRE_VICTIM, "ret!");            /* 9 */
    uint64_t until = wire.time_ns;
    wire_text(&wire, WIRE_SERVER, "alice"); /* 10 */
    struct capture_index *index = load(&wire);
    assert_int_equal(1, find(index, "arparp"));
    assert_int_equal(5, find(index, "alice"));
    assert_int_equal(5, find(index, "password"));
    assert_int_equal(5, find(index, "password=s3cret!"));
    assert_int_equal(7, find(index, "s3cret"));
    assert_int_equal(0, find(index, "s3cret!!"));
    assert_int_equal(0, find(index, ""));
    struct index_query query = {.bytes = "alice", .len = 5, .place = "server"};
    assert_int_equal(10, index_find(index, &query));
    query.to_ns = until;
    assert_int_equal(0, index_find(index, &query));
    query = (struct index_query){.bytes = "alice", .len = 5, .from_frame = 6};
    assert_int_equal(10, index_find(index, &query));
    query.to_frame = 9;
    assert_int_equal(0, index_find(index, &query));
    query =
        (struct index_query){.bytes = "password", .len = 8, .one_frame = true};
    assert_int_equal(0, index_find(index, &query));
    capture_index_free(index);
}

static void a_growing_file_is_taken_in_step_by_step(void **state)
{
    char path[] = "/tmp/mitmlab-index-XXXXXX";
    struct wire wire;
    struct capture_index *index;
    struct err err = ERR_INIT;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd != -1);
    wire_start(&wire);
    wire_open(&wire);
    size_t half = buf_len(&wire.file) - 7;
    wire_text(&wire, WIRE_VICTIM, "late");
    const uint8_t *bytes = buf_head(&wire.file);
    size_t rest = buf_len(&wire.file) - half;
    assert_int_equal(half, write(fd, bytes, half));
    assert_int_equal(0, capture_index_load(path, &index, &err));
    assert_int_equal(2, index_count(index));
    assert_int_equal(rest, write(fd, bytes + half, rest));
    assert_int_equal(0, index_refresh(index, &err));
    assert_int_equal(4, index_count(index));
    assert_int_equal(4, up(index, 0));
    assert_int_equal(0, index_refresh(index, &err));
    capture_index_free(index);
    buf_free(&wire.file);
    close(fd);
    unlink(path);
}

/* Wireshark numbers connections and offsets as we do. */
static void wireshark_counts_alike(void **state)
{
    char path[] = "/tmp/mitmlab-index-XXXXXX", line[512], out[4096];
    struct wire wire;
    (void)state;
    need(wire_has("tshark"), "tshark");
    int fd = mkstemp(path);
    wire_start(&wire);
    wire_open(&wire);
    wire_text(&wire, WIRE_VICTIM, "one");
    wire_end(&wire);
    wire.seq[0] = 0xfffffffe;
    wire_open(&wire);
    wire_text(&wire, WIRE_VICTIM, "two");
    wire_text(&wire, WIRE_VICTIM, "three");
    wire_save(&wire, path, buf_len(&wire.file));
    struct capture_index *index = load(&wire);
    snprintf(line, sizeof line,
             "tshark -r %s -o tcp.relative_sequence_numbers:TRUE -T fields "
             "-e frame.number -e tcp.stream -e tcp.seq -e frame.interface_name "
             "-Y 'tcp.len > 0' 2>/dev/null",
             path);
    assert_int_equal(0, wire_shell(line, out, sizeof out));
    unsigned rows = 0;
    for (char *rest, *row = strtok_r(out, "\n", &rest); row;
         row = strtok_r(NULL, "\n", &rest), rows++) {
        unsigned long long number, stream, seq;
        char place[16];
        struct index_frame frame;
        assert_int_equal(4, sscanf(row, "%llu %llu %llu %15s", &number, &stream,
                                   &seq, place));
        assert_int_equal(0, index_frame(index, number, &frame));
        assert_int_equal(stream, frame.stream);
        assert_int_equal(seq, frame.offset + 1);
        assert_string_equal(place, frame.place);
    }
    assert_int_equal(3, rows);
    capture_index_free(index);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_lead_to_frames_in_both_directions),
        cmocka_unit_test(a_frame_says_what_it_is),
        cmocka_unit_test(the_first_transmission_counts),
        cmocka_unit_test(sequence_numbers_may_wrap),
        cmocka_unit_test(a_stream_may_be_longer_than_its_sequence_numbers),
        cmocka_unit_test(a_forged_number_moves_nothing),
        cmocka_unit_test(a_syn_with_a_new_number_opens_a_new_connection),
        cmocka_unit_test(a_connection_without_its_syn_starts_where_it_is_seen),
        cmocka_unit_test(both_tuples_of_a_relayed_connection_lead_to_it),
        cmocka_unit_test(bytes_are_found_within_and_across_segments),
        cmocka_unit_test(a_growing_file_is_taken_in_step_by_step),
        cmocka_unit_test(wireshark_counts_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
