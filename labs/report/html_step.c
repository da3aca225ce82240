/* SPDX-License-Identifier: MIT
 *
 * One step of the page: the guide, what happened, what was predicted and
 * typed, what was expected, and the evidence. */
#include "labs/report/compare.h"
#include "labs/report/guide.h"
#include "labs/report/html.h"
#include "labs/report/ladder.h"
#include "labs/report/verdict.h"
#include "labs/report/words.h"

#include <string.h>

static void heading(struct out *out, const char *words)
{
    out_format(out, "<h3>%s</h3>\n", words);
}

/* A <dt>/<dd> pair; nothing when there is nothing to say. */
static void fact_row(struct out *out, const char *name, struct text value)
{
    if (!value.len)
        return;
    out_format(out, "<dt>%s</dt><dd>", name);
    out_html(out, value);
    out_raw(out, "</dd>\n");
}

static void number_row(struct out *out, const char *name, long long value)
{
    if (value > 0)
        out_format(out, "<dt>%s</dt><dd>%lld</dd>\n", name, value);
}

/* ---- what happened ----------------------------------------------------- */

static void ladder_row(struct out *out, const struct ladder *ladder,
                       const struct rung *rung)
{
    out_raw(out, "<tr><td class=\"num\">");
    if (rung->frame)
        out_format(out, "%lld", rung->frame);
    out_raw(out, "</td><td>");
    out_html(out, ladder->columns[rung->from]);
    out_raw(out, "</td><td>");
    if (rung->from != rung->to)
        out_html(out, ladder->columns[rung->to]);
    out_format(out, "</td><td>%s%s", mark_word(rung->mark),
               rung->mark ? ": " : "");
    out_html(out, text_of(rung->text));
    out_raw(out, "</td></tr>\n");
}

static void ladder_table(struct out *out, const struct ladder *ladder)
{
    static const char *const heads[] = {"Frame", "From", "To", "What"};
    out_raw(out, "<details><summary>The same as a table</summary>\n");
    html_table_open(out, NULL, heads, 4);
    for (size_t i = 0; i < ladder->count; i++)
        ladder_row(out, ladder, &ladder->rungs[i]);
    html_table_close(out);
    out_raw(out, "</details>\n");
}

static void what_happened(struct report *report, unsigned number,
                          struct out *out)
{
    struct ladder ladder;
    ladder_build(report, number, &ladder);
    if (!ladder.count)
        return;
    heading(out, "What happened");
    out_format(out,
               "<figure><div class=\"wide\" tabindex=\"0\" role=\"region\" "
               "aria-label=\"Ladder of step %u\">\n",
               number + 1);
    ladder_svg(&ladder, number, report->steps[number].title, out);
    out_raw(out, "</div>\n");
    if (ladder.left_out)
        out_format(out, "<p class=\"soft\">%zu more are in events.jsonl.</p>\n",
                   ladder.left_out);
    ladder_table(out, &ladder);
    out_raw(out, "</figure>\n");
}

/* ---- what was typed ---------------------------------------------------- */

static void command_block(struct out *out, struct text at, struct text command)
{
    out_raw(out, "<pre><code><span class=\"prompt\">");
    out_html(out, at);
    out_raw(out, "$ </span>");
    out_html_block(out, command);
    out_raw(out, "</code></pre>\n");
}

static void attacks(struct out *out, const struct step *step)
{
    if (!step->attacks_count)
        return;
    heading(out, "The attack");
    for (unsigned i = 0; i < step->attacks_count; i++)
        command_block(out, step->attacks[i].at, step->attacks[i].command);
}

static void act_end(struct out *out, const struct act *act)
{
    out_raw(out, "<p class=\"soft\">");
    if (act->skipped.len) {
        out_raw(out, "Skipped: ");
        out_html(out, act->skipped);
    } else {
        out_format(out, "Exit code %lld", act->exit);
        long long ms = span_ms(act->t0, act->t1);
        if (ms >= 0)
            out_format(out, " after %lld ms", ms);
    }
    out_raw(out, ".</p>\n");
}

static void acts(struct out *out, const struct step *step)
{
    if (!step->acts_count)
        return;
    heading(out, "Commands and what they printed");
    for (unsigned i = 0; i < step->acts_count; i++) {
        const struct act *act = &step->acts[i];
        out_raw(out, "<section class=\"act\">\n");
        html_element(out, "h4", "", act->name);
        command_block(out, act->at, act->command);
        if (act->output.len) {
            out_raw(out, "<pre class=\"long\" tabindex=\"0\">");
            out_html_block(out, act->output);
            out_raw(out, "</pre>\n");
        }
        act_end(out, act);
        out_raw(out, "</section>\n");
    }
}

/* ---- what was expected ------------------------------------------------- */

/* "careful: alert is unknown_ca" says whose it is. */
static bool names_act(const struct expectation *it)
{
    return it->what.len > it->act.len &&
           !memcmp(it->what.bytes, it->act.bytes, it->act.len);
}

