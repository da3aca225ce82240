/* SPDX-License-Identifier: MIT
 *
 * What a run leaves in its folder besides the capture and the report. */
#ifndef LABS_ENGINE_PAPERS_H
#define LABS_ENGINE_PAPERS_H

#include "labs/engine/play.h"

/* events.jsonl, certs/, guide.md, transcript.txt. */
int papers_write(struct play *play, struct err *err);

/* The transcript and the events so far. */
int papers_transcript(struct play *play, struct err *err);
int papers_events(struct play *play, struct err *err);

/* {"capture.pcapng": "sha256:..."} of every file; a new reference. */
json_t *papers_digests(const struct play *play);

/* {"mitmlab", "openssl", "lua", ..., "kernel"}; a new reference. */
json_t *papers_versions(const struct run_options *options);

#endif
