/* SPDX-License-Identifier: MIT
 *
 * `mitmlab explain` about a run: a frame, a connection or an event of it, and
 * the conversations that belong to it. */
#ifndef LABS_CLI_EXPLAIN_RUN_H
#define LABS_CLI_EXPLAIN_RUN_H

#include "labs/cli/term.h"
#include "labs/report/subject.h"

#include <jansson.h>

struct run;

/* A run folder and its events. -1 with EXIT_USAGE; else run_free() it. */
int run_open(const char *path, struct run **out, struct err *err);
void run_free(struct run *run); /* NULL is fine */

/* Does an event stand in this frame? */
bool run_has_frame(const struct run *run, long long frame);
/* It does not: says so, with the frames next to it; returns -1. */
int run_has_no_frame(const struct run *run, long long frame, struct err *err);

/* Look the subject up: SUBJECT_RUN to SUBJECT_EVENT. -1 with EXIT_USAGE when
 * the run has no such thing. */
int run_find(struct run *run, const struct subject *subject, struct err *err);

/* What was found. */
void run_print(struct run *run, const struct term *term);
json_t *run_json(struct run *run);

#endif
