/* SPDX-License-Identifier: MIT
 *
 * The functions behind the rows of commands.def, one cmd_*.c each. */
#ifndef LABS_CLI_COMMANDS_H
#define LABS_CLI_COMMANDS_H

#define COMMAND(name, function, synopsis, sentence, hidden)                    \
    int function(int argc, char **argv);
#include "labs/cli/commands.def"
#undef COMMAND

/* `mitmlab` without a word, or with --json. */
int cmd_standing(int argc, char **argv);

#endif
