/* SPDX-License-Identifier: MIT
 *
 * Chooses events of a run, says what each of them is, and explains the
 * conversations that they belong to, each once. */
#include "labs/cli/explain_run.h"

#include "certs/verify.h"
#include "labs/report/explain_text.h"
#include "labs/report/folder.h"
#include "labs/report/ladder.h"
#include "labs/report/verdict.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOSEN_MOST = 200, VERDICTS_MOST = 50 };

struct run {
    char *path;
    struct report report;
    const struct fact *chosen[CHOSEN_MOST];
    unsigned chosen_count;
    struct verdict verdicts[VERDICTS_MOST];
    unsigned verdicts_count;
    char title[64];
    bool whole; /* all of it: only the conversations are of interest */
};

int run_open(const char *path, struct run **out, struct err *err)
{
    struct run *run = calloc(1, sizeof *run);
    int dir = folder_open(path, err);
    if (run && dir >= 0 && !report_load(dir, &run->report, err)) {
        run->path = strdup(path);
        close(dir);
        *out = run;
        return 0;
    }
    if (dir >= 0)
        close(dir);
    free(run);
    return -1;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    report_free(&run->report);
    free(run->path);
    free(run);
}

/* ---- choosing ------------------------------------------------------------ */

bool run_has_frame(const struct run *run, long long frame)
{
    for (size_t i = 0; frame > 0 && i < run->report.facts_count; i++)
        if (run->report.facts[i].frame == frame)
            return true;
    return false;
}

int run_has_no_frame(const struct run *run, long long frame, struct err *err)
{
    long long before = 0, behind = 0;
    for (size_t i = 0; i < run->report.facts_count; i++) {
        long long here = run->report.facts[i].frame;
        if (here > 0 && here < frame && here > before)
            before = here;
        if (here > frame && (!behind || here < behind))
            behind = here;
    }
    char near[64] = "";
    if (before && behind)
        snprintf(near, sizeof near, "; frames %lld and %lld do", before,
                 behind);
    else if (before || behind)
        snprintf(near, sizeof near, "; frame %lld does",
                 before ? before : behind);
    err_code(err, EXIT_USAGE,
             "frame %lld of %s proves nothing that the run wrote down%s", frame,
             run->path, near);
    return -1;
}

static bool is_chosen(const struct fact *fact, const struct subject *subject)
{
    switch (subject->kind) {
    case SUBJECT_FRAME:
        return fact->frame == subject->number && fact->frame > 0;
    case SUBJECT_FLOW:
        return fact->flow == subject->number && fact->flow > 0;
    case SUBJECT_EVENT:
        return (long long)fact->order + 1 == subject->number;
    default:
        return fact_is(fact, "tls.verdict");
    }
}

static void add_verdict(struct run *run, const struct fact *fact)
{
    struct verdict verdict;
    if (run->verdicts_count == VERDICTS_MOST ||
        !verdict_of(&run->report, fact, &verdict))
        return;
    for (unsigned i = 0; i < run->verdicts_count; i++)
        if (run->verdicts[i].said == verdict.said)
            return;
    run->verdicts[run->verdicts_count++] = verdict;
}

int run_find(struct run *run, const struct subject *subject, struct err *err)
{
    run->whole = subject->kind == SUBJECT_RUN;
    for (size_t i = 0; i < run->report.facts_count; i++) {
        const struct fact *fact = &run->report.facts[i];
        if (!is_chosen(fact, subject) || run->chosen_count == CHOSEN_MOST)
            continue;
        run->chosen[run->chosen_count++] = fact;
        add_verdict(run, fact);
    }
    if (run->whole)
        return 0;
    const char *kind = subject->kind == SUBJECT_FRAME  ? "frame"
                       : subject->kind == SUBJECT_FLOW ? "flow"
                                                       : "event";
    snprintf(run->title, sizeof run->title, "%s %lld", kind, subject->number);
    if (run->chosen_count)
        return 0;
    if (subject->kind == SUBJECT_FRAME)
        return run_has_no_frame(run, subject->number, err);
    err_code(err, EXIT_USAGE, "%s has no %s", run->path, run->title);
    return -1;
}

/* ---- printing ------------------------------------------------------------ */

/* A stranger's text as one line of at most 160 letters. */
struct line {
    char text[161];
};

static struct line line_of(struct text text)
{
    struct line line;
    text_line(text, line.text, sizeof line.text - 1);
    return line;
}

static void print_step(const struct run *run, const struct term *term,
                       const struct fact *fact)
{
    char words[256];
    if (fact->step < 0 || fact->step >= run->report.steps_count)
        return;
    snprintf(words, sizeof words, "step %lld, %s", fact->step + 1,
             line_of(run->report.steps[fact->step].title).text);
    term_flow(stdout, term, words, 0, "");
}

/* What the ladder says in this frame; the kinds of events if it is silent. */
static void print_rungs(struct run *run, const struct term *term,
                        const struct fact *fact)
{
    struct ladder ladder = {0};
    char words[640];
    bool any = false;
    if (fact->frame && fact->step >= 0 && fact->step < run->report.steps_count)
        ladder_build(&run->report, (unsigned)fact->step, &ladder);
    for (size_t i = 0; i < ladder.count; i++) {
        const struct rung *rung = &ladder.rungs[i];
        if (rung->frame != fact->frame)
            continue;
        any = true;
        snprintf(words, sizeof words, "%s%s%s: %s%s%s",
                 line_of(ladder.columns[rung->from]).text,
                 rung->from == rung->to ? "" : " to ",
                 rung->from == rung->to
                     ? ""
                     : line_of(ladder.columns[rung->to]).text,
                 mark_word(rung->mark), rung->mark ? ": " : "", rung->text);
        term_flow(stdout, term, words, 2, "");
    }
    if (any)
        return;
    snprintf(words, sizeof words, "%s, seen at %s", line_of(fact->kind).text,
             line_of(fact->place).text);
    term_flow(stdout, term, words, 2, "");
}

