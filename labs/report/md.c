/* SPDX-License-Identifier: MIT
 *
 * GitHub-flavoured Markdown. A stranger's text stands in code spans, fenced
 * blocks or with every special character escaped, and never begins a line. */
#include "labs/report/md.h"

#include "labs/report/compare.h"
#include "labs/report/ladder.h"
#include "labs/report/verdict.h"
#include "labs/report/words.h"

#include <string.h>

enum { LADDER_WIDTH = 100 };

static void item(struct out *out, const char *name, struct text value)
{
    if (!value.len)
        return;
    out_format(out, "- %s: ", name);
    out_md(out, value);
    out_raw(out, "\n");
}

static void item_number(struct out *out, const char *name, long long value)
{
    if (value > 0)
        out_format(out, "- %s: %lld\n", name, value);
}

static void cell(struct out *out, struct text text)
{
    out_raw(out, " ");
    out_md(out, text);
    out_raw(out, " |");
}

static void cell_code(struct out *out, struct text text)
{
    out_raw(out, " ");
    out_md_code(out, text, true);
    out_raw(out, " |");
}

static void after_blank(struct out *out, struct text text)
{
    out_raw(out, text.len ? " " : "");
    out_md(out, text);
}

/* ---- top --------------------------------------------------------------- */

static void top(const struct report *report, struct out *out)
{
    out_raw(out, "# ");
    out_md(out, report->title.len ? report->title : report->lab);
    out_raw(out, "\n\n");
    if (report->question.len) {
        out_raw(out, "*");
        out_md(out, report->question);
        out_raw(out, "*\n\n");
    }
    out_format(out, "**%s.**", status_words(report->status));
    if (report->max > 0)
        out_format(out, " %lld of %lld points.", report->got, report->max);
    out_format(out, " %s", status_sentence(report->status));
    after_blank(out, report->reason);
    out_raw(out, "\n\n");
    if (report->problems_count)
        out_raw(out, "> **This report is not complete**\n>\n");
    for (unsigned i = 0; i < report->problems_count; i++) {
        out_raw(out, "> - ");
        out_md(out, text_of(report->problems[i]));
        out_raw(out, "\n");
    }
    out_raw(out, report->problems_count ? "\n" : "");
}

static void facts(const struct report *report, struct out *out)
{
    item(out, "Lab", report->lab);
    item(out, "Trainee", report->student);
    if (report->has_seed)
        out_format(out, "- Seed: %lld\n", report->seed);
    item(out, "Topology", report->topology);
    item(out, "Played by", report->play);
    item(out, "Started", report->started);
    item(out, "Ended", report->ended);
    if (report->has_capture)
        out_format(out, "- Capture: %lld packets, %lld dropped\n",
                   report->packets, report->dropped);
    for (unsigned i = 0; i < report->claims_count; i++) {
        out_raw(out, i ? ", " : "- Claims: ");
        out_md(out, report->claims[i]);
    }
    out_raw(out, report->claims_count ? "\n\n" : "\n");
}

static void overview(const struct report *report, struct out *out)
{
    if (!report->steps_count)
        return;
    out_raw(out, "| Step | Predicted right | Expectations held | Result |\n"
                 "|---|---|---|---|\n");
    for (unsigned i = 0; i < report->steps_count; i++) {
        const struct step *step = &report->steps[i];
        struct tally tally = step_tally(step);
        out_format(out, "| %u.", i + 1);
        cell(out, step->title);
        out_format(out, " %u of %u | %u of %u | %s |\n", tally.right,
                   tally.asked, tally.held, tally.expected, step_words(step));
    }
    out_raw(out, "\n");
}

/* ---- a step ------------------------------------------------------------ */

