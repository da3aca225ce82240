/* SPDX-License-Identifier: MIT
 *
 * The first byte says whose frames these are and how they are cut. What must
 * hold: the size of the pieces makes no difference, and what is kept stays
 * under the limit. */
#include "proxy/websocket.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

enum { MOST = 1000 };

/* A sum of all that was heard, and of how it ended. */
static uint64_t play(uint8_t how, const uint8_t *bytes, size_t len,
                     size_t piece)
{
    struct websocket_deal deal = {.deflates = how & 2,
                                  .server_resets = how & 4,
                                  .victim_resets = how & 4};
    struct websocket_reader reader;
    uint64_t sum = 0;
    websocket_open(&reader, &deal, how & 1, MOST);
    for (size_t at = 0; at < len;) {
        struct websocket_message message;
        const char *why = NULL;
        size_t some = piece < len - at ? piece : len - at, used;
        uint8_t *exact = malloc(some);
        CHECK(exact);
        memcpy(exact, bytes + at, some);
        enum websocket_step step =
            websocket_feed(&reader, exact, some, &used, &message, &why);
        free(exact);
        CHECK(used <= some && buf_len(&reader.data) <= MOST);
        CHECK((step == WEBSOCKET_FAULT) == (why != NULL));
        CHECK(step != WEBSOCKET_MORE || used == some);
        at += used;
        if (step == WEBSOCKET_FAULT) {
            sum = sum * 31 + 1;
            break;
        }
        if (step == WEBSOCKET_MESSAGE || step == WEBSOCKET_CONTROL)
            for (size_t i = 0; i < message.len; i++)
                sum = sum * 31 + message.bytes[i];
        if (step != WEBSOCKET_MORE)
            sum = sum * 31 + step;
    }
    websocket_close(&reader);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len)
        CHECK(play(bytes[0], bytes + 1, len - 1, FUZZ_MOST) ==
              play(bytes[0], bytes + 1, len - 1, 1 + bytes[0] / 8));
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
#define SEED(text) add(text, sizeof(text) - 1)
    SEED("\x00\x81\x05Hello\x89\x01!");
    SEED("\x09\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    SEED("\x12\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"
         "\xc1\x05\xf2\x00\x11\x00\x00");
    SEED("\x06\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x02\x03\xe8");
    SEED("\x20\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05Hello");
#undef SEED
}

const char *const fuzz_words[] = {"\x81\x05", "\x01\x03", "\x80\x02",
                                  "\x89\x01", "\xc1\x07", "\x81\x7e",
                                  "\x88\x02", "\x81\x85", NULL};
