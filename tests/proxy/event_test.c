/* SPDX-License-Identifier: MIT
 *
 * Events are read by the runner line by line: each must be one valid JSON
 * object, whatever bytes the network put into it. */
#include "proxy/event.h"

#include "proxy/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int events[2];

static int open_sink(void **state)
{
    (void)state;
    char number[16];
    assert_int_equal(pipe(events), 0);
    snprintf(number, sizeof number, "%d", events[1]);
    setenv("MITMLAB_EVENTS_FD", number, 1);
    setenv("MITMLAB_PLACE", "attacker", 1);
    event_open(false, "proxy");
    return 0;
}

static int close_sink(void **state)
{
    (void)state;
    event_close();
    close(events[0]);
    close(events[1]);
    unsetenv("MITMLAB_EVENTS_FD");
    unsetenv("MITMLAB_PLACE");
    return 0;
}

static json_t *next_event(void)
{
    static char line[65536];
    size_t len = 0;
    while (read(events[0], line + len, 1) == 1 && line[len] != '\n')
        len++;
    json_t *event = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    assert_non_null(event);
    return event;
}

static const char *text_at(json_t *event, const char *key)
{
    return json_string_value(json_object_get(event, key));
}

static void an_event_is_one_json_object_with_all_it_knows(void **state)
{
    (void)state;
    union address opener = {
        .v4 = {.sin_family = AF_INET, .sin_port = htons(40000)}};
    inet_pton(AF_INET, "192.0.2.17", &opener.v4.sin_addr);
    union address acceptor = {
        .v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)}};
    inet_pton(AF_INET6, "2001:db8:66::a", &acceptor.v6.sin6_addr);
    struct event_where where = {.flow = 3,
                                .leg = LEG_VICTIM,
                                .opener = &opener,
                                .acceptor = &acceptor,
                                .dir = DIR_UP,
                                .at = 517,
                                .len = 7};
    event("tls.alert", &where, "\"name\":\"%s\",\"code\":%d", "unknown_ca", 48);
    json_t *event = next_event();
    assert_true(json_integer_value(json_object_get(event, "t")) >
                1700000000000000000);
    assert_string_equal(text_at(event, "place"), "attacker");
    assert_string_equal(text_at(event, "kind"), "tls.alert");
    assert_string_equal(text_at(event, "leg"), "victim");
    assert_string_equal(text_at(event, "dir"), "up");
    assert_int_equal(json_integer_value(json_object_get(event, "at")), 517);
    json_t *tuple = json_object_get(event, "tuple");
    assert_string_equal(json_string_value(json_array_get(tuple, 0)),
                        "192.0.2.17");
    assert_int_equal(json_integer_value(json_array_get(tuple, 1)), 40000);
    assert_string_equal(json_string_value(json_array_get(tuple, 2)),
                        "2001:db8:66::a");
    json_t *data = json_object_get(event, "data");
    assert_int_equal(json_integer_value(json_object_get(data, "code")), 48);
    json_decref(event);
}

static void what_is_not_known_is_absent(void **state)
{
    (void)state;
    event("heartbeat", NULL, "\"flows\":0");
    json_t *event = next_event();
    assert_null(json_object_get(event, "flow"));
    assert_null(json_object_get(event, "tuple"));
    assert_null(json_object_get(event, "at"));
    json_decref(event);
}

static void every_byte_survives_as_latin_1(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    event("http.request", NULL, "\"body\":%s", event_text(bytes, 256, 4096));
    json_t *event = next_event();
    json_t *body = json_object_get(json_object_get(event, "data"), "body");
    /* U+0000 to U+007F are one byte in UTF-8, U+0080 to U+00FF are two. */
    assert_int_equal(json_string_length(body), 128 + 2 * 128);
    json_decref(event);
}

static void long_text_is_cut_and_says_so(void **state)
{
    (void)state;
    assert_string_equal(event_text("0123456789", 10, 4), "\"0123...\"");
    assert_string_equal(event_text("0123", 4, 4), "\"0123\"");
    struct buf long_text = {0}, out = {0};
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_append(&long_text, "\033[31m", 5), 0);
    assert_int_equal(event_append_text(&out, buf_head(&long_text),
                                       buf_len(&long_text), SIZE_MAX),
                     0);
    event("tls.cert", NULL, "\"chain\":[%.*s]", (int)buf_len(&out),
          (char *)buf_head(&out));
    json_t *event = next_event();
    json_t *chain = json_object_get(json_object_get(event, "data"), "chain");
    assert_int_equal(json_string_length(json_array_get(chain, 0)), 15000);
    json_decref(event);
    buf_free(&long_text);
    buf_free(&out);
}

