/* SPDX-License-Identifier: MIT
 *
 * The filter language: what holds of which flow, what is not known yet, and
 * which mistakes are named where. */
#include "proxy/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

struct scene {
    struct flow flow;
    struct message request, response;
    struct message_field asked[4], answered[4];
};

static void open_scene(struct scene *scene)
{
    struct err err = ERR_INIT;
    *scene = (struct scene){
        .flow = {.id = 7, .tls = true, .server_name = "bank.lab.test"},
        .asked = {{"Host", "Bank.lab.test"},
                  {"Cookie", "a=1"},
                  {"cookie", "b=2"},
                  {"Content-Type", "application/JSON; charset=utf-8"}},
        .answered = {{"Content-Type", "text/html"},
                     {"Content-Length", "12345"},
                     {"Set-Cookie", ""}}};
    address_parse("127.66.3.10:4711", &scene->flow.victim, &err);
    address_parse("[::1]:443", &scene->flow.server, &err);
    scene->request = (struct message){.kind = HTTP1_REQUEST,
                                      .arena = &scene->flow.arena,
                                      .method = "POST",
                                      .target = "/login?next=%2F",
                                      .host = "Bank.lab.test",
                                      .minor = 1,
                                      .fields = scene->asked,
                                      .fields_count = 4};
    scene->response = (struct message){.kind = HTTP1_RESPONSE,
                                       .arena = &scene->flow.arena,
                                       .method = "POST",
                                       .target = "/login?next=%2F",
                                       .host = "Bank.lab.test",
                                       .status = 404,
                                       .request = &scene->request,
                                       .fields = scene->answered,
                                       .fields_count = 3};
    assert_int_equal(message_set_body(&scene->request, "user=u&password=p", 17),
                     0);
}

static void close_scene(struct scene *scene)
{
    message_close(&scene->request);
    message_close(&scene->response);
    arena_free(&scene->flow.arena);
}

static enum filter_truth truth(const char *text,
                               const struct filter_subject *subject)
{
    struct filter *filter;
    struct err err = ERR_INIT;
    if (filter_parse(text, &filter, NULL, &err))
        fail_msg("%s: %s", text, err.text);
    enum filter_truth truth = filter_test(filter, subject);
    filter_free(filter);
    return truth;
}

enum { NO = FILTER_NO, YES = FILTER_YES, UNKNOWN = FILTER_UNKNOWN };

/* Of the request, and of its response. */
static const struct {
    const char *text;
    int request, response;
} rows[] = {
    {"method == POST", YES, YES},
    {"method == post", NO, NO},
    {"method != GET", YES, YES},
    {"host == bank.LAB.test", YES, YES},
    {"host ~ bank", YES, YES},
    {"host contains \"LAB.T\"", YES, YES},
    {"path == /login", YES, YES},
    {"path ~ \"^/login$\"", YES, YES},
    {"path !~ ^/x", YES, YES},
    {"query == 'next=%2F'", YES, YES},
    {"url == https://Bank.lab.test/login?next=%2F", YES, YES},
    {"tls", YES, YES},
    {"!tls", NO, NO},
    {"sni == bank.lab.test", YES, YES},
    {"victim == 127.66.3.10", YES, YES},
    {"victim == 127.66.3.10:4711", YES, YES},
    {"victim == 127.66.3.1", NO, NO},
    {"server == ::1", YES, YES},
    {"server == [::1]:443", YES, YES},
    {"kind == http", YES, YES},
    {"flow == 7", YES, YES},
    {"stream == 0", YES, YES},
    {"request", YES, NO},
    {"response", NO, YES},
    {"header(Cookie) == \"b=2\"", YES, NO},
    {"header(Cookie) == b=2", YES, NO},
    {"header(\"cookie\")", YES, NO},
    {"request.header(Cookie) ~ b", YES, YES},
    {"response.header(Content-Type) ~ html", UNKNOWN, YES},
    {"header(Set-Cookie)", NO, NO},
    {"header(X-None) != a", YES, YES},
    {"type == application/json", YES, NO},
    {"type == text/html", NO, YES},
    {"request.type ~ JSON$", YES, YES},
    {"status == 404", UNKNOWN, YES},
    {"status == 4xx", UNKNOWN, YES},
    {"status == 5xx", UNKNOWN, NO},
    {"status != 200", UNKNOWN, YES},
    {"!(status == 200)", UNKNOWN, YES},
    {"status >= 404 && status <= 404", UNKNOWN, YES},
    {"status > 404 || status < 404", UNKNOWN, NO},
    {"method == GET && status == 404", NO, NO},
    {"method == POST || status == 200", YES, YES},
    {"body ~ \"password=(\\\\w+)\"", NO, UNKNOWN},
    {"body ~ 'password=\\w+'", YES, UNKNOWN},
    {"body contains password and method == POST", YES, UNKNOWN},
    {"not body contains secret", YES, UNKNOWN},
    {"size == 17", YES, NO},
    {"size > 10k && size < 1M", NO, YES},
    {"time > 1s", UNKNOWN, UNKNOWN},
    {"method==POST&&host~bank", YES, YES},
    {"(request or response) and not (tls and method == GET)", YES, YES},
    {"method == GET && tls || request", YES, NO},
    {"method == GET && (tls || request)", NO, NO},
};

static void a_filter_holds_or_not_or_is_not_known_yet(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    struct filter_subject request =
        filter_subject_of(&scene.flow, &scene.request);
    struct filter_subject response =
        filter_subject_of(&scene.flow, &scene.response);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = (int)truth(rows[i].text, &request);
        if (got != rows[i].request)
            fail_msg("request, %s: %d", rows[i].text, got);
        got = (int)truth(rows[i].text, &response);
        if (got != rows[i].response)
            fail_msg("response, %s: %d", rows[i].text, got);
    }
    close_scene(&scene);
}

