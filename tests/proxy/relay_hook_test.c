/* SPDX-License-Identifier: MIT
 *
 * The door for attacks: what hooks are shown, what becomes of their edits, and
 * that those who change nothing leave no trace. */
#include "tests/proxy/later.h"
#include "tests/proxy/tls_stage.h"

#include <signal.h>

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* A hook that does as it is told, and counts. */
struct puppet {
    struct hook hook;
    enum hook_act act;
    const char *body;  /* to set in responses */
    const char *field; /* to set in requests */
    char seen[256];    /* the last body */
    bool had_body;
    unsigned requests, responses, hellos, certs, ends, pieces;
    enum flow_end why;
    struct flow *flow; /* the last one */
    int status;        /* to answer requests with */
    unsigned wake_ms;  /* until what waits goes on */
    enum hook_act wake_act;
    unsigned abandoned;
    bool refuses_bodies;
};

static enum hook_act on_hello(void *config, struct flow *flow,
                              const struct hello *hello)
{
    struct puppet *puppet = config;
    (void)hello;
    puppet->hellos++;
    puppet->flow = flow;
    return puppet->act;
}

static enum hook_act on_server_cert(void *config, struct flow *flow, X509 *real,
                                    struct forge_plan *plan)
{
    struct puppet *puppet = config;
    (void)flow;
    assert_non_null(real);
    assert_non_null(plan->server_name);
    puppet->certs++;
    plan->forgery = forgery_find("t01");
    return HOOK_CHANGED;
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    struct puppet *puppet = config;
    puppet->requests++;
    puppet->flow = flow;
    puppet->had_body = request->has_body;
    snprintf(puppet->seen, sizeof puppet->seen, "%.*s",
             (int)buf_len(&request->body),
             buf_len(&request->body) ? (char *)buf_head(&request->body) : "");
    if (puppet->field)
        assert_int_equal(message_set_field(request, "X-Puppet", puppet->field),
                         0);
    return puppet->act;
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    struct puppet *puppet = config;
    puppet->responses++;
    puppet->flow = flow;
    puppet->had_body = response->has_body;
    snprintf(puppet->seen, sizeof puppet->seen, "%.*s",
             (int)buf_len(&response->body),
             buf_len(&response->body) ? (char *)buf_head(&response->body) : "");
    assert_string_equal(response->method, "GET");
    if (puppet->body)
        assert_int_equal(
            message_set_body(response, puppet->body, strlen(puppet->body)), 0);
    return puppet->act;
}

static enum hook_act on_data(void *config, struct flow *flow, enum event_leg to,
                             struct buf *data)
{
    struct puppet *puppet = config;
    (void)flow;
    puppet->pieces++;
    if (to == LEG_SERVER)
        for (size_t i = 0; i < buf_len(data); i++)
            buf_head(data)[i] ^= 0x20;
    return puppet->act;
}

/* Answers, or waits, as told. */
static enum hook_act on_asked(void *config, struct flow *flow,
                              struct message *request)
{
    struct puppet *puppet = config;
    puppet->requests++;
    puppet->flow = flow;
    puppet->had_body = request->has_body;
    if (puppet->status) {
        struct message *answer = message_answer(request, puppet->status, NULL);
        assert_int_equal(message_set_field(answer, "X-From", "puppet"), 0);
        assert_int_equal(message_set_body(answer, "mine", 4), 0);
    }
    if (puppet->wake_ms)
        assert_int_equal(hook_wake(request, puppet->wake_ms, puppet->wake_act),
                         0);
    return puppet->wake_ms ? HOOK_WAIT : puppet->act;
}

static void on_abandon(void *config, struct flow *flow, struct message *message)
{
    struct puppet *puppet = config;
    (void)flow;
    assert_string_equal(message->method, "GET");
    puppet->abandoned++;
}

static bool wants_body(void *config, struct flow *flow,
                       const struct message *head)
{
    const struct puppet *puppet = config;
    (void)flow;
    assert_non_null(head->target);
    return !puppet->refuses_bodies;
}

static void on_end(void *config, struct flow *flow, enum flow_end why)
{
    struct puppet *puppet = config;
    (void)flow;
    puppet->ends++;
    puppet->why = why;
}

