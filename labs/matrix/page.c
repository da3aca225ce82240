/* SPDX-License-Identifier: MIT
 *
 * One table, and below it a section for each row. Cells of a row about which
 * the same is to be said share a paragraph, to which they lead. */
#include "labs/matrix/page.h"

#include "labs/matrix/table.h"
#include "labs/report/explain.h"
#include "labs/report/out.h"
#include "labs/report/style.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char page_style[] =
"body { max-width: 96rem; }\n"
"h3 { margin-top: 2.75rem; }\n"
".grid table { width: auto; font-size: 0.8125rem; line-height: 1.35; }\n"
".grid th, .grid td { padding: 0.1rem 0.3rem; min-width: 0; }\n"
".grid thead th { writing-mode: vertical-rl; transform: rotate(180deg);\n"
"  text-align: left; vertical-align: bottom; padding: 0.4rem 0.1rem; }\n"
".grid thead th.corner { writing-mode: horizontal-tb; transform: none; }\n"
".grid tbody th { text-align: left; font-weight: 400; white-space: nowrap;\n"
"  min-width: 16rem; }\n"
".grid tbody th code { display: inline-block; min-width: 2.2rem; }\n"
".grid td { text-align: center; white-space: nowrap;\n"
"  border-left: 1px solid var(--rule);\n"
"  font-family: ui-monospace, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; }\n"
".clients th, .clients td:nth-child(2) { white-space: nowrap; }\n"
".grid td a, .grid td i { display: inline-block; min-width: 1em;\n"
"  text-decoration: none; color: var(--soft); font-style: normal; }\n"
".grid td a.wrong { background: var(--bad); color: var(--paper);\n"
"  font-weight: 700; border-radius: 3px; }\n"
".grid tbody tr:hover { background: var(--card); }\n"
".grid tr.first th, .grid tr.first td { border-top: 2px solid var(--soft); }\n"
".key dt { font-family: ui-monospace, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; }\n"
".case { border-left: 3px solid var(--rule); padding-left: 1.1rem;\n"
"  margin: 1rem 0; max-width: 48rem; }\n"
".case.wrong { border-color: var(--bad); }\n"
".case p { margin: 0.25rem 0; }\n"
".case:target { background: var(--warn-bg); }\n"
"@page { size: A4 landscape; margin: 12mm; }\n"
"@media print {\n"
"  .grid table { font-size: 6.5pt; }\n"
"  .grid th, .grid td { padding: 0 1.5pt; }\n"
"  .grid thead th { font-size: 6.5pt; }\n"
"  .grid code { font-size: inherit; }\n"
"  .grid tbody th { min-width: 0; }\n"
"  .grid td a.wrong { print-color-adjust: exact; -webkit-print-color-adjust: exact; }\n"
"  .key, .clients table { font-size: 8pt; line-height: 1.3; }\n"
"  .key { row-gap: 0; }\n"
"  .clients thead th { font-size: inherit; }\n"
"  .clients th, .clients td { padding-top: 1pt; padding-bottom: 1pt; }\n"
"  .rows { columns: 3; column-gap: 6mm; font-size: 7pt; line-height: 1.3; }\n"
"  .rows h3 { font-size: 9pt; margin: 8pt 0 2pt; }\n"
"  .rows h3:first-child { margin-top: 0; }\n"
"  .rows p, .rows dl { font-size: inherit; margin: 1pt 0; gap: 0 4pt; }\n"
"  .rows code { font-size: inherit; }\n"
"  .rows .badge { font-size: inherit; padding: 0 3pt; }\n"
"  .case { break-inside: avoid; margin: 2pt 0; padding-left: 4pt; }\n"
"}\n";
/* clang-format on */

enum { CASES_MOST = CLIENTS_MOST * MATRIX_VERSIONS };

/* Cells of one row of which the same is said. */
struct the_case {
    const struct cell *cell; /* the first of them */
    struct explanation why;
    bool who[CLIENTS_MOST][MATRIX_VERSIONS];
};

struct page {
    const struct matrix *matrix;
    struct out out;
    struct the_case cases[CASES_MOST]; /* of the row at hand */
    unsigned cases_count;
    unsigned char case_of[CLIENTS_MOST][MATRIX_VERSIONS]; /* from 1 */
};

static void say(struct page *page, const char *words)
{
    out_html(&page->out, text_of(words));
}

