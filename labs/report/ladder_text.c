/* SPDX-License-Identifier: MIT
 *
 * The ladder in characters. A row is a line of cells; glyphs that lines are
 * drawn with are cells below 32 and become ASCII or box characters when the
 * row is written. Too many places for the width: a list instead, which is
 * also what a screen reader reads best. */
#include "labs/report/ladder.h"

#include <stdio.h>
#include <string.h>

enum {
    WIDEST = 200,
    GUTTER = 6,     /* "#1234 " */
    EDGE = 4,       /* room for half a name beside the outer lifelines */
    GAP_LEAST = 20, /* less than this between places: a list */
    GAP_MOST = 48,  /* more than this only makes eyes travel */
    LINES_MOST = 4, /* of one rung's text */
};

enum glyph { VERTICAL = 1, LINE, DOUBLE, RIGHT, LEFT, DOT };

static const char *const box[] = {"", "│", "─", "═", "►", "◄", "●"};
static const char plain[] = " |-=><o";

struct drawing {
    const struct ladder *ladder;
    struct out *out;
    bool ascii;
    unsigned gap, at[PLACES_MOST]; /* cells of the lifelines */
    unsigned width;
    char cells[WIDEST + 1];
};

static void clear(struct drawing *drawing, bool lifelines)
{
    memset(drawing->cells, ' ', sizeof drawing->cells);
    for (unsigned i = 0; lifelines && i < drawing->ladder->columns_count; i++)
        drawing->cells[drawing->at[i]] = VERTICAL;
}

static void flush(struct drawing *drawing)
{
    size_t end = sizeof drawing->cells;
    while (end && drawing->cells[end - 1] == ' ')
        end--;
    for (size_t i = 0; i < end; i++) {
        unsigned char cell = (unsigned char)drawing->cells[i];
        if (cell > DOT)
            out_bytes(drawing->out, &drawing->cells[i], 1);
        else if (drawing->ascii)
            out_bytes(drawing->out, &plain[cell], 1);
        else
            out_raw(drawing->out, box[cell]);
    }
    out_raw(drawing->out, "\n");
}

static void write_at(struct drawing *drawing, size_t at, const char *text,
                     size_t len)
{
    if (at + len > sizeof drawing->cells)
        len = at < sizeof drawing->cells ? sizeof drawing->cells - at : 0;
    memcpy(drawing->cells + at, text, len);
}

static void write_frame(struct drawing *drawing, const struct rung *rung)
{
    char text[24];
    if (rung->frame &&
        snprintf(text, sizeof text, "#%lld", rung->frame) <= GUTTER)
        write_at(drawing, 0, text, strlen(text));
}

static void write_names(struct drawing *drawing)
{
    clear(drawing, false);
    for (unsigned i = 0; i < drawing->ladder->columns_count; i++) {
        char name[24];
        size_t most = drawing->gap - 2;
        text_line(drawing->ladder->columns[i], name,
                  most < sizeof name ? most : sizeof name - 1);
        size_t len = strlen(name), half = len / 2;
        size_t at = drawing->at[i] > half ? drawing->at[i] - half : 0;
        write_at(drawing, at, name, len);
    }
    flush(drawing);
    clear(drawing, true);
    flush(drawing);
}

/* "[changed] POST /transfer": the mark in words, then the text. */
static void full_text(const struct rung *rung, char room[RUNG_TEXT + 16])
{
    snprintf(room, RUNG_TEXT + 16, "%s%s%s%s", rung->mark ? "[" : "",
             mark_word(rung->mark), rung->mark ? "] " : "", rung->text);
}

/* One line of a rung's text; the last one that fits shows that it is cut. */
static size_t next_line(const char **rest, size_t most, unsigned line,
                        char room[WIDEST + 1])
{
    const char *from = *rest;
    size_t len = ladder_wrap(rest, most);
    memcpy(room, from, len);
    if (line + 1 == LINES_MOST && **rest) {
        len = len + 3 <= most ? len : most - 3;
        memcpy(room + len, "...", 3);
        len += 3;
        *rest += strlen(*rest);
    }
    room[len] = 0;
    return len;
}

static void draw_line(struct drawing *drawing, const struct rung *rung)
{
    unsigned a = drawing->at[rung->from], b = drawing->at[rung->to];
    unsigned left = a < b ? a : b, right = a < b ? b : a;
    bool heavy = rung->mark == MARK_CHANGED || rung->mark == MARK_FORGED;
    memset(drawing->cells + left + 1, heavy ? DOUBLE : LINE, right - left - 1);
    if (a < b || rung->both)
        drawing->cells[right - 1] = RIGHT;
    if (a > b || rung->both)
        drawing->cells[left + 1] = LEFT;
}

