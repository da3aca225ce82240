/* SPDX-License-Identifier: MIT
 *
 * The input is a lab file. What must hold: it is taken or refused, a refusal
 * is about the lab file and names a line of it, and every part of a lab that
 * is taken can be asked for. Functions of the file are not called. */
#include "labs/engine/lab.h"
#include "labs/engine/locate.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void look_at(const struct lab *lab)
{
    CHECK(lab->title && lab->question && lab->secrets);
    CHECK(lab->topologies_count && lab->steps_count);
    for (unsigned i = 0; i < lab->steps_count; i++) {
        const struct lab_step *step = &lab->steps[i];
        for (unsigned j = 0; j < step->acts_count; j++)
            CHECK(step->acts[j].program && step->acts[j].at &&
                  step->acts[j].as);
        for (unsigned j = 0; j < step->evidence_count; j++)
            CHECK(step->evidence[j].kind || step->evidence[j].contains);
        for (unsigned j = 0; j < step->predictions_count; j++)
            CHECK(lab_play_prediction(lab, "wrong", i, j));
    }
    for (unsigned i = 0; i < lab->questions_count; i++)
        CHECK(lab_play_answer(lab, "solution", i));
    (void)lab_hint(lab, 1, 3);
}

/* A line of the text, if it is known which. */
static void check_line(const char *says, const char *text)
{
    unsigned long line = strtoul(says + strlen("lab.lua:"), NULL, 10);
    unsigned long lines = 2;
    for (; *text; text++)
        lines += *text == '\n' || *text == '\r'; /* as Lua counts */
    CHECK(line <= lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct err err = ERR_INIT;
    struct lab *lab = NULL;
    char *text = malloc(len + 1);
    CHECK(text);
    memcpy(text, bytes, len);
    text[len] = '\0';
    if (lab_load_text(text, len, &lab, &err)) {
        CHECK(err.code == EXIT_LAB_INVALID);
        CHECK(!strncmp(err.text, "lab.lua:", 8));
        check_line(err.text, text);
    } else {
        look_at(lab);
        lab_free(lab);
    }
    free(text);
    return 0;
}

static const char small[] =
    "return lab { title = 'a', question = 'b', places = { 'victim' },\n"
    "  names = { ['a.lab.test'] = 'victim' },\n"
    "  steps = { { 'one', predict = { { 'q', { 'y', 'n' }, answer = 'y' } },\n"
    "    act = { { 'https-client', as = 'x', at = 'victim', get = 'u' } },\n"
    "    expect = { x = { exit = 0 }, { 'c', check = function() end } },\n"
    "    evidence = { { 'e', act = 'x', contains = canary.note } } } },\n"
    "  questions = { { 'q', 'acts.x.exit' } }, hints = { { 'h' } },\n"
    "  solution = { predict = { { 'y' } }, answers = { true } },\n"
    "  wrong = { predict = { { 'n' } }, answers = { 'z' } } }\n";

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    add(small, strlen(small));
    add("return lab {}", 13);
    add("-- [[ ]]\nreturn lab { [ [[x]] ] = [==[ ]] ]==] }", 48);
}

const char *const fuzz_words[] = {
    "lab",    "{",       "}",         "=",         ",",        "title",
    "places", "steps",   "act",       "expect",    "evidence", "predict",
    "answer", "attacks", "'rewrite'", "trust",     "'rogue'",  "function() end",
    "[\"",    "\"]",     "--[[",      "]]",        "nil",      "true",
    "1e308",  "0x7f",    "canary.",   "address.x", "'\\xff'",  "('x'):rep(9)",
    NULL,
};
