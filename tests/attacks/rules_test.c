/* SPDX-License-Identifier: MIT
 *
 * Rules on messages in memory: what each action makes of one, which bodies are
 * kept, which mistakes are named where, and that no path leads out of a folder
 * that is given away. */
#include "tests/attacks/events.h"

#include "attacks/rules.h"
#include "attacks/stock.h"
#include "proxy/filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
    struct rules *rules;
    struct hook *hook;
    struct flow flow;
    struct message_field asked[8], answered[8];
    struct message request, response;
};

static void open_scene(struct scene *scene, const char *const *rules)
{
    struct err err = ERR_INIT;
    *scene = (struct scene){.flow = {.id = 1},
                            .asked = {{"Host", "bank.lab.test"},
                                      {"Cookie", "id=1"},
                                      {"cookie", "id=2"}},
                            .answered = {{"Content-Type", "text/html"},
                                         {"Alt-Svc", "h3=\":443\""}}};
    scene->request = (struct message){.kind = HTTP1_REQUEST,
                                      .arena = &scene->flow.arena,
                                      .method = "POST",
                                      .target = "/pay?to=alice",
                                      .host = "bank.lab.test",
                                      .minor = 1,
                                      .fields = scene->asked,
                                      .fields_count = 3,
                                      .fields_room = 8};
    scene->response = (struct message){.kind = HTTP1_RESPONSE,
                                       .arena = &scene->flow.arena,
                                       .method = "POST",
                                       .target = "/pay?to=alice",
                                       .host = "bank.lab.test",
                                       .status = 200,
                                       .reason = "OK",
                                       .minor = 1,
                                       .request = &scene->request,
                                       .fields = scene->answered,
                                       .fields_count = 2,
                                       .fields_room = 8};
    scene->rules = rules_new();
    for (; *rules; rules++)
        if (rules_add(scene->rules, *rules, &err))
            fail_msg("%s", err.text);
    scene->hook = rules_hook(scene->rules);
}

static void close_scene(struct scene *scene)
{
    message_close(&scene->request);
    message_close(&scene->response);
    arena_free(&scene->flow.arena);
    rules_free(scene->rules);
}

static enum hook_act asks(struct scene *scene)
{
    return scene->hook->on_request
               ? scene->hook->on_request(scene->hook->config, &scene->flow,
                                         &scene->request)
               : HOOK_PASS;
}

static enum hook_act answers(struct scene *scene)
{
    return scene->hook->on_response
               ? scene->hook->on_response(scene->hook->config, &scene->flow,
                                          &scene->response)
               : HOOK_PASS;
}

/* What goes out; free() it. */
static char *written(const struct message *message)
{
    struct buf out = {0};
    assert_int_equal(message_write(message, false, &out), 0);
    char *text = strndup((char *)buf_head(&out), buf_len(&out));
    buf_free(&out);
    return text;
}

#define LIST(...)                                                              \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static void an_action_changes_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        enum hook_act request, response;
        const char *asked, *answered; /* must be in what goes out, or NULL */
    } rows[] = {
        {"tls : set header A b", HOOK_PASS, HOOK_PASS, "/pay", "text/html"},
        {"host ~ bank : set header A 'b c'", HOOK_CHANGED, HOOK_CHANGED,
         "\r\nA: b c\r\n", "\r\nA: b c\r\n"},
        {"request : remove header Cookie", HOOK_CHANGED, HOOK_PASS,
         "bank.lab.test\r\nContent-Length: 9\r\n\r\n", NULL},
        {"host ~ bank : remove header X-None", HOOK_PASS, HOOK_PASS, NULL,
         NULL},
        {"request : replace header Cookie id= no=", HOOK_CHANGED, HOOK_PASS,
         "Cookie: no=1\r\ncookie: no=2", NULL},
        {"path == /pay : replace path alice mallory", HOOK_CHANGED, HOOK_PASS,
         "POST /pay?to=mallory HTTP/1.1", NULL},
        {"request : replace path ~ 'to=(\\w+)' 'from=\\1&to=eve'", HOOK_CHANGED,
         HOOK_PASS, "POST /pay?from=alice&to=eve ", NULL},
        {"request : set method PUT ; set path /other", HOOK_CHANGED, HOOK_PASS,
         "PUT /other HTTP/1.1", NULL},
        {"status == 200 : set status 404", HOOK_PASS, HOOK_CHANGED, NULL,
         "HTTP/1.1 404 Not Found\r\n"},
        {"body contains amount : replace body amount=1 amount=1000",
         HOOK_CHANGED, HOOK_PASS, "Content-Length: 12\r\n\r\namount=1000",
         NULL},
        {"response : replace body ~ '(?i)<B>(.*?)</b>' '<i>\\1</i>'", HOOK_PASS,
         HOOK_CHANGED, NULL, "<i>a</i><i>b</i>"},
        {"response : set body \"x\\ny\"", HOOK_PASS, HOOK_CHANGED, NULL,
         "Content-Length: 3\r\n\r\nx\ny"},
        {"request : abort", HOOK_CUT, HOOK_PASS, NULL, NULL},
        {"response : drop", HOOK_PASS, HOOK_WAIT, NULL, NULL},
        {"response : remove header Alt-Svc", HOOK_PASS, HOOK_CHANGED, NULL,
         "text/html\r\nContent-Length"},
        {"host ~ bank : stop ; abort", HOOK_PASS, HOOK_PASS, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        open_scene(&scene, LIST(rows[i].rule));
        message_set_body(&scene.request, "amount=1\n", 9);
        message_set_body(&scene.response, "<b>a</b><B>b</B>", 16);
        enum hook_act request = asks(&scene), response = answers(&scene);
        if (request != rows[i].request || response != rows[i].response)
            fail_msg("%s: %d and %d", rows[i].rule, request, response);
        char *asked = written(&scene.request);
        char *answered = written(&scene.response);
        if (rows[i].asked && !strstr(asked, rows[i].asked))
            fail_msg("%s: %s", rows[i].rule, asked);
        if (rows[i].answered && !strstr(answered, rows[i].answered))
            fail_msg("%s: %s", rows[i].rule, answered);
        free(asked);
        free(answered);
        close_scene(&scene);
    }
}

