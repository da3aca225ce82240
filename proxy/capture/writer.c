/* SPDX-License-Identifier: MIT
 *
 * Takes messages from the feeder and the runner and appends blocks. When the
 * disk is full it cuts the file back to the last whole block and goes on
 * listening, so that the lab goes on. */
#include "proxy/capture/writer.h"

#include "proxy/capture/feed.h"
#include "proxy/capture/pcapng.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    GRACE_MS = 2000, /* for the feeder, once the runner has said the end */
    MESSAGES_A_TURN = 64,
    LINE_MOST = 1024,
};

struct writer {
    const struct writer_plan *plan;
    uint64_t whole;
    struct buf block;
    uint32_t interfaces;
    struct drops {
        uint64_t received, dropped;
    } drops[FEED_INTERFACES_MOST];
    uint64_t last_ns;     /* time of the last packet */
    uint64_t last_asked;  /* number of the last sync that the runner asked */
    uint64_t last_synced; /* and of the last one that was answered */
    bool feed_open, control_open;
    uint8_t message[FEED_MESSAGE_MOST];
};

/* ---- the file ------------------------------------------------------------ */

static void fail(struct writer *writer, const char *why)
{
    struct writer_counts *counts = writer->plan->counts;
    snprintf(counts->why, sizeof counts->why, "%.199s", why);
    counts->failed = true;
}

/* Append the block that stands in writer->block; false once writing failed. */
static bool append(struct writer *writer)
{
    struct err err = ERR_INIT;
    if (writer->plan->counts->failed) {
        buf_clear(&writer->block);
        return false;
    }
    errno = 0;
    if (!pcapng_write(writer->plan->file, &writer->block, &writer->whole, &err))
        return true;
    bool full = errno == ENOSPC || errno == EFBIG || errno == EDQUOT;
    fail(writer, full ? "disk full" : err.text);
    return false;
}

static void on_interface(void *context, const struct feed_interface *interface)
{
    struct writer *writer = context;
    struct pcapng_interface put = {.name = interface->name,
                                   .description = interface->description,
                                   .link = interface->link,
                                   .snaplen = interface->snaplen};
    if (writer->interfaces == FEED_INTERFACES_MOST ||
        pcapng_put_interface(&writer->block, &put))
        return;
    writer->interfaces++;
    append(writer);
}

static void on_frame(void *context, const struct feed_frame *frame,
                     const uint8_t *bytes, const char *comment)
{
    struct writer *writer = context;
    struct writer_counts *counts = writer->plan->counts;
    struct pcapng_packet packet = {.interface = frame->interface,
                                   .time_ns = frame->time_ns,
                                   .flags = frame->flags,
                                   .original = frame->original,
                                   .bytes = bytes,
                                   .len = frame->len,
                                   .comment = comment};
    if (frame->interface < writer->interfaces &&
        !pcapng_put_packet(&writer->block, &packet) && append(writer)) {
        writer->last_ns = frame->time_ns;
        counts->packets++;
    } else {
        counts->lost++;
    }
}

static void on_events(void *context, const char *bytes, size_t len)
{
    struct writer *writer = context;
    if (!pcapng_put_events(&writer->block, bytes, len))
        append(writer);
}

static void on_drops(void *context, uint32_t interface, uint64_t received,
                     uint64_t dropped)
{
    struct writer *writer = context;
    if (interface >= writer->interfaces)
        return;
    writer->drops[interface] = (struct drops){received, dropped};
    uint64_t total = 0;
    for (uint32_t i = 0; i < writer->interfaces; i++)
        total += writer->drops[i].dropped;
    writer->plan->counts->dropped = total;
}

static void on_trouble(void *context, const char *sentence)
{
    struct writer *writer = context;
    struct writer_counts *counts = writer->plan->counts;
    if (counts->feeder_trouble)
        return;
    snprintf(counts->trouble, sizeof counts->trouble, "%s", sentence);
    counts->feeder_trouble = true;
}

/* ---- the runner ---------------------------------------------------------- */

