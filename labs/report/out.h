/* SPDX-License-Identifier: MIT
 *
 * Text that grows, and the only ways in which a stranger's bytes get into it.
 *
 * A struct text is bytes that somebody else wrote: any byte, any length, NUL
 * included. The out_* functions below read it as UTF-8 and write it for one
 * kind of reader. Control characters, invisible and direction-changing ones
 * and bytes that are no UTF-8 come out as visible escapes (\x1b, \u{202e}), so
 * that what is shown is what was there. */
#ifndef LABS_REPORT_OUT_H
#define LABS_REPORT_OUT_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct text {
    const char *bytes;
    size_t len;
};

#define TEXT(literal) ((struct text){literal, sizeof(literal) - 1})
struct text text_of(const char *string); /* NULL is empty */
bool text_is(struct text text, const char *string);
bool text_same(struct text one, struct text two);

/* Zero-initialised is empty. `failed` stays set once memory ran out. */
struct out {
    struct buf buf;
    bool failed;
};

void out_free(struct out *out);

/* Our own words, written as they are. */
void out_raw(struct out *out, const char *words);
void out_bytes(struct out *out, const char *bytes, size_t len);
void out_format(struct out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For an element or a quoted attribute of HTML. Line ends become blanks. */
void out_html(struct out *out, struct text text);
/* The same inside <pre>: line ends and tabs stay. */
void out_html_block(struct out *out, struct text text);

/* Prose in Markdown, on one line: nothing in it has a meaning. */
void out_md(struct out *out, struct text text);
/* A code span on one line; `in_table` escapes the bars as GFM wants it. */
void out_md_code(struct out *out, struct text text, bool in_table);
/* A fenced block, whose fence no line of the text can close. */
void out_md_block(struct out *out, const char *language, struct text text);

/* Somebody's Markdown as a block quote: it keeps its meaning, but cannot leave
 * its place, and no tag in it stays one. */
void out_md_quote(struct out *out, struct text markdown);

/* Terminal text on one line; `ascii` escapes all that is not ASCII. */
void out_plain(struct out *out, struct text text, bool ascii);
/* The same with its line ends, `indent` blanks before each line. */
void out_plain_block(struct out *out, struct text text, bool ascii,
                     unsigned indent);

/* Valid UTF-8 that a JSON library takes: what is no UTF-8 becomes U+FFFD,
 * the rest stays. True in *out_exact if nothing was replaced. */
void out_utf8(struct out *out, struct text text, bool *out_exact);

/* The text as one printable ASCII line of at most `most` bytes, "..." at the
 * end if it was cut. `room` has most + 1 bytes. */
void text_line(struct text text, char *room, size_t most);

#endif
