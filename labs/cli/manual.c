/* SPDX-License-Identifier: MIT
 *
 * Manual pages and completions: the option table of one command in the words
 * of roff and of three shells. */
#include "labs/cli/cli.h"

#include <string.h>

/* ---- roff ---------------------------------------------------------------- */

/* Text in which roff sees no request and no escape. */
static void put_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++)
        switch (*text) {
        case '\\':
            fputs("\\e", out);
            break;
        case '-':
            fputs("\\-", out);
            break;
        default:
            fputc(*text, out);
        }
}

static void roff_option(FILE *out, const struct option *option)
{
    fputs(".TP\n", out);
    if (option->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    put_roff(out, option->name);
    fputs("\\fR", out);
    if (option->value) {
        fputs(" \\fI", out);
        put_roff(out, option->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put_roff(out, option->sentence);
    fputc('\n', out);
}

static void roff(FILE *out, const struct command *command,
                 const struct option *table)
{
    fprintf(out, ".TH MITMLAB-%s 1\n.SH NAME\nmitmlab-%s \\- ", command->name,
            command->name);
    put_roff(out, command->sentence);
    fputs("\n.SH SYNOPSIS\n\\fBmitmlab\\fR ", out);
    put_roff(out, command->synopsis);
    fputc('\n', out);
    if (table->name)
        fputs(".SH OPTIONS\n", out);
    for (; table->name; table++) {
        if (table->kind != OPTION_HEADING) {
            roff_option(out, table);
            continue;
        }
        fputs(".SS ", out);
        put_roff(out, table->sentence);
        fputc('\n', out);
    }
    const struct example *example;
    for (unsigned i = 0; (example = example_of(command, i)); i++) {
        fputs(i ? ".TP\n\\fB" : ".SH EXAMPLES\n.TP\n\\fB", out);
        put_roff(out, example->line);
        fputs("\\fR\n", out);
        put_roff(out, example->sentence);
        fputc('\n', out);
    }
    fputs(".SH SEE ALSO\n\\fBmitmlab\\fR(1)\n", out);
}

/* ---- shells -------------------------------------------------------------- */

static bool takes_path(const struct option *option)
{
    return option->value && (!strncmp(option->value, "FILE", 4) ||
                             !strncmp(option->value, "DIR", 3));
}

static bool takes_lab(const struct command *command)
{
    return strstr(command->synopsis, " LAB") != NULL;
}

/* A branch of the `case` in the script of completions.c. */
static void bash(FILE *out, const struct command *command,
                 const struct option *table)
{
    const struct option *it;
    fprintf(out, "    %s)\n        options='--help", command->name);
    for (it = table; it->name; it++)
        if (*it->name)
            fprintf(out, " --%s", it->name);
    fputs("'\n        valued='", out);
    for (it = table; it->name; it++)
        if (it->value)
            fprintf(out, " --%s ", it->name);
    fputs("'\n        paths='", out);
    for (it = table; it->name; it++)
        if (takes_path(it))
            fprintf(out, " --%s ", it->name);
    fprintf(out, "'\n        words=%s\n        ;;\n",
            takes_lab(command) ? "labs" : "files");
}

/* A sentence inside '...[ ]...' of _arguments, or inside '...' of fish. */
static void put_quoted(FILE *out, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", out);
        else if (strchr(escaped, *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void zsh(FILE *out, const struct command *command,
                const struct option *table)
{
    fprintf(out, "    (%s) _arguments '--help[Say what there is]'",
            command->name);
    for (; table->name; table++) {
        if (!*table->name)
            continue;
        fprintf(out, " \\\n        '%s--%s[",
                table->kind == OPTION_LIST ? "*" : "", table->name);
        put_quoted(out, table->sentence, "[]:\\");
        fputc(']', out);
        if (table->value) {
            fputc(':', out);
            put_quoted(out, table->value, ":\\");
            fputs(takes_path(table) ? ":_files" : ":", out);
        }
        fputc('\'', out);
    }
    fprintf(out, " \\\n        '*: :%s' ;;\n",
            takes_lab(command) ? "_mitmlab_labs" : "_files");
}

static void fish(FILE *out, const struct command *command,
                 const struct option *table)
{
    char seen[64];
    snprintf(seen, sizeof seen, "__fish_seen_subcommand_from %s",
             command->name);
    fprintf(out, "complete -c mitmlab -n __fish_use_subcommand -f -a %s -d '",
            command->name);
    put_quoted(out, command->sentence, "\\");
    fputs("'\n", out);
    if (takes_lab(command))
        fprintf(out,
                "complete -c mitmlab -n '%s' -f -a "
                "'(mitmlab completions labs)'\n",
                seen);
    for (; table->name; table++) {
        if (!*table->name)
            continue;
        fprintf(out, "complete -c mitmlab -n '%s' -l %s%s -d '", seen,
                table->name,
                !table->value       ? ""
                : takes_path(table) ? " -r -F"
                                    : " -x");
        put_quoted(out, table->sentence, "\\");
        fputs("'\n", out);
    }
}

void manual_command(const struct command *command, const struct option *table,
                    enum help_form form, FILE *out)
{
    switch (form) {
    case HELP_TEXT:
        break;
    case HELP_ROFF:
        roff(out, command, table);
        break;
    case HELP_BASH:
        bash(out, command, table);
        break;
    case HELP_ZSH:
        zsh(out, command, table);
        break;
    case HELP_FISH:
        fish(out, command, table);
        break;
    }
}
