/* SPDX-License-Identifier: MIT
 *
 * What request smuggling is made of: messages that two readers would cut in
 * different places. Each row is a trick on its own; what is harmless in our
 * reading says so. Known from Watchfire (2005), Kettle (2019, 2022, 2025),
 * Grenfeldt (2022) and the advisories about the parsers that fell for them. */
#ifndef TESTS_PROXY_SMUGGLING_H
#define TESTS_PROXY_SMUGGLING_H

#include "proxy/http1.h"

struct smuggling {
    enum http1_kind kind;
    const char *trick;
    const char *bytes;
    size_t len;
    const char *fault; /* NULL: read, and in one way only */
    unsigned messages; /* that were read as messages */
};

#define START "POST / HTTP/1.1\r\nHost: a\r\n"
/* Six bytes are the whole body, or one chunk and the last one. */
#define BOTH   "\r\n\r\n0\r\n\r\nX"
#define CL     START "Content-Length: 6\r\n"
#define TE     START "Transfer-Encoding: chunked\r\n\r\n"
#define SECOND "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
#define ROW(kind, trick, bytes, fault, messages)                               \
    {                                                                          \
        kind, trick, bytes, sizeof bytes - 1, fault, messages                  \
    }
#define REQUEST(trick, bytes, fault) ROW(HTTP1_REQUEST, trick, bytes, fault, 0)
#define RESPONSE(trick, bytes, fault)                                          \
    ROW(HTTP1_RESPONSE, trick, bytes, fault, 0)

