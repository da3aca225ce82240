/* SPDX-License-Identifier: MIT
 *
 * The sink of events is a pipe, and a thread at its other end that reads JSON
 * and writes words. A thread, because whoever writes events may wait for room
 * in the pipe. */
#include "labs/cli/narrate.h"

#include "proxy/base/buf.h"
#include "proxy/event.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool open;
    int to;     /* where events go */
    FILE *from; /* where they come out */
    pthread_t thread;
} narrator;

/* ---- words ------------------------------------------------------------------- */

static void add_time(struct buf *line, const json_t *event)
{
    json_int_t t = json_integer_value(json_object_get(event, "t"));
    time_t seconds = (time_t)(t / 1000000000);
    struct tm local;
    localtime_r(&seconds, &local);
    buf_printf(line, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
               local.tm_sec, (int)(t / 1000000 % 1000));
}

static void add_tuple(struct buf *line, const json_t *event)
{
    const json_t *tuple = json_object_get(event, "tuple");
    if (json_array_size(tuple) != 4)
        return;
    buf_printf(line, "  %s port %d -> %s port %d",
               json_string_value(json_array_get(tuple, 0)),
               (int)json_integer_value(json_array_get(tuple, 1)),
               json_string_value(json_array_get(tuple, 2)),
               (int)json_integer_value(json_array_get(tuple, 3)));
}

/* Strings are Latin-1 in UTF-8, and may hold anything: JSON's own escapes keep
 * a terminal safe. */
static void add_member(struct buf *line, const char *key, json_t *value)
{
    if (json_is_string(value) && !json_string_length(value))
        return;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    if (text)
        buf_printf(line, "  %s: %s", key, text);
    free(text);
}

char *narrate_line(const char *json, size_t len)
{
    struct buf line = {0};
    json_t *event = json_loadb(json, len, JSON_ALLOW_NUL, NULL);
    const char *kind = json_string_value(json_object_get(event, "kind"));
    const char *key;
    json_t *value;
    if (kind) {
        add_time(&line, event);
        buf_printf(&line, "  %-14s", kind);
        json_object_foreach(json_object_get(event, "data"), key, value)
            add_member(&line, key, value);
        add_tuple(&line, event);
    }
    json_decref(event);
    char *text = buf_len(&line)
                     ? strndup((char *)buf_head(&line), buf_len(&line))
                     : NULL;
    buf_free(&line);
    return text;
}

/* ---- the pipe ----------------------------------------------------------------- */

static void *narrate(void *unused)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    (void)unused;
    while ((len = getline(&line, &room, narrator.from)) > 0) {
        char *words = narrate_line(line, (size_t)len);
        if (words && printf("%s\n", words) > 0)
            fflush(stdout);
        free(words);
    }
    free(line);
    return NULL;
}

static int open_pipe(struct err *err)
{
    int ends[2];
    char number[16];
    if (pipe2(ends, O_CLOEXEC)) {
        err_errno(err, "make a pipe for events");
        return -1;
    }
    narrator.to = ends[1];
    narrator.from = fdopen(ends[0], "r");
    snprintf(number, sizeof number, "%d", ends[1]);
    setenv("MITMLAB_EVENTS_FD", number, 1);
    if (!narrator.from ||
        pthread_create(&narrator.thread, NULL, narrate, NULL)) {
        err_set(err, "no memory for a thread that prints events");
        return -1;
    }
    narrator.open = true;
    return 0;
}

int narrate_open(bool json, const char *fallback_place, struct err *err)
{
    event_open(json, fallback_place);
    if (event_wanted())
        return 0;
    if (open_pipe(err))
        return -1;
    event_open(false, fallback_place);
    return 0;
}

void narrate_close(void)
{
    event_close();
    if (!narrator.open)
        return;
    unsetenv("MITMLAB_EVENTS_FD");
    close(narrator.to);
    pthread_join(narrator.thread, NULL);
    fclose(narrator.from);
    narrator.open = false;
}
