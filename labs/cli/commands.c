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

const struct example *example_of(const struct command *command, unsigned index)
{
    static const struct example examples[] = {
#define EXAMPLE(command, line, sentence) {command, line, sentence},
#include "labs/cli/examples.def"
#undef EXAMPLE
        {0},
    };
    for (const struct example *it = examples; it->command; it++)
        if (!strcmp(it->command, command->name) && !index--)
            return it;
    return NULL;
}

const struct command *command_find(const char *name)
{
    for (const struct command *it = commands; it->name; it++)
        if (!strcmp(it->name, name))
            return it;
    return NULL;
}
