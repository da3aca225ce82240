/* SPDX-License-Identifier: MIT
 *
 * The questions at the end. Answers are compared as people mean them: without
 * regard to case, spaces, quotes and a full stop; numbers as numbers. */
#include "labs/engine/quiz.h"

#include "labs/engine/play.h"
#include "labs/engine/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 3, GRADES = 3 };

/* Lower case, one blank where there were some, no quotes around. */
static void normalise(const char *text, char out[256])
{
    size_t len = 0;
    for (; *text && len < 255; text++) {
        unsigned char c = (unsigned char)*text;
        bool blank = isspace(c) != 0;
        if (strchr("\"'`", c) || (blank && (!len || out[len - 1] == ' ')))
            continue;
        out[len++] = blank ? ' ' : (char)tolower(c);
    }
    while (len && strchr(" .", out[len - 1]))
        len--;
    out[len] = '\0';
}

bool quiz_same(const char *given, const char *answer)
{
    char one[256], two[256], *end_one, *end_two;
    normalise(given, one);
    normalise(answer, two);
    if (!strcmp(one, two))
        return true;
    double a = strtod(one, &end_one), b = strtod(two, &end_two);
    return *one && *two && !*end_one && !*end_two && a == b;
}

static void give_hint(struct play *play, unsigned number, unsigned *grade)
{
    const char *hint =
        *grade < GRADES ? lab_hint(play->lab, number + 1, *grade + 1) : NULL;
    if (!hint) {
        voice_say(&play->voice, 2, "", "There are no more hints.");
        return;
    }
    ++*grade;
    voice_say(&play->voice, 2, "hint: ", hint);
}

static char *ask(struct play *play, unsigned number, const char *answer,
                 unsigned *out_hints, unsigned *out_tries)
{
    const struct lab_question *question = &play->lab->questions[number];
    char *given = NULL;
    for (*out_tries = 0; *out_tries < TRIES;) {
        free(given);
        given = question->choices && !*out_tries
                    ? prompt_choice(play, question->question, question->choices)
                    : prompt_text(play, *out_tries || *out_hints
                                            ? NULL
                                            : question->question);
        if (!given)
            return NULL;
        if (!strcmp(given, "?") || !strcmp(given, "hint")) {
            give_hint(play, number, out_hints);
            continue;
        }
        ++*out_tries;
        if (quiz_same(given, answer))
            break;
        if (*out_tries < TRIES)
            voice_say(&play->voice, 2, "",
                      "No. Try again, or type ? for a hint.");
    }
    return given;
}

/* What the play says; true stands for the right answer. */
static char *played_answer(struct play *play, unsigned number,
                           const char *answer)
{
    const json_t *value =
        lab_play_answer(play->lab, play->options->play, number);
    char *given =
        json_is_true(value) ? strdup(answer) : words_value_text(value);
    voice_say(&play->voice, 0, "", play->lab->questions[number].question);
    voice_say(&play->voice, 0, "> ", given);
    return given;
}

static bool ask_one(struct play *play, unsigned number, const char *answer)
{
    unsigned hints = 0, tries = 1;
    char *given = play->options->play
                      ? played_answer(play, number, answer)
                      : ask(play, number, answer, &hints, &tries);
    if (!given)
        return false;
    bool right = quiz_same(given, answer);
    if (right)
        voice_say(&play->voice, 0, "+ ", "That is right.");
    else if (play->options->play)
        voice_sayf(&play->voice, 0, "- ", "No. The answer is: %s", answer);
    else
        voice_sayf(&play->voice, 0, "- ", "The answer is: %s", answer);
    json_t *entry = json_pack("{s:s,s:s,s:s,s:b,s:i,s:i}", "question",
                              play->lab->questions[number].question, "given",
                              given, "answer", answer, "right", right, "tries",
                              (int)tries, "hints", (int)hints);
    if (play->lab->questions[number].choices)
        json_object_set(entry, "choices",
                        (json_t *)play->lab->questions[number].choices);
    json_array_append_new(json_object_get(play->result, "questions"), entry);
    free(given);
    return true;
}

/* ---- misses ---------------------------------------------------------------- */

struct quiz_tally quiz_predictions(const json_t *result)
{
    struct quiz_tally tally = {0};
    size_t i, j;
    json_t *step, *entry;
    json_array_foreach(json_object_get(result, "steps"), i, step)
        json_array_foreach(json_object_get(step, "predictions"), j, entry)
    {
        tally.asked++;
        tally.right += json_is_true(json_object_get(entry, "right"));
        tally.explained += json_is_true(json_object_get(entry, "explained"));
    }
    return tally;
}

