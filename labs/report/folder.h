/* SPDX-License-Identifier: MIT
 *
 * Writing into a run folder: a new file under a temporary name, then renamed,
 * so that there is the old one or the new one and never half of one. */
#ifndef LABS_REPORT_FOLDER_H
#define LABS_REPORT_FOLDER_H

#include "certs/err.h"

#include <stddef.h>

/* Open a run folder for the functions of model.h and for folder_save(). It
 * must be a folder, not a link to one. -1 with EXIT_USAGE. */
int folder_open(const char *path, struct err *err);

/* Before all the work: could a file be made there? Makes one and takes it away
 * again. */
int folder_check(int dir, const char *name, struct err *err);

/* Mode 0600; whatever had the name before is replaced, not followed. */
int folder_save(int dir, const char *name, const void *bytes, size_t len,
                struct err *err);

#endif
