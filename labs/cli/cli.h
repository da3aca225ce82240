/* SPDX-License-Identifier: MIT
 *
 * Subcommands and their options. One table per command makes the parser and
 * the text of --help. */
#ifndef LABS_CLI_CLI_H
#define LABS_CLI_CLI_H

#include "certs/err.h"
#include "certs/nearest.h"

#include <stdbool.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,    /* --json                bool * */
    OPTION_COUNT,   /* -v -v, -vv           unsigned * */
    OPTION_TEXT,    /* --out DIR             const char ** */
    OPTION_NUMBER,  /* --seed N              long long * */
    OPTION_LIST,    /* --listen A:P (again)  struct option_list * */
    OPTION_HEADING, /* a title in --help (its sentence) above what follows */
};

struct option_list {
    const char *items[32];
    unsigned count;
};

/* A row; a table ends with a row whose name is NULL. */
struct option {
    const char *name; /* "out", without dashes */
    char letter;      /* 'o' for -o, or 0 */
    enum option_kind kind;
    const char *value; /* "DIR", shown in help; NULL for flags */
    const char *sentence;
    void *target; /* set by the parser */
};

/* What stands between the options, in order. */
struct arguments {
    const char *items[64];
    unsigned count;
};

struct command {
    const char *name;
    const char *synopsis;              /* "run LAB [--seed N] ..." */
    const char *sentence;              /* one line of `mitmlab help` */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name;
                                          returns an exit code */
    bool hidden; /* started by the program itself, not by people */
};

extern const struct command commands[]; /* ends with a NULL name */

/* Parse argv[1..]. "--name value", "--name=value", "-l value", "--" ends the
 * options. 0; or -1 with EXIT_USAGE and the nearest known name. --help prints
 * the table and sets *helped (then return EXIT_OK). */
int options_parse(const struct command *command, const struct option *table,
                  int argc, char **argv, struct arguments *rest, bool *helped,
                  struct err *err);

/* What --help prints. The forms other than text are for programs, asked for
 * with --help=roff and so on: the manual pages and the completions are made of
 * them, so that the table stays the only place that names an option. */
enum help_form { HELP_TEXT, HELP_ROFF, HELP_BASH, HELP_ZSH, HELP_FISH };
void options_help(const struct command *command, const struct option *table,
                  FILE *out);

/* Row `index` of those that belong to a command; NULL behind the last. */
struct example {
    const char *command, *line, *sentence;
};
const struct example *example_of(const struct command *command, unsigned index);

/* In manual.c: one command in any form but text. */
void manual_command(const struct command *command, const struct option *table,
                    enum help_form form, FILE *out);

/* "mitmlab: <sentence>" on stderr; returns the exit code in err. */
int cli_fail(const struct err *err);

const struct command *command_find(const char *name);

#endif
