/* SPDX-License-Identifier: MIT
 *
 * The HTTP/1 parser: what it reads, what it refuses and where. Everything is
 * played whole, in two pieces at every byte, and byte by byte. */
#include "tests/proxy/http1_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- refusals
 * -------------------------------------------------------------------- */

#define Q           HTTP1_REQUEST
#define S           HTTP1_RESPONSE
#define GET         "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST        "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKS      POST "Transfer-Encoding: chunked\r\n\r\n"
#define TEXT(text)  text, sizeof text - 1
#define ROWS(table) (sizeof table / sizeof *table)

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
    {Q, TEXT("GET h2://a/ HTTP/1.1\r\n"), "target-form", 4, 400},
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
    {S, TEXT("HTTP/1.1 2000 OK\r\n"), "status-space", 12, 400},
    {S, TEXT("HTTP/1.1 200\r\n"), "status-space", 12, 400},
    {S, TEXT("HTTP/1.1 200 a\x01\r\n"), "reason-char", 14, 400},
    {S, TEXT("HTTP/1.1 200 a\rb\r\n"), "bare-cr", 14, 400},
    {S, TEXT("ICY 200 OK\r\n"), "version-syntax", 0, 400},
    {Q, TEXT("GET / HTTP/1.1\r\n Host: a\r\n"), "first-space", 16, 400},
    {Q, TEXT(GET "a: b\r\n c\r\n"), "obs-fold", 31, 400},
    {Q, TEXT(GET "a: b\r\n \r\n"), "obs-fold", 31, 400},
    {Q, TEXT(GET ": b\r\n"), "name-empty", 25, 400},
    {Q, TEXT(GET "a b: c\r\n"), "space-colon", 26, 400},
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
    {S, TEXT("HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n"), "length-forbidden",
     32, 400},
    {S, TEXT("HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
     "coding-forbidden", 35, 400},
    {S, TEXT("HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n"), "upgrade-missing", 9,
     400},
    {S, TEXT("HTTP/1.1 101 x\r\nConnection: Upgrade\r\n\r\n"),
     "upgrade-missing", 9, 400},
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
    for (size_t i = 0; i < ROWS(refusals); i++) {
        struct script script = {refusals[i].kind, NULL, 0, refusals[i].bytes,
                                refusals[i].len};
        struct played played = play_every_split(&script);
        if (strcmp(played.fault, refusals[i].fault) ||
            played.offset != refusals[i].offset)
            print_message("row %zu: %s\n", i, refusals[i].bytes);
        assert_string_equal(played.fault, refusals[i].fault);
        assert_int_equal(played.offset, refusals[i].offset);
        assert_int_equal(played.status, refusals[i].status);
        assert_int_equal(strncmp(played.rule, "RFC ", 4), 0);
        free(played.said);
    }
}

