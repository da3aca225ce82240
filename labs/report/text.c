/* SPDX-License-Identifier: MIT */
#include "labs/report/text.h"

#include "labs/report/ladder.h"
#include "labs/report/words.h"

#include <string.h>

struct page {
    struct report *report;
    struct out *out;
    unsigned width;
    bool ascii;
};

/* Text broken at blanks, each line behind `indent` blanks. */
static void flow(const struct page *page, struct text text, unsigned indent)
{
    struct out line = {0};
    out_plain(&line, text, page->ascii);
    out_bytes(&line, "", 1); /* the NUL at the end */
    if (line.failed)
        page->out->failed = true;
    const char *rest = line.failed ? "" : (char *)buf_head(&line.buf);
    while (*rest) {
        const char *from = rest;
        size_t len = ladder_wrap(&rest, page->width - indent);
        out_format(page->out, "%*s", (int)indent, "");
        out_bytes(page->out, from, len);
        out_raw(page->out, "\n");
    }
    out_free(&line);
}

static void flow_words(const struct page *page, unsigned indent,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void flow_words(const struct page *page, unsigned indent,
                       const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    flow(page, text_of(words), indent);
}

static void rule(const struct page *page)
{
    for (unsigned i = 0; i < page->width; i++)
        out_raw(page->out, page->ascii ? "-" : "─");
    out_raw(page->out, "\n");
}

static void top(const struct page *page)
{
    const struct report *report = page->report;
    char lab[64], title[160];
    text_line(report->lab, lab, sizeof lab - 1);
    text_line(report->title, title, sizeof title - 1);
    flow_words(page, 0, "%s: %s", lab, title);
    flow(page, report->question, 0);
    rule(page);
    if (report->max > 0)
        flow_words(page, 0, "%s, %lld of %lld points. %s",
                   status_words(report->status), report->got, report->max,
                   status_sentence(report->status));
    else
        flow_words(page, 0, "%s. %s", status_words(report->status),
                   status_sentence(report->status));
    flow(page, report->reason, 0);
    for (unsigned i = 0; i < report->problems_count; i++)
        flow_words(page, 0, "! %s", report->problems[i]);
}

static void evidence(const struct page *page, const struct evidence *it)
{
    char what[256];
    text_line(it->what, what, sizeof what - 1);
    if (it->frame)
        flow_words(page, 2, "frame %lld: %s", it->frame, what);
    else
        flow_words(page, 2, "no frame: %s", what);
    if (it->filter.len) {
        out_raw(page->out, "    ");
        out_plain(page->out, it->filter, page->ascii);
        out_raw(page->out, "\n");
    }
}

static void missed(const struct page *page, const struct step *step)
{
    for (unsigned i = 0; i < step->expectations_count; i++) {
        const struct expectation *it = &step->expectations[i];
        char what[128], expected[96], observed[96];
        if (it->held)
            continue;
        text_line(it->what, what, sizeof what - 1);
        text_line(it->expected, expected, sizeof expected - 1);
        text_line(it->observed, observed, sizeof observed - 1);
        flow_words(page, 2, "not held: %s (expected %s, observed %s)", what,
                   expected, observed);
    }
}

static void step_write(const struct page *page, unsigned number)
{
    const struct step *step = &page->report->steps[number];
    struct tally tally = step_tally(step);
    char title[160];
    text_line(step->title, title, sizeof title - 1);
    out_raw(page->out, "\n");
    flow_words(page, 0, "%u. %s", number + 1, title);
    flow_words(
        page, 2, "%s: %u of %u predictions right, %u of %u expectations held",
        step_words(step), tally.right, tally.asked, tally.held, tally.expected);
    flow(page, step->reason, 2);
    missed(page, step);
    struct ladder ladder;
    ladder_build(page->report, number, &ladder);
    if (ladder.count) {
        out_raw(page->out, "\n");
        ladder_text(&ladder, page->width, page->ascii, page->out);
        out_raw(page->out, "\n");
    }
    for (unsigned i = 0; i < step->evidence_count; i++)
        evidence(page, &step->evidence[i]);
}

static void questions(const struct page *page)
{
    const struct report *report = page->report;
    unsigned right = 0, given = 0;
    for (unsigned i = 0; i < report->questions_count; i++) {
        given += report->questions[i].was_given;
        right += report->questions[i].was_given && report->questions[i].right;
    }
    if (report->questions_count)
        flow_words(page, 0, "Questions: %u of %u answered, %u right", given,
                   report->questions_count, right);
}

void text_write(struct report *report, unsigned width, bool ascii,
                struct out *out)
{
    width = width < 40 ? 40 : width > 200 ? 200 : width;
    struct page page = {report, out, width, ascii};
    top(&page);
    for (unsigned i = 0; i < report->steps_count; i++)
        step_write(&page, i);
    out_raw(out, "\n");
    questions(&page);
}
