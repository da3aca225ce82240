/* SPDX-License-Identifier: MIT
 *
 * mitmlab info LAB: what a lab is about, before running it. Loading it is
 * also the check of its file. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/lesson.h"
#include "labs/cli/term.h"
#include "labs/engine/guide.h"
#include "labs/engine/lab.h"
#include "labs/engine/shelf.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void print_pair(const struct term *term, const char *name,
                       const char *text)
{
    char head[32];
    snprintf(head, sizeof head, "%-10s ", name);
    term_flow(stdout, term, text, 0, head);
}

/* "a, b, c" */
static char *joined(const json_t *list)
{
    size_t room = 1;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item) room +=
        json_string_length(item) + 2;
    char *text = calloc(1, room);
    json_array_foreach((json_t *)list, i, item)
    {
        if (i)
            strcat(text, ", ");
        strcat(text, json_string_value(item));
    }
    return text;
}

static void print_topologies(const struct term *term, const struct lab *lab)
{
    char text[96] = "";
    for (unsigned i = 0; i < lab->topologies_count; i++) {
        if (i)
            strcat(text, ", ");
        strcat(text, lab->topologies[i]);
    }
    if (lab->bare)
        strcat(text, ", --bare");
    print_pair(term, "topology", text);
}

static void print_head(const struct term *term, const struct lab *lab)
{
    char text[256];
    snprintf(text, sizeof text, TERM_BOLD "%s  %s" TERM_PLAIN, lab->id,
             lab->title);
    term_flow(stdout, term, text, 0, "");
    term_flow(stdout, term, lab->question, 0, "");
    putchar('\n');
    char *claims = joined(lab_claims(lab)), *places = joined(lab_places(lab));
    snprintf(text, sizeof text, "about %u", lab->minutes);
    print_pair(term, "minutes", text);
    print_topologies(term, lab);
    print_pair(term, "places", places);
    print_pair(term, "claims", claims);
    free(claims);
    free(places);
}

static void print_info(const struct lab *lab)
{
    struct term term;
    struct err err = ERR_INIT;
    term_look(&term, 1);
    print_head(&term, lab);
    printf("\nsteps\n");
    for (unsigned i = 0; i < lab->steps_count; i++) {
        char head[16];
        snprintf(head, sizeof head, "%u. ", i + 1);
        term_flow(stdout, &term, lab->steps[i].title, 2, head);
    }
    char *guide = guide_read(lab->folder, &err);
    char *introduction = guide ? guide_introduction(guide) : NULL;
    if (introduction && *introduction) {
        putchar('\n');
        term_markdown(stdout, &term, introduction);
    }
    printf("\n    mitmlab run %s\n", lab->id);
    free(introduction);
    free(guide);
}

static void print_json(const struct lab *lab)
{
    json_t *whole = lesson_json(lab);
    json_object_set(whole, "places", (json_t *)lab_places(lab));
    json_object_set_new(whole, "folder", json_string(lab->folder));
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
}

int cmd_info(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    struct lab *lab;
    if (options_parse(command_find("info"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (lesson_load(&rest, "info", &lab, &err))
        return cli_fail(&err);
    if (json)
        print_json(lab);
    else
        print_info(lab);
    lab_free(lab);
    return EXIT_OK;
}
