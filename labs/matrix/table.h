/* SPDX-License-Identifier: MIT
 *
 * The matrix on a terminal of 40 to 200 columns: in words where there is room
 * for them, else a letter a cell. */
#ifndef LABS_MATRIX_TABLE_H
#define LABS_MATRIX_TABLE_H

#include "labs/cli/term.h"
#include "labs/matrix/matrix.h"

void table_print(const struct matrix *matrix, const struct term *term,
                 FILE *out);

/* The clients, with versions, and why some are not here. */
void table_clients(const struct matrix *matrix, const struct term *term,
                   FILE *out);

/* What a letter of cell_letter() means; "" behind the last. */
struct letter {
    char letter;
    const char *words;
};
extern const struct letter table_letters[];

#endif
