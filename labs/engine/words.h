/* SPDX-License-Identifier: MIT
 *
 * The words of a lab file. One table (words.def, programs.def) makes the
 * checker, the defaults and the text of `mitmlab help lab`.
 *
 * A lab file reaches us as JSON: a list of values only is an array, every
 * other table is an object in which the positions are the keys "1", "2", and
 * a function is {"$function": true}. */
#ifndef LABS_ENGINE_WORDS_H
#define LABS_ENGINE_WORDS_H

#include "certs/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum word_kind {
    WORD_TEXT,
    WORD_TEXTS,
    WORD_NUMBER,
    WORD_YES,
    WORD_VALUE,
    WORD_FUNCTION,
    WORD_ANSWER,
    WORD_TABLE,
};

/* The fallback of a word that may not be absent. */
extern const char word_needed[];

struct word {
    const char *table, *key;
    enum word_kind kind;
    const char *of, *fallback, *sentence;
};
const struct word *word_at(unsigned index); /* NULL behind the last */

/* Programs that a lab may name. */
enum program_kind { PROGRAM_CLIENT, PROGRAM_SERVER, PROGRAM_REAL };
struct program {
    const char *name;
    enum program_kind kind;
    const char *options, *sentence;
};
const struct program *program_find(const char *name);
const struct program *program_at(unsigned index);

/* An option of a program, as a word; NULL: no such option. The second walks
 * through all options of a program. */
const struct word *program_option(const struct program *program,
                                  const char *key);
const struct word *program_option_at(const struct program *program,
                                     unsigned index);

/* Check a whole lab file against the words. `source` is its text, in which
 * the line of a mistake is looked up. -1 with EXIT_LAB_INVALID and a sentence
 * such as: lab.lua:12: step 2, act 1: no key "passwort" (did you mean
 * password?) */
int words_check(const json_t *lab, const char *source, struct err *err);

/* What stands under a key of a checked table; NULL when absent. Positions are
 * "1", "2", in arrays too. */
json_t *words_get(const json_t *table, const char *key);

/* The same with the fallback of the word. The text is borrowed. */
const char *words_text(const char *table, const json_t *value, const char *key);
bool words_yes(const char *table, const json_t *value, const char *key);
long long words_number(const char *table, const json_t *value, const char *key);

/* Values as a person writes them: "yes" stays, 3 is "3", true is "true". */
char *words_value_text(const json_t *value); /* free() it */

/* Print the whole format. */
void words_help(FILE *out, unsigned width);

#endif
