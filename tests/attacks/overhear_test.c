/* SPDX-License-Identifier: MIT
 *
 * Frames in, secrets out: with the place in the stream that a capture can
 * find again, and in spite of what happens on a wire. */
#include "tests/attacks/events.h"

#include "attacks/overhear.h"
#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"

#include <stdlib.h>
#include <string.h>

static const char request[] = "POST /login HTTP/1.1\r\n\r\npassword=correct";
static const char answer[] = "HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\n\r\n";

/* A conversation in the making. */
struct wire {
    struct overhear *overhear;
    struct secrets_look look;
    uint16_t port;   /* of the victim */
    uint32_t seq[2]; /* next of victim and server */
};

static void frame(struct wire *wire, int from, uint8_t flags, uint32_t seq,
                  const void *bytes, size_t len)
{
    static const uint8_t addresses[2][4] = {{192, 0, 2, 17}, {192, 0, 2, 10}};
    struct packet_segment segment = {
        .src_port = from ? 80 : wire->port,
        .dst_port = from ? wire->port : 80,
        .seq = seq,
        .flags = flags,
        .payload = bytes,
        .payload_len = len,
    };
    struct buf out = {0};
    memcpy(segment.src, addresses[from], 4);
    memcpy(segment.dst, addresses[!from], 4);
    assert_int_equal(packet_build(&out, &segment), 0);
    overhear_frame(wire->overhear, PCAPNG_LINK_ETHERNET, buf_head(&out),
                   buf_len(&out));
    buf_free(&out);
}

static void open_wire(struct wire *wire, uint16_t port)
{
    wire->port = port;
    if (!wire->overhear)
        wire->overhear = overhear_new(&wire->look);
    wire->seq[0] = 0xfffffff0; /* it wraps on the way */
    wire->seq[1] = 1000;
    frame(wire, 0, PACKET_SYN, wire->seq[0]++, NULL, 0);
    frame(wire, 1, PACKET_SYN | PACKET_ACK, wire->seq[1]++, NULL, 0);
}

static void say(struct wire *wire, int from, const char *text, size_t len)
{
    frame(wire, from, PACKET_ACK | PACKET_PSH, wire->seq[from], text, len);
    wire->seq[from] += (uint32_t)len;
}

static void say_all(struct wire *wire, int from, const char *text)
{
    say(wire, from, text, strlen(text));
}

static void expect(const char *value, const char *dir, long long at)
{
    json_t *event = events_next();
    assert_non_null(event);
    assert_string_equal(events_text(event, "kind"), "secret.read");
    assert_string_equal(events_text(event, "value"), value);
    if (dir) {
        json_t *tuple = json_object_get(event, "tuple");
        assert_string_equal(events_text(event, "dir"), dir);
        assert_int_equal(events_number(event, "at"), at);
        assert_int_equal(events_number(event, "len"), strlen(value));
        assert_string_equal(json_string_value(json_array_get(tuple, 0)),
                            "192.0.2.17");
        assert_int_equal(json_integer_value(json_array_get(tuple, 3)), 80);
    } else {
        assert_null(json_object_get(event, "tuple"));
    }
    json_decref(event);
}

static long long place_in(const char *text, const char *of)
{
    return strstr(text, of) - text;
}

static void a_login_is_read_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        struct wire wire = {0};
        open_wire(&wire, 40000);
        say(&wire, 0, request, cut);
        say(&wire, 0, request + cut, sizeof request - 1 - cut);
        assert_null(events_next()); /* there could be more to come */
        say_all(&wire, 1, answer);
        expect("correct", "up", place_in(request, "correct"));
        expect("s=1", "down", place_in(answer, "s=1"));
        assert_null(events_next());
        overhear_free(wire.overhear);
    }
}

