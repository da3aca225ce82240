/* SPDX-License-Identifier: MIT
 *
 * Who said what to whom, in the order in which it happened: places side by
 * side, time downwards. The model is built once for a step and drawn as text
 * (any width) or as SVG. */
#ifndef LABS_REPORT_LADDER_H
#define LABS_REPORT_LADDER_H

#include "labs/report/model.h"

enum { RUNGS_MOST = 300, RUNG_TEXT = 160 };

/* Why a rung stands out. It is always said in words as well. */
enum mark {
    MARK_NONE,
    MARK_CHANGED, /* not what the sender sent */
    MARK_FORGED,  /* a certificate that the attacker made */
    MARK_REFUSED, /* an alert, an error, a refusal */
    MARK_READ,    /* a secret in the attacker's hands */
};

struct rung {
    unsigned from, to; /* columns; the same twice: a note at that place */
    bool both;         /* an arrow with two heads */
    enum mark mark;
    long long frame;      /* 0: none */
    long long order;      /* by frame; used while building */
    char text[RUNG_TEXT]; /* printable ASCII */
};

struct ladder {
    struct text columns[PLACES_MOST];
    unsigned columns_count;
    struct rung *rungs; /* in the report's arena */
    size_t count, left_out;
};

void ladder_build(struct report *report, unsigned step, struct ladder *out);

/* One fact in words, without who said it to whom: text and mark of *out.
 * False: the report has no words for this kind. */
bool ladder_say(struct report *report, const struct fact *fact,
                struct rung *out);

/* "changed", "forged", ...; "" for MARK_NONE. */
const char *mark_word(enum mark mark);

/* As text, at most `width` columns (40 to 200). A narrow one becomes a list.
 * `ascii`: no line-drawing characters. `indent`: blanks before each line. */
void ladder_text(const struct ladder *ladder, unsigned width, bool ascii,
                 struct out *out);

/* As an <svg> with title and description; `number` makes its ids unique. */
void ladder_svg(const struct ladder *ladder, unsigned number, struct text title,
                struct out *out);

/* Break `text` at blanks into lines of at most `most` bytes; a longer word is
 * cut. Returns the length of the first line and steps *text over it. */
size_t ladder_wrap(const char **text, size_t most);

#endif