static void in_the_end_either_message_may_fit(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    struct filter_subject end = filter_subject_of(&scene.flow, &scene.response);
    end.moment = FILTER_AT_END;
    end.size_known = end.ms_known = true;
    end.size = 2000;
    end.ms = 1500;
    assert_int_equal(truth("header(Cookie)", &end), YES);
    assert_int_equal(truth("type == text/html", &end), YES);
    assert_int_equal(truth("type == application/json", &end), YES);
    assert_int_equal(truth("request.type == text/html", &end), NO);
    assert_int_equal(truth("time > 1s && time < 2s", &end), YES);
    assert_int_equal(truth("size == 2000", &end), YES);
    assert_int_equal(truth("request", &end), UNKNOWN);
    struct filter_subject nothing = {0};
    assert_int_equal(truth("host == a || status == 200", &nothing), UNKNOWN);
    close_scene(&scene);
}

static void mistakes_are_named_with_their_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } mistakes[] = {
        {"", "column 1: a field is missing"},
        {"hots == a", "column 1: no field \"hots\" (did you mean host?)"},
        {"tls && metod == GET", "column 8: no field \"metod\" (did you mean"},
        {"host = a", "column 6: equal is written =="},
        {"host == ", "column 9: a value is missing"},
        {"host == && tls", "column 9: a value is missing"},
        {"host == a b", "column 11: && or || is missing"},
        {"(tls", "column 5: a ) is missing"},
        {"tls)", "column 4: && or ||"},
        {"status ~ 4", "column 8: a number knows"},
        {"host < a", "column 6: a text knows"},
        {"tls == yes", "column 5: this field stands alone"},
        {"status == 4x", "column 11: a status is 404"},
        {"size > 10q", "column 8: a size is 1000, 10k or 2M"},
        {"header == a", "header wants a name"},
        {"header(Cookie == a", "a ) is missing behind the name"},
        {"request.host == a", "stand before header and type only"},
        {"host ~ \"a(b\"", "column 8: pattern \"a(b\", column 4"},
        {"path == \"abc", "column 9: this quote is never closed"},
        {"a\033]0;b == 1", "column 1: no field"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct filter *filter;
        struct err err = ERR_INIT;
        assert_int_equal(filter_parse(mistakes[i].text, &filter, NULL, &err),
                         -1);
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, mistakes[i].says))
            fail_msg("%s: %s", mistakes[i].text, err.text);
    }
}

static void a_colon_alone_ends_a_filter(void **state)
{
    (void)state;
    struct filter *filter;
    struct err err = ERR_INIT;
    const char *end;
    static const char text[] = "victim == 127.0.0.1:80 : drop";
    assert_int_equal(filter_parse(text, &filter, &end, &err), 0);
    assert_string_equal(end, ": drop");
    assert_true(filter_uses(filter, FILTER_VICTIM));
    assert_false(filter_uses(filter, FILTER_HOST));
    assert_false(filter_uses_body(filter));
    filter_free(filter);
    assert_int_equal(filter_parse("body ~ a : b", &filter, &end, &err), 0);
    assert_true(filter_uses_body(filter));
    filter_free(filter);
    assert_int_equal(filter_parse(text, &filter, NULL, &err), -1);
}

static void messages_and_questions_have_fields_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum filter_truth message, question, answer;
    } rows[] = {
        {"kind == ws && body contains 'pay'", FILTER_YES, FILTER_NO, FILTER_NO},
        {"to == server", FILTER_YES, FILTER_YES, FILTER_NO},
        {"size > 3", FILTER_YES, FILTER_UNKNOWN, FILTER_UNKNOWN},
        {"request", FILTER_NO, FILTER_YES, FILTER_NO},
        {"response", FILTER_NO, FILTER_NO, FILTER_YES},
        {"kind == dns && host ~ BANK", FILTER_NO, FILTER_YES, FILTER_YES},
        {"type == aaaa", FILTER_UNKNOWN, FILTER_YES, FILTER_YES},
        {"path == /chat", FILTER_YES, FILTER_UNKNOWN, FILTER_UNKNOWN},
        {"status == 200", FILTER_UNKNOWN, FILTER_UNKNOWN, FILTER_UNKNOWN},
    };
    struct filter_subject message = {.moment = FILTER_AT_MESSAGE,
                                     .kind = "ws",
                                     .to = LEG_SERVER,
                                     .target = {"/chat", 5},
                                     .body = {"pay alice", 9},
                                     .size_known = true,
                                     .size = 9};
    struct filter_subject question = {.moment = FILTER_AT_REQUEST,
                                      .kind = "dns",
                                      .host = {"bank.lab.test", 13},
                                      .type = {"AAAA", 4}};
    struct filter_subject answer = question;
    answer.moment = FILTER_AT_RESPONSE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        struct filter *filter;
        assert_int_equal(filter_parse(rows[i].text, &filter, NULL, &err), 0);
        if (filter_test(filter, &message) != rows[i].message ||
            filter_test(filter, &question) != rows[i].question ||
            filter_test(filter, &answer) != rows[i].answer)
            fail_msg("%s: not as it should", rows[i].text);
        filter_free(filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_questions_have_fields_of_their_own),
        cmocka_unit_test(a_filter_holds_or_not_or_is_not_known_yet),
        cmocka_unit_test(in_the_end_either_message_may_fit),
        cmocka_unit_test(mistakes_are_named_with_their_column),
        cmocka_unit_test(a_colon_alone_ends_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
