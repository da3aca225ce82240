/* SPDX-License-Identifier: MIT
 *
 * A lab: what lab.lua says, checked. Texts are borrowed from the table, which
 * lives as long as the lab. */
#ifndef LABS_ENGINE_LAB_H
#define LABS_ENGINE_LAB_H

#include "certs/err.h"
#include "labs/engine/sandbox.h"
#include "labs/net/net.h"

#include <jansson.h>
#include <stdbool.h>

/* A server of the whole lab or an act of a step: a program at a place. */
struct lab_command {
    const char *program, *as, *at;
    bool optional;
    const json_t *words; /* the whole entry, with the program's options */
};

struct lab_attack {
    const char *name, *at;
    const json_t *words;
};

struct lab_prediction {
    const char *question;
    const json_t *choices, *answer;
    const char *because; /* NULL: nobody asks */
};

/* An entry of `expect`. Either it is about an act, or it is a check, which
 * stands at `position` of the list. */
struct lab_expectation {
    const char *act;
    const json_t *words;
    unsigned position;
    const char *says;
};

struct lab_evidence {
    const char *what, *act, *kind, *place, *leg, *filter;
    char *contains; /* NULL: nothing in particular; freed with the lab */
    const json_t *data;
};

struct lab_question {
    const char *question;
    const json_t *choices; /* NULL: free text */
    const json_t *answer;  /* a path or a value; a function: see judge.h */
};

struct lab_step {
    const char *title;
    const json_t *trust; /* place -> authorities; NULL: as before */
    struct lab_attack *attacks;
    struct lab_prediction *predictions;
    struct lab_command *acts;
    struct lab_expectation *expectations;
    struct lab_evidence *evidence;
    unsigned attacks_count, predictions_count, acts_count, expectations_count,
        evidence_count;
};

struct lab {
    char id[16]; /* "lab03" */
    char *folder;
    char *source; /* the text of lab.lua */
    size_t source_len;
    json_t *table;
    const char *title, *question, *secrets;
    unsigned minutes;
    unsigned enough; /* percent of right predictions; 0: it does not matter */
    bool bare;
    const char *topologies[3]; /* "switch" ...; the first is the default */
    unsigned topologies_count;
    struct lab_command *starts;
    struct lab_step *steps;
    struct lab_question *questions;
    unsigned starts_count, steps_count, questions_count;
};

/* Load, check and take apart FOLDER/lab.lua. The file runs in a jail. -1
 * with EXIT_LAB_INVALID and a sentence that names the line. */
int lab_load(const char *folder, const struct sandbox_world *world,
             struct lab **out, struct err *err);

/* The same from a text, in this process: for the fuzzer. */
int lab_load_text(const char *text, size_t len, struct lab **out,
                  struct err *err);
void lab_free(struct lab *lab);

/* Parts of loading: lab_check.c. */
int lab_check(const struct lab *lab, struct err *err);
int lab_check_guide(const struct lab *lab, struct err *err);

/* The lists that need no struct of their own. */
const json_t *lab_places(const struct lab *lab);
const json_t *lab_names(const struct lab *lab);  /* name -> place; or NULL */
const json_t *lab_routes(const struct lab *lab); /* or NULL */
const json_t *lab_claims(const struct lab *lab); /* or NULL */

/* The hint of this grade (1 to 3) for a question (1 ...), or NULL. */
const char *lab_hint(const struct lab *lab, unsigned question, unsigned grade);

/* What a play ("solution", "wrong") answers; NULL: nothing. */
const json_t *lab_play_prediction(const struct lab *lab, const char *play,
                                  unsigned step, unsigned prediction);
const json_t *lab_play_answer(const struct lab *lab, const char *play,
                              unsigned question);

#endif
