/* SPDX-License-Identifier: MIT
 *
 * What a HAR file says, in the form of events: one flow an entry, numbered as
 * `mitmlab replay` numbers them. A HAR knows messages only, and of TLS no more
 * than that it was there. */
#ifndef LABS_REPORT_RECORD_HAR_H
#define LABS_REPORT_RECORD_HAR_H

#include "certs/err.h"
#include "proxy/base/buf.h"

#include <stdbool.h>

/* The file begins as a HAR does, and as no list of events. */
bool record_is_har(const char *path);

/* Append lines of event.h. -1 with EXIT_USAGE: it is no HAR, or too long. */
int record_har(const char *path, struct buf *out, struct err *err);

#endif
