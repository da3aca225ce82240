/* SPDX-License-Identifier: MIT
 *
 * Rules on a relay: bodies that are edited while they pass, of any length, in
 * any framing and coding, in HTTP/1.1 and HTTP/2, with what that means for the
 * heads in front of them. */
#include "tests/proxy/h2_stage.h"

#include "attacks/rules.h"
#include "proxy/codec.h"
#include "proxy/http1.h"
#include "proxy/relay.h"

#define GET  "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define SWAP "response : replace body cat tiger"

struct scene {
    struct stage stage;
    struct rules *rules;
    struct hook spy, *hooks[2];
    const struct relay *relay; /* of the last message */
    struct actor victim, server;
    struct framer h2_victim, h2_server;
    char head[1024]; /* of what was heard last */
    struct buf body;
};

static enum hook_act on_message(void *config, struct flow *flow,
                                struct message *message)
{
    struct scene *scene = config;
    (void)message;
    scene->relay = flow->relay;
    return HOOK_PASS;
}

static void raise_scene(struct scene *scene, size_t most, const char *rule)
{
    struct err err = ERR_INIT;
    *scene = (struct scene){0};
    stage_prepare(&scene->stage, "http");
    scene->stage.options.body_most = most;
    scene->rules = rules_new();
    if (rules_add(scene->rules, rule, &err))
        fail_msg("%s", err.text);
    scene->spy = (struct hook){.name = "spy",
                               .config = scene,
                               .on_request = on_message,
                               .on_response = on_message};
    scene->hooks[0] = &scene->spy;
    scene->hooks[1] = rules_hook(scene->rules);
    scene->stage.options.hooks = scene->hooks;
    scene->stage.options.hooks_count = 2;
    stage_raise(&scene->stage);
}

/* The victim asks, and the server has heard it. */
static void open_scene(struct scene *scene, size_t most, const char *rule,
                       const char *request)
{
    raise_scene(scene, most, rule);
    scene->victim = victim_enters(&scene->stage);
    actor_says(&scene->victim, request);
    scene->server = server_enters(&scene->stage);
}

static void close_scene(struct scene *scene)
{
    stage_ends(&scene->stage, &scene->victim, &scene->server);
    rules_free(scene->rules);
    buf_free(&scene->body);
}

/* The next message: its head as text, its body without framing. */
static void hear_message(struct scene *scene, struct actor *actor,
                         enum http1_kind kind)
{
    struct http1_scan scan = {0};
    struct http1_head head;
    struct http1_body body;
    struct http1_fault fault;
    struct span data;
    ssize_t used = 0;
    buf_clear(&scene->body);
    for (int i = 0; i < PATIENCE_TURNS && !used; i++) {
        if (!actor_listens(actor))
            stage_turn(actor->stage);
        if (buf_len(&actor->got))
            used = http1_head_read(&scan, kind, "GET",
                                   (char *)buf_head(&actor->got),
                                   buf_len(&actor->got), &head, &fault);
    }
    assert_true(used > 0 && used < (ssize_t)sizeof scene->head);
    memcpy(scene->head, buf_head(&actor->got), (size_t)used);
    scene->head[used] = 0;
    buf_consume(&actor->got, (size_t)used);
    http1_body_init(&body, &head, 0);
    for (int i = 0; i < PATIENCE_TURNS && !body.done; i++) {
        while (buf_len(&actor->got) &&
               (used = http1_body_read(&body, (char *)buf_head(&actor->got),
                                       buf_len(&actor->got), &data, &fault))) {
            assert_true(used > 0);
            buf_append(&scene->body, buf_head(&actor->got) + data.at, data.len);
            buf_consume(&actor->got, (size_t)used);
        }
        if (body.done || head.framing == HTTP1_NONE ||
            (head.framing == HTTP1_TO_CLOSE && actor->eof))
            return;
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    }
    assert_true(body.done);
}

static void assert_body(const struct scene *scene, const char *text)
{
    size_t len = buf_len(&scene->body);
    if (len != strlen(text) ||
        (len && memcmp(buf_head(&scene->body), text, len)))
        fail_msg("expected \"%s\", heard \"%.*s\"", text, (int)len,
                 len ? (char *)buf_head(&scene->body) : "");
}

static void has(const struct scene *scene, const char *part)
{
    if (!strcasestr(scene->head, part))
        fail_msg("no \"%s\" in: %s", part, scene->head);
}

static void lacks(const struct scene *scene, const char *part)
{
    if (strcasestr(scene->head, part))
        fail_msg("\"%s\" in: %s", part, scene->head);
}

