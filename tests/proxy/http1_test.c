/* SPDX-License-Identifier: MIT
 *
 * The HTTP/1 parser: what it reads, what it refuses and where. Everything is
 * played whole, in two pieces at every byte, and byte by byte. */
#include "tests/proxy/http1_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- playing
 * ------------------------------------------------------------------ */

struct result {
    char name[32]; /* of the fault; "" when nothing was refused */
    char rule[24];
    int status;
    size_t offset; /* of the fault, from the first byte of all */
    unsigned messages;
    bool waiting; /* for more bytes */
    char *said;   /* to be freed */
};

static struct result play(enum http1_kind kind, const char *method,
                          unsigned lenient, const char *bytes, size_t len,
                          size_t split, size_t step)
{
    struct play play;
    struct result result = {0};
    play_init(&play, kind, method, lenient);
    play_feed(&play, bytes, split);
    for (size_t at = split; at < len; at += step)
        play_feed(&play, bytes + at, len - at < step ? len - at : step);
    if (play.refused) {
        snprintf(result.name, sizeof result.name, "%s", play.fault.name);
        snprintf(result.rule, sizeof result.rule, "%s", play.fault.rule);
        result.status = play.fault.status;
        result.offset = play.start + play.fault.offset;
    }
    result.messages = play.messages;
    result.waiting = play.in_body || buf_len(&play.pending);
    size_t said = strlen(play_said(&play)) + 1;
    result.said = malloc(said);
    assert_non_null(result.said);
    memcpy(result.said, buf_head(&play.said), said);
    play_free(&play);
    return result;
}

static struct result play_all_splits(enum http1_kind kind, const char *method,
                                     unsigned lenient, const char *bytes,
                                     size_t len)
{
    struct result whole = play(kind, method, lenient, bytes, len, len, 1);
    struct result single = play(kind, method, lenient, bytes, len, 0, 1);
    assert_string_equal(whole.said, single.said);
    free(single.said);
    for (size_t split = 1; split < len; split++) {
        struct result two = play(kind, method, lenient, bytes, len, split, len);
        assert_string_equal(whole.said, two.said);
        free(two.said);
    }
    return whole;
}

/* ---- refusals
 * -------------------------------------------------------------------- */

#define Q          HTTP1_REQUEST
#define S          HTTP1_RESPONSE
#define GET        "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST       "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKS     POST "Transfer-Encoding: chunked\r\n\r\n"
#define TEXT(text) text, sizeof text - 1

