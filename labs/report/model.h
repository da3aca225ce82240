/* SPDX-License-Identifier: MIT
 *
 * What a run folder says, read once and checked, as plain structs: the one
 * thing that all writers share. Nothing here has been judged or escaped; a
 * struct text is still a stranger's bytes (out.h writes them safely). */
#ifndef LABS_REPORT_MODEL_H
#define LABS_REPORT_MODEL_H

#include "certs/err.h"
#include "labs/report/out.h"
#include "proxy/base/arena.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than any lab makes; a file beyond it is cut, and the report says so. */
enum {
    RESULT_BYTES_MOST = 32 << 20,
    EVENTS_BYTES_MOST = 64 << 20,
    EVENTS_MOST = 100000,
    EVENT_LINE_MOST = 32 << 20, /* a body of 4 MiB, with every byte escaped */
    TRANSCRIPT_BYTES_MOST = 4 << 20,
    LIST_MOST = 1000, /* steps, expectations, pieces of evidence, ... */
    PLACES_MOST = 8,
    CERTS_MOST = 64, /* files in certs/ */
    CERT_BYTES_MOST = 256 << 10,
};

struct place {
    struct text name, address, address6, mac;
};

/* A prediction of a step or a question at the end. */
struct asked {
    struct text question, given, answer;
    struct text *choices;
    unsigned choices_count;
    long long tries, hints; /* of a question at the end; 0: not counted */
    bool was_given, right;
};

struct act {
    struct text name, at, command, output, skipped;
    long long exit, t0, t1;
};

struct attack_line {
    struct text at, command;
};

struct expectation {
    struct text what, expected, observed, act;
    bool held;
};

struct evidence {
    struct text what, filter, interface, place, kind, bytes, decoded, act;
    struct text missing;
    long long frame; /* 0: not found */
    long long t, at, len;
};

struct step {
    struct text title, status, reason, guide;
    long long t0, t1;
    struct attack_line *attacks;
    struct asked *predictions;
    struct act *acts;
    struct expectation *expectations;
    struct evidence *evidence;
    unsigned attacks_count, predictions_count, acts_count;
    unsigned expectations_count, evidence_count;
};

/* One line of events.jsonl. */
struct fact {
    long long t, flow, frame; /* 0: none */
    long long at, len;
    bool has_at;
    struct text place, kind, leg, dir;
    struct text act; /* that it belongs to, if the engine could tell */
    long long step;  /* from 0; -1: before the first */
    struct text opener, acceptor; /* addresses of the tuple, or empty */
    int opener_port, acceptor_port;
    json_t *data; /* NULL if it was no object; jansson takes that */
    json_t *line; /* the whole event; what the rest borrows from */
    size_t order; /* line in the file, for events of one moment */
};

struct pair {
    struct text name, value;
};

struct report {
    struct text lab, title, question, student, topology, status, reason;
    struct text started, ended, command, play, secrets, seal;
    struct text *claims;
    struct place *places;
    struct step *steps;
    struct asked *questions;
    struct pair *versions, *artefacts;
    unsigned claims_count, places_count, steps_count, questions_count;
    unsigned versions_count, artefacts_count;
    long long seed, got, max, packets, dropped;
    bool has_seed, has_capture, complete;
    struct fact *facts; /* by step, then in the order of their times */
    size_t facts_count;
    struct text transcript;
    struct pair *certs; /* file name and PEM text, sorted by name */
    unsigned certs_count;
    /* What is wrong with the folder, one sentence each; our own words. */
    const char *problems[16];
    unsigned problems_count;

    struct arena arena;
    json_t *root;
};

/* Read a run folder through its descriptor. -1 with EXIT_USAGE when there is
 * no readable result.json. */
int report_load(int dir, struct report *out, struct err *err);
void report_free(struct report *report);

/* Write report.html, report.md and flows.har into the folder. */
int report_save(int dir, struct report *report, struct err *err);

/* Note a problem of the folder; a format of our own words. */
void report_problem(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* True when the run ended as it should and all of it is here. */
bool report_is_whole(const struct report *report);

/* The bytes behind data[key] of a fact: event.h writes one character of
 * U+0000..U+00FF per byte. Empty when it is no text. */
struct text fact_bytes(struct report *report, const struct fact *fact,
                       const char *key);
struct text bytes_of(struct report *report, const json_t *latin1);
long long fact_number(const struct fact *fact, const char *key, long long none);
bool fact_is(const struct fact *fact, const char *kind);

/* True for what a server saw of a connection that a proxy opened: its other
 * end is no victim, even where the server calls it so. */
bool fact_is_upstream(const struct report *report, const struct fact *fact);

bool fact_same_connection(const struct fact *one, const struct fact *two);
/* The same message, told by both ends of its connection. */
bool fact_same_message(const struct fact *one, const struct fact *two);

/* The name of the place that has this address, or empty. */
struct text place_at(const struct report *report, struct text address);

/* The facts of a step: those that the engine gave to it, else those between its
 * start and the start of the next. */
struct fact_span {
    size_t first, count;
};
struct fact_span step_facts(const struct report *report, unsigned step);

/* Read a file below `dir` whole, without following links, at most `most`
 * bytes; *out_cut if there was more. The bytes live in the report's arena.
 * -1 with errno when there is none. */
int folder_read(int dir, const char *name, size_t most, struct report *report,
                struct text *out, bool *out_cut);

#endif
