/* SPDX-License-Identifier: MIT
 *
 * A capture of any bytes: read it block by block, build the index over it and
 * ask everything that can be asked. */
#include "proxy/capture/index.h"
#include "proxy/capture/pcapng.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const char *const fuzz_words[] = {"\x0a\x0d\x0d\x0a",
                                  "\x4d\x3c\x2b\x1a",
                                  "\x1a\x2b\x3c\x4d",
                                  "\x08\x06",
                                  "\x86\xdd",
                                  "\xff\xff\xff\xff",
                                  "\x06\x01\x01\x01",
                                  "opened as 127.0.0.1 port 1 -> ::1 port 2",
                                  "\x45",
                                  "\x60",
                                  "\x02",
                                  "\x12",
                                  "\x18",
                                  NULL};

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* From a heap block of exactly this size. */
static void parse_exact(const uint8_t *bytes, size_t len, uint16_t link)
{
    struct packet packet;
    uint8_t *exact = malloc(len ? len : 1);
    must(exact);
    memcpy(exact, bytes, len);
    packet_parse(link, exact, len, &packet);
    must(packet.payload >= exact &&
         packet.payload + packet.payload_len <= exact + len);
    free(exact);
}

/* All blocks lie within the bytes, and only whole ones are counted. */
static void read_blocks(const uint8_t *bytes, size_t len)
{
    struct pcapng_reader reader = {0};
    struct pcapng_block block;
    struct err err = ERR_INIT;
    size_t at = 0;
    ssize_t used;
    while (at < len && (used = pcapng_next(&reader, bytes + at, len - at,
                                           &block, &err)) > 0) {
        must((size_t)used <= len - at && block.len == (size_t)used);
        if (block.kind == PCAPNG_PACKET) {
            const struct pcapng_packet *packet = &block.packet;
            must(packet->bytes >= bytes + at &&
                 packet->bytes + packet->len <= bytes + at + used);
            parse_exact(packet->bytes, packet->len,
                        reader.interfaces[packet->interface].link);
        }
        at += (size_t)used;
    }
}

static void ask_about(const struct capture_index *index,
                      const struct index_frame *frame)
{
    uint8_t stream[256];
    struct index_tuple tuple = {frame->src, frame->packet.src_port, frame->dst,
                                frame->packet.dst_port};
    uint64_t first = index_frame_of(index, &tuple, INDEX_UP, frame->offset, 0);
    must(first <= index_count(index));
    index_end_of(index, &tuple, INDEX_DOWN, frame->time_ns);
    must(index_bytes_of(index, &tuple, INDEX_UP, 0, 0, stream, sizeof stream) <=
         sizeof stream);
}

/* What stands in a frame is found there or before. */
static void find_again(const struct capture_index *index,
                       const struct index_frame *frame)
{
    struct index_query query = {.bytes = frame->packet.payload,
                                .len = frame->packet.payload_len};
    uint64_t found = index_find(index, &query);
    must(!query.len || (found && found <= frame->number));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct capture_index *index;
    struct err err = ERR_INIT;
    read_blocks(bytes, len);
    if (capture_index_read(bytes, len, &index, &err))
        return 0;
    for (uint64_t i = 1; i <= index_count(index) && i < 20; i++) {
        struct index_frame frame;
        must(!index_frame(index, i, &frame));
        must(frame.packet.payload_len <= frame.len);
        ask_about(index, &frame);
        find_again(index, &frame);
    }
    capture_index_free(index);
    return 0;
}

static void put_segment(struct buf *file, uint32_t seq, uint8_t flags,
                        const char *text, const char *comment)
{
    struct buf frame = {0};
    struct packet_segment segment = {.src = {127, 0, 0, 1},
                                     .dst = {127, 0, 0, 2},
                                     .src_port = 4000,
                                     .dst_port = 80,
                                     .seq = seq,
                                     .flags = flags,
                                     .payload = (const uint8_t *)text,
                                     .payload_len = strlen(text)};
    packet_build(&frame, &segment);
    struct pcapng_packet packet = {.bytes = buf_head(&frame),
                                   .len = (uint32_t)buf_len(&frame),
                                   .original = (uint32_t)buf_len(&frame),
                                   .comment = comment};
    pcapng_put_packet(file, &packet);
    buf_free(&frame);
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const struct pcapng_name name = {"127.0.0.1", "victim.lab.test"};
    struct pcapng_section section = {.comment = "a seed"};
    struct pcapng_interface interface = {.name = "victim", .link = 1};
    struct pcapng_stats stats = {.received = 3};
    struct buf file = {0};
    pcapng_put_section(&file, &section);
    pcapng_put_interface(&file, &interface);
    add(buf_head(&file), buf_len(&file));
    put_segment(&file, 9, PACKET_SYN, "",
                "opened as 127.0.0.1 port 1 -> 127.0.0.3 port 2");
    put_segment(&file, 10, PACKET_ACK, "GET / HT", NULL);
    put_segment(&file, 18, PACKET_ACK, "TP/1.1", NULL);
    put_segment(&file, 10, PACKET_ACK, "GET / HT", NULL);
    put_segment(&file, 24, PACKET_FIN | PACKET_ACK, "", NULL);
    add(buf_head(&file), buf_len(&file));
    interface.link = PCAPNG_LINK_RAW;
    interface.name = "raw";
    pcapng_put_interface(&file, &interface);
    pcapng_put_names(&file, &name, 1);
    pcapng_put_secrets(&file, "CLIENT_RANDOM 00 11\n", 20);
    pcapng_put_stats(&file, &stats);
    add(buf_head(&file), buf_len(&file));
    buf_free(&file);
}