/* ---- cases --------------------------------------------------------------- */

static struct explanation explain_cell(const struct row *row,
                                       const struct cell *cell,
                                       enum matrix_version version)
{
    struct explanation said = {.words = ""};
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.how = cell->how;
    facts.alert = cell->alert;
    facts.version = version == MATRIX_12 ? 0x0303 : 0x0304;
    facts.finished = cell->finished;
    facts.app_bytes = cell->app_bytes;
    facts.forgery = row->cert;
    if (row->cert && strcmp(cell->how, "offer") != 0)
        explain(&facts, &said);
    return said;
}

static bool same(const struct the_case *it, const struct cell *cell,
                 const struct explanation *why)
{
    return it->cell->state == cell->state &&
           !strcmp(it->cell->how, cell->how) &&
           it->cell->alert == cell->alert && it->why.manner == why->manner &&
           it->why.why == why->why;
}

static bool is_here(const struct matrix *matrix, unsigned client,
                    enum matrix_version version)
{
    return matrix->clients.list[client]->found && matrix->versions[version];
}

static void sort_cell(struct page *page, unsigned row, unsigned client,
                      enum matrix_version version)
{
    const struct cell *cell = matrix_cell(page->matrix, client, row, version);
    struct explanation why =
        explain_cell(&page->matrix->rows[row], cell, version);
    unsigned i = 0;
    if (cell->state == CELL_CANNOT || cell->state == CELL_NONE)
        return;
    while (i < page->cases_count && !same(&page->cases[i], cell, &why))
        i++;
    if (i == page->cases_count)
        page->cases[page->cases_count++] =
            (struct the_case){.cell = cell, .why = why};
    page->cases[i].who[client][version] = true;
    page->case_of[client][version] = (unsigned char)(i + 1);
}

static void sort_row(struct page *page, unsigned row)
{
    page->cases_count = 0;
    memset(page->case_of, 0, sizeof page->case_of);
    for (unsigned c = 0; c < page->matrix->clients.count; c++)
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            if (is_here(page->matrix, c, v))
                sort_cell(page, row, c, v);
}

/* ---- the table ----------------------------------------------------------- */

static void write_cell(struct page *page, unsigned row, unsigned client,
                       enum matrix_version version)
{
    const struct row *it = &page->matrix->rows[row];
    const struct cell *cell = matrix_cell(page->matrix, client, row, version);
    char letter = cell_letter(cell);
    bool wrong = cell_is_wrong(it, cell);
    if (letter == 'A' && !wrong)
        letter = 'a';
    if (!page->case_of[client][version]) {
        out_raw(&page->out, "<i>&nbsp;</i>");
        return;
    }
    out_format(&page->out, "<a%s href=\"#%s-%u\" title=\"",
               wrong ? " class=\"wrong\"" : "", it->id,
               page->case_of[client][version]);
    say(page, page->matrix->clients.list[client]->id);
    out_format(&page->out, ", %s, TLS %s: ", it->id,
               matrix_version_name(version));
    say(page, cell_words(cell));
    out_format(&page->out, "\">%c</a>", letter);
}

static void write_row(struct page *page, unsigned row)
{
    const struct row *it = &page->matrix->rows[row];
    bool first = row && page->matrix->rows[row - 1].id[0] != it->id[0];
    sort_row(page, row);
    out_format(&page->out,
               "<tr%s><th scope=\"row\"><a href=\"#%s\"><code>%s</code></a> ",
               first ? " class=\"first\"" : "", it->id, it->id);
    say(page, it->title);
    out_raw(&page->out, "</th>");
    for (unsigned c = 0; c < page->matrix->clients.count; c++) {
        if (!page->matrix->clients.list[c]->found)
            continue;
        out_raw(&page->out, "<td>");
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            if (page->matrix->versions[v])
                write_cell(page, row, c, v);
        out_raw(&page->out, "</td>");
    }
    out_raw(&page->out, "</tr>\n");
}

static void write_key(struct page *page)
{
    out_raw(&page->out, "<dl class=\"key\">");
    for (const struct letter *it = table_letters; it->letter; it++) {
        out_format(&page->out, "<dt>%c</dt><dd>", it->letter);
        say(page, it->words);
        out_raw(&page->out, "</dd>");
    }
    out_raw(&page->out, "</dl>\n");
}

