/* SPDX-License-Identifier: MIT
 *
 * Scripts: what they may read and edit, what they may not do, and that a
 * mistake in one changes nothing. Scripts are shown messages directly, without
 * a proxy around. */
#include "proxy/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A script, and a message to show to it. */
struct scene {
    char path[32];
    struct script *script;
    struct flow flow;
    struct message message;
};

static int load(struct scene *scene, const char *text, struct err *err)
{
    *scene = (struct scene){.path = "/tmp/script-XXXXXX"};
    int fd = mkstemp(scene->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int rc = script_load(scene->path, 0, &scene->script, err);
    unlink(scene->path);
    return rc;
}

static void show(struct scene *scene, enum http1_kind kind, const char *head)
{
    struct http1_scan scan = {0};
    struct http1_head parsed;
    struct http1_fault fault;
    scene->flow.victim.v4.sin_family = AF_INET;
    scene->flow.server_name = "bank.lab.test";
    scene->flow.tls = true;
    assert_true(http1_head_read(&scan, kind, "GET", head, strlen(head), &parsed,
                                &fault) > 0);
    assert_int_equal(
        message_init(&scene->message, &scene->flow.arena, &parsed, head), 0);
}

static void open_scene(struct scene *scene, const char *text)
{
    struct err err = ERR_INIT;
    if (load(scene, text, &err))
        fail_msg("%s", err.text);
}

static enum hook_act respond(struct scene *scene, const char *body)
{
    show(scene, HTTP1_RESPONSE,
         "HTTP/1.1 200 OK\r\nServer: s\r\nSet-Cookie: a\r\n"
         "Set-Cookie: b\r\n\r\n");
    scene->message.method = "GET";
    scene->message.target = "/x";
    scene->message.host = "bank.lab.test";
    assert_int_equal(message_set_body(&scene->message, body, strlen(body)), 0);
    struct hook *hook = script_hook(scene->script);
    return hook->on_response(hook->config, &scene->flow, &scene->message);
}

static void close_message(struct scene *scene)
{
    message_close(&scene->message);
    arena_free(&scene->flow.arena);
}

static void close_scene(struct scene *scene)
{
    close_message(scene);
    script_free(scene->script);
}

static const char *body_of(const struct scene *scene)
{
    static char text[256];
    snprintf(text, sizeof text, "%.*s", (int)buf_len(&scene->message.body),
             buf_len(&scene->message.body)
                 ? (char *)buf_head(&scene->message.body)
                 : "");
    return text;
}

static void a_body_is_edited_with_gsub(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, "function on_response(flow)\n"
                       "  flow.body = flow.body:gsub('a', 'b')\n"
                       "end\n");
    assert_int_equal(respond(&scene, "banana"), HOOK_CHANGED);
    assert_string_equal(body_of(&scene), "bbnbnb");
    close_message(&scene);
    /* What comes out as it went in is no change. */
    assert_int_equal(respond(&scene, "hello"), HOOK_PASS);
    struct hook *hook = script_hook(scene.script);
    assert_int_equal(hook->wants, HOOK_WANTS_RESPONSE_BODY | HOOK_WANTS_VICTIM);
    assert_null(hook->on_request);
    close_scene(&scene);
}

static void headers_keep_their_order_and_case(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, "function on_response(flow)\n"
                       "  local names = {}\n"
                       "  for name, value in pairs(flow.headers) do\n"
                       "    names[#names + 1] = name .. '=' .. value\n"
                       "  end\n"
                       "  flow.headers['x-all'] = table.concat(names, ' ')\n"
                       "  flow.headers['SERVER'] = 'other'\n"
                       "  flow.headers['set-cookie'] = nil\n"
                       "  flow.headers['X-None'] = "
                       "tostring(flow.headers['nothing'])\n"
                       "end\n");
    assert_int_equal(respond(&scene, ""), HOOK_CHANGED);
    const struct message *message = &scene.message;
    assert_int_equal(message->fields_count, 3);
    assert_string_equal(message->fields[0].name, "Server");
    assert_string_equal(message->fields[0].value, "other");
    assert_string_equal(message->fields[1].name, "x-all");
    assert_string_equal(message->fields[1].value,
                        "Server=s Set-Cookie=a Set-Cookie=b");
    assert_string_equal(message->fields[2].value, "nil");
    close_scene(&scene);
}

