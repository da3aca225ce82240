/* SPDX-License-Identifier: MIT
 *
 * The strict reader of pcapng.h. Every length is checked against the block
 * that it stands in, and every block against PCAPNG_BLOCK_MOST, before a byte
 * behind it is looked at. */
#include "proxy/capture/pcapng.h"

#include "proxy/capture/pcapng_types.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A stretch of bytes that shrinks from the front as it is read. */
struct view {
    const uint8_t *at;
    size_t left;
    bool swapped;
};

static uint32_t peek32(const uint8_t *at, bool swapped)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return swapped ? bswap_32(value) : value;
}

static void skip(struct view *view, size_t len)
{
    view->at += len;
    view->left -= len;
}

/* The caller has checked view->left. */
static uint32_t take32(struct view *view)
{
    uint32_t value = peek32(view->at, view->swapped);
    skip(view, 4);
    return value;
}

static uint16_t take16(struct view *view)
{
    uint16_t value;
    memcpy(&value, view->at, sizeof value);
    skip(view, 2);
    return view->swapped ? bswap_16(value) : value;
}

static uint64_t take_halves(struct view *view)
{
    uint64_t upper = take32(view);
    return upper << 32 | take32(view);
}

static uint64_t take64(struct view *view)
{
    uint64_t value;
    memcpy(&value, view->at, sizeof value);
    skip(view, 8);
    return view->swapped ? bswap_64(value) : value;
}

struct option {
    uint16_t code, len;
    const uint8_t *value;
};

/* 1: an option; 0: no more; -1: it runs over the end of its block. */
static int next_option(struct view *view, struct option *out)
{
    if (view->left < 4)
        return view->left ? -1 : 0;
    out->code = take16(view);
    out->len = take16(view);
    if (out->code == OPTION_END)
        return out->len ? -1 : 0;
    if (pad4(out->len) > view->left)
        return -1;
    out->value = view->at;
    skip(view, pad4(out->len));
    return 1;
}

static int nonsense(struct err *err, const char *what)
{
    err_set(err, "not a pcapng file that we understand: %s", what);
    return -1;
}

/* ---- one function a block type: body in `view` -------------------------- */

static int read_section(struct pcapng_reader *reader, struct view *view,
                        struct pcapng_block *out, struct err *err)
{
    (void)out;
    if (view->left < 16)
        return nonsense(err, "a section header is too short");
    skip(view, 4); /* the byte order was looked at before */
    uint16_t major = take16(view);
    skip(view, 2 + 8);
    if (major != 1)
        return nonsense(err, "its version is not 1");
    struct option option;
    int more;
    while ((more = next_option(view, &option)) > 0)
        ;
    if (more)
        return nonsense(err, "an option of a section header is too long");
    reader->started = true;
    reader->swapped = view->swapped;
    reader->interfaces_count = 0;
    return 0;
}

static void keep_interface_option(struct pcapng_known *known,
                                  const struct option *option, bool swapped)
{
    if (option->code == OPTION_IF_NAME) {
        size_t len = option->len < sizeof known->name ? option->len
                                                      : sizeof known->name - 1;
        memcpy(known->name, option->value, len);
        known->name[len] = '\0';
    } else if (option->code == OPTION_IF_TSRESOL && option->len == 1) {
        known->resolution = option->value[0];
    } else if (option->code == OPTION_IF_TSOFFSET && option->len == 8) {
        struct view view = {option->value, 8, swapped};
        known->offset_s = (int64_t)take64(&view);
    }
}

static int read_interface(struct pcapng_reader *reader, struct view *view,
                          struct pcapng_block *out, struct err *err)
{
    if (view->left < 8)
        return nonsense(err, "an interface description is too short");
    if (reader->interfaces_count == PCAPNG_INTERFACES_MOST)
        return nonsense(err, "it has too many interfaces");
    struct pcapng_known known = {.resolution = 6};
    known.link = take16(view);
    skip(view, 2);
    known.snaplen = take32(view);
    struct option option;
    int more;
    while ((more = next_option(view, &option)) > 0)
        keep_interface_option(&known, &option, view->swapped);
    if (more)
        return nonsense(err, "an option of an interface is too long");
    out->number = reader->interfaces_count;
    reader->interfaces[reader->interfaces_count++] = known;
    return 0;
}

