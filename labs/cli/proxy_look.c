/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what is seen of the traffic. */
#include "labs/cli/look_line.h"
#include "labs/cli/proxy_parts.h"
#include "proxy/filter.h"

#include <stdlib.h>
#include <unistd.h>

/* Read by all workers, written by none. */
struct proxy_look {
    struct look look;
    struct filter *show; /* NULL: everything */
};

/* And free it. */
static void print(struct buf *text)
{
    if (buf_len(text))
        fwrite(buf_head(text), 1, buf_len(text), stdout);
    buf_free(text);
}

static void on_line(void *context, const struct proxy_line *line)
{
    const struct proxy_look *eye = ((struct proxy_setup *)context)->eye;
    struct buf out = {0};
    if (eye->show && !filter_holds(eye->show, line->subject))
        return;
    look_line(&eye->look, line, &out);
    print(&out);
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    const struct option options[] = {
        {"verbose", 'v', OPTION_COUNT, NULL,
         "Print the heads of HTTP, too; -vv: and the first bytes of bodies, "
         "which are then kept until they are whole",
         &wishes->look.verbose},
        {"quiet", 'q', OPTION_FLAG, NULL, "Print no lines",
         &wishes->look.quiet},
        {"show", 0, OPTION_TEXT, "FILTER",
         "Print lines of these only; see 'mitmlab help filter'",
         &wishes->look.show},
        {"json", 0, OPTION_FLAG, NULL, "Write events to stdout",
         &wishes->look.json},
        {"trace", 0, OPTION_FLAG, NULL, "Say what every flow goes through",
         &wishes->look.trace},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        option_row(rows, options[i]);
}

/* Lines are printed unless something else is. */
static int check(const struct proxy_wishes *wishes, struct err *err)
{
    bool lines = wishes->look.verbose || wishes->look.show;
    if (!lines || (!wishes->look.json && !wishes->look.quiet))
        return 0;
    err_code(err, EXIT_USAGE,
             "%s is about lines, and with %s there are none; leave one of "
             "them out",
             wishes->look.show ? "--show" : "--verbose",
             wishes->look.json ? "--json" : "--quiet");
    return -1;
}

/* What lines need to be made of, beyond what passes anyway. */
static void ask_for(struct proxy_options *options, const struct proxy_look *eye)
{
    const struct filter *show = eye->show;
    options->line_bodies =
        eye->look.detail >= LOOK_BODIES || (show && filter_uses_body(show));
    options->line_heads =
        eye->look.detail >= LOOK_HEADS || options->line_bodies ||
        (show &&
         (filter_uses(show, FILTER_HEADER) || filter_uses(show, FILTER_TYPE)));
}

static int open_eye(const struct proxy_wishes *wishes,
                    struct proxy_setup *setup, struct err *err)
{
    struct proxy_look *eye = setup->eye = calloc(1, sizeof *eye);
    const char *show = wishes->look.show;
    unsigned verbose = wishes->look.verbose;
    if (!eye) {
        err_set(err, "start the proxy: out of memory");
        return -1;
    }
    term_look(&eye->look.term, STDOUT_FILENO);
    eye->look.table = isatty(STDOUT_FILENO);
    eye->look.detail = verbose < LOOK_BODIES ? verbose : LOOK_BODIES;
    if (show && filter_parse(show, &eye->show, NULL, err))
        return -1;
    ask_for(&setup->options, eye);
    setup->options.on_line = on_line;
    struct buf title = {0};
    look_title(&eye->look, &title);
    print(&title);
    return 0;
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    setup->options.trace = wishes->look.trace;
    if (check(wishes, err))
        return -1;
    if (wishes->look.json || wishes->look.quiet)
        return 0;
    return open_eye(wishes, setup, err);
}

static void undo(struct proxy_setup *setup)
{
    if (!setup->eye)
        return;
    fflush(stdout);
    filter_free(setup->eye->show);
    free(setup->eye);
}

const struct proxy_part proxy_part_look = {"looking", rows, take, undo};
