/* SPDX-License-Identifier: MIT
 *
 * Reads the words of subject.h. What exists in a run is not known here. */
#include "labs/report/subject.h"

#include "certs/nearest.h"
#include "certs/verify.h"
#include "labs/report/explain_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { NUMBERS = 256 }; /* alerts and codes are below */

const struct subject_word subject_words[] = {
    {SUBJECT_FRAME, "frame", "N", "what a frame of the capture proves"},
    {SUBJECT_FLOW, "flow", "N", "all that is known of a connection"},
    {SUBJECT_EVENT, "event", "N", "a line of events.jsonl"},
    {SUBJECT_ALERT, "alert", "N or NAME", "an alert, and who sent it for what"},
    {SUBJECT_CODE, "code", "N or NAME", "a verify code of OpenSSL"},
    {SUBJECT_FORGERY, "forgery", "ID", "a row of the catalogue of forgeries"},
    {SUBJECT_WAY, "way", "NAME", "a way to say yes or no"},
    {0},
};

bool subject_is_alert(long long number)
{
    return number >= 0 && number < NUMBERS &&
           strcmp(alert_name((int)number), "unknown_alert") != 0;
}

bool subject_is_code(long long number)
{
    return number >= 0 && number < NUMBERS &&
           strcmp(verify_name((int)number), "X509_V_ERR_UNKNOWN") != 0;
}

/* ---- names --------------------------------------------------------------- */

static const char code_prefix[] = "X509_V_ERR_";

static bool name_is(const char *name, const char *word)
{
    return !strcasecmp(name, word);
}

static bool code_is(const char *name, const char *word)
{
    size_t len = sizeof code_prefix - 1;
    return name_is(name, word) ||
           (!strncmp(name, code_prefix, len) && name_is(name + len, word));
}

static bool find_way(const char *word, struct subject *out)
{
    for (int i = 0; i < EXPLAIN_WAYS_COUNT; i++)
        if (name_is(explain_way_name(i), word)) {
            out->kind = SUBJECT_WAY;
            out->way = i;
            return true;
        }
    return false;
}

static bool find_alert(const char *word, struct subject *out)
{
    for (int i = 0; i < NUMBERS; i++)
        if (subject_is_alert(i) && name_is(alert_name(i), word)) {
            out->kind = SUBJECT_ALERT;
            out->number = i;
            return true;
        }
    return false;
}

static bool find_code(const char *word, struct subject *out)
{
    for (int i = 0; i < NUMBERS; i++)
        if (subject_is_code(i) && code_is(verify_name(i), word)) {
            out->kind = SUBJECT_CODE;
            out->number = i;
            return true;
        }
    return false;
}

static bool find_forgery(const char *word, struct subject *out)
{
    out->forgery = forgery_find(word);
    out->kind = SUBJECT_FORGERY;
    return out->forgery != NULL;
}

/* A whole number, and nothing behind it. */
static bool read_number(const char *word, long long *out)
{
    char *end;
    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    *out = strtoll(word, &end, 10);
    return !*end && !errno;
}

/* ---- what is wrong ------------------------------------------------------- */

static const char *nearest_name(const char *word)
{
    enum { MOST = 2 * NUMBERS + EXPLAIN_WAYS_COUNT + 2 };
    const char *names[MOST];
    unsigned count = 0;
    for (int i = 0; i < EXPLAIN_WAYS_COUNT; i++)
        names[count++] = explain_way_name(i);
    for (int i = 0; i < NUMBERS; i++) {
        if (subject_is_alert(i))
            names[count++] = alert_name(i);
        if (subject_is_code(i))
            names[count++] = verify_name(i);
    }
    names[count] = NULL;
    const char *near = nearest(word, names);
    const struct forgery *forgery = near ? NULL : forgery_nearest(word);
    return near ? near : forgery ? forgery->id : NULL;
}

