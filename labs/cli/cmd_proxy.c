/* SPDX-License-Identifier: MIT
 *
 * mitmlab proxy: the intercepting proxy, with whatever attacks are switched
 * on. Its options stand in the parts (proxy_parts.h). */
#include "attacks/attack.h"
#include "labs/cli/commands.h"
#include "labs/cli/proxy_parts.h"
#include "labs/cli/term.h"
#include "proxy/way.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they are set up: attacks want the signers, and
 * connections are taken over when all else stands. Undone backwards. */
static const struct proxy_part *const parts[] = {
    &proxy_part_limits, &proxy_part_keep, &proxy_part_look, &proxy_part_legs,
    &proxy_part_edit,   &proxy_part_hold, &proxy_part_ways,
};

enum { PARTS = sizeof parts / sizeof *parts };

static void on_ready(void *context, const struct way_in *ways)
{
    const struct proxy_setup *setup = context;
    proxy_greet(setup, ways);
    for (unsigned i = 0; i < setup->runs_count; i++)
        attack_announce(setup->runs[i]);
}

/* A terminal shows each line at once; a file or a pipe is not worth a system
 * call a line, and gets them once a second. */
static void on_second(void *context)
{
    proxy_look_flush(context);
    proxy_keep_flush(context);
}

void proxy_note_late(struct proxy_setup *setup, const struct err *err)
{
    int code = cli_fail(err);
    if (!setup->late)
        setup->late = code;
}

/* Who reads them and leaves has had what it wanted. */
static void look_for_lost_events(struct proxy_setup *setup)
{
    int lost = event_lost();
    struct err err = ERR_INIT;
    if (!lost || lost == EPIPE)
        return;
    err_code(&err, EXIT_PARTIAL, "not all events could be written: %s",
             lost == ETIMEDOUT ? "nobody read them" : strerror(lost));
    proxy_note_late(setup, &err);
}

/* Bodies that are kept are large, and come and go. Left to itself, malloc()
 * gives their pages back each time and takes them anew, which costs more than
 * all that is done with them: 96 instead of 37 microseconds for an edited page
 * of 64 KiB. This much stays ours at most. */
static void keep_pages(void)
{
    enum { KEPT = 4 << 20, FROM_HEAP = 1 << 20 };
    mallopt(M_TRIM_THRESHOLD, KEPT);
    mallopt(M_MMAP_THRESHOLD, FROM_HEAP);
}

/* Returns the exit code; why has been said. */
static int serve(const struct proxy_wishes *wishes)
{
    struct proxy_setup setup = {0};
    struct err err = ERR_INIT;
    int rc = 0;
    keep_pages();
    event_open(wishes->look.json, "attacker");
    event_keep_going();
    setup.options.on_ready = on_ready;
    setup.options.on_second = on_second;
    setup.options.context = &setup;
    for (unsigned i = 0; i < PARTS && !rc; i++)
        rc = parts[i]->take(wishes, &setup, &err);
    if (!rc)
        rc = proxy_run(&setup.options, setup.workers, &err);
    for (unsigned i = PARTS; i-- > 0;)
        if (parts[i]->undo)
            parts[i]->undo(&setup);
    event_close();
    look_for_lost_events(&setup);
    return rc ? cli_fail(&err) : setup.late;
}

/* In --help the first question comes first: how do victims come in? */
static void make_table(struct proxy_wishes *wishes, struct option_rows *rows)
{
    for (unsigned i = PARTS; i-- > 0;) {
        option_row(rows, (struct option){.name = "",
                                         .kind = OPTION_HEADING,
                                         .sentence = parts[i]->title});
        parts[i]->rows(wishes, rows);
    }
}

static void print_row(const struct term *term, const char *name,
                      const char *sentence)
{
    char head[24];
    snprintf(head, sizeof head, "%-11s ", name);
    term_flow(stdout, term, sentence, 2, head);
}

/* Below the options: every way in, every protocol. */
static void print_abilities(void)
{
    static const struct {
        const char *name, *sentence;
    } protocols[] = {
#define PROTOCOL(name, sentence) {name, sentence},
#include "proxy/protocols.def"
#undef PROTOCOL
    };
    struct term term;
    term_look(&term, STDOUT_FILENO);
    term_flow(stdout, &term,
              "\nways in, for --listen ('mitmlab help ways'):", 0, "");
    for (unsigned i = 0; way_row(i); i++)
        print_row(&term, way_row(i)->name, way_row(i)->sentence);
    printf("\nprotocols:\n");
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        print_row(&term, protocols[i].name, protocols[i].sentence);
    term_flow(stdout, &term,
              "\nSee also: mitmlab help filter, rules, script, events, ways.",
              0, "");
}

/* The other forms of help, such as --help=bash, are for programs. */
static bool a_person_asks(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

int cmd_proxy(int argc, char **argv)
{
    struct proxy_wishes wishes = {.limits.workers = 1};
    struct option_rows table = {0};
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct command *command = command_find("proxy");
    make_table(&wishes, &table);
    if (options_parse(command, table.row, argc, argv, &rest, &helped, &err))
        return cli_fail(&err);
    if (helped) {
        if (a_person_asks(argc, argv))
            print_abilities();
        return EXIT_OK;
    }
    if (rest.count) {
        err_code(&err, EXIT_USAGE, "proxy takes options only, not \"%s\"",
                 rest.items[0]);
        return cli_fail(&err);
    }
    return serve(&wishes);
}
