/* SPDX-License-Identifier: MIT
 *
 * The page around the steps: verdict first, then the steps, then all that
 * somebody needs who wants to check or repeat the run. */
#include "labs/report/html.h"

#include "labs/report/compare.h"
#include "labs/report/style.h"
#include "labs/report/words.h"

#include <openssl/evp.h>
#include <string.h>

void html_element(struct out *out, const char *tag, const char *attributes,
                  struct text text)
{
    out_format(out, "<%s%s>", tag, attributes);
    out_html(out, text);
    out_format(out, "</%s>\n", tag);
}

void html_truth(struct out *out, bool good, const char *yes, const char *no)
{
    out_format(out,
               "<span class=\"%s\"><span aria-hidden=\"true\">%s</span> "
               "%s</span>",
               good ? "good" : "bad", good ? "✓" : "✗", good ? yes : no);
}

void html_table_open(struct out *out, const char *caption,
                     const char *const *heads, size_t count)
{
    out_raw(out, "<div class=\"wide\"><table>\n");
    if (caption)
        out_format(out, "<caption>%s</caption>\n", caption);
    out_raw(out, "<thead><tr>");
    for (size_t i = 0; i < count; i++)
        out_format(out, "<th scope=\"col\"%s>%s</th>",
                   !strcmp(heads[i], "Frame") ? " class=\"num\"" : "",
                   heads[i]);
    out_raw(out, "</tr></thead>\n<tbody>\n");
}

void html_table_close(struct out *out)
{
    out_raw(out, "</tbody></table></div>\n");
}

/* What was answered, and what it took. */
static void asked_given(struct out *out, const struct asked *asked)
{
    out_html(out, asked->given);
    if (asked->tries > 1 || asked->hints > 0)
        out_format(out, "<br><span class=\"soft\">%lld %s, %lld %s</span>",
                   asked->tries, asked->tries == 1 ? "try" : "tries",
                   asked->hints, asked->hints == 1 ? "hint" : "hints");
}

void html_asked(struct out *out, const char *caption, const struct asked *list,
                unsigned count)
{
    static const char *const heads[] = {"Question", "Given", "Answer", "Right"};
    html_table_open(out, caption, heads, 4);
    for (unsigned i = 0; i < count; i++) {
        const struct asked *asked = &list[i];
        out_raw(out, "<tr><th scope=\"row\">");
        out_html(out, asked->question);
        out_raw(out, "</th><td>");
        if (asked->was_given)
            asked_given(out, asked);
        else
            out_raw(out, "<span class=\"soft\">not given</span>");
        out_raw(out, "</td><td>");
        if (asked->was_given) /* the answer is not given away before */
            out_html(out, asked->answer);
        out_raw(out, "</td><td>");
        if (asked->was_given)
            html_truth(out, asked->right, "right", "wrong");
        else
            out_raw(out, "<span class=\"soft\">open</span>");
        out_raw(out, "</td></tr>\n");
    }
    html_table_close(out);
}

/* ---- top --------------------------------------------------------------- */

/* The policy names our one style sheet by its hash: no other style, script,
 * image or address is ever loaded, whatever found its way into the page. */
static void style(struct out *out)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned char text[2 * EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(report_style, strlen(report_style), hash, &len,
                    EVP_sha256(), NULL)) {
        out->failed = true;
        return;
    }
    EVP_EncodeBlock(text, hash, (int)len);
    out_format(out,
               "<meta http-equiv=\"Content-Security-Policy\" content=\""
               "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
               "form-action 'none'\">\n",
               (char *)text);
    out_raw(out, "<style>");
    out_raw(out, report_style);
    out_raw(out, "</style>\n");
}

