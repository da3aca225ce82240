/* SPDX-License-Identifier: MIT
 *
 * How far a trainee has come: what the run folders in ./mitmlab-runs say. */
#ifndef LABS_ENGINE_PROGRESS_H
#define LABS_ENGINE_PROGRESS_H

#include <stdbool.h>

/* Where runs go unless told otherwise, below the current folder. */
extern const char progress_runs[];

enum { PROGRESS_MOST = 100 };

struct progress_lab {
    char id[16];
    bool passed; /* in some run that a person played */
    unsigned runs;
    long long got, max; /* the best score so far */
};
struct progress {
    struct progress_lab labs[PROGRESS_MOST];
    unsigned count;
};

/* Runs that --no-input played do not count. */
void progress_read(struct progress *out);

/* NULL: never run. */
const struct progress_lab *progress_of(const struct progress *progress,
                                       const char *id);

/* The newest run folder, "mitmlab-runs/lab14-..."; free() it. NULL: none. */
char *progress_newest(void);

#endif
