/* SPDX-License-Identifier: MIT
 *
 * One capture of a whole tour, taken apart: a file for each cell. */
#ifndef LABS_MATRIX_CELLS_H
#define LABS_MATRIX_CELLS_H

#include "labs/matrix/matrix.h"
#include "proxy/base/buf.h"

/* Reads `dir`/capture.pcapng and writes dir/cells/CLIENT-ROW-VERSION.pcapng
 * for every cell that has frames, found by the port of the rig that nobody
 * else was sent to. `keys` holds the cells' lines of the key log, in the order
 * of matrix->cells. *out_count is the number of files. */
int cells_write(const struct matrix *matrix, const char *dir,
                const struct buf *keys, unsigned *out_count, struct err *err);

#endif
