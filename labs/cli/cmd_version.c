/* SPDX-License-Identifier: MIT
 *
 * mitmlab --version: this program, and the libraries that it runs with. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/engine/papers.h"

#include <jansson.h>

static void print(const json_t *versions)
{
    const char *name;
    json_t *version;
    json_object_foreach((json_t *)versions, name, version)
        printf("%-8s %s\n", name, json_string_value(version));
}

int cmd_version(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    if (options_parse(command_find("version"), table, argc, argv, &rest,
                      &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    const struct run_options options = {.version = MITMLAB_VERSION};
    json_t *versions = papers_versions(&options);
    if (json)
        json_dumpf(versions, stdout, JSON_COMPACT);
    else
        print(versions);
    if (json)
        putchar('\n');
    json_decref(versions);
    return EXIT_OK;
}
