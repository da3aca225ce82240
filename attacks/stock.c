/* SPDX-License-Identifier: MIT */
#include "attacks/stock.h"

#include "proxy/base/quoted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_MOST = 1024 };

const char *stock_type(const char *name)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".htm", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".xml", "application/xml"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".pdf", "application/pdf"},
        {".wasm", "application/wasm"},
        {".zip", "application/zip"},
        {".gz", "application/gzip"},
    };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t end = strlen(types[i].end);
        if (len > end && !strcasecmp(name + len - end, types[i].end))
            return types[i].type;
    }
    return "application/octet-stream";
}

/* All of an open file. A pipe or a device could keep us waiting. */
static int read_file(int fd, struct buf *out)
{
    struct stat stat;
    if (fstat(fd, &stat) || !S_ISREG(stat.st_mode) ||
        stat.st_size > STOCK_FILE_MOST) {
        errno = S_ISREG(stat.st_mode) ? EFBIG : EINVAL;
        return -1;
    }
    for (;;) {
        uint8_t *to = buf_reserve(out, 64 * 1024);
        ssize_t got = to ? read(fd, to, 64 * 1024) : -1;
        if (got <= 0)
            return (int)got;
        buf_filled(out, (size_t)got);
        if (buf_len(out) > STOCK_FILE_MOST) {
            errno = EFBIG;
            return -1;
        }
    }
}

int stock_open(struct stock *stock, const char *path, struct err *err)
{
    struct stat stat;
    *stock = (struct stock){.folder = -1, .type = stock_type(path)};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &stat)) {
        err_errno(err, "open %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (S_ISDIR(stat.st_mode)) {
        stock->folder = fd;
        return 0;
    }
    int rc = read_file(fd, &stock->file);
    if (rc)
        err_errno(err, "read %s (at most %d MiB)", path,
                  STOCK_FILE_MOST / 1024 / 1024);
    close(fd);
    if (rc)
        buf_free(&stock->file);
    return rc;
}

void stock_close(struct stock *stock)
{
    buf_free(&stock->file);
    if (stock->folder >= 0)
        close(stock->folder);
    stock->folder = -1;
}

/* The path in a target, escapes undone, without the slashes in front. A folder
 * stands for its index.html. False: it is none that could be a file. */
static bool path_of(const char *target, char path[PATH_MOST])
{
    static const char index[] = "index.html";
    size_t len = 0;
    const char *at = strstr(target, "://");
    /* A whole URL: the path begins behind its host. */
    at = at ? at + 3 + strcspn(at + 3, "/?#") : target;
    at += strspn(at, "/");
    while (*at && *at != '?' && *at != '#') {
        int byte = (unsigned char)*at++;
        if (byte == '%') {
            int high = quoted_hex(at[0]);
            int low = high < 0 ? -1 : quoted_hex(at[1]);
            byte = low < 0 ? 0 : high * 16 + low;
            at += low < 0 ? 0 : 2;
        }
        if (!byte || len + sizeof index >= PATH_MOST)
            return false;
        path[len++] = (char)byte;
    }
    if (!len || path[len - 1] == '/') {
        memcpy(path + len, index, sizeof index);
        return true;
    }
    path[len] = 0;
    return true;
}

int stock_fetch(const struct stock *stock, const char *target, struct buf *out,
                const char **out_type)
{
    char path[PATH_MOST];
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    *out_type = stock->type;
    if (stock->folder < 0)
        return buf_append(out, buf_head(&stock->file), buf_len(&stock->file))
                   ? 500
                   : 200;
    if (!path_of(target, path))
        return 404;
    *out_type = stock_type(path);
    int fd = (int)syscall(SYS_openat2, stock->folder, path, &how, sizeof how);
    if (fd < 0)
        return errno == EXDEV || errno == EACCES || errno == EPERM     ? 403
               : errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 404
                                                                       : 500;
    size_t before = buf_len(out);
    int rc = read_file(fd, out);
    close(fd);
    if (rc)
        out->end = out->at + before;
    return rc ? 404 : 200;
}
