/* SPDX-License-Identifier: MIT
 *
 * mitmlab completions SHELL | man [COMMAND] | labs: what a shell and man(1)
 * want to know, made of the same tables as --help. The build calls it for the
 * files that are installed. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/engine/shelf.h"

#include <string.h>

/* Every command prints its own part: it alone knows its options. */
static int each_command(const char *form)
{
    for (const struct command *it = commands; it->name; it++) {
        char name[32], help[32];
        if (it->hidden)
            continue;
        snprintf(name, sizeof name, "%s", it->name);
        snprintf(help, sizeof help, "--help=%s", form);
        char *argv[] = {name, help, NULL};
        if (it->run(2, argv))
            return EXIT_BUG;
    }
    return EXIT_OK;
}

static void put_names(void)
{
    for (const struct command *it = commands; it->name; it++)
        if (!it->hidden)
            printf(" %s", it->name);
}

static int print_bash(void)
{
    printf("# bash completion for mitmlab\n"
           "_mitmlab() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]}"
           " prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local options= valued= paths= words=\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    put_names();
    printf("' -- \"$cur\"))\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    if (each_command("bash"))
        return EXIT_BUG;
    printf("    esac\n"
           "    case \" $paths \" in *\" $prev \"*)\n"
           "        COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
           "    esac\n"
           "    case \" $valued \" in *\" $prev \"*) return ;; esac\n"
           "    case $cur in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
           "    *) if [ \"$words\" = labs ]; then\n"
           "           COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\""
           " completions labs 2>/dev/null)\" -- \"$cur\"))\n"
           "       else\n"
           "           COMPREPLY=($(compgen -f -- \"$cur\"))\n"
           "       fi ;;\n"
           "    esac\n"
           "}\n"
           "complete -o filenames -F _mitmlab mitmlab\n");
    return EXIT_OK;
}

static int print_zsh(void)
{
    printf("#compdef mitmlab\n"
           "_mitmlab_labs() {\n"
           "    compadd -- ${(f)\"$(mitmlab completions labs 2>/dev/null)\"}\n"
           "}\n"
           "_mitmlab() {\n"
           "    if (( CURRENT == 2 )); then\n"
           "        compadd --");
    put_names();
    printf("\n        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words; (( CURRENT-- ))\n"
           "    case $command in\n");
    if (each_command("zsh"))
        return EXIT_BUG;
    printf("    esac\n"
           "}\n"
           "_mitmlab \"$@\"\n");
    return EXIT_OK;
}

static int print_fish(void)
{
    printf("# fish completion for mitmlab\n");
    return each_command("fish");
}

static int print_labs(void)
{
    struct shelf shelf = {0};
    struct err err = ERR_INIT;
    if (shelf_open(&shelf, &err))
        return cli_fail(&err);
    for (unsigned i = 0; i < shelf.count; i++) {
        char id[16];
        shelf_id(shelf.folders[i], id);
        puts(id);
    }
    shelf_close(&shelf);
    return EXIT_OK;
}

/* ---- man ----------------------------------------------------------------- */

static int print_overview(void)
{
    printf(".TH MITMLAB 1\n.SH NAME\nmitmlab \\- a man\\-in\\-the\\-middle "
           "attack lab on one machine\n.SH SYNOPSIS\n\\fBmitmlab\\fR "
           "\\fICOMMAND\\fR ...\n.SH COMMANDS\n");
    for (const struct command *it = commands; it->name; it++)
        if (!it->hidden)
            printf(".TP\n\\fBmitmlab\\-%s\\fR(1)\n%s\n", it->name,
                   it->sentence);
    printf(".SH SEE ALSO\n\\fBmitmlab help\\fR lists further topics, among "
           "them the exit codes.\n");
    return EXIT_OK;
}

static int print_man(const char *name, struct err *err)
{
    if (!name)
        return print_overview();
    const struct command *command = command_find(name);
    if (!command || command->hidden) {
        err_code(err, EXIT_USAGE, "no command \"%s\" to write a page about",
                 name);
        return cli_fail(err);
    }
    char word[32], help[] = "--help=roff";
    snprintf(word, sizeof word, "%s", name);
    char *argv[] = {word, help, NULL};
    return command->run(2, argv);
}

int cmd_completions(int argc, char **argv)
{
    static const struct option table[] = {{0}};
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("completions"), table, argc, argv, &rest,
                      &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    const char *what = rest.count ? rest.items[0] : "";
    if (!strcmp(what, "bash"))
        return print_bash();
    if (!strcmp(what, "zsh"))
        return print_zsh();
    if (!strcmp(what, "fish"))
        return print_fish();
    if (!strcmp(what, "labs"))
        return print_labs();
    if (!strcmp(what, "man"))
        return print_man(rest.count > 1 ? rest.items[1] : NULL, &err);
    err_code(&err, EXIT_USAGE,
             "completions wants bash, zsh, fish, labs or man, not \"%s\"",
             what);
    return cli_fail(&err);
}
