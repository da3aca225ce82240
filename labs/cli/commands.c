/* SPDX-License-Identifier: MIT
 *
 * The table of subcommands, from commands.def. */
#include "labs/cli/commands.h"

#include "labs/cli/cli.h"

#include <string.h>

const struct command commands[] = {
#define COMMAND(name, function, synopsis, sentence, hidden)                    \
    {name, synopsis, sentence, function, hidden},
#include "labs/cli/commands.def"
#undef COMMAND
    {0},
};

const struct command *command_find(const char *name)
{
    for (const struct command *it = commands; it->name; it++)
        if (!strcmp(it->name, name))
            return it;
    return NULL;
}
