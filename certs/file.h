/* SPDX-License-Identifier: MIT
 *
 * Files that appear whole or not at all, and certificates in PEM files. */
#ifndef CERTS_FILE_H
#define CERTS_FILE_H

#include "certs/err.h"

#include <limits.h>
#include <openssl/x509.h>
#include <sys/types.h>

/* "DIR/NAME" into a buffer of PATH_MAX. */
int file_join(char path[PATH_MAX], const char *dir, const char *name,
              struct err *err);

/* Write beside `path` under a temporary name (O_EXCL, `mode` whatever the
 * umask allows more), then rename. Nothing is left behind on failure. */
int file_replace(const char *path, mode_t mode, const void *data, size_t len,
                 struct err *err);

/* All certificates of a PEM file in order, at least one. */
int file_load_certs(const char *path, STACK_OF(X509) * *out, struct err *err);

/* `first`, then `rest` (NULL: nothing) without a repetition of `first`. */
int file_save_certs(const char *path, X509 *first, STACK_OF(X509) * rest,
                    struct err *err);

#endif
