/* SPDX-License-Identifier: MIT
 *
 * Memory runs out under HTTP/1.1, with and without a script that edits
 * bodies, plain and in every content coding; and while a proxy starts. How
 * that is tried: fault_loop.h. */
#include "tests/proxy/fault_loop.h"

#include "proxy/codec.h"
#include "proxy/script.h"

#define POST                                                                   \
    "POST /x HTTP/1.1\r\nHost: bank.lab.test\r\n"                              \
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

/* ---- HTTP ---------------------------------------------------------------- */

static bool hold_http(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, GET);
    struct actor server = meet(stage, &victim);
    bool all = hear(&server, GET) && passes(&server, &victim, OK_HI, OK_HI) &&
               passes(&victim, &server, POST, POST) &&
               passes(&server, &victim, OK_HI, OK_HI);
    actor_leaves(&victim);
    for (int i = 0; i < patience() && server.fd >= 0 && !gone(&server); i++) {
        actor_listens(&server);
        stage_turn(stage);
    }
    actor_leaves(&server);
    return all;
}

static void http_survives(void **state)
{
    (void)state;
    try_faults(
        &(struct scene){.name = "http", .scheme = "http", .hold = hold_http});
    try_faults(&(struct scene){.name = "http-alone",
                               .scheme = "http",
                               .alone = true,
                               .hold = hold_http});
}

/* Once a connection has had what it needs, its next requests need no more
 * unless somebody reads the events: what is remembered of each goes round. */
static void further_requests_allocate_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    event_close();
    struct actor victim = victim_enters(&stage), server = {.fd = -1};
    for (int i = 0; i < 20; i++) {
        actor_says(&victim, GET);
        if (!i)
            server = server_enters(&stage);
        actor_hears(&server, GET);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        if (i == 2)
            hunger_arm(UINT_MAX, false);
    }
    assert_int_equal(memory.count, 0);
    hunger_disarm();
    both_leave(&victim, &server);
    stage_empties(&stage);
    stage_close(&stage);
}

/* Two who come in the same turn: neither may shut the door for all others. */
static bool hold_two(struct stage *stage)
{
    struct actor one = victim_enters(stage), two = victim_enters(stage);
    bool all = true;
    say(&one, GET);
    say(&two, GET);
    for (int i = 0; i < 2; i++) {
        struct actor server = meet(stage, i ? &two : &one);
        all = hear(&server, GET) && all;
        say(&server, OK_HI);
        actor_leaves(&server); /* says the end behind it */
    }
    all = all && hear(&one, OK_HI) && hear(&two, OK_HI);
    both_leave(&one, &two);
    return all;
}

static void two_at_once_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){
        .name = "two", .scheme = "http", .alone = true, .hold = hold_two});
}

/* ---- with a script ------------------------------------------------------- */

static struct script *script;
static struct hook *hooks[1];

static void load_script(struct stage *stage, const char *text)
{
    struct err err = ERR_INIT;
    char path[] = "/tmp/fault-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    if (script_load(path, 0, &script, &err))
        fail_msg("%s", err.text);
    unlink(path);
    hooks[0] = script_hook(script);
    stage->options.hooks = hooks;
    stage->options.hooks_count = 1;
}

static void drop_script(void)
{
    script_free(script);
    script = NULL;
}

/* A field is added up, and another body comes down. */
static void edit_both_ways(struct stage *stage)
{
    load_script(stage, "function on_request(flow)\n"
                       "  flow.headers['X-A'] = 'b'\n"
                       "end\n"
                       "function on_response(flow)\n"
                       "  flow.body = flow.body:gsub('i', 'o')\n"
                       "end\n");
}

static bool hold_edited(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, GET);
    struct actor server = meet(stage, &victim);
    bool all = hear(&server, GET "X-A: b\r\n") &&
               passes(&server, &victim, OK_HI, OK_HI);
    both_leave(&victim, &server);
    return all;
}

static void a_script_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "lua",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = edit_both_ways,
                               .clean = drop_script,
                               .hold = hold_edited});
}

/* ---- bodies that are decoded, edited and encoded again ------------------- */

static enum codec codec;

static void edit_bodies(struct stage *stage)
{
    load_script(stage, "function on_request(flow)\n"
                       "  flow.body = flow.body:gsub('hello', 'good bye')\n"
                       "end\n"
                       "function on_response(flow)\n"
                       "  flow.body = flow.body:gsub('hello', 'good bye')\n"
                       "end\n");
}

