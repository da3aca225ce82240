/* SPDX-License-Identifier: MIT
 *
 * Why a victim said no (or yes): from what is known of one TLS conversation to
 * the check that failed first, the way in which it was said, who relies on the
 * check and what would have happened without it.
 *
 * A pure function over one table, explain.def, whose rows are found by verify
 * code, alert, way of closing and version. The first row that fits is taken,
 * and there is one for everything. What is judged is judged elsewhere: the
 * verdict is what the TLS server saw; here it is put into words. */
#ifndef LABS_REPORT_EXPLAIN_H
#define LABS_REPORT_EXPLAIN_H

#include "certs/forge.h"

#include <stdbool.h>

/* EXPLAIN_WAY(name, short words, how it looks in a capture): what a victim can
 * do about a certificate. Four ways to say no, one that says no too late, and
 * two that are no refusal. */
#define EXPLAIN_WAYS(X)                                                        \
    X(YES, "accepted", "application data came, and nobody complained")         \
    X(ALERT, "alert in the handshake",                                         \
      "a fatal alert of the victim, and no application data")                  \
    X(CLOSE_NOTIFY, "finished, then close_notify",                             \
      "the handshake ended well, then close_notify instead of a request")      \
    X(SILENT, "finished, then silence",                                        \
      "the handshake ended well, then TCP was closed without a word of TLS")   \
    X(ABORT, "abort without a word",                                           \
      "TCP was closed inside the handshake, without an alert")                 \
    X(TOO_LATE, "no, but too late",                                            \
      "it looks refused, but application data had left before")                \
    X(OPEN, "not decided",                                                     \
      "the other side ended the conversation before the victim had decided")

enum explain_way {
#define EXPLAIN_WAY(name, words, looks) EXPLAIN_##name,
    EXPLAIN_WAYS(EXPLAIN_WAY)
#undef EXPLAIN_WAY
};
enum { EXPLAIN_WAYS_COUNT = EXPLAIN_OPEN + 1 };

/* What is known. EXPLAIN_UNKNOWN is a start that claims nothing. */
struct explain_facts {
    const char *how; /* as in tls.verdict: "data", "alert", "close_notify",
                        "silent", "abort"; NULL: not known */
    int alert;       /* that the victim sent, 48; -1: none. close_notify (0)
                        and user_canceled (90) are ways to leave, and refuse
                        nothing */
    int verify_code; /* what the victim itself reported, X509_V_*; -1: nothing,
                        as with all clients but the lab's own */
    int depth;       /* of the certificate it reported, 0: the server's own;
                        -1: not known */
    int version;     /* of TLS: 0x0303, 0x0304; 0: not known */
    int finished;    /* did the victim's Finished come? 1, 0; -1: not known */
    long long app_bytes; /* of the victim, in clear; what leaked if the
                            certificate was forged */
    bool said_no;   /* the victim told its user that it refused, whatever it
                       had sent by then (exit code 60 of ours) */
    bool by_server; /* the alert, or the end, came from the other side */
    bool genuine;   /* the server's own certificate was shown */
    const struct forgery *forgery; /* what was shown, NULL: not known */
};

#define EXPLAIN_UNKNOWN                                                        \
    ((struct explain_facts){                                                   \
        .alert = -1, .verify_code = -1, .depth = -1, .finished = -1})

/* All texts are constants; none is NULL, and "" means that there is nothing
 * to say. Sentences end in a full stop. */
struct explanation {
    enum explain_way way;
    const char *words;   /* of the way: "alert in the handshake" */
    const char *manner;  /* what this way means here: one or two sentences */
    int code;            /* that the check is about: the victim's word, else
                            what the forgery is made to fail; 0: none */
    bool code_told;      /* the victim said so itself */
    const char *name;    /* of the code, "X509_V_ERR_..."; "" for none */
    const char *check;   /* which check failed first, a phrase */
    const char *field;   /* the very field that it looks at */
    const char *rfc;     /* the section that demands it */
    const char *why;     /* why this victim said what it said */
    const char *relies;  /* who relies on the check */
    const char *without; /* what would have happened (or did) without it */
    const char *data;    /* whether data leaked */
};

void explain(const struct explain_facts *facts, struct explanation *out);

/* The explanation for a reader: what it says, in order, behind a label each
 * ("Check that failed", "Who relies on it"). Returns how many. */
struct explain_line {
    const char *label, *text;
};
enum { EXPLAIN_LINES = 9 };
unsigned explain_lines(const struct explanation *said,
                       struct explain_line out[EXPLAIN_LINES]);

const char *explain_way_words(enum explain_way way);
const char *explain_way_looks(enum explain_way way);

/* 0x0304 for "TLS 1.3", "1.3" or "TLSv1.3"; 0 for what is neither 1.2 nor
 * 1.3. */
int explain_version(const char *words);

/* The row of the table that was taken, from 0: for tests. -1: none fits, which
 * a test forbids. */
int explain_check_row(const struct explain_facts *facts);
int explain_manner_row(const struct explain_facts *facts);

#endif