/* ---- what is read
 * -------------------------------------------------------------- */

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    struct script script;
    const char *said;
} readings[] = {
    {{Q, NULL, 0, TEXT(GET "\r\n")},
     "head 27 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|/||a|Host|a|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("\r\n\r\n" GET "\r\n")},
     "head 31 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|/||a|Host|a|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("GET /a?b=|{}^`\\%zz HTTP/1.1\r\nHOST:\r\n\r\n")},
     "head 38 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|/a?b=|{}^`\\%zz|||HOST||\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("GET / HTTP/1.0\r\n\r\n")},
     "head 18 at 0: kind 0 status 0 minor 0 framing 0 length 0 flags 000 "
     "fields 0|GET|/|||\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n")},
     "head 45 at 0: kind 0 status 0 minor 0 framing 0 length 0 flags 100 "
     "fields 1|GET|/|||Connection|x, Keep-Alive|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT(GET "connection: close,keep-alive\r\n\r\n")},
     "head 57 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 000 "
     "fields 2|GET|/||a|Host|a|connection|close,keep-alive|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT(GET "a:\t b \x80\xff\tc \t\r\n\r\n")},
     "head 41 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 2|GET|/||a|Host|a|a|b \x80\xff\tc|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("GET http://b:8/x HTTP/1.1\r\nHost: a\r\n\r\n")},
     "head 38 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|http://b:8/x||b:8|Host|a|\nbody \nend\n"},
    {{Q, NULL, 0,
      TEXT("GET http://[2001:db8::1]:8?x HTTP/1.1\r\n"
           "Host: [2001:db8::1]:8\r\n\r\n")},
     "head 64 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|http://[2001:db8::1]:8?x||[2001:db8::1]:8|"
     "Host|[2001:db8::1]:8|\nbody \nend\n"},
    {{Q, NULL, 0, TEXT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")},
     "head 31 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|OPTIONS|*||a|Host|a|\nbody \nend\n"},
    {{Q, NULL, 0,
      TEXT("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03")},
     "head 39 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|CONNECT|a:443||a:443|Host|a:443|\nbody \nend\n"},
    {{Q, NULL, 0,
      TEXT(GET "Upgrade: websocket\r\n"
               "Connection: Upgrade\r\n\r\nxyz")},
     "head 68 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 110 "
     "fields 3|GET|/||a|Host|a|Upgrade|websocket|Connection|Upgrade|\n"
     "body \nend\n"},
    {{Q, NULL, 0,
      TEXT(POST "Expect: 100-Continue\r\nContent-Length: 05\r\n\r\nhello"
                "GET / HTTP/1.0\r\n\r\n")},
     "head 70 at 0: kind 0 status 0 minor 1 framing 1 length 5 flags 101 "
     "fields 3|POST|/||a|Host|a|Expect|100-Continue|Content-Length|05|\n"
     "body hello\nend\n"
     "head 18 at 75: kind 0 status 0 minor 0 framing 0 length 0 flags 000 "
     "fields 0|GET|/|||\nbody \nend\n"},
    {{Q, NULL, 0,
      TEXT(CHUNKS "5;a;b=c;d=\"e \\\" f\"\r\nhello\r\n"
                  "0000000A\r\n, chunked \r\n0\r\n"
                  "A: b\r\ncontent-lengt: x\r\nhos:\r\n\r\n" GET "\r\n")},
     "head 56 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 2|POST|/||a|Host|a|Transfer-Encoding|chunked|\n"
     "body hello, chunked \nend\n"
     "head 27 at 140: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 1|GET|/||a|Host|a|\nbody \nend\n"},
    {{S, NULL, 0, TEXT("HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n")},
     "head 37 at 0: kind 1 status 999 minor 1 framing 1 length 0 flags 100 "
     "fields 1|||?||Content-Length|0|\nbody \nend\n"},
    {{S, NULL, 0, TEXT("HTTP/1.0 404 \r\n\r\nuntil the end")},
     "head 17 at 0: kind 1 status 404 minor 0 framing 3 length 0 flags 000 "
     "fields 0|||||\nbody so far until the end"},
    {{S, NULL, 0, TEXT(OK "Content-Length: 2\r\n\r\nhi" OK "\r\nrest")},
     "head 38 at 0: kind 1 status 200 minor 1 framing 1 length 2 flags 100 "
     "fields 1|||OK||Content-Length|2|\nbody hi\nend\n"
     "head 19 at 40: kind 1 status 200 minor 1 framing 3 length 0 flags 000 "
     "fields 0|||OK||\nbody so far rest"},
    {{S, NULL, 0,
      TEXT("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n")},
     "head 25 at 0: kind 1 status 100 minor 1 framing 0 length 0 flags 100 "
     "fields 0|||Continue||\nbody \nend\n"
     "head 38 at 25: kind 1 status 200 minor 1 framing 1 length 0 flags 100 "
     "fields 1|||OK||Content-Length|0|\nbody \nend\n"},
    {{S, "HEAD", 0, TEXT(OK "Content-Length: 9\r\n\r\n")},
     "head 38 at 0: kind 1 status 200 minor 1 framing 0 length 0 flags 100 "
     "fields 1|||OK||Content-Length|9|\nbody \nend\n"},
    {{S, "HEAD", 0, TEXT(OK "Transfer-Encoding: chunked\r\n\r\n")},
     "head 47 at 0: kind 1 status 200 minor 1 framing 0 length 0 flags 100 "
     "fields 1|||OK||Transfer-Encoding|chunked|\nbody \nend\n"},
    {{S, NULL, 0, TEXT("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n")},
     "head 37 at 0: kind 1 status 304 minor 1 framing 0 length 0 flags 100 "
     "fields 1|||x||Content-Length|9|\nbody \nend\n"},
    {{S, NULL, 0, TEXT("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n")},
     "head 37 at 0: kind 1 status 204 minor 1 framing 0 length 0 flags 100 "
     "fields 1|||x||Content-Length|0|\nbody \nend\n"},
    {{S, "CONNECT", 0, TEXT(OK "Content-Length: 9\r\n\r\nabc")},
     "head 38 at 0: kind 1 status 200 minor 1 framing 4 length 0 flags 000 "
     "fields 1|||OK||Content-Length|9|\nbody so far abc"},
    {{S, "CONNECT", 0, TEXT("HTTP/1.1 403 no\r\nContent-Length: 2\r\n\r\nab")},
     "head 38 at 0: kind 1 status 403 minor 1 framing 1 length 2 flags 100 "
     "fields 1|||no||Content-Length|2|\nbody ab\nend\n"},
    {{S, NULL, 0,
      TEXT("HTTP/1.1 101 ok\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n?")},
     "head 52 at 0: kind 1 status 101 minor 1 framing 4 length 0 flags 010 "
     "fields 2|||ok||Upgrade|x|Connection|upgrade|\nbody so far ?"},
    {{S, NULL, 0,
      TEXT(OK "Host: a\r\nHost: (\r\nTransfer-Encoding: Chunked\r\n\r\n"
              "3\r\nabc\r\n0\r\n\r\n")},
     "head 65 at 0: kind 1 status 200 minor 1 framing 2 length 0 flags 100 "
     "fields 3|||OK||Host|a|Host|(|Transfer-Encoding|Chunked|\n"
     "body abc\nend\n"},
    {{Q, NULL, HTTP1_LENIENT_NO_HOST, TEXT("GET / HTTP/1.1\r\n\r\n")},
     "head 18 at 0: kind 0 status 0 minor 1 framing 0 length 0 flags 100 "
     "fields 0|GET|/|||\nbody \nend\n"},
    {{Q, NULL, HTTP1_LENIENT_BARE_LF,
      TEXT("\nGET / HTTP/1.1\nHost: a\n"
           "Transfer-Encoding: chunked\r\n\n1;a\nb\n0\nc: d\n\n")},
     "head 53 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 2|GET|/||a|Host|a|Transfer-Encoding|chunked|\nbody b\nend\n"},
    {{Q, NULL, HTTP1_LENIENT_OBS_FOLD,
      TEXT(POST "a:\r\n b\r\n \t\r\n\tc \r\nTransfer-Encoding:\r\n chunked"
                "\r\n\r\n0\r\na: b\r\n c\r\n\r\n")},
     "head 75 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 3|POST|/||a|Host|a|a|b\r\n \t\r\n\tc|Transfer-Encoding|chunked|\n"
     "body \nend\n"},
    {{Q, NULL, HTTP1_LENIENT_SPACE_COLON,
      TEXT(POST "Transfer-Encoding \t: chunked\r\n\r\n0\r\na : b\r\n\r\n")},
     "head 58 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 2|POST|/||a|Host|a|Transfer-Encoding|chunked|\nbody \nend\n"},
    {{Q, NULL, HTTP1_LENIENT_TWO_LENGTHS,
      TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                "0\r\n\r\n")},
     "head 75 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 3|POST|/||a|Host|a|Content-Length|5|Transfer-Encoding|chunked|\n"
     "body \nend\n"},
    {{Q, NULL, HTTP1_LENIENT_CHUNK_EXT,
      TEXT(CHUNKS "3 ; \x01 =\r\nabc\r\n0 \r\n\r\n")},
     "head 56 at 0: kind 0 status 0 minor 1 framing 2 length 0 flags 100 "
     "fields 2|POST|/||a|Host|a|Transfer-Encoding|chunked|\nbody abc\nend\n"},
};

