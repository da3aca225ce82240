/* SPDX-License-Identifier: MIT
 *
 * The run folder. */
#include "labs/engine/binder.h"

#include "certs/file.h"
#include "labs/engine/progress.h"
#include "labs/engine/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RESERVE = 1 << 20,  /* a report, its result and transcript, and more */
    PORTION = 64 << 10, /* what a write that finds the disk full gets of it */
};

static const char workshop[] = ".run";

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- room ---------------------------------------------------------------- */

/* On a file system that cannot keep room, or below a limit on the size of
 * files, a run does without. */
static bool is_full(int why)
{
    return why == ENOSPC || why == EDQUOT;
}

static int set_room_aside(struct binder *binder, struct err *err)
{
    char *path = text_join(binder->path, ".reserve");
    binder->reserve = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    unlink(path);
    free(path);
    if (binder->reserve < 0) {
        err_errno(err, "write into %s", binder->path);
        return -1;
    }
    int why = posix_fallocate(binder->reserve, 0, RESERVE);
    if (!why)
        binder->room = RESERVE;
    else
        (void)!ftruncate(binder->reserve, 0);
    if (!is_full(why))
        return 0;
    err_set(err,
            "the disk with %s has no room for a run, which takes 1 MiB "
            "and more; --out DIR names another folder",
            binder->path);
    return -1;
}

static bool draw_on_reserve(struct binder *binder)
{
    if (!binder->room)
        return false;
    binder->room -= PORTION;
    return !ftruncate(binder->reserve, binder->room);
}

void binder_use_reserve(struct binder *binder)
{
    while (draw_on_reserve(binder))
        ;
}

/* ---- a folder of our own name -------------------------------------------- */

static int lock_folder(const char *path, struct binder *binder, struct err *err)
{
    binder->lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (binder->lock >= 0 && !flock(binder->lock, LOCK_EX | LOCK_NB))
        return 0;
    err_set(err, "another run is writing to %s", path);
    return -1;
}

static int make_new(const char *lab, struct binder *binder, struct err *err)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
    if (mkdir(progress_runs, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s; --out DIR names another one",
                  progress_runs);
        return -1;
    }
    for (unsigned i = 1; i < 1000; i++) {
        char *path;
        if (asprintf(&path, i == 1 ? "%s/%s-%s" : "%s/%s-%s-%u", progress_runs,
                     lab, stamp, i) < 0)
            abort();
        if (!mkdir(path, 0700)) {
            binder->path = path;
            return lock_folder(path, binder, err);
        }
        free(path);
        if (errno != EEXIST)
            break;
    }
    err_errno(err, "make a run folder in %s", progress_runs);
    return -1;
}

/* ---- the folder of --out ------------------------------------------------- */

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* May it be replaced? Only a run folder, or one with nothing in it. */
static bool may_replace(const char *path)
{
    char *result = text_join(path, "result.json");
    bool run = !access(result, F_OK), empty = true;
    free(result);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        empty &= is_dots(entry->d_name) || !strcmp(entry->d_name, workshop);
    if (dir)
        closedir(dir);
    return dir && (run || empty);
}

static int take_existing(const char *out, struct binder *binder,
                         struct err *err)
{
    struct stat info;
    if (lstat(out, &info) || !S_ISDIR(info.st_mode) ||
        info.st_uid != geteuid() || !may_replace(out)) {
        err_code(err, EXIT_USAGE,
                 "%s is not a run folder of yours, so it is not replaced; "
                 "choose another --out",
                 out);
        return -1;
    }
    if (lock_folder(out, binder, err))
        return -1;
    binder->path = text_join(out, workshop);
    remove_tree(binder->path); /* of a run that was killed */
    if (mkdir(binder->path, 0700)) {
        err_errno(err, "make the folder %s", binder->path);
        return -1;
    }
    binder->final = strdup(out);
    return 0;
}

static int take_out(const char *out, struct binder *binder, struct err *err)
{
    if (!mkdir(out, 0700)) {
        binder->path = strdup(out);
        return lock_folder(out, binder, err);
    }
    if (errno == EEXIST)
        return take_existing(out, binder, err);
    err_errno(err, "make the folder %s", out);
    return -1;
}

