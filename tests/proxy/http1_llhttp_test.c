/* SPDX-License-Identifier: MIT
 *
 * The parser beside llhttp, the parser of Node.js, compiled from the sources
 * that Debian ships (package node-llhttp). What we accept it must accept too,
 * and cut into the same messages: smuggling tricks, good messages, and what
 * chance makes of both. */
#include "tests/fuzz/chance.h"
#include "tests/proxy/http1_play.h"
#include "tests/proxy/http1_second.h"
#include "tests/proxy/smuggling.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/need.h"

#ifdef HAVE_LLHTTP
#define ROWS(table) (sizeof table / sizeof *table)

/* ---- comparing -------------------------------------------------------------------- */

enum comparison {
    DIFFERS,
    AGREES,
    OTHER_METHOD, /* RFC 9110 9.1: a method is any token; llhttp has a list */
    OTHER_SPACE,  /* RFC 9110 5.6.3: a tab is white space too; llhttp 8.1 has
                     none but spaces behind a coding or a length */
    NOTHING_READ, /* refused, or not one head is complete */
    COMPARISONS
};

static bool same_bodies(const struct play *play, const struct second *second)
{
    size_t len = buf_len(&play->bodies);
    return len == buf_len(&second->bodies) &&
           (!len ||
            !memcmp(buf_head(&play->bodies), buf_head(&second->bodies), len));
}

static enum comparison compare_read(const struct play *play, const char *bytes)
{
    struct second second;
    bool tunnel = play->in_body && play->head.framing == HTTP1_TUNNEL;
    /* Of a tunnel and of an unfinished head, llhttp need not think alike. */
    size_t len = (size_t)(tunnel ? play->start : play->taken);
    llhttp_errno_t error = ask_llhttp(play->kind, bytes, len, &second);
    enum comparison comparison = DIFFERS;
    if ((error == HPE_OK || error == HPE_PAUSED_UPGRADE) &&
        second.messages == play->messages + tunnel &&
        (tunnel || same_bodies(play, &second)))
        comparison = AGREES;
    else if (error == HPE_INVALID_METHOD)
        comparison = OTHER_METHOD;
    else if (memmem(bytes, len, "\t\r\n", 3))
        comparison = OTHER_SPACE;
    if (comparison == DIFFERS)
        print_message("llhttp: %s (%s), %u messages; we: %u\n%.*s\n",
                      llhttp_errno_name(error),
                      llhttp_get_error_reason(&second.parser)
                          ? llhttp_get_error_reason(&second.parser)
                          : "",
                      second.messages, play->messages, (int)len, bytes);
    buf_free(&second.bodies);
    return comparison;
}

static enum comparison compare(enum http1_kind kind, const char *bytes,
                               size_t len)
{
    struct play play;
    play_init(&play, kind, NULL, 0);
    play_feed(&play, bytes, len);
    enum comparison comparison =
        play.taken ? compare_read(&play, bytes) : NOTHING_READ;
    play_free(&play);
    return comparison;
}

/* ---- inputs ------------------------------------------------------------------------ */

#define HOST "Host: a\r\n"
static const struct {
    enum http1_kind kind;
    const char *bytes;
} good[] = {
    {HTTP1_REQUEST, "GET /a?b=c HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n"},
    {HTTP1_REQUEST, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"
                    "helloGET / HTTP/1.1\r\n" HOST "\r\n"},
    {HTTP1_REQUEST, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                    "\r\n5;a=\"b\"\r\nhello\r\n0\r\na: b\r\n\r\n"
                    "GET / HTTP/1.0\r\n\r\n"},
    {HTTP1_REQUEST, "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"},
    {HTTP1_REQUEST, "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n"
                    "Upgrade: websocket\r\n\r\nrest"},
    {HTTP1_REQUEST, "\r\nOPTIONS * HTTP/1.1\r\n" HOST "X: y\r\n\r\n"},
    {HTTP1_REQUEST,
     "GET http://a:8/ HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                     "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"},
    {HTTP1_RESPONSE, "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5\r\nhello\r\n00;a\r\nb: c\r\n\r\n"},
    {HTTP1_RESPONSE, "HTTP/1.0 404 Not Found\r\n\r\nuntil the end"},
    {HTTP1_RESPONSE, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified"
                     "\r\nContent-Length: 9\r\n\r\n"},
    {HTTP1_RESPONSE, "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n"
                     "\r\nrest"},
};

static const char *const words[] = {
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "0",
    "\"",
    "/",
    "\r\n\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: x\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: a\r\n",
    " HTTP/1.1\r\n",
    "GET ",
    "HEAD ",
    "CONNECT ",
    "HTTP/1.1 200 OK\r\n",
    "204",
    "304",
    "101",
    NULL,
};

static unsigned counts[COMPARISONS];

static void compare_one(enum http1_kind kind, const void *bytes, size_t len)
{
    counts[compare(kind, bytes, len)]++;
}

/* Chance starts from good messages only: of bad ones little would be left
 * that both could read. */
static void compare_chance(enum http1_kind kind, size_t runs)
{
    struct input seeds[ROWS(good)];
    struct chance_from from = {seeds, 0, words};
    uint64_t state = 1;
    static uint8_t bytes[4096];
    for (size_t i = 0; i < ROWS(good); i++)
        if (good[i].kind == kind)
            seeds[from.count++] = (struct input){
                (uint8_t *)(uintptr_t)good[i].bytes, strlen(good[i].bytes), 0};
    for (size_t i = 0; i < from.count; i++)
        compare_one(kind, seeds[i].bytes, seeds[i].len);
    for (size_t i = 0; i < runs; i++) {
        struct input input = {bytes, 0, sizeof bytes};
        chance_input(&state, &from, &input);
        compare_one(kind, bytes, input.len);
    }
}

static void compare_inputs(enum http1_kind kind, size_t runs)
{
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < SMUGGLING_ROWS; i++)
        if (smuggling[i].kind == kind)
            compare_one(kind, smuggling[i].bytes, smuggling[i].len);
    compare_chance(kind, runs);
    print_message("%u agree, %u differ as listed, of %u nothing was read\n",
                  counts[AGREES], counts[OTHER_METHOD] + counts[OTHER_SPACE],
                  counts[NOTHING_READ]);
    assert_int_equal(counts[DIFFERS], 0);
    assert_true(counts[AGREES] > runs / 20);
}

static void http1_accepts_no_request_that_llhttp_refuses(void **state)
{
    (void)state;
    compare_inputs(HTTP1_REQUEST, 200000);
}

static void http1_accepts_no_response_that_llhttp_refuses(void **state)
{
    (void)state;
    compare_inputs(HTTP1_RESPONSE, 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_accepts_no_request_that_llhttp_refuses),
        cmocka_unit_test(http1_accepts_no_response_that_llhttp_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void http1_is_compared_with_llhttp(void **state)
{
    (void)state;
    need(false, "sources of llhttp (Debian: node-llhttp) at configure time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_is_compared_with_llhttp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
