/* SPDX-License-Identifier: MIT
 *
 * The header that our captures share: this machine, this program, and a
 * comment that says which lab and run it is. */
#ifndef PROXY_CAPTURE_SECTION_H
#define PROXY_CAPTURE_SECTION_H

#include "certs/err.h"
#include "proxy/base/buf.h"

int section_put(struct buf *out, const char *comment, struct err *err);

#endif