static void draw_arrow(struct drawing *drawing, const struct rung *rung)
{
    char text[RUNG_TEXT + 16], line[WIDEST + 1];
    full_text(rung, text);
    unsigned a = drawing->at[rung->from], b = drawing->at[rung->to];
    unsigned left = a < b ? a : b, inside = (a < b ? b - a : a - b) - 1;
    const char *rest = text;
    size_t len = strlen(text);
    if (len + 8 <= inside) {
        clear(drawing, true);
        draw_line(drawing, rung);
        char framed[WIDEST + 1];
        snprintf(framed, sizeof framed, " %s ", text);
        write_at(drawing, left + 1 + (inside - len - 2) / 2, framed, len + 2);
    } else {
        for (unsigned i = 0; *rest; i++) {
            len = next_line(&rest, inside - 2, i, line);
            clear(drawing, true);
            write_at(drawing, left + 2, line, len);
            flush(drawing);
        }
        clear(drawing, true);
        draw_line(drawing, rung);
    }
    write_frame(drawing, rung);
    flush(drawing);
}

/* Beside the lifeline of its place, on the side where there is room. */
static void draw_note(struct drawing *drawing, const struct rung *rung)
{
    char text[RUNG_TEXT + 16], line[WIDEST + 1];
    full_text(rung, text);
    unsigned x = drawing->at[rung->from], room = drawing->gap - 3;
    bool last = rung->from + 1 == drawing->ladder->columns_count;
    const char *rest = text;
    for (unsigned i = 0; *rest; i++) {
        size_t len = next_line(&rest, room, i, line);
        clear(drawing, true);
        if (!i) {
            drawing->cells[x] = DOT;
            write_frame(drawing, rung);
        }
        write_at(drawing, last ? x - 1 - len : x + 2, line, len);
        flush(drawing);
    }
}

static void draw(struct drawing *drawing)
{
    const struct ladder *ladder = drawing->ladder;
    write_names(drawing);
    for (size_t i = 0; i < ladder->count; i++) {
        const struct rung *rung = &ladder->rungs[i];
        if (rung->from == rung->to)
            draw_note(drawing, rung);
        else
            draw_arrow(drawing, rung);
    }
    clear(drawing, true);
    flush(drawing);
}

/* ---- the list ---------------------------------------------------------- */

static void list_ends(const struct ladder *ladder, const struct rung *rung,
                      bool ascii, struct out *out)
{
    out_plain(out, ladder->columns[rung->from], ascii);
    if (rung->from != rung->to) {
        out_raw(out, rung->both ? " <-> " : " -> ");
        out_plain(out, ladder->columns[rung->to], ascii);
    }
    if (rung->frame)
        out_format(out, "  #%lld", rung->frame);
    out_raw(out, "\n");
}

static void list(const struct ladder *ladder, unsigned width, bool ascii,
                 struct out *out)
{
    for (size_t i = 0; i < ladder->count; i++) {
        const struct rung *rung = &ladder->rungs[i];
        char text[RUNG_TEXT + 16], line[WIDEST + 1];
        full_text(rung, text);
        list_ends(ladder, rung, ascii, out);
        const char *rest = text;
        for (unsigned n = 0; *rest; n++) {
            next_line(&rest, width - 2, n, line);
            out_format(out, "  %s\n", line);
        }
    }
}

void ladder_text(const struct ladder *ladder, unsigned width, bool ascii,
                 struct out *out)
{
    width = width < 40 ? 40 : width > WIDEST ? WIDEST : width;
    unsigned count = ladder->columns_count;
    unsigned room = width - GUTTER - 2 * EDGE;
    unsigned gap = count > 1 ? room / (count - 1) : room;
    if (count < 2 || gap < GAP_LEAST) {
        list(ladder, width, ascii, out);
    } else {
        struct drawing drawing = {.ladder = ladder, .out = out, .ascii = ascii};
        drawing.gap = gap < GAP_MOST ? gap : GAP_MOST;
        drawing.width = width;
        for (unsigned i = 0; i < count; i++)
            drawing.at[i] = GUTTER + EDGE - 1 + i * drawing.gap;
        draw(&drawing);
    }
    if (ladder->left_out)
        out_format(out, "(%zu more are in events.jsonl)\n", ladder->left_out);
}
