/* SPDX-License-Identifier: MIT
 *
 * events.jsonl -> facts, sorted by time. Damage is noted as a problem of the
 * folder and never stops anything. */
#ifndef LABS_REPORT_FACTS_H
#define LABS_REPORT_FACTS_H

#include "labs/report/model.h"

void facts_load(int dir, struct report *report);

/* The same of lines that are in memory. `cut`: there were more of them. */
void facts_read(struct report *report, struct text lines, bool cut);

#endif