static void http1_reads_what_the_rules_allow(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(readings); i++) {
        struct played played = play_every_split(&readings[i].script);
        if (strcmp(played.said, readings[i].said))
            print_message("row %zu\n", i);
        assert_string_equal(played.said, readings[i].said);
        free(played.said);
    }
}

static void http1_needs_each_leniency_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(readings); i++) {
        struct script script = readings[i].script;
        if (!script.lenient)
            continue;
        for (unsigned bit = 0; http1_lenient_name(bit); bit++) {
            bool needed = script.lenient == 1u << bit;
            script.lenient = 1u << bit;
            struct played played = play_split(&script, script.len, 1);
            assert_int_equal(!*played.fault, needed);
            free(played.said);
            script.lenient = readings[i].script.lenient;
        }
    }
}

static void http1_leniencies_have_names(void **state)
{
    (void)state;
    unsigned bit = 0;
    for (; http1_lenient_name(bit); bit++)
        assert_int_equal(http1_lenient_bit(http1_lenient_name(bit)), 1u << bit);
    assert_int_equal(1u << bit, HTTP1_LENIENT_NO_HOST << 1);
    assert_int_equal(http1_lenient_bit("obs-fold"), HTTP1_LENIENT_OBS_FOLD);
    assert_int_equal(http1_lenient_bit("no-such"), 0);
}

