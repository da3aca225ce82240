/* SPDX-License-Identifier: MIT
 *
 * flows.har: every HTTP message of the run as HAR 1.2, for the viewers of
 * browsers and proxies. What the victim sent and what the server got are two
 * entries, because in between somebody may have changed it. */
#ifndef LABS_REPORT_HAR_H
#define LABS_REPORT_HAR_H

#include "labs/report/model.h"

void har_write(struct report *report, struct out *out);

/* What nobody changed is one entry. */
void har_write_once(struct report *report, struct out *out);

#endif
