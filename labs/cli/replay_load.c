/* SPDX-License-Identifier: MIT
 *
 * What holds our events becomes a HAR in memory first, so that flows have the
 * same numbers whichever file they are read from. */
#include "labs/cli/replay_load.h"

#include "labs/report/har.h"
#include "labs/report/record.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCES                                                                \
    "a HAR, a capture of 'mitmlab proxy -w', events (--json), or the folder "  \
    "of a run"

static bool has_har(const char *folder)
{
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has = dir >= 0 && !faccessat(dir, "flows.har", R_OK, 0);
    if (dir >= 0)
        close(dir);
    return has;
}

static int read_events(const char *path, struct record *record,
                       struct recorded **out, struct err *err)
{
    struct out har = {0};
    int rc = -1;
    if (record->foreign) {
        err_code(err, EXIT_USAGE,
                 "%s holds packets and none of our events, and no requests can "
                 "be taken from packets; replay reads " SOURCES,
                 path);
        return -1;
    }
    if (record->lost)
        fprintf(stderr,
                "mitmlab: %s was cut short; what is whole in it is read\n",
                path);
    har_write_once(&record->report, &har);
    if (har.failed)
        err_set(err, "%s: out of memory", path);
    else
        rc = recorded_read((char *)buf_head(&har.buf), buf_len(&har.buf), path,
                           out, err);
    out_free(&har);
    return rc;
}

static int load_events(const char *path, struct recorded **out, struct err *err)
{
    struct record record;
    if (record_load(path, &record, err))
        return -1;
    int rc = read_events(path, &record, out, err);
    record_free(&record);
    return rc;
}

/* The first line is an event, or the file a capture. */
static bool holds_events(const char *path)
{
    static const unsigned char section[] = {0x0a, 0x0d, 0x0d, 0x0a};
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    unsigned char first[4] = {0};
    bool events = file && fread(first, 1, 4, file) == 4 &&
                  !memcmp(first, section, sizeof section);
    if (file && !events && first[0] == '{') {
        rewind(file);
        ssize_t len = getline(&line, &room, file);
        json_t *event =
            len > 0 ? json_loadb(line, (size_t)len, JSON_ALLOW_NUL, NULL)
                    : NULL;
        events = json_is_string(json_object_get(event, "kind"));
        json_decref(event);
    }
    free(line);
    if (file)
        fclose(file);
    return events;
}

static bool begins_with_brace(const char *path)
{
    FILE *file = fopen(path, "re");
    bool does = false;
    for (int byte; file && !does && (byte = fgetc(file)) != EOF;) {
        does = byte == '{';
        if (!does && !strchr(" \t\r\n\xef\xbb\xbf", byte))
            break;
    }
    if (file)
        fclose(file);
    return does;
}

int replay_load(const char *path, struct recorded **out, struct err *err)
{
    struct stat about;
    if (stat(path, &about)) {
        err_errno(err, "open %s", path);
        return -1;
    }
    if (S_ISDIR(about.st_mode))
        return (has_har(path) ? recorded_load : load_events)(path, out, err);
    if (holds_events(path))
        return load_events(path, out, err);
    if (access(path, R_OK) || begins_with_brace(path))
        return recorded_load(path, out, err);
    err_code(err, EXIT_USAGE, "%s is nothing that replay reads: " SOURCES,
             path);
    return -1;
}