static void head(const struct report *report, struct out *out)
{
    out_raw(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                 "<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, "
                 "initial-scale=1\">\n"
                 "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    out_html(out, report->lab);
    out_raw(out, ": ");
    out_html(out, report->title);
    out_raw(out, "</title>\n");
    style(out);
    out_raw(out, "</head>\n");
}

static void fact_row(struct out *out, const char *name, struct text value)
{
    if (!value.len)
        return;
    out_format(out, "<dt>%s</dt><dd>", name);
    out_html(out, value);
    out_raw(out, "</dd>\n");
}

static void facts(const struct report *report, struct out *out)
{
    out_raw(out, "<dl class=\"facts\">\n");
    fact_row(out, "Trainee", report->student);
    if (report->has_seed)
        out_format(out, "<dt>Seed</dt><dd>%lld</dd>\n", report->seed);
    fact_row(out, "Topology", report->topology);
    fact_row(out, "Played by", report->play);
    fact_row(out, "Started", report->started);
    fact_row(out, "Ended", report->ended);
    if (report->has_capture)
        out_format(out, "<dt>Capture</dt><dd>%lld packets, %lld dropped</dd>\n",
                   report->packets, report->dropped);
    if (report->claims_count) {
        out_raw(out, "<dt>Claims</dt><dd>");
        for (unsigned i = 0; i < report->claims_count; i++) {
            out_raw(out, i ? ", " : "");
            out_html(out, report->claims[i]);
        }
        out_raw(out, "</dd>\n");
    }
    out_raw(out, "</dl>\n");
}

static void verdict(const struct report *report, struct out *out)
{
    bool good = status_is_good(report->status) && !report->problems_count;
    out_format(out,
               "<div class=\"verdict %s\">\n<p class=\"words\">%s %s</p>\n",
               good ? "is-good" : "is-bad",
               good ? "<span aria-hidden=\"true\">✓</span>"
                    : "<span aria-hidden=\"true\">✗</span>",
               status_words(report->status));
    if (report->max > 0)
        out_format(out,
                   "<p class=\"score\">%lld <span class=\"of\">of %lld points"
                   "</span></p>\n",
                   report->got, report->max);
    out_format(out, "<p class=\"why\">%s ", status_sentence(report->status));
    out_html(out, report->reason);
    out_raw(out, "</p>\n</div>\n");
}

static void problems(const struct report *report, struct out *out)
{
    if (!report->problems_count)
        return;
    out_raw(out, "<div class=\"notice\" role=\"note\">\n<p><strong>This report "
                 "is not complete</strong></p>\n<ul>\n");
    for (unsigned i = 0; i < report->problems_count; i++)
        html_element(out, "li", "", text_of(report->problems[i]));
    out_raw(out, "</ul>\n</div>\n");
}

static void count_of(struct out *out, unsigned good, unsigned all)
{
    if (all)
        out_format(out, "<td>%u of %u</td>", good, all);
    else
        out_raw(out, "<td class=\"soft\">none</td>");
}

static void overview(const struct report *report, struct out *out)
{
    static const char *const heads[] = {"Step", "Predicted right",
                                        "Expectations held", "Result"};
    if (!report->steps_count)
        return;
    html_table_open(out, "The steps of this lab", heads, 4);
    for (unsigned i = 0; i < report->steps_count; i++) {
        const struct step *step = &report->steps[i];
        struct tally tally = step_tally(step);
        out_format(out, "<tr><th scope=\"row\"><a href=\"#step-%u\">%u. ",
                   i + 1, i + 1);
        out_html(out, step->title);
        out_raw(out, "</a></th>");
        count_of(out, tally.right, tally.asked);
        count_of(out, tally.held, tally.expected);
        out_raw(out, "<td>");
        html_truth(out, status_is_good(step->status), step_words(step),
                   step_words(step));
        out_raw(out, "</td></tr>\n");
    }
    html_table_close(out);
}

/* ---- bottom ------------------------------------------------------------ */

static void pairs(struct out *out, const char *caption,
                  const char *const heads[2], const struct pair *list,
                  unsigned count)
{
    if (!count)
        return;
    html_table_open(out, caption, heads, 2);
    for (unsigned i = 0; i < count; i++) {
        out_raw(out, "<tr><th scope=\"row\">");
        out_html(out, list[i].name);
        out_raw(out, "</th><td><code>");
        out_html(out, list[i].value);
        out_raw(out, "</code></td></tr>\n");
    }
    html_table_close(out);
}

static void places(const struct report *report, struct out *out)
{
    static const char *const heads[] = {"Place", "Address", "IPv6 address",
                                        "Hardware address"};
    if (!report->places_count)
        return;
    html_table_open(out, "Who is who in the capture", heads, 4);
    for (unsigned i = 0; i < report->places_count; i++) {
        const struct place *place = &report->places[i];
        const struct text cells[] = {place->address, place->address6,
                                     place->mac};
        out_raw(out, "<tr><th scope=\"row\">");
        out_html(out, place->name);
        out_raw(out, "</th>");
        for (unsigned c = 0; c < 3; c++) {
            out_raw(out, "<td><code>");
            out_html(out, cells[c]);
            out_raw(out, "</code></td>");
        }
        out_raw(out, "</tr>\n");
    }
    html_table_close(out);
}

static void cert(struct report *report, const struct pair *file,
                 struct out *out)
{
    static const char *const heads[] = {"Field", "Value"};
    struct comparison cert;
    if (!certificate_fields(report, file->value, &cert))
        return;
    out_raw(out, "<details class=\"fields\"><summary><code>");
    out_html(out, file->name);
    out_raw(out, "</code></summary>\n");
    html_table_open(out, NULL, heads, 2);
    for (unsigned i = 0; i < cert.count; i++) {
        out_raw(out, "<tr><th scope=\"row\">");
        out_html(out, cert.fields[i].name);
        out_raw(out, "</th><td>");
        out_html(out, cert.fields[i].forged);
        out_raw(out, "</td></tr>\n");
    }
    html_table_close(out);
    out_raw(out, "</details>\n");
}

static void certs(struct report *report, struct out *out)
{
    if (!report->certs_count)
        return;
    out_raw(out, "<section id=\"certs\">\n<h2>Certificates of this run</h2>\n"
                 "<p>The files in certs/ of the run folder.</p>\n");
    for (unsigned i = 0; i < report->certs_count; i++)
        cert(report, &report->certs[i], out);
    out_raw(out, "</section>\n");
}

static void reproduce(struct report *report, struct out *out)
{
    static const char *const versions[] = {"Program", "Version"};
    static const char *const artefacts[] = {"File", "SHA-256"};
    out_raw(out,
            "<section id=\"again\">\n<h2>To check it and to repeat it</h2>"
            "\n<p>The seed decides on names, amounts, addresses and ports, "
            "so this makes the same run again; times and keys differ.</p>"
            "\n<pre><code class=\"pick\">");
    out_html_block(out, report_command(report));
    out_raw(out, "</code></pre>\n<p>A display filter from above, given to "
                 "Wireshark or tshark over capture.pcapng, selects the frame "
                 "that stands beside it.</p>\n");
    if (report->seal.len) {
        out_raw(out, "<p>Each prediction was sealed before the attack; the "
                     "chain of seals ends with <code>");
        out_html(out, report->seal);
        out_raw(out, "</code>.</p>\n");
    }
    places(report, out);
    pairs(out, "What ran", versions, report->versions, report->versions_count);
    pairs(out, "Files of this run", artefacts, report->artefacts,
          report->artefacts_count);
    out_raw(out, "</section>\n");
}

static void transcript(const struct report *report, struct out *out)
{
    if (!report->transcript.len)
        return;
    out_raw(out, "<section id=\"transcript\">\n<h2>Transcript</h2>\n<details>"
                 "<summary>Everything that was typed and printed</summary>\n"
                 "<pre>");
    out_html_block(out, report->transcript);
    out_raw(out, "</pre></details>\n</section>\n");
}

static void foot(struct out *out)
{
    out_raw(out, "<footer><p>Written by mitmlab from result.json and "
                 "events.jsonl of the run folder. Bytes that cannot be printed "
                 "are shown as \\x1b or \\u{202e}. All of this happened inside "
                 "one machine, between places that have no way out.</p>"
                 "</footer>\n</main>\n</body>\n</html>\n");
}

void html_write(struct report *report, struct out *out)
{
    head(report, out);
    out_raw(out,
            "<body>\n<main>\n<header>\n<p class=\"over\">mitmlab &middot; ");
    out_html(out, report->lab);
    out_raw(out, "</p>\n");
    html_element(out, "h1", "",
                 report->title.len ? report->title : report->lab);
    if (report->question.len)
        html_element(out, "p", " class=\"lead\"", report->question);
    verdict(report, out);
    problems(report, out);
    facts(report, out);
    out_raw(out, "</header>\n");
    overview(report, out);
    for (unsigned i = 0; i < report->steps_count; i++)
        html_step(report, i, out);
    if (report->questions_count) {
        out_raw(out, "<section id=\"questions\">\n<h2>Questions and answers"
                     "</h2>\n");
        html_asked(out, NULL, report->questions, report->questions_count);
        out_raw(out, "</section>\n");
    }
    certs(report, out);
    reproduce(report, out);
    transcript(report, out);
    foot(out);
}
