/* SPDX-License-Identifier: MIT
 *
 * The labs that there are. They stand beside the program: behind the link
 * `lessons` of a build folder, in share/mitmlab/labs of an installation, or
 * where $MITMLAB_LABS says. */
#ifndef LABS_ENGINE_SHELF_H
#define LABS_ENGINE_SHELF_H

#include "certs/err.h"

enum { SHELF_MOST = 100 };

struct shelf {
    char *folders[SHELF_MOST]; /* in the order of their numbers */
    unsigned count;
};

/* -1 when no folder with labs is found. */
int shelf_open(struct shelf *shelf, struct err *err);
void shelf_close(struct shelf *shelf);

/* "labs/03-the-page" -> "lab03". */
void shelf_id(const char *folder, char id[16]);

/* The folder of "lab03", "3", "03-the-page-that-lied" or of a path; free() it.
 * NULL with EXIT_USAGE and the nearest name. */
char *shelf_find(const char *name, struct err *err);

/* Where the programs of ours lie: this one, and the folder of the victims. */
const char *shelf_program(void);
const char *shelf_victims(void);

/* The folder with sources of the victims and what they need: victims/,
 * proxy/base/ and certs/ below it. "" when there is none. */
const char *shelf_sources(void);

#endif
