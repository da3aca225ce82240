/* SPDX-License-Identifier: MIT
 *
 * mitmlab replay FILE: requests that were recorded, sent again to a server
 * inside the walls, and what is different about the answers. */
#include "attacks/recorded.h"
#include "attacks/rules.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/replay_call.h"
#include "labs/cli/replay_load.h"
#include "labs/cli/term.h"
#include "proxy/target.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TIMES_MOST = 1000000 };

struct wishes {
    struct option_list flows, sets;
    const char *filter, *to, *ca, *hosts;
    long long times;
    bool json;
};

struct job {
    const struct wishes *wishes;
    struct recorded *recorded;
    struct filter *filter;
    struct target to;
    json_t *list; /* --json */
};

/* ---- which --------------------------------------------------------------- */

static bool is_chosen(const struct job *job, const struct recorded_flow *flow)
{
    const struct option_list *flows = &job->wishes->flows;
    bool named = !flows->count;
    for (unsigned i = 0; i < flows->count; i++)
        named |= strtoul(flows->items[i], NULL, 10) == flow->number;
    struct filter_subject subject = recorded_subject(flow);
    return named && (!job->filter || filter_holds(job->filter, &subject));
}

static int check_numbers(const struct job *job, struct err *err)
{
    const struct option_list *flows = &job->wishes->flows;
    for (unsigned i = 0; i < flows->count; i++) {
        const char *text = flows->items[i];
        unsigned long number = strtoul(text, NULL, 10);
        if (text[strspn(text, "0123456789")] || !number ||
            number > recorded_count(job->recorded)) {
            err_code(err, EXIT_USAGE,
                     "--flow wants a number from 1 to %u, not \"%s\"",
                     recorded_count(job->recorded), text);
            return -1;
        }
    }
    return 0;
}

/* ---- telling ------------------------------------------------------------- */

static void print_escaped(const char *text)
{
    char *safe = term_escape(text, strlen(text), false);
    fputs(safe ? safe : "", stdout);
    free(safe);
}

static void print_flow(const struct recorded_flow *flow)
{
    printf("%u  ", flow->number);
    print_escaped(flow->request.method);
    putchar(' ');
    print_escaped(flow->url);
}

/* Of how much; "" where the file does not say. */
static void size_words(const struct recorded_flow *flow, char *room,
                       size_t size)
{
    room[0] = 0;
    if (flow->request_size > (long long)buf_len(&flow->request.body))
        snprintf(room, size, " (of %lld)", flow->request_size);
}

static void list_flow(struct job *job, const struct recorded_flow *flow)
{
    if (job->list) {
        json_array_append_new(
            job->list,
            json_pack("{s:i, s:s, s:s, s:i, s:I, s:b}", "number",
                      (int)flow->number, "method", flow->request.method, "url",
                      flow->url, "status", flow->response.status, "bytes",
                      (json_int_t)buf_len(&flow->response.body), "whole",
                      flow->request_whole));
        return;
    }
    print_flow(flow);
    if (flow->answered)
        printf(" -> %d, %zu bytes", flow->response.status,
               buf_len(&flow->response.body));
    if (!flow->request_whole)
        fputs("  (request cut)", stdout);
    if (*flow->comment) {
        fputs("  (", stdout);
        print_escaped(flow->comment);
        putchar(')');
    }
    putchar('\n');
}

