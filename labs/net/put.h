/* SPDX-License-Identifier: MIT
 *
 * Files of a place: written by its own init, or by the runner with --bare. */
#ifndef LABS_NET_PUT_H
#define LABS_NET_PUT_H

#include "certs/err.h"

#include <stddef.h>

/* Write a file of a place whose folder is `dir`: 0600, complete or not at all,
 * folders on the way made 0700. "/etc/hosts" goes to `hosts`, in place,
 * because a bind mount holds that file. Other paths lie below `dir`. */
int put_file(const char *dir, const char *hosts, const char *path,
             const void *bytes, size_t len, struct err *err);

/* Overwrite or make a file. 0, or -1 with errno. */
int put_bytes(const char *path, int flags, const void *bytes, size_t len);

#endif
