/* SPDX-License-Identifier: MIT
 *
 * An explanation on a terminal of any width, and as JSON. */
#ifndef LABS_REPORT_EXPLAIN_TEXT_H
#define LABS_REPORT_EXPLAIN_TEXT_H

#include "labs/cli/term.h"
#include "labs/report/explain.h"

#include <jansson.h>

/* "Label: text", broken at the terminal's width; nothing for an empty text. */
void explain_label(FILE *out, const struct term *term, unsigned indent,
                   const char *label, const char *text);

/* All of it, a paragraph a line; each paragraph begins with its label. */
void explain_print(FILE *out, const struct term *term, unsigned indent,
                   const struct explanation *said);

/* Only what does not depend on who said what: the check, its field and rule,
 * why, who relies on it, what happens without it. */
void explain_print_check(FILE *out, const struct term *term, unsigned indent,
                         const struct explanation *said);

/* {"way", "words", "manner", "check", ...}; NULL when memory is out. */
json_t *explain_json(const struct explanation *said);

/* "alert", "close_notify", "silent", "abort", "too_late", "accepted", "open":
 * what a way is called by programs and in `mitmlab explain`. */
const char *explain_way_name(enum explain_way way);

#endif