/* A file that may not grow stands for a full disk. */
static void let_grow(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_finds_no_room_takes_no_other_line_along(void **state)
{
    (void)state;
    char text[1024], number[16];
    int file = memfd_create("events", MFD_CLOEXEC);
    signal(SIGXFSZ, SIG_IGN);
    snprintf(number, sizeof number, "%d", file);
    setenv("MITMLAB_EVENTS_FD", number, 1);
    event_open(false, "proxy");
    event("heartbeat", NULL, "\"flows\":%d", 1);
    off_t whole = lseek(file, 0, SEEK_CUR);
    assert_int_equal(event_lost(), 0);
    let_grow((rlim_t)whole + 20);
    event("heartbeat", NULL, "\"flows\":%d", 2);
    event("heartbeat", NULL, "\"flows\":%d", 3);
    let_grow(RLIM_INFINITY);
    event("heartbeat", NULL, "\"flows\":%d", 4);
    assert_int_equal(event_lost(), EFBIG);
    ssize_t len = pread(file, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    close(file);
    assert_int_equal(text[whole + 20], '\n');
    json_t *last = json_loads(text + whole + 21, 0, NULL);
    assert_non_null(last);
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(last, "data"), "flows")),
                     4);
    json_decref(last);
}

/* What is in the pipe goes behind `heard`. */
static void hear(struct buf *heard)
{
    ssize_t got;
    fcntl(events[0], F_SETFL, O_NONBLOCK);
    do {
        uint8_t *room = buf_reserve(heard, 1 << 16);
        assert_non_null(room);
        got = read(events[0], room, 1 << 16);
        buf_filled(heard, got > 0 ? (size_t)got : 0);
    } while (got > 0);
}

static unsigned lines_of(const struct buf *heard)
{
    unsigned lines = 0;
    for (size_t i = 0; i < buf_len(heard); i++)
        lines += buf_head(heard)[i] == '\n';
    return lines;
}

static void who_does_not_read_hears_later_what_was_dropped(void **state)
{
    (void)state;
    static const char mark[] =
        "\"kind\":\"events.dropped\",\"data\":{\"count\":";
    static char text[10000];
    struct buf heard = {0};
    unsigned all = 2 * SINK_BYTES_MOST / sizeof text, lost = 0;
    memset(text, 'x', sizeof text - 1);
    event_keep_going();
    for (unsigned i = 0; i < all; i++)
        event("heartbeat", NULL, "\"flows\":%u,\"text\":\"%s\"", i, text);
    /* Each further one pushes what was kept into the pipe. */
    for (unsigned i = 0; i < 400; i++, all++) {
        hear(&heard);
        event("heartbeat", NULL, "\"flows\":%u", all);
    }
    hear(&heard);
    assert_int_equal(buf_append(&heard, "", 1), 0);
    const char *dropped = strstr((char *)buf_head(&heard), mark);
    assert_non_null(dropped);
    assert_int_equal(sscanf(dropped + sizeof mark - 1, "%u", &lost), 1);
    assert_true(lost > 0);
    assert_null(strstr(dropped + 1, mark));
    /* All others are there, and the line that says so. */
    assert_int_equal(lines_of(&heard) + lost, all + 1);
    buf_free(&heard);
}

static void without_a_sink_nothing_is_written(void **state)
{
    (void)state;
    event_close();
    assert_false(event_wanted());
    event("heartbeat", NULL, "\"flows\":%d", 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_sink, close_sink)
    const struct CMUnitTest tests[] = {
        CASE(an_event_is_one_json_object_with_all_it_knows),
        CASE(what_is_not_known_is_absent),
        CASE(every_byte_survives_as_latin_1),
        CASE(long_text_is_cut_and_says_so),
        CASE(what_finds_no_room_takes_no_other_line_along),
        CASE(who_does_not_read_hears_later_what_was_dropped),
        CASE(without_a_sink_nothing_is_written),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
