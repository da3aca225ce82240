/* SPDX-License-Identifier: MIT */
#include "labs/matrix/matrix.h"

#include "certs/verify.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *matrix_version_name(enum matrix_version version)
{
    return version == MATRIX_12 ? "1.2" : "1.3";
}

enum exhibit_tls matrix_exhibit(enum matrix_version version)
{
    return version == MATRIX_12 ? EXHIBIT_12 : EXHIBIT_13;
}

static bool has_row(const struct matrix *matrix, const char *id)
{
    for (unsigned i = 0; i < matrix->rows_count; i++)
        if (!strcmp(matrix->rows[i].id, id))
            return true;
    return false;
}

static void put_in_front(struct matrix *matrix, const char *id)
{
    struct row row;
    if (has_row(matrix, id) || matrix->rows_count == ROWS_MOST ||
        !row_find(id, &row))
        return;
    memmove(matrix->rows + 1, matrix->rows,
            matrix->rows_count++ * sizeof *matrix->rows);
    matrix->rows[0] = row;
}

int matrix_open(struct matrix *matrix, struct err *err)
{
    put_in_front(matrix, "c01");
    put_in_front(matrix, "c00");
    matrix->cells =
        calloc((size_t)CLIENTS_MOST * MATRIX_VERSIONS * matrix->rows_count,
               sizeof *matrix->cells);
    if (!matrix->cells) {
        err_set(err, "no memory for the matrix");
        return -1;
    }
    for (size_t i = 0;
         i < (size_t)CLIENTS_MOST * MATRIX_VERSIONS * matrix->rows_count; i++)
        matrix->cells[i].alert = -1, matrix->cells[i].how = "";
    snprintf(matrix->openssl, sizeof matrix->openssl, "%s",
             OpenSSL_version(OPENSSL_VERSION_STRING));
    return 0;
}

void matrix_close(struct matrix *matrix)
{
    free(matrix->cells);
    clients_close(&matrix->clients);
    matrix->cells = NULL;
}

struct cell *matrix_cell(const struct matrix *matrix, unsigned client,
                         unsigned row, enum matrix_version version)
{
    return &matrix->cells[((size_t)client * MATRIX_VERSIONS + version) *
                              matrix->rows_count +
                          row];
}

/* ---- judging ------------------------------------------------------------- */

static void say_unfair(struct matrix *matrix, unsigned client,
                       enum matrix_version version, const char *control,
                       const struct cell *cell)
{
    char *why = matrix->unfair[client][version];
    if (*why)
        return;
    snprintf(why, sizeof matrix->unfair[client][version], "%s %s%s%s%s",
             cell->state == CELL_OPEN ? "it decided nothing on" : "it refused",
             control, cell->state == CELL_OPEN ? "" : " (",
             cell->state == CELL_OPEN ? "" : cell_words(cell),
             cell->state == CELL_OPEN ? "" : ")");
    if (*cell->said) {
        size_t used = strlen(why);
        snprintf(why + used, sizeof matrix->unfair[client][version] - used,
                 ": %s", cell->said);
    }
}

static void judge_column(struct matrix *matrix, unsigned client,
                         enum matrix_version version)
{
    for (unsigned i = 0; i < matrix->rows_count; i++) {
        const struct cell *cell = matrix_cell(matrix, client, i, version);
        if (row_is_control(&matrix->rows[i]) && cell->state != CELL_ACCEPTED)
            say_unfair(matrix, client, version, matrix->rows[i].id, cell);
    }
    for (unsigned i = 0; i < matrix->rows_count; i++) {
        struct cell *cell = matrix_cell(matrix, client, i, version);
        if (*matrix->unfair[client][version] &&
            !row_is_control(&matrix->rows[i]) && cell->state != CELL_CANNOT)
            cell->state = CELL_UNFAIR;
    }
}

void matrix_judge(struct matrix *matrix)
{
    for (unsigned c = 0; c < matrix->clients.count; c++)
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            if (matrix->versions[v] && matrix->clients.list[c]->found)
                judge_column(matrix, c, v);
}

bool row_is_refused_by_careful(const struct row *row)
{
    return row->cert ? row->cert->verify_code != 0 || row->cert->alert[0]
                     : strcmp(row->id, "a05") != 0;
}

bool cell_is_wrong(const struct row *row, const struct cell *cell)
{
    return cell->state == CELL_ACCEPTED && row_is_refused_by_careful(row);
}

unsigned matrix_wrong(const struct matrix *matrix, unsigned client)
{
    unsigned wrong = 0;
    for (unsigned row = 0; row < matrix->rows_count; row++) {
        bool any = false;
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            any |= cell_is_wrong(&matrix->rows[row],
                                 matrix_cell(matrix, client, row, v));
        wrong += any;
    }
    return wrong;
}

unsigned matrix_bad_rows(const struct matrix *matrix)
{
    unsigned bad = 0;
    for (unsigned row = 0; row < matrix->rows_count; row++)
        bad += row_is_refused_by_careful(&matrix->rows[row]);
    return bad;
}

/* ---- words --------------------------------------------------------------- */

const char *cell_words(const struct cell *cell)
{
    switch (cell->state) {
    case CELL_NONE:
        return "";
    case CELL_CANNOT:
        return "not in this version";
    case CELL_ACCEPTED:
        return "ACCEPTED";
    case CELL_OPEN:
        return "nothing decided";
    case CELL_UNFAIR:
        return "not fair";
    case CELL_REFUSED:
        break;
    }
    if (cell->alert >= 0)
        return alert_name(cell->alert);
    return !strcmp(cell->how, "offer")          ? "not offered"
           : !strcmp(cell->how, "close_notify") ? "close_notify"
           : !strcmp(cell->how, "silent")       ? "silent close"
                                                : "abort";
}

char cell_letter(const struct cell *cell)
{
    switch (cell->state) {
    case CELL_NONE:
    case CELL_CANNOT:
        return ' ';
    case CELL_ACCEPTED:
        return 'A';
    case CELL_OPEN:
        return '?';
    case CELL_UNFAIR:
        return '!';
    case CELL_REFUSED:
        break;
    }
    return cell->alert >= 0                     ? '.'
           : !strcmp(cell->how, "offer")        ? '-'
           : !strcmp(cell->how, "close_notify") ? 'n'
           : !strcmp(cell->how, "silent")       ? 's'
                                                : 'x';
}
