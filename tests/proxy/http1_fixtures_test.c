/* SPDX-License-Identifier: MIT
 *
 * The parser held against the test messages of llhttp (nodejs/llhttp 9.4):
 * where both are strict they must agree, at every split, except for the
 * differences below, each of which has a sentence of an RFC behind it. */
#include "tests/proxy/http1_fixtures.h"

#define ROWS(table) (sizeof table / sizeof *table)

/* What llhttp accepts and we refuse (fault), or the reverse (NULL). The
 * fixtures test one parser each and mostly lack Host; they are played with
 * the leniency no-host, and that each is refused without it is a test too. */
static const struct {
    const char *file, *title, *fault, *sentence;
} differences[] = {
    {"method.md", "SOURCE request with ICE", "version-syntax",
     "RFC 9112 2.3: HTTP-version = HTTP-name \"/\" DIGIT \".\" DIGIT"},
    {"method.md", "ANNOUNCE request with RTSP", "version-syntax",
     "RFC 9112 2.3: HTTP-name = %s\"HTTP\""},
    {"method.md", "PRI request HTTP2", "http-2-preface",
     "RFC 9112 3.2.4: the asterisk-form is only used for a server-wide OPTIONS "
     "request"},
    {"sample.md", "No HTTP version", "http-0.9",
     "RFC 9112 3: request-line = method SP request-target SP HTTP-version"},
    {"transfer-encoding.md", "POST with `chunked` as last transfer-encoding",
     "target-fragment",
     "RFC 9110 7.1, as below; and RFC 9112 6.1: a server that receives a "
     "transfer coding it does not understand SHOULD respond with 501"},
    {"uri.md", "Quotes in URI", "target-char",
     "RFC 9112 3.2: no whitespace or invalid character is allowed in the "
     "request-target (RFC 3986 has no quotation mark)"},
    {"uri.md", "Fragment in URI", "target-fragment",
     "RFC 9110 7.1: the target URI excludes the reference's fragment "
     "component"},
    {"invalid.md", "HTTP protocol and ANNOUNCE method", NULL,
     "RFC 9110 9.1: method = token; unknown ones are for the server (501)"},
    {"connection.md", "HTTP 100 first, then 400", "version-syntax",
     "RFC 9112 2.2: only a server ignores an empty line before a message"},
    {"connection.md",
     "HTTP 101 response with Upgrade and Content-Length header",
     "length-forbidden",
     "RFC 9110 8.6: a server MUST NOT send a Content-Length header field in "
     "any response with a status code of 1xx"},
    {"connection.md",
     "HTTP 101 response with Upgrade and Transfer-Encoding header",
     "coding-forbidden",
     "RFC 9112 6.1: a server MUST NOT send a Transfer-Encoding header field in "
     "any response with a status code of 1xx"},
    {"pipelining.md", "Should parse multiple events", "version-syntax",
     "RFC 9112 2.2: only a server ignores an empty line before a message"},
    {"sample.md", "Response starting with CRLF", "version-syntax",
     "RFC 9112 2.2: only a server ignores an empty line before a message"},
    {"sample.md", "RTSP response", "version-syntax",
     "RFC 9112 2.3: HTTP-name = %s\"HTTP\""},
    {"sample.md", "ICE response", "version-syntax",
     "RFC 9112 2.3: HTTP-name = %s\"HTTP\""},
    {"sample.md", "No reason phrase", "status-space",
     "RFC 9112 4: a server MUST send the space that separates the status-code "
     "from the reason-phrase even when the reason-phrase is absent"},
    {"sample.md", "HTTP version 0.9", "version-unknown",
     "RFC 9112 2.3: this specification defines version 1.1; 0.9 has no status "
     "line"},
    {"transfer-encoding.md",
     "multiple transfer-encoding where chunked is not the last one",
     "coding-last",
     "RFC 9112 7.1: a recipient MUST be able to parse and decode chunked; "
     "others are sent only if TE asked for them (RFC 9110 10.1.4)"},
};

static int difference_of(const struct fixture *fixture)
{
    for (size_t i = 0; i < ROWS(differences); i++)
        if (!strcmp(differences[i].file, fixture->file) &&
            !strcmp(differences[i].title, fixture->title))
            return (int)i;
    return -1;
}

/* Returns true when llhttp and we said the same. */
static bool agrees(struct fixture *fixture, char fault[32])
{
    fixture_complete(fixture);
    struct script script = fixture_script(fixture, HTTP1_LENIENT_NO_HOST);
    struct played played = play_every_split(&script);
    memcpy(fault, played.fault, 32);
    free(played.said);
    return fixture->accepted == !*fault;
}

static void http1_agrees_with_the_strict_fixtures_of_llhttp(void **state)
{
    (void)state;
    json_t *fixtures = fixtures_load(), *json;
    size_t index;
    unsigned played = 0, wrong = 0;
    bool used[ROWS(differences)] = {false};
    json_array_foreach(fixtures, index, json)
    {
        if (!fixture_is_strict(json))
            continue;
        struct fixture fixture = fixture_read(json);
        char fault[32];
        bool same = agrees(&fixture, fault);
        int difference = difference_of(&fixture);
        bool listed = difference >= 0 &&
                      !strcmp(fault, differences[difference].fault
                                         ? differences[difference].fault
                                         : "");
        if (!same && listed)
            used[difference] = true;
        if (!same && !listed) {
            wrong++;
            print_message("%s, %s: llhttp %s, we say \"%s\"\n", fixture.file,
                          fixture.title,
                          fixture.accepted ? "accepts" : "refuses", fault);
        }
        played++;
        buf_free(&fixture.input);
    }
    json_decref(fixtures);
    for (size_t i = 0; i < ROWS(differences); i++)
        if (!used[i])
            print_message("no difference any more: %s, %s\n",
                          differences[i].file, differences[i].title);
    for (size_t i = 0; i < ROWS(differences); i++)
        assert_true(used[i]);
    assert_int_equal(wrong, 0);
    assert_true(played > 100);
    print_message("%u fixtures, %zu differences\n", played, ROWS(differences));
}

static void http1_wants_a_host_where_the_fixtures_have_none(void **state)
{
    (void)state;
    json_t *fixtures = fixtures_load(), *json;
    size_t index;
    unsigned missing = 0;
    json_array_foreach(fixtures, index, json)
    {
        if (!fixture_is_strict(json))
            continue;
        struct fixture fixture = fixture_read(json);
        char fault[32];
        agrees(&fixture, fault);
        struct script script = fixture_script(&fixture, 0);
        struct played played = play_split(&script, script.len, 1);
        bool same = !strcmp(played.fault, fault);
        if (!same)
            assert_string_equal(played.fault, "host-missing");
        missing += !same;
        free(played.said);
        buf_free(&fixture.input);
    }
    json_decref(fixtures);
    assert_true(missing > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_agrees_with_the_strict_fixtures_of_llhttp),
        cmocka_unit_test(http1_wants_a_host_where_the_fixtures_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
