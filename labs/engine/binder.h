/* SPDX-License-Identifier: MIT
 *
 * The run folder: mitmlab-runs/LAB-TIME, or the one of --out. 0700, every file
 * 0600 and written under a temporary name first.
 *
 * A new folder is filled where it will stay. One that is there already is
 * replaced at the end, whole: the run is written to OLD/.run and, when it is
 * done, exchanged with OLD in one step. So nothing temporary lies outside a
 * run folder, and a run that is killed leaves the old one as it was.
 *
 * Room for what is written at the end is set aside at the beginning, without a
 * name, so that a capture that fills the disk leaves a run with a report. */
#ifndef LABS_ENGINE_BINDER_H
#define LABS_ENGINE_BINDER_H

#include "certs/err.h"

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

struct binder {
    char *path;  /* where files are written now */
    char *final; /* where they will be; NULL: they stay */
    int lock;    /* held while the run goes on */
    int reserve; /* a file without a name, that keeps room on the disk */
    off_t room;  /* what is left of it */
};

/* `out` NULL: a folder of today's name below mitmlab-runs. -1 with EXIT_USAGE
 * when `out` is something else than a run folder, EXIT_MACHINE when it cannot
 * be made, another run writes to it, or the disk has no room for a run. */
int binder_open(const char *out, const char *lab, struct binder *binder,
                struct err *err);

/* The path of a file in it; free() it. */
char *binder_path(const struct binder *binder, const char *name);
/* On a full disk these two draw on the room that was set aside. */
int binder_write(struct binder *binder, const char *name, const void *bytes,
                 size_t len, struct err *err);
int binder_write_json(struct binder *binder, const char *name,
                      const json_t *value, struct err *err);

/* Give back the room that was set aside: nothing grows any more but the files
 * for which it was meant. */
void binder_use_reserve(struct binder *binder);

/* Make a folder in it. */
int binder_folder(const struct binder *binder, const char *name,
                  struct err *err);

/* Remove a folder in it and all that is below. */
void binder_remove(const struct binder *binder, const char *name);

/* The run is over: put the folder in its place. `path` is then the final one.
 * Call it before binder_close(). */
int binder_settle(struct binder *binder, struct err *err);
void binder_close(struct binder *binder);

#endif
