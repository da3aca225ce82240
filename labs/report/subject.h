/* SPDX-License-Identifier: MIT
 *
 * What a trainee may ask `mitmlab explain` about, in the words that they would
 * type:
 *
 *   31  frame:31  flow:2  event:7     of the newest run
 *   DIR  DIR:31  DIR:flow:2           of that run
 *   unknown_ca  alert:48              an alert
 *   X509_V_ERR_CERT_HAS_EXPIRED  code:10
 *   t03  forgery:t03                  a row of the catalogue
 *   silent  way:silent                a way to say yes or no
 *
 * A bare number can mean several things; subject_read() leaves that open. */
#ifndef LABS_REPORT_SUBJECT_H
#define LABS_REPORT_SUBJECT_H

#include "certs/err.h"
#include "certs/forge.h"
#include "labs/report/explain.h"

enum subject_kind {
    SUBJECT_NUMBER, /* bare: frame, alert or code */
    SUBJECT_RUN,    /* all conversations of a run */
    SUBJECT_FRAME,
    SUBJECT_FLOW,
    SUBJECT_EVENT, /* line of events.jsonl, from 1 */
    SUBJECT_ALERT,
    SUBJECT_CODE,
    SUBJECT_FORGERY,
    SUBJECT_WAY,
};

struct subject {
    enum subject_kind kind;
    long long number; /* frame, flow, event, alert, code */
    const struct forgery *forgery;
    enum explain_way way;
    char dir[4096]; /* "": the newest run */
};

/* The words before a colon, for help. */
extern const struct subject_word {
    enum subject_kind kind;
    const char *name, *value, *sentence;
} subject_words[]; /* ends with a NULL name */

/* -1 with EXIT_USAGE and a sentence that offers the nearest known word. */
int subject_read(const char *word, struct subject *out, struct err *err);

/* Is there such an alert, such a code? */
bool subject_is_alert(long long number);
bool subject_is_code(long long number);

#endif
