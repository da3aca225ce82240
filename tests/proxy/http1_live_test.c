/* SPDX-License-Identifier: MIT
 *
 * What the parser refuses, the proxy refuses: the tricks of smuggling.h and
 * the test messages of llhttp, through a live relay. The server reads what
 * reached it twice, with our parser and with llhttp: both must find the same
 * messages in it, and none that was refused. */
#include "tests/proxy/http1_fixtures.h"
#include "tests/proxy/http1_second.h"
#include "tests/proxy/smuggling.h"
#include "tests/proxy/stage.h"

#include "tests/need.h"

#define ANSWER "HTTP/1.1 204 No Content\r\n\r\n"

/* One connection, and what became of it. */
struct passage {
    const char *name;
    struct script script;
    struct played played; /* what the parser says in memory */
    struct actor victim, server;
    struct play read; /* what the server makes of what it has */
    size_t read_len;
    unsigned answered;
};

static unsigned refused, passed, seconds, seconds_refused;

static void passage_open(struct passage *passage, struct stage *stage)
{
    passage->played = play_split(&passage->script, passage->script.len, 1);
    passage->victim = victim_enters(stage);
    passage->server = (struct actor){.stage = stage, .fd = -1};
    play_init(&passage->read, passage->script.kind, passage->script.method,
              passage->script.lenient);
}

static void passage_close(struct passage *passage)
{
    struct stage *stage = passage->victim.stage;
    actor_leaves(&passage->victim);
    actor_leaves(&passage->server);
    play_free(&passage->read);
    free(passage->played.said);
    stage_empties(stage);
    for (int fd; (fd = stage_door(stage)) >= 0;)
        close(fd);
}

static void tell(const struct passage *passage, const char *what)
{
    const struct buf *sides[] = {&passage->victim.got, &passage->server.got};
    print_message("%s: %s; the parser says \"%s\" after %u messages\n",
                  passage->name, what, passage->played.fault,
                  passage->played.messages);
    for (int i = 0; i < 2; i++)
        print_message("--- %s has\n%.*s\n", i ? "server" : "victim",
                      (int)buf_len(sides[i]),
                      buf_len(sides[i]) ? (char *)buf_head(sides[i]) : "");
    fail();
}

static void send_all(const struct passage *passage, struct actor *actor)
{
    if (!passage->script.len)
        return;
    assert_int_equal(send(actor->fd, passage->script.bytes, passage->script.len,
                          MSG_NOSIGNAL),
                     passage->script.len);
    if (passage->played.waiting)
        shutdown(actor->fd, SHUT_WR);
}

/* ---- requests ------------------------------------------------------------ */

/* Answers each request once, when it is complete. */
static void serve(struct passage *passage)
{
    struct actor *server = &passage->server;
    if (server->fd < 0)
        server->fd = stage_door(server->stage);
    if (server->fd < 0)
        return;
    actor_listens(server);
    size_t len = buf_len(&server->got);
    if (len > passage->read_len)
        play_feed(&passage->read,
                  (char *)buf_head(&server->got) + passage->read_len,
                  len - passage->read_len);
    passage->read_len = len;
    for (; passage->answered < passage->read.messages; passage->answered++)
        (void)!send(server->fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL);
}

static void play_requests(struct passage *passage)
{
    struct actor *victim = &passage->victim;
    size_t enough = passage->played.messages * strlen(ANSWER);
    bool ends = *passage->played.fault || passage->played.waiting;
    send_all(passage, victim);
    for (int i = 0; i < PATIENCE_TURNS && !victim->eof && !victim->reset; i++) {
        serve(passage);
        actor_listens(victim);
        if (!ends && buf_len(&victim->got) >= enough)
            break;
        stage_turn(victim->stage);
    }
    if (ends && !victim->eof && !victim->reset)
        tell(passage, "the victim was left waiting");
    stage_turn(victim->stage);
    serve(passage);
}

#ifdef HAVE_LLHTTP

/* That a second reader refuses more is no second reading: Debian's llhttp is
 * older than the messages it is tried with here, has a list of methods, and
 * no tab behind a value. */
