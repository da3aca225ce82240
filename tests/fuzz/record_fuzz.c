/* SPDX-License-Identifier: MIT
 *
 * The first byte chooses the pieces, the rest is one direction of TCP. What
 * must hold: records end in the same places however the bytes are cut, and no
 * byte is taken twice or left out. */
#include "proxy/record.h"
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

/* A sum over where records began and ended, and over what they were. */
static uint64_t walk(const uint8_t *bytes, size_t len, size_t most,
                     struct record *record)
{
    uint64_t sum = 0;
    for (size_t done = 0; done < len;) {
        size_t piece = len - done < most ? len - done : most;
        uint8_t *exact = malloc(piece);
        enum record_part part;
        CHECK(exact);
        memcpy(exact, bytes + done, piece);
        size_t took = record_next(record, exact, piece, &part);
        CHECK(took > 0 && took <= piece);
        CHECK((part == RECORD_NONE) == record->lost);
        done += took;
        if (part != RECORD_NONE && record_is_whole(record))
            sum = sum * 31 + record->at * 7 + done + record->header[0];
        free(exact);
    }
    CHECK(record->seen == len);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct record whole = {0}, pieces = {0};
    if (len < 2)
        return 0;
    uint64_t one = walk(bytes + 1, len - 1, len, &whole);
    CHECK(one == walk(bytes + 1, len - 1, 1 + bytes[0], &pieces));
    CHECK(whole.lost == pieces.lost && whole.number == pieces.number);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char records[] = "\x02\x16\x03\x01\x00\x03"
                                  "abc\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00"
                                  "\x08"
                                  "abcdefgh\x15\x03\x03\x00\x02\x01\x00";
    add(records, sizeof records - 1);
    add("\x01\x80\x2e\x01\x03\x01", 6);
}

const char *const fuzz_words[] = {
    "\x16\x03\x01", "\x17\x03\x03", "\x14",     "\x15\x03\x03",
    "\x00\x00",     "\x40\x00",     "\xff\xff", NULL,
};
