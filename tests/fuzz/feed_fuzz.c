/* SPDX-License-Identifier: MIT
 *
 * A message to the writer of a capture, of any bytes: the feeder that sends it
 * has touched what an attacker sent. */
#include "proxy/capture/feed.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const fuzz_words[] = {
    "\x01", "\x02", "\x04", "\x05", "\xff\xff\xff\xff", "victim", NULL};

/* Touch everything that a handler is given. */
static void touch(const void *bytes, size_t len)
{
    static volatile uint8_t sum;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
}

static void on_interface(void *context, const struct feed_interface *interface)
{
    (void)context;
    touch(interface->name, strlen(interface->name));
    touch(interface->description, strlen(interface->description));
}

static void on_frame(void *context, const struct feed_frame *frame,
                     const uint8_t *bytes, const char *comment)
{
    (void)context;
    touch(bytes, frame->len);
    if (comment)
        touch(comment, strlen(comment));
}

static void on_events(void *context, const char *bytes, size_t len)
{
    (void)context;
    touch(bytes, len);
}

static void on_sync(void *context, uint64_t number)
{
    (void)context;
    touch(&number, sizeof number);
}

static void on_drops(void *context, uint32_t interface, uint64_t received,
                     uint64_t dropped)
{
    (void)context;
    (void)interface;
    on_sync(NULL, received + dropped);
}

static void on_trouble(void *context, const char *sentence)
{
    (void)context;
    touch(sentence, strlen(sentence));
}

static void on_end(void *context)
{
    (void)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct feed_handlers handlers = {
        on_interface, on_frame,   on_events, on_sync,
        on_drops,     on_trouble, on_end};
    feed_decode(bytes, len, &handlers, NULL);
    return 0;
}

/* One message of each kind, as the feeder's end makes them. */
void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const struct feed_interface interface = {
        .name = "victim", .description = "what victim sent", .link = 1};
    struct feed_frame frame = {.time_ns = 1, .len = 5, .original = 5};
    uint8_t message[FUZZ_MOST];
    struct err err = ERR_INIT;
    struct feed feed;
    int ends[2];
    ssize_t got;
    if (feed_pair(ends, &err))
        abort();
    feed_init(&feed, ends[0]);
    feed_interface(&feed, &interface);
    feed_frame(&feed, &frame, "frame", "with a comment");
    feed_frame(&feed, &frame, "again", NULL);
    feed_sync(&feed, 7);
    feed_drops(&feed, 0, 9, 1);
    feed_trouble(&feed, "something is wrong");
    feed_end(&feed);
    while ((got = recv(ends[1], message, sizeof message, MSG_DONTWAIT)) > 0)
        add(message, (size_t)got);
    feed_close(&feed);
    close(ends[0]);
    close(ends[1]);
}
