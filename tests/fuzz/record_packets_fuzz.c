/* SPDX-License-Identifier: MIT
 *
 * Anybody's capture: what is told of its packets is lines of JSON, whatever
 * the packets are. */
#include "labs/report/record_packets.h"
#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *const fuzz_words[] = {"\x0a\x0d\x0d\x0a",
                                  "GET ",
                                  " HTTP/1.1\r\n",
                                  "HTTP/1.1 200 OK\r\n",
                                  "\x16\x03\x01",
                                  "\x15\x03\x03\x00\x02\x02\x30",
                                  "\"",
                                  "\\",
                                  NULL};

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_lines(const struct buf *lines)
{
    const char *at = (const char *)buf_head(lines);
    size_t left = buf_len(lines);
    while (left) {
        const char *end = memchr(at, '\n', left);
        must(end);
        size_t len = (size_t)(end - at);
        json_t *line = json_loadb(at, len, JSON_ALLOW_NUL, NULL);
        must(json_is_string(json_object_get(line, "kind")));
        must(json_array_size(json_object_get(line, "tuple")) == 4);
        json_decref(line);
        left -= len + 1;
        at = end + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct capture_index *index;
    struct buf lines = {0};
    struct err err = ERR_INIT;
    if (capture_index_read(bytes, len, &index, &err))
        return 0;
    record_packets(index, &lines);
    check_lines(&lines);
    buf_free(&lines);
    capture_index_free(index);
    return 0;
}

static void put(struct buf *file, bool up, uint32_t seq, uint8_t flags,
                const void *bytes, size_t len)
{
    struct buf frame = {0};
    struct packet_segment segment = {.src = {127, 0, 0, up ? 1 : 2},
                                     .dst = {127, 0, 0, up ? 2 : 1},
                                     .src_port = up ? 4000 : 80,
                                     .dst_port = up ? 80 : 4000,
                                     .seq = seq,
                                     .flags = flags,
                                     .payload = bytes,
                                     .payload_len = len};
    packet_build(&frame, &segment);
    struct pcapng_packet packet = {.bytes = buf_head(&frame),
                                   .len = (uint32_t)buf_len(&frame),
                                   .original = (uint32_t)buf_len(&frame)};
    pcapng_put_packet(file, &packet);
    buf_free(&frame);
}

static void seed(void (*add)(const void *bytes, size_t len), const char *up,
                 size_t up_len, const char *down, size_t down_len)
{
    struct pcapng_section section = {0};
    struct pcapng_interface interface = {.name = "any", .link = 1};
    struct buf file = {0};
    pcapng_put_section(&file, &section);
    pcapng_put_interface(&file, &interface);
    put(&file, true, 9, PACKET_SYN, "", 0);
    put(&file, false, 19, PACKET_SYN | PACKET_ACK, "", 0);
    put(&file, true, 10, PACKET_ACK, up, up_len);
    put(&file, false, 20, PACKET_ACK, down, down_len);
    add(buf_head(&file), buf_len(&file));
    buf_free(&file);
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char asked[] = "GET /a?b=\"c HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char answered[] = "HTTP/1.1 404 Not Found\r\n\r\n";
    static const char hello[] =
        "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"
        "0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x00";
    static const char alert[] = "\x15\x03\x03\x00\x02\x02\x30";
    seed(add, asked, sizeof asked - 1, answered, sizeof answered - 1);
    seed(add, hello, sizeof hello - 1, alert, sizeof alert - 1);
}
