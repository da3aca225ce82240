/* SPDX-License-Identifier: MIT
 *
 * Memory runs out: the Nth allocation that the proxy makes in a conversation
 * fails, once or from then on, for N up to the end of it, in our own code, in
 * OpenSSL, libuv, nghttp2 and Lua. Nothing crashes and nothing leaks; a
 * connection that had been there before is served as before, and so is a new
 * one afterwards.
 *
 * ctest tries some N of the long conversations; MITMLAB_FAULT_STRIDE=1 all,
 * MITMLAB_FAULT_AT=N those from N on; MITMLAB_FAULT_LEAKS=1 says after which N
 * something leaked.
 * The linker puts the functions below in front of the allocator (--wrap). */
#include <uv.h>

/* Memory is short while the loop turns, not while the test itself works. */
static int hungry_uv_run(uv_loop_t *loop, uv_run_mode mode);
#define uv_run hungry_uv_run
#include "proxy/script.h"
#include "tests/proxy/h2_stage.h"
#include "tests/proxy/tls_stage.h"
#undef uv_run

#include <openssl/crypto.h>

/* ---- memory -------------------------------------------------------------- */

static struct {
    bool armed;    /* the fault is to come */
    bool inside;   /* the proxy is at work */
    bool for_ever; /* not once only */
    unsigned at, count, failed;
} memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
    if (!memory.armed || !memory.inside)
        return false;
    unsigned now = memory.count++;
    bool bad = memory.for_ever ? now >= memory.at : now == memory.at;
    memory.failed += bad;
    return bad;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static int hungry_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    memory.inside = true;
    int rc = uv_run(loop, mode);
    memory.inside = false;
    return rc;
}

static void *ssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(old, size);
}

static void ssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static void *h2_malloc(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void *h2_calloc(size_t count, size_t size, void *context)
{
    (void)context;
    return calloc(count, size);
}

static void *h2_realloc(void *old, size_t size, void *context)
{
    (void)context;
    return realloc(old, size);
}

static void h2_free(void *old, void *context)
{
    (void)context;
    free(old);
}

static nghttp2_mem h2_memory = {NULL, h2_malloc, h2_free, h2_calloc,
                                h2_realloc};

static void arm(unsigned at, bool for_ever)
{
    memory.armed = true;
    memory.for_ever = for_ever;
    memory.at = at;
    memory.count = memory.failed = 0;
}

static void disarm(void)
{
    memory.armed = false;
}

/* ---- conversations ------------------------------------------------------- */

#define GET "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define POST                                                                   \
    "POST /x HTTP/1.1\r\nHost: bank.lab.test\r\n"                              \
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

enum { TURNS = 60 }; /* nobody waits longer for who got no memory */

/* What both sides say; either may find the other gone at any time. True when
 * all of it was said and heard. */
struct conversation {
    const char *name;
    const char *scheme;
    const char *script; /* Lua; NULL: none */
    unsigned stride;    /* of N in the suite */
    bool (*hold)(struct stage *stage);
    enum proxy_h2 h2; /* on which legs */
};

static void say(struct actor *actor, const char *text)
{
    if (actor->fd >= 0)
        (void)!send(actor->fd, text, strlen(text), MSG_NOSIGNAL);
}

static bool gone(const struct actor *actor)
{
    return actor->eof || actor->reset;
}

/* True when `len` bytes are there in the end. */
static bool hear(struct actor *actor, size_t len)
{
    for (int i = 0; i < TURNS && !gone(actor); i++) {
        if (buf_len(&actor->got) >= len)
            break;
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    }
    bool heard = buf_len(&actor->got) >= len;
    if (heard)
        buf_consume(&actor->got, len);
    return heard;
}

static struct actor meet(struct stage *stage, struct actor *victim)
{
    struct actor server = {.stage = stage, .fd = -1};
    for (int i = 0; i < TURNS && server.fd < 0 && !gone(victim); i++) {
        server.fd = stage_door(stage);
        if (server.fd >= 0)
            break;
        actor_listens(victim);
        stage_turn(stage);
    }
    return server;
}

static bool hold_http(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, GET);
    struct actor server = meet(stage, &victim);
    bool all = server.fd >= 0 && hear(&server, strlen(GET));
    if (all)
        say(&server, OK_HI);
    all = all && hear(&victim, strlen(OK_HI));
    if (all)
        say(&victim, POST);
    all = all && hear(&server, strlen(POST));
    if (all)
        say(&server, OK_HI);
    all = all && hear(&victim, strlen(OK_HI));
    actor_leaves(&victim);
    for (int i = 0; i < TURNS && server.fd >= 0 && !gone(&server); i++) {
        actor_listens(&server);
        stage_turn(stage);
    }
    actor_leaves(&server);
    return all;
}

/* The hook adds a field up, and writes another body down. */
static bool hold_scripted(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, GET);
    struct actor server = meet(stage, &victim);
    bool all = server.fd >= 0 && hear(&server, strlen(GET) + 8);
    if (all)
        say(&server, OK_HI);
    all = all && hear(&victim, strlen(OK_HI));
    actor_leaves(&victim);
    actor_leaves(&server);
    return all;
}

