/* SPDX-License-Identifier: MIT
 *
 * mitmlab help [TOPIC] */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"

#include <string.h>

static void list_commands(void)
{
    printf("usage: mitmlab COMMAND ...\n\ncommands:\n");
    for (const struct command *it = commands; it->name; it++)
        if (!it->hidden)
            printf("  %-10s %s\n", it->name, it->sentence);
    printf("\n'mitmlab help COMMAND' says more.\n");
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        list_commands();
        return EXIT_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (!command || command->hidden) {
        struct err err = ERR_INIT;
        err_code(&err, EXIT_USAGE,
                 "no help on \"%s\"; 'mitmlab help' lists "
                 "what there is",
                 argv[1]);
        return cli_fail(&err);
    }
    char *help[] = {argv[1], "--help", NULL};
    return command->run(2, help);
}