static void write_table(struct page *page)
{
    const struct matrix *matrix = page->matrix;
    out_raw(
        &page->out,
        "<h2>The matrix</h2>\n<div class=\"wide grid\" tabindex=\"0\">"
        "<table>\n<thead><tr><th class=\"corner\" scope=\"col\">shown</th>");
    for (unsigned c = 0; c < matrix->clients.count; c++) {
        if (!matrix->clients.list[c]->found)
            continue;
        out_raw(&page->out, "<th scope=\"col\">");
        say(page, matrix->clients.list[c]->id);
        out_raw(&page->out, " ");
        say(page, matrix->clients.list[c]->version);
        out_raw(&page->out, "</th>");
    }
    out_raw(&page->out, "</tr></thead>\n<tbody>\n");
    for (unsigned row = 0; row < matrix->rows_count; row++)
        write_row(page, row);
    out_raw(&page->out, "</tbody></table></div>\n");
    if (matrix->versions[MATRIX_12] && matrix->versions[MATRIX_13])
        out_raw(&page->out, "<p class=\"soft\">The first letter of a cell is "
                            "TLS 1.2, the second TLS 1.3. Each leads to what "
                            "is to be said of it.</p>\n");
    write_key(page);
}

/* ---- clients ------------------------------------------------------------- */

static void write_unfair(struct page *page, unsigned client)
{
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
        if (*page->matrix->unfair[client][v]) {
            out_format(&page->out,
                       "<br><span class=\"bad\">rig not fair for this client "
                       "in TLS %s</span>: ",
                       matrix_version_name(v));
            say(page, page->matrix->unfair[client][v]);
        }
}

static void write_clients(struct page *page)
{
    out_raw(&page->out,
            "<h2>The clients</h2>\n<div class=\"wide clients\"><table>"
            "<thead><tr><th>client</th><th>version</th>"
            "<th class=\"num\">accepts</th><th></th></tr></thead>"
            "<tbody>\n");
    for (unsigned i = 0; i < page->matrix->clients.count; i++) {
        const struct client *client = page->matrix->clients.list[i];
        out_raw(&page->out, "<tr><th scope=\"row\">");
        say(page, client->id);
        out_raw(&page->out, "</th><td>");
        say(page, client->own ? "of this lab" : client->version);
        out_raw(&page->out, "</td><td class=\"num\">");
        if (client->found)
            out_format(&page->out, "%u of %u", matrix_wrong(page->matrix, i),
                       matrix_bad_rows(page->matrix));
        out_raw(&page->out, "</td><td>");
        if (!client->found) {
            out_raw(&page->out, "not here: ");
            say(page, client->missing);
        } else if (client->note) {
            say(page, client->note);
        }
        write_unfair(page, i);
        out_raw(&page->out, "</td></tr>\n");
    }
    out_raw(&page->out, "</tbody></table></div>\n");
}

/* ---- rows and their cases ------------------------------------------------ */

static void write_names(struct page *page, const struct the_case *it)
{
    const char *comma = "";
    bool both = page->matrix->versions[0] && page->matrix->versions[1];
    for (unsigned c = 0; c < page->matrix->clients.count; c++) {
        const bool *in = it->who[c];
        if (!in[0] && !in[1])
            continue;
        out_raw(&page->out, comma);
        comma = ", ";
        say(page, page->matrix->clients.list[c]->id);
        if (both && in[0] != in[1])
            out_format(&page->out, "&nbsp;(%s)", in[0] ? "1.2" : "1.3");
    }
}

static void write_sentences(struct page *page, const struct row *row,
                            const struct the_case *it)
{
    const struct explanation *why = &it->why;
    if (!strcmp(it->cell->how, "offer"))
        say(page, "Nothing that these clients offer fits, so the rig itself "
                  "ended the handshake: there was nothing to decide. ");
    else if (it->cell->state == CELL_OPEN)
        say(page, "No verdict came in time. ");
    if (row->cert && it->cell->state != CELL_OPEN) {
        const char *const texts[] = {why->manner, why->why, why->data};
        for (unsigned i = 0; i < 3; i++) {
            say(page, texts[i] ? texts[i] : "");
            out_raw(&page->out, " ");
        }
    } else if (cell_is_wrong(row, it->cell)) {
        say(page, "They sent their request to a server of that kind.");
    }
}

