/* SPDX-License-Identifier: MIT
 *
 * Building pcapng blocks and writing them whole. Reading is in
 * pcapng_read.c. Everything is in the byte order of this machine. */
#include "proxy/capture/pcapng.h"

#include "proxy/capture/pcapng_types.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A block under construction: its length is filled in at the end, and nothing
 * stays behind when memory runs out on the way. */
struct draft {
    struct buf *out;
    size_t start;
    bool failed;
};

static void add(struct draft *draft, const void *bytes, size_t len)
{
    if (!draft->failed && len && buf_append(draft->out, bytes, len))
        draft->failed = true;
}

static void add16(struct draft *draft, uint16_t value)
{
    add(draft, &value, sizeof value);
}

static void add32(struct draft *draft, uint32_t value)
{
    add(draft, &value, sizeof value);
}

/* Times and counts are two 32-bit halves, the upper one first. */
static void add_halves(struct draft *draft, uint64_t value)
{
    add32(draft, (uint32_t)(value >> 32));
    add32(draft, (uint32_t)value);
}

static void add_padded(struct draft *draft, const void *bytes, size_t len)
{
    static const uint8_t zeros[3];
    add(draft, bytes, len);
    add(draft, zeros, pad4(len) - len);
}

static struct draft begin(struct buf *out, uint32_t type)
{
    struct draft draft = {out, buf_len(out), false};
    add32(&draft, type);
    add32(&draft, 0);
    return draft;
}

static int finish(struct draft *draft)
{
    uint32_t len = (uint32_t)(buf_len(draft->out) - draft->start + 4);
    add32(draft, len);
    if (draft->failed) {
        draft->out->end = draft->out->at + draft->start;
        return -1;
    }
    memcpy(buf_head(draft->out) + draft->start + 4, &len, sizeof len);
    return 0;
}

static void add_option(struct draft *draft, uint16_t code, const void *value,
                       size_t len)
{
    add16(draft, code);
    add16(draft, (uint16_t)len);
    add_padded(draft, value, len);
}

static void add_text(struct draft *draft, uint16_t code, const char *text,
                     size_t len)
{
    if (text && len)
        add_option(draft, code, text,
                   len < PCAPNG_COMMENT_MOST ? len : PCAPNG_COMMENT_MOST);
}

static void add_string(struct draft *draft, uint16_t code, const char *text)
{
    add_text(draft, code, text, text ? strlen(text) : 0);
}

static void end_options(struct draft *draft)
{
    add32(draft, 0);
}

int pcapng_put_section(struct buf *out, const struct pcapng_section *section)
{
    struct draft draft = begin(out, BLOCK_SECTION);
    add32(&draft, BYTE_ORDER_MAGIC);
    add16(&draft, 1);
    add16(&draft, 0);
    add_halves(&draft, UINT64_MAX); /* length not known: read to the end */
    add_string(&draft, OPTION_COMMENT, section->comment);
    add_string(&draft, OPTION_HARDWARE, section->hardware);
    add_string(&draft, OPTION_OS, section->os);
    add_string(&draft, OPTION_APPLICATION, section->application);
    end_options(&draft);
    return finish(&draft);
}

int pcapng_put_interface(struct buf *out,
                         const struct pcapng_interface *interface)
{
    static const uint8_t nanoseconds = 9;
    struct draft draft = begin(out, BLOCK_INTERFACE);
    add16(&draft, interface->link);
    add16(&draft, 0);
    add32(&draft, interface->snaplen);
    add_string(&draft, OPTION_IF_NAME, interface->name);
    add_string(&draft, OPTION_IF_DESCRIPTION, interface->description);
    add_option(&draft, OPTION_IF_TSRESOL, &nanoseconds, 1);
    end_options(&draft);
    return finish(&draft);
}

int pcapng_put_packet(struct buf *out, const struct pcapng_packet *packet)
{
    struct draft draft = begin(out, BLOCK_PACKET);
    add32(&draft, packet->interface);
    add_halves(&draft, packet->time_ns);
    add32(&draft, packet->len);
    add32(&draft, packet->original);
    add_padded(&draft, packet->bytes, packet->len);
    if (packet->comment && packet->comment_len)
        add_text(&draft, OPTION_COMMENT, packet->comment, packet->comment_len);
    else
        add_string(&draft, OPTION_COMMENT, packet->comment);
    if (packet->flags)
        add_option(&draft, OPTION_FLAGS, &packet->flags, 4);
    if (packet->comment || packet->flags)
        end_options(&draft);
    return finish(&draft);
}

static void add_name(struct draft *draft, const struct pcapng_name *name)
{
    uint8_t record[16 + 256];
    size_t name_len = strnlen(name->name, 255), len = 4;
    uint16_t type = NAME_IPV4;
    if (inet_pton(AF_INET, name->address, record) != 1) {
        if (inet_pton(AF_INET6, name->address, record) != 1)
            return;
        type = NAME_IPV6;
        len = 16;
    }
    memcpy(record + len, name->name, name_len);
    record[len + name_len] = '\0';
    add_option(draft, type, record, len + name_len + 1);
}

int pcapng_put_names(struct buf *out, const struct pcapng_name *names,
                     size_t count)
{
    struct draft draft = begin(out, BLOCK_NAMES);
    for (size_t i = 0; i < count; i++)
        add_name(&draft, &names[i]);
    add32(&draft, 0); /* end of the records; there are no options */
    return finish(&draft);
}

int pcapng_put_secrets(struct buf *out, const char *lines, size_t len)
{
    struct draft draft = begin(out, BLOCK_SECRETS);
    add32(&draft, SECRETS_TLS_KEY_LOG);
    add32(&draft, (uint32_t)len);
    add_padded(&draft, lines, len);
    return finish(&draft);
}

int pcapng_put_events(struct buf *out, const char *bytes, size_t len)
{
    struct draft draft = begin(out, (uint32_t)BLOCK_EVENTS);
    add_padded(&draft, EVENTS_MAGIC, sizeof EVENTS_MAGIC);
    add32(&draft, (uint32_t)len);
    add_padded(&draft, bytes, len);
    return finish(&draft);
}

int pcapng_put_stats(struct buf *out, const struct pcapng_stats *stats)
{
    struct draft draft = begin(out, BLOCK_STATS);
    add32(&draft, stats->interface);
    add_halves(&draft, stats->time_ns);
    add_option(&draft, OPTION_ISB_RECEIVED, &stats->received, 8);
    add_option(&draft, OPTION_ISB_DROPPED, &stats->dropped, 8);
    end_options(&draft);
    return finish(&draft);
}

int pcapng_write(int fd, struct buf *block, uint64_t *whole, struct err *err)
{
    size_t len = buf_len(block);
    ssize_t wrote;
    do
        wrote = write(fd, buf_head(block), len);
    while (wrote == -1 && errno == EINTR);
    buf_clear(block);
    if (wrote == (ssize_t)len) {
        *whole += len;
        return 0;
    }
    /* A short write means that the next one would say why. */
    if (wrote >= 0)
        errno = ENOSPC;
    err_errno(err, "write the capture");
    if (wrote > 0 && ftruncate(fd, (off_t)*whole))
        err_errno(err, "cut the capture back to its last whole block");
    return -1;
}
