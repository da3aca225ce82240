/* SPDX-License-Identifier: MIT
 *
 * Lab files: what is accepted, and what is said about each mistake. Every row
 * is a change to the fixture lab and the sentence that must follow. */
#include "labs/engine/jail.h"
#include "labs/engine/lab.h"
#include "labs/engine/locate.h"
#include "labs/engine/text.h"
#include "labs/engine/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE SOURCE_DIR "/tests/labs/fixture/90-a-small-lab"

static char *fixture_text(void)
{
    struct err err = ERR_INIT;
    char *text = text_read(FIXTURE "/lab.lua", 65536, NULL, &err);
    assert_non_null(text);
    return text;
}

/* The fixture with the first `old` replaced. */
static char *changed(const char *old, const char *new)
{
    char *text = fixture_text(), *at = strstr(text, old), *out;
    assert_non_null(at);
    *at = '\0';
    assert_true(asprintf(&out, "%s%s%s", text, new, at + strlen(old)) > 0);
    free(text);
    return out;
}

static void a_lab_is_taken_apart(void **state)
{
    (void)state;
    struct sandbox_world world = {.seed = 7};
    struct err err = ERR_INIT;
    struct lab *lab;
    assert_int_equal(lab_load(FIXTURE, &world, &lab, &err), 0);
    assert_string_equal(lab->id, "lab90");
    assert_string_equal(lab->title, "A small lab");
    assert_string_equal(lab->topologies[0], "loopback");
    assert_int_equal(lab->topologies_count, 2);
    assert_true(lab->bare);
    assert_string_equal(lab->secrets, "all");
    assert_int_equal(lab->starts_count, 1);
    assert_int_equal(lab->steps_count, 1);
    const struct lab_step *step = &lab->steps[0];
    assert_int_equal(step->acts_count, 2);
    assert_string_equal(step->acts[1].as, "closed");
    assert_int_equal(step->expectations_count, 3);
    assert_string_equal(step->expectations[0].act, "open");
    assert_null(step->expectations[2].act);
    assert_string_equal(step->evidence[0].contains, "GET / HTTP/1.1");
    assert_string_equal(lab_hint(lab, 1, 3), "200");
    assert_null(lab_hint(lab, 1, 4));
    assert_null(lab_hint(lab, 0, 1));
    lab_free(lab);
}

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *says;
    } rows[] = {
        {"minutes  = 1", "minuts = 1",
         "lab.lua:6: no key \"minuts\" (did you mean minutes?)"},
        {"get = \"http:", "gett = \"http:",
         "lab.lua:24: step 1, act 1: no key \"gett\" (did you mean get?)"},
        {"\"https-client\"", "\"https-clint\"",
         "lab.lua:23: step 1, act 1: no program \"https-clint\" (did you mean "
         "https-client?)"},
        {"at = \"victim\"", "at = \"victm\"",
         "lab.lua:23: no place \"victm\" (did you mean victim?)"},
        {"verdict = \"accepted\"", "verdict = \"trusted\"",
         "lab.lua:30: step 1, expectation closed: \"trusted\" is none of "
         "accepted|refused"},
        {"title    = \"A small lab\"", "title = 3",
         "lab.lua:3: title must be a text"},
        {"title    = \"A small lab\",", "",
         "lab.lua:2: title is missing: What the lab is called."},
        {"open = {", "opn = {",
         "lab.lua:29: no act \"opn\" in this step (did you mean open?)"},
        {"at = \"server\", name", "name",
         "lab.lua:13: start 1: at is missing: The place where it runs."},
        {"https = true }", "https = true, responder = \"ocsp.lab.test\" }",
         "lab.lua:13: no ocsp-responder under start is called "
         "\"ocsp.lab.test\""},
        {"as = \"closed\"", "as = \"open\"",
         "lab.lua:25: two acts of this step are called open; give them names "
         "with as"},
        {"\"bank.lab.test\"] =", "\"bank.example.com\"] =",
         "lab.lua:10: \"bank.example.com\" is not a name under lab.test"},
        {"answer = \"yes\"", "answer = \"maybe\"",
         "lab.lua:20: the answer is none of the choices"},
        {"status = 200", "status = true",
         "lab.lua:29: step 1, expectation open: status must be a number"},
        {"contains = \"GET / HTTP/1.1\",", "",
         "lab.lua:38: evidence wants a kind of event, or what the frame "
         "contains"},
        {"contains = \"GET", "kind = \"tls.alarm\", contains = \"GET",
         "lab.lua:38: no kind of event is called \"tls.alarm\"; 'mitmlab help "
         "events' lists them"},
        {"{ \"200\", true }", "{ \"200\" }",
         "lab.lua:50: solution answers no question 2"},
        {"return lab {", "return {",
         "lab.lua:1: the file must return lab { ... }"},
        {"minutes  = 1", "minutes = canary.mulle",
         "lab.lua:6: no canary.mulle (did you mean canary.mule?)"},
        {"minutes  = 1", "minutes = os.exit(0)",
         "lab.lua:6: attempt to index a nil value (global 'os')"},
        {"minutes  = 1", "minutes = = 1",
         "lab.lua:6: unexpected symbol near '='"},
        {"\"A small lab\"", "\"\\xff\"", "lab.lua:1: a text is not UTF-8"},
        {"\"000.1\"", "lab", "lab.lua:5: 1 must be a text"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        struct lab *lab = NULL;
        char *text = changed(rows[i].old, rows[i].new);
        assert_int_equal(lab_load_text(text, strlen(text), &lab, &err), -1);
        assert_string_equal(err.text, rows[i].says);
        assert_int_equal(err.code, EXIT_LAB_INVALID);
        free(text);
    }
}

