/* SPDX-License-Identifier: MIT
 *
 * Two certificates side by side: which fields differ, and which bytes. */
#ifndef CERTS_DIFF_H
#define CERTS_DIFF_H

#include "certs/err.h"

#include <openssl/x509.h>
#include <stdio.h>

/* A run of bytes that differs. Where a part stands in one certificate only,
 * its length in the other is 0. */
struct diff_bytes {
    char field[48]; /* the key of show.h where there is one ("names"),
                       "signature", "lengths" (of what encloses others), or an
                       extension by its short name or number */
    size_t at_a, len_a;
    size_t at_b, len_b; /* offsets in der_a and der_b */
};

struct diff {
    unsigned char *der_a, *der_b; /* the certificates as they are sent */
    size_t len_a, len_b;
    struct diff_bytes *runs; /* in the order of the certificate */
    unsigned count;
};

/* -1 if one cannot be encoded; then there is nothing to close. */
int diff_certificates(X509 *a, X509 *b, struct diff *out, struct err *err);
void diff_close(struct diff *diff);

/* {"fields":[{"field","a","b"}],
 *  "bytes":[{"field","at_a","at_b","a":"hex","b":"hex"}]}, no newline. */
void diff_json(const struct diff *diff, X509 *a, X509 *b, FILE *out);

/* The same for a person; `name_a` and `name_b` say what is compared. */
void diff_text(const struct diff *diff, X509 *a, X509 *b, const char *name_a,
               const char *name_b, unsigned width, FILE *out);

#endif
