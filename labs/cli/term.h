/* SPDX-License-Identifier: MIT
 *
 * Text for people: as wide as their terminal, in colour only where that is
 * wanted, in ASCII where nothing else is understood, and never with a byte
 * from the network that a terminal would obey. */
#ifndef LABS_CLI_TERM_H
#define LABS_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct term {
    unsigned width; /* 40 to 200 columns */
    bool colour;    /* a terminal, no NO_COLOR, TERM is not dumb */
    bool utf8;      /* else ASCII */
};

/* How wide it is now: people pull at their windows. */
unsigned term_width(int fd);

/* What is behind this descriptor. COLUMNS in the environment wins over the
 * terminal's own answer; without either it is 80. */
void term_look(struct term *term, int fd);

/* Colours of words, set by style marks inside a text. A mark takes no column;
 * it becomes an escape sequence or nothing. */
#define TERM_BOLD  "\001"
#define TERM_CODE  "\002"
#define TERM_GOOD  "\003"
#define TERM_BAD   "\004"
#define TERM_FAINT "\005"
#define TERM_PLAIN "\006"

/* The escape sequence of one of them, "" where no colour is wanted. */
const char *term_mark(const struct term *term, const char *mark);

/* Print text, broken between words, every line indented. A line break in the
 * text stays one. `head` stands before the first line ("- "), the others are
 * indented by as much; where that leaves no room, it stands above. What goes
 * on from a line that is indented by itself is indented further. */
void term_flow(FILE *out, const struct term *term, const char *text,
               unsigned indent, const char *head);

/* The same without colours and head. */
void term_wrap(FILE *out, const char *text, unsigned width, unsigned indent);

/* One line as it is, marks and non-ASCII letters translated. No line break is
 * added. */
void term_line(FILE *out, const struct term *term, const char *text);

/* Columns that this text takes. */
size_t term_columns(const char *text);

/* Bytes from outside as text that is safe everywhere: printable ASCII stays,
 * line feeds stay if `lines`, all else becomes \xNN. free() it. */
char *term_escape(const void *bytes, size_t len, bool lines);

/* Markdown (a section of a guide) on a terminal. */
void term_markdown(FILE *out, const struct term *term, const char *text);

#endif
