/* SPDX-License-Identifier: MIT
 *
 * sniff: read what passes, and send nothing. Where frames come from: the
 * interface, or a capture that is still being written (`from`), for machines
 * that let nobody listen. */
#include "attacks/attack.h"
#include "attacks/overhear.h"
#include "proxy/capture/pcapng.h"
#include "proxy/capture/raw.h"

#include <assert.h>

enum {
    FRAMES_A_TURN = 1024, /* then others on the loop have theirs */
    FILE_EVERY_MS = 20,   /* how often a growing file is looked at */
};

struct sniff {
    struct attack_run *run;
    struct secrets_look look;
    struct overhear *overhear;
    struct raw *raw; /* one of these two */
    struct pcapng_file *file;
    union {
        uv_handle_t any;
        uv_poll_t readable;
        uv_timer_t tick;
    } handle;
};

static void hear(void *context, const struct raw_frame *frame)
{
    struct sniff *sniff = context;
    overhear_frame(sniff->overhear, raw_link(sniff->raw), frame->bytes,
                   frame->len);
}

/* 1: a frame was read; 0: there is none now; -1: the source has failed. */
static int read_frame(struct sniff *sniff, struct err *err)
{
    struct raw_frame frame;
    int rc = raw_next(sniff->raw, &frame, err);
    if (rc == 1)
        hear(sniff, &frame);
    return rc;
}

/* The same for a file; `heard` false: pass over it. */
static int read_block(struct sniff *sniff, bool heard, struct err *err)
{
    struct pcapng_block block;
    int rc = pcapng_file_next(sniff->file, &block, err);
    if (rc == 1 && heard && block.kind == PCAPNG_PACKET) {
        const struct pcapng_packet *packet = &block.packet;
        const struct pcapng_reader *reader = pcapng_file_reader(sniff->file);
        overhear_frame(sniff->overhear,
                       reader->interfaces[packet->interface].link,
                       packet->bytes, packet->len);
    }
    return rc;
}

static void read_some(struct sniff *sniff)
{
    struct err *err = &sniff->run->failure;
    int rc = 1;
    for (int i = 0; rc == 1 && i < FRAMES_A_TURN; i++)
        rc = sniff->raw ? read_frame(sniff, err) : read_block(sniff, true, err);
    if (rc < 0)
        uv_stop(sniff->run->env.loop);
}

static void on_readable(uv_poll_t *readable, int status, int events)
{
    (void)status, (void)events;
    read_some(readable->data);
}

static void on_tick(uv_timer_t *tick)
{
    read_some(tick->data);
}

/* A file is taken for a wire: what is in it already was said before anybody
 * listened. */
static int open_file(struct sniff *sniff, const char *path, struct err *err)
{
    int rc = attack_value_is(sniff->run, "past", "yes") ? 0 : 1;
    if (pcapng_open(path, &sniff->file, err))
        return -1;
    while (rc == 1)
        rc = read_block(sniff, false, err);
    if (rc < 0)
        pcapng_close(sniff->file);
    return rc;
}

/* Open the source and watch it. */
static int listen_in(struct sniff *sniff, struct err *err)
{
    const struct attack_run *run = sniff->run;
    const char *from = attack_value(run, "from");
    int rc;
    if (from) {
        if (open_file(sniff, from, err))
            return -1;
        uv_timer_init(run->env.loop, &sniff->handle.tick);
        rc = uv_timer_start(&sniff->handle.tick, on_tick, 0, FILE_EVERY_MS);
    } else {
        if (raw_open(attack_value(run, "iface"), &sniff->raw, err))
            return -1;
        uv_poll_init(run->env.loop, &sniff->handle.readable,
                     raw_fd(sniff->raw));
        rc = uv_poll_start(&sniff->handle.readable, UV_READABLE, on_readable);
    }
    sniff->handle.any.data = sniff;
    assert(rc == 0);
    (void)rc;
    return 0;
}

static int start(struct attack_run *run, struct err *err)
{
    struct sniff *sniff = arena_alloc(&run->arena, sizeof *sniff);
    if (!sniff) {
        err_set(err, "sniff: out of memory");
        return -1;
    }
    sniff->run = run;
    run->state = sniff;
    if (secrets_look_parse(attack_value(run, "look"), &run->arena, &sniff->look,
                           err))
        return -1;
    sniff->overhear = overhear_new(&sniff->look);
    if (!sniff->overhear) {
        err_set(err, "sniff: out of memory");
        return -1;
    }
    if (listen_in(sniff, err)) {
        overhear_free(sniff->overhear);
        return -1;
    }
    return 0;
}

/* What has passed by now still counts, also what the kernel holds back. */
static void read_the_rest(struct sniff *sniff)
{
    if (sniff->raw)
        raw_drain(sniff->raw, hear, sniff, &sniff->run->failure);
    else
        read_some(sniff);
}

static void stop(struct attack_run *run)
{
    struct sniff *sniff = run->state;
    if (!run->failure.code)
        read_the_rest(sniff);
    uv_close(&sniff->handle.any, NULL);
    uv_run(run->env.loop, UV_RUN_NOWAIT);
    if (sniff->raw)
        raw_close(sniff->raw);
    if (sniff->file)
        pcapng_close(sniff->file);
    overhear_free(sniff->overhear);
}

static const struct attack_param params[] = {
    {"iface", "NAME", "eth0", "the interface to listen on", false},
    {"look", "TEXT", NULL, "also report these texts (| between them)", false},
    {"from", "FILE", NULL, "read this growing capture instead", false},
    {"past", "yes|no", "no", "with from: also what is in it already", false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_sniff = {
    .name = "sniff",
    .teaches = "What is sent in clear belongs to everybody who is near the "
               "wire.",
    .kind = ATTACK_PACKETS,
    .params = params,
    .start = start,
    .stop = stop,
};
