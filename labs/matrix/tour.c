/* SPDX-License-Identifier: MIT */
#include "labs/matrix/tour_parts.h"

#include "labs/engine/clock.h"
#include "labs/engine/signals.h"

#include <stdlib.h>

static int go(struct tour *tour, struct err *err)
{
    if (tour_build(tour, err) || tour_find_clients(tour, err) ||
        tour_start_capture(tour, err) || tour_start_rig(tour, err) ||
        errands_run(tour, err)) {
        /* What a signal cut short has not failed. */
        if (signals_seen())
            err_code(err, signals_seen() + 128, "interrupted");
        return -1;
    }
    if (!tour->trouble.code)
        return 0;
    *err = tour->trouble;
    return -1;
}

int tour_run(struct matrix *matrix, const struct tour_options *options,
             struct err *err)
{
    struct tour *tour = calloc(1, sizeof *tour);
    int64_t start = clock_ms();
    if (tour)
        tour->agendas = calloc(CLIENTS_MOST, sizeof *tour->agendas);
    if (!tour || !tour->agendas) {
        free(tour);
        err_set(err, "no memory for the tour");
        return -1;
    }
    tour->matrix = matrix;
    tour->options = options;
    clock_text(matrix->when);
    int rc = go(tour, err);
    if (tour->net && tour_strike(tour, rc ? &tour->trouble : err))
        rc = -1;
    matrix->seconds = (double)(clock_ms() - start) / 1000;
    if (!rc)
        matrix_judge(matrix);
    free(tour->agendas);
    free(tour);
    return rc;
}
