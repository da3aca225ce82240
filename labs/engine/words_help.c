/* SPDX-License-Identifier: MIT
 *
 * The text of `mitmlab help lab`, from the tables of words. */
#include "labs/engine/words.h"

#include "labs/cli/term.h"
#include "labs/engine/canary.h"

#include <string.h>

static const char *kind_label(const struct word *word)
{
    static const char *const labels[] = {
        [WORD_TEXT] = "text",
        [WORD_TEXTS] = "text or list of text",
        [WORD_NUMBER] = "number",
        [WORD_YES] = "yes",
        [WORD_VALUE] = "value",
        [WORD_FUNCTION] = "function",
        [WORD_ANSWER] = "value or function",
        [WORD_TABLE] = "table",
    };
    return labels[word->kind];
}

static void help_word(FILE *out, unsigned width, const struct word *word)
{
    char head[160], text[640];
    const char *key = word->key[0] == '#'   ? "(each entry)"
                      : word->key[0] == '*' ? "(any name)"
                                            : word->key;
    bool choices = word->kind == WORD_TEXT && word->of[0];
    bool table = word->kind == WORD_TABLE;
    snprintf(head, sizeof head, "%s%s  %s%s%s",
             word->key[0] >= '1' && word->key[0] <= '9' ? "position " : "", key,
             choices ? word->of : kind_label(word), table ? " of " : "",
             table ? word->of : "");
    bool needed = word->fallback == word_needed;
    snprintf(text, sizeof text, "%s%s%s%s", word->sentence,
             needed            ? " Needed."
             : !word->fallback ? ""
                               : " Default: ",
             needed || !word->fallback ? "" : word->fallback,
             needed || !word->fallback ? "" : ".");
    term_wrap(out, head, width, 2);
    term_wrap(out, text, width, 6);
}

static void help_words(FILE *out, unsigned width)
{
    const char *table = "";
    const struct word *word;
    for (unsigned i = 0; (word = word_at(i)); i++) {
        if (strcmp(table, word->table) != 0) {
            table = word->table;
            fprintf(out, "\n%s\n", table);
        }
        help_word(out, width, word);
    }
}

static void help_programs(FILE *out, unsigned width)
{
    fprintf(out, "\nPrograms, and the keys that they take\n");
    const struct program *program;
    for (unsigned i = 0; (program = program_at(i)); i++) {
        fprintf(out, "\n%s\n", program->name);
        term_wrap(out, program->sentence, width, 2);
        const struct word *word;
        for (unsigned j = 0; (word = program_option_at(program, j)); j++)
            help_word(out, width, word);
    }
}

static void help_canaries(FILE *out, unsigned width)
{
    fprintf(out, "\nValues drawn from the seed\n\n");
    const struct canary *canary;
    for (unsigned i = 0; (canary = canary_at(i)); i++) {
        char text[160];
        snprintf(text, sizeof text, "canary.%s: %s", canary->name,
                 canary->sentence);
        term_wrap(out, text, width, 2);
    }
}

void words_help(FILE *out, unsigned width)
{
    term_wrap(out,
              "A lab is a folder with lab.lua and README.md. lab.lua is a Lua "
              "5.4 file that returns one checked table, lab { ... }. Functions "
              "stand only in expect and questions. In scope are lab, canary, "
              "address (address.server), file (file.trust, file.rogue_ca), "
              "tostring, tonumber, ipairs, pairs, type, select, and parts of "
              "string, table and math.",
              width, 0);
    fputc('\n', out);
    term_wrap(out,
              "README.md has, for each step, a section under the step's title. "
              "Its first part is printed before the step; from the first "
              "sub-heading or the first paragraph that begins with bold words "
              "on, it is printed after the step.",
              width, 0);
    help_words(out, width);
    help_programs(out, width);
    help_canaries(out, width);
}
