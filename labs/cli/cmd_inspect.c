/* SPDX-License-Identifier: MIT
 *
 * mitmlab inspect -r FILE: what was recorded, read back. One block a flow:
 * certificates, alerts, the verdict, HTTP, what was changed; with the frames
 * in which that can be seen. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/inspect_flow.h"
#include "labs/cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wishes {
    const char *file, *filter;
    unsigned verbose;
    bool json;
};

/* ---- text ---------------------------------------------------------------- */

static int add_address(struct buf *out, const struct text *address, int port)
{
    char text[64];
    text_line(*address, text, sizeof text - 1);
    return buf_printf(out, strchr(text, ':') ? "[%s]:%d" : "%s:%d", text, port);
}

static void print_end(const struct fact *end, const char *head,
                      const struct term *term)
{
    struct buf text = {0};
    if (!add_address(&text, &end->opener, end->opener_port) &&
        !buf_append_text(&text, " to ") &&
        !add_address(&text, &end->acceptor, end->acceptor_port) &&
        !buf_append(&text, "", 1))
        term_flow(stdout, term, (char *)buf_head(&text), 0, head);
    buf_free(&text);
}

/* Where nobody tells addresses, the name has to do. */
static void print_host(struct record *record, const struct inspect_flow *flow,
                       const struct term *term)
{
    bool tls;
    char host[256], *text;
    text_line(inspect_host(record, flow, &tls), host, sizeof host - 1);
    if (!*host || asprintf(&text, "%s%s", host, tls ? ", in TLS" : "") < 0)
        return;
    term_flow(stdout, term, text, 0, "  to ");
    free(text);
}

static void print_title(struct record *record, const struct inspect_flow *flow,
                        const struct term *term)
{
    char place[40];
    text_line(flow->place, place, sizeof place - 1);
    printf("%sflow %lld%s%s%s\n", term_mark(term, TERM_BOLD), flow->number,
           term_mark(term, TERM_PLAIN), *place ? " at " : "", place);
    if (flow->victim)
        print_end(flow->victim, "  from ", term);
    if (flow->server)
        print_end(flow->server, flow->victim ? "  and " : "  from ", term);
    if (flow->servers > 1)
        printf("  and %u more to servers\n", flow->servers - 1);
    if (!flow->victim && !flow->server)
        print_host(record, flow, term);
}

static const char *mark_of(enum mark mark)
{
    return mark == MARK_NONE ? "" : mark == MARK_CHANGED ? TERM_CODE : TERM_BAD;
}

static void print_fact(struct record *record, const struct fact *fact,
                       const struct term *term)
{
    struct inspect_words words;
    char head[64], number[24] = "-", *text;
    inspect_say(record, fact, &words);
    if (fact->frame)
        snprintf(number, sizeof number, "%lld", fact->frame);
    char leg[12];
    text_line(fact->leg, leg, sizeof leg - 1);
    snprintf(head, sizeof head, "%6s  %-7s", number, leg);
    if (asprintf(&text, "%s%s%s%s%s", mark_of(words.mark), words.text,
                 *words.note ? " - " : "", words.note,
                 words.mark == MARK_NONE ? "" : TERM_PLAIN) < 0)
        return;
    term_flow(stdout, term, text, 0, head);
    free(text);
}

static void print_flow(struct record *record, const struct inspect_flow *flow,
                       const struct wishes *wishes, const struct term *term)
{
    char packets[128];
    print_title(record, flow, term);
    if (record->index && inspect_packets(flow, packets, sizeof packets))
        term_flow(stdout, term, packets, 0, "  filter ");
    for (size_t i = 0; i < flow->count; i++)
        if (inspect_shows(flow, flow->facts[i], wishes->verbose))
            print_fact(record, flow->facts[i], term);
}

