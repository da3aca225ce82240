/* SPDX-License-Identifier: MIT
 *
 * Did what must be seen happen? Plain words are compared here; functions of
 * the lab file run in a jail (jail.h), which loads the file anew and is shown
 * the run as a table. */
#include "labs/engine/play.h"

#include "labs/engine/acts.h"
#include "labs/engine/evidence.h"
#include "labs/engine/jail.h"
#include "labs/engine/words.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static json_t *result_list(const struct play *play, const char *key)
{
    json_t *steps = json_object_get(play->result, "steps");
    return json_object_get(json_array_get(steps, play->step - 1), key);
}

/* ---- evidence ------------------------------------------------------------ */

static void say_evidence(const struct play *play, const json_t *entry)
{
    uint64_t frame = event_frame(entry);
    if (frame)
        voice_sayf(&play->voice, 0, "+ ", "frame %llu: %s",
                   (unsigned long long)frame, event_member(entry, "what"));
    else
        voice_sayf(&play->voice, 0, "- ", "%s: %s", event_member(entry, "what"),
                   event_member(entry, "missing"));
    voice_sayf(&play->voice, 4, "filter: ", TERM_CODE "%s" TERM_PLAIN,
               event_member(entry, "filter"));
}

/* Can this step be decrypted? For sure only when the capture is finished and
 * the keys stand before the packets. */
static bool has_keys(const struct play *play)
{
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i, event)
    {
        if (event_belongs(event, play->step, NULL) &&
            !strcmp(event_kind(event), "tls.key"))
            return !strcmp(play->lab->secrets, "all");
    }
    return false;
}

/* For who wants to look before the run goes on. */
static void say_look(struct play *play, const json_t *evidence)
{
    const json_t *first = json_array_get(evidence, 0);
    if (play->options->play || !first)
        return;
    char *look = command_look(play->capture_path, "tshark",
                              event_member(first, "filter"));
    voice_sayf(&play->voice, 0, "",
               "To look now, in another terminal in this folder%s:",
               has_keys(play)
                   ? " (what TLS hides may open only when the steps are over)"
                   : "");
    voice_lines(&play->voice, 4, look);
    free(look);
}

static bool judge_evidence(struct play *play)
{
    const struct lab_step *step = &play->lab->steps[play->step - 1];
    json_t *list = result_list(play, "evidence");
    bool all = true;
    for (unsigned i = 0; i < step->evidence_count; i++) {
        json_t *entry = evidence_find(play, play->step, &step->evidence[i]);
        all &= event_frame(entry) != 0;
        say_evidence(play, entry);
        json_array_append_new(list, entry);
    }
    play->steps[play->step - 1].evidence = list;
    say_look(play, list);
    return all;
}

/* ---- functions of the lab file ------------------------------------------- */

struct hearing {
    const struct play *play;
    const json_t *document;
    bool questions; /* else the checks of this step */
};

/* run.acts.NAME.wire_count("bytes") */
static int wire_count(lua_State *lua)
{
    const struct capture_index *index =
        lua_touserdata(lua, lua_upvalueindex(1));
    struct frames frames = {(uint64_t)lua_tointeger(lua, lua_upvalueindex(2)),
                            (uint64_t)lua_tointeger(lua, lua_upvalueindex(3))};
    size_t len;
    const char *bytes = luaL_tolstring(lua, 1, &len);
    lua_pushinteger(lua, acts_wire_count(index, frames, bytes, len));
    return 1;
}

/* The table of an act, on top of the stack, gets its function. */
static void add_wire_count(lua_State *lua, const struct play *play,
                           const struct played_act *act)
{
    lua_pushlightuserdata(lua, play->index);
    lua_pushinteger(lua, (lua_Integer)act->frames.from);
    lua_pushinteger(lua, (lua_Integer)act->frames.to);
    lua_pushcclosure(lua, wire_count, 3);
    lua_setfield(lua, -2, "wire_count");
}