/* ---- framing ------------------------------------------------------------- */

static void a_body_that_fits_keeps_a_length_that_is_right(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, 100, SWAP, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                              "Digest: sha-256=x\r\nETag: 1\r\n\r\na cat");
    actor_hears(&scene.victim, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"
                               "ETag: 1\r\n\r\na tiger");
    close_scene(&scene);
}

static void a_longer_one_goes_in_chunks_and_the_connection_goes_on(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, 10, SWAP, GET);
    for (int i = 0; i < 2; i++) {
        actor_hears(&scene.server, GET);
        actor_says(&scene.server,
                   "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"
                   "Content-MD5: x\r\nETag: 1\r\n\r\na cat and ca");
        hear_message(&scene, &scene.victim, HTTP1_RESPONSE);
        has(&scene, "ETag: 1\r\nTransfer-Encoding: chunked\r\n");
        lacks(&scene, "Content-");
        assert_body(&scene, "a tiger and ca");
        if (!i)
            actor_says(&scene.victim, GET);
    }
    assert_true(stage_has_event(&scene.stage, "attack.changed",
                                "\"what\":\"body\",\"field\":\"\",\"count\":1,"
                                "\"before\":\"a cat and ca\","
                                "\"after\":\"a tiger and ca\""));
    assert_true(stage_has_event(&scene.stage, "http.response",
                                "\"body\":\"a tiger and ca\","
                                "\"body_bytes\":14,"));
    assert_true(stage_has_event(&scene.stage, "http.response",
                                "\"whole\":true,\"changed\":true"));
    assert_true(stage_has_event(&scene.stage, "http.response",
                                "\"body\":\"a cat and ca\","
                                "\"body_bytes\":12,"));
    close_scene(&scene);
}

