/* SPDX-License-Identifier: MIT
 *
 * Messages: what an edit changes, and that nothing else does. */
#include "proxy/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROWS(table) (sizeof table / sizeof *table)

struct fixture {
    struct arena arena;
    struct message message;
    struct buf out;
};

static void setup(struct fixture *fixture, enum http1_kind kind,
                  unsigned lenient, const char *bytes)
{
    struct http1_scan scan = {.lenient = lenient};
    struct http1_head head;
    struct http1_fault fault;
    *fixture = (struct fixture){0};
    ssize_t used =
        http1_head_read(&scan, kind, NULL, bytes, strlen(bytes), &head, &fault);
    assert_int_equal(used, strlen(bytes));
    assert_int_equal(
        message_init(&fixture->message, &fixture->arena, &head, bytes), 0);
}

static void teardown(struct fixture *fixture)
{
    message_close(&fixture->message);
    buf_free(&fixture->out);
    arena_free(&fixture->arena);
}

static void assert_written(struct fixture *fixture, bool naive,
                           const char *expected)
{
    buf_clear(&fixture->out);
    assert_int_equal(message_write(&fixture->message, naive, &fixture->out), 0);
    buf_append(&fixture->out, "", 1);
    assert_string_equal((char *)buf_head(&fixture->out), expected);
}

static void message_keeps_the_order_and_case_of_fields(void **state)
{
    (void)state;
    static const char bytes[] = "GET /a?b HTTP/1.1\r\nhOsT: bank.lab.test\r\n"
                                "X-B: 2\r\nx-a: 1\r\nX-B: 3\r\nEmpty: \r\n\r\n";
    struct fixture fixture;
    setup(&fixture, HTTP1_REQUEST, 0, bytes);
    assert_string_equal(fixture.message.method, "GET");
    assert_string_equal(fixture.message.target, "/a?b");
    assert_string_equal(fixture.message.host, "bank.lab.test");
    assert_string_equal(message_field(&fixture.message, "x-b"), "2");
    assert_null(message_field(&fixture.message, "no"));
    assert_written(&fixture, false, bytes);
    assert_written(&fixture, true, bytes);
    teardown(&fixture);
}

static void message_sets_a_field_where_the_first_stood(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, HTTP1_REQUEST, 0,
          "GET / HTTP/1.1\r\nHost: a\r\nX-B: 2\r\nC: d\r\nx-b: 3\r\n\r\n");
    assert_int_equal(message_set_field(&fixture.message, "x-B", "new"), 0);
    assert_int_equal(message_set_field(&fixture.message, "Added", ""), 0);
    assert_written(&fixture, false,
                   "GET / HTTP/1.1\r\nHost: a\r\nX-B: new\r\nC: d\r\n"
                   "Added: \r\n\r\n");
    message_remove_field(&fixture.message, "X-b");
    message_remove_field(&fixture.message, "absent");
    assert_written(&fixture, false,
                   "GET / HTTP/1.1\r\nHost: a\r\nC: d\r\nAdded: \r\n\r\n");
    for (int i = 0; i < 40; i++) {
        char name[] = {'n', (char)('A' + i % 26), (char)('a' + i / 26), 0};
        assert_int_equal(message_set_field(&fixture.message, name, "v"), 0);
    }
    assert_int_equal(fixture.message.fields_count, 43);
    teardown(&fixture);
}

static void message_takes_no_field_that_would_end_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"A", "b\r\nEvil: 1"}, {"A", "b\nEvil: 1"},
        {"A", "b\r"},          {"A", "\x01"},
        {"A", "\x7f"},         {"A\r\nB", "c"},
        {"A: b\nC", "d"},      {"A ", "b"},
        {"A:", "b"},           {"", "b"},
        {"A", NULL},           {NULL, "b"},
    };
    struct fixture fixture;
    setup(&fixture, HTTP1_REQUEST, 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t i = 0; i < ROWS(rows); i++)
        assert_int_equal(
            message_set_field(&fixture.message, rows[i].name, rows[i].value),
            -1);
    assert_int_equal(fixture.message.fields_count, 1);
    teardown(&fixture);
}