static void print_chosen(struct run *run, const struct term *term)
{
    long long frame = -1, step = -2;
    for (unsigned i = 0; i < run->chosen_count; i++) {
        const struct fact *fact = run->chosen[i];
        if (fact->step != step)
            print_step(run, term, fact);
        if (!fact->frame || fact->frame != frame)
            print_rungs(run, term, fact);
        frame = fact->frame;
        step = fact->step;
    }
}

/* The catalogue's words where it has some. */
static struct line offered(const struct verdict *it)
{
    struct line line;
    if (it->recipe)
        snprintf(line.text, sizeof line.text, "%s, %s", it->recipe->id,
                 it->recipe->title);
    else if (it->forgery.len)
        line = line_of(it->forgery);
    else
        line = line_of(it->forged ? TEXT("a certificate that the attacker made")
                                  : TEXT("the server's own certificate"));
    return line;
}

static void add_frame(char *text, size_t room, const char *what,
                      long long frame)
{
    size_t len = strlen(text);
    if (frame > 0 && len < room)
        snprintf(text + len, room - len, "%s%s %lld", len ? ", " : "", what,
                 frame);
}

static void print_verdict(const struct verdict *it, const struct term *term)
{
    char words[256], frames[128] = "";
    printf("\n");
    snprintf(words, sizeof words, TERM_BOLD "%s said %s" TERM_PLAIN,
             it->act.len ? line_of(it->act).text : "A victim",
             verdict_word(it));
    term_flow(stdout, term, words, 0, "");
    explain_label(stdout, term, 0, "Asked for", line_of(it->server_name).text);
    explain_label(stdout, term, 0, "Was offered", offered(it).text);
    explain_label(stdout, term, 0, "Version", line_of(it->version).text);
    add_frame(frames, sizeof frames, "hello", it->hello_frame);
    add_frame(frames, sizeof frames, "certificate", it->cert_frame);
    add_frame(frames, sizeof frames, it->alert_code >= 0 ? "alert" : "good-bye",
              it->alert_frame);
    explain_label(stdout, term, 0, "Frames", frames);
    snprintf(words, sizeof words, "%s (%lld)", line_of(it->alert).text,
             it->alert_code);
    explain_label(stdout, term, 0, "Alert",
                  it->alert_code >= 0 ? words : "none");
    snprintf(words, sizeof words, "code %lld, %s%s", it->verify_code,
             verify_name((int)it->verify_code),
             it->depth == 0 ? ", of the server's own certificate" : "");
    if (it->depth > 0)
        snprintf(words, sizeof words,
                 "code %lld, %s, of certificate %lld above the server's",
                 it->verify_code, verify_name((int)it->verify_code), it->depth);
    explain_label(stdout, term, 0, "Its own words",
                  it->verify_code > 0 ? words : "");
    snprintf(words, sizeof words, "%lld bytes", it->app_bytes);
    explain_label(stdout, term, 0, "Data that came", words);
    explain_print(stdout, term, 0, &it->why);
}

void run_print(struct run *run, const struct term *term)
{
    char words[512];
    snprintf(words, sizeof words, TERM_BOLD "%s%s%.300s" TERM_PLAIN, run->title,
             run->whole ? "" : " of ", run->path);
    term_flow(stdout, term, words, 0, "");
    if (!run->whole)
        print_chosen(run, term);
    for (unsigned i = 0; i < run->verdicts_count; i++)
        print_verdict(&run->verdicts[i], term);
    if (!run->verdicts_count)
        term_flow(stdout, term,
                  "\nNo victim judged a certificate here, so there is no yes "
                  "or no to explain.",
                  0, "");
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *text_json(struct text text)
{
    struct line line = line_of(text);
    return json_string(line.text);
}

static json_t *frame_json(long long frame)
{
    return frame > 0 ? json_integer(frame) : json_null();
}

static json_t *verdict_json(const struct verdict *it)
{
    return json_pack(
        "{s:o, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "act",
        text_json(it->act), "verdict", it->accepted ? "accepted" : "refused",
        "server_name", text_json(it->server_name), "offered", offered(it).text,
        "version", text_json(it->version), "alert",
        it->alert_code >= 0 ? text_json(it->alert) : json_null(), "alert_code",
        (json_int_t)it->alert_code, "app_bytes", (json_int_t)it->app_bytes,
        "hello_frame", frame_json(it->hello_frame), "certificate_frame",
        frame_json(it->cert_frame), "alert_frame", frame_json(it->alert_frame),
        "explanation", explain_json(&it->why));
}

json_t *run_json(struct run *run)
{
    json_t *events = json_array(), *conversations = json_array();
    for (unsigned i = 0; !run->whole && i < run->chosen_count; i++)
        json_array_append_new(
            events, json_pack("{s:o, s:o, s:o, s:I}", "kind",
                              text_json(run->chosen[i]->kind), "place",
                              text_json(run->chosen[i]->place), "frame",
                              frame_json(run->chosen[i]->frame), "step",
                              (json_int_t)run->chosen[i]->step + 1));
    for (unsigned i = 0; i < run->verdicts_count; i++)
        json_array_append_new(conversations, verdict_json(&run->verdicts[i]));
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "kind", "run", "dir",
                     run->path, "lab", text_json(run->report.lab), "what",
                     run->title, "events", events, "conversations",
                     conversations);
}
