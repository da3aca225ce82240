/* SPDX-License-Identifier: MIT
 *
 * The report in short, for a terminal: verdict, then for each step its ladder
 * and its evidence. */
#ifndef LABS_REPORT_TEXT_H
#define LABS_REPORT_TEXT_H

#include "labs/report/model.h"

/* `width` columns, 40 to 200; `ascii` where the terminal knows no UTF-8. */
void text_write(struct report *report, unsigned width, bool ascii,
                struct out *out);

#endif