static void write_said(struct page *page, unsigned row,
                       const struct the_case *it)
{
    for (unsigned c = 0; c < page->matrix->clients.count; c++)
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++) {
            const struct cell *cell = matrix_cell(page->matrix, c, row, v);
            if (!it->who[c][v] || it->cell->state == CELL_ACCEPTED ||
                !*cell->said || (v && it->who[c][0]))
                continue;
            out_raw(&page->out, "<span class=\"soft\">");
            say(page, page->matrix->clients.list[c]->id);
            out_raw(&page->out, " says:</span> <code>");
            say(page, cell->said);
            out_raw(&page->out, "</code><br>");
        }
}

static void write_case(struct page *page, unsigned row, unsigned number)
{
    const struct row *shown = &page->matrix->rows[row];
    const struct the_case *it = &page->cases[number];
    bool wrong = cell_is_wrong(shown, it->cell);
    out_format(&page->out, "<div class=\"case%s\" id=\"%s-%u\"><p>",
               wrong ? " wrong" : "", shown->id, number + 1);
    out_format(&page->out, "<span class=\"%s\">", wrong ? "bad" : "badge");
    say(page, cell_words(it->cell));
    out_raw(&page->out, "</span> ");
    write_names(page, it);
    out_raw(&page->out, "</p>\n<p>");
    write_sentences(page, shown, it);
    out_raw(&page->out, "</p>");
    if (it->cell->state != CELL_ACCEPTED) {
        out_raw(&page->out, "<details><summary>in their own words</summary>"
                            "<p>");
        write_said(page, row, it);
        out_raw(&page->out, "</p></details>");
    }
    out_raw(&page->out, "</div>\n");
}

static void write_term(struct page *page, const char *label, const char *words)
{
    if (!words || !*words)
        return;
    out_format(&page->out, "<dt>%s</dt><dd>", label);
    say(page, words);
    out_raw(&page->out, "</dd>");
}

static void write_section(struct page *page, unsigned row)
{
    const struct row *it = &page->matrix->rows[row];
    sort_row(page, row);
    out_format(&page->out, "<h3 id=\"%s\"><code>%s</code> ", it->id, it->id);
    say(page, it->title);
    out_raw(&page->out, "</h3>\n<p>");
    say(page, it->how);
    out_raw(&page->out, "</p>\n<dl>");
    write_term(page, "Check", it->check);
    write_term(page, "Rule", it->rfc);
    write_term(page, "History", it->history);
    write_term(page, "Measured before", it->seen);
    write_term(page, "One version", it->why);
    out_raw(&page->out, "</dl>\n");
    for (unsigned i = 0; i < page->cases_count; i++)
        write_case(page, row, i);
}

static void write_page(struct page *page)
{
    const struct matrix *matrix = page->matrix;
    out_raw(&page->out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width\">"
            "<title>Which client accepts which forgery</title>\n<style>\n");
    out_raw(&page->out, report_style);
    out_raw(&page->out, page_style);
    out_raw(&page->out, "</style></head><body>\n<h1>Which client accepts which "
                        "forgery</h1>\n<p class=\"lead\">");
    out_format(&page->out,
               "%u rows of the catalogue, each in a real handshake. Verdicts "
               "are what the server saw, not what a client says.</p>\n",
               matrix->rows_count);
    out_format(&page->out,
               "<p class=\"soft\">%s, in %.0f s; the server is OpenSSL "
               "%s.</p>\n",
               matrix->when, matrix->seconds, matrix->openssl);
    write_table(page);
    write_clients(page);
    out_raw(&page->out, "<h2>Row by row</h2>\n<div class=\"rows\">\n");
    for (unsigned row = 0; row < matrix->rows_count; row++)
        write_section(page, row);
    out_raw(&page->out,
            "</div>\n<footer>mitmlab matrix</footer>\n</body></html>\n");
}

char *page_write(const struct matrix *matrix)
{
    struct page *page = calloc(1, sizeof *page);
    char *text = NULL;
    if (!page)
        return NULL;
    page->matrix = matrix;
    write_page(page);
    if (!page->out.failed)
        text = strndup((const char *)buf_head(&page->out.buf),
                       buf_len(&page->out.buf));
    out_free(&page->out);
    free(page);
    return text;
}
