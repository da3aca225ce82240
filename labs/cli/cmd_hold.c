/* SPDX-License-Identifier: MIT
 *
 * mitmlab hold COMMAND ...: what `mitmlab proxy --hold` has stopped, seen and
 * edited from another terminal or from a script. */
#include "labs/cli/commands.h"

#include "labs/cli/cli.h"
#include "labs/cli/hold_desk.h"
#include "labs/cli/hold_editor.h"

#include <stdio.h>
#include <string.h>

/* The words as one line, those with white space in quotes again. */
static int join(const struct arguments *rest, struct buf *line)
{
    int bad = 0;
    for (unsigned i = 0; i < rest->count && !bad; i++) {
        const char *word = rest->items[i];
        /* A filter is one word for the shell, and many for the desk. */
        bool plain = *word && (!word[strcspn(word, " \t\r\n;\"'\\")] ||
                               !strcmp(rest->items[0], "filter"));
        bad = i && buf_append_text(line, " ");
        if (plain) {
            bad = bad || buf_append_text(line, word);
            continue;
        }
        bad = bad || buf_append_text(line, "\"");
        for (; *word && !bad; word++)
            bad = *word == '\n'           ? buf_append_text(line, "\\n")
                  : *word == '\r'         ? buf_append_text(line, "\\r")
                  : strchr("\"\\", *word) ? buf_printf(line, "\\%c", *word)
                                          : buf_append(line, word, 1);
        bad = bad || buf_append_text(line, "\"");
    }
    return bad || buf_append(line, "", 1);
}

/* In the editor of this terminal. */
static int edit(const char *path, const char *number, struct err *err)
{
    struct buf text = {0};
    char line[64];
    snprintf(line, sizeof line, "get %.40s", number);
    int rc = hold_desk_ask(path, line, NULL, &text, err) ||
             hold_editor(&text, -1, err);
    snprintf(line, sizeof line, "put %.40s", number);
    rc = rc || hold_desk_ask(path, line, &text, &text, err);
    buf_free(&text);
    return rc;
}

static int ask(const char *path, const struct arguments *rest, struct err *err)
{
    struct buf line = {0}, out = {0};
    int rc = -1;
    if (join(rest, &line))
        err_set(err, "out of memory");
    else
        rc = hold_desk_ask(path, (char *)buf_head(&line), NULL, &out, err);
    if (!rc)
        hold_desk_print(rest->count ? rest->items[0] : "", &out);
    buf_free(&line);
    buf_free(&out);
    return rc;
}

int cmd_hold(int argc, char **argv)
{
    const char *at = NULL;
    char path[HOLD_PATH];
    const struct option table[] = {
        {"at", 0, OPTION_TEXT, "PATH", "The socket that --hold-at named", &at},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("hold"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (!rest.count)
        rest.items[rest.count++] = "list";
    if (!at && hold_desk_path(path, false, &err))
        return cli_fail(&err);
    at = at ? at : path;
    int rc = strcmp(rest.items[0], "edit")
                 ? ask(at, &rest, &err)
                 : edit(at, rest.count > 1 ? rest.items[1] : "", &err);
    return rc ? cli_fail(&err) : EXIT_OK;
}
