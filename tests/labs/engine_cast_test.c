/* SPDX-License-Identifier: MIT
 *
 * Programs of a run, and the events that they write. The places are bare ones
 * and the programs are shells, so this needs nothing of the machine. */
#include "labs/engine/cast.h"
#include "labs/engine/chronicle.h"
#include "labs/engine/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/cast-test-XXXXXX";

struct stage {
    struct net_plan plan;
    struct net *net;
    struct cast cast;
    struct chronicle chronicle;
};

static void on_event(void *context, struct actor *actor, json_t *event)
{
    struct stage *stage = context;
    chronicle_add(&stage->chronicle, actor, event);
}

static int open_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    struct err err = ERR_INIT;
    stage->plan = (struct net_plan){.topology = NET_BARE,
                                    .seed = 7,
                                    .work_dir = root,
                                    .places = {{.name = "victim"}},
                                    .places_count = 1};
    if (net_build(&stage->plan, &stage->net, &err))
        return -1;
    cast_init(&stage->cast, stage->net);
    stage->cast.on_event = on_event;
    stage->cast.context = stage;
    chronicle_open(&stage->chronicle);
    *state = stage;
    return 0;
}

static int close_stage(void **state)
{
    struct stage *stage = *state;
    net_free(stage->net);
    cast_free(&stage->cast);
    chronicle_close(&stage->chronicle);
    free(stage);
    return 0;
}

static struct actor *start(struct stage *stage, enum actor_role role,
                           const char *script)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", script, NULL};
    struct actor *actor =
        cast_start(&stage->cast, role, "victim", argv, NULL, -1, &err);
    if (!actor)
        fail_msg("%s", err.text);
    return actor;
}

static bool silent(void *argument)
{
    return actor_silent(argument);
}

static bool ready(void *argument)
{
    return ((struct actor *)argument)->ready;
}

static bool wait_for(struct stage *stage, cast_condition *done,
                     struct actor *actor)
{
    return cast_wait(&stage->cast, done, actor, clock_ms() + 10000);
}

static void output_events_and_exit_code_are_kept(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = start(stage, ACTOR_ACT,
                                "echo out; echo err >&2; "
                                "echo '{\"kind\":\"ready\",\"t\":2}' >&3; "
                                "echo nonsense >&3; "
                                "echo '{\"kind\":\"x\",\"t\":1}' >&3; exit 60");
    assert_true(wait_for(stage, silent, actor));
    assert_int_equal(actor_exit(actor), 60);
    assert_int_equal(buf_len(&actor->output), 8);
    assert_true(actor->ready);
    assert_int_equal(json_array_size(stage->chronicle.events), 2);
    size_t len;
    char *text = chronicle_text(&stage->chronicle, &len);
    assert_true(strstr(text, "\"x\"") < strstr(text, "\"ready\""));
    free(text);
}

static void a_program_that_ends_by_itself_has_fallen(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = start(stage, ACTOR_PROXY,
                                "echo '{\"kind\":\"ready\"}' >&3; kill -9 $$");
    assert_true(wait_for(stage, silent, actor));
    assert_ptr_equal(cast_fallen(&stage->cast), actor);
    assert_int_equal(actor_exit(actor), 128 + SIGKILL);
}

static void a_program_that_is_told_to_go_has_not_fallen(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = start(stage, ACTOR_SERVER,
                                "trap 'exit 0' TERM; "
                                "echo '{\"kind\":\"ready\"}' >&3; "
                                "while :; do sleep 0.01; done");
    assert_true(wait_for(stage, ready, actor));
    assert_true(cast_stop(&stage->cast, actor));
    assert_null(cast_fallen(&stage->cast));
    assert_int_equal(actor_exit(actor), 0);
}

static void a_silent_proxy_has_fallen(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = start(
        stage, ACTOR_PROXY, "echo '{\"kind\":\"ready\"}' >&3; exec sleep 60");
    assert_true(wait_for(stage, ready, actor));
    assert_null(cast_fallen(&stage->cast));
    actor->heard_ms -= 60000;
    assert_ptr_equal(cast_fallen(&stage->cast), actor);
}

static void output_has_an_end(void **state)
{
    struct stage *stage = *state;
    struct actor *actor =
        start(stage, ACTOR_ACT, "head -c 300000 /dev/zero | tr '\\0' x");
    assert_true(wait_for(stage, silent, actor));
    assert_true(buf_len(&actor->output) <= ACTOR_OUTPUT_MOST);
    assert_true(actor->output_cut);
}

/* ---- whose event is it? -------------------------------------------------- */

static void add(struct stage *stage, const char *text)
{
    struct actor actor = {.role = ACTOR_SERVER, .name = (char *)"bank"};
    json_t *event = json_loads(text, 0, NULL);
    assert_non_null(event);
    chronicle_add(&stage->chronicle, &actor, event);
    json_decref(event);
}

static void a_late_event_belongs_to_the_act_of_its_connection(void **state)
{
    struct stage *stage = *state;
    struct chronicle *chronicle = &stage->chronicle;
    static const char one[] =
        "{\"kind\":\"flow.open\",\"tuple\":[\"192.0.2.1\",1,\"192.0.2.2\",80]}";
    static const char late[] =
        "{\"kind\":\"secret.read\",\"data\":{\"value\":\"hunter2\"},"
        "\"tuple\":[\"192.0.2.1\",1,\"192.0.2.2\",80]}";
    chronicle->step = 1;
    chronicle->act = "first";
    add(stage, one);
    chronicle->step = 2;
    chronicle->act = "second";
    add(stage, late);
    add(stage, "{\"kind\":\"ready\"}");
    const json_t *secret = json_array_get(chronicle->events, 1);
    assert_true(event_belongs(secret, 1, "first"));
    assert_false(event_belongs(secret, 2, NULL));
    assert_true(event_mentions(secret, "unter"));
    assert_false(event_mentions(secret, "first"));
    assert_true(
        event_belongs(json_array_get(chronicle->events, 2), 2, "second"));
}

static void addresses_that_come_again_are_another_connection(void **state)
{
#define TUPLE "\"tuple\":[\"127.66.1.1\",1,\"127.66.1.2\",8443]}"
    struct stage *stage = *state;
    struct chronicle *chronicle = &stage->chronicle;
    chronicle->step = 1;
    chronicle->act = "first";
    add(stage, "{\"kind\":\"flow.open\"," TUPLE);
    add(stage, "{\"kind\":\"flow.end\"," TUPLE);
    chronicle->step = 2;
    chronicle->act = "second";
    add(stage, "{\"kind\":\"tls.key\"," TUPLE);
    add(stage, "{\"kind\":\"flow.open\"," TUPLE);
    add(stage, "{\"kind\":\"tls.verdict\"," TUPLE);
    const json_t *events = chronicle->events;
    assert_true(event_belongs(json_array_get(events, 1), 1, "first"));
    assert_true(event_belongs(json_array_get(events, 2), 1, "first"));
    assert_true(event_belongs(json_array_get(events, 3), 2, "second"));
    assert_true(event_belongs(json_array_get(events, 4), 2, "second"));
#undef TUPLE
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

#define STAGED(test)                                                           \
    cmocka_unit_test_setup_teardown(test, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(output_events_and_exit_code_are_kept),
        STAGED(a_program_that_ends_by_itself_has_fallen),
        STAGED(a_program_that_is_told_to_go_has_not_fallen),
        STAGED(a_silent_proxy_has_fallen),
        STAGED(output_has_an_end),
        STAGED(a_late_event_belongs_to_the_act_of_its_connection),
        STAGED(addresses_that_come_again_are_another_connection),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