/* ---- limits
 * ----------------------------------------------------------------------- */

/* before + `count` times `part` + after, played in pieces of several sizes. */
static struct played play_long(const char *before, const char *part,
                               size_t count, const char *after)
{
    static const size_t steps[] = {997, 4096, 65536};
    struct buf buf = {0};
    buf_append_text(&buf, before);
    for (size_t i = 0; i < count; i++)
        buf_append_text(&buf, part);
    buf_append_text(&buf, after);
    struct script script = {Q, NULL, 0, (const char *)buf_head(&buf),
                            buf_len(&buf)};
    struct played whole = play_split(&script, script.len, 1);
    for (size_t i = 0; i < ROWS(steps); i++)
        play_same(&script, 0, steps[i], &whole);
    buf_free(&buf);
    return whole;
}

static const struct {
    const char *before, *part;
    size_t count; /* so many are read, one more is refused */
    const char *after, *fault;
    size_t offset;
    int status;
} limits[] = {
    {"GET /", "x", HTTP1_TARGET_MOST - 1, " HTTP/1.1\r\nHost: a\r\n\r\n",
     "target-long", 4 + HTTP1_TARGET_MOST, 414},
    {GET "a: ", "x", HTTP1_HEAD_MOST - 32, "\r\n\r\n", "head-long",
     HTTP1_HEAD_MOST, 431},
    {GET, "a:\r\n", HTTP1_FIELDS_MOST - 1, "\r\n", "fields-many", 25 + 99 * 4,
     431},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE", "F", 1, " / HTTP/1.0\r\n\r\n",
     "method-long", 32, 501},
    {CHUNKS "0\r\n", "a:\r\n", HTTP1_FIELDS_MOST, "\r\n", "trailers-many",
     59 + 400, 431},
    {CHUNKS "0;", "a", 16 * 1024, "\r\n\r\n", "chunk-ext-long", 58 + 16 * 1024,
     400},
    {CHUNKS "0\r\na:", "x", HTTP1_HEAD_MOST - 3, "\r\n\r\n", "trailer-long",
     59 + HTTP1_HEAD_MOST, 431},
};

static void http1_keeps_its_limits_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(limits); i++) {
        struct played fits = play_long(limits[i].before, limits[i].part,
                                       limits[i].count, limits[i].after);
        assert_string_equal(fits.fault, "");
        assert_int_equal(fits.messages, 1);
        free(fits.said);
        struct played over = play_long(limits[i].before, limits[i].part,
                                       limits[i].count + 1, limits[i].after);
        assert_string_equal(over.fault, limits[i].fault);
        assert_int_equal(over.offset, limits[i].offset);
        assert_int_equal(over.status, limits[i].status);
        free(over.said);
    }
}

static void http1_refuses_an_endless_start_line_before_64_kib(void **state)
{
    (void)state;
    struct played target = play_long("GET /", "x", 9000, "");
    assert_string_equal(target.fault, "target-long");
    free(target.said);
    struct played version = play_long("GET / HTTP/1.1", "1", 9000, "");
    assert_string_equal(version.fault, "version-syntax");
    assert_int_equal(version.offset, 14);
    free(version.said);
    struct played empty = play_long("", "\r\n", HTTP1_HEAD_MOST / 2, "");
    assert_string_equal(empty.fault, "head-long");
    free(empty.said);
}

static bool is_tested(const char *fault)
{
    for (size_t i = 0; i < ROWS(refusals); i++)
        if (!strcmp(refusals[i].fault, fault))
            return true;
    for (size_t i = 0; i < ROWS(limits); i++)
        if (!strcmp(limits[i].fault, fault))
            return true;
    return false;
}

static void http1_tests_reach_every_fault(void **state)
{
    (void)state;
    static const char *const names[] = {
#define X(id, name, status, rule, sentence) name,
#include "proxy/http1_faults.def"
#undef X
    };
    for (size_t i = 0; i < ROWS(names); i++) {
        if (!is_tested(names[i]))
            print_message("no test refuses with %s\n", names[i]);
        assert_true(is_tested(names[i]));
    }
}

