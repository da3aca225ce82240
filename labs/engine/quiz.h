/* SPDX-License-Identifier: MIT
 *
 * How answers are compared. */
#ifndef LABS_ENGINE_QUIZ_H
#define LABS_ENGINE_QUIZ_H

#include <stdbool.h>

/* Is it the same answer, as people mean it? */
bool quiz_same(const char *given, const char *answer);

#endif
