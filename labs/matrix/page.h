/* SPDX-License-Identifier: MIT
 *
 * matrix.html: the whole matrix on one page without script, and behind each
 * cell a paragraph that says what happened there and why. */
#ifndef LABS_MATRIX_PAGE_H
#define LABS_MATRIX_PAGE_H

#include "labs/matrix/matrix.h"

/* The page as text; free() it. NULL when memory is out. */
char *page_write(const struct matrix *matrix);

#endif
