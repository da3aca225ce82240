/* SPDX-License-Identifier: MIT
 *
 * What a victim decided about a certificate, put together from its facts: what
 * it was offered, what came back, how it ended, and why. */
#ifndef LABS_REPORT_VERDICT_H
#define LABS_REPORT_VERDICT_H

#include "certs/forge.h"
#include "labs/report/explain.h"
#include "labs/report/model.h"

struct verdict {
    const struct fact *said; /* the server's word */
    bool accepted, forged;
    struct text act;              /* whose conversation, if it can be told */
    struct text server_name;      /* what the victim asked for */
    struct text forgery;          /* id, or empty */
    const struct forgery *recipe; /* what it is, NULL: not in the catalogue */
    struct text alert, how, version;
    long long alert_code;  /* -1: none came */
    long long verify_code; /* what the victim itself reported, -1: nothing */
    long long depth;       /* of the certificate that it reported; -1 */
    long long app_bytes;
    long long hello_frame, cert_frame, alert_frame; /* 0: unknown */
    bool finished_known, finished;                  /* its Finished came */
    bool said_no;           /* its own word: it refused */
    struct explanation why; /* in the words of explain.def */
};

/* The row of the catalogue with this id, or NULL. */
const struct forgery *recipe_of(struct text id);

/* The refusals of a step, and what was accepted although it was forged, in
 * order; the list lives in the report's arena. */
struct verdict *verdicts_of(struct report *report, unsigned step,
                            unsigned *out_count);

/* The verdict of the conversation to which a fact belongs, honest ones too.
 * False: it has none, because it is no TLS, or no victim's. */
bool verdict_of(struct report *report, const struct fact *fact,
                struct verdict *out);

/* What it said: "yes", "no", "no, but too late". */
const char *verdict_word(const struct verdict *verdict);

#endif