/* One hook on a stage. */
static void raise_with(struct stage *stage, struct puppet *puppet,
                       struct hook **list)
{
    puppet->hook.name = "puppet";
    puppet->hook.config = puppet;
    puppet->hook.on_end = on_end;
    list[0] = &puppet->hook;
    stage->options.hooks = list;
    stage->options.hooks_count = 1;
    stage_raise(stage);
}

static void leave(struct stage *stage, struct actor *victim,
                  struct actor *server)
{
    actor_leaves(victim);
    actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

static void a_hook_that_passes_leaves_every_byte(void **state)
{
    (void)state;
    static const char post[] = "POST / HTTP/1.1\r\nhost:a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n";
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .hook = {.wants = HOOK_WANTS_REQUEST_BODY, .on_request = on_request}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, post);
    struct actor server = server_enters(&stage);
    actor_hears(&server, post);
    assert_string_equal(puppet.seen, "abcde");
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    leave(&stage, &victim, &server);
    assert_int_equal(puppet.requests, 1);
    assert_int_equal(puppet.ends, 1);
    assert_int_equal(puppet.why, FLOW_DONE);
}

static void a_changed_body_goes_out_with_its_length(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_CHANGED,
                            .body = "something longer",
                            .hook = {.wants = HOOK_WANTS_RESPONSE_BODY,
                                     .on_response = on_response}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                        "ETag: 1\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n");
    actor_hears(&victim, "HTTP/1.1 200 OK\r\nETag: 1\r\n"
                         "Content-Length: 16\r\n\r\nsomething longer");
    assert_string_equal(puppet.seen, "hi");
    /* The connection goes on. */
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n"
                         "something longer");
    assert_true(stage_has_event(&stage, "http.response", "\"changed\":true"));
    leave(&stage, &victim, &server);
}

static void check_coding(enum codec coding)
{
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_CHANGED,
                            .body = "changed",
                            .hook = {.wants = HOOK_WANTS_RESPONSE_BODY,
                                     .on_response = on_response}};
    struct buf coded = {0}, clear = {0};
    const char *why;
    char head[128];
    assert_int_equal(codec_encode(coding, "original", 8, &coded, &why), 0);
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n"
             "Content-Length: %zu\r\n\r\n",
             codec_name(coding), buf_len(&coded));
    actor_says(&server, head);
    actor_says_bytes(&server, buf_head(&coded), buf_len(&coded));
    *strstr(head, "Content-Length") = 0;
    actor_hears(&victim, head);
    assert_string_equal(puppet.seen, "original");
    stage_rest(&stage);
    actor_listens(&victim);
    const char *body =
        memmem(buf_head(&victim.got), buf_len(&victim.got), "\r\n\r\n", 4);
    assert_non_null(body);
    body += 4;
    size_t len =
        (size_t)((char *)buf_head(&victim.got) + buf_len(&victim.got) - body);
    assert_int_equal(codec_decode(coding, body, len, 100, &clear, &why), 0);
    assert_memory_equal(buf_head(&clear), "changed", 7);
    buf_free(&coded);
    buf_free(&clear);
    leave(&stage, &victim, &server);
}

static void a_coded_body_is_shown_decoded_and_leaves_coded(void **state)
{
    (void)state;
    static const enum codec codings[] = {CODEC_GZIP, CODEC_DEFLATE, CODEC_BR,
                                         CODEC_ZSTD};
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++)
        check_coding(codings[i]);
}

static void naive_lengths_stay_wrong(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .act = HOOK_CHANGED,
        .body = "longer",
        .hook = {.wants = HOOK_WANTS_RESPONSE_BODY | HOOK_WANTS_NAIVE_LENGTH,
                 .on_response = on_response}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nlonger");
    leave(&stage, &victim, &server);
}

