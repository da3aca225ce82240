/* SPDX-License-Identifier: MIT
 *
 * How the words of a person become a running attack, or a sentence that says
 * what is wrong with them. */
#include "tests/attacks/events.h"

#include "attacks/attack.h"
#include "certs/ca.h"
#include "certs/forge.h"

#include <string.h>

static const struct ca nobody;
static const struct forge_signers none,
    rogue = {.rogue = &nobody}, both = {.lab = &nobody, .rogue = &nobody};

static void words_become_an_attack_or_a_sentence(void **state)
{
    static const struct {
        const char *spec;
        const struct forge_signers *signers;
        const char *says; /* NULL: it starts */
    } rows[] = {
        {"rewrite,find=a,with=b", &none, NULL},
        {"rewrite,with=b,find=a", &none, NULL},
        {"rewrite,find=a=b,with==", &none, NULL},
        {"rewrite,find=a\\,b", &none, NULL},
        {"rewrite,find=a,naive=true", &none, NULL},
        {"rewrite,find=a,in=both,field=X-Y,look=q|r", &none, NULL},
        {"forged-cert,forgery=t03", &rogue, NULL},
        {"forged-cert,forgery=n01", &both, NULL},
        {"rogue-ca", &rogue, NULL},
        {"block,host=ocsp.lab.test", &none, NULL},
        {"block", &none, "block wants host=NAME"},
        {"block,host=ocsp.lab.test:80", &none, "not the name of a host"},
        {"", &none, "no attack"},
        {"rewrit,find=a", &none, "did you mean rewrite?"},
        {"rewrite", &none, "rewrite wants find=TEXT"},
        {"rewrite,find=", &none, "find is empty"},
        {"rewrite,fnid=a", &none, "did you mean find?"},
        {"rewrite,find", &none, "find=TEXT"},
        {"rewrite,find=a,find=b", &none, "given twice"},
        {"rewrite,find=a,", &none, "knows no \"\""},
        {"rewrite,find=a,in=reply", &none, "request|response|both"},
        {"rewrite,find=a,in=re", &none, "request|response|both"},
        {"rewrite,find=a,naive=maybe", &none, "yes|no"},
        {"rewrite,find=a,field=X,with=b\r\nSet-Cookie: c", &none, "one line"},
        {"rewrite,find=a,field=X Y,with=b", &none, "not the name"},
        {"rewrite,find=a,field=,with=b", &none, "not the name"},
        {"rewrite,1=a,2=a,3=a,4=a,5=a,6=a,7=a,8=a,9=a", &none, "parts"},
        {"forged-cert,forgery=t3", &both, "did you mean t0"},
        {"forged-cert,forgery=n01", &rogue, "--issuer"},
        {"rogue-ca", &none, "--ca"},
        {"rogue-ca,look=a|b|c|d|e|f|g|h|i", &rogue, "at most 8"},
        {"sniff", &none, "mitmlab attack sniff"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attack_env env = {.kind = ATTACK_HOOK,
                                 .signers = rows[i].signers};
        struct attack_run *run;
        struct err err = ERR_INIT;
        int rc = attack_start(rows[i].spec, &env, &run, &err);
        if (rows[i].says) {
            assert_int_equal(rc, -1);
            assert_null(run);
            assert_int_equal(err.code, EXIT_USAGE);
            assert_non_null(strstr(err.text, rows[i].says));
        } else {
            assert_int_equal(rc, 0);
            attack_stop(run);
        }
    }
}

static void a_comma_may_be_part_of_a_value(void **state)
{
    struct attack_env env = {.kind = ATTACK_HOOK};
    struct attack_run *run;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(
        attack_start("rewrite,find=a\\,b\\c=d,with=\\,\\,", &env, &run, &err),
        0);
    assert_string_equal(attack_value(run, "find"), "a,b\\c=d");
    assert_string_equal(attack_value(run, "with"), ",,");
    assert_string_equal(attack_value(run, "in"), "both");
    assert_null(attack_value(run, "field"));
    attack_stop(run);
}

static void words_of_a_shell_mean_themselves(void **state)
{
    static const char *const words[] = {"rewrite", "find=a,b", "with=c\\,d"};
    struct attack_env env = {.kind = ATTACK_HOOK};
    struct attack_run *run;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(attack_start_words(words, 3, &env, &run, &err), 0);
    assert_string_equal(attack_value(run, "find"), "a,b");
    assert_string_equal(attack_value(run, "with"), "c\\,d");
    attack_announce(run);
    json_t *event = events_next();
    assert_string_equal(events_text(event, "kind"), "attack.start");
    assert_string_equal(events_text(event, "attack"), "rewrite");
    json_t *arguments =
        json_object_get(json_object_get(event, "data"), "arguments");
    assert_string_equal(json_string_value(json_object_get(arguments, "with")),
                        "c\\,d");
    assert_null(json_object_get(arguments, "field"));
    json_decref(event);
    attack_stop(run);
}

static void every_attack_can_be_found_and_explains_itself(void **state)
{
    const struct attack *attack;
    unsigned i = 0;
    (void)state;
    for (; (attack = attack_at(i)); i++) {
        assert_ptr_equal(attack_find(attack->name), attack);
        assert_int_equal(attack->teaches[strlen(attack->teaches) - 1], '.');
        unsigned params = 0;
        while (attack->params[params].name)
            assert_non_null(attack->params[params++].sentence);
        assert_true(params <= ATTACK_PARAMS_MOST);
    }
    assert_true(i >= 4);
    assert_null(attack_at(i + 1));
    assert_null(attack_find("nothing"));
}

static void a_forger_asks_for_the_flaw_that_it_was_told(void **state)
{
    struct attack_env env = {.kind = ATTACK_HOOK, .signers = &rogue};
    struct attack_run *run;
    struct err err = ERR_INIT;
    struct flow flow = {0};
    struct forge_plan plan = {0};
    (void)state;
    assert_int_equal(attack_start("forged-cert,forgery=t03", &env, &run, &err),
                     0);
    assert_int_equal(
        run->hook.on_server_cert(run->hook.config, &flow, NULL, &plan),
        HOOK_CHANGED);
    assert_string_equal(plan.forgery->id, "t03");
    assert_int_equal(run->hook.wants, 0);
    attack_stop(run);
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, events_open, events_close)
    const struct CMUnitTest tests[] = {
        CASE(words_become_an_attack_or_a_sentence),
        CASE(a_comma_may_be_part_of_a_value),
        CASE(words_of_a_shell_mean_themselves),
        CASE(every_attack_can_be_found_and_explains_itself),
        CASE(a_forger_asks_for_the_flaw_that_it_was_told),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