static void talk(struct talker *talker, const char *text, bool *said)
{
    char bytes[512];
    if (!talker->ssl)
        return;
    talker_shakes(talker);
    if (!talker->done || talker->failed)
        return;
    ERR_clear_error();
    if (text && !*said)
        *said = SSL_write(talker->ssl, text, (int)strlen(text)) > 0;
    int got = SSL_read(talker->ssl, bytes, sizeof bytes);
    if (got > 0)
        assert_int_equal(buf_append(&talker->actor.got, bytes, (size_t)got), 0);
    else if (SSL_get_error(talker->ssl, got) != SSL_ERROR_WANT_READ)
        talker->failed = true;
}

static bool hold_tls(struct stage *stage)
{
    struct talker victim =
        victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
    struct talker server = {.actor = {.stage = stage, .fd = -1}};
    bool asked = false, answered = false, all = false;
    for (int i = 0; i < 3 * TURNS && !all && !victim.failed; i++) {
        talk(&victim, GET, &asked);
        if (!server.ssl) {
            int fd = stage_door(stage);
            if (fd >= 0)
                server =
                    server_greets((struct actor){.stage = stage, .fd = fd});
        }
        bool whole = buf_len(&server.actor.got) >= strlen(GET);
        talk(&server, whole ? OK_HI : NULL, &answered);
        all = buf_len(&victim.actor.got) >= strlen(OK_HI);
        stage_turn(stage);
    }
    talker_leaves(&victim);
    talker_leaves(&server);
    return all;
}

static bool hold_h2(struct stage *stage)
{
    struct framer *victim = calloc(1, sizeof *victim);
    struct framer *server = calloc(1, sizeof *server);
    struct said hello = {.bytes = "hello", .len = 5};
    struct said hi = {.bytes = "hi", .len = 2};
    bool answered = false, all = false;
    framer_open(victim, victim_enters(stage), false);
    server->actor = (struct actor){.stage = stage, .fd = -1};
    int32_t id = framer_asks(victim, H2_POST, &hello);
    for (int i = 0; i < TURNS && !all && !gone(&victim->actor); i++) {
        framer_turns(victim);
        if (server->actor.fd < 0) {
            int fd = stage_door(stage);
            if (fd >= 0)
                framer_open(server, (struct actor){.stage = stage, .fd = fd},
                            true);
        }
        framer_turns(server);
        if (!answered && server->count && server->seen[0].ended) {
            answered = true;
            framer_answers(server, server->seen[0].id, H2_OK, &hi);
        }
        struct seen *seen = framer_seen(victim, id);
        all = seen->ended && buf_len(&seen->body) == 2;
        if (seen->closed && !all)
            break;
        stage_turn(stage);
    }
    framer_leaves(victim);
    framer_leaves(server);
    free(victim);
    free(server);
    return all;
}

/* Several streams, each with a connection to a server of HTTP/1.1, which
 * answers none before all are there. */
static bool hold_lanes(struct stage *stage)
{
    enum { MANY = 3 };
    struct framer *victim = calloc(1, sizeof *victim);
    struct actor servers[MANY];
    int32_t ids[MANY];
    unsigned done = 0, met = 0;
    framer_open(victim, victim_enters(stage), false);
    for (int i = 0; i < MANY; i++)
        ids[i] = framer_asks(victim, H2_GET, NULL);
    for (int i = 0; i < TURNS && done < MANY && !gone(&victim->actor); i++) {
        int fd = met < MANY ? stage_door(stage) : -1;
        if (fd >= 0)
            servers[met++] = (struct actor){.stage = stage, .fd = fd};
        unsigned asked = 0;
        for (unsigned j = 0; j < met; j++) {
            actor_listens(&servers[j]);
            asked += buf_len(&servers[j].got) >= strlen(GET);
        }
        for (unsigned j = 0; j < met && asked == MANY; j++) {
            buf_consume(&servers[j].got, strlen(GET));
            say(&servers[j], OK_HI);
        }
        framer_turns(victim);
        done = 0;
        for (int j = 0; j < MANY; j++)
            done += framer_seen(victim, ids[j])->ended &&
                    buf_len(&framer_seen(victim, ids[j])->body) == 2;
        stage_turn(stage);
    }
    for (unsigned j = 0; j < met; j++)
        actor_leaves(&servers[j]);
    framer_leaves(victim);
    free(victim);
    return done == MANY;
}

/* ---- the loop over N ----------------------------------------------------- */

static struct script *script;
static struct hook *hooks[1];

static void load_script(const char *text)
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
}

/* Somebody else's connection, that nothing of all this concerns. */
struct other {
    struct actor victim, server;
};

static void other_is_served(struct other *other)
{
    actor_says(&other->victim, GET);
    if (other->server.fd < 0)
        other->server = server_enters(other->victim.stage);
    actor_waits_for(&other->server, strlen(GET));
    assert_true(buf_len(&other->server.got) >= strlen(GET));
    buf_clear(&other->server.got);
    actor_says(&other->server, OK_HI);
    actor_waits_for(&other->victim, strlen(OK_HI));
    assert_true(buf_len(&other->victim.got) >= strlen(OK_HI));
    buf_clear(&other->victim.got);
}