/* run.acts.NAME and run.steps[i].acts.NAME are the same table. */
static void push_run(lua_State *lua, const struct hearing *hearing)
{
    const struct play *play = hearing->play;
    sandbox_push_json(lua, hearing->document);
    lua_getfield(lua, -1, "acts");
    lua_getfield(lua, -2, "steps");
    for (unsigned i = 0; i < play->step; i++) {
        lua_geti(lua, -1, i + 1);
        lua_getfield(lua, -1, "acts");
        for (unsigned j = 0; j < play->lab->steps[i].acts_count; j++) {
            const char *as = play->lab->steps[i].acts[j].as;
            if (lua_getfield(lua, -1, as) == LUA_TTABLE) {
                add_wire_count(lua, play, &play->steps[i].acts[j]);
                lua_setfield(lua, -5, as);
            } else {
                lua_pop(lua, 1);
            }
        }
        lua_pop(lua, 2);
    }
    lua_pop(lua, 2);
}

/* Call the function on top of the stack with the run. What it says, or why it
 * could not: {"value"} or {"error"}. */
static json_t *call(struct sandbox *sandbox, int run)
{
    lua_State *lua = sandbox_lua(sandbox);
    struct err err = ERR_INIT;
    lua_pushvalue(lua, run);
    if (sandbox_call(sandbox, 1, &err))
        return json_pack("{s:s}", "error", err.text);
    json_t *value = sandbox_to_json(lua, -1, &err);
    lua_pop(lua, 1);
    return value ? json_pack("{s:o}", "value", value)
                 : json_pack("{s:s}", "error", err.text);
}

static void hear_questions(struct sandbox *sandbox, const struct play *play,
                           int run, json_t *answers)
{
    lua_State *lua = sandbox_lua(sandbox);
    lua_getfield(lua, 1, "questions");
    for (unsigned i = 0; i < play->lab->questions_count; i++) {
        lua_geti(lua, -1, i + 1);
        lua_geti(lua, -1, 2);
        if (lua_isfunction(lua, -1))
            json_array_append_new(answers, call(sandbox, run));
        else
            json_array_append_new(answers, json_null());
        lua_settop(lua, run + 1);
    }
}

static void hear_checks(struct sandbox *sandbox, const struct play *play,
                        int run, json_t *answers)
{
    lua_State *lua = sandbox_lua(sandbox);
    const struct lab_step *step = &play->lab->steps[play->step - 1];
    lua_getfield(lua, 1, "steps");
    lua_geti(lua, -1, play->step);
    lua_getfield(lua, -1, "expect");
    int expect = lua_gettop(lua);
    for (unsigned i = 0; i < step->expectations_count; i++) {
        if (step->expectations[i].act)
            continue;
        lua_geti(lua, expect, step->expectations[i].position);
        lua_getfield(lua, -1, "check");
        json_array_append_new(answers, call(sandbox, run));
        lua_settop(lua, expect);
    }
}

/* In the jail. */
static int hear(void *argument, json_t **out, struct err *err)
{
    const struct hearing *hearing = argument;
    const struct play *play = hearing->play;
    struct sandbox_world world = {play->options->seed, &play->plan,
                                  play->net ? net_dir(play->net, "victim")
                                            : NULL};
    struct sandbox *sandbox;
    if (sandbox_open(play->lab->source, play->lab->source_len, &world, &sandbox,
                     err))
        return -1;
    json_t *answers = json_array();
    push_run(sandbox_lua(sandbox), hearing);
    int run = lua_gettop(sandbox_lua(sandbox));
    if (hearing->questions)
        hear_questions(sandbox, play, run, answers);
    else
        hear_checks(sandbox, play, run, answers);
    sandbox_free(sandbox);
    *out = answers;
    return 0;
}

/* ---- expectations -------------------------------------------------------- */

static void expect(struct play *play, const char *act, const char *what,
                   json_t *expected, json_t *observed, bool held)
{
    json_t *entry =
        json_pack("{s:s,s:o,s:o,s:b,s:s*}", "what", what, "expected", expected,
                  "observed", observed, "held", held, "act", act);
    json_array_append_new(result_list(play, "expectations"), entry);
    if (held) {
        voice_say(&play->voice, 0, "+ ", what);
        return;
    }
    char *wanted = words_value_text(expected),
         *got = words_value_text(observed);
    voice_sayf(&play->voice, 0, "- ",
               "%s: " TERM_BAD "expected %s, observed %s" TERM_PLAIN, what,
               wanted, got);
    free(wanted);
    free(got);
}

