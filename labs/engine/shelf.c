/* SPDX-License-Identifier: MIT
 *
 * Folders beside the program. */
#include "labs/engine/shelf.h"

#include "certs/nearest.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *shelf_program(void)
{
    static char path[PATH_MAX];
    if (!path[0]) {
        ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
        if (len > 0)
            path[len] = '\0';
    }
    return path;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* The first of these, relative to the folder of the program, that exists. A
 * program of the tests lies deeper in the build folder than mitmlab does. */
static bool beside_program(const char *const *candidates, char out[PATH_MAX])
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", shelf_program());
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    for (; *candidates; candidates++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", dir, *candidates);
        if (is_folder(path) && realpath(path, out))
            return true;
    }
    return false;
}

const char *shelf_victims(void)
{
    static const char *const candidates[] = {
        "victims", "../victims", "../../victims", "../libexec/mitmlab", NULL};
    static char path[PATH_MAX];
    if (!path[0] && !beside_program(candidates, path))
        return "";
    return path;
}

const char *shelf_sources(void)
{
    static const char *const candidates[] = {
        "source", "../source", "../../source", "../share/mitmlab/source", NULL};
    static char path[PATH_MAX];
    if (!path[0] && !beside_program(candidates, path))
        return "";
    return path;
}

static bool is_lesson(const char *name)
{
    return isdigit((unsigned char)name[0]) && isdigit((unsigned char)name[1]) &&
           name[2] == '-';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int no_labs(struct err *err)
{
    err_set(err,
            "no folder with labs beside %s; set MITMLAB_LABS to the folder "
            "that holds 01-*, 03-* ...",
            shelf_program());
    return -1;
}

static bool find_labs(char path[PATH_MAX])
{
    static const char *const candidates[] = {"lessons", "../share/mitmlab/labs",
                                             "../lessons", "../../lessons",
                                             NULL};
    const char *told = getenv("MITMLAB_LABS");
    if (told)
        return is_folder(told) && realpath(told, path);
    return beside_program(candidates, path);
}

int shelf_open(struct shelf *shelf, struct err *err)
{
    *shelf = (struct shelf){0};
    char path[PATH_MAX];
    DIR *dir = find_labs(path) ? opendir(path) : NULL;
    if (!dir)
        return no_labs(err);
    const struct dirent *entry;
    while ((entry = readdir(dir)) && shelf->count < SHELF_MOST) {
        char *folder = NULL;
        if (is_lesson(entry->d_name) &&
            asprintf(&folder, "%s/%s", path, entry->d_name) > 0)
            shelf->folders[shelf->count++] = folder;
    }
    closedir(dir);
    qsort(shelf->folders, shelf->count, sizeof *shelf->folders, by_name);
    return 0;
}

void shelf_close(struct shelf *shelf)
{
    for (unsigned i = 0; i < shelf->count; i++)
        free(shelf->folders[i]);
    shelf->count = 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void shelf_id(const char *folder, char id[16])
{
    const char *name = base_name(folder);
    if (is_lesson(name))
        snprintf(id, 16, "lab%.2s", name);
    else
        snprintf(id, 16, "%.15s", name);
}

/* "lab03", "03", "3", "the-page-that-lied", "03-the-page-that-lied". */
static bool is_called(const char *folder, const char *name)
{
    char id[16];
    const char *base = base_name(folder);
    shelf_id(folder, id);
    return !strcmp(name, id) || !strcmp(name, id + 3) || !strcmp(name, base) ||
           !strcmp(name, base + 3) || (id[3] == '0' && !strcmp(name, id + 4));
}

static void not_found(const struct shelf *shelf, const char *name,
                      struct err *err)
{
    char ids[SHELF_MOST][16];
    const char *names[SHELF_MOST + 1];
    for (unsigned i = 0; i < shelf->count; i++) {
        shelf_id(shelf->folders[i], ids[i]);
        names[i] = ids[i];
    }
    names[shelf->count] = NULL;
    const char *near = nearest(name, names);
    err_code(err, EXIT_USAGE,
             "no lab \"%s\"%s%s%s; 'mitmlab list' shows what there is", name,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

char *shelf_find(const char *name, struct err *err)
{
    if (strchr(name, '/') || !strcmp(name, ".")) {
        char *real = realpath(name, NULL);
        if (!real)
            err_code(err, EXIT_USAGE, "there is no folder %s", name);
        return real;
    }
    struct shelf shelf;
    if (shelf_open(&shelf, err))
        return NULL;
    char *found = NULL;
    for (unsigned i = 0; i < shelf.count && !found; i++)
        if (is_called(shelf.folders[i], name))
            found = strdup(shelf.folders[i]);
    if (!found)
        not_found(&shelf, name, err);
    shelf_close(&shelf);
    return found;
}
