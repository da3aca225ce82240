/* SPDX-License-Identifier: MIT
 *
 * The flows of a record, for `mitmlab inspect`: which facts belong together,
 * which of them are worth a line, and whether a filter holds. */
#ifndef LABS_CLI_INSPECT_FLOW_H
#define LABS_CLI_INSPECT_FLOW_H

#include "labs/report/ladder.h"
#include "labs/report/record.h"
#include "proxy/filter.h"

/* One connection as one program saw it. All is borrowed from the record. */
struct inspect_flow {
    struct text place;
    long long number;
    const struct fact *victim, *server; /* that name these ends; NULL */
    unsigned servers; /* connections to it, or to one after the other */
    const struct fact **facts; /* in the order of their times */
    size_t count;
};

struct inspect {
    struct inspect_flow *flows; /* in the order in which they begin */
    size_t count;
    const struct fact **facts; /* of all of them */
};

/* Facts without a flow are left out. -1: memory is out. */
int inspect_open(const struct record *record, struct inspect *out,
                 struct err *err);
void inspect_close(struct inspect *inspect);

/* With NULL everything matches. */
bool inspect_matches(struct record *record, const struct inspect_flow *flow,
                     const struct filter *filter);

/* The host that its first request names, or empty; *out_tls: it is within
 * TLS. */
struct text inspect_host(struct record *record, const struct inspect_flow *flow,
                         bool *out_tls);

/* Is this fact worth a line? With `all` every one that says something. */
bool inspect_shows(const struct inspect_flow *flow, const struct fact *fact,
                   bool all);

/* One fact in words; printable ASCII. `note`: what stands out in it. */
struct inspect_words {
    enum mark mark;
    char text[512];
    const char *note;
};
void inspect_say(struct record *record, const struct fact *fact,
                 struct inspect_words *out);

/* Of this flow as a display filter of Wireshark; false: it has no ports. */
bool inspect_packets(const struct inspect_flow *flow, char *room, size_t size);

/* A new object: ends, name, certificates, alerts, verdict, exchanges; with
 * `all` also the events. */
json_t *inspect_json(struct record *record, const struct inspect_flow *flow,
                     bool all);

#endif
