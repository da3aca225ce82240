/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 in clear, where only the victim's word says which server it is for:
 * its first request does. */
#include "tests/proxy/h2_stage.h"

#include <signal.h>

struct named {
    struct stage stage;
    struct framer victim, server;
    char get[256]; /* from the stage's server */
};

static struct named *named_new(unsigned head_ms)
{
    struct named *named = calloc(1, sizeof *named);
    stage_prepare(&named->stage, "http");
    stage_takes(&named->stage, WAY_SNI);
    named->stage.options.head_ms = head_ms;
    stage_raise(&named->stage);
    snprintf(named->get, sizeof named->get,
             ":method: GET\n:scheme: http\n:authority: 127.0.0.1:%d\n"
             ":path: /\n",
             named->stage.upstream.port);
    framer_open(&named->victim, victim_enters(&named->stage), false);
    return named;
}

static void named_free(struct named *named)
{
    framer_leaves(&named->victim);
    if (named->server.session)
        framer_leaves(&named->server);
    stage_empties(&named->stage);
    stage_close(&named->stage);
    free(named);
}

static struct seen *named_closed(struct named *named, int32_t id)
{
    struct seen *seen = framer_seen(&named->victim, id);
    struct framer *server = named->server.session ? &named->server : NULL;
    FRAMERS_UNTIL(&named->victim, server, seen->closed);
    return seen;
}

/* The server answers its stream `id`. */
static void named_answers(struct named *named, int32_t id)
{
    struct seen *asked = framer_seen(&named->server, id);
    FRAMERS_UNTIL(&named->victim, &named->server, asked->ended);
    framer_answers(&named->server, id, ":status: 204\n", NULL);
}

static void the_first_request_names_the_server(void **state)
{
    (void)state;
    struct named *named = named_new(0);
    /* The preface alone says nothing. */
    framers_rest(&named->victim, NULL);
    assert_true(stage_door(&named->stage) < 0);
    for (int i = 0; i < 2; i++) {
        int32_t id = framer_asks(&named->victim, named->get, NULL);
        if (!i)
            framer_open(&named->server, server_enters(&named->stage), true);
        named_answers(named, 2 * i + 1);
        assert_string_equal(named_closed(named, id)->head, ":status: 204\n");
    }
    named_free(named);
}

static void another_name_needs_another_connection(void **state)
{
    (void)state;
    struct named *named = named_new(0);
    int32_t id = framer_asks(&named->victim, named->get, NULL);
    framer_open(&named->server, server_enters(&named->stage), true);
    named_answers(named, 1);
    named_closed(named, id);
    int32_t other = framer_asks(&named->victim,
                                ":method: GET\n:scheme: http\n"
                                ":authority: 127.0.0.2:9\n:path: /\n",
                                NULL);
    assert_non_null(strstr(named_closed(named, other)->head, ":status: 421\n"));
    id = framer_asks(&named->victim, named->get, NULL);
    named_answers(named, 3);
    assert_string_equal(named_closed(named, id)->head, ":status: 204\n");
    named_free(named);
}

static const struct {
    const char *what, *authority, *says;
} out_of_reach[] = {
    {"outside of the walls", "198.51.100.1", "198.51.100.1"},
    {"a name nobody knows", "nobody.lab.test", "nobody.lab.test"},
    {"no name", "a b", "server"},
};

static void names_that_lead_nowhere_are_told_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof out_of_reach / sizeof *out_of_reach; i++) {
        struct named *named = named_new(0);
        char head[256];
        snprintf(head, sizeof head,
                 ":method: GET\n:scheme: http\n:authority: %s\n:path: /\n",
                 out_of_reach[i].authority);
        int32_t id = framer_asks(&named->victim, head, NULL);
        struct seen *seen = named_closed(named, id);
        assert_true(seen->error || strstr(seen->head, ":status: 50") ||
                    strstr(seen->head, ":status: 40"));
        assert_true(stage_has_event(&named->stage, "server.unreachable",
                                    out_of_reach[i].says));
        named_free(named);
    }
}

/* It waits for the server's settings before it asks for anything. */
static void a_victim_that_waits_for_the_server_is_told_why(void **state)
{
    (void)state;
    struct named *named = named_new(50);
    FRAMERS_UNTIL(
        &named->victim, (struct framer *)NULL,
        named->victim.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS]);
    int32_t id = framer_asks(&named->victim, named->get, NULL);
    struct seen *seen = named_closed(named, id);
    assert_non_null(strstr(seen->head, ":status: 502\n"));
    assert_int_equal(buf_append(&seen->body, "", 1), 0);
    assert_non_null(strstr((char *)buf_head(&seen->body), "--upstream"));
    named_free(named);
}

static void what_is_no_http2_behind_its_preface_is_refused(void **state)
{
    (void)state;
    struct named *named = named_new(0);
    struct actor victim = victim_enters(&named->stage);
    actor_says(&victim, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    actor_hears_all(&victim);
    assert_true(stage_door(&named->stage) < 0);
    actor_leaves(&victim);
    named_free(named);
}

static void a_victim_that_leaves_before_it_asks_is_let_go(void **state)
{
    (void)state;
    struct named *named = named_new(0);
    framers_rest(&named->victim, NULL);
    actor_finishes(&named->victim.actor);
    actor_hears_end(&named->victim.actor);
    named_free(named);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_request_names_the_server),
        cmocka_unit_test(another_name_needs_another_connection),
        cmocka_unit_test(names_that_lead_nowhere_are_told_so),
        cmocka_unit_test(a_victim_that_waits_for_the_server_is_told_why),
        cmocka_unit_test(what_is_no_http2_behind_its_preface_is_refused),
        cmocka_unit_test(a_victim_that_leaves_before_it_asks_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
