/* SPDX-License-Identifier: MIT
 *
 * report.md: what the page says, for people who prefer text. */
#ifndef LABS_REPORT_MD_H
#define LABS_REPORT_MD_H

#include "labs/report/model.h"

void md_write(struct report *report, struct out *out);

/* The same for a terminal that may know nothing but ASCII. */
void md_print(struct report *report, bool ascii, struct out *out);

#endif