static void expectations(struct out *out, const struct step *step)
{
    static const char *const heads[] = {"What", "Expected", "Observed", "Held"};
    if (!step->expectations_count)
        return;
    heading(out, "Expected and observed");
    html_table_open(out, NULL, heads, 4);
    for (unsigned i = 0; i < step->expectations_count; i++) {
        const struct expectation *it = &step->expectations[i];
        out_raw(out, "<tr><th scope=\"row\">");
        out_html(out, it->what);
        if (it->act.len && !names_act(it)) {
            out_raw(out, " <span class=\"soft\">(");
            out_html(out, it->act);
            out_raw(out, ")</span>");
        }
        out_raw(out, "</th><td>");
        out_html(out, it->expected);
        out_raw(out, "</td><td>");
        out_html(out, it->observed);
        out_raw(out, "</td><td>");
        html_truth(out, it->held, "held", "not held");
        out_raw(out, "</td></tr>\n");
    }
    html_table_close(out);
}

/* ---- evidence ---------------------------------------------------------- */

static void frame_badge(struct out *out, long long frame)
{
    if (frame)
        out_format(out, "<span class=\"badge\">frame %lld</span>", frame);
    else
        out_raw(out, "<span class=\"badge none\">no frame</span>");
}

static void evidence_bytes(struct out *out, const struct evidence *evidence)
{
    if (!evidence->bytes.len)
        return;
    out_format(out, "<p class=\"soft\">The bytes%s:</p>\n",
               evidence->len > (long long)evidence->bytes.len
                   ? " (the first of them)"
                   : "");
    out_raw(out, "<div class=\"wide\"><pre class=\"hex\">");
    struct out hex = {0};
    out_hex(&hex, evidence->bytes);
    if (buf_len(&hex.buf))
        out_html_block(
            out, (struct text){(char *)buf_head(&hex.buf), buf_len(&hex.buf)});
    out->failed |= hex.failed;
    out_free(&hex);
    out_raw(out, "</pre></div>\n");
}

static void evidence_card(struct out *out, const struct evidence *evidence)
{
    out_raw(out, "<article class=\"card\">\n<h4>");
    frame_badge(out, evidence->frame);
    out_html(out, evidence->what);
    out_raw(out, "</h4>\n");
    if (!evidence->frame && evidence->missing.len)
        html_element(out, "p", "", evidence->missing);
    out_raw(out, "<dl class=\"facts\">\n");
    fact_row(out, "Sent by", evidence->interface);
    fact_row(out, "Seen as", evidence->kind);
    fact_row(out, "During", evidence->act);
    out_raw(out, "</dl>\n");
    if (evidence->filter.len) {
        out_raw(out, "<p><span class=\"soft\">Filter</span> <code "
                     "class=\"pick\">");
        out_html(out, evidence->filter);
        out_raw(out, "</code></p>\n");
    }
    evidence_bytes(out, evidence);
    if (evidence->decoded.len && !decoded_is_seen(evidence)) {
        out_raw(out, "<p class=\"soft\">Which says:</p>\n<pre>");
        out_html_block(out, evidence->decoded);
        out_raw(out, "</pre>\n");
    }
    out_raw(out, "</article>\n");
}

static void all_evidence(struct out *out, const struct step *step)
{
    if (!step->evidence_count)
        return;
    heading(out, "Evidence");
    for (unsigned i = 0; i < step->evidence_count; i++)
        evidence_card(out, &step->evidence[i]);
}

/* ---- certificates ------------------------------------------------------ */

static void cert_field(struct out *out, const struct comparison *pair,
                       const struct field_pair *field)
{
    bool differs = pair->has_original && !field->same;
    out_format(out, "<tr%s><th scope=\"row\">",
               differs ? " class=\"differs\"" : "");
    out_html(out, field->name);
    out_raw(out, "</th><td>");
    if (pair->has_original) {
        out_html(out, field->original);
        out_raw(out, "</td><td>");
    }
    out_html(out, field->forged);
    if (pair->has_original)
        out_format(out, "</td><td>%s", field->same ? "same" : "differs");
    out_raw(out, "</td></tr>\n");
}

/* What the catalogue says about a forgery. */
static void recipe(struct out *out, struct text id)
{
    const struct forgery *forgery = recipe_of(id);
    if (!id.len)
        return;
    out_raw(out, "<dl><dt>Recipe</dt><dd><code>");
    out_html(out, id);
    out_raw(out, "</code> ");
    out_html(out, text_of(forgery ? forgery->title : NULL));
    out_raw(out, "</dd>\n");
    if (forgery) {
        fact_row(out, "How it is made", text_of(forgery->how));
        fact_row(out, "What stops it", text_of(forgery->check));
        fact_row(out, "Demanded by", text_of(forgery->rfc));
        fact_row(out, "It happened", text_of(forgery->history));
    }
    out_raw(out, "</dl>\n");
}

