/* SPDX-License-Identifier: MIT
 *
 * What pcapng.h writes, it reads; and a cut or broken file is no danger. */
#include "tests/proxy/capture/wire.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[] = "/tmp/mitmlab-pcapng-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file.pcapng", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* One of every block. */
static void make_sample(struct wire *wire)
{
    static const struct pcapng_name names[] = {
        {"192.0.2.1", "victim.lab.test"},
        {"2001:db8:66::1", "victim.lab.test"},
        {"no address", "left.out"}};
    static const char key[] = "CLIENT_RANDOM 00 11\n";
    struct pcapng_stats stats = {
        .interface = 1, .time_ns = 7, .received = 12, .dropped = 3};
    wire_start(wire);
    pcapng_put_names(&wire->file, names, 3);
    pcapng_put_secrets(&wire->file, key, sizeof key - 1);
    wire_open(wire);
    wire->comment = "the request";
    wire_text(wire, WIRE_VICTIM, "GET / HTTP/1.1\r\n\r\n");
    wire->comment = NULL;
    wire_end(wire);
    stats.time_ns = wire->time_ns;
    pcapng_put_stats(&wire->file, &stats);
}

static void reader_returns_what_was_written(void **state)
{
    static const enum pcapng_kind kinds[] = {
        PCAPNG_SECTION, PCAPNG_INTERFACE, PCAPNG_INTERFACE, PCAPNG_NAMES,
        PCAPNG_SECRETS, PCAPNG_PACKET,    PCAPNG_PACKET,    PCAPNG_PACKET,
        PCAPNG_PACKET,  PCAPNG_PACKET,    PCAPNG_PACKET,    PCAPNG_PACKET,
        PCAPNG_STATS};
    struct wire wire;
    struct pcapng_reader reader = {0};
    struct pcapng_block block;
    struct err err = ERR_INIT;
    (void)state;
    make_sample(&wire);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ssize_t used = pcapng_next(&reader, buf_head(&wire.file),
                                   buf_len(&wire.file), &block, &err);
        assert_true(used > 0);
        assert_int_equal(kinds[i], block.kind);
        if (block.kind == PCAPNG_PACKET && block.number == 4) {
            assert_int_equal(0, block.packet.interface);
            assert_int_equal(PCAPNG_OUTBOUND, block.packet.flags);
            assert_int_equal(54 + 18, block.packet.len);
            assert_int_equal(wire.time_ns - 3000, block.packet.time_ns);
            assert_int_equal(11, block.packet.comment_len);
            assert_memory_equal("the request", block.packet.comment, 11);
        }
        if (block.kind == PCAPNG_SECRETS)
            assert_memory_equal("CLIENT_RANDOM", block.secrets.bytes, 13);
        buf_consume(&wire.file, (size_t)used);
    }
    assert_int_equal(0, buf_len(&wire.file));
    assert_int_equal(7, reader.packets);
    assert_int_equal(3, block.stats.dropped);
    assert_int_equal(12, block.stats.received);
    assert_string_equal("server", reader.interfaces[1].name);
    buf_free(&wire.file);
}

/* Read a copy that is exactly so long, so that a byte too far is caught. */
static size_t read_cut(const struct wire *wire, size_t len)
{
    struct pcapng_reader reader = {0};
    struct pcapng_block block;
    struct err err = ERR_INIT;
    uint8_t *copy = malloc(len ? len : 1);
    size_t at = 0;
    ssize_t used;
    memcpy(copy, buf_head(&wire->file), len);
    while ((used = pcapng_next(&reader, copy + at, len - at, &block, &err)) > 0)
        at += (size_t)used;
    assert_int_equal(0, used);
    free(copy);
    return at;
}

static void a_file_cut_anywhere_ends_with_its_last_whole_block(void **state)
{
    struct wire wire;
    struct err err = ERR_INIT;
    struct stat now;
    (void)state;
    make_sample(&wire);
    for (size_t len = 0; len <= buf_len(&wire.file); len++) {
        size_t whole = read_cut(&wire, len);
        uint64_t cut = 0;
        wire_save(&wire, path, len);
        int rc = pcapng_repair(path, &cut, &err);
        assert_int_equal(whole ? 0 : -1, rc);
        assert_int_equal(0, stat(path, &now));
        assert_int_equal(whole ? whole : len, now.st_size);
        if (whole)
            assert_int_equal(len - whole, cut);
    }
    buf_free(&wire.file);
}

