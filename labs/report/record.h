/* SPDX-License-Identifier: MIT
 *
 * What was recorded, read back: a capture that has events in it
 * (`mitmlab proxy -w`), the folder of a run, an events.jsonl; or anybody's
 * pcapng or HAR file, of which facts are made as far as it tells them.
 *
 * Everything in it is hostile. */
#ifndef LABS_REPORT_RECORD_H
#define LABS_REPORT_RECORD_H

#include "labs/report/model.h"
#include "proxy/capture/index.h"

struct record {
    struct report report;        /* facts only, with their frames */
    struct capture_index *index; /* NULL: there is no capture */
    uint64_t lost;               /* bytes behind the last whole block */
    bool foreign;                /* no events: facts were made of packets */
    bool har;                    /* the same: they were made of a HAR */
};

/* -1 with EXIT_USAGE when there is no such thing, or it is none of these. A
 * file that was cut short is read up to its last whole block. */
int record_load(const char *path, struct record *out, struct err *err);
void record_free(struct record *record);

/* A rule.acted fact in words: "rule 2: path == /pay : delay 1s". */
void record_rule(struct report *report, const struct fact *fact, char *room,
                 size_t size);

/* Subject and issuer of the first certificate in a tls.cert fact, as RFC 2253
 * writes names; false: it cannot be read. free() both. */
bool record_cert_names(const struct fact *fact, char **out_subject,
                       char **out_issuer);

#endif