static void rules_come_in_their_order(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene,
               LIST("request : set header X one",
                    "header(X) == one : set header X two",
                    "header(X) == one : set header Y never",
                    "header(X) == two : stop", "request : set header Z never"));
    assert_int_equal(asks(&scene), HOOK_CHANGED);
    assert_string_equal(message_field(&scene.request, "X"), "two");
    assert_null(message_field(&scene.request, "Y"));
    assert_null(message_field(&scene.request, "Z"));
    json_t *event = events_next();
    assert_string_equal(events_text(event, "kind"), "rule.acted");
    assert_int_equal(events_number(event, "rule"), 1);
    json_decref(event);
    close_scene(&scene);
}

static void an_answer_is_given_in_the_servers_place(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, LIST("path == /pay : answer 403 'not today'",
                            "request : set header X never"));
    assert_int_equal(asks(&scene), HOOK_ANSWER);
    assert_null(message_field(&scene.request, "X"));
    char *text = written(scene.request.answer);
    assert_string_equal(text, "HTTP/1.1 403 Forbidden\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Length: 9\r\n\r\nnot today");
    free(text);
    close_scene(&scene);
}

/* A body is kept only of what can still match, if anybody needs it. */
static void bodies_are_kept_only_where_a_rule_needs_them(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        bool request, response;
    } rows[] = {
        {"host ~ bank : set header A b", false, false},
        {"host ~ bank : replace body a b", true, true},
        {"host ~ other : replace body a b", false, false},
        {"request : replace body a b", true, false},
        {"type == text/html : replace body a b", false, true},
        {"host ~ bank && body ~ a : set header A b", true, true},
        {"host ~ other && body ~ a : set header A b", false, false},
        {"host ~ bank : drop", false, false},
        {"body ~ a : answer 404", true, false},
        {"status == 404 && body ~ a : abort", true, false},
        {"size > 10k : abort", false, false}, /* its length says so */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        open_scene(&scene, LIST(rows[i].rule));
        struct hook *hook = scene.hook;
        message_set_field(&scene.request, "Content-Length", "9");
        message_set_field(&scene.response, "Content-Length", "9");
        bool request =
            (hook->wants & HOOK_WANTS_REQUEST_BODY) &&
            hook->wants_body(hook->config, &scene.flow, &scene.request);
        bool response =
            (hook->wants & HOOK_WANTS_RESPONSE_BODY) &&
            hook->wants_body(hook->config, &scene.flow, &scene.response);
        if (request != rows[i].request || response != rows[i].response)
            fail_msg("%s: %d and %d", rows[i].rule, request, response);
        close_scene(&scene);
    }
}

static void a_body_without_a_length_is_edited_while_it_passes(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, LIST("host ~ bank : replace body a b"));
    message_remove_field(&scene.response, "Content-Length");
    assert_false(scene.hook->wants_body(scene.hook->config, &scene.flow,
                                        &scene.response));
    assert_non_null(scene.hook->on_body);
    close_scene(&scene);
    open_scene(&scene, LIST("body ~ a : replace body a b"));
    message_remove_field(&scene.response, "Content-Length");
    assert_true(scene.hook->wants_body(scene.hook->config, &scene.flow,
                                       &scene.response));
    close_scene(&scene);
}