static void a_body_over_the_limit_streams_past_the_hook(void **state)
{
    (void)state;
    static char body[40 * 1000];
    char head[128];
    for (int chunked = 0; chunked < 2; chunked++) {
        struct stage stage;
        struct hook *list[1];
        struct puppet puppet = {.hook = {.wants = HOOK_WANTS_RESPONSE_BODY,
                                         .on_response = on_response}};
        memset(body, 'b', sizeof body);
        stage_prepare(&stage, "http");
        stage.options.body_most = 10 * 1000;
        raise_with(&stage, &puppet, list);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        actor_hears(&server, GET);
        snprintf(head, sizeof head,
                 chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                           "\r\n%zx\r\n"
                         : "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                 sizeof body);
        actor_says(&server, head);
        actor_says_bytes(&server, body, sizeof body);
        actor_hears(&victim, head);
        actor_hears_bytes(&victim, body, sizeof body);
        assert_int_equal(puppet.responses, 1);
        assert_false(puppet.had_body);
        leave(&stage, &victim, &server);
    }
}

static void a_hook_without_a_wish_for_bodies_may_change_heads(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_CHANGED,
                            .field = "yes",
                            .hook = {.on_request = on_request}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "POST / HTTP/1.1\r\nHost: a\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&server, "POST / HTTP/1.1\r\nHost: a\r\n"
                         "Transfer-Encoding: chunked\r\nX-Puppet: yes\r\n\r\n"
                         "3\r\nabc\r\n");
    actor_says(&victim, "0\r\n\r\n");
    actor_hears(&server, "0\r\n\r\n");
    assert_false(puppet.had_body);
    leave(&stage, &victim, &server);
}

static void a_hook_that_cuts_resets_both_ends(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_CUT,
                            .hook = {.on_response = on_response}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears_reset(&victim);
    actor_hears_reset(&server);
    stage_empties(&stage);
    assert_int_equal(puppet.why, FLOW_CUT);
    leave(&stage, &victim, &server);
}

static void a_hook_may_hold_a_message_and_let_it_go(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .act = HOOK_WAIT, .field = "held", .hook = {.on_request = on_request}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears_nothing(&server);
    assert_int_equal(puppet.requests, 1);
    flow_resume(puppet.flow);
    actor_hears(&server, "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n"
                         "X-Puppet: held\r\n\r\n");
    assert_int_equal(puppet.requests, 1);
    leave(&stage, &victim, &server);
}

static void a_victim_may_leave_while_a_hook_holds_its_request(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_WAIT,
                            .hook = {.on_request = on_request}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears_nothing(&server);
    actor_resets(&victim);
    stage_empties(&stage);
    assert_int_equal(puppet.ends, 1);
    leave(&stage, &victim, &server);
}

static void who_waits_for_a_body_says_continue_itself(void **state)
{
    (void)state;
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Expect: 100-continue\r\n"
                               "Content-Length: 4\r\n\r\n";
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .hook = {.wants = HOOK_WANTS_REQUEST_BODY, .on_request = on_request}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, head);
    actor_hears(&victim, "HTTP/1.1 100 Continue\r\n\r\n");
    actor_says(&victim, "body");
    struct actor server = server_enters(&stage);
    actor_hears(&server, head);
    actor_hears(&server, "body");
    assert_string_equal(puppet.seen, "body");
    /* The server's own comes too late and is dropped. */
    actor_says(&server, "HTTP/1.1 100 Continue\r\n\r\n" OK_HI);
    actor_hears(&victim, OK_HI);
    leave(&stage, &victim, &server);
}

static void bytes_that_are_no_http_are_shown_to_on_data(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.hook = {.on_data = on_data}};
    stage_prepare(&stage, "tcp");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    struct actor server = server_enters(&stage);
    actor_says(&victim, "swapcase");
    actor_hears(&server, "SWAPCASE");
    actor_says_bytes(&server, "same", 4);
    actor_hears(&victim, "same");
    assert_true(puppet.pieces >= 2);
    leave(&stage, &victim, &server);
}

static void a_hook_chooses_the_forgery(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .hook = {.on_hello = on_hello, .on_server_cert = on_server_cert}};
    tls_stage_prepare(&stage, "https");
    raise_with(&stage, &puppet, list);
    struct talker victim = victim_calls(&stage, authorities.rogue->root,
                                        TLS1_3_VERSION, "bank.lab.test");
    struct talker server = all_shake(&victim);
    /* t01 is self-signed: not even the rogue's victim takes it. */
    assert_true(victim.failed);
    assert_int_equal(puppet.hellos, 1);
    assert_int_equal(puppet.certs, 1);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.verdict", "\"forgery\":\"t01\""));
    assert_true(stage_has_event(&stage, "tls.cert", "\"forgery\":\"t01\""));
    stage_close(&stage);
}