/* Ticks of an interface to nanoseconds since 1970. Nonsense in, some number
 * out: times of a foreign file decide nothing. */
static uint64_t nanoseconds(const struct pcapng_known *known, uint64_t ticks)
{
    unsigned power = known->resolution & 0x7f;
    if (known->resolution == 9 && !known->offset_s)
        return ticks; /* our own files */
    unsigned __int128 scaled = (unsigned __int128)ticks * 1000000000u;
    if (known->resolution & 0x80) {
        scaled >>= power;
    } else {
        for (; power && scaled; power--)
            scaled /= 10;
    }
    return (uint64_t)scaled + (uint64_t)known->offset_s * 1000000000u;
}

static int read_packet_options(struct view *view, struct pcapng_packet *packet)
{
    struct option option;
    int more;
    while ((more = next_option(view, &option)) > 0) {
        if (option.code == OPTION_COMMENT && !packet->comment && option.len) {
            packet->comment = (const char *)option.value;
            packet->comment_len = option.len;
        } else if (option.code == OPTION_FLAGS && option.len == 4) {
            packet->flags = peek32(option.value, view->swapped);
        }
    }
    return more;
}

static int read_packet(struct pcapng_reader *reader, struct view *view,
                       struct pcapng_block *out, struct err *err)
{
    if (view->left < 20)
        return nonsense(err, "a packet block is too short");
    struct pcapng_packet *packet = &out->packet;
    if (out->type == BLOCK_OLD_PACKET) {
        packet->interface = take16(view);
        skip(view, 2);
    } else {
        packet->interface = take32(view);
    }
    uint64_t ticks = take_halves(view);
    packet->len = take32(view);
    packet->original = take32(view);
    if (packet->interface >= reader->interfaces_count)
        return nonsense(err, "a packet names an interface that is not there");
    if (packet->len > view->left || pad4(packet->len) > view->left)
        return nonsense(err, "a packet is longer than its block");
    packet->time_ns =
        nanoseconds(&reader->interfaces[packet->interface], ticks);
    packet->bytes = view->at;
    skip(view, pad4(packet->len));
    if (read_packet_options(view, packet))
        return nonsense(err, "an option of a packet is too long");
    out->number = ++reader->packets;
    return 0;
}

/* Without time and interface: those of interface 0. */
static int read_simple_packet(struct pcapng_reader *reader, struct view *view,
                              struct pcapng_block *out, struct err *err)
{
    if (view->left < 4 || !reader->interfaces_count)
        return nonsense(err, "a simple packet block is too short");
    struct pcapng_packet *packet = &out->packet;
    packet->original = take32(view);
    packet->len = packet->original;
    uint32_t snaplen = reader->interfaces[0].snaplen;
    if (snaplen && packet->len > snaplen)
        packet->len = snaplen;
    if (packet->len > view->left)
        return nonsense(err, "a simple packet is longer than its block");
    packet->bytes = view->at;
    out->number = ++reader->packets;
    return 0;
}

static int read_secrets(struct pcapng_reader *reader, struct view *view,
                        struct pcapng_block *out, struct err *err)
{
    (void)reader;
    if (view->left < 8)
        return nonsense(err, "a secrets block is too short");
    uint32_t type = take32(view), len = take32(view);
    if (len > view->left)
        return nonsense(err, "secrets are longer than their block");
    if (type == SECRETS_TLS_KEY_LOG) {
        out->secrets.bytes = view->at;
        out->secrets.len = len;
    }
    return 0;
}