static void requests_can_be_redirected(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, "function on_request(flow)\n"
                       "  assert(flow.method == 'GET' and flow.tls)\n"
                       "  assert(flow.host == 'bank.lab.test')\n"
                       "  assert(flow.server_name == 'bank.lab.test')\n"
                       "  assert(flow.status == nil and flow.body == '')\n"
                       "  assert(flow.victim == '0.0.0.0:0')\n"
                       "  flow.target = flow.target .. '?more'\n"
                       "  flow.method = 'POST'\n"
                       "  flow.body = 'payee=mule'\n"
                       "end\n");
    show(&scene, HTTP1_REQUEST,
         "GET /x HTTP/1.1\r\nHost: bank.lab.test\r\n"
         "\r\n");
    struct hook *hook = script_hook(scene.script);
    assert_int_equal(
        hook->on_request(hook->config, &scene.flow, &scene.message),
        HOOK_CHANGED);
    assert_string_equal(scene.message.target, "/x?more");
    assert_string_equal(scene.message.method, "POST");
    assert_string_equal(body_of(&scene), "payee=mule");
    close_scene(&scene);
}

static void a_mistake_undoes_what_was_done_before_it(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, "function on_response(flow)\n"
                       "  flow.status = 404\n"
                       "  flow.body = 'half done'\n"
                       "  flow.headers['Server'] = 'x'\n"
                       "  flow.headers['New'] = 'y'\n"
                       "  flow.headers['Set-Cookie'] = nil\n"
                       "  error('no')\n"
                       "end\n");
    assert_int_equal(respond(&scene, "whole"), HOOK_PASS);
    assert_string_equal(body_of(&scene), "whole");
    assert_int_equal(scene.message.status, 200);
    assert_int_equal(scene.message.fields_count, 3);
    assert_string_equal(scene.message.fields[0].value, "s");
    assert_string_equal(scene.message.fields[1].value, "a");
    assert_string_equal(scene.message.fields[2].value, "b");
    close_scene(&scene);
}

/* Each of these is a mistake, and ends soon. */
static const char *const misdeeds[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "local s = ('x'):rep(1e9)",
    /* These would come to an end. */
    "for i = 1, 5e7 do end",
    "local s = ('x'):rep(1e8)",
    "io.write('x')",
    "os.exit(1)",
    "require('os')",
    "load('return 1')()",
    "dofile('/etc/passwd')",
    "debug.sethook()",
    "package.loadlib('x', 'y')",
    "coroutine.wrap(function() end)()",
    "string.dump(print)",
    "setmetatable({}, {__gc = function() while true do end end})",
    "getmetatable(flow).__index = nil",
    "flow.nonsense = 1",
    "flow.host = 'x'",
    "flow.method = 'GET'",
    "flow.status = 'many'",
    "flow.status = 99",
    "flow.headers['a b'] = 'x'",
    "flow.headers['X'] = 'a\\r\\nInjected: 1'",
    "flow.body = {}",
    "kept = kept or flow; local x = kept.nothing",
    "error({})",
    "error(nil)",
};

static void what_a_script_may_not_do_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misdeeds / sizeof *misdeeds; i++) {
        struct scene scene;
        char text[512];
        snprintf(text, sizeof text,
                 "function on_response(flow)\n  flow.reason = 'Edited'\n  %s\n"
                 "end\n",
                 misdeeds[i]);
        open_scene(&scene, text);
        /* Twice: the first must not spoil the second. */
        for (int again = 0; again < 2; again++) {
            if (respond(&scene, "body") != HOOK_PASS)
                fail_msg("allowed: %s", misdeeds[i]);
            assert_string_equal(scene.message.reason, "OK");
            if (!again)
                close_message(&scene);
        }
        close_scene(&scene);
    }
}

