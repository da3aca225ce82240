/* SPDX-License-Identifier: MIT
 *
 * The first byte chooses the protocol and how the rest is cut; a line that
 * begins with '<' is the server's, others are the victim's. What must hold: no
 * more passes than came, nothing passes while it is to be held back, and the
 * size of the pieces makes no difference. */
#include "proxy/starttls.h"
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

/* From a heap block of exactly this size. */
static size_t feed(struct starttls *starttls, enum starttls_from from,
                   const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, bytes, len);
    bool held = starttls_holds(starttls, from);
    size_t took = starttls_feed(starttls, from, exact, len);
    CHECK(took <= len && (!held || !took));
    CHECK(took == len || starttls_holds(starttls, from));
    free(exact);
    return took;
}

/* How many bytes went on, and whether it changed to TLS behind them. */
struct outcome {
    size_t passed;
    bool agreed;
};

static struct outcome play(enum starttls_kind kind, const uint8_t *bytes,
                           size_t len, size_t piece)
{
    struct starttls starttls;
    struct outcome outcome = {0};
    starttls_init(&starttls, kind);
    for (size_t at = 0, line; at < len && !starttls.agreed; at += line) {
        const uint8_t *end = memchr(bytes + at, '\n', len - at);
        bool server = bytes[at] == '<';
        line = end ? (size_t)(end - bytes) + 1 - at : len - at;
        for (size_t done = server; done < line;) {
            size_t some = piece < line - done ? piece : line - done;
            size_t took =
                feed(&starttls, server ? STARTTLS_SERVER : STARTTLS_VICTIM,
                     bytes + at + done, some);
            outcome.passed += took;
            done += took;
            if (took < some)
                break;
        }
    }
    outcome.agreed = starttls.agreed;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (!len)
        return 0;
    enum starttls_kind kind = 1 + bytes[0] % 4;
    struct outcome whole = play(kind, bytes + 1, len - 1, FUZZ_MOST);
    struct outcome cut = play(kind, bytes + 1, len - 1, 1 + bytes[0] / 4);
    CHECK(whole.passed == cut.passed && whole.agreed == cut.agreed);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "\004<220 x\r\nEHLO y\r\n<250-x\r\n<250 STARTTLS\r\nSTARTTLS\r\n"
        "<220 go\r\n",
        "\005<* OK\r\na LOGIN {4}\r\nabcd {2+}\r\nxy\r\nb STARTTLS\r\n"
        "<b OK\r\n",
        "\012<+OK\r\nCAPA\r\nSTLS\r\n<+OK\r\n<STLS\r\n<.\r\n<+OK\r\n",
        "\013<220-x\r\n< y\r\n<220 z\r\nAUTH TLS\r\n<234 go\r\n",
        "\004<220 x\r\nDATA\r\n<354 go\r\nSTARTTLS\r\n.\r\n<250 ok\r\n",
    };
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {"STARTTLS\r\n", "STLS\r\n",  "AUTH TLS\r\n",
                                  "<220 ",        "<220-",     "<+OK\r\n",
                                  "<-ERR\r\n",    "<a OK\r\n", "a ",
                                  "{3}\r\n",      "{9+}\r\n",  "DATA\r\n",
                                  "<354 \r\n",    ".\r\n",     "BDAT 5\r\n",
                                  "\r\n",         "\n",        NULL};