static void read_again(struct passage *passage)
{
    struct second second;
    size_t len = buf_len(&passage->server.got);
    if (!len)
        return;
    llhttp_errno_t error =
        ask_llhttp(passage->script.kind, (char *)buf_head(&passage->server.got),
                   len, &second);
    bool refuses = error != HPE_OK && error != HPE_PAUSED_UPGRADE;
    if (refuses ? second.messages > passage->read.messages
                : second.messages != passage->read.messages)
        tell(passage, "llhttp counts other messages");
    seconds_refused += refuses && !*passage->played.fault;
    size_t bodies = buf_len(&passage->read.bodies);
    if (error == HPE_OK && !*passage->played.fault && !passage->read.in_body &&
        buf_len(&second.bodies) != bodies)
        tell(passage, "llhttp cuts the bodies elsewhere");
    buf_free(&second.bodies);
    seconds++;
}

#else

static void read_again(struct passage *passage)
{
    (void)passage;
}

#endif

/* The server has nothing but a beginning of what the victim said. */
static void check_server(struct passage *passage)
{
    size_t len = buf_len(&passage->server.got);
    if (len > passage->script.len ||
        (len &&
         memcmp(buf_head(&passage->server.got), passage->script.bytes, len)))
        tell(passage, "the server has other bytes");
    if (passage->read.refused)
        tell(passage, "the server has what is refused");
    if (passage->read.messages > passage->played.messages)
        tell(passage, "the server has too many messages");
    read_again(passage);
}

static const char *last_answer(struct passage *passage)
{
    struct buf *got = &passage->victim.got;
    size_t skip = strlen(ANSWER) * passage->answered;
    if (buf_append(got, "", 1) || buf_len(got) <= skip)
        return "";
    return (char *)buf_head(got) + skip;
}

static void check_refusal(struct passage *passage)
{
    char line[32];
    const struct played *played = &passage->played;
    snprintf(line, sizeof line, "HTTP/1.1 %d ", played->status);
    const char *heard = last_answer(passage);
    if (strncmp(heard, line, strlen(line)) || !strstr(heard, played->rule) ||
        !strstr(heard, "\r\nConnection: close\r\n"))
        tell(passage, "the victim does not hear which rule it broke");
    if (passage->read.messages != played->messages)
        tell(passage, "what came before was lost");
    /* A fault in a head: not a byte of this message was passed on. */
    if (played->offset >= played->taken && !passage->read.in_body &&
        passage->read_len > played->taken)
        tell(passage, "the server has a part of a head");
    refused++;
}

static void check_passed(struct passage *passage)
{
    const struct played *played = &passage->played;
    bool connect = !strncmp(passage->script.bytes, "CONNECT ", 8);
    if (connect && passage->read_len)
        tell(passage, "CONNECT passed to the server");
    if (!connect && passage->read.messages != played->messages)
        tell(passage, "not all of it reached the server");
    passed++;
}

static void try_request(struct stage *stage, struct script script,
                        const char *name)
{
    struct passage passage = {.name = name, .script = script};
    passage_open(&passage, stage);
    play_requests(&passage);
    check_server(&passage);
    if (*passage.played.fault)
        check_refusal(&passage);
    else
        check_passed(&passage);
    passage_close(&passage);
}

/* ---- responses ----------------------------------------------------------- */

static const char *question(const struct script *script)
{
    return script->method ? "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
                          : "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
}

/* Behind the interim responses. */
static const char *final_answer(struct passage *passage, size_t *out_len)
{
    struct buf *got = &passage->victim.got;
    size_t len = buf_len(got), at = 0;
    const char *bytes = len ? (char *)buf_head(got) : "";
    while (len - at > 12 && !memcmp(bytes + at, "HTTP/1.1 1", 10)) {
        const char *end = memmem(bytes + at, len - at, "\r\n\r\n", 4);
        if (!end)
            break;
        at = (size_t)(end + 4 - bytes);
    }
    *out_len = len - at;
    return bytes + at;
}

static void check_response(struct passage *passage)
{
    size_t len;
    const struct played *played = &passage->played;
    const char *final = final_answer(passage, &len);
    bool ours = len > 13 && !memcmp(final, "HTTP/1.1 502 ", 13);
    bool first = ours || played->messages;
    if (ours && !memmem(final, len, "\r\nConnection: close\r\n", 21))
        tell(passage, "an answer of ours that does not end");
    if (*played->fault && !first && !passage->victim.reset)
        tell(passage, "the victim takes a malformed response for a whole one");
    if (ours && *played->fault &&
        !memmem(final, len, played->rule, strlen(played->rule)))
        tell(passage, "the victim does not hear which rule was broken");
    if (!ours &&
        (len > passage->script.len ||
         !memmem(passage->script.bytes, passage->script.len, final, len)))
        tell(passage, "the victim has other bytes");
    refused += *played->fault != 0;
    passed += !*played->fault;
}