static void trim_slashes(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
}

int binder_open(const char *out, const char *lab, struct binder *binder,
                struct err *err)
{
    *binder = (struct binder){.lock = -1, .reserve = -1};
    char *copy = out ? strdup(out) : NULL;
    if (copy)
        trim_slashes(copy);
    int rc = copy ? take_out(copy, binder, err) : make_new(lab, binder, err);
    free(copy);
    if (!rc && set_room_aside(binder, err)) {
        rmdir(binder->path);
        rc = -1;
    }
    if (rc)
        binder_close(binder);
    return rc;
}

/* ---- files --------------------------------------------------------------- */

char *binder_path(const struct binder *binder, const char *name)
{
    return text_join(binder->path, name);
}

int binder_write(struct binder *binder, const char *name, const void *bytes,
                 size_t len, struct err *err)
{
    char *path = binder_path(binder, name);
    int rc;
    do {
        rc = file_replace(path, 0600, bytes, len, err);
    } while (rc && is_full(errno) && draw_on_reserve(binder));
    free(path);
    return rc;
}

int binder_write_json(struct binder *binder, const char *name,
                      const json_t *value, struct err *err)
{
    char *text = json_dumps(value, JSON_INDENT(1));
    if (!text) {
        err_code(err, EXIT_BUG, "%s cannot be written as JSON", name);
        return -1;
    }
    int rc = binder_write(binder, name, text, strlen(text), err);
    free(text);
    return rc;
}

int binder_folder(const struct binder *binder, const char *name,
                  struct err *err)
{
    char *path = binder_path(binder, name);
    int rc = mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
    if (rc)
        err_errno(err, "make the folder %s", path);
    free(path);
    return rc;
}

void binder_remove(const struct binder *binder, const char *name)
{
    char *path = binder_path(binder, name);
    remove_tree(path);
    free(path);
}

/* ---- the end ------------------------------------------------------------- */

/* OLD/.run steps out beside OLD for an instant, because a folder cannot change
 * places with one that it lies in. */
static int exchange(struct binder *binder)
{
    char *aside;
    if (asprintf(&aside, "%s.%d", binder->final, (int)getpid()) < 0)
        abort();
    int rc = rename(binder->path, aside);
    if (!rc && (rc = renameat2(AT_FDCWD, aside, AT_FDCWD, binder->final,
                               RENAME_EXCHANGE))) {
        int saved = errno;
        rename(aside, binder->path);
        errno = saved;
    }
    if (!rc)
        remove_tree(aside);
    free(aside);
    return rc;
}

/* Calls `act` with the path of everything in `from` but the workshop. */
static int for_each(const char *from, const char *to,
                    int (*act)(const char *path, const char *to))
{
    int rc = 0;
    DIR *dir = opendir(from);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *path = text_join(from, entry->d_name);
        char *goal = text_join(to, entry->d_name);
        if (!is_dots(entry->d_name) && strcmp(entry->d_name, workshop) != 0)
            rc |= act(path, goal);
        free(path);
        free(goal);
    }
    if (!dir)
        return -1;
    closedir(dir);
    return rc;
}

static int remove_entry(const char *path, const char *unused)
{
    (void)unused;
    remove_tree(path);
    return 0;
}

/* A folder that is a mount point, or that lies in one which we may not write
 * to, keeps its place; its content is replaced piece by piece. */
static int refill(struct binder *binder)
{
    if (for_each(binder->final, binder->final, remove_entry) ||
        for_each(binder->path, binder->final, rename))
        return -1;
    return rmdir(binder->path);
}

int binder_settle(struct binder *binder, struct err *err)
{
    if (!binder->final)
        return 0;
    if (exchange(binder) && refill(binder)) {
        err_errno(err, "replace %s; the run is in %s", binder->final,
                  binder->path);
        return -1;
    }
    free(binder->path);
    binder->path = binder->final;
    binder->final = NULL;
    return 0;
}

void binder_close(struct binder *binder)
{
    if (binder->lock >= 0)
        close(binder->lock);
    if (binder->reserve >= 0)
        close(binder->reserve);
    free(binder->path);
    free(binder->final);
    *binder = (struct binder){.lock = -1, .reserve = -1};
}