static void command(struct report *report, struct out *out, struct text at,
                    struct text words)
{
    struct out line = {0};
    out_bytes(&line, at.bytes, at.len);
    out_raw(&line, "$ ");
    out_bytes(&line, words.bytes, words.len);
    size_t len = buf_len(&line.buf);
    char *kept = arena_copy(&report->arena, buf_head(&line.buf), len);
    out_free(&line);
    if (kept)
        out_md_block(out, "", (struct text){kept, len});
    out_raw(out, "\n");
}

static void asked(struct out *out, const struct asked *list, unsigned count)
{
    out_raw(out, "| Question | Given | Answer | Right |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < count; i++) {
        const struct asked *it = &list[i];
        out_raw(out, "|");
        cell(out, it->question);
        cell(out, it->was_given ? it->given : TEXT("not given"));
        cell(out, it->was_given ? it->answer : TEXT(""));
        out_format(out, " %s |\n",
                   !it->was_given ? "open"
                   : it->right    ? "right"
                                  : "**wrong**");
    }
    out_raw(out, "\n");
}

static void ladder(struct report *report, unsigned number, bool ascii,
                   struct out *out)
{
    struct ladder ladder;
    ladder_build(report, number, &ladder);
    if (!ladder.count)
        return;
    out_raw(out, "### What happened\n\n```text\n");
    ladder_text(&ladder, LADDER_WIDTH, ascii, out);
    out_raw(out, "```\n\n");
}

static void evidence(const struct evidence *it, struct out *out)
{
    if (it->frame)
        out_format(out, "**Frame %lld**: ", it->frame);
    else
        out_raw(out, "**No frame**: ");
    out_md(out, it->what);
    out_raw(out, "\n\n");
    if (!it->frame)
        item(out, "Reason", it->missing);
    item(out, "Sent by", it->interface);
    item(out, "Seen as", it->kind);
    item(out, "During", it->act);
    if (it->filter.len) {
        out_raw(out, "- Filter: ");
        out_md_code(out, it->filter, false);
        out_raw(out, "\n");
    }
    out_raw(out, "\n");
    if (it->bytes.len) {
        out_raw(out, "```text\n");
        out_hex(out, it->bytes);
        out_raw(out, "```\n\n");
    }
    if (it->decoded.len && !decoded_is_seen(it)) {
        out_md_block(out, "text", it->decoded);
        out_raw(out, "\n");
    }
}

static void recipe(struct out *out, struct text id)
{
    const struct forgery *forgery = recipe_of(id);
    item(out, "Recipe", id);
    if (!forgery)
        return;
    item(out, "What it is", text_of(forgery->title));
    item(out, "How it is made", text_of(forgery->how));
    item(out, "What stops it", text_of(forgery->check));
    item(out, "Demanded by", text_of(forgery->rfc));
    item(out, "It happened", text_of(forgery->history));
}

static void certificates(struct report *report, unsigned number,
                         struct out *out)
{
    unsigned count;
    struct comparison *pairs = comparisons_of(report, number, &count);
    if (count)
        out_raw(out, "### The certificate that was forged\n\n");
    for (unsigned i = 0; i < count; i++) {
        recipe(out, pairs[i].forgery);
        out_raw(out, "\n| Field | The server's | What the victim got | "
                     "Compared |\n|---|---|---|---|\n");
        for (unsigned f = 0; f < pairs[i].count; f++) {
            const struct field_pair *field = &pairs[i].fields[f];
            out_raw(out, "|");
            cell(out, field->name);
            cell(out, field->original);
            cell(out, field->forged);
            out_format(out, " %s |\n",
                       !pairs[i].has_original ? ""
                       : field->same          ? "same"
                                              : "**differs**");
        }
        out_raw(out, "\n");
        if (pairs[i].parts.len) {
            out_raw(out, "Byte by byte, these parts differ: ");
            out_md(out, pairs[i].parts);
            out_raw(out, ".\n\n");
        }
    }
}

