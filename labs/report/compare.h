/* SPDX-License-Identifier: MIT
 *
 * Certificates in a report: those of the run's folder, field by field, and the
 * one that the server sent beside the one that the victim got. */
#ifndef LABS_REPORT_COMPARE_H
#define LABS_REPORT_COMPARE_H

#include "labs/report/model.h"

#include <openssl/x509.h>

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
    struct text parts; /* which parts of the bytes differ, in words */
};

/* The different forgeries that a step shows, each once; the list lives in the
 * report's arena. */
struct comparison *comparisons_of(struct report *report, unsigned step,
                                  unsigned *out_count);

/* The first certificate in a PEM text as fields without a second one to
 * compare it with. False if there is none. */
bool certificate_fields(struct report *report, struct text pem,
                        struct comparison *out);

/* The issuer's common name of a tls.cert fact, "" if it cannot be told. */
void certificate_issuer(struct report *report, const struct fact *fact,
                        char *room, size_t size);

#endif
