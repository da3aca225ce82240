/* SPDX-License-Identifier: MIT
 *
 * After a run that was killed: its capture cut back to the last whole block,
 * and given what the end of a run gives it (names, secrets, comments); what was
 * only for the time of the run removed. */
#ifndef LABS_REPORT_MEND_H
#define LABS_REPORT_MEND_H

#include "labs/report/model.h"

/* Looks at capture.pcapng in the folder `dir`, which has the name `path`.
 * What is wrong with it, or was, becomes a problem of the report. A capture
 * of a run that ended as it should is not touched, nor is anything while a run
 * still writes to the folder; `dir` holds the lock that says so. */
void mend_folder(const char *path, int dir, struct report *report);

#endif
