/* SPDX-License-Identifier: MIT
 *
 * The ladder as drawings for the page. A long one becomes several, each with
 * the names on top, so that none is cut by the edge of a printed page. Colours
 * and fonts are the page's (style.c); every mark is also a word and a stroke
 * of its own. */
#include "labs/report/ladder.h"

#include <stdio.h>
#include <string.h>

enum {
    LEFT = 104, /* the first lifeline; frame numbers stand before it */
    RIGHT = 72, /* behind the last lifeline */
    GAP_LEAST = 200,
    GAP_MOST = 360,
    ROOM = 700,  /* between the outer lifelines, if that is enough */
    TOP = 44,    /* where the names end */
    LINE = 15,   /* height of a line of text */
    AIR = 12,    /* between rungs */
    PANEL = 820, /* height of one drawing: a page of A4 with its heading */
    LINES_MOST = 3,
};
#define LETTER 7.0 /* width of one at 11.5 px in any monospaced font */

struct panel {
    const struct ladder *ladder;
    struct out *out;
    int gap, width;
};

static int column_x(const struct panel *panel, unsigned column)
{
    return LEFT + (int)column * panel->gap;
}

static bool is_note(const struct rung *rung)
{
    return rung->from == rung->to;
}

/* How many letters fit on a line of this rung. */
static size_t letters(const struct panel *panel, const struct rung *rung)
{
    int from = column_x(panel, rung->from), to = column_x(panel, rung->to);
    int room = is_note(rung) ? panel->gap : from < to ? to - from : from - to;
    size_t count = (size_t)((room - 20) / LETTER);
    return count < sizeof rung->text ? count : sizeof rung->text;
}

static void full_text(const struct rung *rung, char room[RUNG_TEXT + 16])
{
    snprintf(room, RUNG_TEXT + 16, "%s%s%s", mark_word(rung->mark),
             rung->mark ? ": " : "", rung->text);
}

static unsigned lines_of(const struct panel *panel, const struct rung *rung)
{
    char text[RUNG_TEXT + 16];
    full_text(rung, text);
    const char *rest = text;
    unsigned lines = 0;
    while (*rest && lines < LINES_MOST) {
        ladder_wrap(&rest, letters(panel, rung));
        lines++;
    }
    return lines;
}

static int height_of(const struct panel *panel, const struct rung *rung)
{
    int lines = (int)lines_of(panel, rung);
    return lines * LINE + (is_note(rung) ? 0 : 8) + AIR;
}

static void put_ascii(struct out *out, const char *text, size_t len)
{
    out_html(out, (struct text){text, len});
}

/* ---- one rung ---------------------------------------------------------- */

/* The page's own colour behind a line of text, so that no lifeline runs
 * through it. */
static void draw_behind(struct out *out, int x, int y, size_t letters,
                        const char *anchor)
{
    double width = (double)letters * LETTER + 6;
    double left = strstr(anchor, "mid") ? x - width / 2
                  : *anchor             ? x - width + 3
                                        : x - 3;
    out_format(out,
               "<rect class=\"behind\" x=\"%d\" y=\"%d\" width=\"%d\" "
               "height=\"%d\"/>",
               (int)left, y, (int)width, LINE);
}

static void draw_words(struct panel *panel, const struct rung *rung, int x,
                       int y, const char *anchor)
{
    char text[RUNG_TEXT + 16];
    full_text(rung, text);
    const char *rest = text;
    size_t marked = strlen(mark_word(rung->mark));
    for (unsigned i = 0; *rest && i < LINES_MOST; i++) {
        const char *line = rest;
        size_t len = ladder_wrap(&rest, letters(panel, rung));
        size_t bold = i == 0 && marked && len > marked ? marked + 1 : 0;
        draw_behind(panel->out, x, y + (int)i * LINE, len, anchor);
        out_format(panel->out, "<text x=\"%d\" y=\"%d\"%s>", x,
                   y + 11 + (int)i * LINE, anchor);
        if (bold) {
            out_raw(panel->out, "<tspan class=\"word\">");
            put_ascii(panel->out, line, bold);
            out_raw(panel->out, "</tspan>");
        }
        put_ascii(panel->out, line + bold, len - bold);
        out_raw(panel->out, *rest && i + 1 == LINES_MOST ? "…" : "");
        out_raw(panel->out, "</text>\n");
    }
}

static void draw_head(struct out *out, int x, int y, int side)
{
    out_format(out, "<path class=\"head\" d=\"M%d %d l%d -4.5 v9 z\"/>\n", x, y,
               -9 * side);
}

static void draw_stroke(struct out *out, int a, int b, int y, bool heavy)
{
    if (!heavy) {
        out_format(out, "<path class=\"stroke\" d=\"M%d %d H%d\"/>\n", a, y, b);
        return;
    }
    out_format(out, "<path class=\"stroke\" d=\"M%d %d H%d M%d %d H%d\"/>\n", a,
               y - 2, b, a, y + 2, b);
}

