/* SPDX-License-Identifier: MIT
 *
 * The test messages of llhttp (nodejs/llhttp 9.4), from the data beside this
 * repository: one parser each, strict and lenient, with what llhttp says. */
#ifndef TESTS_PROXY_HTTP1_FIXTURES_H
#define TESTS_PROXY_HTTP1_FIXTURES_H

#include "tests/proxy/http1_play.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define FIXTURES SOURCE_DIR "/../shared/data/llhttp-fixtures.json"

struct fixture {
    const char *file, *title;
    const char *method; /* that the response answers */
    enum http1_kind kind;
    bool accepted; /* by llhttp */
    struct buf input;
};

static inline const char *fixture_text(json_t *fixture, const char *key)
{
    const char *value = json_string_value(json_object_get(fixture, key));
    return value ? value : "";
}

/* llhttp's own words for "go on elsewhere" are no refusals. */
static inline bool fixture_accepted(json_t *fixture)
{
    enum { PAUSED_UPGRADE = 22, PAUSED_H2_UPGRADE = 23 };
    json_int_t err = json_integer_value(json_object_get(fixture, "err"));
    return !err || err == PAUSED_UPGRADE || err == PAUSED_H2_UPGRADE ||
           json_is_true(json_object_get(fixture, "paused"));
}

static inline bool fixture_is_strict(json_t *fixture)
{
    return !strstr(fixture_text(fixture, "type"), "-lenient");
}

/* How llhttp is told that a response answers HEAD. */
static inline bool fixture_has_no_body(json_t *fixture)
{
    json_t *meta = json_object_get(fixture, "meta");
    return json_is_true(json_object_get(meta, "skipBody"));
}

static inline void fixture_unhex(const char *hex, struct buf *out)
{
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        buf_append(out, &(uint8_t){(uint8_t)byte}, 1);
}

static inline struct fixture fixture_read(json_t *json)
{
    struct fixture fixture = {
        .file = strrchr(fixture_text(json, "file"), '/'),
        .title = fixture_text(json, "title"),
        .kind = !strncmp(fixture_text(json, "type"), "response", 8)
                    ? HTTP1_RESPONSE
                    : HTTP1_REQUEST,
        .method = fixture_has_no_body(json) ? "HEAD" : NULL,
        .accepted = fixture_accepted(json),
    };
    fixture.file = fixture.file ? fixture.file + 1 : "";
    fixture_unhex(fixture_text(json, "input"), &fixture.input);
    return fixture;
}

static inline struct script fixture_script(const struct fixture *fixture,
                                           unsigned lenient)
{
    return (struct script){fixture->kind, fixture->method, lenient,
                           (const char *)buf_head(&fixture->input),
                           buf_len(&fixture->input)};
}

/* The fixtures lost the line ends at their end (they were text files): put
 * them back one by one while the message has not ended. What was accepted
 * without one must not be refused for it: some were cut short on purpose. */
static inline void fixture_complete(struct fixture *fixture)
{
    for (int i = 0; i < 2; i++) {
        buf_append_text(&fixture->input, "\r\n");
        struct script script = fixture_script(fixture, HTTP1_LENIENT_NO_HOST);
        script.len -= 2;
        struct played before = play_split(&script, script.len, 1);
        script.len += 2;
        struct played after = play_split(&script, script.len, 1);
        bool keep = before.waiting && (!fixture->accepted || !*after.fault);
        free(before.said);
        free(after.said);
        if (!keep) {
            fixture->input.end -= 2;
            return;
        }
    }
}

/* Skips the test where the data is absent; the caller frees. */
static inline json_t *fixtures_load(void)
{
    json_t *fixtures = json_load_file(FIXTURES, 0, NULL);
    if (!fixtures) {
        print_message("SKIPPED: %s is not there\n", FIXTURES);
        skip();
    }
    return fixtures;
}

#endif