static void a_hook_may_hold_the_hello(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.act = HOOK_WAIT, .hook = {.on_hello = on_hello}};
    tls_stage_prepare(&stage, "https");
    raise_with(&stage, &puppet, list);
    struct talker victim = victim_calls(&stage, authorities.rogue->root,
                                        TLS1_3_VERSION, "bank.lab.test");
    talker_shakes(&victim);
    stage_rest(&stage);
    assert_int_equal(stage_door(&stage), -1);
    flow_resume(puppet.flow);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    assert_int_equal(puppet.hellos, 1);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

/* Answered, and drained: the next request of the victim goes to the server. */
static void a_hook_may_answer_in_the_servers_place(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .act = HOOK_ANSWER, .status = 404, .hook = {.on_request = on_asked}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "POST / HTTP/1.1\r\nHost: a\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&victim, "HTTP/1.1 404 Not Found\r\nX-From: puppet\r\n"
                         "Content-Length: 4\r\n\r\nmine");
    actor_says(&victim, "0\r\n\r\n");
    actor_hears_nothing(&server);
    puppet.act = HOOK_PASS;
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    assert_true(stage_has_event(&stage, "http.response", "\"status\":404"));
    leave(&stage, &victim, &server);
}

static void hooks_of_responses_see_what_a_hook_answered(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[2];
    struct puppet puppet = {
        .act = HOOK_ANSWER, .status = 200, .hook = {.on_request = on_asked}};
    struct puppet other = {.act = HOOK_CHANGED,
                           .body = "theirs",
                           .hook = {.on_response = on_response}};
    stage_prepare(&stage, "http");
    other.hook.name = "other";
    other.hook.config = &other;
    list[1] = &other.hook;
    stage.options.hooks = list;
    puppet.hook.name = "puppet";
    puppet.hook.config = &puppet;
    list[0] = &puppet.hook;
    stage.options.hooks_count = 2;
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.0\r\n\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&victim, "HTTP/1.1 200 OK\r\nX-From: puppet\r\n"
                         "Connection: close\r\nContent-Length: 6\r\n\r\n"
                         "theirs");
    actor_hears_end(&victim);
    assert_string_equal(other.seen, "mine");
    leave(&stage, &victim, &server);
}

/* Nobody gave leave to send the body, so what follows is not looked at. */
static void an_answer_instead_of_continue_ends_the_connection(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {
        .act = HOOK_ANSWER, .status = 413, .hook = {.on_request = on_asked}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "POST / HTTP/1.1\r\nHost: a\r\n"
                        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&victim, "HTTP/1.1 413 Content Too Large\r\n"
                         "X-From: puppet\r\nConnection: close\r\n"
                         "Content-Length: 4\r\n\r\nmine");
    actor_hears_end(&victim);
    leave(&stage, &victim, &server);
}