/* ---- how it works with its caller
 * --------------------------------------------------- */

static void http1_judges_no_line_twice_before_the_end(void **state)
{
    (void)state;
    char bytes[] = GET "a: b\r\nc";
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_fault fault;
    size_t len = sizeof bytes - 1;
    assert_int_equal(
        http1_head_read(&scan, Q, NULL, bytes, len - 1, &head, &fault), 0);
    /* What was judged is not looked at again, or this would be refused. */
    memset(bytes, '\n', len - 1);
    assert_int_equal(http1_head_read(&scan, Q, NULL, bytes, len, &head, &fault),
                     0);
    assert_int_equal(scan.seen, len);
}

static void http1_scan_serves_one_head_after_another(void **state)
{
    (void)state;
    struct http1_scan scan = {.lenient = HTTP1_LENIENT_BARE_LF};
    struct http1_head head;
    struct http1_fault fault;
    static const char bytes[] = "GET / HTTP/1.0\nA: b\n\n";
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            http1_head_read(&scan, Q, NULL, bytes, 17, &head, &fault), 0);
        assert_int_equal(http1_head_read(&scan, Q, NULL, bytes,
                                         sizeof bytes - 1, &head, &fault),
                         sizeof bytes - 1);
        assert_int_equal(head.fields_count, 1);
    }
}

static void http1_field_finds_all_of_a_name(void **state)
{
    (void)state;
    static const char bytes[] =
        GET "Cookie: a\r\nx: y\r\ncookie: b\r\nCookies: c\r\n\r\n";
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_fault fault;
    assert_true(http1_head_read(&scan, Q, NULL, bytes, sizeof bytes - 1, &head,
                                &fault) > 0);
    const struct http1_field *field = http1_field(&head, bytes, "COOKIE", NULL);
    assert_non_null(field);
    assert_int_equal(bytes[field->value.at], 'a');
    field = http1_field(&head, bytes, "cookie", field);
    assert_non_null(field);
    assert_int_equal(bytes[field->value.at], 'b');
    assert_null(http1_field(&head, bytes, "cookie", field));
    assert_null(http1_field(&head, bytes, "y", NULL));
}

static void http1_body_takes_nothing_when_it_refuses(void **state)
{
    (void)state;
    struct http1_head head = {.framing = HTTP1_CHUNKED};
    struct http1_body body;
    struct http1_fault fault;
    struct span data;
    http1_body_init(&body, &head, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http1_body_read(&body, "5\nx", 3, &data, &fault), -1);
        assert_int_equal(fault.offset, 1);
        assert_int_equal(body.offset, 0);
    }
    assert_int_equal(http1_body_read(&body, "5\r\nab", 5, &data, &fault), 5);
    assert_int_equal(data.at, 3);
    assert_int_equal(data.len, 2);
}

static void http1_body_counts_beyond_32_bits(void **state)
{
    (void)state;
    struct http1_head head = {.framing = HTTP1_LENGTH,
                              .length = (1ull << 32) + 1};
    struct http1_body body;
    struct http1_fault fault;
    struct span data;
    static const char bytes[1 << 16];
    http1_body_init(&body, &head, 0);
    for (int i = 0; i < 1 << 16; i++)
        assert_int_equal(
            http1_body_read(&body, bytes, sizeof bytes, &data, &fault),
            sizeof bytes);
    assert_false(body.done);
    assert_int_equal(http1_body_read(&body, bytes, 9, &data, &fault), 1);
    assert_true(body.done);
    assert_int_equal(http1_body_read(&body, bytes, 9, &data, &fault), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_refuses_and_names_the_byte),
        cmocka_unit_test(http1_reads_what_the_rules_allow),
        cmocka_unit_test(http1_needs_each_leniency_by_name),
        cmocka_unit_test(http1_leniencies_have_names),
        cmocka_unit_test(http1_keeps_its_limits_to_the_byte),
        cmocka_unit_test(http1_refuses_an_endless_start_line_before_64_kib),
        cmocka_unit_test(http1_tests_reach_every_fault),
        cmocka_unit_test(http1_judges_no_line_twice_before_the_end),
        cmocka_unit_test(http1_scan_serves_one_head_after_another),
        cmocka_unit_test(http1_field_finds_all_of_a_name),
        cmocka_unit_test(http1_body_takes_nothing_when_it_refuses),
        cmocka_unit_test(http1_body_counts_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