/* These differ from one answer to the next, and say nothing. */
static bool is_dull(const char *name)
{
    static const char *const dull[] = {"Date",       "Connection",
                                       "Keep-Alive", "Content-Length",
                                       "Age",        "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof dull / sizeof *dull; i++)
        if (!strcasecmp(dull[i], name))
            return true;
    return false;
}

/* Fields of `one` that `other` has not, or with another value. */
static bool tell_fields(const struct message *one, const struct message *other,
                        char mark, bool quiet)
{
    bool differ = false;
    for (unsigned i = 0; i < one->fields_count; i++) {
        const struct message_field *field = &one->fields[i];
        bool there = is_dull(field->name);
        for (unsigned k = 0; k < other->fields_count && !there; k++)
            there = !strcasecmp(other->fields[k].name, field->name) &&
                    !strcmp(other->fields[k].value, field->value);
        differ |= !there;
        if (there || quiet)
            continue;
        printf("   %c ", mark);
        print_escaped(field->name);
        fputs(": ", stdout);
        print_escaped(field->value);
        putchar('\n');
    }
    return differ;
}

static bool tell_body(const struct recorded_flow *flow,
                      const struct message *now, bool quiet)
{
    const struct buf *old = &flow->response.body, *new = &now->body;
    size_t had = buf_len(old), has = buf_len(new), at = 0;
    /* Of a body that was cut, the beginning is all there is to compare. */
    size_t most = flow->response_whole || has < had ? has : had;
    while (at < had && at < most && buf_head(old)[at] == buf_head(new)[at])
        at++;
    bool same = at == had && at == most;
    if (!same && !quiet)
        printf("     body: %zu bytes, was %zu; different from byte %zu on\n",
               has, had, at + 1);
    return !same;
}

/* True: something is different. */
static bool tell_answer(struct job *job, const struct recorded_flow *flow,
                        const struct message *now)
{
    const struct message *then = &flow->response;
    bool quiet = job->list != NULL;
    if (!quiet) {
        print_flow(flow);
        if (flow->answered)
            printf(": was %d, is %d, %zu bytes\n", then->status, now->status,
                   buf_len(&now->body));
        else
            printf(": no answer was recorded, now %d, %zu bytes\n", now->status,
                   buf_len(&now->body));
    }
    bool differs = !flow->answered || then->status != now->status;
    if (flow->answered) {
        differs |= tell_fields(then, now, '-', quiet);
        differs |= tell_fields(now, then, '+', quiet);
        differs |= tell_body(flow, now, quiet);
    }
    if (!quiet && !differs)
        printf("     the same as recorded\n");
    return differs;
}

/* ---- sending ------------------------------------------------------------- */

static int prepare(const struct job *job, struct recorded_flow *flow,
                   struct err *err)
{
    struct message *request = &flow->request;
    enum hook_act ignored;
    const struct option_list *sets = &job->wishes->sets;
    for (unsigned i = 0; i < sets->count; i++) {
        if (rules_do(sets->items[i], request, &ignored, err)) {
            err_prefix(err, "--do \"%s\"", sets->items[i]);
            return -1;
        }
        if (ignored == HOOK_ANSWER || ignored == HOOK_CUT) {
            err_code(err, EXIT_USAGE,
                     "--do \"%s\": this is not something that changes a "
                     "request",
                     sets->items[i]);
            return -1;
        }
    }
    if (!message_field(request, "Host") &&
        message_set_field(request, "Host", request->host)) {
        err_code(err, EXIT_USAGE, "flow %u names no host", flow->number);
        return -1;
    }
    message_remove_field(request, "Expect");
    message_remove_field(request, "Upgrade");
    return message_set_field(request, "Connection", "close");
}

static int send_once(struct job *job, struct recorded_flow *flow,
                     struct err *err)
{
    struct arena arena = {0};
    struct message now = {0};
    int rc = replay_call(&job->to, job->wishes->ca, &flow->request, &arena,
                         &now, err);
    if (!rc) {
        bool differs = tell_answer(job, flow, &now);
        if (job->list)
            json_array_append_new(
                job->list,
                json_pack("{s:i, s:s, s:s, s:{s:i, s:I}, s:{s:i, s:I}, s:b}",
                          "number", (int)flow->number, "method",
                          flow->request.method, "url", flow->url, "recorded",
                          "status", flow->response.status, "bytes",
                          (json_int_t)buf_len(&flow->response.body), "now",
                          "status", now.status, "bytes",
                          (json_int_t)buf_len(&now.body), "same", !differs));
    }
    message_close(&now);
    arena_free(&arena);
    return rc ? -1 : 0;
}

static int replay_one(struct job *job, struct recorded_flow *flow,
                      struct err *err)
{
    if (!flow->request_whole) {
        char size[48];
        size_words(flow, size, sizeof size);
        fprintf(stderr,
                "mitmlab: flow %u is left out: only the first %zu bytes%s of "
                "its body were recorded; 'mitmlab proxy --keep-bodies KIB' "
                "records more\n",
                flow->number, buf_len(&flow->request.body), size);
        return 0;
    }
    if (prepare(job, flow, err))
        return -1;
    for (long long i = 0; i < job->wishes->times; i++)
        if (send_once(job, flow, err))
            return -1;
    return 0;
}

static int run(struct job *job, struct err *err)
{
    unsigned chosen = 0;
    for (unsigned i = 0; i < recorded_count(job->recorded); i++) {
        struct recorded_flow *flow = recorded_at(job->recorded, i);
        if (!is_chosen(job, flow))
            continue;
        chosen++;
        if (!job->wishes->to)
            list_flow(job, flow);
        else if (replay_one(job, flow, err))
            return -1;
    }
    if (chosen || !recorded_count(job->recorded))
        return 0;
    err_code(err, EXIT_USAGE, "none of the %u recorded flows was chosen",
             recorded_count(job->recorded));
    return -1;
}

/* ---- the command --------------------------------------------------------- */

static int start(struct job *job, const char *path, struct err *err)
{
    const struct wishes *wishes = job->wishes;
    union address address;
    if (wishes->hosts)
        dial_use_hosts(wishes->hosts);
    if (wishes->filter && filter_parse(wishes->filter, &job->filter, NULL, err))
        return -1;
    if (wishes->to &&
        (target_parse(wishes->to, &job->to, err) ||
         dial_resolve(job->to.host, job->to.port, &address, err) ||
         dial_check(&address, err)))
        return -1;
    if (wishes->times < 1 || wishes->times > TIMES_MOST) {
        err_code(err, EXIT_USAGE, "--times wants a number from 1 to %d",
                 TIMES_MOST);
        return -1;
    }
    if (wishes->to && job->to.protocol != TARGET_HTTP) {
        err_code(err, EXIT_USAGE, "--to wants http:// or https://");
        return -1;
    }
    if (replay_load(path, &job->recorded, err) || check_numbers(job, err))
        return -1;
    if (wishes->json)
        job->list = json_array();
    int rc = run(job, err);
    if (job->list && !rc) {
        json_t *whole = json_pack("{s:O}", "flows", job->list);
        json_dumpf(whole, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(whole);
    }
    return rc;
}

int cmd_replay(int argc, char **argv)
{
    struct wishes wishes = {.times = 1};
    const struct option table[] = {
        {"to", 0, OPTION_TEXT, "URL",
         "Send them here, inside the walls; without, they are listed",
         &wishes.to},
        {"flow", 0, OPTION_LIST, "N", "Only number N; may be given again",
         &wishes.flows},
        {"filter", 0, OPTION_TEXT, "FILTER",
         "Only what this holds of ('mitmlab help filter')", &wishes.filter},
        {"do", 0, OPTION_LIST, "ACTION",
         "Change requests first, as in 'mitmlab help rules'", &wishes.sets},
        {"times", 0, OPTION_NUMBER, "N",
         "Send each so many times, one after the other (1)", &wishes.times},
        {"ca", 0, OPTION_TEXT, "FILE",
         "Verify an https server with this CA; without, nobody does",
         &wishes.ca},
        {"hosts", 0, OPTION_TEXT, "FILE",
         "The lab's table of names, in the format of hosts(5)", &wishes.hosts},
        {"json", 0, OPTION_FLAG, NULL, "One JSON object on stdout",
         &wishes.json},
        {0},
    };
    struct job job = {.wishes = &wishes};
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("replay"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count != 1) {
        err_code(&err, EXIT_USAGE,
                 "replay wants one file: a HAR, a capture of 'mitmlab proxy "
                 "-w', events, or the folder of a run");
        return cli_fail(&err);
    }
    signal(SIGPIPE, SIG_IGN); /* a server may hang up on what TLS sends */
    int rc = start(&job, rest.items[0], &err);
    filter_free(job.filter);
    recorded_free(job.recorded);
    json_decref(job.list);
    return rc ? cli_fail(&err) : EXIT_OK;
}
