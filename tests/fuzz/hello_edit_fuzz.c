/* SPDX-License-Identifier: MIT
 *
 * The first bytes choose what is to go, the rest is what a client sends first.
 * What must hold: what could be read can be read again; what was to go is
 * gone, and nothing else is; what could not be edited is as it was; and the
 * fingerprints of all of it can be made. */
#include "proxy/fingerprint.h"
#include "proxy/hello_edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proxy/hello_bytes.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

enum { CHOICE = 6 };

static uint8_t scratch[HELLO_MOST];

static bool has(const struct hello_list *list, unsigned number)
{
    for (unsigned i = 0; i < list->count; i++)
        if ((unsigned)(list->bytes[2 * i] << 8 | list->bytes[2 * i + 1]) ==
            number)
            return true;
    return false;
}

static void check_fingerprint(const struct hello *hello)
{
    struct fingerprint print;
    CHECK(!fingerprint_make(hello, &print));
    CHECK(strlen(print.ja3) == 32 && strlen(print.ja4) == 36);
}

static void check_edited(const struct hello_edit *edit, const struct buf *bytes,
                         size_t tail)
{
    struct hello after;
    const char *why;
    ssize_t used =
        hello_read(buf_head(bytes), buf_len(bytes), scratch, &after, &why);
    CHECK(used > 0 && buf_len(bytes) - (size_t)used == tail);
    CHECK(!has(&after.versions, edit->versions.numbers[0]));
    CHECK(!has(&after.suites, edit->suites.numbers[0]));
    CHECK(!has(&after.extensions, edit->extensions.numbers[0]));
    check_fingerprint(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *choice, size_t len)
{
    struct hello before;
    const char *why;
    if (len < CHOICE)
        return 0;
    struct hello_edit edit = {
        .versions = {{(uint16_t)(choice[0] << 8 | choice[1])}, 1},
        .suites = {{(uint16_t)(choice[2] << 8 | choice[3])}, 1},
        .extensions = {{(uint16_t)(choice[4] << 8 | choice[5])}, 1}};
    struct buf bytes = {0};
    CHECK(!buf_append(&bytes, choice + CHOICE, len - CHOICE));
    size_t size = buf_len(&bytes);
    ssize_t used = hello_read(buf_head(&bytes), size, scratch, &before, &why);
    if (used > 0)
        check_fingerprint(&before);
    int gone = hello_edit_apply(&edit, &bytes, scratch);
    if (gone > 0)
        check_edited(&edit, &bytes, size - (size_t)used);
    else
        CHECK(buf_len(&bytes) == size &&
              !memcmp(buf_head(&bytes), choice + CHOICE, size));
    CHECK(gone < 0 || used > 0);
    buf_free(&bytes);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char choices[][CHOICE + 1] = {"\x03\x04\x13\x01\x00\x33",
                                               "\x03\x03\xc0\x2f\x00\x2b",
                                               "\x00\x00\x00\x00\x00\x00"};
    struct buf hello = {0};
    hello_of_openssl(&hello);
    for (unsigned i = 0; i < 3; i++) {
        struct buf seed = {0};
        buf_append(&seed, choices[i], CHOICE);
        buf_append(&seed, buf_head(&hello), buf_len(&hello));
        add(buf_head(&seed), buf_len(&seed));
        buf_free(&seed);
    }
    buf_free(&hello);
}

const char *const fuzz_words[] = {
    "\x16\x03\x01", "\x03\x04", "\x13\x01", "\x2b",     "\x33",
    "\x0a\x0a",     "\x7f\x1c", "h2",       "\xff\xff", NULL,
};
