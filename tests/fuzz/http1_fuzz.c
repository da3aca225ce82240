/* SPDX-License-Identifier: MIT
 *
 * Four bytes choose what is played and how it is cut, the rest is the
 * connection. What must hold: the result does not depend on the cuts; what
 * the strict parser lets through, every leniency reads in the same way; and a
 * head that is accepted is accepted again when we have written it. */
#include "proxy/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proxy/http1_play.h"

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* In pieces whose sizes come from `seed`: the same must be said. */
static void check_pieces(const struct script *script, unsigned seed,
                         const struct played *whole)
{
    struct play play;
    play_init(&play, script->kind, script->method, script->lenient);
    for (size_t at = 0; at < script->len;) {
        seed = seed * 1103515245 + 12345;
        size_t left = script->len - at, len = 1 + (seed >> 16) % 97;
        len = len < left ? len : left;
        play_feed(&play, script->bytes + at, len);
        at += len;
    }
    const char *said = play_said(&play);
    CHECK(buf_len(&play.said) == whole->said_len &&
          !memcmp(said, whole->said, whole->said_len));
    play_free(&play);
}

static void check_head_is_written_as_read(const struct script *script)
{
    struct http1_scan scan = {0};
    struct http1_head head, again;
    struct http1_fault fault;
    struct arena arena = {0};
    struct message message;
    struct buf out = {0};
    if (http1_head_read(&scan, script->kind, script->method, script->bytes,
                        script->len, &head, &fault) <= 0)
        return;
    CHECK(message_init(&message, &arena, &head, script->bytes) == 0);
    CHECK(message_write(&message, true, &out) == 0);
    ssize_t used = http1_head_read(&scan, script->kind, script->method,
                                   (const char *)buf_head(&out), buf_len(&out),
                                   &again, &fault);
    /* White space that was cut off makes it shorter, the space behind a
     * colon that had none makes it longer: at the limit both may matter. */
    if (buf_len(&out) <= HTTP1_HEAD_MOST)
        CHECK(used == (ssize_t)buf_len(&out));
    if (used > 0)
        CHECK(again.framing == head.framing && again.length == head.length &&
              again.fields_count == head.fields_count &&
              again.keep_alive == head.keep_alive &&
              again.host.len == head.host.len && again.minor == head.minor);
    buf_free(&out);
    message_close(&message);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const methods[] = {NULL, "GET", "HEAD", "CONNECT"};
    if (len < 4)
        return 0;
    struct script script = {
        .kind = bytes[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST,
        .method = methods[bytes[0] >> 1 & 3],
        .bytes = (const char *)bytes + 4,
        .len = len - 4,
    };
    struct played strict = play_split(&script, script.len, 1);
    check_head_is_written_as_read(&script);
    script.lenient = bytes[1] & 0x3f;
    struct played whole = play_split(&script, script.len, 1);
    check_pieces(&script, (unsigned)(bytes[2] << 8 | bytes[3]) + 1, &whole);
    if (script.len < 300)
        play_same(&script, 0, 1, &whole);
    if (!*strict.fault)
        CHECK(played_same(&strict, &whole));
    free(strict.said);
    free(whole.said);
    return 0;
}

#define GET  "GET /a?b=c HTTP/1.1\r\nHost: bank.lab.test\r\n"
#define POST "POST /login HTTP/1.1\r\nHost: bank.lab.test\r\n"
#define OK   "HTTP/1.1 200 OK\r\n"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "\x02\x40\x01\x01" GET "Accept: */*\r\nCookie: session=1\r\n\r\n",
        "\x02\x41\x01\x02\r\n" GET "\n" GET "\r\n",
        "\x02\x42\x01\x03" GET "X: a\r\n\tb\r\n \r\n\r\n",
        "\x02\x44\x01\x04" GET "X : a\r\n\r\n",
        "\x02\x48\x01\x05" POST "Content-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "\x02\x50\x01\x06" POST "Transfer-Encoding: chunked\r\n\r\n"
        "5 junk\r\nhello\r\n0;a=\"b\\\"\"\r\nT: x\r\n\r\n" GET "\r\n",
        "\x02\x60\x01\x07GET http://a:80/ HTTP/1.1\r\n\r\n",
        "\x02\x40\x01\x08" POST "Content-Length: 5\r\n"
        "Expect: 100-continue\r\n\r\nhello" GET "Connection: close\r\n\r\n",
        "\x02\x40\x01\x09"
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "\x03\x40\x01\x0a" OK "Content-Length: 2\r\n\r\nhi" OK "\r\nrest",
        "\x05\x40\x01\x0b" OK "Content-Length: 2\r\n\r\n",
        "\x07\x40\x01\x0c" OK "\r\n\x16\x03\x01",
        "\x03\x40\x01\x0d"
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01x",
        "\x03\x40\x01\x0e"
        "HTTP/1.1 100 Continue\r\n\r\n" OK
        "Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\na: b\r\n\r\n",
        "\x02\x40\x01\x0f"
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x02\x40\x01\x10"
        "GET /\r\n",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    "\t",
    ":",
    ": ",
    ",",
    ";",
    "\"",
    "0",
    "0\r\n\r\n",
    "5\r\n",
    "ffffffffffffffff",
    "GET ",
    "HEAD ",
    "CONNECT ",
    "/",
    "*",
    "http://",
    "@",
    "#",
    " HTTP/1.1",
    " HTTP/1.0",
    "HTTP/1.1 ",
    "200 ",
    "Host: a",
    "Host: ",
    "Content-Length: 5\r\n",
    "\r\nTransfer-Encoding: chunked\r\n",
    "chunked",
    "identity",
    "Transfer-Encoding:",
    "Connection: close\r\n",
    "keep-alive",
    "Upgrade: x\r\n",
    "Connection: upgrade\r\n",
    "\x0b",
    "\xff",
    NULL,
};
