/* SPDX-License-Identifier: MIT
 *
 * The option parser and the help text, both from one table. */
#include "labs/cli/cli.h"
#include "labs/cli/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct option *find_long(const struct option *table,
                                      const char *name, size_t len)
{
    for (; table->name; table++)
        if (len && strlen(table->name) == len &&
            !strncmp(table->name, name, len))
            return table;
    return NULL;
}

static const struct option *find_letter(const struct option *table, char letter)
{
    for (; table->name; table++)
        if (table->letter && table->letter == letter)
            return table;
    return NULL;
}

static int unknown(const struct command *command, const struct option *table,
                   const char *word, struct err *err)
{
    const char *names[128];
    unsigned count = 0;
    for (; table->name && count < 127; table++)
        if (*table->name) /* a heading has none */
            names[count++] = table->name;
    names[count] = NULL;
    const char *bare = word + strspn(word, "-");
    /* One letter is near to everything. */
    const char *near = strlen(bare) > 1 ? nearest(bare, names) : NULL;
    err_code(err, EXIT_USAGE,
             "%s: no option %s%s%s%s; 'mitmlab help %s' lists them",
             command->name, word, near ? " (did you mean --" : "",
             near ? near : "", near ? "?)" : "", command->name);
    return -1;
}

static int take_number(const struct option *option, const char *value,
                       struct err *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end) {
        err_code(err, EXIT_USAGE, "--%s wants a whole number, not \"%s\"",
                 option->name, value);
        return -1;
    }
    *(long long *)option->target = number;
    return 0;
}

static int take_item(const struct option *option, const char *value,
                     struct err *err)
{
    struct option_list *list = option->target;
    if (list->count == sizeof list->items / sizeof *list->items) {
        err_code(err, EXIT_USAGE, "--%s is given more than %u times",
                 option->name, list->count);
        return -1;
    }
    list->items[list->count++] = value;
    return 0;
}

static int take(const struct option *option, const char *value, struct err *err)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return 0;
    case OPTION_COUNT:
        ++*(unsigned *)option->target;
        return 0;
    case OPTION_TEXT:
        *(const char **)option->target = value;
        return 0;
    case OPTION_NUMBER:
        return take_number(option, value, err);
    case OPTION_LIST:
        return take_item(option, value, err);
    case OPTION_HEADING:
        break;
    }
    return -1;
}

static bool takes_value(const struct option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_COUNT;
}

/* "-v", or "-vvv" of one that counts; *out_times says how often. */
static const struct option *find_letters(const struct option *table,
                                         const char *word, size_t *out_times)
{
    const struct option *option = find_letter(table, word[1]);
    *out_times = strlen(word + 1);
    if (!option || *out_times == 1)
        return option;
    const char each[] = {word[1], 0};
    bool same = strspn(word + 1, each) == *out_times;
    return same && option->kind == OPTION_COUNT ? option : NULL;
}

/* One "--name", "--name=value", "-l" at argv[*at]; steps over its value. */
static int parse_one(const struct command *command, const struct option *table,
                     int argc, char **argv, int *at, struct err *err)
{
    char *word = argv[*at], *value = NULL;
    const struct option *option;
    size_t times = 1;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        option = find_long(table, word + 2, len);
        if (word[2 + len] == '=')
            value = word + 2 + len + 1;
    } else {
        option = find_letters(table, word, &times);
    }
    if (!option)
        return unknown(command, table, word, err);
    if (!takes_value(option) && value) {
        err_code(err, EXIT_USAGE, "--%s takes no value", option->name);
        return -1;
    }
    if (takes_value(option) && !value) {
        if (*at + 1 == argc) {
            err_code(err, EXIT_USAGE, "--%s wants a value: %s", option->name,
                     option->value);
            return -1;
        }
        value = argv[++*at];
    }
    while (--times)
        (void)take(option, value, err);
    return take(option, value, err);
}

static int keep_argument(const struct command *command, const char *word,
                         struct arguments *rest, struct err *err)
{
    if (rest->count == sizeof rest->items / sizeof *rest->items) {
        err_code(err, EXIT_USAGE, "%s: too many arguments", command->name);
        return -1;
    }
    rest->items[rest->count++] = word;
    return 0;
}

/* HELP_TEXT as well when the word is another one: see wants_help(). */
static enum help_form help_form(const char *word)
{
    static const char *const names[] = {
        [HELP_ROFF] = "roff",
        [HELP_BASH] = "bash",
        [HELP_ZSH] = "zsh",
        [HELP_FISH] = "fish",
    };
    const char *prefix = "--help=";
    if (strncmp(word, prefix, strlen(prefix)))
        return HELP_TEXT;
    for (unsigned i = HELP_ROFF; i < sizeof names / sizeof *names; i++)
        if (!strcmp(word + strlen(prefix), names[i]))
            return (enum help_form)i;
    return HELP_TEXT;
}

/* True when the word asked for help, and got it. */
static bool wants_help(const struct command *command,
                       const struct option *table, const char *word)
{
    enum help_form form = help_form(word);
    if (form != HELP_TEXT)
        manual_command(command, table, form, stdout);
    else if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        options_help(command, table, stdout);
    else
        return false;
    return true;
}

int options_parse(const struct command *command, const struct option *table,
                  int argc, char **argv, struct arguments *rest, bool *helped,
                  struct err *err)
{
    *rest = (struct arguments){0};
    *helped = false;
    bool only_words = false;
    for (int at = 1; at < argc; at++) {
        char *word = argv[at];
        if (only_words || word[0] != '-' || !word[1]) {
            if (keep_argument(command, word, rest, err))
                return -1;
        } else if (!strcmp(word, "--")) {
            only_words = true;
        } else if (wants_help(command, table, word)) {
            *helped = true;
            return 0;
        } else if (parse_one(command, table, argc, argv, &at, err)) {
            return -1;
        }
    }
    return 0;
}

/* "  -l, --listen ADDRESS:PORT" */
static void option_head(const struct option *option, char head[64])
{
    const char *value = option->value ? option->value : "";
    if (option->letter)
        snprintf(head, 64, "  -%c, --%s%s%s", option->letter, option->name,
                 *value ? " " : "", value);
    else
        snprintf(head, 64, "      --%s%s%s", option->name, *value ? " " : "",
                 value);
}

void options_help(const struct command *command, const struct option *table,
                  FILE *out)
{
    struct term term;
    term_look(&term, fileno(out));
    unsigned column = term.width < 60 ? 8 : 29;
    term_flow(out, &term, command->synopsis, 0, "usage: mitmlab ");
    fputc('\n', out);
    term_flow(out, &term, command->sentence, 0, "");
    if (table->name && table->kind != OPTION_HEADING)
        fprintf(out, "\noptions:\n");
    for (; table->name; table++) {
        char head[64], padded[64];
        if (table->kind == OPTION_HEADING) {
            fprintf(out, "\n%s:\n", table->sentence);
            continue;
        }
        option_head(table, head);
        bool fits = strlen(head) < column;
        if (!fits)
            fprintf(out, "%s\n", head);
        snprintf(padded, sizeof padded, "%-*s", (int)column, fits ? head : "");
        term_flow(out, &term, table->sentence, 0, padded);
    }
    const struct example *example;
    for (unsigned i = 0; (example = example_of(command, i)); i++) {
        fputs(i ? "" : "\nexamples:\n", out);
        term_flow(out, &term, example->line, 2, "");
        term_flow(out, &term, example->sentence, 6, "");
    }
}

int cli_fail(const struct err *err)
{
    fprintf(stderr, "mitmlab: %s\n", err->text);
    return err->code ? err->code : EXIT_BUG;
}
