/* SPDX-License-Identifier: MIT
 *
 * A run folder becomes something to read and to hand in.
 *
 * Reads   result.json      what the engine judged; described in result.md
 *         events.jsonl     the facts, in the format of proxy/event.h
 *         transcript.txt   what was typed and printed (optional)
 *         certs/ *.pem     certificates of the run (optional)
 * Writes  report.html      one file, no script, prints well
 *         report.md        the same for people who prefer text
 *         flows.har        HAR 1.2 of every HTTP message
 *
 * Everything that is read is treated as hostile: sizes are bounded, symbolic
 * links are not followed, every text is escaped for where it goes. Every file
 * is written to a temporary name in the same folder and renamed, mode 0600. */
#ifndef LABS_REPORT_REPORT_H
#define LABS_REPORT_REPORT_H

#include "certs/err.h"

/* 0 when all three files are new. -1 with one sentence when result.json is
 * missing or is not what result.md says (EXIT_USAGE), or when a file cannot
 * be written (EXIT_MACHINE; the old files are then intact). A missing or
 * damaged events.jsonl is no error: the report says so on its first page. */
int report_write(const char *run_dir, struct err *err);

#endif