static void other_leaves(struct other *other)
{
    actor_leaves(&other->victim);
    actor_leaves(&other->server);
}

/* Those who came too late, or were let in by a relay that then died. */
static void empty_the_door(struct stage *stage)
{
    for (int fd; (fd = stage_door(stage)) >= 0;)
        close(fd);
}

static void stage_prepare_hungry(struct stage *stage,
                                 const struct conversation *conversation)
{
    bool tls = !strcmp(conversation->scheme, "https");
    if (tls)
        tls_stage_prepare(stage, "https");
    else
        stage_prepare(stage, conversation->scheme);
    stage->options.h2_memory = &h2_memory;
    stage->options.h2 = conversation->h2;
    stage->options.drain_ms = 50;
    stage->options.hooks = hooks;
    stage->options.hooks_count = conversation->script ? 1 : 0;
    if (conversation->script)
        load_script(conversation->script);
}

/* Returns true while there was an Nth allocation. */
static bool try_fault(const struct conversation *conversation, unsigned at,
                      bool for_ever)
{
    struct stage stage;
    bool tls = !strcmp(conversation->scheme, "https");
    stage_prepare_hungry(&stage, conversation);
    stage_raise(&stage);
    struct other other = {.server = {.stage = &stage, .fd = -1}};
    other.victim = (struct actor){.stage = &stage, .fd = -1};
    if (!tls) {
        other.victim = victim_enters(&stage);
        other_is_served(&other);
    }
    arm(at, for_ever);
    bool all = conversation->hold(&stage);
    bool there = memory.failed;
    disarm();
    empty_the_door(&stage);
    if (!there && !all)
        fail_msg("%s: broken without a fault", conversation->name);
    if (!tls)
        other_is_served(&other);
    stage_rest(&stage);
    empty_the_door(&stage);
    if (!conversation->hold(&stage))
        fail_msg("%s: nobody is served after fault %u%s", conversation->name,
                 at, for_ever ? " and on" : "");
    other_leaves(&other);
    stage_empties(&stage);
    stage_close(&stage);
    script_free(script);
    script = NULL;
    return there;
}

static unsigned stride_of(const struct conversation *conversation)
{
    const char *text = getenv("MITMLAB_FAULT_STRIDE");
    return text ? (unsigned)atoi(text) : conversation->stride;
}

/* With AddressSanitizer; else NULL. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* At which N something leaked, and not only that something did: slow. */
static void look_for_leaks(const struct conversation *conversation, unsigned at)
{
    if (getenv("MITMLAB_FAULT_LEAKS") && __lsan_do_recoverable_leak_check &&
        __lsan_do_recoverable_leak_check())
        fail_msg("%s: a leak after fault %u", conversation->name, at);
}

static void try_faults(const struct conversation *conversation)
{
    unsigned stride = stride_of(conversation), tried = 0, at = 0;
    const char *first = getenv("MITMLAB_FAULT_AT");
    if (first)
        at = (unsigned)atoi(first);
    while (try_fault(conversation, at, false)) {
        look_for_leaks(conversation, at);
        (void)try_fault(conversation, at, true);
        look_for_leaks(conversation, at);
        at += stride;
        tried++;
    }
    print_message("%s: about %u allocations, %u tried twice\n",
                  conversation->name, at, tried);
    assert_true(tried > 4 || first);
}

static void http_survives(void **state)
{
    (void)state;
    static const struct conversation http = {"http", "http",    NULL,
                                             1,      hold_http, 0};
    try_faults(&http);
}

static void a_script_survives(void **state)
{
    (void)state;
    static const struct conversation lua = {
        "lua",
        "http",
        "function on_request(flow) flow.headers['X-A'] = 'b' end\n"
        "function on_response(flow)\n"
        "  flow.body = flow.body:gsub('i', 'o')\n"
        "end\n",
        3,
        hold_scripted,
        0};
    try_faults(&lua);
}

static void h2_survives(void **state)
{
    (void)state;
    static const struct conversation h2 = {"h2", "http", NULL, 1, hold_h2, 0};
    try_faults(&h2);
}

static void lanes_survive(void **state)
{
    (void)state;
    static const struct conversation lanes = {
        "lanes", "http", NULL, 3, hold_lanes, PROXY_H2_VICTIM};
    try_faults(&lanes);
}

static void tls_survives(void **state)
{
    (void)state;
    static const struct conversation tls = {"tls", "https",  NULL,
                                            53,    hold_tls, 0};
    try_faults(&tls);
}

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
        arm(at, false);
        memory.inside = true;
        int rc = proxy_open(&stage.loop, &stage.options, &stage.proxy, &err);
        memory.inside = false;
        there = memory.failed;
        disarm();
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
    if (!CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) ||
        uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc,
                             free))
        return 1;
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_survives),
        cmocka_unit_test(a_script_survives),
        cmocka_unit_test(h2_survives),
        cmocka_unit_test(lanes_survive),
        cmocka_unit_test(tls_survives),
        cmocka_unit_test(a_start_fails_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
