/* SPDX-License-Identifier: MIT
 *
 * Regular expressions over bytes that a stranger chose. The time of a search
 * is bounded by the length of the text times the size of the pattern, whatever
 * both say: there is no backtracking, and so nothing for a hostile text to
 * make explode (regexec(3) is quadratic, PCRE worse).
 *
 *   abc . [a-z] [^a-z] \d \w \s \D \W \S \n \r \t \xHH   one byte after another
 *   a|b (a) (?:a) a* a+ a? a{2} a{2,} a{2,5}             the lazy a*? as well
 *   ^ $                                the ends of the text, not of its lines
 *   (?i) in front                      letters in either case
 *
 * `.` is any byte but a line feed. Of several matches the leftmost counts, and
 * of those the first alternative. No back references, no look-around. */
#ifndef PROXY_PATTERN_H
#define PROXY_PATTERN_H

#include "certs/err.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern;

enum {
    PATTERN_STEPS_MOST = 512, /* instructions of a compiled pattern */
    PATTERN_GROUPS = 10,      /* group 0 is the whole match */
};

struct pattern_group {
    size_t at, end; /* at == end == SIZE_MAX: took no part */
};

/* Compile; `fold`: ignore case. -1 with EXIT_USAGE; the sentence names the
 * column in `text`. The pattern is yours; any number of threads may use it. */
int pattern_new(const char *text, bool fold, struct pattern **out,
                struct err *err);
void pattern_free(struct pattern *pattern);

/* Is it somewhere in the text? */
bool pattern_in(const struct pattern *pattern, const void *bytes, size_t len);

/* The first match at or behind `from`. */
bool pattern_find(const struct pattern *pattern, const void *bytes, size_t len,
                  size_t from, struct pattern_group groups[PATTERN_GROUPS]);

/* One match after the other in a text that comes piece by piece. Where the
 * pieces end makes no difference. A match has at most `most` bytes; what would
 * be longer counts as far as it is a match by then, and may hide what lies in
 * it. Looking at the same bytes again and again ends somewhere: who makes it
 * look at 64 times the text (and 64 KiB more) is not looked at any further. */
struct pattern_run;

/* The pattern is borrowed. NULL when memory is out. */
struct pattern_run *pattern_run_new(const struct pattern *pattern, size_t most);
void pattern_run_free(struct pattern_run *run);

/* What is there now of the text: `bytes` are its offsets from..from + len, and
 * behind them there is nothing more if `end`. True: the next match; ask again
 * with the same bytes. False: give it more behind what begins at *out_keep;
 * what stands before that cannot be part of a match any more. With `end` false
 * is the last word. */
bool pattern_run_next(struct pattern_run *run, const void *bytes, size_t from,
                      size_t len, bool end,
                      struct pattern_group groups[PATTERN_GROUPS],
                      size_t *out_keep);

#endif
