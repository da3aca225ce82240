/* SPDX-License-Identifier: MIT
 *
 * mitmlab list; and mitmlab alone, which says where the trainee stands. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/lesson.h"
#include "labs/cli/term.h"
#include "labs/engine/lab.h"
#include "labs/engine/progress.h"
#include "labs/engine/shelf.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    struct shelf shelf;
    struct progress progress;
    struct term term;
    struct lab *labs[SHELF_MOST]; /* NULL: invalid, said on stderr */
    int code;
};

static int listing_open(struct listing *listing, struct err *err)
{
    struct sandbox_world world = {0};
    if (shelf_open(&listing->shelf, err))
        return -1;
    listing->code = EXIT_OK;
    term_look(&listing->term, 1);
    progress_read(&listing->progress);
    for (unsigned i = 0; i < listing->shelf.count; i++) {
        struct err wrong = ERR_INIT;
        listing->labs[i] = NULL;
        if (lab_load(listing->shelf.folders[i], &world, &listing->labs[i],
                     &wrong))
            listing->code = cli_fail(&wrong);
    }
    return 0;
}

static void listing_close(struct listing *listing)
{
    for (unsigned i = 0; i < listing->shelf.count; i++)
        lab_free(listing->labs[i]);
    shelf_close(&listing->shelf);
}

/* "passed 9/9", "tried 4/9", "begun" by a run without a score, "" */
static void standing(const struct listing *listing, const struct lab *lab,
                     char out[48])
{
    const struct progress_lab *it = progress_of(&listing->progress, lab->id);
    out[0] = '\0';
    if (it && !it->max)
        snprintf(out, 48, "begun");
    else if (it)
        snprintf(out, 48, "%s %lld/%lld", it->passed ? "passed" : "tried",
                 it->got, it->max);
}

static void print_json(const struct listing *listing)
{
    json_t *labs = json_array();
    for (unsigned i = 0; i < listing->shelf.count; i++) {
        if (!listing->labs[i])
            continue;
        json_t *lab = lesson_json(listing->labs[i]);
        const struct progress_lab *done =
            progress_of(&listing->progress, listing->labs[i]->id);
        json_object_set_new(lab, "passed", json_boolean(done && done->passed));
        json_object_set_new(lab, "runs", json_integer(done ? done->runs : 0));
        json_array_append_new(labs, lab);
    }
    json_t *whole = json_pack("{s:o}", "labs", labs);
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
}

static void print_lab(const struct listing *listing, const struct lab *lab)
{
    char done[48], text[512];
    standing(listing, lab, done);
    snprintf(text, sizeof text, "%s%s%s%s", lab->title, *done ? "  (" : "",
             done, *done ? ")" : "");
    char head[40];
    snprintf(head, sizeof head, TERM_BOLD "%-7s" TERM_PLAIN, lab->id);
    term_flow(stdout, &listing->term, text, 0, head);
    snprintf(text, sizeof text, TERM_FAINT "%s, about %u minutes" TERM_PLAIN,
             lab->topologies[0], lab->minutes);
    term_flow(stdout, &listing->term, text, 7, "");
}

int cmd_list(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    struct listing listing;
    if (options_parse(command_find("list"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (listing_open(&listing, &err))
        return cli_fail(&err);
    if (json)
        print_json(&listing);
    for (unsigned i = 0; !json && i < listing.shelf.count; i++)
        if (listing.labs[i])
            print_lab(&listing, listing.labs[i]);
    listing_close(&listing);
    return listing.code;
}

/* The first lab that has not been passed. */
static const struct lab *next_lab(const struct listing *listing,
                                  unsigned *out_passed, unsigned *out_known)
{
    const struct lab *next = NULL;
    *out_passed = *out_known = 0;
    for (unsigned i = 0; i < listing->shelf.count; i++) {
        const struct lab *lab = listing->labs[i];
        if (!lab)
            continue;
        const struct progress_lab *done =
            progress_of(&listing->progress, lab->id);
        ++*out_known;
        if (done && done->passed)
            ++*out_passed;
        else if (!next)
            next = lab;
    }
    return next;
}

static void say_standing(const struct term *term, const struct lab *next,
                         unsigned passed, unsigned known)
{
    char text[640];
    snprintf(text, sizeof text, "You have passed %u of %u labs.", passed,
             known);
    term_flow(stdout, term, text, 0, "");
    if (next) {
        snprintf(text, sizeof text, "Next is %s, \"%s\": %s", next->id,
                 next->title, next->question);
        term_flow(stdout, term, text, 0, "");
        snprintf(text, sizeof text, "\n    mitmlab run %s\n", next->id);
        term_line(stdout, term, text);
    }
    term_flow(stdout, term,
              "\n'mitmlab list' shows all labs, 'mitmlab help' all commands.",
              0, "");
}

int cmd_standing(int argc, char **argv)
{
    struct listing listing;
    struct err err = ERR_INIT;
    unsigned passed, known;
    (void)argv;
    if (listing_open(&listing, &err))
        return cli_fail(&err);
    const struct lab *next = next_lab(&listing, &passed, &known);
    if (argc > 1) {
        json_t *whole = json_pack("{s:i,s:i,s:s?}", "passed", passed, "labs",
                                  known, "next", next ? next->id : NULL);
        json_dumpf(whole, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(whole);
    } else {
        say_standing(&listing.term, next, passed, known);
    }
    listing_close(&listing);
    return listing.code;
}
