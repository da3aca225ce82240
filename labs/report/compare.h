/* SPDX-License-Identifier: MIT
 *
 * The certificate that the server sent beside the one that the victim got,
 * field by field. */
#ifndef LABS_REPORT_COMPARE_H
#define LABS_REPORT_COMPARE_H

#include "labs/report/model.h"

enum { FIELDS_MOST = 32 };

struct comparison {
    struct text forgery; /* id, or empty */
    long long original_frame, forged_frame;
    struct field_pair {
        struct text name, original, forged;
        bool same;
    } fields[FIELDS_MOST];
    unsigned count;
    bool has_original; /* else only what was forged is known */
};

/* The different forgeries that a step shows, each once; the list lives in the
 * report's arena. */
struct comparison *comparisons_of(struct report *report, unsigned step,
                                  unsigned *out_count);

#endif