static void what_comes_twice_is_read_once(void **state)
{
    struct wire wire = {0};
    (void)state;
    open_wire(&wire, 40000);
    uint32_t start = wire.seq[0];
    say(&wire, 0, request, 30);
    frame(&wire, 0, PACKET_ACK, start, request, 30);
    frame(&wire, 0, PACKET_ACK, start + 20, request + 20,
          sizeof request - 1 - 20); /* half of it again */
    frame(&wire, 0, PACKET_ACK | PACKET_FIN,
          start + (uint32_t)sizeof request - 1, NULL, 0);
    expect("correct", "up", place_in(request, "correct"));
    assert_null(events_next());
    overhear_free(wire.overhear);
}

static void a_gap_is_not_papered_over(void **state)
{
    struct wire wire = {0};
    (void)state;
    open_wire(&wire, 40000);
    say_all(&wire, 0, "password=cor");
    wire.seq[0] += 4; /* lost: "rect" */
    say_all(&wire, 0, "&password=second");
    say_all(&wire, 1, answer);
    expect("second", "up", 26);
    overhear_free(wire.overhear);
    expect("s=1", "down", place_in(answer, "s=1"));
    assert_null(events_next());
}

static void who_came_late_says_no_place(void **state)
{
    struct wire wire = {.port = 40000};
    wire.overhear = overhear_new(&wire.look);
    (void)state;
    say_all(&wire, 0, request);
    say_all(&wire, 1, answer);
    expect("correct", NULL, 0);
    expect("s=1", NULL, 0);
    overhear_free(wire.overhear);
}

static void the_same_ports_may_be_used_again(void **state)
{
    struct wire wire = {0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_wire(&wire, 40000);
        say_all(&wire, 0, request);
        frame(&wire, 0, PACKET_RST, wire.seq[0], NULL, 0);
        expect("correct", "up", place_in(request, "correct"));
    }
    overhear_free(wire.overhear);
    assert_null(events_next());
}

static void named_texts_are_found_in_either_direction(void **state)
{
    struct wire wire = {.look = {{"bob"}, {3}, 1}};
    (void)state;
    open_wire(&wire, 40000);
    say_all(&wire, 0, "payee=b");
    say_all(&wire, 0, "ob&");
    say_all(&wire, 1, "<p>bob");
    expect("bob", "up", 6);
    expect("bob", "down", 3);
    overhear_free(wire.overhear);
}

static void many_conversations_cost_a_bounded_memory(void **state)
{
    struct wire wire = {0};
    (void)state;
    for (uint16_t port = 1024; port < 5000; port++) {
        open_wire(&wire, port);
        say_all(&wire, 0, request);
    }
    say_all(&wire, 1, answer);
    expect("correct", "up", place_in(request, "correct"));
    overhear_free(wire.overhear);
    unsigned kept = 0;
    for (json_t *event; (event = events_next()); json_decref(event))
        kept++;
    assert_in_range(kept, 500, 1025); /* with the cookie of the answer */
}

static void nonsense_does_no_harm(void **state)
{
    struct secrets_look look = {0};
    struct overhear *overhear = overhear_new(&look);
    unsigned seed = 3;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[96];
        size_t len = (size_t)(i % 96);
        for (size_t at = 0; at < len; at++) {
            seed = seed * 1103515245 + 12345;
            bytes[at] = (uint8_t)(seed >> 16);
        }
        if (len > 24 && i % 2) { /* at least it looks like IP and TCP */
            bytes[12] = 8, bytes[13] = 0;
            bytes[14] = 0x45, bytes[23] = 6;
        }
        uint8_t *copy = test_malloc(len + 1);
        memcpy(copy, bytes, len);
        overhear_frame(overhear, PCAPNG_LINK_ETHERNET, copy, len);
        test_free(copy);
    }
    overhear_free(overhear);
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, events_open, events_close)
    const struct CMUnitTest tests[] = {
        CASE(a_login_is_read_wherever_it_is_cut),
        CASE(what_comes_twice_is_read_once),
        CASE(a_gap_is_not_papered_over),
        CASE(who_came_late_says_no_place),
        CASE(the_same_ports_may_be_used_again),
        CASE(named_texts_are_found_in_either_direction),
        CASE(many_conversations_cost_a_bounded_memory),
        CASE(nonsense_does_no_harm),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
