/* SPDX-License-Identifier: MIT
 *
 * Reads result.json of every run folder; damaged ones are passed over. */
#include "labs/engine/progress.h"

#include "labs/engine/text.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char progress_runs[] = "mitmlab-runs";

enum { RESULT_MOST = 16 << 20 };

static struct progress_lab *entry_for(struct progress *progress, const char *id)
{
    for (unsigned i = 0; i < progress->count; i++)
        if (!strcmp(progress->labs[i].id, id))
            return &progress->labs[i];
    if (progress->count == PROGRESS_MOST)
        return NULL;
    struct progress_lab *lab = &progress->labs[progress->count++];
    *lab = (struct progress_lab){0};
    strncat(lab->id, id, sizeof lab->id - 1);
    return lab;
}

static const char *text_at(const json_t *result, const char *key)
{
    const char *text = json_string_value(json_object_get(result, key));
    return text ? text : "";
}

static void count_run(struct progress *progress, const json_t *result)
{
    const char *id = text_at(result, "lab");
    if (!*id || strcmp(text_at(result, "play"), "trainee") != 0)
        return;
    struct progress_lab *lab = entry_for(progress, id);
    if (!lab)
        return;
    const json_t *score = json_object_get(result, "score");
    long long got = json_integer_value(json_object_get(score, "got"));
    lab->runs++;
    lab->passed |= !strcmp(text_at(result, "status"), "passed");
    if (lab->runs == 1 || got > lab->got) {
        lab->got = got;
        lab->max = json_integer_value(json_object_get(score, "max"));
    }
}

static void read_run(struct progress *progress, const char *name)
{
    struct err err;
    char *folder = text_join(progress_runs, name);
    char *path = text_join(folder, "result.json");
    size_t len;
    char *text = text_read(path, RESULT_MOST, &len, &err);
    json_t *result = text ? json_loadb(text, len, JSON_ALLOW_NUL, NULL) : NULL;
    if (result)
        count_run(progress, result);
    json_decref(result);
    free(text);
    free(path);
    free(folder);
}

void progress_read(struct progress *out)
{
    out->count = 0;
    DIR *dir = opendir(progress_runs);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            read_run(out, entry->d_name);
    if (dir)
        closedir(dir);
}

const struct progress_lab *progress_of(const struct progress *progress,
                                       const char *id)
{
    for (unsigned i = 0; i < progress->count; i++)
        if (!strcmp(progress->labs[i].id, id))
            return &progress->labs[i];
    return NULL;
}

/* When its result was last written; false: it has none. */
static bool written_at(const char *folder, struct timespec *out)
{
    struct stat about;
    char *path = text_join(folder, "result.json");
    bool there = path && !stat(path, &about);
    if (there)
        *out = about.st_mtim;
    free(path);
    return there;
}

static bool is_later(const struct timespec *one, const struct timespec *two)
{
    return one->tv_sec != two->tv_sec ? one->tv_sec > two->tv_sec
                                      : one->tv_nsec > two->tv_nsec;
}

char *progress_newest(void)
{
    char *newest = NULL;
    struct timespec latest = {0}, at;
    DIR *dir = opendir(progress_runs);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *folder = entry->d_name[0] == '.'
                           ? NULL
                           : text_join(progress_runs, entry->d_name);
        if (folder && written_at(folder, &at) && is_later(&at, &latest)) {
            latest = at;
            free(newest);
            newest = folder;
            folder = NULL;
        }
        free(folder);
    }
    if (dir)
        closedir(dir);
    return newest;
}
