/* SPDX-License-Identifier: MIT
 *
 * How answers are compared, and misses explained. */
#ifndef LABS_ENGINE_QUIZ_H
#define LABS_ENGINE_QUIZ_H

#include <jansson.h>
#include <stdbool.h>

/* Is it the same answer, as people mean it? */
bool quiz_same(const char *given, const char *answer);

/* Of a result: the predictions that were made, those that were right, and
 * those that were missed but explained. */
struct quiz_tally {
    int asked, right, explained;
};
struct quiz_tally quiz_predictions(const json_t *result);

/* Were so many percent right, or each miss explained? */
bool quiz_enough(const struct quiz_tally *tally, unsigned percent);

#endif