static void
chunks_pass_as_they_come_and_a_match_may_lie_over_their_edge(void **state)
{
    (void)state;
    struct scene scene;
    static const char head[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    open_scene(&scene, 100, SWAP, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server, head);
    actor_hears(&scene.victim, head);
    actor_says(&scene.server, "8\r\ndata: 1\n\r\n");
    actor_hears(&scene.victim, "8\r\ndata: 1\n\r\n");
    actor_says(&scene.server, "4\r\na ca\r\n");
    actor_hears(&scene.victim, "2\r\na \r\n");
    actor_says(&scene.server, "3\r\nt c\r\n");
    actor_hears(&scene.victim, "6\r\ntiger \r\n");
    actor_says(&scene.server, "0\r\n\r\n");
    actor_hears(&scene.victim, "1\r\nc\r\n0\r\n\r\n");
    assert_true(stage_has_event(&scene.stage, "attack.changed",
                                "a cat c\",\"after\":\"data: 1"));
    close_scene(&scene);
}

static void nothing_to_replace_leaves_no_trace_in_chunks(void **state)
{
    (void)state;
    struct scene scene;
    static const char said[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                               "\r\n\r\n5\r\na dog\r\n0\r\n\r\n";
    open_scene(&scene, 100, SWAP, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server, said);
    actor_hears(&scene.victim, said);
    assert_false(stage_has_event(&scene.stage, "attack.changed", ""));
    assert_false(
        stage_has_event(&scene.stage, "http.response", "\"changed\":true"));
    close_scene(&scene);
}

static void a_victim_of_http_1_0_hears_the_end_of_the_connection(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, 10, SWAP,
               "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    actor_waits_for(&scene.server, 40);
    actor_says(&scene.server, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
                              "a cat, a cat");
    actor_hears(&scene.victim, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                               "a tiger, a tiger");
    actor_hears_end(&scene.victim);
    close_scene(&scene);
}

static void what_ends_with_the_connection_ends_with_it(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, 100, SWAP, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server, "HTTP/1.0 200 OK\r\n\r\na cat and a ca");
    actor_finishes(&scene.server);
    actor_hears(&scene.victim, "HTTP/1.0 200 OK\r\n\r\na tiger and a ca");
    actor_hears_end(&scene.victim);
    close_scene(&scene);
}

static void what_is_cut_short_is_not_made_whole(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, 10, SWAP, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server,
               "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na cat");
    actor_hears(&scene.victim, "HTTP/1.1 200 OK\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "7\r\na tiger\r\n");
    actor_finishes(&scene.server);
    actor_hears_end(&scene.victim);
    close_scene(&scene);
}

static void what_has_no_body_passes_as_it_came(void **state)
{
    (void)state;
    static const struct {
        const char *request, *response;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nDigest: x\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 204 No Content\r\nETag: 1\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        open_scene(&scene, 10, "host ~ a : replace body cat tiger",
                   rows[i].request);
        actor_hears(&scene.server, rows[i].request);
        actor_says(&scene.server, rows[i].response);
        actor_hears(&scene.victim, rows[i].response);
        close_scene(&scene);
    }
}

static void a_request_of_any_length_is_edited_too(void **state)
{
    (void)state;
    struct scene scene;
    static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Content-Length: 20\r\n\r\nto=cat&";
    open_scene(&scene, 10, "request : replace body ~ '(\\w+)=cat' '\\1=eve'",
               post);
    actor_hears(&scene.server, "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n");
    actor_hears(&scene.server, "7\r\nto=eve&\r\n");
    actor_says(&scene.victim, "from=cat&x=yz");
    actor_hears(&scene.server, "d\r\nfrom=eve&x=yz\r\n0\r\n\r\n");
    close_scene(&scene);
}

static void a_long_request_of_http_1_0_must_say_its_length(void **state)
{
    (void)state;
    struct scene scene;
    static const char post[] = "POST / HTTP/1.0\r\nHost: a\r\n"
                               "Content-Length: 12\r\n\r\na cat, a cat";
    open_scene(&scene, 10, "request : replace body cat tiger", post);
    actor_hears(&scene.server, post);
    close_scene(&scene);
}

static void another_body_takes_the_place_of_one_of_any_length(void **state)
{
    (void)state;
    struct scene scene;
    static char much[100 * 1000];
    open_scene(&scene, 10, "response : set body 'a tiger'", GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server,
               "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    actor_says_bytes(&scene.server, much, sizeof much);
    hear_message(&scene, &scene.victim, HTTP1_RESPONSE);
    assert_body(&scene, "a tiger");
    close_scene(&scene);
}

/* ---- codings ------------------------------------------------------------- */

static const enum codec codecs[] = {CODEC_GZIP, CODEC_DEFLATE, CODEC_BR,
                                    CODEC_ZSTD};

/* A text of some length, with a few cats in it. */
static void fill(struct buf *out, unsigned lines, const char *animal)
{
    for (unsigned i = 0; i < lines; i++)
        buf_printf(out, "line %u has a %s in it %x\n", i, animal,
                   i * 2654435761u);
}

static void a_coding_is_taken_off_and_put_on_while_it_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct scene scene;
        struct buf clear = {0}, coded = {0}, want = {0}, got = {0};
        const char *why;
        char head[128];
        fill(&clear, 5000, "cat");
        fill(&want, 5000, "tiger");
        assert_int_equal(codec_encode(codecs[i], buf_head(&clear),
                                      buf_len(&clear), &coded, &why),
                         0);
        open_scene(&scene, 10, SWAP, GET);
        actor_hears(&scene.server, GET);
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 codec_name(codecs[i]), buf_len(&coded));
        actor_says(&scene.server, head);
        size_t half = buf_len(&coded) / 2;
        actor_says_bytes(&scene.server, buf_head(&coded), half);
        stage_rest(&scene.stage);
        actor_says_bytes(&scene.server, buf_head(&coded) + half,
                         buf_len(&coded) - half);
        hear_message(&scene, &scene.victim, HTTP1_RESPONSE);
        has(&scene, codec_name(codecs[i]));
        lacks(&scene, "Content-Length");
        assert_int_equal(codec_decode(codecs[i], buf_head(&scene.body),
                                      buf_len(&scene.body), 1 << 20, &got,
                                      &why),
                         0);
        assert_int_equal(buf_len(&got), buf_len(&want));
        assert_memory_equal(buf_head(&got), buf_head(&want), buf_len(&want));
        buf_free(&clear);
        buf_free(&coded);
        buf_free(&want);
        buf_free(&got);
        close_scene(&scene);
    }
}

static void a_body_that_is_not_what_it_says_passes_as_it_came(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct scene scene;
        char head[128];
        open_scene(&scene, 10, SWAP, GET);
        actor_hears(&scene.server, GET);
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n"
                 "Content-Length: 19\r\n\r\n~~~ a cat, a cat ~~",
                 codec_name(codecs[i]));
        actor_says(&scene.server, head);
        hear_message(&scene, &scene.victim, HTTP1_RESPONSE);
        assert_body(&scene, "~~~ a cat, a cat ~~");
        close_scene(&scene);
    }
}

