/* SPDX-License-Identifier: MIT
 *
 * mitmlab hint LAB [QUESTION [GRADE]]: a little help with a question. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/lesson.h"
#include "labs/cli/term.h"
#include "labs/engine/lab.h"

#include <jansson.h>
#include <stdlib.h>

enum { GRADES = 3 };

static unsigned number_at(const struct arguments *rest, unsigned index)
{
    return rest->count > index ? (unsigned)strtoul(rest->items[index], NULL, 10)
                               : 1;
}

static void print_questions(const struct term *term, const struct lab *lab)
{
    for (unsigned i = 0; i < lab->questions_count; i++) {
        char head[16];
        snprintf(head, sizeof head, "%u. ", i + 1);
        term_flow(stdout, term, lab->questions[i].question, 0, head);
    }
    printf("\n'mitmlab hint %s N' gives a hint for question N.\n", lab->id);
}

/* Grades 1 up to the one that is asked for. */
static int print_hints(const struct term *term, const struct lab *lab,
                       unsigned question, unsigned grade, struct err *err)
{
    if (!lab_hint(lab, question, grade)) {
        err_code(err, EXIT_USAGE,
                 "%s has no hint %u for question %u; there are %u questions "
                 "and up to %d hints for each",
                 lab->id, grade, question, lab->questions_count, GRADES);
        return -1;
    }
    term_flow(stdout, term, lab->questions[question - 1].question, 0, "");
    for (unsigned i = 1; i <= grade; i++) {
        char head[24];
        snprintf(head, sizeof head, "hint %u: ", i);
        term_flow(stdout, term, lab_hint(lab, question, i), 2, head);
    }
    if (lab_hint(lab, question, grade + 1))
        printf("\n'mitmlab hint %s %u %u' says more.\n", lab->id, question,
               grade + 1);
    return 0;
}

static int print_json(const struct lab *lab, unsigned question, unsigned grade,
                      struct err *err)
{
    json_t *hints = json_array();
    for (unsigned i = 1; i <= grade && lab_hint(lab, question, i); i++)
        json_array_append_new(hints, json_string(lab_hint(lab, question, i)));
    if (!json_array_size(hints)) {
        json_decref(hints);
        err_code(err, EXIT_USAGE, "%s has no hint for question %u", lab->id,
                 question);
        return -1;
    }
    json_t *whole = json_pack(
        "{s:s,s:i,s:s,s:o}", "lab", lab->id, "number", (int)question,
        "question", lab->questions[question - 1].question, "hints", hints);
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
    return 0;
}

int cmd_hint(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    struct lab *lab;
    if (options_parse(command_find("hint"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (lesson_load(&rest, "hint", &lab, &err))
        return cli_fail(&err);
    struct term term;
    term_look(&term, 1);
    int rc = 0;
    if (json)
        rc = print_json(lab, number_at(&rest, 1), number_at(&rest, 2), &err);
    else if (rest.count < 2)
        print_questions(&term, lab);
    else
        rc = print_hints(&term, lab, number_at(&rest, 1), number_at(&rest, 2),
                         &err);
    lab_free(lab);
    return rc ? cli_fail(&err) : EXIT_OK;
}
