/* SPDX-License-Identifier: MIT
 *
 * A tour: every client is sent to every stand of the rig, at a place of a
 * small network of its own, and the rig's verdicts fill the matrix. */
#ifndef LABS_MATRIX_TOUR_H
#define LABS_MATRIX_TOUR_H

#include "labs/matrix/matrix.h"

struct tour_options {
    const char *dir; /* with `capture`: capture.pcapng and keys.log go there,
                        and cells/CLIENT-ROW-VERSION.pcapng; it exists */
    bool capture;
    bool bare;            /* no namespaces are wanted */
    const char *work_dir; /* of the caller, emptied by it; for machines that
                             give no namespaces */
    int interrupt_fd;     /* readable when a signal has come; -1: none */
    /* So many conversations of so many are over. May be NULL. */
    void (*on_progress)(void *context, unsigned done, unsigned total);
    void *context;
};

/* The matrix has rows, versions and clients; they get their versions and
 * cells. Without namespaces only our own victims run, and the others say why
 * they do not. -1 when nothing could be found out, or after a signal
 * (EXIT_SIGINT). */
int tour_run(struct matrix *matrix, const struct tour_options *options,
             struct err *err);

#endif