/* The head and the body of a message in this coding. */
static void encoded(const char *first, const char *body, struct buf *out)
{
    char head[256];
    const char *why;
    struct buf packed = {0};
    assert_int_equal(codec_encode(codec, body, strlen(body), &packed, &why), 0);
    snprintf(head, sizeof head,
             "%s\r\nHost: bank.lab.test\r\nContent-Encoding: %s\r\n"
             "Content-Length: %zu\r\n\r\n",
             first, codec_name(codec), buf_len(&packed));
    assert_int_equal(buf_append_text(out, head), 0);
    assert_int_equal(buf_append(out, buf_head(&packed), buf_len(&packed)), 0);
    buf_free(&packed);
}

/* The message and its body are there, with other words in it. */
static bool hears_edited(struct actor *actor)
{
    const char *why, *end = NULL;
    struct buf clear = {0};
    bool edited = false;
    size_t before = 0;
    for (int i = 0; i < patience() && !edited && !gone(actor); i++) {
        if (!actor_listens(actor))
            stage_turn(actor->stage);
        if (buf_len(&actor->got) == before)
            continue;
        before = buf_len(&actor->got);
        end = memmem(buf_head(&actor->got), before, "\r\n\r\n", 4);
        size_t head =
            end ? (size_t)(end + 4 - (const char *)buf_head(&actor->got)) : 0;
        edited =
            end && before > head &&
            !codec_decode(codec, end + 4, before - head, 4096, &clear, &why);
    }
    if (edited && !memory.failed)
        assert_memory_equal(buf_head(&clear), "good bye", 8);
    buf_free(&clear);
    buf_clear(&actor->got);
    return edited;
}

static bool hold_encoded(struct stage *stage)
{
    struct buf up = {0}, down = {0};
    encoded("POST /x HTTP/1.1", "hello, hello, hello, hello", &up);
    encoded("HTTP/1.1 200 OK", "hello again, hello, hello", &down);
    struct actor victim = victim_enters(stage);
    say_bytes(&victim, buf_head(&up), buf_len(&up));
    struct actor server = meet(stage, &victim);
    bool all = server.fd >= 0 && hears_edited(&server);
    if (all)
        say_bytes(&server, buf_head(&down), buf_len(&down));
    all = all && hears_edited(&victim);
    both_leave(&victim, &server);
    buf_free(&up);
    buf_free(&down);
    return all;
}

static void content_codings_survive(void **state)
{
    (void)state;
    static const enum codec codecs[] = {CODEC_GZIP, CODEC_DEFLATE, CODEC_BR,
                                        CODEC_ZSTD};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        codec = codecs[i];
        try_faults(&(struct scene){.name = codec_name(codec),
                                   .scheme = "http",
                                   .friend_scheme = "tcp",
                                   .stride = 3,
                                   .prepare = edit_bodies,
                                   .clean = drop_script,
                                   .hold = hold_encoded});
    }
}

/* ---- the start ----------------------------------------------------------- */

/* A proxy that cannot start says so, and leaves nothing. */
static void a_start_fails_with_a_sentence(void **state)
{
    (void)state;
    unsigned at = 0;
    bool there = true;
    for (; there; at++) {
        struct stage stage;
        struct err err = ERR_INIT;
        tls_stage_prepare(&stage, "https");
        assert_int_equal(uv_loop_init(&stage.loop), 0);
        hunger_arm(at, false);
        memory.inside = true;
        int rc = proxy_open(&stage.loop, &stage.options, &stage.proxy, &err);
        memory.inside = false;
        there = memory.failed;
        hunger_disarm();
        if (rc)
            assert_true(strlen(err.text) > 0);
        else
            proxy_stop(stage.proxy);
        uv_run(&stage.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&stage.loop), 0);
        close(stage.listener);
        event_close();
        close(stage.events);
    }
    print_message("start: %u allocations\n", at);
    assert_true(at > 4);
}

int main(void)
{
    if (hunger_begins())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_survives),
        cmocka_unit_test(further_requests_allocate_nothing),
        cmocka_unit_test(two_at_once_survive),
        cmocka_unit_test(a_script_survives),
        cmocka_unit_test(content_codings_survive),
        cmocka_unit_test(a_start_fails_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
