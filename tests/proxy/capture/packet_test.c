/* SPDX-License-Identifier: MIT
 *
 * One frame, both ways. */
#include "tests/proxy/capture/wire.h"

#include <netinet/in.h>
#include <sys/socket.h>

static const uint8_t tcp6[] = {2,    0x66, 0,   0,    0,    2,
                               2,    0x66, 0,   0,    0,    1,
                               0x86, 0xdd, /* Ethernet */
                               0x60, 0,    0,   0,    0,    31,
                               0,    64, /* IPv6, hop-by-hop options follow */
                               0x20, 1,    0xd, 0xb8, 0,    0x66,
                               0,    0,    0,   0,    0,    0,
                               0,    0,    0,   1,    0x20, 1,
                               0xd,  0xb8, 0,   0x66, 0,    0,
                               0,    0,    0,   0,    0,    0,
                               0,    2,    6,   0,    1,    4,
                               0,    0,    0,   0, /* hop-by-hop, then TCP */
                               0x30, 0x39, 0,   80,   0,    0,
                               0,    9,    0,   0,    0,    8,
                               0x50, 0x18, 1,   0,    0,    0,
                               0,    0,    'a', 'b',  'c',  0,
                               0,    0,    0 /* and Ethernet padding */};

static const uint8_t arp_tagged[] = {
    255,  255, 255, 255,  255,  255, 2, 0x66, 0, 0, 0, 3, 0x81,
    0x00, 0,   7,   0x08, 0x06, 0,   1, 8,    0, 6, 4, 0, 2};

static void ipv6_is_taken_apart_and_padding_cut_off(void **state)
{
    struct packet packet;
    char text[PACKET_ADDRESS_TEXT];
    (void)state;
    packet_parse(PCAPNG_LINK_ETHERNET, tcp6, sizeof tcp6, &packet);
    assert_int_equal(AF_INET6, packet.family);
    assert_true(packet_is_tcp(&packet));
    assert_int_equal(12345, packet.src_port);
    assert_int_equal(80, packet.dst_port);
    assert_int_equal(9, packet.seq);
    assert_int_equal(3, packet.payload_len);
    assert_memory_equal("abc", packet.payload, 3);
    packet_address(packet.family, packet.dst, text);
    assert_string_equal("2001:db8:66::2", text);
}

static void arp_behind_a_vlan_tag_is_seen(void **state)
{
    struct packet packet;
    (void)state;
    packet_parse(PCAPNG_LINK_ETHERNET, arp_tagged, sizeof arp_tagged, &packet);
    assert_int_equal(0x0806, packet.ether_type);
    assert_int_equal(0, packet.family);
    assert_memory_equal(arp_tagged + 6, packet.mac_src, 6);
    assert_int_equal(8, packet.body_len);
}

/* Any length, any link: no byte behind the frame is looked at. */
static void a_frame_cut_anywhere_is_harmless(void **state)
{
    static const uint16_t links[] = {PCAPNG_LINK_ETHERNET, PCAPNG_LINK_RAW,
                                     PCAPNG_LINK_COOKED,   PCAPNG_LINK_COOKED2,
                                     PCAPNG_LINK_IPV4,     999};
    (void)state;
    for (size_t link = 0; link < sizeof links / sizeof *links; link++) {
        for (size_t len = 0; len <= sizeof tcp6; len++) {
            uint8_t *copy = malloc(len ? len : 1);
            struct packet packet;
            memcpy(copy, tcp6, len);
            packet_parse(links[link], copy, len, &packet);
            assert_true(packet.payload_len <= len);
            assert_true(packet.payload >= copy);
            free(copy);
        }
    }
}

static void what_is_built_is_parsed_alike(void **state)
{
    struct buf frame = {0};
    struct packet packet;
    struct packet_segment segment = {.src = {127, 66, 1, 2},
                                     .dst = {127, 66, 1, 3},
                                     .src_port = 5,
                                     .dst_port = 6,
                                     .seq = 0xfffffff0,
                                     .ack = 77,
                                     .flags = PACKET_ACK,
                                     .payload = (const uint8_t *)"odd",
                                     .payload_len = 3};
    (void)state;
    assert_int_equal(0, packet_build(&frame, &segment));
    packet_parse(PCAPNG_LINK_ETHERNET, buf_head(&frame), buf_len(&frame),
                 &packet);
    assert_true(packet_is_tcp(&packet));
    assert_int_equal(0xfffffff0, packet.seq);
    assert_int_equal(77, packet.ack);
    assert_memory_equal("odd", packet.payload, 3);
    segment.payload_len = 70000;
    assert_int_equal(-1, packet_build(&frame, &segment));
    buf_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_is_taken_apart_and_padding_cut_off),
        cmocka_unit_test(arp_behind_a_vlan_tag_is_seen),
        cmocka_unit_test(a_frame_cut_anywhere_is_harmless),
        cmocka_unit_test(what_is_built_is_parsed_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