static void a_coding_that_is_damaged_later_ends_the_connection(void **state)
{
    (void)state;
    struct scene scene;
    struct buf clear = {0}, coded = {0};
    const char *why;
    char head[128];
    fill(&clear, 5000, "cat");
    codec_encode(CODEC_GZIP, buf_head(&clear), buf_len(&clear), &coded, &why);
    memset(buf_head(&coded) + buf_len(&coded) / 2, 0xff, 1000);
    open_scene(&scene, 10, SWAP, GET);
    actor_hears(&scene.server, GET);
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
             "Content-Length: %zu\r\n\r\n",
             buf_len(&coded));
    actor_says(&scene.server, head);
    actor_says_bytes(&scene.server, buf_head(&coded), buf_len(&coded));
    actor_hears_reset(&scene.victim);
    buf_free(&clear);
    buf_free(&coded);
    close_scene(&scene);
}

/* ---- lengths ------------------------------------------------------------- */

enum { MUCH = 100 * 1024 * 1024, BLOCK = 128 * 1024 };

static void a_hundred_megabytes_are_edited_and_not_kept(void **state)
{
    (void)state;
    struct scene scene;
    static char block[BLOCK];
    size_t heard = 0, most = 0;
    char head[128];
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = "a cat sits here.\n"[i % 16];
    open_scene(&scene, 0, SWAP, GET);
    actor_hears(&scene.server, GET);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
             MUCH);
    actor_says(&scene.server, head);
    for (int sent = 0; sent < MUCH; sent += BLOCK) {
        actor_says_bytes(&scene.server, block, BLOCK);
        while (actor_listens(&scene.victim)) {
            heard += buf_len(&scene.victim.got);
            buf_clear(&scene.victim.got);
        }
        if (scene.relay && relay_held(scene.relay) > most)
            most = relay_held(scene.relay);
    }
    for (int i = 0; i < PATIENCE_TURNS && heard < MUCH / 16 * 18; i++) {
        stage_turn(&scene.stage);
        while (actor_listens(&scene.victim)) {
            heard += buf_len(&scene.victim.got);
            buf_clear(&scene.victim.got);
        }
    }
    assert_true(heard >= (size_t)MUCH / 16 * 18);
    assert_true(most > 0 && most < 1024 * 1024);
    close_scene(&scene);
}

/* ---- HTTP/2 -------------------------------------------------------------- */

static void open_h2(struct scene *scene, size_t most, const char *rule)
{
    raise_scene(scene, most, rule);
    framer_open(&scene->h2_victim, victim_enters(&scene->stage), false);
    framer_turns(&scene->h2_victim);
    framer_open(&scene->h2_server, server_enters(&scene->stage), true);
}