static int read_events(struct pcapng_reader *reader, struct view *view,
                       struct pcapng_block *out, struct err *err)
{
    size_t magic = sizeof EVENTS_MAGIC;
    (void)reader;
    if (view->left < magic + 4 || memcmp(view->at, EVENTS_MAGIC, magic) != 0) {
        out->kind = PCAPNG_OTHER; /* somebody else's */
        return 0;
    }
    view->at += magic;
    view->left -= magic;
    uint32_t len = take32(view);
    if (len > view->left)
        return nonsense(err, "events are longer than their block");
    out->events.bytes = view->at;
    out->events.len = len;
    return 0;
}

static int read_stats(struct pcapng_reader *reader, struct view *view,
                      struct pcapng_block *out, struct err *err)
{
    if (view->left < 12)
        return nonsense(err, "a statistics block is too short");
    struct pcapng_stats *stats = &out->stats;
    stats->interface = take32(view);
    uint64_t ticks = take_halves(view);
    if (stats->interface >= reader->interfaces_count)
        return nonsense(err, "statistics name an interface that is not there");
    stats->time_ns = nanoseconds(&reader->interfaces[stats->interface], ticks);
    struct option option;
    int more;
    while ((more = next_option(view, &option)) > 0) {
        struct view value = {option.value, option.len, view->swapped};
        if (option.code == OPTION_ISB_RECEIVED && option.len == 8)
            stats->received = take64(&value);
        else if (option.code == OPTION_ISB_DROPPED && option.len == 8)
            stats->dropped = take64(&value);
    }
    return more ? nonsense(err, "an option of statistics is too long") : 0;
}

static int read_nothing(struct pcapng_reader *reader, struct view *view,
                        struct pcapng_block *out, struct err *err)
{
    (void)reader;
    (void)view;
    (void)out;
    (void)err;
    return 0;
}

static const struct block_reader {
    uint32_t type;
    enum pcapng_kind kind;
    int (*read)(struct pcapng_reader *reader, struct view *view,
                struct pcapng_block *out, struct err *err);
} block_readers[] = {
    {BLOCK_SECTION, PCAPNG_SECTION, read_section},
    {BLOCK_INTERFACE, PCAPNG_INTERFACE, read_interface},
    {BLOCK_PACKET, PCAPNG_PACKET, read_packet},
    {BLOCK_OLD_PACKET, PCAPNG_PACKET, read_packet},
    {BLOCK_SIMPLE_PACKET, PCAPNG_PACKET, read_simple_packet},
    {BLOCK_NAMES, PCAPNG_NAMES, read_nothing},
    {BLOCK_SECRETS, PCAPNG_SECRETS, read_secrets},
    {BLOCK_STATS, PCAPNG_STATS, read_stats},
    {(uint32_t)BLOCK_EVENTS, PCAPNG_EVENTS, read_events},
};

static const struct block_reader *reader_of(uint32_t type)
{
    static const struct block_reader other = {0, PCAPNG_OTHER, read_nothing};
    for (size_t i = 0; i < sizeof block_readers / sizeof *block_readers; i++)
        if (block_readers[i].type == type)
            return &block_readers[i];
    return &other;
}

/* Byte order of the block at hand: a section header brings its own. */
static int byte_order(const struct pcapng_reader *reader, const uint8_t *bytes,
                      bool *out_swapped, struct err *err)
{
    *out_swapped = reader->swapped;
    if (peek32(bytes, false) != BLOCK_SECTION)
        return reader->started ? 0 : nonsense(err, "no section header");
    uint32_t magic = peek32(bytes + 8, false);
    *out_swapped = magic != BYTE_ORDER_MAGIC;
    if (*out_swapped && bswap_32(magic) != BYTE_ORDER_MAGIC)
        return nonsense(err, "a section header without byte order");
    return 0;
}