static const struct smuggling smuggling[] = {
    /* Two lengths */
    REQUEST("CL.TE", CL "Transfer-Encoding: chunked" BOTH, "length-and-coding"),
    REQUEST("TE.CL",
            START "Transfer-Encoding: chunked\r\nContent-Length: 4" BOTH,
            "length-and-coding"),
    REQUEST("in capitals", CL "TRANSFER-ENCODING: CHUNKED" BOTH,
            "length-and-coding"),
    REQUEST("tab before the value", CL "Transfer-Encoding:\tchunked" BOTH,
            "length-and-coding"),
    REQUEST("white space behind the value",
            CL "Transfer-Encoding: chunked \t" BOTH, "length-and-coding"),
    REQUEST("CL.CL", START "Content-Length: 6\r\nContent-Length: 0" BOTH,
            "length-twice"),
    REQUEST("the same length twice", CL "Content-Length: 6" BOTH,
            "length-twice"),
    REQUEST("CL.CL in another case", CL "content-length: 0" BOTH,
            "length-twice"),

    /* A Transfer-Encoding that one reader does not see */
    REQUEST("space before the colon", CL "Transfer-Encoding : chunked" BOTH,
            "space-colon"),
    REQUEST("tab before the colon", CL "Transfer-Encoding\t: chunked" BOTH,
            "space-colon"),
    REQUEST("vertical tab before the colon",
            CL "Transfer-Encoding\x0b: chunked" BOTH, "name-char"),
    REQUEST("NUL before the colon", CL "Transfer-Encoding\0: chunked" BOTH,
            "name-char"),
    REQUEST("NUL in the name", CL "Transfer\0-Encoding: chunked" BOTH,
            "name-char"),
    REQUEST("space in the name", CL "Transfer Encoding: chunked" BOTH,
            "space-colon"),
    REQUEST("no-break space", CL "Transfer-Encoding\xa0: chunked" BOTH,
            "name-char"),
    REQUEST("soft hyphen",
            CL "Transfer\xad"
               "Encoding: chunked" BOTH,
            "name-char"),
    REQUEST("colon first", CL ":Transfer-Encoding: chunked" BOTH, "name-empty"),
    REQUEST("quoted name", CL "\"Transfer-Encoding\": chunked" BOTH,
            "name-char"),
    REQUEST("line of its own for the colon",
            CL "Transfer-Encoding\r\n: chunked" BOTH, "no-colon"),
    REQUEST("folded before the colon",
            CL "Transfer-Encoding\r\n : chunked" BOTH, "no-colon"),
    REQUEST("no colon", CL "Transfer-Encoding chunked" BOTH, "space-colon"),
    REQUEST("as a folded line", CL "X: y\r\n Transfer-Encoding: chunked" BOTH,
            "obs-fold"),
    REQUEST("folded value", CL "Transfer-Encoding:\r\n chunked" BOTH,
            "obs-fold"),
    REQUEST("folded with a tab", CL "Transfer-Encoding:\r\n\tchunked" BOTH,
            "obs-fold"),
    REQUEST("first field begins with a space",
            "POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\n"
            "Content-Length: 6" BOTH,
            "first-space"),
    REQUEST("behind a bare LF", CL "X: y\nTransfer-Encoding: chunked" BOTH,
            "bare-lf"),
    REQUEST("behind a bare CR", CL "X: y\rTransfer-Encoding: chunked" BOTH,
            "bare-cr"),
    REQUEST("behind CR CR LF", CL "X: y\r\r\nTransfer-Encoding: chunked" BOTH,
            "bare-cr"),
    REQUEST("behind LF CR", CL "X: y\n\rTransfer-Encoding: chunked" BOTH,
            "bare-lf"),
    REQUEST("behind an empty value and CR",
            CL "X:\rTransfer-Encoding: chunked" BOTH, "bare-cr"),
    REQUEST("behind an empty value and LF",
            CL "X:\nTransfer-Encoding: chunked" BOTH, "bare-lf"),
    REQUEST("behind a NUL", CL "X: y\0\r\nTransfer-Encoding: chunked" BOTH,
            "value-nul"),

    /* A value that only one reader takes for chunked */
    REQUEST("vertical tab before chunked",
            CL "Transfer-Encoding: \x0b"
               "chunked" BOTH,
            "value-control"),
    REQUEST("form feed before chunked",
            CL "Transfer-Encoding: \x0c"
               "chunked" BOTH,
            "value-control"),
    REQUEST("NUL before chunked", CL "Transfer-Encoding: \0chunked" BOTH,
            "value-nul"),
    REQUEST("NUL behind chunked", CL "Transfer-Encoding: chunked\0" BOTH,
            "value-nul"),
    REQUEST("delete behind chunked", CL "Transfer-Encoding: chunked\x7f" BOTH,
            "value-control"),
    REQUEST("x before chunked", START "Transfer-Encoding: xchunked" BOTH,
            "coding-last"),
    REQUEST("x behind chunked", START "Transfer-Encoding: chunkedx" BOTH,
            "coding-last"),
    REQUEST("a part of chunked", START "Transfer-Encoding: chunk" BOTH,
            "coding-last"),
    REQUEST("quoted", START "Transfer-Encoding: \"chunked\"" BOTH,
            "coding-last"),
    REQUEST("in single quotes", START "Transfer-Encoding: 'chunked'" BOTH,
            "coding-last"),
    REQUEST("in brackets", START "Transfer-Encoding: [chunked]" BOTH,
            "coding-last"),
    REQUEST("with a parameter", START "Transfer-Encoding: chunked;a=b" BOTH,
            "coding-last"),
    REQUEST("with a Kelvin sign",
            START "Transfer-Encoding: chun\xe2\x84\xaa"
                  "ed" BOTH,
            "coding-last"),
    REQUEST("behind a no-break space",
            START "Transfer-Encoding: \xa0"
                  "chunked" BOTH,
            "coding-last"),
    REQUEST("colon in the value", START "Transfer-Encoding:: chunked" BOTH,
            "coding-last"),
    REQUEST("empty", START "Transfer-Encoding:" BOTH, "coding-syntax"),
    REQUEST("identity", START "Transfer-Encoding: identity" BOTH,
            "coding-last"),
    REQUEST("chunked, then identity",
            START "Transfer-Encoding: chunked, identity" BOTH, "coding-last"),
    REQUEST("identity, then chunked",
            START "Transfer-Encoding: identity, chunked" BOTH,
            "coding-unknown"),
    REQUEST("two fields, the second unknown",
            START "Transfer-Encoding: chunked\r\nTransfer-encoding: cow" BOTH,
            "coding-last"),
    REQUEST("two fields, the first unknown",
            START "Transfer-Encoding: cow\r\nTransfer-encoding: chunked" BOTH,
            "coding-unknown"),
    REQUEST("chunked twice", START "Transfer-Encoding: chunked, chunked" BOTH,
            "coding-twice"),
    REQUEST("two fields, the second empty",
            START "Transfer-Encoding: chunked\r\nTransfer-Encoding:" BOTH,
            "coding-syntax"),
    REQUEST("empty element first", START "Transfer-Encoding: ,chunked" BOTH,
            "coding-syntax"),
    REQUEST("in an old message",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked" BOTH, "coding-old"),

    /* Names that are other names: nothing is chunked here */
    ROW(HTTP1_REQUEST, "underscore",
        CL "Transfer_Encoding: chunked\r\n\r\n"
           "0\r\n\r\nX",
        NULL, 1),
    ROW(HTTP1_REQUEST, "the TE field", CL "TE: chunked\r\n\r\n0\r\n\r\nX", NULL,
        1),
    ROW(HTTP1_REQUEST, "a content coding",
        CL "Content-Encoding: chunked\r\n\r\n0\r\n\r\nX", NULL, 1),
    ROW(HTTP1_REQUEST, "an X- name",
        CL "X-Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", NULL, 1),

    /* A Content-Length that is read in two ways */
    REQUEST("plus", START "Content-Length: +6" BOTH, "length-value"),
    REQUEST("minus", START "Content-Length: -6" BOTH, "length-value"),
    REQUEST("hexadecimal", START "Content-Length: 0x6" BOTH, "length-value"),
    REQUEST("exponent", START "Content-Length: 6e0" BOTH, "length-value"),
    REQUEST("point", START "Content-Length: 6.0" BOTH, "length-value"),
    REQUEST("underscore in digits", START "Content-Length: 0_6" BOTH,
            "length-value"),
    REQUEST("list of equals", START "Content-Length: 6, 6" BOTH,
            "length-value"),
    REQUEST("list of two", START "Content-Length: 6, 0" BOTH, "length-value"),
    REQUEST("space between digits", START "Content-Length: 6 0" BOTH,
            "length-value"),
    REQUEST("comma behind", START "Content-Length: 6," BOTH, "length-value"),
    REQUEST("semicolon behind", START "Content-Length: 6;" BOTH,
            "length-value"),
    REQUEST("quoted length", START "Content-Length: \"6\"" BOTH,
            "length-value"),
    REQUEST("other digits", START "Content-Length: \xd9\xa6" BOTH,
            "length-value"),
    REQUEST("NUL behind the length", START "Content-Length: 6\0" BOTH,
            "value-nul"),
    REQUEST("vertical tab behind the length",
            START "Content-Length: 6\x0b" BOTH, "value-control"),
    REQUEST("empty length", START "Content-Length:" BOTH, "length-value"),
    REQUEST("folded length", START "Content-Length:\r\n 6" BOTH, "obs-fold"),
    REQUEST("6 beyond 64 bits",
            START "Content-Length: 18446744073709551622" BOTH, "length-huge"),
    REQUEST("space before the colon of a length",
            START "Content-Length : 6" BOTH, "space-colon"),
    ROW(HTTP1_REQUEST, "zeros in front are decimal",
        START "Content-Length: 010\r\n\r\n0123456789", NULL, 1),
    ROW(HTTP1_REQUEST, "GET with a body",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n" SECOND, NULL,
        1),
    ROW(HTTP1_REQUEST, "no length: what follows is a message of its own",
        START "\r\n" SECOND, NULL, 2),

    /* Chunks */
    REQUEST("size with plus", TE "+0\r\n\r\n", "chunk-size"),
    REQUEST("size with minus", TE "-0\r\n\r\n", "chunk-size"),
    REQUEST("size with 0x", TE "0x0\r\n\r\n", "chunk-size"),
    REQUEST("space before the size", TE " 0\r\n\r\n", "chunk-size"),
    REQUEST("space behind the size", TE "0 \r\n\r\n", "chunk-size"),
    REQUEST("tab behind the size", TE "0\t\r\n\r\n", "chunk-size"),
    REQUEST("NUL behind the size", TE "0\0\r\n\r\n", "chunk-size"),
    REQUEST("no size", TE "\r\n\r\n", "chunk-size"),
    REQUEST("only an extension", TE ";a\r\n\r\n", "chunk-size"),
    REQUEST("quoted size", TE "\"0\"\r\n\r\n", "chunk-size"),
    REQUEST("size beyond 64 bits", TE "10000000000000000\r\n\r\n",
            "chunk-huge"),
    REQUEST("size beyond 63 bits", TE "ffffffffffffffff\r\n\r\n", "chunk-huge"),
    REQUEST("size behind many zeros",
            TE "00000000000000000000000000000001\r\nX\r\n0\r\n\r\n",
            "chunk-huge"),
    REQUEST("bare LF behind the size", TE "0\n\r\n", "bare-lf"),
    REQUEST("bare CR behind the size", TE "0\rX\r\n\r\n", "bare-cr"),
    REQUEST("CR CR LF behind the size", TE "0\r\r\n\r\n", "bare-cr"),
    REQUEST("TERM.EXT: LF in an extension",
            TE "2;\nxx\r\n4e\r\n0\r\n\r\n" SECOND, "chunk-ext"),
    REQUEST("EXT.TERM: LF behind a name", TE "2;a\nxx\r\n0\r\n\r\n", "bare-lf"),
    REQUEST("CR in an extension", TE "2;a\rxx\r\n0\r\n\r\n", "bare-cr"),
    REQUEST("LF in quotes", TE "2;a=\"\n\"\r\nxx\r\n0\r\n\r\n", "chunk-ext"),
    REQUEST("CR LF in quotes", TE "2;a=\"\r\n\"\r\nxx\r\n0\r\n\r\n",
            "chunk-ext"),
    REQUEST("CR behind a backslash", TE "2;a=\"\\\r\"\r\nxx\r\n0\r\n\r\n",
            "chunk-ext"),
    REQUEST("extension without a semicolon", TE "2 a\r\nxx\r\n0\r\n\r\n",
            "chunk-size"),
    REQUEST("SPILL: two bytes too many", TE "2\r\nxxxx\r\n0\r\n\r\n",
            "chunk-end"),
    REQUEST("TERM.SPILL: LF behind the data", TE "2\r\nxx\n0\r\n\r\n",
            "bare-lf"),
    REQUEST("CR and something else behind the data", TE "2\r\nxx\rX0\r\n\r\n",
            "bare-cr"),
    REQUEST("no line end behind the data", TE "2\r\nxx0\r\n\r\n", "chunk-end"),
    REQUEST("two line ends behind the data", TE "2\r\nxx\r\n\r\n0\r\n\r\n",
            "chunk-size"),
    REQUEST("bare LF ends the trailer", TE "0\r\n\n" SECOND, "bare-lf"),
    REQUEST("bare CR ends the trailer", TE "0\r\n\r" SECOND, "bare-cr"),
    REQUEST("a length in the trailer", TE "0\r\nContent-Length: 40\r\n\r\n",
            "trailer-framing"),
    REQUEST("a coding in the trailer",
            TE "0\r\nTransfer-Encoding: chunked\r\n\r\n", "trailer-framing"),
    REQUEST("a host in the trailer", TE "0\r\nHost: b\r\n\r\n",
            "trailer-framing"),
    REQUEST("a request as trailer", TE "0\r\n" SECOND, "space-colon"),
    REQUEST("a folded trailer", TE "0\r\na: b\r\n Host: b\r\n\r\n", "obs-fold"),
    ROW(HTTP1_REQUEST, "what follows the last chunk is a message",
        TE "0\r\n\r\n" SECOND, NULL, 2),
    ROW(HTTP1_REQUEST, "an extension that looks like a size",
        TE "2;5=5\r\nxx\r\n0;0\r\n\r\n", NULL, 1),
    ROW(HTTP1_REQUEST, "a size in zeros and capitals",
        TE "000A\r\n0\r\n\r\n56789\r\n00\r\n\r\n", NULL, 1),

    /* The request line and Host */
    REQUEST("request in the target",
            "GET / HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            "host-missing"),
    REQUEST("two versions", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "version-syntax"),
    REQUEST("vertical tab ends the line", "GET / HTTP/1.1\x0bHost: a\r\n\r\n",
            "version-syntax"),
    REQUEST("tab as separator", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "method-char"),
    REQUEST("no-break space as separator",
            "GET /\xa0HTTP/1.1\r\nHost: a\r\n\r\n", "target-char"),
    REQUEST("NUL first", "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", "method-char"),
    REQUEST("HTTP/0.9 with a body", "GET /\r\n\r\n", "http-0.9"),
    REQUEST("a version without spaces", "GET /HTTP/1.1\r\nHost: a\r\n\r\n",
            "http-0.9"),
    REQUEST("host in the fragment", "GET /#@b HTTP/1.1\r\nHost: a\r\n\r\n",
            "target-fragment"),
    REQUEST("target that begins with @", "GET @b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "target-form"),
    REQUEST("host behind a user name",
            "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "target-user"),
    REQUEST("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "host-twice"),
    REQUEST("two hosts in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "host-value"),
    REQUEST("host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "host-value"),
    REQUEST("host with a user name", "GET / HTTP/1.1\r\nHost: x@a\r\n\r\n",
            "host-value"),
    REQUEST("host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n",
            "host-value"),
    REQUEST("host with a backslash", "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n",
            "host-value"),
    REQUEST("host behind a space", "GET / HTTP/1.1\r\n Host: b\r\n\r\n",
            "first-space"),
    REQUEST("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "http-2-preface"),
    REQUEST("CONNECT with a body",
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\n"
            "GET /",
            "connect-content"),

    /* Responses: what the next victim on the connection would be given */
    RESPONSE("CL.TE in a response",
             "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"
             "Transfer-Encoding: chunked" BOTH,
             "length-and-coding"),
    RESPONSE("CL.TE in a response without a body",
             "HTTP/1.1 304 OK\r\nContent-Length: 6\r\n"
             "Transfer-Encoding: chunked\r\n\r\n",
             "length-and-coding"),
    RESPONSE("CL.CL in a response",
             "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 0" BOTH,
             "length-twice"),
    RESPONSE("chunked, then identity, in a response",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity" BOTH,
             "coding-last"),
    RESPONSE("old message, new coding, in a response",
             "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" BOTH,
             "coding-old"),
    RESPONSE("CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", "bare-cr"),
    RESPONSE("LF in the reason", "HTTP/1.1 200 O\nContent-Length: 0\r\n\r\n",
             "bare-lf"),
    RESPONSE("empty line before a response", "\r\nHTTP/1.1 200 OK\r\n\r\n",
             "version-syntax"),
    RESPONSE("204 with a length",
             "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
             "length-forbidden"),
    RESPONSE("100 with a length",
             "HTTP/1.1 100 Go\r\nContent-Length: 5\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
             "length-forbidden"),
    RESPONSE("103 in chunks",
             "HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\n",
             "coding-forbidden"),
    RESPONSE("101 without Upgrade",
             "HTTP/1.1 101 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
             "upgrade-missing"),
    ROW(HTTP1_RESPONSE, "304 with a length has no body",
        "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        NULL, 2),
};

#undef START
#undef BOTH
#undef CL
#undef TE
#undef SECOND
#undef ROW
#undef REQUEST
#undef RESPONSE

enum { SMUGGLING_ROWS = sizeof smuggling / sizeof *smuggling };

#endif