static void draw_arrow(struct panel *panel, const struct rung *rung, int y)
{
    int a = column_x(panel, rung->from), b = column_x(panel, rung->to);
    int side = a < b ? 1 : -1;
    draw_words(panel, rung, (a + b) / 2, y, " class=\"mid\"");
    y += (int)lines_of(panel, rung) * LINE + 4;
    bool heavy = rung->mark == MARK_CHANGED || rung->mark == MARK_FORGED;
    draw_stroke(panel->out, a + (rung->both ? 8 * side : 0), b - 8 * side, y,
                heavy);
    draw_head(panel->out, b - side, y, side);
    if (rung->both)
        draw_head(panel->out, a + side, y, -side);
}

static void draw_note(struct panel *panel, const struct rung *rung, int y)
{
    int x = column_x(panel, rung->from);
    bool last = rung->from && rung->from + 1 == panel->ladder->columns_count;
    out_format(panel->out,
               "<circle class=\"dot\" cx=\"%d\" cy=\"%d\" r=\"3.5\"/>\n", x,
               y + 7);
    draw_words(panel, rung, last ? x - 10 : x + 10, y,
               last ? " class=\"end\"" : "");
}

static void draw_rung(struct panel *panel, const struct rung *rung, int y)
{
    const char *word = mark_word(rung->mark);
    out_format(panel->out, "<g class=\"rung %s%s\">\n",
               is_note(rung) ? "note" : "message ", is_note(rung) ? "" : word);
    if (rung->frame) {
        int line =
            is_note(rung) ? y + 11 : y + (int)lines_of(panel, rung) * LINE + 8;
        out_format(panel->out,
                   "<text class=\"frame\" x=\"4\" y=\"%d\">%lld</text>\n", line,
                   rung->frame);
    }
    if (is_note(rung))
        draw_note(panel, rung, y);
    else
        draw_arrow(panel, rung, y);
    out_raw(panel->out, "</g>\n");
}

/* ---- one drawing ------------------------------------------------------- */

static void draw_names(struct panel *panel, int height)
{
    struct out *out = panel->out;
    for (unsigned i = 0; i < panel->ladder->columns_count; i++) {
        int x = column_x(panel, i);
        char name[24];
        text_line(panel->ladder->columns[i], name, sizeof name - 1);
        out_format(out,
                   "<path class=\"life\" d=\"M%d 30 V%d\"/>\n"
                   "<rect class=\"place\" x=\"%d\" y=\"4\" width=\"112\" "
                   "height=\"26\" rx=\"4\"/>\n"
                   "<text class=\"name\" x=\"%d\" y=\"21\">",
                   x, height - 4, x - 56, x);
        out_html(out, text_of(name));
        out_raw(out, "</text>\n");
    }
    out_raw(out, "<text class=\"frame\" x=\"4\" y=\"21\">frame</text>\n");
}

static void open_svg(struct panel *panel, unsigned number, unsigned part,
                     int height, struct text title)
{
    struct out *out = panel->out;
    out_format(out,
               "<svg class=\"ladder\" viewBox=\"0 0 %d %d\" width=\"%d\" "
               "height=\"%d\" role=\"img\" aria-labelledby=\"lt%u-%u "
               "ld%u-%u\">\n<title id=\"lt%u-%u\">What happened: ",
               panel->width, height, panel->width, height, number, part, number,
               part, number, part);
    out_html(out, title);
    if (part)
        out_format(out, ", part %u", part + 1);
    out_format(out,
               "</title>\n<desc id=\"ld%u-%u\">Messages between %u places, "
               "from top to bottom in the order in which they happened. The "
               "table below says the same in words.</desc>\n",
               number, part, panel->ladder->columns_count);
}

/* How many rungs from `first` on fit into one drawing, and how high it is. */
static size_t fit(const struct panel *panel, size_t first, int *height)
{
    size_t count = 0;
    *height = TOP;
    while (first + count < panel->ladder->count) {
        int more = height_of(panel, &panel->ladder->rungs[first + count]);
        if (count && *height + more > PANEL)
            break;
        *height += more;
        count++;
    }
    *height += 8;
    return count;
}

void ladder_svg(const struct ladder *ladder, unsigned number, struct text title,
                struct out *out)
{
    struct panel panel = {.ladder = ladder, .out = out};
    int gaps = ladder->columns_count > 1 ? (int)ladder->columns_count - 1 : 1;
    panel.gap = ROOM / gaps;
    panel.gap = panel.gap < GAP_LEAST  ? GAP_LEAST
                : panel.gap > GAP_MOST ? GAP_MOST
                                       : panel.gap;
    panel.width = LEFT + RIGHT + panel.gap * gaps;
    unsigned part = 0;
    for (size_t first = 0; first < ladder->count; part++) {
        int height;
        size_t count = fit(&panel, first, &height);
        open_svg(&panel, number, part, height, title);
        draw_names(&panel, height);
        int y = TOP;
        for (size_t i = first; i < first + count; i++) {
            draw_rung(&panel, &ladder->rungs[i], y);
            y += height_of(&panel, &ladder->rungs[i]);
        }
        out_raw(out, "</svg>\n");
        first += count;
    }
}