static void mistakes_are_named_with_their_column(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *says;
        int code;
    } rows[] = {
        {"host ~ a", "column 9: an action is missing", 2},
        {"host ~ a:drop", "column 14: an action is missing", 2},
        {"hots ~ a : drop", "filter, column 1: no field \"hots\"", 2},
        {"tls : dorp", "column 7: no action \"dorp\" (did you mean drop?)", 2},
        {"tls : set haeder A b", "did you mean set header?", 2},
        {"tls :", "an action is missing here", 2},
        {"tls : drop drop", "column 12: this is too much", 2},
        {"tls : set header 'A b' c", "column 18: this is not the name", 2},
        {"tls : set header A \"b\\r\\nX: y\"", "one line", 2},
        {"tls : set header A", "a value is missing", 2},
        {"tls : set status 99", "200 to 599", 2},
        {"tls : set path other", "a path begins with /", 2},
        {"tls : set method 'A B'", "this is not a method", 2},
        {"tls : delay 2h", "a time is 200", 2},
        {"tls : delay -1", "a time is 200", 2},
        {"tls : replace body '' b", "what is to be replaced is missing", 2},
        {"tls : replace body a", "what to put in its place is missing", 2},
        {"tls : replace body ~ 'a(' b", "column 22: pattern", 2},
        {"tls : replace header A a 'b\\n'", "no control characters", 2},
        {"tls : answer 404 @none", "open none", 2},
        {"tls : answer 404 @/", "this is a folder", 2},
        {"tls : map none", "open none", 2},
        {"status == 404 : answer 200", "known only in responses", 2},
        {"time > 1s : abort", "known only when all is over", 2},
    };
    struct rules *rules = rules_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        assert_int_equal(rules_add(rules, rows[i].rule, &err), -1);
        assert_int_equal(err.code, rows[i].code);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].rule, err.text);
    }
    assert_int_equal(rules_count(rules), 0);
    rules_free(rules);
}

/* ---- files --------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_file_of_rules_names_the_line(void **state)
{
    (void)state;
    char folder[] = "/tmp/mitmlab-rules-XXXXXX", path[64];
    struct err err = ERR_INIT;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/rules", folder);
    put(path, "# comment\n\n  tls : drop\ntls : abort");
    struct rules *rules = rules_new();
    assert_int_equal(rules_load(rules, path, &err), 0);
    assert_int_equal(rules_count(rules), 2);
    put(path, "tls : drop\n\n  tls : dorp\n");
    assert_int_equal(rules_load(rules, path, &err), -1);
    assert_non_null(strstr(err.text, "rules:3: rule, column 9: no action"));
    rules_free(rules);
    unlink(path);
    rmdir(folder);
}

static void no_path_leads_out_of_a_folder(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
        const char *body;
    } rows[] = {
        {"/a.txt", 200, "inside"},
        {"/a.txt?x=../y#z", 200, "inside"},
        {"/%61.txt", 200, "inside"},
        {"http://bank.lab.test/a.txt", 200, "inside"},
        {"/", 200, "index"},
        {"", 200, "index"},
        {"/sub/../a.txt", 200, "inside"},
        {"/within", 200, "inside"},
        {"/none", 404, ""},
        {"/sub", 404, ""},
        {"/pipe", 404, ""},
        {"/a.txt/", 404, ""},
        {"/a.txt%00.html", 404, ""},
        {"/%zz", 404, ""},
        {"/../secret", 403, ""},
        {"//../secret", 403, ""},
        {"/%2e%2e/secret", 403, ""},
        {"/..%2fsecret", 403, ""},
        {"/sub/../../secret", 403, ""},
        {"/link", 403, ""},
        {"/root/etc/passwd", 403, ""},
        {"/../", 403, ""},
    };
    char top[] = "/tmp/mitmlab-stock-XXXXXX";
    struct err err = ERR_INIT;
    struct stock stock;
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    put("secret", "secret");
    mkdir("www", 0700);
    mkdir("www/sub", 0700);
    put("www/a.txt", "inside");
    put("www/index.html", "index");
    assert_int_equal(symlink("../secret", "www/link"), 0);
    assert_int_equal(symlink("/", "www/root"), 0);
    assert_int_equal(symlink("a.txt", "www/within"), 0);
    assert_int_equal(mkfifo("www/pipe", 0600), 0);
    assert_int_equal(stock_open(&stock, "www", &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        const char *type;
        int status = stock_fetch(&stock, rows[i].target, &out, &type);
        if (status != rows[i].status || buf_len(&out) != strlen(rows[i].body))
            fail_msg("%s: %d", rows[i].target, status);
        buf_free(&out);
    }
    stock_close(&stock);
    static const char *const made[] = {
        "secret",     "www/a.txt", "www/link",      "www/root",
        "www/within", "www/pipe",  "www/index.html"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(made[i]);
    rmdir("www/sub");
    rmdir("www");
    assert_int_equal(chdir("/"), 0);
    rmdir(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_action_changes_what_it_says),
        cmocka_unit_test(bodies_are_kept_only_where_a_rule_needs_them),
        cmocka_unit_test(a_body_without_a_length_is_edited_while_it_passes),
        cmocka_unit_test(an_answer_is_given_in_the_servers_place),
        cmocka_unit_test(mistakes_are_named_with_their_column),
        cmocka_unit_test(a_file_of_rules_names_the_line),
        cmocka_unit_test(no_path_leads_out_of_a_folder),
        cmocka_unit_test_setup_teardown(rules_come_in_their_order, events_open,
                                        events_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