static void a_flow_that_is_kept_leads_nowhere(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, "local kept, headers\n"
                       "function on_response(flow)\n"
                       "  kept, headers = flow, flow.headers\n"
                       "end\n"
                       "function on_request(flow)\n"
                       "  assert(rawequal(kept, flow))\n"
                       "end\n");
    assert_int_equal(respond(&scene, ""), HOOK_PASS);
    close_scene(&scene);
}

static void a_script_that_cannot_be_used_is_refused_at_the_start(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "function on_response(flow", "x = 1",          "error('at once')",
        "while true do end",         "\033Lua binary",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scene scene;
        struct err err = ERR_INIT;
        assert_int_equal(load(&scene, bad[i], &err), -1);
        assert_int_equal(err.code, EXIT_LAB_INVALID);
        assert_true(strlen(err.text) > 5);
    }
    struct err err = ERR_INIT;
    struct script *script;
    assert_int_equal(script_load("/nonexistent.lua", 0, &script, &err), -1);
    assert_int_equal(err.code, EXIT_MACHINE);
}

/* What was heard on stderr while a script made a mistake. */
static void
an_error_with_bytes_of_the_network_cannot_steer_a_terminal(void **state)
{
    (void)state;
    char heard[512] = "";
    struct scene scene;
    open_scene(&scene, "function on_response(flow) error(flow.body) end");
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_true(file && before >= 0);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    enum hook_act act = respond(&scene, "\033]52;c;x\a\nfake");
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(act, HOOK_PASS);
    assert_true(pread(fileno(file), heard, sizeof heard - 1, 0) > 0);
    fclose(file);
    assert_null(strchr(heard, '\033'));
    assert_null(strchr(heard, '\a'));
    assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1);
    assert_non_null(strstr(heard, "\\x1b]52;c;x\\x07\\x0afake"));
    close_scene(&scene);
}

static void a_script_answers_cuts_and_drops(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        enum hook_act act;
    } rows[] = {
        {"flow:answer(404, 'none', { ['X-A'] = 'b' })", HOOK_ANSWER},
        {"flow.method = 'PUT'; flow:answer(404)", HOOK_ANSWER},
        {"flow:answer(99)", HOOK_PASS},
        {"flow:answer(404, 'none', { ['A b'] = 'c' })", HOOK_PASS},
        {"flow:answer(404, 'none'); error('late')", HOOK_PASS},
        {"flow:abort()", HOOK_CUT},
        {"flow:drop()", HOOK_WAIT},
        {"flow:delay(-1)", HOOK_PASS},
        {"flow.request_headers['Host'] = 'x'", HOOK_PASS},
        {"flow.path = '/new'", HOOK_CHANGED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        char text[160];
        snprintf(text, sizeof text, "function on_request(flow) %s end",
                 rows[i].call);
        open_scene(&scene, text);
        show(&scene, HTTP1_REQUEST, "GET /a?b HTTP/1.1\r\nHost: bank\r\n\r\n");
        struct hook *hook = script_hook(scene.script);
        enum hook_act act =
            hook->on_request(hook->config, &scene.flow, &scene.message);
        if (act != rows[i].act)
            fail_msg("%s: %d", rows[i].call, act);
        if (!i) {
            const struct message *answer = scene.message.answer;
            assert_int_equal(answer->status, 404);
            assert_string_equal(message_field(answer, "X-A"), "b");
            assert_int_equal(buf_len(&answer->body), 4);
        }
        if (act == HOOK_CHANGED)
            assert_string_equal(scene.message.target, "/new?b");
        close_scene(&scene);
    }
}

/* A message of a WebSocket on its way; the caller frees its body. */
static enum hook_act pass_on(struct scene *scene,
                             struct socket_message *message, const char *text)
{
    struct hook *hook = script_hook(scene->script);
    scene->flow.server_name = "bank.lab.test";
    assert_int_equal(buf_append_text(&message->body, text), 0);
    return hook->on_message(hook->config, &scene->flow, message);
}

