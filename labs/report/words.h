/* SPDX-License-Identifier: MIT
 *
 * What all writers say in the same words. */
#ifndef LABS_REPORT_WORDS_H
#define LABS_REPORT_WORDS_H

#include "labs/report/model.h"

/* "Goal reached", "Goal not reached", ... of a run. */
const char *status_words(struct text status);
/* "As expected", ... of a step. */
const char *step_words(const struct step *step);
/* What that means, one sentence. */
const char *status_sentence(struct text status);
bool status_is_good(struct text status);

/* How many of a step's predictions were right, and so on. */
struct tally {
    unsigned asked, right, expected, held;
};
struct tally step_tally(const struct step *step);

/* A guide says what will happen, then, from the first paragraph in bold or
 * heading on, what was to be seen in it. */
void split_guide(struct text guide, struct text *before, struct text *after);

/* "mitmlab run lab13 --seed 7", from `command` or put together. */
struct text report_command(struct report *report);

/* Milliseconds between two times, or -1 if one is missing. */
long long span_ms(long long t0, long long t1);

/* True when the decoded view adds nothing: the text column of the bytes shows
 * it already, or it has more escapes than words. */
bool decoded_is_seen(const struct evidence *evidence);

/* 16 bytes a line: offset, hex, ASCII. */
void out_hex(struct out *out, struct text bytes);

#endif
