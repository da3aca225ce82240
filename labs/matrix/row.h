/* SPDX-License-Identifier: MIT
 *
 * What the rig can show: the forgeries of certs/forgeries.def and, after
 * them, their companions of offers.def, which are no certificates. */
#ifndef LABS_MATRIX_ROW_H
#define LABS_MATRIX_ROW_H

#include "certs/forge.h"

#include <stdbool.h>

/* What a companion does otherwise than a good server. */
struct offer {
    const char *shows; /* row of the certificate, NULL: none */
    const char *ciphers;
    int least, most;   /* versions of TLS, 0: as the column says */
    bool small_group;  /* Diffie-Hellman with 1024 bits */
    bool without_13;   /* TLS 1.3 is taken out of the victim's hello */
    const char *plain; /* instead of TLS */
};

struct row {
    const char *id, *title, *how, *check, *rfc, *history;
    const char *seen;           /* what was measured, NULL nothing */
    const char *asks;           /* whom the victim asks for; NULL: anybody */
    enum forge_tls tls;         /* the versions that can express it */
    const char *why;            /* one of them cannot; NULL: see `tls` */
    const struct forgery *cert; /* NULL: a companion */
    const struct offer *offer;  /* NULL: a forgery */
};

enum { ROWS_MOST = 256 };

/* false behind the last. */
bool row_at(unsigned index, struct row *out);
bool row_find(const char *id, struct row *out);

/* Can it be shown in TLS 1.2 (or 1.3)? */
bool row_in_tls12(const struct row *row);
bool row_in_tls13(const struct row *row);

/* Is it a control, which every fair client accepts? */
bool row_is_control(const struct row *row);

/* Rows of a list such as "t,n01,a": families and ids; NULL: all of them, in
 * the order of the catalogue. Their number, or -1 with EXIT_USAGE and the
 * nearest id. */
int rows_select(const char *list, struct row out[ROWS_MOST], struct err *err);

#endif