static bool same(const json_t *a, const json_t *b)
{
    char *one = words_value_text(a), *two = words_value_text(b);
    bool equal = one && two && !strcmp(one, two);
    free(one);
    free(two);
    return equal;
}

/* How an expectation begins: the name of its act, where there are several. */
static const char *whose(const struct play *play, const struct played_act *act,
                         char text[80])
{
    bool alone = play->lab->steps[play->step - 1].acts_count == 1;
    snprintf(text, 80, "%.70s%s", alone ? "" : act->act->as, alone ? "" : ": ");
    return text;
}

static const struct {
    const char *key, *says;
} fact_rows[] = {
    {"verdict", "the victim's verdict on the certificate: "},
    {"how", "how it said so: "},
    {"alert", "the victim's alert: "},
    {"app_bytes", "bytes of application data from the victim: "},
    {"exit", "exit code of the command: "},
    {"status", "HTTP status of the answer: "},
};

/* A fact must be this. */
static bool expect_fact(struct play *play, const struct played_act *act,
                        const json_t *facts, size_t row, const json_t *wanted)
{
    json_t *got = json_object_get(facts, fact_rows[row].key);
    bool held = same(wanted, got);
    char what[256], name[80], *text = words_value_text(wanted);
    int len = snprintf(what, sizeof what, "%s", whose(play, act, name));
    snprintf(what + len, sizeof what - (size_t)len, "%s%.80s",
             fact_rows[row].says, text);
    free(text);
    expect(play, act->act->as, what, json_incref((json_t *)wanted),
           got ? json_incref(got) : json_null(), held);
    return held;
}

typedef bool holds(const struct play *play, const struct played_act *act,
                   const char *text);

static bool output_has(const struct play *play, const struct played_act *act,
                       const char *text)
{
    (void)play;
    return act->output && strstr(act->output, text);
}

static bool attacker_reads(const struct play *play,
                           const struct played_act *act, const char *text)
{
    return acts_attacker_reads(play, play->step, act, text);
}

static bool server_gets(const struct play *play, const struct played_act *act,
                        const char *text)
{
    return acts_server_gets(play, play->step, act, text);
}

static bool wire_has(const struct play *play, const struct played_act *act,
                     const char *text)
{
    return acts_wire_count(play->index, act->frames, text, strlen(text)) > 0;
}

static const struct {
    const char *key, *says;
    holds *holds;
    bool wanted;
} text_rows[] = {
    {"output", "the command prints", output_has, true},
    {"attacker_reads", "the attacker reads", attacker_reads, true},
    {"attacker_misses", "the attacker does not read", attacker_reads, false},
    {"server_gets", "the server gets", server_gets, true},
    {"server_misses", "the server does not get", server_gets, false},
    {"wire_has", "some frame shows in clear", wire_has, true},
    {"wire_lacks", "no frame shows in clear", wire_has, false},
};

static bool expect_text(struct play *play, const struct played_act *act,
                        size_t row, const json_t *value)
{
    char *text = words_value_text(value), *what, name[80];
    bool seen = text_rows[row].holds(play, act, text);
    bool held = seen == text_rows[row].wanted;
    if (asprintf(&what, "%s%s \"%.100s\"", whose(play, act, name),
                 text_rows[row].says, text) < 0)
        abort();
    expect(play, act->act->as, what, json_boolean(text_rows[row].wanted),
           json_boolean(seen), held);
    free(what);
    free(text);
    return held;
}

static bool expect_texts(struct play *play, const struct played_act *act,
                         size_t row, const json_t *words)
{
    const json_t *value = words_get(words, text_rows[row].key);
    size_t i;
    json_t *item;
    bool all = true;
    if (value && !json_is_array(value))
        return expect_text(play, act, row, value);
    json_array_foreach((json_t *)value, i, item) all &=
        expect_text(play, act, row, item);
    return all;
}

static const struct played_act *find_act(const struct play *play,
                                         const char *name)
{
    const struct lab_step *step = &play->lab->steps[play->step - 1];
    for (unsigned i = 0; i < step->acts_count; i++)
        if (!strcmp(step->acts[i].as, name))
            return &play->steps[play->step - 1].acts[i];
    return NULL;
}

