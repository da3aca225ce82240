/* SPDX-License-Identifier: MIT
 *
 * Flows that were recorded: the requests and responses of a HAR file, as this
 * program and others write it, or of a run folder that holds one. */
#ifndef ATTACKS_RECORDED_H
#define ATTACKS_RECORDED_H

#include "certs/err.h"
#include "proxy/filter.h"
#include "proxy/message.h"

enum { RECORDED_MS_MOST = 1000 * 1000 * 1000 };

struct recorded_flow {
    unsigned number; /* from 1, in the order of the file */
    const char *url, *comment;
    bool tls;
    struct message request, response; /* decoded; sending puts the rest right */
    bool answered;                    /* there is a response */
    bool request_whole, response_whole; /* the body was kept to its end */
    long long request_size; /* of its body as it travelled; -1: unknown */
    uint64_t ms;            /* 0: unknown, or beyond the most */
};

struct recorded;

/* `path`: a HAR file, or a folder with flows.har. -1: EXIT_MACHINE when it
 * cannot be read, EXIT_USAGE when it is no HAR. */
int recorded_load(const char *path, struct recorded **out, struct err *err);
/* The same of a HAR in memory; `name` stands in the sentence. */
int recorded_read(const char *bytes, size_t len, const char *name,
                  struct recorded **out, struct err *err);
void recorded_free(struct recorded *recorded);

unsigned recorded_count(const struct recorded *recorded);
/* Borrowed; index from 0. Its request may be edited. */
struct recorded_flow *recorded_at(struct recorded *recorded, unsigned index);

/* For a filter: the flow as it was when all was over. */
struct filter_subject recorded_subject(const struct recorded_flow *flow);

#endif