static void print_text(struct record *record, const struct inspect *inspect,
                       const struct filter *filter, const struct wishes *wishes)
{
    struct term term;
    size_t shown = 0;
    term_look(&term, STDOUT_FILENO);
    for (size_t i = 0; i < inspect->count; i++) {
        if (!inspect_matches(record, &inspect->flows[i], filter))
            continue;
        print_flow(record, &inspect->flows[i], wishes, &term);
        shown++;
    }
    printf("%s%zu flow%s", shown ? "\n" : "", shown, shown == 1 ? "" : "s");
    if (shown < inspect->count)
        printf(" of %zu", inspect->count);
    if (record->index)
        printf(", %llu packets",
               (unsigned long long)index_count(record->index));
    printf("\n");
}

/* ---- JSON ---------------------------------------------------------------- */

static void print_json(struct record *record, const struct inspect *inspect,
                       const struct filter *filter, const struct wishes *wishes)
{
    json_t *flows = json_array();
    for (size_t i = 0; i < inspect->count; i++)
        if (inspect_matches(record, &inspect->flows[i], filter))
            json_array_append_new(
                flows,
                inspect_json(record, &inspect->flows[i], wishes->verbose > 0));
    json_t *whole =
        json_pack("{s:b, s:b, s:I, s:o}", "whole", !record->lost, "events",
                  !record->foreign && !record->har, "packets",
                  record->index ? (json_int_t)index_count(record->index) : 0,
                  "flows", flows);
    if (whole)
        json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    printf("\n");
    json_decref(whole);
}

/* ---- the command --------------------------------------------------------- */

/* Not all of it: exit 3. */
static int partial(const struct record *record, const char *path)
{
    for (unsigned i = 0; i < record->report.problems_count; i++)
        fprintf(stderr, "mitmlab: %s\n", record->report.problems[i]);
    if (record->lost)
        fprintf(stderr,
                "mitmlab: %s was cut short: %llu bytes behind its last whole "
                "block are not read\n",
                path, (unsigned long long)record->lost);
    return record->lost || record->report.problems_count ? EXIT_PARTIAL
                                                         : EXIT_OK;
}

/* What somebody else wrote says less than our own events. */
static void tell_source(const struct record *record, const char *path)
{
    if (record->foreign)
        fprintf(stderr,
                "mitmlab: there are no events of ours in %s; this is what its "
                "packets say by themselves\n",
                path);
    if (record->har)
        fprintf(stderr,
                "mitmlab: %s is a HAR, which holds messages, but no addresses "
                "of victims, certificates or packets; its flows are numbered "
                "as 'mitmlab replay' numbers them\n",
                path);
}

static int inspect_file(const struct wishes *wishes, struct err *err)
{
    struct filter *filter = NULL;
    struct record record;
    struct inspect inspect;
    if (wishes->filter && filter_parse(wishes->filter, &filter, NULL, err))
        return cli_fail(err);
    if (record_load(wishes->file, &record, err)) {
        filter_free(filter);
        return cli_fail(err);
    }
    int rc = inspect_open(&record, &inspect, err);
    if (rc) {
        rc = cli_fail(err);
    } else {
        tell_source(&record, wishes->file);
        (wishes->json ? print_json : print_text)(&record, &inspect, filter,
                                                 wishes);
        rc = partial(&record, wishes->file);
        inspect_close(&inspect);
    }
    record_free(&record);
    filter_free(filter);
    return rc;
}

int cmd_inspect(int argc, char **argv)
{
    struct wishes wishes = {0};
    struct option table[] = {
        {"read", 'r', OPTION_TEXT, "FILE",
         "A capture of 'mitmlab proxy -w', the folder of a run or its files, "
         "or any pcapng or HAR file",
         &wishes.file},
        {"filter", 0, OPTION_TEXT, "FILTER",
         "Print flows in which this holds; see 'mitmlab help filter'",
         &wishes.filter},
        {"verbose", 'v', OPTION_COUNT, NULL, "Print every event of a flow",
         &wishes.verbose},
        {"json", 0, OPTION_FLAG, NULL,
         "Print one JSON object; with -v also the events", &wishes.json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("inspect"), table, argc, argv, &rest,
                      &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (!wishes.file && rest.count == 1)
        wishes.file = rest.items[--rest.count];
    if (!wishes.file || rest.count) {
        err_code(&err, EXIT_USAGE, "inspect wants one file: -r FILE");
        return cli_fail(&err);
    }
    return inspect_file(&wishes, &err);
}
