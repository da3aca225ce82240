/* SPDX-License-Identifier: MIT
 *
 * mitmlab check: what a lab's workshop comes to, without its questions. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/engine/lab.h"
#include "labs/engine/run.h"
#include "labs/engine/shelf.h"
#include "labs/engine/workshop.h"

#include <stdlib.h>
#include <string.h>

/* The first lab that has a workshop; free() it. */
static char *first_workshop(struct err *err)
{
    struct shelf shelf;
    char *found = NULL;
    if (shelf_open(&shelf, err))
        return NULL;
    for (unsigned i = 0; i < shelf.count && !found; i++) {
        struct sandbox_world world = {0};
        struct err ignored = ERR_INIT;
        struct lab *lab;
        if (lab_load(shelf.folders[i], &world, &lab, &ignored))
            continue;
        if (workshop_has(lab))
            found = strdup(shelf.folders[i]);
        lab_free(lab);
    }
    shelf_close(&shelf);
    if (!found)
        err_set(err, "no lab here has anything to repair");
    return found;
}

/* The first time there is nothing to check yet. *out_made: so it was. */
static int prepare(const char *folder, bool *out_made, struct err *err)
{
    struct sandbox_world world = {0};
    struct lab *lab;
    char name[64];
    if (lab_load(folder, &world, &lab, err))
        return -1;
    int rc = -1;
    if (!workshop_has(lab))
        err_code(err, EXIT_USAGE,
                 "%s has nothing to repair; 'mitmlab run %s' plays it", lab->id,
                 lab->id);
    else
        rc = workshop_make(lab, out_made, err);
    if (!rc && *out_made) {
        workshop_folder(lab, name);
        fprintf(stderr,
                "The sources lie in %s/ now. Repair them, and call this "
                "again.\n",
                name);
    }
    lab_free(lab);
    return rc;
}

static int check(const char *folder, const char *out, bool json,
                 struct err *err)
{
    const struct run_options options = {
        .folder = folder,
        .out = out,
        .play = "check",
        .check = true,
        .version = MITMLAB_VERSION,
        .talk = json ? stderr : stdout,
        .json = json,
    };
    return run_lab(&options, err);
}

int cmd_check(int argc, char **argv)
{
    const char *out = NULL;
    bool json = false, helped, made = false;
    const struct option table[] = {
        {"out", 'o', OPTION_TEXT, "DIR",
         "The run folder; an existing one is replaced at the end.", &out},
        {"json", 0, OPTION_FLAG, NULL,
         "Print result.json at the end; talk goes to stderr.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    if (options_parse(command_find("check"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    char *folder = rest.count > 1 ? NULL
                   : rest.count   ? shelf_find(rest.items[0], &err)
                                  : first_workshop(&err);
    if (rest.count > 1)
        err_code(&err, EXIT_USAGE, "check: name one lab, or none");
    int code = folder ? prepare(folder, &made, &err) : -1;
    if (!code)
        code = made ? EXIT_GOAL_MISSED : check(folder, out, json, &err);
    free(folder);
    return code < 0 ? cli_fail(&err) : code;
}
