/* SPDX-License-Identifier: MIT
 *
 * Evidence: a frame of the capture that proves something, found through an
 * event or through its bytes. */
#ifndef LABS_ENGINE_EVIDENCE_H
#define LABS_ENGINE_EVIDENCE_H

#include "labs/engine/play.h"

/* The entry for result.json, described in labs/report/result.md; a new
 * reference. Its "frame" is null when none was found. */
json_t *evidence_find(const struct play *play, unsigned step,
                      const struct lab_evidence *evidence);

#endif
