/* SPDX-License-Identifier: MIT
 *
 * Files of a place, replaced whole. */
#include "labs/net/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int put_bytes(const char *path, int flags, const void *bytes, size_t len)
{
    const char *at = bytes;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return -1;
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno != EINTR)
            break;
        at += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return len > 0 ? -1 : 0;
}

/* Every folder on the way to `path`, which is a text of ours to take apart. */
static int make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        int rc = mkdir(path, 0700);
        *at = '/';
        if (rc < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* Below `dir`, without a way up and without an empty name. */
static bool below(const char *dir, const char *path, char out[512])
{
    size_t len = strlen(dir);
    if (!strncmp(path, dir, len) && path[len] == '/')
        path += len + 1;
    int used = snprintf(out, 512, "%s/%s", dir, path);
    char framed[512];
    snprintf(framed, sizeof framed, "/%s/", path);
    return used < 500 && *path && !strstr(framed, "/../") &&
           !strstr(framed, "//");
}

int put_file(const char *dir, const char *hosts, const char *path,
             const void *bytes, size_t len, struct err *err)
{
    char whole[512], part[520];
    if (!strcmp(path, "/etc/hosts")) {
        if (put_bytes(hosts, O_TRUNC, bytes, len) == 0)
            return 0;
        err_errno(err, "write %s", hosts);
        return -1;
    }
    if (!below(dir, path, whole)) {
        err_code(err, EXIT_CONTAINMENT,
                 "%.200s is not a file below %s, and not /etc/hosts", path,
                 dir);
        return -1;
    }
    snprintf(part, sizeof part, "%s.part", whole);
    unlink(part);
    if (make_folders(whole) == 0 &&
        put_bytes(part, O_EXCL | O_NOFOLLOW, bytes, len) == 0 &&
        rename(part, whole) == 0)
        return 0;
    err_errno(err, "write %s", whole);
    unlink(part);
    return -1;
}