static const struct {
    enum http1_kind kind;
    const char *bytes;
    size_t len;
    const char *fault;
    size_t offset;
    int status;
} refusals[] = {
    {Q, TEXT("\rGET / HTTP/1.1\r\n"), "bare-cr", 0, 400},
    {Q, TEXT("GET / HTTP/1.1\n"), "bare-lf", 14, 400},
    {Q, TEXT("GET / HTTP/1.1\r\r\n"), "bare-cr", 14, 400},
    {Q, TEXT("GET\r/ HTTP/1.1\r\n"), "bare-cr", 3, 400},
    {Q, TEXT("GET /\rHTTP/1.1\r\n"), "bare-cr", 5, 400},
    {Q, TEXT(GET "a: b\rc: d\r\n"), "bare-cr", 29, 400},
    {Q, TEXT(GET "a: b\n"), "bare-lf", 29, 400},
    {Q, TEXT(GET "\n"), "bare-lf", 25, 400},
    {Q, TEXT(GET "\rX\r\n"), "bare-cr", 25, 400},
    {Q, TEXT(" GET / HTTP/1.1\r\n"), "method-char", 0, 400},
    {Q, TEXT("G(T / HTTP/1.1\r\n"), "method-char", 1, 400},
    {Q, TEXT("GET\t/ HTTP/1.1\r\n"), "method-char", 3, 400},
    {Q, TEXT("\x16\x03\x01\n"), "method-char", 0, 400},
    {Q, TEXT("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n"), "method-long",
     32, 501},
    {Q, TEXT("GET  / HTTP/1.1\r\n"), "line-space", 4, 400},
    {Q, TEXT("GET /  HTTP/1.1\r\n"), "line-space", 6, 400},
    {Q, TEXT("GET /\tHTTP/1.1\r\n"), "line-space", 5, 400},
    {Q, TEXT("GET / HTTP/1.1 \r\n"), "version-syntax", 14, 400},
    {Q, TEXT("GET /a b HTTP/1.1\r\n"), "version-syntax", 7, 400},
    {Q, TEXT("GET /\x80 HTTP/1.1\r\n"), "target-char", 5, 400},
    {Q, TEXT("GET /\0 HTTP/1.1\r\n"), "target-char", 5, 400},
    {Q, TEXT("GET /a\"b HTTP/1.1\r\n"), "target-char", 6, 400},
    {Q, TEXT("GET /<b> HTTP/1.1\r\n"), "target-char", 5, 400},
    {Q, TEXT("GET /a#b HTTP/1.1\r\n"), "target-fragment", 6, 400},
    {Q, TEXT("GET a/b HTTP/1.1\r\n"), "target-form", 4, 400},
    {Q, TEXT("GET * HTTP/1.1\r\n"), "target-form", 4, 400},
    {Q, TEXT("options * HTTP/1.1\r\n"), "target-form", 8, 400},
    {Q, TEXT("GET http:///x HTTP/1.1\r\n"), "target-form", 11, 400},
    {Q, TEXT("GET http://a:b/ HTTP/1.1\r\n"), "target-form", 13, 400},
    {Q, TEXT("CONNECT /x HTTP/1.1\r\n"), "target-form", 8, 400},
    {Q, TEXT("CONNECT a HTTP/1.1\r\n"), "target-form", 9, 400},
    {Q, TEXT("CONNECT a: HTTP/1.1\r\n"), "target-form", 10, 400},
    {Q, TEXT("CONNECT :1 HTTP/1.1\r\n"), "target-form", 10, 400},
    {Q, TEXT("CONNECT u@a:1 HTTP/1.1\r\n"), "target-user", 9, 400},
    {Q, TEXT("GET http://u@a/ HTTP/1.1\r\n"), "target-user", 12, 400},
    {Q, TEXT("GET /\r\n"), "http-0.9", 5, 505},
    {Q, TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "http-2-preface", 0, 505},
    {Q, TEXT("GET / http/1.1\r\n"), "version-syntax", 6, 400},
    {Q, TEXT("GET / HTTP/11\r\n"), "version-syntax", 12, 400},
    {Q, TEXT("GET / HTTP/1.12\r\n"), "version-syntax", 14, 400},
    {Q, TEXT("GET / HTTP/1.\r\n"), "version-syntax", 13, 400},
    {Q, TEXT("GET / ICE/1.0\r\n"), "version-syntax", 6, 400},
    {Q, TEXT("GET / HTTP/1.2\r\n"), "version-unknown", 11, 505},
    {Q, TEXT("GET / HTTP/2.0\r\n"), "version-unknown", 11, 505},
    {Q, TEXT("GET / HTTP/0.9\r\n"), "version-unknown", 11, 505},
    {S, TEXT("\r\nHTTP/1.1 200 OK\r\n"), "version-syntax", 0, 400},
    {S, TEXT("HTTP/1.1  200 OK\r\n"), "status-code", 9, 400},
    {S, TEXT("HTTP/1.1 20 OK\r\n"), "status-code", 11, 400},
    {S, TEXT("HTTP/1.1 099 OK\r\n"), "status-code", 9, 400},
    {S, TEXT("HTTP/1.1 600 OK\r\n"), "status-code", 9, 400},
    {S, TEXT("HTTP/1.1 2000 OK\r\n"), "status-space", 12, 400},
    {S, TEXT("HTTP/1.1 200\r\n"), "status-space", 12, 400},
    {S, TEXT("HTTP/1.1 200 a\x01\r\n"), "reason-char", 14, 400},
    {S, TEXT("HTTP/1.1 200 a\rb\r\n"), "bare-cr", 14, 400},
    {S, TEXT("ICY 200 OK\r\n"), "version-syntax", 0, 400},
    {Q, TEXT("GET / HTTP/1.1\r\n Host: a\r\n"), "first-space", 16, 400},
    {Q, TEXT(GET "a: b\r\n c\r\n"), "obs-fold", 31, 400},
    {Q, TEXT(GET "a: b\r\n \r\n"), "obs-fold", 31, 400},
    {Q, TEXT(GET ": b\r\n"), "name-empty", 25, 400},
    {Q, TEXT(GET "a b: c\r\n"), "name-char", 26, 400},
    {Q, TEXT(GET "a\x00: c\r\n"), "name-char", 26, 400},
    {Q, TEXT(GET "\xff: c\r\n"), "name-char", 25, 400},
    {Q, TEXT(GET "a\r\n"), "no-colon", 26, 400},
    {Q, TEXT(GET "a : b\r\n"), "space-colon", 26, 400},
    {Q, TEXT(GET "a\t: b\r\n"), "space-colon", 26, 400},
    {Q, TEXT(GET "a: b\0c\r\n"), "value-nul", 29, 400},
    {Q, TEXT(GET "a: 0123456789\x7f\r\n"), "value-control", 38, 400},
    {Q, TEXT(GET "a: 01234567\t89\x0b\r\n"), "value-control", 39, 400},
    {Q, TEXT("GET / HTTP/1.1\r\n\r\n"), "host-missing", 0, 400},
    {Q, TEXT("GET http://a/ HTTP/1.1\r\n\r\n"), "host-missing", 0, 400},
    {Q, TEXT(GET "host: a\r\n\r\n"), "host-twice", 25, 400},
    {Q, TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "host-value", 23, 400},
    {Q, TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "host-value", 23, 400},
    {Q, TEXT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), "host-value", 23, 400},
    {Q, TEXT("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), "host-value", 24, 400},
    {Q, TEXT("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), "host-value", 26, 400},
    {Q, TEXT(POST "Content-Length: +5\r\n\r\n"), "length-value", 42, 400},
    {Q, TEXT(POST "Content-Length: -5\r\n\r\n"), "length-value", 42, 400},
    {Q, TEXT(POST "Content-Length: 0x5\r\n\r\n"), "length-value", 43, 400},
    {Q, TEXT(POST "Content-Length: 5 5\r\n\r\n"), "length-value", 43, 400},
    {Q, TEXT(POST "Content-Length: 5, 5\r\n\r\n"), "length-value", 43, 400},
    {Q, TEXT(POST "Content-Length: 5.0\r\n\r\n"), "length-value", 43, 400},
    {Q, TEXT(POST "Content-Length: \r\n\r\n"), "length-value", 42, 400},
    {Q, TEXT(POST "Content-Length: 9223372036854775808\r\n\r\n"), "length-huge",
     42, 400},
    {Q, TEXT(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
     "length-twice", 45, 400},
    {Q, TEXT(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
     "length-twice", 45, 400},
    {Q, TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
     "length-and-coding", 26, 400},
    {S,
     TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
          "Content-Length: 5\r\n\r\n"),
     "length-and-coding", 45, 400},
    {Q, TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
     "coding-old", 36, 400},
    {Q, TEXT(POST "Transfer-Encoding:\r\n\r\n"), "coding-syntax", 44, 400},
    {Q, TEXT(POST "Transfer-Encoding: , chunked\r\n\r\n"), "coding-syntax", 45,
     400},
    {Q, TEXT(POST "Transfer-Encoding: chunked,\r\n\r\n"), "coding-syntax", 53,
     400},
    {Q, TEXT(POST "Transfer-Encoding: identity\r\n\r\n"), "coding-last", 45,
     400},
    {Q, TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n"), "coding-last", 45,
     400},
    {Q, TEXT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), "coding-last", 45,
     400},
    {Q, TEXT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"), "coding-last",
     54, 400},
    {S, TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
     "coding-last", 36, 400},
    {Q,
     TEXT(POST "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked"
               "\r\n\r\n"),
     "coding-twice", 73, 400},
    {Q, TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), "coding-unknown",
     45, 501},
    {Q, TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n"),
     "connect-content", 33, 400},
    {Q,
     TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n"
          "Transfer-Encoding: chunked\r\n\r\n"),
     "connect-content", 52, 400},
    {Q, TEXT(CHUNKS "\r\n"), "chunk-size", 56, 400},
    {Q, TEXT(CHUNKS " 5\r\n"), "chunk-size", 56, 400},
    {Q, TEXT(CHUNKS "+5\r\n"), "chunk-size", 56, 400},
    {Q, TEXT(CHUNKS "0x5\r\n"), "chunk-size", 57, 400},
    {Q, TEXT(CHUNKS "5 \r\n"), "chunk-size", 57, 400},
    {Q, TEXT(CHUNKS "5 ;a\r\n"), "chunk-size", 57, 400},
    {Q, TEXT(CHUNKS "5_0\r\n"), "chunk-size", 57, 400},
    {Q, TEXT(CHUNKS ";a\r\n"), "chunk-size", 56, 400},
    {Q, TEXT(CHUNKS "8000000000000000\r\n"), "chunk-huge", 71, 400},
    {Q, TEXT(CHUNKS "00000000000000005\r\n"), "chunk-huge", 72, 400},
    {Q, TEXT(CHUNKS "5\n"), "bare-lf", 57, 400},
    {Q, TEXT(CHUNKS "5\rX"), "bare-cr", 58, 400},
    {Q, TEXT(CHUNKS "5;\r\n"), "chunk-ext", 58, 400},
    {Q, TEXT(CHUNKS "5;a=\r\n"), "chunk-ext", 60, 400},
    {Q, TEXT(CHUNKS "5; a\r\n"), "chunk-ext", 58, 400},
    {Q, TEXT(CHUNKS "5;a b\r\n"), "chunk-ext", 59, 400},
    {Q, TEXT(CHUNKS "5;a=b c\r\n"), "chunk-ext", 61, 400},
    {Q, TEXT(CHUNKS "5;a=\"b\r\n"), "chunk-ext", 62, 400},
    {Q, TEXT(CHUNKS "5;a=\"b\\\n\"\r\n"), "chunk-ext", 63, 400},
    {Q, TEXT(CHUNKS "5;a=\"b\"c\r\n"), "chunk-ext", 63, 400},
    {Q, TEXT(CHUNKS "5;a\nX"), "bare-lf", 59, 400},
    {Q, TEXT(CHUNKS "1\r\nab\r\n"), "chunk-end", 60, 400},
    {Q, TEXT(CHUNKS "1\r\na\n"), "bare-lf", 60, 400},
    {Q, TEXT(CHUNKS "1\r\na\rX"), "bare-cr", 61, 400},
    {Q, TEXT(CHUNKS "1\r\na\r\n\r\n"), "chunk-size", 62, 400},
    {Q, TEXT(CHUNKS "0\r\n\n"), "bare-lf", 59, 400},
    {Q, TEXT(CHUNKS "0\r\n\rX"), "bare-cr", 60, 400},
    {Q, TEXT(CHUNKS "0\r\n a: b\r\n"), "first-space", 59, 400},
    {Q, TEXT(CHUNKS "0\r\na: b\r\n c\r\n"), "obs-fold", 65, 400},
    {Q, TEXT(CHUNKS "0\r\n: b\r\n"), "name-empty", 59, 400},
    {Q, TEXT(CHUNKS "0\r\n(: b\r\n"), "name-char", 59, 400},
    {Q, TEXT(CHUNKS "0\r\na(: b\r\n"), "name-char", 60, 400},
    {Q, TEXT(CHUNKS "0\r\na\r\n"), "no-colon", 60, 400},
    {Q, TEXT(CHUNKS "0\r\na : b\r\n"), "space-colon", 60, 400},
    {Q, TEXT(CHUNKS "0\r\na: \0\r\n"), "value-nul", 62, 400},
    {Q, TEXT(CHUNKS "0\r\na: \x01\r\n"), "value-control", 62, 400},
    {Q, TEXT(CHUNKS "0\r\na: b\n"), "bare-lf", 63, 400},
    {Q, TEXT(CHUNKS "0\r\na: b\rX"), "bare-cr", 64, 400},
    {Q, TEXT(CHUNKS "0\r\nContent-Length: 5\r\n"), "trailer-framing", 73, 400},
    {Q, TEXT(CHUNKS "0\r\nTRANSFER-ENCODING: chunked\r\n"), "trailer-framing",
     76, 400},
    {Q, TEXT(CHUNKS "0\r\na: b\r\nhost: x\r\n"), "trailer-framing", 69, 400},
};

static void http1_refuses_and_names_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct result result = play_all_splits(
            refusals[i].kind, NULL, 0, refusals[i].bytes, refusals[i].len);
        if (strcmp(result.name, refusals[i].fault) ||
            result.offset != refusals[i].offset)
            print_message("row %zu: %s\n", i, refusals[i].bytes);
        assert_string_equal(result.name, refusals[i].fault);
        assert_int_equal(result.offset, refusals[i].offset);
        assert_int_equal(result.status, refusals[i].status);
        assert_int_equal(strncmp(result.rule, "RFC ", 4), 0);
        free(result.said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_refuses_and_names_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
