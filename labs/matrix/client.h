/* SPDX-License-Identifier: MIT
 *
 * Whom the matrix asks. Our own victims are those of labs/engine/programs.def
 * whose name begins with "https-client"; each real client is one small file
 * clients/NAME.client, which README.md explains. What a client says of itself
 * is shown and never judged by. */
#ifndef LABS_MATRIX_CLIENT_H
#define LABS_MATRIX_CLIENT_H

#include "certs/err.h"

#include <stdbool.h>

enum { CLIENTS_MOST = 32, CLIENT_WORDS_MOST = 48 };

struct client {
    char id[32];      /* "curl" */
    char letters[3];  /* two that no other client has, for narrow tables */
    bool own;         /* one of our victims */
    bool asked;       /* named in --clients; else it may be `optional` */
    bool optional;    /* "default = no": only if it is named */
    char *note;       /* one sentence on how it is used, or NULL */
    char *version_by; /* command lines, words split at blanks; NULL: none */
    char *visit, *visit_address, *batch;
    char *script; /* file beside the .client file, or NULL */
    char *input;  /* what `visit` reads, with \r and \n */
    char *env;    /* "K=V K=V", or NULL */
    char *folder; /* of the .client file */

    bool found; /* it runs here */
    char version[48];
    char missing[200]; /* why it is not found */
};

struct clients {
    struct client *list[CLIENTS_MOST];
    unsigned count;
};

/* All that `names` means: ids, paths of .client files, "own" (our victims),
 * "real" (the others); NULL: all but the optional ones. -1 with EXIT_USAGE and
 * the nearest id, or with the line of a file that is wrong. */
int clients_open(const char *names, struct clients *out, struct err *err);
void clients_close(struct clients *clients);

/* What stands for a word of a command line. */
struct client_blank {
    const char *name, *value; /* "trust", "trust.pem" */
};

/* The words of a command line, "{name}" replaced; NULL-terminated, free each.
 * `blanks` ends with a NULL name. */
unsigned client_words(const char *line, const struct client_blank *blanks,
                      char *out[CLIENT_WORDS_MOST + 1]);

#endif
