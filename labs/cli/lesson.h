/* SPDX-License-Identifier: MIT
 *
 * What the commands about labs share. */
#ifndef LABS_CLI_LESSON_H
#define LABS_CLI_LESSON_H

#include "labs/cli/cli.h"
#include "labs/engine/lab.h"

/* Load the lab that the first argument names. -1 with EXIT_USAGE when there
 * is none, EXIT_LAB_INVALID when its file is wrong. */
int lesson_load(const struct arguments *rest, const char *command,
                struct lab **out, struct err *err);

/* {"id", "title", "topology", ...} */
json_t *lesson_json(const struct lab *lab);

#endif