static void certificates(struct report *report, unsigned number,
                         struct out *out)
{
    static const char *const two[] = {"Field", "The server's",
                                      "What the victim got", "Compared"};
    static const char *const one[] = {"Field", "What the victim got"};
    unsigned count;
    struct comparison *pairs = comparisons_of(report, number, &count);
    if (count)
        heading(out, "The certificate that was forged");
    for (unsigned i = 0; i < count; i++) {
        const struct comparison *pair = &pairs[i];
        recipe(out, pair->forgery);
        out_raw(out, "<div class=\"fields\">\n");
        html_table_open(out, NULL, pair->has_original ? two : one,
                        pair->has_original ? 4 : 2);
        for (unsigned f = 0; f < pair->count; f++)
            cert_field(out, pair, &pair->fields[f]);
        html_table_close(out);
        out_raw(out, "</div>\n");
        if (pair->parts.len) {
            out_raw(out, "<p>Byte by byte, these parts differ: ");
            out_html(out, pair->parts);
            out_raw(out, ".</p>\n");
        }
    }
}

/* ---- verdicts ---------------------------------------------------------- */

/* The catalogue's words where it has some. */
static struct text offered(const struct verdict *verdict)
{
    if (verdict->recipe)
        return text_of(verdict->recipe->title);
    if (verdict->forgery.len)
        return verdict->forgery;
    return verdict->forged ? TEXT("a certificate that the attacker made")
                           : TEXT("the server's own certificate");
}

static void verdict_answer(struct out *out, const struct verdict *verdict)
{
    if (verdict->alert_code >= 0) {
        out_raw(out, "<dt>Alert</dt><dd>");
        out_html(out, verdict->alert);
        out_format(out, " (%lld)</dd>\n", verdict->alert_code);
    } else {
        out_raw(out, "<dt>Alert</dt><dd>none</dd>\n");
    }
    out_format(out, "<dt>Data that came</dt><dd>%lld bytes</dd>\n",
               verdict->app_bytes);
    if (verdict->verify_code > 0) {
        out_format(out, "<dt>Its own words</dt><dd>code %lld %s",
                   verdict->verify_code, verdict->why.name);
        if (verdict->depth >= 0)
            out_format(out, " at depth %lld", verdict->depth);
        out_raw(out, "</dd>\n");
    }
}

/* Our own words, all of them. */
static void verdict_why(struct out *out, const struct explanation *why)
{
    struct explain_line lines[EXPLAIN_LINES];
    unsigned count = explain_lines(why, lines);
    out_raw(out, "<dl class=\"why\">\n");
    for (unsigned i = 0; i < count; i++) {
        fact_row(out, lines[i].label, text_of(lines[i].text));
    }
    out_raw(out, "</dl>\n");
}

static void verdict_card(struct out *out, const struct verdict *verdict)
{
    out_raw(out, "<article class=\"card\">\n<h4>");
    frame_badge(out, verdict->alert_frame ? verdict->alert_frame
                                          : verdict->cert_frame);
    if (verdict->act.len) {
        out_raw(out, "&ldquo;");
        out_html(out, verdict->act);
        out_raw(out, "&rdquo;");
    } else {
        out_raw(out, "A victim");
    }
    out_format(out, " said %s</h4>\n<dl>\n", verdict_word(verdict));
    fact_row(out, "Asked for", verdict->server_name);
    fact_row(out, "Was offered", offered(verdict));
    number_row(out, "Offered in frame", verdict->cert_frame);
    verdict_answer(out, verdict);
    out_raw(out, "</dl>\n");
    verdict_why(out, &verdict->why);
    out_raw(out, "</article>\n");
}

static void verdicts(struct report *report, unsigned number, struct out *out)
{
    unsigned count;
    struct verdict *list = verdicts_of(report, number, &count);
    if (count)
        heading(out, "Yes or no, and why");
    for (unsigned i = 0; i < count; i++)
        verdict_card(out, &list[i]);
}

/* ---- all of it --------------------------------------------------------- */

static void guide(struct out *out, const char *title, struct text part)
{
    if (!part.len)
        return;
    heading(out, title);
    out_raw(out, "<div class=\"guide\">\n");
    guide_html(part, 3, out);
    out_raw(out, "</div>\n");
}

void html_step(struct report *report, unsigned number, struct out *out)
{
    const struct step *step = &report->steps[number];
    out_format(out, "<section id=\"step-%u\">\n<h2>%u. ", number + 1,
               number + 1);
    out_html(out, step->title);
    out_raw(out, "</h2>\n<p>");
    html_truth(out, status_is_good(step->status), step_words(step),
               step_words(step));
    if (step->reason.len) {
        out_raw(out, " &middot; ");
        out_html(out, step->reason);
    }
    out_raw(out, "</p>\n");
    struct text before, after;
    split_guide(step->guide, &before, &after);
    guide(out, "From the guide", before);
    if (step->predictions_count) {
        heading(out, "Predictions, before it happened");
        html_asked(out, NULL, step->predictions, step->predictions_count);
    }
    attacks(out, step);
    what_happened(report, number, out);
    guide(out, "How to read it", after);
    all_evidence(out, step);
    certificates(report, number, out);
    verdicts(report, number, out);
    expectations(out, step);
    acts(out, step);
    out_raw(out, "</section>\n");
}
