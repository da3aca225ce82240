/* SPDX-License-Identifier: MIT
 *
 * What a proxy on its own leaves behind: its capture finished for people, and
 * its HTTP as HAR. */
#ifndef LABS_REPORT_KEEP_H
#define LABS_REPORT_KEEP_H

#include "certs/err.h"

#include <stdio.h>

/* Secrets go before the first packet, and what happened becomes a comment on
 * the frame in which it can be seen. -1 with EXIT_PARTIAL: the capture is as
 * it was. */
int keep_capture(const char *path, struct err *err);

/* Events in `told`, which is read from its front, become `path`: a new file
 * takes the place of an old one at once. `version` is that of the program. -1
 * with EXIT_PARTIAL: there is no new file, or it is not complete. */
int keep_har(const char *path, FILE *told, const char *version,
             struct err *err);

/* Before all the work: can it be written there? EXIT_USAGE where something
 * else than a file has the name, else EXIT_MACHINE. */
int keep_har_check(const char *path, struct err *err);

#endif
