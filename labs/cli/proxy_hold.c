/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: messages that wait until somebody lets them
 * go. */
#include "attacks/hold.h"
#include "labs/cli/hold_desk.h"
#include "labs/cli/proxy_parts.h"
#include "labs/cli/term.h"

#include <unistd.h>

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){
                         "hold", 0, OPTION_TEXT, "FILTER",
                         "Stop these messages until they are let go, here or "
                         "with 'mitmlab hold'",
                         &wishes->hold.filter});
    option_row(rows, (struct option){"hold-at", 0, OPTION_TEXT, "PATH",
                                     "The socket for 'mitmlab hold --at PATH'",
                                     &wishes->hold.at});
}

static void on_notice(void *context, const char *line)
{
    struct term term;
    (void)context;
    term_look(&term, STDOUT_FILENO);
    if (isatty(STDOUT_FILENO))
        term_flow(stdout, &term, line, 0, "");
    else
        printf("%s\n", line);
    fflush(stdout);
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    const char *at = wishes->hold.at;
    if (!wishes->hold.filter && at) {
        err_code(err, EXIT_USAGE, "--hold-at wants --hold FILTER");
        return -1;
    }
    if (!wishes->hold.filter)
        return 0;
    /* Standard output is for events. */
    hold_notice *notice = wishes->look.json ? NULL : on_notice;
    if (hold_new(wishes->hold.filter, notice, NULL, &setup->hold, err) ||
        hold_desk_open(setup->hold, at, &setup->desk, err))
        return -1;
    setup->hooks[setup->options.hooks_count++] = hold_hook(setup->hold);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        on_notice(NULL,
                  "Held messages are listed here; 'help' says what to type.");
    return 0;
}

static void undo(struct proxy_setup *setup)
{
    hold_desk_close(setup->desk);
    hold_free(setup->hold);
}

const struct proxy_part proxy_part_hold = {"holding", rows, take, undo};
