/* SPDX-License-Identifier: MIT
 *
 * matrix.json: the matrix for programs, and for a later comparison. */
#ifndef LABS_MATRIX_PAPER_H
#define LABS_MATRIX_PAPER_H

#include "labs/matrix/matrix.h"

#include <jansson.h>

json_t *paper_write(const struct matrix *matrix);

/* Differences from an earlier paper to this matrix, cell by cell: an array of
 * {client, before, now, row, tls, was, is, sentence}. Cells that one of the
 * two has not are left out. */
json_t *paper_diff(const json_t *before, const struct matrix *now);

/* matrix.json of that folder, or the file itself; json_decref() it. NULL with
 * EXIT_USAGE when it is none. */
json_t *paper_load(const char *path, struct err *err);

#endif
