/* SPDX-License-Identifier: MIT
 *
 * What a victim decided about a certificate, put together from its facts: what
 * it was offered, what came back, how it ended, and why. */
#ifndef LABS_REPORT_VERDICT_H
#define LABS_REPORT_VERDICT_H

#include "certs/forge.h"
#include "labs/report/model.h"

struct verdict {
    bool accepted, forged;
    struct text act;              /* whose conversation, if it can be told */
    struct text server_name;      /* what the victim asked for */
    struct text forgery;          /* id, or empty */
    const struct forgery *recipe; /* what it is, NULL: not in the catalogue */
    struct text alert, how, version;
    long long alert_code;  /* -1: none came */
    long long verify_code; /* what the victim itself reported, -1: nothing */
    struct text verify_name;
    long long app_bytes;
    long long hello_frame, cert_frame, alert_frame; /* 0: unknown */
    const char *why;                                /* one paragraph */
};

/* The row of the catalogue with this id, or NULL. */
const struct forgery *recipe_of(struct text id);

/* The refusals of a step, and what was accepted although it was forged, in
 * order; the list lives in the report's arena. */
struct verdict *verdicts_of(struct report *report, unsigned step,
                            unsigned *out_count);

/* The paragraph of refusals.def for a refusal; never NULL. */
const char *verdict_explain(long long verify_code, long long alert_code,
                            struct text how);

/* "the handshake finished, then close_notify", ... */
const char *verdict_close_words(struct text how);

#endif
