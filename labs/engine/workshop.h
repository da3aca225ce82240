/* SPDX-License-Identifier: MIT
 *
 * The workshop of a lab: sources of victims with a flaw each, which the trainee
 * repairs. They lie in a folder of the trainee's (lab16-workshop/, where the
 * command was typed) with the headers that they need; a run takes them from
 * there to its places, and keeps a copy in the run folder. A solution brings
 * its own edits, and no folder is touched. */
#ifndef LABS_ENGINE_WORKSHOP_H
#define LABS_ENGINE_WORKSHOP_H

#include "labs/engine/lab.h"
#include "labs/engine/play.h"

/* Does the lab have one? */
bool workshop_has(const struct lab *lab);

/* "lab16-workshop" */
void workshop_folder(const struct lab *lab, char out[64]);

/* Fill the trainee's folder with the flawed sources if it is not there yet.
 * *out_made: it was not. */
int workshop_make(const struct lab *lab, bool *out_made, struct err *err);

/* Put the sources, as they are now, where they are compiled. */
int workshop_put(struct play *play, struct err *err);

#endif