static void messages_of_a_websocket_are_edited(void **state)
{
    (void)state;
    struct scene scene;
    struct socket_message up = {.to = LEG_SERVER, .text = true};
    struct socket_message down = {.to = LEG_VICTIM};
    open_scene(&scene, "function on_message(flow)\n"
                       "  assert(flow.server_name == 'bank.lab.test')\n"
                       "  if flow.to == 'server' then\n"
                       "    assert(flow.message_kind == 'text')\n"
                       "    flow.message = flow.message:gsub('bob', 'eve')\n"
                       "    flow.message = flow.message .. '!'\n"
                       "  else\n"
                       "    assert(flow.message_kind == 'binary')\n"
                       "    flow.message = flow.message\n"
                       "  end\n"
                       "end\n");
    struct hook *hook = script_hook(scene.script);
    assert_null(hook->on_request);
    assert_null(hook->on_response);
    assert_int_equal(pass_on(&scene, &up, "pay bob"), HOOK_CHANGED);
    assert_int_equal(buf_len(&up.body), 8);
    assert_memory_equal(buf_head(&up.body), "pay eve!", 8);
    /* What comes out as it went in is no change. */
    assert_int_equal(pass_on(&scene, &down, "done"), HOOK_PASS);
    buf_free(&up.body);
    buf_free(&down.body);
    script_free(scene.script);
}

static void a_message_may_become_empty_or_end_all(void **state)
{
    (void)state;
    struct scene scene;
    struct socket_message message = {.to = LEG_SERVER, .text = true};
    open_scene(&scene, "function on_message(flow)\n"
                       "  if flow.message == 'end' then flow:abort() end\n"
                       "  flow.message = ''\n"
                       "end\n");
    assert_int_equal(pass_on(&scene, &message, "x"), HOOK_CHANGED);
    assert_int_equal(buf_len(&message.body), 0);
    assert_int_equal(pass_on(&scene, &message, "end"), HOOK_CUT);
    buf_free(&message.body);
    script_free(scene.script);
}

/* Each of these is a mistake in on_message; a message of HTTP has what they
 * ask for. */
static const char *const message_misdeeds[] = {
    "flow.headers['X'] = 'y'",
    "kept['X'] = 'y'",
    "flow.body = 'y'",
    "flow.method = 'GET'",
    "flow.status = 200",
    "flow.to = 'victim'",
    "flow.message_kind = 'binary'",
    "flow.message = {}",
    "flow:answer(200)",
    "flow:delay(1)",
    "error('late')",
};

static void a_message_has_nothing_of_http(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof message_misdeeds / sizeof(char *); i++) {
        struct scene scene;
        char text[512];
        snprintf(text, sizeof text,
                 "local kept\n"
                 "function on_response(flow)\n"
                 "  kept = flow.headers\n"
                 "  assert(flow.message == nil and flow.to == nil)\n"
                 "end\n"
                 "function on_message(flow)\n"
                 "  flow.message = 'edited'\n  %s\nend\n",
                 message_misdeeds[i]);
        open_scene(&scene, text);
        assert_int_equal(respond(&scene, "body"), HOOK_PASS);
        for (int again = 0; again < 2; again++) {
            struct socket_message message = {.to = LEG_VICTIM, .text = true};
            if (pass_on(&scene, &message, "whole") != HOOK_PASS)
                fail_msg("allowed: %s", message_misdeeds[i]);
            assert_int_equal(buf_len(&message.body), 5);
            assert_memory_equal(buf_head(&message.body), "whole", 5);
            buf_free(&message.body);
        }
        close_scene(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_edited_with_gsub),
        cmocka_unit_test(headers_keep_their_order_and_case),
        cmocka_unit_test(requests_can_be_redirected),
        cmocka_unit_test(a_script_answers_cuts_and_drops),
        cmocka_unit_test(messages_of_a_websocket_are_edited),
        cmocka_unit_test(a_message_may_become_empty_or_end_all),
        cmocka_unit_test(a_message_has_nothing_of_http),
        cmocka_unit_test(a_mistake_undoes_what_was_done_before_it),
        cmocka_unit_test(what_a_script_may_not_do_changes_nothing),
        cmocka_unit_test(a_flow_that_is_kept_leads_nowhere),
        cmocka_unit_test(a_script_that_cannot_be_used_is_refused_at_the_start),
        cmocka_unit_test(
            an_error_with_bytes_of_the_network_cannot_steer_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
