/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what is seen of the traffic. */
#include "labs/cli/look_line.h"
#include "labs/cli/proxy_parts.h"
#include "proxy/filter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Read by all workers, written by none. */
struct proxy_look {
    struct look look;
    struct filter *show; /* NULL: everything */
    bool lost;           /* lines, and that was said */
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
    struct look look = eye->look;
    struct buf out = {0};
    if (eye->show && !filter_holds(eye->show, line->subject))
        return;
    if (look.table)
        look.term.width = term_width(STDOUT_FILENO);
    look_line(&look, line, &out);
    print(&out);
}

/* ---- the greeting -------------------------------------------------------- */

/* " for https://bank.lab.test:443" */
static void target_text(const struct target *target, char *out, size_t room)
{
    bool v6 = strchr(target->host, ':') != NULL;
    const char *starttls = starttls_scheme(target->starttls);
    const char *scheme = target->protocol == TARGET_DNS      ? "dns"
                         : target->starttls != STARTTLS_NONE ? starttls
                         : target->protocol == TARGET_HTTP
                             ? (target->tls ? "https" : "http")
                             : (target->tls ? "tls" : "tcp");
    snprintf(out, room, " for %s://%s%s%s:%d", scheme, v6 ? "[" : "",
             target->host, v6 ? "]" : "", target->port);
}

/* "127.0.0.1:8080 (http)", "[::1]:443 (reverse) for https://bank.lab.test" */
static void greet_way(const struct way_in *way, const struct term *term,
                      bool first)
{
    char address[ADDRESS_TEXT], text[512];
    const struct target *target = way_target(way);
    address_text(&way->address, address);
    int len =
        snprintf(text, sizeof text, "%s (%s%s)", address,
                 way_row(way->mode)->name, way->pass_tls ? ", TLS passes" : "");
    if (target && len > 0 && (size_t)len < sizeof text)
        target_text(target, text + len, sizeof text - (size_t)len);
    char *shown = term_escape(text, strlen(text), false);
    term_flow(stderr, term, shown ? shown : "", 0,
              first ? "Listening at " : "         and ");
    free(shown);
    /* It may become known while we run, but rarely does. */
    union address known;
    struct err err = ERR_INIT;
    if (target && dial_resolve(target->host, target->port, &known, &err))
        term_flow(stderr, term, err.text, 0, "            ");
}

/* Is there a way in by which TLS is likely to come? */
static bool expects_tls(const struct proxy_options *options)
{
    for (unsigned i = 0; i < options->ways_count; i++) {
        const struct target *target = way_target(&options->ways[i]);
        if (!target || target->tls || target->starttls != STARTTLS_NONE)
            return true;
    }
    return false;
}

/* What becomes of TLS; NULL: nothing that is worth a word. */
static const char *tls_matters(const struct proxy_setup *setup)
{
    const struct proxy_options *options = &setup->options;
    bool verifies = options->terms.trust && !options->insecure_upstream;
    if (!expects_tls(options))
        return NULL;
    if (!options->signers.rogue && !options->signers.lab)
        return "TLS goes through unread. --ca DIR opens it, with a CA such as "
               "'mitmlab cert make c00 --out DIR' leaves in DIR/rogue.";
    if (!verifies && !options->insecure_upstream)
        return "No TLS server will do: --upstream-ca FILE says whom to trust, "
               "--upstream-insecure takes any.";
    return NULL;
}

static void greet(const struct proxy_setup *setup, const struct way_in *ways)
{
    struct term term;
    term_look(&term, STDERR_FILENO);
    for (unsigned i = 0; i < setup->options.ways_count; i++)
        greet_way(&ways[i], &term, i == 0);
    const char *matters = tls_matters(setup);
    if (matters)
        term_flow(stderr, &term, matters, 0, "");
}

void proxy_greet(const struct proxy_setup *setup, const struct way_in *ways)
{
    struct buf title = {0};
    if (!setup->eye)
        return;
    /* Whoever reads events reads the same there. */
    if (isatty(STDERR_FILENO) || !getenv("MITMLAB_EVENTS_FD"))
        greet(setup, ways);
    look_title(&setup->eye->look, &title);
    print(&title);
    fflush(stdout);
}

/* ---- who reads it -------------------------------------------------------- */

/* Of a pipe whose other end is closed poll(2) says so, written to or not. */
static bool nobody_reads(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

static void flush_lines(struct proxy_setup *setup)
{
    struct err err = ERR_INIT;
    bool failed = fflush(stdout) != 0;
    int why = errno;
    if (!failed && !ferror(stdout))
        return;
    clearerr(stdout);
    if (setup->eye->lost || nobody_reads())
        return;
    setup->eye->lost = true;
    err_code(&err, EXIT_PARTIAL,
             "not all lines could be written to standard output%s%s",
             failed ? ": " : "", failed ? strerror(why) : "");
    proxy_note_late(setup, &err);
}

void proxy_look_flush(struct proxy_setup *setup)
{
    if (setup->eye)
        flush_lines(setup);
    if (nobody_reads())
        raise(SIGTERM); /* as if a person had said so */
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
    flush_lines(setup);
    filter_free(setup->eye->show);
    free(setup->eye);
}

const struct proxy_part proxy_part_look = {"looking", rows, take, undo};