static bool judge_act(struct play *play, const struct lab_expectation *it)
{
    const struct played_act *act = find_act(play, it->act);
    if (!act->act || act->skipped)
        return true;
    json_t *facts = acts_facts(play, play->step, act);
    bool all = true;
    for (size_t i = 0; i < sizeof fact_rows / sizeof *fact_rows; i++) {
        const json_t *wanted = words_get(it->words, fact_rows[i].key);
        if (wanted)
            all &= expect_fact(play, act, facts, i, wanted);
    }
    for (size_t i = 0; i < sizeof text_rows / sizeof *text_rows; i++)
        all &= expect_texts(play, act, i, it->words);
    json_decref(facts);
    return all;
}

/* A check holds when its function returned anything but false or nothing. */
static bool judge_check(struct play *play, const struct lab_expectation *it,
                        const json_t *answer)
{
    json_t *value = json_object_get(answer, "value");
    json_t *error = json_object_get(answer, "error");
    bool held = value && !json_is_false(value) && !json_is_null(value);
    expect(play, NULL, it->says, json_true(),
           error   ? json_incref(error)
           : value ? json_incref(value)
                   : json_null(),
           held);
    return held;
}

static bool has_checks(const struct lab_step *step)
{
    for (unsigned i = 0; i < step->expectations_count; i++)
        if (!step->expectations[i].act)
            return true;
    return false;
}

static int hear_all(struct play *play, bool questions, json_t **out,
                    struct err *err)
{
    struct hearing hearing = {play, acts_document(play), questions};
    int rc = jail_run(hear, &hearing, "lab.lua", out, err);
    json_decref((json_t *)hearing.document);
    return rc;
}

static int judge_expectations(struct play *play, bool *all, struct err *err)
{
    const struct lab_step *step = &play->lab->steps[play->step - 1];
    json_t *answers = NULL;
    size_t next = 0;
    if (has_checks(step) && hear_all(play, false, &answers, err))
        return -1;
    for (unsigned i = 0; i < step->expectations_count; i++) {
        const struct lab_expectation *it = &step->expectations[i];
        *all &= it->act
                    ? judge_act(play, it)
                    : judge_check(play, it, json_array_get(answers, next++));
    }
    json_decref(answers);
    return 0;
}

int judge_step(struct play *play, struct err *err)
{
    if (play->lab->steps[play->step - 1].evidence_count)
        voice_heading(&play->voice, "What proves it");
    bool all = judge_evidence(play);
    voice_heading(&play->voice, "What held");
    if (judge_expectations(play, &all, err))
        return -1;
    json_t *steps = json_object_get(play->result, "steps");
    json_object_set_new(json_array_get(steps, play->step - 1), "status",
                        json_string(all ? "passed" : "failed"));
    play->steps[play->step - 1].judged = true;
    return 0;
}

/* ---- answers to questions ------------------------------------------------ */

/* A path into the run if it leads somewhere, else the value itself. */
static char *plain_answer(const json_t *document, const json_t *answer)
{
    const char *path = json_string_value(answer);
    const json_t *found = path ? acts_at(document, path) : NULL;
    return words_value_text(found ? found : answer);
}

static char *answer_to(const struct lab_question *question,
                       const json_t *document, const json_t *heard)
{
    return json_is_object(heard)
               ? words_value_text(json_object_get(heard, "value"))
               : plain_answer(document, question->answer);
}

/* A question to which nothing is right is a mistake of the lab. */
static int check_answer(unsigned number, const json_t *heard, const char *text,
                        struct err *err)
{
    const json_t *error = json_object_get(heard, "error");
    if (!error && *text)
        return 0;
    err_code(err, EXIT_LAB_INVALID, "question %u has no answer%s%s", number,
             error ? ": " : "", error ? json_string_value(error) : "");
    return -1;
}

int judge_answers(struct play *play, char **out, struct err *err)
{
    json_t *answers = NULL, *document = acts_document(play);
    int rc = hear_all(play, true, &answers, err);
    for (unsigned i = 0; !rc && i < play->lab->questions_count; i++) {
        const json_t *heard = json_array_get(answers, i);
        out[i] = answer_to(&play->lab->questions[i], document, heard);
        rc = check_answer(i + 1, heard, out[i], err);
    }
    json_decref(answers);
    json_decref(document);
    return rc;
}