static int unknown(const char *word, struct err *err)
{
    const char *near = nearest_name(word);
    err_code(err, EXIT_USAGE,
             "nothing is known about \"%.60s\"%s%s%s; 'mitmlab help refusals' "
             "says what can be explained",
             word, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return -1;
}

static int unknown_kind(const char *word, size_t len, struct err *err)
{
    char kind[32];
    const char *names[16];
    unsigned count = 0;
    snprintf(kind, sizeof kind, "%.*s", (int)len, word);
    for (const struct subject_word *it = subject_words; it->name; it++)
        names[count++] = it->name;
    names[count] = NULL;
    const char *near = nearest(kind, names);
    err_code(err, EXIT_USAGE,
             "\"%s\" is neither a run folder nor a kind of thing%s%s%s; "
             "'mitmlab help refusals' says what can be explained",
             kind, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return -1;
}

/* ---- reading ------------------------------------------------------------- */

static const struct subject_word *find_kind(const char *word, size_t len)
{
    for (const struct subject_word *it = subject_words; it->name; it++)
        if (strlen(it->name) == len && !strncasecmp(it->name, word, len))
            return it;
    return NULL;
}

/* What stands behind "alert:" and its like. */
static int read_value(const struct subject_word *kind, const char *value,
                      struct subject *out, struct err *err)
{
    out->kind = kind->kind;
    bool number = read_number(value, &out->number);
    switch (kind->kind) {
    case SUBJECT_ALERT:
        if (number ? subject_is_alert(out->number) : find_alert(value, out))
            return 0;
        break;
    case SUBJECT_CODE:
        if (number ? subject_is_code(out->number) : find_code(value, out))
            return 0;
        break;
    case SUBJECT_FORGERY:
        if (find_forgery(value, out))
            return 0;
        break;
    case SUBJECT_WAY:
        if (find_way(value, out))
            return 0;
        break;
    default:
        if (number)
            return 0;
        err_code(err, EXIT_USAGE, "%s wants a number, as in %s:31", kind->name,
                 kind->name);
        return -1;
    }
    return unknown(value, err);
}

/* "31", "flow:2" behind a run folder. */
static int read_in_run(const char *word, struct subject *out, struct err *err)
{
    const char *colon = strchr(word, ':');
    out->kind = SUBJECT_FRAME;
    if (!colon && read_number(word, &out->number))
        return 0;
    const struct subject_word *kind =
        colon ? find_kind(word, (size_t)(colon - word)) : NULL;
    if (kind && kind->kind <= SUBJECT_EVENT)
        return read_value(kind, colon + 1, out, err);
    err_code(err, EXIT_USAGE,
             "of a run there are frame:N, flow:N and event:N, and not "
             "\"%.60s\"",
             word);
    return -1;
}

static bool is_folder(const char *path, size_t len, struct subject *out)
{
    struct stat about;
    if (!len || len >= sizeof out->dir)
        return false;
    memcpy(out->dir, path, len);
    out->dir[len] = 0;
    if (!stat(out->dir, &about) && S_ISDIR(about.st_mode))
        return true;
    out->dir[0] = 0;
    return false;
}

int subject_read(const char *word, struct subject *out, struct err *err)
{
    *out = (struct subject){.kind = SUBJECT_RUN};
    const char *colon = strchr(word, ':');
    if (!colon) {
        if (read_number(word, &out->number)) {
            out->kind = SUBJECT_NUMBER;
            return 0;
        }
        if (find_way(word, out) || find_alert(word, out) ||
            find_code(word, out) || find_forgery(word, out))
            return 0;
        out->kind = SUBJECT_RUN;
        return is_folder(word, strlen(word), out) ? 0 : unknown(word, err);
    }
    size_t len = (size_t)(colon - word);
    const struct subject_word *kind = find_kind(word, len);
    if (kind)
        return read_value(kind, colon + 1, out, err);
    if (is_folder(word, len, out))
        return read_in_run(colon + 1, out, err);
    return unknown_kind(word, len, err);
}
