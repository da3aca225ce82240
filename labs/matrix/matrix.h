/* SPDX-License-Identifier: MIT
 *
 * The matrix: clients x rows x versions, and what was decided in each cell.
 * Filled by tour.h, or read from an earlier run; shown by table.h, page.h and
 * paper.h. */
#ifndef LABS_MATRIX_MATRIX_H
#define LABS_MATRIX_MATRIX_H

#include "labs/matrix/client.h"
#include "labs/matrix/exhibit.h"
#include "labs/matrix/row.h"

#include <stdint.h>

enum cell_state {
    CELL_NONE,     /* not asked */
    CELL_CANNOT,   /* that version of TLS has no such thing; see the row */
    CELL_ACCEPTED, /* application data came */
    CELL_REFUSED,
    CELL_OPEN,   /* no verdict: it did not come, or did not decide in time */
    CELL_UNFAIR, /* the client refused a control: its verdict means nothing */
};

struct cell {
    enum cell_state state;
    const char *how; /* as in tls.verdict, "" none */
    int alert;       /* -1: none */
    bool finished;
    long long app_bytes;
    unsigned flows; /* connections that it made */
    unsigned port;  /* of the rig, which nobody else was sent to */
    char suite[48]; /* agreed on, "" none */
    char said[120]; /* the client's own words */
};

/* Columns of versions. */
enum matrix_version { MATRIX_12, MATRIX_13, MATRIX_VERSIONS };
const char *matrix_version_name(enum matrix_version version); /* "1.2" */
enum exhibit_tls matrix_exhibit(enum matrix_version version);

struct matrix {
    char when[32];    /* RFC 3339 */
    char openssl[48]; /* that the rig is made of */
    struct row rows[ROWS_MOST];
    unsigned rows_count;
    bool versions[MATRIX_VERSIONS];
    struct clients clients;
    /* Not fair in that version, and why; "" it is. */
    char unfair[CLIENTS_MOST][MATRIX_VERSIONS][160];
    struct cell *cells;
    char log_key[512]; /* PEM */
    double seconds;    /* that it took */
};

/* Rows are there; makes room for cells. The controls c00 and c01 are put in
 * front if they are not among the rows. */
int matrix_open(struct matrix *matrix, struct err *err);
void matrix_close(struct matrix *matrix);

struct cell *matrix_cell(const struct matrix *matrix, unsigned client,
                         unsigned row, enum matrix_version version);

/* After the tour: what a version cannot show, and who was not fair. */
void matrix_judge(struct matrix *matrix);

/* Should every careful client refuse this row? Not when the row is good, or
 * when nothing but a policy could stop it. */
bool row_is_refused_by_careful(const struct row *row);

/* Accepted, and a careful client refuses the row. */
bool cell_is_wrong(const struct row *row, const struct cell *cell);

/* How many rows this client accepts so, in any version; and how many such rows
 * there are. */
unsigned matrix_wrong(const struct matrix *matrix, unsigned client);
unsigned matrix_bad_rows(const struct matrix *matrix);

/* "accepted", "unknown_ca", "finished, then close_notify" ...: what happened,
 * in at most 24 letters. */
const char *cell_words(const struct cell *cell);

/* One letter, see table.c for what each means. */
char cell_letter(const struct cell *cell);

#endif