static void assert_not_written(struct fixture *fixture)
{
    buf_clear(&fixture->out);
    buf_append_text(&fixture->out, "kept");
    assert_int_equal(message_write(&fixture->message, false, &fixture->out),
                     -1);
    assert_int_equal(buf_len(&fixture->out), 4);
}

static void message_writes_no_line_that_a_hook_spoilt(void **state)
{
    (void)state;
    static const char *const targets[] = {"",           NULL,   "/a b",
                                          "/a\r\nX: y", "/a#b", "/\xff"};
    struct fixture fixture;
    setup(&fixture, HTTP1_REQUEST, 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t i = 0; i < ROWS(targets); i++) {
        fixture.message.target = targets[i];
        assert_not_written(&fixture);
    }
    fixture.message.target = "/";
    fixture.message.method = "GET /evil HTTP/1.1\r\nX: y\r\n\r\nGET";
    assert_not_written(&fixture);
    fixture.message.method = NULL;
    assert_not_written(&fixture);
    fixture.message.method = "GET";
    fixture.message.fields[0].value = "a\r\nEvil: 1";
    assert_not_written(&fixture);
    teardown(&fixture);
    setup(&fixture, HTTP1_RESPONSE, 0, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
    fixture.message.reason = "OK\r\nEvil: 1";
    assert_not_written(&fixture);
    fixture.message.reason = NULL;
    fixture.message.status = 2000;
    assert_not_written(&fixture);
    fixture.message.status = 404;
    assert_written(&fixture, false, "HTTP/1.1 404 \r\nA: b\r\n\r\n");
    teardown(&fixture);
}

/* A head, a new body, and what goes on the wire. */
static const struct {
    enum http1_kind kind;
    const char *method; /* that the response answers */
    bool naive;
    const char *head, *body, *written;
} writes[] = {
    {HTTP1_REQUEST, NULL, false,
     "POST / HTTP/1.1\r\ncontent-length: 3\r\nHost: a\r\n\r\n", "hello",
     "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello"},
    {HTTP1_REQUEST, NULL, true,
     "POST / HTTP/1.1\r\ncontent-length: 3\r\nHost: a\r\n\r\n", "hello",
     "POST / HTTP/1.1\r\ncontent-length: 3\r\nHost: a\r\n\r\nhello"},
    {HTTP1_REQUEST, NULL, false,
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n"
     "Trailer: x\r\n\r\n",
     "hello", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"},
    {HTTP1_REQUEST, NULL, true,
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n",
     "hello, chunked world",
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n"
     "14\r\nhello, chunked world\r\n0\r\n\r\n"},
    {HTTP1_REQUEST, NULL, true,
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n", "",
     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n"
     "0\r\n\r\n"},
    {HTTP1_REQUEST, NULL, false, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "",
     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {HTTP1_REQUEST, NULL, false, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "x",
     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"},
    {HTTP1_RESPONSE, "GET", false, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "",
     "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n"},
    {HTTP1_RESPONSE, "GET", false, "HTTP/1.0 200 \r\nA: b\r\n\r\n", "x",
     "HTTP/1.0 200 \r\nA: b\r\nContent-Length: 1\r\n\r\nx"},
    {HTTP1_RESPONSE, "HEAD", false,
     "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "",
     "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
    {HTTP1_RESPONSE, "GET", false,
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"},
    {HTTP1_RESPONSE, "GET", false,
     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
     "", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {HTTP1_RESPONSE, "GET", false,
     "HTTP/1.1 200 OK\r\nContent-Encoding: aes\r\nContent-Length: 9\r\n\r\n",
     "left alone",
     "HTTP/1.1 200 OK\r\nContent-Encoding: aes\r\nContent-Length: 10\r\n\r\n"
     "left alone"},
};

static void message_writes_a_length_that_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(writes); i++) {
        struct fixture fixture;
        setup(&fixture, writes[i].kind, 0, writes[i].head);
        if (writes[i].kind == HTTP1_RESPONSE)
            fixture.message.method = writes[i].method;
        assert_false(fixture.message.has_body);
        assert_int_equal(message_set_body(&fixture.message, writes[i].body,
                                          strlen(writes[i].body)),
                         0);
        assert_true(fixture.message.has_body);
        assert_written(&fixture, writes[i].naive, writes[i].written);
        teardown(&fixture);
    }
}

static void message_without_a_body_keeps_its_framing(void **state)
{
    (void)state;
    static const char bytes[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n"
        "Content-Encoding: br\r\n\r\n";
    struct fixture fixture;
    setup(&fixture, HTTP1_RESPONSE, 0, bytes);
    assert_int_equal(fixture.message.coding, CODEC_BR);
    assert_written(&fixture, false, bytes);
    teardown(&fixture);
}

/* Parse what was written, decode its body, compare. */
static void assert_reads_back(struct fixture *fixture, enum codec codec,
                              const char *body)
{
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_fault fault;
    struct buf decoded = {0};
    const char *why, *bytes = (const char *)buf_head(&fixture->out);
    ssize_t used = http1_head_read(&scan, HTTP1_RESPONSE, "GET", bytes,
                                   buf_len(&fixture->out), &head, &fault);
    assert_true(used > 0);
    assert_int_equal(head.length, buf_len(&fixture->out) - (size_t)used);
    const struct http1_field *field =
        http1_field(&head, bytes, "Content-Encoding", NULL);
    assert_int_equal(!field, codec == CODEC_IDENTITY);
    if (field)
        assert_int_equal(codec_named(bytes + field->value.at, field->value.len),
                         codec);
    assert_int_equal(
        codec_decode(codec, bytes + used, head.length, 1000, &decoded, &why),
        0);
    assert_int_equal(buf_len(&decoded), strlen(body));
    assert_memory_equal(buf_head(&decoded), body, strlen(body));
    buf_free(&decoded);
}

static void message_codes_the_body_as_it_came(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum codec came, leaves;
    } rows[] = {
        {"x-gzip", CODEC_GZIP, CODEC_GZIP},
        {"deflate", CODEC_DEFLATE, CODEC_DEFLATE},
        {"BR", CODEC_BR, CODEC_BR},
        {"zstd", CODEC_ZSTD, CODEC_ZSTD},
        {"br", CODEC_BR, CODEC_GZIP},
        {"gzip", CODEC_GZIP, CODEC_IDENTITY},
        {"identity", CODEC_IDENTITY, CODEC_BR},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf head = {0};
        struct fixture fixture;
        buf_printf(&head,
                   "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"
                   "Content-Encoding: %s\r\nA: b\r\n\r\n",
                   rows[i].name);
        buf_append(&head, "", 1);
        setup(&fixture, HTTP1_RESPONSE, 0, (char *)buf_head(&head));
        assert_int_equal(fixture.message.coding, rows[i].came);
        fixture.message.coding = rows[i].leaves;
        message_set_body(&fixture.message, "pay the mule", 12);
        assert_int_equal(message_write(&fixture.message, false, &fixture.out),
                         0);
        assert_reads_back(&fixture, rows[i].leaves, "pay the mule");
        teardown(&fixture);
        buf_free(&head);
    }
}

static void message_does_not_touch_a_body_coded_twice(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, HTTP1_RESPONSE, 0,
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
          "Content-Encoding: br\r\n\r\n");
    assert_int_equal(fixture.message.coding, CODEC_UNKNOWN);
    teardown(&fixture);
}

static void message_unfolds_what_a_leniency_let_in(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, HTTP1_REQUEST, HTTP1_LENIENT_OBS_FOLD,
          "GET / HTTP/1.1\r\nHost: a\r\nb: c\r\n d\r\n\r\n");
    assert_string_equal(message_field(&fixture.message, "b"), "c   d");
    assert_written(&fixture, false,
                   "GET / HTTP/1.1\r\nHost: a\r\nb: c   d\r\n\r\n");
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_keeps_the_order_and_case_of_fields),
        cmocka_unit_test(message_sets_a_field_where_the_first_stood),
        cmocka_unit_test(message_takes_no_field_that_would_end_a_line),
        cmocka_unit_test(message_writes_no_line_that_a_hook_spoilt),
        cmocka_unit_test(message_writes_a_length_that_is_right),
        cmocka_unit_test(message_without_a_body_keeps_its_framing),
        cmocka_unit_test(message_codes_the_body_as_it_came),
        cmocka_unit_test(message_does_not_touch_a_body_coded_twice),
        cmocka_unit_test(message_unfolds_what_a_leniency_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