/* The victim has it all and may ask again: the proxy keeps its connection when
 * a server leaves between two requests. */
static bool is_whole(const struct passage *passage)
{
    return passage->played.messages && !*passage->played.fault &&
           buf_len(&passage->victim.got) == passage->script.len;
}

static void try_response(struct stage *stage, struct script script,
                         const char *name)
{
    struct passage passage = {.name = name, .script = script};
    const char *asked = question(&script);
    passage_open(&passage, stage);
    struct actor *victim = &passage.victim;
    actor_says(victim, asked);
    passage.server = server_enters(stage);
    actor_hears(&passage.server, asked);
    send_all(&passage, &passage.server);
    for (int i = 0; i < 8; i++)
        stage_turn(stage);
    shutdown(passage.server.fd, SHUT_WR); /* if it is still open */
    for (int i = 0; i < PATIENCE_TURNS && !victim->eof && !victim->reset; i++) {
        if (i == 8 && is_whole(&passage))
            break;
        actor_listens(victim);
        actor_listens(&passage.server);
        if (passage.server.eof || passage.server.reset)
            actor_leaves(&passage.server);
        stage_turn(stage);
    }
    if (!victim->eof && !victim->reset && !is_whole(&passage))
        tell(&passage, "the victim was left waiting");
    check_response(&passage);
    passage_close(&passage);
}

/* ---- the two tables ------------------------------------------------------ */

static void try_script(struct stage *stage, struct script script,
                       const char *name)
{
    if (script.kind == HTTP1_REQUEST)
        try_request(stage, script, name);
    else
        try_response(stage, script, name);
}

static unsigned count_events(struct stage *stage, const char *kind)
{
    unsigned count = 0;
    char mark[64], *text = stage_events(stage);
    snprintf(mark, sizeof mark, "\"kind\":\"%s\"", kind);
    for (const char *at = text; (at = strstr(at, mark)); at++)
        count++;
    free(text);
    return count;
}

static void stage_open_lenient(struct stage *stage, unsigned lenient)
{
    stage_prepare(stage, "http");
    stage->options.lenient = lenient;
    stage->options.drain_ms = 100;
    /* To the default the preface is no trick, but a victim's own protocol. */
    stage->options.h2 = PROXY_H2_OFF;
    stage_raise(stage);
    refused = passed = seconds = seconds_refused = 0;
}

static void live_lets_no_smuggling_trick_pass(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_lenient(&stage, 0);
    for (size_t i = 0; i < SMUGGLING_ROWS; i++) {
        const struct smuggling *row = &smuggling[i];
        struct script script = {row->kind, NULL, 0, row->bytes, row->len};
        try_script(&stage, script, row->trick);
    }
    print_message("%u refused, %u passed, %u read twice\n", refused, passed,
                  seconds);
    assert_true(count_events(&stage, "http.refused") >= refused);
    assert_true(refused > 100 && passed > 8);
    assert_int_equal(seconds_refused, 0);
    stage_close(&stage);
}

static void live_refuses_the_strict_fixtures_of_llhttp(void **state)
{
    (void)state;
    json_t *fixtures = fixtures_load(), *json;
    size_t index;
    struct stage stage;
    stage_open_lenient(&stage, HTTP1_LENIENT_NO_HOST);
    json_array_foreach(fixtures, index, json)
    {
        if (!fixture_is_strict(json))
            continue;
        struct fixture fixture = fixture_read(json);
        fixture_complete(&fixture);
        try_script(&stage, fixture_script(&fixture, HTTP1_LENIENT_NO_HOST),
                   fixture.title);
        buf_free(&fixture.input);
    }
    json_decref(fixtures);
    print_message("%u refused, %u passed, %u read twice, %u refused there\n",
                  refused, passed, seconds, seconds_refused);
    assert_true(refused + passed > 100 && seconds_refused < 10);
    stage_close(&stage);
}

static void a_second_reader_was_there(void **state)
{
    (void)state;
#ifndef HAVE_LLHTTP
    need(false, "sources of llhttp (Debian: node-llhttp) at configure time");
#endif
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_lets_no_smuggling_trick_pass),
        cmocka_unit_test(live_refuses_the_strict_fixtures_of_llhttp),
        cmocka_unit_test(a_second_reader_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