static void answer(struct writer *writer, uint64_t number, bool by_feeder)
{
    struct writer_sync sync = {WRITER_SYNC, by_feeder, number};
    writer->last_synced = number;
    send(writer->plan->control, &sync, sizeof sync,
         MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_sync(void *context, uint64_t number)
{
    answer(context, number, true);
}

static void feeder_gone(struct writer *writer)
{
    writer->feed_open = false;
    if (writer->last_asked > writer->last_synced)
        answer(writer, writer->last_asked, false);
}

static void on_end(void *context)
{
    feeder_gone(context);
}

static void ask_sync(struct writer *writer, const uint8_t *bytes, size_t len)
{
    struct writer_sync sync;
    if (len != sizeof sync)
        return;
    memcpy(&sync, bytes, sizeof sync);
    writer->last_asked = sync.number;
    /* A feeder that cannot be asked has left; what it said last is still to be
     * read, and its end of file answers. */
    if (writer->feed_open)
        feed_ask(writer->plan->feed, sync.number);
    else
        answer(writer, sync.number, false);
}

/* The line goes to the capture as a block of its own, and to keys.log. */
static void keep_secret(struct writer *writer, uint8_t *line, size_t len)
{
    line[len++] = '\n';
    if (writer->plan->keys != -1 &&
        write(writer->plan->keys, line, len) != (ssize_t)len)
        on_trouble(writer, "keys.log could not be written (disk full?)");
    if (writer->plan->secrets &&
        !pcapng_put_secrets(&writer->block, (const char *)line, len))
        append(writer);
}

/* false at the end of the runner. */
static bool read_control(struct writer *writer)
{
    uint8_t bytes[LINE_MOST];
    ssize_t got = recv(writer->plan->control, bytes, sizeof bytes - 1, 0);
    if (got == -1 && errno == EINTR)
        return true;
    uint32_t request;
    if (got < (ssize_t)sizeof request)
        return false;
    memcpy(&request, bytes, sizeof request);
    if (request == WRITER_SYNC)
        ask_sync(writer, bytes, (size_t)got);
    else if (request == WRITER_SECRET)
        keep_secret(writer, bytes + sizeof request,
                    (size_t)got - sizeof request);
    return true;
}

/* ---- the loop ------------------------------------------------------------ */

static const struct feed_handlers handlers = {
    .on_interface = on_interface,
    .on_frame = on_frame,
    .on_events = on_events,
    .on_sync = on_sync,
    .on_drops = on_drops,
    .on_trouble = on_trouble,
    .on_end = on_end,
};

static void read_feed(struct writer *writer)
{
    for (int i = 0; i < MESSAGES_A_TURN && writer->feed_open; i++) {
        ssize_t got = recv(writer->plan->feed, writer->message,
                           sizeof writer->message, MSG_DONTWAIT);
        if (got == -1 && (errno == EAGAIN || errno == EINTR))
            return;
        /* It left without reading our last request. The kernel says so first,
         * and then gives what it had sent. */
        if (got == -1 && errno == ECONNRESET)
            continue;
        if (got <= 0) {
            feeder_gone(writer);
        } else if (feed_decode(writer->message, (size_t)got, &handlers,
                               writer)) {
            on_trouble(writer, "the feeder of the capture sent nonsense");
            feeder_gone(writer);
        }
    }
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Serve both until the runner has gone and the feeder has drained. */
static void serve(struct writer *writer)
{
    int64_t deadline = 0;
    writer->feed_open = writer->control_open = true;
    while (writer->control_open || writer->feed_open) {
        int64_t left = writer->control_open ? -1 : deadline - now_ms();
        if (!writer->control_open && left <= 0)
            break;
        struct pollfd ready[] = {
            {.fd = writer->control_open ? writer->plan->control : -1,
             .events = POLLIN},
            {.fd = writer->feed_open ? writer->plan->feed : -1,
             .events = POLLIN}};
        if (poll(ready, 2, (int)left) == -1 && errno != EINTR)
            break;
        if (ready[1].revents)
            read_feed(writer);
        if (ready[0].revents && !read_control(writer)) {
            writer->control_open = false;
            deadline = now_ms() + GRACE_MS;
            shutdown(writer->plan->feed, SHUT_WR);
        }
    }
}

static void put_stats(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->interfaces; i++) {
        struct pcapng_stats stats = {.interface = i,
                                     .time_ns = writer->last_ns,
                                     .received = writer->drops[i].received,
                                     .dropped = writer->drops[i].dropped};
        if (!pcapng_put_stats(&writer->block, &stats))
            append(writer);
    }
}

int writer_run(const struct writer_plan *plan)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return 1;
    writer->plan = plan;
    writer->whole = plan->whole;
    serve(writer);
    put_stats(writer);
    int rc = plan->counts->failed;
    buf_free(&writer->block);
    free(writer);
    return rc;
}
