/* SPDX-License-Identifier: MIT
 *
 * Files that are given to a victim in the server's place: one that is read
 * before the start, or those of a folder, read when they are asked for. What
 * a path names never lies outside the folder, whatever dots and links say. */
#ifndef ATTACKS_STOCK_H
#define ATTACKS_STOCK_H

#include "certs/err.h"
#include "proxy/base/buf.h"

enum { STOCK_FILE_MOST = 16 * 1024 * 1024 };

struct stock {
    struct buf file;
    const char *type; /* of the file, static */
    int folder;       /* a descriptor; -1: it is one file */
};

/* -1 when it cannot be read, or is larger than STOCK_FILE_MOST. */
int stock_open(struct stock *stock, const char *path, struct err *err);
void stock_close(struct stock *stock);

/* What `target` of a request stands for: appended to `out`, with its media
 * type. Returns a status: 200, 403, 404, or 500 when the machine fails. */
int stock_fetch(const struct stock *stock, const char *target, struct buf *out,
                const char **out_type);

/* By the end of its name; never NULL. */
const char *stock_type(const char *name);

#endif