static void wireshark_accepts_a_repaired_file(void **state)
{
    struct wire wire;
    struct err err = ERR_INIT;
    uint64_t cut;
    char line[256], out[4096];
    (void)state;
    need(wire_has("capinfos"), "capinfos");
    make_sample(&wire);
    snprintf(line, sizeof line, "capinfos %s 2>&1", path);
    for (size_t back = 1; back < 200; back += 53) {
        wire_save(&wire, path, buf_len(&wire.file) - back);
        assert_int_equal(0, pcapng_repair(path, &cut, &err));
        int status = wire_shell(line, out, sizeof out);
        if (status)
            print_error("%s", out);
        assert_int_equal(0, status);
    }
    assert_non_null(strstr(out, "a capture made by hand"));
    buf_free(&wire.file);
}

static void a_file_of_the_other_byte_order_can_be_read(void **state)
{
    static const uint32_t words[] = {
        0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00010000, ~0u, ~0u, 28,
        /* interface: Ethernet, no options, microseconds */
        1, 20, 0x00010000, 0, 20,
        /* packet: 4 bytes, 1.5 s after 1970 */
        6, 36, 0, 0, 1500000, 4, 4, 0x61626364, 36};
    uint32_t swapped[sizeof words / sizeof *words];
    struct pcapng_reader reader = {0};
    struct pcapng_block block;
    struct err err = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        swapped[i] = bswap_32(words[i]);
    const uint8_t *at = (const uint8_t *)swapped;
    size_t left = sizeof swapped;
    for (ssize_t used; left; at += used, left -= (size_t)used) {
        used = pcapng_next(&reader, at, left, &block, &err);
        assert_true(used > 0);
    }
    assert_int_equal(PCAPNG_PACKET, block.kind);
    assert_int_equal(1500000000, block.packet.time_ns);
    assert_memory_equal("abcd", block.packet.bytes, 4);
}

static void nonsense_is_refused(void **state)
{
    /* Overwrite one 32-bit word of the sample and say what must be noticed. */
    static const struct {
        size_t at;
        uint32_t value;
    } rows[] = {
        {0, 1},           /* no section header */
        {4, 11},          /* a length that no block can have */
        {4, 13},          /* not a multiple of four */
        {4, 0x7ffffffc},  /* longer than we read */
        {8, 0x12345678},  /* neither byte order */
        {12, 2},          /* version 2 */
        {24, 0x40000001}, /* an option that runs over its block */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire wire;
        struct pcapng_reader reader = {0};
        struct pcapng_block block;
        struct err err = ERR_INIT;
        make_sample(&wire);
        memcpy(buf_head(&wire.file) + rows[i].at, &rows[i].value, 4);
        assert_int_equal(-1, pcapng_next(&reader, buf_head(&wire.file),
                                         buf_len(&wire.file), &block, &err));
        assert_non_null(strstr(err.text, "not a pcapng file"));
        buf_free(&wire.file);
    }
}

static void a_growing_file_is_read_block_by_block(void **state)
{
    struct wire wire;
    struct pcapng_file *file;
    struct pcapng_block block;
    struct err err = ERR_INIT;
    unsigned packets = 0;
    (void)state;
    make_sample(&wire);
    wire_save(&wire, path, 0);
    assert_int_equal(0, pcapng_open(path, &file, &err));
    int fd = open(path, O_WRONLY | O_APPEND);
    for (size_t i = 0; i < buf_len(&wire.file); i++) {
        assert_int_equal(1, write(fd, buf_head(&wire.file) + i, 1));
        int got = pcapng_file_next(file, &block, &err);
        assert_true(got >= 0);
        packets += got && block.kind == PCAPNG_PACKET;
    }
    assert_int_equal(7, packets);
    assert_int_equal(buf_len(&wire.file), pcapng_file_whole(file));
    close(fd);
    pcapng_close(file);
    buf_free(&wire.file);
}

static void a_full_disk_leaves_whole_blocks(void **state)
{
    struct wire wire;
    struct err err = ERR_INIT;
    struct rlimit old, limit;
    struct stat now;
    uint64_t whole = 0;
    (void)state;
    make_sample(&wire);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){buf_len(&wire.file) + 10, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0600);
    struct buf block = {0};
    buf_append(&block, buf_head(&wire.file), buf_len(&wire.file));
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(0, pcapng_write(fd, &block, &whole, &err));
    buf_append(&block, buf_head(&wire.file), buf_len(&wire.file));
    assert_int_equal(-1, pcapng_write(fd, &block, &whole, &err));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(0, fstat(fd, &now));
    assert_int_equal(buf_len(&wire.file), now.st_size);
    close(fd);
    buf_free(&block);
    buf_free(&wire.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_returns_what_was_written),
        cmocka_unit_test(a_file_cut_anywhere_ends_with_its_last_whole_block),
        cmocka_unit_test(wireshark_accepts_a_repaired_file),
        cmocka_unit_test(a_file_of_the_other_byte_order_can_be_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_growing_file_is_read_block_by_block),
        cmocka_unit_test(a_full_disk_leaves_whole_blocks),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