/* Our own words, all of them. */
static void verdict_why(const struct explanation *why, struct out *out)
{
    struct explain_line lines[EXPLAIN_LINES];
    unsigned count = explain_lines(why, lines);
    for (unsigned i = 0; i < count; i++) {
        item(out, lines[i].label, text_of(lines[i].text));
    }
    out_raw(out, "\n");
}

static void verdict(const struct verdict *it, struct out *out)
{
    out_raw(out, "**");
    out_md(out, it->act.len ? it->act : TEXT("A victim"));
    out_format(out, "** said %s.\n\n", verdict_word(it));
    item(out, "Asked for", it->server_name);
    item(out, "Was offered",
         it->recipe ? text_of(it->recipe->title) : it->forgery);
    item_number(out, "Offered in frame", it->cert_frame);
    if (it->alert_code >= 0) {
        out_raw(out, "- Alert: ");
        out_md(out, it->alert);
        out_format(out, " (%lld)\n", it->alert_code);
    } else {
        out_raw(out, "- Alert: none\n");
    }
    item_number(out, "Alert in frame", it->alert_frame);
    out_format(out, "- Data that came: %lld bytes\n", it->app_bytes);
    if (it->verify_code > 0)
        out_format(out, "- Its own words: code %lld %s\n", it->verify_code,
                   it->why.name);
    verdict_why(&it->why, out);
}

static void verdicts(struct report *report, unsigned number, struct out *out)
{
    unsigned count;
    struct verdict *list = verdicts_of(report, number, &count);
    if (count)
        out_raw(out, "### Yes or no, and why\n\n");
    for (unsigned i = 0; i < count; i++)
        verdict(&list[i], out);
}

static void expectations(const struct step *step, struct out *out)
{
    if (!step->expectations_count)
        return;
    out_raw(out, "### Expected and observed\n\n| What | Expected | "
                 "Observed | Held |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < step->expectations_count; i++) {
        const struct expectation *it = &step->expectations[i];
        out_raw(out, "|");
        cell(out, it->what);
        cell(out, it->expected);
        cell(out, it->observed);
        out_raw(out, it->held ? " held |\n" : " **not held** |\n");
    }
    out_raw(out, "\n");
}

static void acts(struct report *report, const struct step *step,
                 struct out *out)
{
    if (step->acts_count)
        out_raw(out, "### Commands and what they printed\n\n");
    for (unsigned i = 0; i < step->acts_count; i++) {
        const struct act *act = &step->acts[i];
        out_raw(out, "**");
        out_md(out, act->name.len ? act->name : TEXT("act"));
        if (act->skipped.len) {
            out_raw(out, "**: skipped, ");
            out_md(out, act->skipped);
        } else {
            out_format(out, "**: exit code %lld", act->exit);
        }
        out_raw(out, "\n\n");
        command(report, out, act->at, act->command);
        if (act->output.len) {
            out_md_block(out, "text", act->output);
            out_raw(out, "\n");
        }
    }
}

static void guide(struct out *out, struct text part)
{
    if (!part.len)
        return;
    out_md_quote(out, part);
    out_raw(out, "\n");
}

static void step_write(struct report *report, unsigned number, bool ascii,
                       struct out *out)
{
    const struct step *step = &report->steps[number];
    out_format(out, "## %u. ", number + 1);
    out_md(out, step->title);
    out_format(out, "\n\n**%s.**", step_words(step));
    after_blank(out, step->reason);
    out_raw(out, "\n\n");
    struct text before, after;
    split_guide(step->guide, &before, &after);
    guide(out, before);
    if (step->predictions_count) {
        out_raw(out, "### Predictions, before it happened\n\n");
        asked(out, step->predictions, step->predictions_count);
    }
    if (step->attacks_count)
        out_raw(out, "### The attack\n\n");
    for (unsigned i = 0; i < step->attacks_count; i++)
        command(report, out, step->attacks[i].at, step->attacks[i].command);
    ladder(report, number, ascii, out);
    guide(out, after);
    if (step->evidence_count)
        out_raw(out, "### Evidence\n\n");
    for (unsigned i = 0; i < step->evidence_count; i++)
        evidence(&step->evidence[i], out);
    certificates(report, number, out);
    verdicts(report, number, out);
    expectations(step, out);
    acts(report, step, out);
}