ssize_t pcapng_next(struct pcapng_reader *reader, const uint8_t *bytes,
                    size_t len, struct pcapng_block *out, struct err *err)
{
    bool swapped;
    if (len < 12)
        return 0;
    if (byte_order(reader, bytes, &swapped, err))
        return -1;
    uint32_t size = peek32(bytes + 4, swapped);
    if (size < 12 || size % 4 || size > PCAPNG_BLOCK_MOST)
        return nonsense(err, "a block has an impossible length");
    if (size > len)
        return 0;
    if (peek32(bytes + size - 4, swapped) != size)
        return nonsense(err, "the two lengths of a block differ");
    *out = (struct pcapng_block){
        .type = peek32(bytes, swapped), .bytes = bytes, .len = size};
    struct view view = {bytes + 8, size - 12, swapped};
    const struct block_reader *block = reader_of(out->type);
    out->kind = block->kind;
    return block->read(reader, &view, out, err) ? -1 : (ssize_t)size;
}

/* ---- a file ----------------------------------------------------------------
 */

enum { CHUNK = 256 << 10 };

struct pcapng_file {
    int fd;
    uint64_t whole;
    size_t used; /* bytes of the last block, still at the front of `buf` */
    struct buf buf;
    struct pcapng_reader reader;
};

int pcapng_open(const char *path, struct pcapng_file **out, struct err *err)
{
    struct pcapng_file *file = calloc(1, sizeof *file);
    if (!file) {
        err_errno(err, "open capture %s", path);
        return -1;
    }
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file->fd == -1 || !buf_reserve(&file->buf, CHUNK)) {
        err_errno(err, "open capture %s", path);
        pcapng_close(file);
        return -1;
    }
    *out = file;
    return 0;
}

void pcapng_close(struct pcapng_file *file)
{
    if (!file)
        return;
    if (file->fd != -1)
        close(file->fd);
    buf_free(&file->buf);
    free(file);
}

/* 1: got more bytes; 0: end of file for now; -1: error. */
static int read_more(struct pcapng_file *file, struct err *err)
{
    uint8_t *room = buf_reserve(&file->buf, CHUNK);
    if (!room) {
        err_set(err, "read the capture: out of memory");
        return -1;
    }
    ssize_t got;
    do
        got = read(file->fd, room, CHUNK);
    while (got == -1 && errno == EINTR);
    if (got == -1) {
        err_errno(err, "read the capture");
        return -1;
    }
    buf_filled(&file->buf, (size_t)got);
    return got > 0;
}

int pcapng_file_next(struct pcapng_file *file, struct pcapng_block *out,
                     struct err *err)
{
    buf_consume(&file->buf, file->used);
    file->used = 0;
    for (;;) {
        ssize_t used = pcapng_next(&file->reader, buf_head(&file->buf),
                                   buf_len(&file->buf), out, err);
        if (used < 0)
            return -1;
        if (used > 0) {
            file->used = (size_t)used;
            file->whole += (uint64_t)used;
            return 1;
        }
        int more = read_more(file, err);
        if (more <= 0)
            return more;
    }
}

const struct pcapng_reader *pcapng_file_reader(const struct pcapng_file *file)
{
    return &file->reader;
}

uint64_t pcapng_file_whole(const struct pcapng_file *file)
{
    return file->whole;
}

static int cut_file(const char *path, uint64_t whole, uint64_t *out_cut,
                    struct err *err)
{
    struct stat now;
    if (stat(path, &now)) {
        err_errno(err, "look at capture %s", path);
        return -1;
    }
    uint64_t size = (uint64_t)now.st_size;
    *out_cut = size > whole ? size - whole : 0;
    if (*out_cut && truncate(path, (off_t)whole)) {
        err_errno(err, "cut capture %s back to its last whole block", path);
        return -1;
    }
    return 0;
}

int pcapng_repair(const char *path, uint64_t *out_cut, struct err *err)
{
    struct pcapng_file *file;
    struct pcapng_block block;
    struct err tail = ERR_INIT;
    if (pcapng_open(path, &file, err))
        return -1;
    while (pcapng_file_next(file, &block, &tail) > 0)
        ;
    uint64_t whole = pcapng_file_whole(file);
    pcapng_close(file);
    if (!whole) {
        err_set(err, "%s has not even a whole section header; nothing to save",
                path);
        return -1;
    }
    return cut_file(path, whole, out_cut, err);
}