static void close_h2(struct scene *scene)
{
    framer_leaves(&scene->h2_victim);
    framer_leaves(&scene->h2_server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    rules_free(scene->rules);
}

static struct seen *h2_until(struct scene *scene, struct framer *framer,
                             int32_t id)
{
    struct seen *seen = framer_seen(framer, id);
    FRAMERS_UNTIL(&scene->h2_victim, &scene->h2_server, seen->ended);
    return seen;
}

static void in_http2_bodies_of_any_length_are_edited_both_ways(void **state)
{
    (void)state;
    struct scene scene;
    struct buf clear = {0}, want = {0};
    fill(&clear, 20000, "cat");
    fill(&want, 20000, "tiger");
    struct said up = {.bytes = (char *)buf_head(&clear),
                      .len = buf_len(&clear)};
    struct said down = up;
    char head[128];
    open_h2(&scene, 1000, "host ~ bank : replace body cat tiger");
    int32_t id = framer_asks(&scene.h2_victim, H2_POST, &up);
    struct seen *seen = h2_until(&scene, &scene.h2_server, id);
    assert_int_equal(buf_len(&seen->body), buf_len(&want));
    assert_memory_equal(buf_head(&seen->body), buf_head(&want), buf_len(&want));
    snprintf(head, sizeof head, H2_OK "content-length: %zu\ndigest: x\na: b\n",
             buf_len(&clear));
    framer_answers(&scene.h2_server, id, head, &down);
    seen = h2_until(&scene, &scene.h2_victim, id);
    assert_string_equal(seen->head, H2_OK "a: b\n");
    assert_int_equal(buf_len(&seen->body), buf_len(&want));
    assert_memory_equal(buf_head(&seen->body), buf_head(&want), buf_len(&want));
    assert_true(
        stage_has_event(&scene.stage, "attack.changed", "\"count\":20000"));
    buf_free(&clear);
    buf_free(&want);
    close_h2(&scene);
}

static void in_http2_a_body_without_a_length_passes_as_it_comes(void **state)
{
    (void)state;
    struct scene scene;
    struct said said = {.bytes = "a cat and a ca", .len = 14, .endless = true};
    open_h2(&scene, 1000, SWAP);
    int32_t id = framer_asks(&scene.h2_victim, H2_GET, NULL);
    (void)h2_until(&scene, &scene.h2_server, id);
    framer_answers(&scene.h2_server, id, H2_OK, &said);
    struct seen *seen = framer_seen(&scene.h2_victim, id);
    FRAMERS_UNTIL(&scene.h2_victim, &scene.h2_server,
                  buf_len(&seen->body) == 14);
    seen_is(seen, "a tiger and a ");
    said.endless = false;
    nghttp2_session_resume_data(scene.h2_server.session, id);
    (void)h2_until(&scene, &scene.h2_victim, id);
    seen_is(seen, "a tiger and a ca");
    close_h2(&scene);
}

static void a_victim_that_reads_slowly_does_not_fill_the_mill(void **state)
{
    (void)state;
    struct scene scene;
    struct buf clear = {0};
    fill(&clear, 60000, "cat");
    struct said said = {.bytes = (char *)buf_head(&clear),
                        .len = buf_len(&clear)};
    open_h2(&scene, 1000, SWAP);
    scene.h2_victim.holds = true;
    int32_t id = framer_asks(&scene.h2_victim, H2_GET, NULL);
    (void)h2_until(&scene, &scene.h2_server, id);
    framer_answers(&scene.h2_server, id, H2_OK, &said);
    struct seen *seen = framer_seen(&scene.h2_victim, id);
    FRAMERS_UNTIL(&scene.h2_victim, &scene.h2_server,
                  buf_len(&seen->body) >= 60 * 1000);
    framers_rest(&scene.h2_victim, &scene.h2_server);
    assert_true(said.at < said.len);
    assert_true(relay_held(scene.relay) < 1024 * 1024);
    buf_free(&clear);
    close_h2(&scene);
}

static void a_stream_may_end_while_its_body_is_edited(void **state)
{
    (void)state;
    struct scene scene;
    struct said said = {.bytes = "a cat and a ca", .len = 14, .endless = true};
    open_h2(&scene, 1000, SWAP);
    int32_t id = framer_asks(&scene.h2_victim, H2_GET, NULL);
    (void)h2_until(&scene, &scene.h2_server, id);
    framer_answers(&scene.h2_server, id, H2_OK, &said);
    struct seen *seen = framer_seen(&scene.h2_victim, id);
    FRAMERS_UNTIL(&scene.h2_victim, &scene.h2_server,
                  buf_len(&seen->body) == 14);
    nghttp2_submit_rst_stream(scene.h2_server.session, 0, id,
                              NGHTTP2_INTERNAL_ERROR);
    FRAMERS_UNTIL(&scene.h2_victim, &scene.h2_server, seen->closed);
    assert_true(seen->error);
    assert_true(stage_has_event(&scene.stage, "attack.changed", "\"count\":1"));
    close_h2(&scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_fits_keeps_a_length_that_is_right),
        cmocka_unit_test(
            a_longer_one_goes_in_chunks_and_the_connection_goes_on),
        cmocka_unit_test(
            chunks_pass_as_they_come_and_a_match_may_lie_over_their_edge),
        cmocka_unit_test(nothing_to_replace_leaves_no_trace_in_chunks),
        cmocka_unit_test(a_victim_of_http_1_0_hears_the_end_of_the_connection),
        cmocka_unit_test(what_ends_with_the_connection_ends_with_it),
        cmocka_unit_test(what_is_cut_short_is_not_made_whole),
        cmocka_unit_test(what_has_no_body_passes_as_it_came),
        cmocka_unit_test(a_request_of_any_length_is_edited_too),
        cmocka_unit_test(a_long_request_of_http_1_0_must_say_its_length),
        cmocka_unit_test(another_body_takes_the_place_of_one_of_any_length),
        cmocka_unit_test(a_coding_is_taken_off_and_put_on_while_it_passes),
        cmocka_unit_test(a_body_that_is_not_what_it_says_passes_as_it_came),
        cmocka_unit_test(a_coding_that_is_damaged_later_ends_the_connection),
        cmocka_unit_test(a_hundred_megabytes_are_edited_and_not_kept),
        cmocka_unit_test(in_http2_bodies_of_any_length_are_edited_both_ways),
        cmocka_unit_test(in_http2_a_body_without_a_length_passes_as_it_comes),
        cmocka_unit_test(a_victim_that_reads_slowly_does_not_fill_the_mill),
        cmocka_unit_test(a_stream_may_end_while_its_body_is_edited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