/* ---- bottom ------------------------------------------------------------ */

static void pairs(struct out *out, const char *heads, const struct pair *list,
                  unsigned count)
{
    if (!count)
        return;
    out_format(out, "| %s |\n|---|---|\n", heads);
    for (unsigned i = 0; i < count; i++) {
        out_raw(out, "|");
        cell(out, list[i].name);
        cell_code(out, list[i].value);
        out_raw(out, "\n");
    }
    out_raw(out, "\n");
}

static void places(const struct report *report, struct out *out)
{
    if (!report->places_count)
        return;
    out_raw(out, "| Place | Address | IPv6 address | Hardware address |\n"
                 "|---|---|---|---|\n");
    for (unsigned i = 0; i < report->places_count; i++) {
        const struct place *place = &report->places[i];
        out_raw(out, "|");
        cell(out, place->name);
        cell(out, place->address);
        cell(out, place->address6);
        cell(out, place->mac);
        out_raw(out, "\n");
    }
    out_raw(out, "\n");
}

static const struct field_pair *field_of(const struct comparison *cert,
                                         const char *name)
{
    for (unsigned i = 0; i < cert->count; i++)
        if (text_is(cert->fields[i].name, name))
            return &cert->fields[i];
    return NULL;
}

static void certs(struct report *report, struct out *out)
{
    static const char *const names[] = {"subject", "issuer", "valid until"};
    if (report->certs_count)
        out_raw(out, "| Certificate | Subject | Issuer | Valid until |\n"
                     "|---|---|---|---|\n");
    for (unsigned i = 0; i < report->certs_count; i++) {
        struct comparison cert;
        certificate_fields(report, report->certs[i].value, &cert);
        out_raw(out, "|");
        cell_code(out, report->certs[i].name);
        for (size_t n = 0; n < 3; n++) {
            const struct field_pair *field = field_of(&cert, names[n]);
            cell(out, field ? field->forged : TEXT(""));
        }
        out_raw(out, "\n");
    }
    out_raw(out, report->certs_count ? "\n" : "");
}

static void write_all(struct report *report, bool ascii, struct out *out)
{
    top(report, out);
    facts(report, out);
    overview(report, out);
    for (unsigned i = 0; i < report->steps_count; i++)
        step_write(report, i, ascii, out);
    if (report->questions_count) {
        out_raw(out, "## Questions and answers\n\n");
        asked(out, report->questions, report->questions_count);
    }
    out_raw(out, "## To check it and to repeat it\n\n");
    out_md_block(out, "sh", report_command(report));
    out_raw(out, "\nThe seed decides on names, amounts, addresses and ports; "
                 "times and keys differ. A display filter from above, given to "
                 "Wireshark or tshark over capture.pcapng, selects the frame "
                 "that stands beside it.\n\n");
    places(report, out);
    certs(report, out);
    pairs(out, "Program | Version", report->versions, report->versions_count);
    pairs(out, "File | SHA-256", report->artefacts, report->artefacts_count);
    if (report->transcript.len) {
        out_raw(out, "## Transcript\n\n");
        out_md_block(out, "text", report->transcript);
    }
}

void md_write(struct report *report, struct out *out)
{
    write_all(report, false, out);
}

void md_print(struct report *report, bool ascii, struct out *out)
{
    struct out whole = {0};
    write_all(report, ascii, &whole);
    out->failed |= whole.failed;
    if (buf_len(&whole.buf))
        out_plain_block(
            out,
            (struct text){(char *)buf_head(&whole.buf), buf_len(&whole.buf)},
            ascii, 0);
    out_free(&whole);
}
