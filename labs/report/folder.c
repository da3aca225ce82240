/* SPDX-License-Identifier: MIT */
#include "labs/report/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_open(const char *path, struct err *err)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        err_errno(err, "open the run folder %s", path);
        err->code = EXIT_USAGE;
    }
    return dir;
}

static int write_all(int file, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t put = write(file, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        bytes += put;
        len -= (size_t)put;
    }
    return 0;
}

enum { TEMPORARY_MOST = 64 };

/* What is to become `name`; its own name goes to `temporary`. */
static int open_temporary(int dir, const char *name,
                          char temporary[TEMPORARY_MOST], struct err *err)
{
    snprintf(temporary, TEMPORARY_MOST, ".%s.%ld", name, (long)getpid());
    unlinkat(dir, temporary, 0); /* of a run that was killed, same pid */
    int file =
        openat(dir, temporary,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        err_errno(err, "create %s", name);
    return file;
}

int folder_check(int dir, const char *name, struct err *err)
{
    char temporary[TEMPORARY_MOST];
    int file = open_temporary(dir, name, temporary, err);
    if (file < 0)
        return -1;
    close(file);
    unlinkat(dir, temporary, 0);
    return 0;
}

int folder_save(int dir, const char *name, const void *bytes, size_t len,
                struct err *err)
{
    char temporary[TEMPORARY_MOST];
    int file = open_temporary(dir, name, temporary, err);
    if (file < 0)
        return -1;
    int rc = write_all(file, bytes, len);
    if (!rc)
        rc = fsync(file);
    if (close(file))
        rc = -1;
    if (!rc)
        rc = renameat(dir, temporary, dir, name);
    if (rc) {
        err_errno(err, "write %s; the old one is kept", name);
        unlinkat(dir, temporary, 0);
    }
    return rc;
}