static void a_hook_may_let_a_message_wait_for_a_while(void **state)
{
    (void)state;
    static const struct {
        enum hook_act act;
        int status;
        const char *server, *victim; /* what each hears */
    } rows[] = {
        {HOOK_PASS, 0, GET, NULL},
        {HOOK_ANSWER, 503, NULL, "HTTP/1.1 503 Service Unavailable\r\n"},
        {HOOK_CUT, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage stage;
        struct hook *list[1];
        struct puppet puppet = {.wake_ms = 30,
                                .status = rows[i].status,
                                .wake_act = rows[i].act,
                                .hook = {.on_request = on_asked}};
        stage_prepare(&stage, "http");
        raise_with(&stage, &puppet, list);
        struct actor victim = victim_enters(&stage);
        uint64_t began = uv_hrtime();
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        if (rows[i].server)
            actor_hears(&server, rows[i].server);
        if (rows[i].victim)
            actor_hears(&victim, rows[i].victim);
        if (rows[i].act == HOOK_CUT)
            actor_hears_reset(&victim);
        assert_true(uv_hrtime() - began >= 29 * 1000 * 1000);
        assert_int_equal(puppet.requests, 1);
        leave(&stage, &victim, &server);
    }
}

static void a_hook_is_told_of_a_message_that_waits_for_nobody(void **state)
{
    (void)state;
    /* With a goodbye, too, if the hook cares for the victim. */
    for (int bye = 0; bye < 2; bye++) {
        struct stage stage;
        struct hook *list[1];
        struct puppet puppet = {.wake_ms = 60 * 1000,
                                .wake_act = HOOK_PASS,
                                .hook = {.wants = bye ? HOOK_WANTS_VICTIM : 0,
                                         .on_abandon = on_abandon,
                                         .on_request = on_asked}};
        stage_prepare(&stage, "http");
        raise_with(&stage, &puppet, list);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        actor_hears_nothing(&server);
        assert_int_equal(puppet.abandoned, 0);
        if (bye)
            actor_finishes(&victim);
        else
            actor_resets(&victim);
        stage_empties(&stage);
        assert_int_equal(puppet.abandoned, 1);
        leave(&stage, &victim, &server);
    }
}

static void what_waits_is_not_late(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct puppet puppet = {.wake_ms = 3 * IDLE_IS_OVER,
                            .wake_act = HOOK_PASS,
                            .hook = {.on_request = on_asked}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &puppet, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    stage_later(&stage, 2 * IDLE_IS_OVER);
    actor_hears_nothing(&server);
    stage_later(&stage, 2 * IDLE_IS_OVER);
    actor_hears(&server, GET);
    leave(&stage, &victim, &server);
}

static void a_hook_chooses_the_bodies_that_it_wants(void **state)
{
    (void)state;
    for (int refuses = 0; refuses < 2; refuses++) {
        struct stage stage;
        struct hook *list[1];
        struct puppet puppet = {.refuses_bodies = refuses,
                                .hook = {.wants = HOOK_WANTS_REQUEST_BODY,
                                         .wants_body = wants_body,
                                         .on_request = on_asked}};
        stage_prepare(&stage, "http");
        raise_with(&stage, &puppet, list);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, "POST / HTTP/1.1\r\nHost: a\r\n"
                            "Content-Length: 4\r\n\r\nbo");
        struct actor server = server_enters(&stage);
        if (refuses)
            actor_hears(&server, "POST / HTTP/1.1\r\nHost: a\r\n"
                                 "Content-Length: 4\r\n\r\nbo");
        else
            actor_hears_nothing(&server);
        actor_says(&victim, "dy");
        actor_hears(&server, refuses ? "dy" : "POST / HTTP/1.1\r\n");
        assert_int_equal(puppet.had_body, !refuses);
        leave(&stage, &victim, &server);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_that_passes_leaves_every_byte),
        cmocka_unit_test(a_changed_body_goes_out_with_its_length),
        cmocka_unit_test(a_coded_body_is_shown_decoded_and_leaves_coded),
        cmocka_unit_test(naive_lengths_stay_wrong),
        cmocka_unit_test(a_body_over_the_limit_streams_past_the_hook),
        cmocka_unit_test(a_hook_without_a_wish_for_bodies_may_change_heads),
        cmocka_unit_test(a_hook_that_cuts_resets_both_ends),
        cmocka_unit_test(a_hook_may_hold_a_message_and_let_it_go),
        cmocka_unit_test(a_victim_may_leave_while_a_hook_holds_its_request),
        cmocka_unit_test(who_waits_for_a_body_says_continue_itself),
        cmocka_unit_test(bytes_that_are_no_http_are_shown_to_on_data),
        cmocka_unit_test(a_hook_chooses_the_forgery),
        cmocka_unit_test(a_hook_may_hold_the_hello),
        cmocka_unit_test(a_hook_may_answer_in_the_servers_place),
        cmocka_unit_test(hooks_of_responses_see_what_a_hook_answered),
        cmocka_unit_test(an_answer_instead_of_continue_ends_the_connection),
        cmocka_unit_test(a_hook_may_let_a_message_wait_for_a_while),
        cmocka_unit_test(a_hook_is_told_of_a_message_that_waits_for_nobody),
        cmocka_unit_test(what_waits_is_not_late),
        cmocka_unit_test(a_hook_chooses_the_bodies_that_it_wants),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
