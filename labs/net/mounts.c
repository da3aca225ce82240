/* SPDX-License-Identifier: MIT
 *
 * The mounts of a place. All are private and vanish with it. */
#include "labs/net/mounts.h"

#include "labs/net/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int mounts_detach(struct err *err)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        err_errno(err, "make the mounts private");
        return -1;
    }
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) <
        0) {
        err_errno(err, "mount /proc for the lab's processes");
        return -1;
    }
    return 0;
}

/* Some hosts keep a file of /etc in /run and link to it; /run is ours now and
 * empty, so the file is made where the link points. */
static void restore_target(const char *path)
{
    char link[256], whole[300];
    ssize_t len = readlink(path, link, sizeof link - 1);
    if (len <= 0)
        return;
    link[len] = '\0';
    snprintf(whole, sizeof whole, "%s%s", *link == '/' ? "" : "/etc/", link);
    const char *run = strstr(whole, "/run/");
    if (!run || strstr(run, "/../"))
        return;
    for (char *at = (char *)run + 5; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(run, 0755);
        *at = '/';
    }
    put_bytes(run, 0, "", 0);
}

static const struct own_file {
    const char *path, *source, *text;
} own_files[] = {
    {MOUNTS_HOSTS, "/run/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
    {"/etc/resolv.conf", "/run/etc/resolv.conf", ""},
    {"/etc/nsswitch.conf", "/run/etc/nsswitch.conf",
     "passwd: files\ngroup: files\nhosts: files\nservices: files\n"
     "protocols: files\n"},
};

/* A host without /etc/hosts has nothing that ours could be mounted on. So a
 * folder of the place's own is laid over /etc, and the file is made there. */
static int make_point(const char *path, struct err *err)
{
    if ((mkdir("/run/over", 0755) == 0 && mkdir("/run/over/up", 0755) == 0 &&
         mkdir("/run/over/work", 0755) == 0 &&
         mount("etc", "/etc", "overlay", MS_NOSUID | MS_NODEV,
               "lowerdir=/etc,upperdir=/run/over/up,workdir=/run/over/work") ==
             0) ||
        errno == EEXIST) {
        if (put_bytes(path, 0, "", 0) == 0)
            return 0;
    }
    err_errno(err, "make %s, which this host does not have", path);
    return -1;
}

static int mount_own(const struct own_file *it, struct err *err)
{
    if (put_bytes(it->source, O_TRUNC, it->text, strlen(it->text)) < 0 ||
        chmod(it->source, 0644) < 0) {
        err_errno(err, "write %s", it->source);
        return -1;
    }
    if (access(it->path, F_OK) < 0)
        restore_target(it->path);
    if (access(it->path, F_OK) < 0 && make_point(it->path, err) < 0)
        return -1;
    if (mount(it->source, it->path, NULL, MS_BIND, NULL) == 0)
        return 0;
    err_errno(err, "put the lab's own %s in place", it->path);
    return -1;
}

static int mark(struct err *err)
{
    struct stat network;
    char text[32];
    int len;
    if (stat("/proc/self/ns/net", &network) == 0 &&
        (len = snprintf(text, sizeof text, "%llu\n",
                        (unsigned long long)network.st_ino)) > 0 &&
        put_bytes(MOUNTS_DIR "/.netns", O_EXCL, text, (size_t)len) == 0)
        return 0;
    err_errno(err, "mark the place in %s", MOUNTS_DIR);
    return -1;
}

int mounts_make(struct err *err)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
              "mode=755,size=64m") < 0) {
        err_errno(err, "mount an empty /run");
        return -1;
    }
    if (mkdir(MOUNTS_DIR, 0700) < 0 || mkdir("/run/etc", 0755) < 0) {
        err_errno(err, "make %s", MOUNTS_DIR);
        return -1;
    }
    for (size_t i = 0; i < sizeof own_files / sizeof *own_files; i++)
        if (mount_own(&own_files[i], err) < 0)
            return -1;
    return mark(err);
}