/* ---- limits -------------------------------------------------------------- */

static int run_text(void *argument, json_t **out, struct err *err)
{
    struct sandbox_world world = {0};
    struct sandbox *sandbox;
    if (sandbox_open(argument, strlen(argument), &world, &sandbox, err))
        return -1;
    *out = sandbox_to_json(sandbox_lua(sandbox), -1, err);
    sandbox_free(sandbox);
    return *out ? 0 : -1;
}

static void what_never_ends_is_ended(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"while true do end", "lab.lua:1: it computes too long"},
        {"local t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(60000) .. i end",
         "not enough memory"},
        {"local t = { 3, 2, 1 }\ntable.sort(t, function() while true do end "
         "end)",
         "lab.lua:2: it computes too long"},
        {"\nlocal s = ('a'):rep(40)\nreturn s:find(('a?'):rep(40) .. s)",
         "lab.lua:3: stopped: it computes for more than 1 s"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        json_t *answer = NULL;
        char text[256];
        snprintf(text, sizeof text, "%s", rows[i].text);
        assert_int_equal(jail_run(run_text, text, "lab.lua", &answer, &err),
                         -1);
        if (!strstr(err.text, rows[i].says))
            fail_msg("row %zu says: %s", i, err.text);
        assert_int_equal(err.code, EXIT_LAB_INVALID);
    }
}

static void nothing_of_the_machine_is_in_reach(void **state)
{
    static const char *const names[] = {
        "io",          "os",           "require",      "load",
        "loadfile",    "dofile",       "package",      "debug",
        "pcall",       "setmetatable", "rawset",       "_G",
        "print",       "coroutine",    "getmetatable", "collectgarbage",
        "string.dump", "math.random",  "utf8"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct err err = ERR_INIT;
        json_t *answer = NULL;
        char text[128];
        snprintf(text, sizeof text, "return lab { tostring(%s) }", names[i]);
        assert_int_equal(run_text(text, &answer, &err), 0);
        assert_string_equal(json_string_value(json_array_get(answer, 0)),
                            "nil");
        json_decref(answer);
    }
}

static void a_binary_chunk_is_refused(void **state)
{
    struct err err = ERR_INIT;
    json_t *answer = NULL;
    char text[] = "\033LuaT";
    (void)state;
    assert_int_equal(run_text(text, &answer, &err), -1);
    assert_non_null(strstr(err.text, "attempt to load a binary chunk"));
}

static void the_seed_decides_what_a_lab_sees(void **state)
{
    struct sandbox_world one = {.seed = 1}, two = {.seed = 2};
    const char *text = "return lab { canary.password }";
    char *seen[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        struct sandbox *sandbox;
        assert_int_equal(sandbox_open(text, strlen(text), i == 1 ? &two : &one,
                                      &sandbox, &err),
                         0);
        json_t *table = sandbox_to_json(sandbox_lua(sandbox), -1, &err);
        seen[i] = strdup(json_string_value(json_array_get(table, 0)));
        json_decref(table);
        sandbox_free(sandbox);
    }
    assert_string_equal(seen[0], seen[2]);
    assert_string_not_equal(seen[0], seen[1]);
    for (int i = 0; i < 3; i++)
        free(seen[i]);
}

static void lines_are_found_through_functions_and_comments(void **state)
{
    const char *text = "-- lab { a = 1 }\n"
                       "local x = function(a, b) return { a, b } end\n"
                       "return lab {\n"
                       "  f = function(a) if a then return 1, 2 end end,\n"
                       "  g = [[ , } ]],\n"
                       "  [\"h\"] = { 1, { 2,\n"
                       "    k = 3 } },\n"
                       "}\n";
    const char *f[] = {"f"}, *h[] = {"h"}, *k[] = {"h", "2", "k"},
               *none[] = {"h", "7"};
    (void)state;
    assert_int_equal(locate_line(text, f, 1), 4);
    assert_int_equal(locate_line(text, h, 1), 6);
    assert_int_equal(locate_line(text, k, 3), 7);
    assert_int_equal(locate_line(text, none, 2), 6);
    assert_int_equal(locate_line("x = 1", f, 1), 0);
}

/* An option with the name of an act's own word would be given to the program
 * although it was meant for the engine: "at" is a place, and was once a time. */
static void no_option_has_the_name_of_an_acts_own_word(void **state)
{
    (void)state;
    const struct program *program;
    const struct word *word;
    unsigned compared = 0;
    for (unsigned i = 0; (program = program_at(i)); i++) {
        const char *table = program->kind == PROGRAM_SERVER ? "start" : "act";
        for (unsigned j = 0; (word = word_at(j)); j++) {
            if (strcmp(word->table, table) != 0)
                continue;
            compared++;
            if (program_option(program, word->key))
                fail_msg("%s: its option %s is a word of every %s",
                         program->name, word->key, table);
        }
    }
    assert_true(compared > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lab_is_taken_apart),
        cmocka_unit_test(every_mistake_is_named_with_its_line),
        cmocka_unit_test(what_never_ends_is_ended),
        cmocka_unit_test(nothing_of_the_machine_is_in_reach),
        cmocka_unit_test(a_binary_chunk_is_refused),
        cmocka_unit_test(the_seed_decides_what_a_lab_sees),
        cmocka_unit_test(lines_are_found_through_functions_and_comments),
        cmocka_unit_test(no_option_has_the_name_of_an_acts_own_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