bool quiz_enough(const struct quiz_tally *tally, unsigned percent)
{
    return tally->right * 100 >= (int)percent * tally->asked ||
           tally->right + tally->explained == tally->asked;
}

/* Every `because` of the lab, each once: what there is to choose from. */
static json_t *reasons_of(const struct lab *lab)
{
    json_t *reasons = json_array();
    for (unsigned i = 0; i < lab->steps_count; i++)
        for (unsigned j = 0; j < lab->steps[i].predictions_count; j++) {
            const char *because = lab->steps[i].predictions[j].because;
            size_t k;
            json_t *known;
            bool fresh = because != NULL;
            json_array_foreach(reasons, k, known) fresh &=
                strcmp(json_string_value(known), because) != 0;
            if (fresh)
                json_array_append_new(reasons, json_string(because));
        }
    return reasons;
}

/* A solution knows; what is played wrong does not. */
static char *played_reason(const struct play *play, const char *because,
                           const json_t *reasons)
{
    size_t i;
    json_t *other;
    if (!strcmp(play->options->play, "solution"))
        return strdup(because);
    json_array_foreach((json_t *)reasons, i,
                       other) if (strcmp(json_string_value(other), because) !=
                                  0) return strdup(json_string_value(other));
    return strdup("");
}

/* False: the person has gone. */
static bool explain_one(struct play *play, json_t *entry, const char *because,
                        const json_t *reasons)
{
    char *question, *given;
    if (asprintf(&question,
                 "You said \"%s\". It is \"%s\": %s What decides it?",
                 json_string_value(json_object_get(entry, "given")),
                 json_string_value(json_object_get(entry, "answer")),
                 json_string_value(json_object_get(entry, "question"))) < 0)
        abort();
    if (play->options->play) {
        voice_say(&play->voice, 0, "", question);
        given = played_reason(play, because, reasons);
        voice_say(&play->voice, 0, "> ", given);
    } else {
        given = prompt_choice(play, question, reasons);
    }
    free(question);
    if (!given)
        return false;
    bool right = !strcmp(given, because);
    voice_sayf(&play->voice, 0, right ? "+ " : "- ",
               right ? "That is right." : "No: %s.", because);
    json_object_set_new(entry, "because", json_string(because));
    json_object_set_new(entry, "explained", json_boolean(right));
    free(given);
    return true;
}

/* Too many predictions were wrong: each miss can be made good. */
static void explain_misses(struct play *play)
{
    struct quiz_tally tally = quiz_predictions(play->result);
    json_t *steps = json_object_get(play->result, "steps");
    size_t i, j;
    json_t *step, *entry;
    if (!play->lab->enough || quiz_enough(&tally, play->lab->enough))
        return;
    json_t *reasons = reasons_of(play->lab);
    voice_heading(&play->voice, "What was missed");
    voice_sayf(&play->voice, 0, "",
               "%d of %d predictions were right; %u in a hundred would have "
               "been enough. Explain every one of the others, and that is "
               "enough, too: what decides it?",
               tally.right, tally.asked, play->lab->enough);
    bool here = true;
    json_array_foreach(steps, i, step)
        json_array_foreach(json_object_get(step, "predictions"), j, entry)
    {
        const char *because = play->lab->steps[i].predictions[j].because;
        if (here && because && !json_is_true(json_object_get(entry, "right")))
            here = explain_one(play, entry, because, reasons);
    }
    json_decref(reasons);
}

int quiz_ask(struct play *play, struct err *err)
{
    unsigned count = play->lab->questions_count;
    char **answers = calloc(count + 1, sizeof *answers);
    int rc = count ? judge_answers(play, answers, err) : 0;
    if (!rc && count) {
        voice_heading(&play->voice, "Questions");
        if (!play->options->play)
            voice_sayf(&play->voice, 0, "",
                       "The answers are in what you have seen and in the "
                       "capture, which is finished now: %s. You have three "
                       "tries for each; ? gives a hint.",
                       play->capture_path);
    }
    for (unsigned i = 0; !rc && i < count; i++)
        if (!ask_one(play, i, answers[i]))
            break;
    for (unsigned i = 0; i < count; i++)
        free(answers[i]);
    free(answers);
    if (!rc)
        explain_misses(play);
    return rc;
}
