/* SPDX-License-Identifier: MIT
 *
 * result.json -> struct report, by tables of keys. A key that is missing or
 * of the wrong type leaves its member empty; only `schema`, `lab` and
 * `status` must be there. The events are read in facts.c. */
#include "labs/report/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHEMA = 1 };

void report_problem(struct report *report, const char *format, ...)
{
    enum { MOST = sizeof report->problems / sizeof *report->problems };
    if (report->problems_count == MOST)
        return;
    char room[256];
    va_list args;
    va_start(args, format);
    vsnprintf(room, sizeof room, format, args);
    va_end(args);
    const char *kept = arena_text(&report->arena, room);
    if (kept)
        report->problems[report->problems_count++] = kept;
}

bool report_is_whole(const struct report *report)
{
    return !report->problems_count &&
           (!report->has_capture || report->complete) &&
           (text_is(report->status, "passed") ||
            text_is(report->status, "failed"));
}

/* ---- files ------------------------------------------------------------- */

static int read_all(int file, size_t size, struct report *report,
                    struct text *out)
{
    char *bytes = arena_alloc(&report->arena, size + 1);
    size_t have = 0;
    if (!bytes) {
        errno = ENOMEM;
        return -1;
    }
    while (have < size) {
        ssize_t got = read(file, bytes + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (!got)
            break;
        have += (size_t)got;
    }
    *out = (struct text){bytes, have};
    return 0;
}

int folder_read(int dir, const char *name, size_t most, struct report *report,
                struct text *out, bool *out_cut)
{
    /* A pipe or a device in place of the file must not hold us up. */
    int file =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return -1;
    struct stat about;
    int rc = fstat(file, &about);
    if (!rc && !S_ISREG(about.st_mode)) {
        errno = EINVAL;
        rc = -1;
    }
    if (!rc) {
        size_t size = (size_t)about.st_size;
        *out_cut = size > most;
        rc = read_all(file, *out_cut ? most : size, report, out);
    }
    int saved = errno;
    close(file);
    errno = saved;
    return rc;
}

/* ---- values ------------------------------------------------------------ */

static struct text json_text(const json_t *value)
{
    if (!json_is_string(value))
        return TEXT("");
    return (struct text){json_string_value(value), json_string_length(value)};
}

/* Text for a person, of a value that may be text, number, boolean or null. */
static struct text any_text(struct report *report, const json_t *value)
{
    char *words = NULL;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return json_text(value);
    case JSON_TRUE:
        return TEXT("yes");
    case JSON_FALSE:
        return TEXT("no");
    case JSON_INTEGER:
        words = arena_printf(&report->arena, "%lld",
                             (long long)json_integer_value(value));
        return text_of(words);
    case JSON_REAL:
        words = arena_printf(&report->arena, "%.6g", json_real_value(value));
        return text_of(words);
    case JSON_OBJECT:
    case JSON_ARRAY: {
        char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
        words = dump ? arena_text(&report->arena, dump) : NULL;
        free(dump);
        return text_of(words);
    }
    case JSON_NULL:
        break;
    }
    return TEXT("");
}

enum shape { SHAPE_TEXT, SHAPE_ANY, SHAPE_NUMBER, SHAPE_TRUTH };

struct field {
    const char *key;
    enum shape shape;
    size_t offset;
};

#define FIELD(type, key, member, shape)                                        \
    {                                                                          \
        key, shape, offsetof(struct type, member)                              \
    }

static void read_fields(struct report *report, const json_t *object,
                        const struct field *fields, void *target)
{
    for (; fields->key; fields++) {
        const json_t *value = json_object_get(object, fields->key);
        void *member = (char *)target + fields->offset;
        switch (fields->shape) {
        case SHAPE_TEXT:
            *(struct text *)member = json_text(value);
            break;
        case SHAPE_ANY:
            *(struct text *)member = any_text(report, value);
            break;
        case SHAPE_NUMBER:
            *(long long *)member = json_integer_value(value);
            break;
        case SHAPE_TRUTH:
            *(bool *)member = json_is_true(value);
            break;
        }
    }
}

/* An array of JSON becomes an array of structs of `size` bytes. */
typedef void read_item(struct report *report, const json_t *item, void *into);

static void *read_list(struct report *report, const json_t *array, size_t most,
                       size_t size, read_item *read, unsigned *out_count)
{
    size_t count = json_array_size(array);
    if (count > most) {
        report_problem(report,
                       "a list in result.json has %zu entries; the first %zu "
                       "are shown",
                       count, most);
        count = most;
    }
    char *list = arena_alloc(&report->arena, count * size);
    if (!list)
        count = 0;
    for (size_t i = 0; i < count; i++)
        read(report, json_array_get(array, i), list + i * size);
    *out_count = (unsigned)count;
    return list;
}

/* ---- the parts --------------------------------------------------------- */

static void read_text(struct report *report, const json_t *item, void *into)
{
    *(struct text *)into = any_text(report, item);
}

static void read_place(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(place, "name", name, SHAPE_TEXT),
        FIELD(place, "address", address, SHAPE_TEXT),
        FIELD(place, "address6", address6, SHAPE_TEXT),
        FIELD(place, "mac", mac, SHAPE_TEXT),
        {0},
    };
    read_fields(report, item, fields, into);
}

static void read_asked(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(asked, "question", question, SHAPE_TEXT),
        FIELD(asked, "given", given, SHAPE_ANY),
        FIELD(asked, "answer", answer, SHAPE_ANY),
        FIELD(asked, "tries", tries, SHAPE_NUMBER),
        FIELD(asked, "hints", hints, SHAPE_NUMBER),
        FIELD(asked, "right", right, SHAPE_TRUTH),
        {0},
    };
    struct asked *asked = into;
    read_fields(report, item, fields, asked);
    const json_t *given = json_object_get(item, "given");
    asked->was_given = given && !json_is_null(given);
    asked->choices =
        read_list(report, json_object_get(item, "choices"), LIST_MOST,
                  sizeof *asked->choices, read_text, &asked->choices_count);
}

static void read_act(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(act, "as", name, SHAPE_TEXT),
        FIELD(act, "at", at, SHAPE_TEXT),
        FIELD(act, "command", command, SHAPE_TEXT),
        FIELD(act, "output", output, SHAPE_TEXT),
        FIELD(act, "skipped", skipped, SHAPE_TEXT),
        FIELD(act, "exit", exit, SHAPE_NUMBER),
        FIELD(act, "t0", t0, SHAPE_NUMBER),
        FIELD(act, "t1", t1, SHAPE_NUMBER),
        {0},
    };
    read_fields(report, item, fields, into);
}

static void read_attack(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(attack_line, "at", at, SHAPE_TEXT),
        FIELD(attack_line, "command", command, SHAPE_TEXT),
        {0},
    };
    read_fields(report, item, fields, into);
}

static void read_expectation(struct report *report, const json_t *item,
                             void *into)
{
    static const struct field fields[] = {
        FIELD(expectation, "what", what, SHAPE_TEXT),
        FIELD(expectation, "expected", expected, SHAPE_ANY),
        FIELD(expectation, "observed", observed, SHAPE_ANY),
        FIELD(expectation, "act", act, SHAPE_TEXT),
        FIELD(expectation, "held", held, SHAPE_TRUTH),
        {0},
    };
    read_fields(report, item, fields, into);
}

static int nibble(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Hex digits -> bytes, up to the first thing that is no hex. */
static struct text unhex(struct report *report, struct text hex)
{
    char *bytes = arena_alloc(&report->arena, hex.len / 2 + 1);
    size_t len = 0;
    for (size_t i = 0; bytes && i + 1 < hex.len; i += 2) {
        int high = nibble(hex.bytes[i]), low = nibble(hex.bytes[i + 1]);
        if (high < 0 || low < 0)
            break;
        bytes[len++] = (char)(high << 4 | low);
    }
    return (struct text){bytes ? bytes : "", len};
}

static void read_evidence(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(evidence, "what", what, SHAPE_TEXT),
        FIELD(evidence, "filter", filter, SHAPE_TEXT),
        FIELD(evidence, "interface", interface, SHAPE_TEXT),
        FIELD(evidence, "place", place, SHAPE_TEXT),
        FIELD(evidence, "kind", kind, SHAPE_TEXT),
        FIELD(evidence, "bytes", bytes, SHAPE_TEXT),
        FIELD(evidence, "decoded", decoded, SHAPE_TEXT),
        FIELD(evidence, "act", act, SHAPE_TEXT),
        FIELD(evidence, "missing", missing, SHAPE_TEXT),
        FIELD(evidence, "frame", frame, SHAPE_NUMBER),
        FIELD(evidence, "t", t, SHAPE_NUMBER),
        FIELD(evidence, "at", at, SHAPE_NUMBER),
        FIELD(evidence, "len", len, SHAPE_NUMBER),
        {0},
    };
    struct evidence *evidence = into;
    read_fields(report, item, fields, evidence);
    evidence->bytes = unhex(report, evidence->bytes);
    if (evidence->frame < 0)
        evidence->frame = 0;
}

/* Lists of a step or of the top: key, reader, where the list and its count
 * go. */
struct list {
    const char *key;
    size_t most, size;
    read_item *read;
    size_t into, count;
};

#define LIST(type, key, most, member, item, read)                              \
    {                                                                          \
        key, most, sizeof(struct item), read, offsetof(struct type, member),   \
            offsetof(struct type, member##_count)                              \
    }

static void read_lists(struct report *report, const json_t *object,
                       const struct list *lists, void *target)
{
    for (; lists->key; lists++) {
        unsigned *count = (unsigned *)((char *)target + lists->count);
        void **into = (void **)((char *)target + lists->into);
        *into = read_list(report, json_object_get(object, lists->key),
                          lists->most, lists->size, lists->read, count);
    }
}

/* A step without times of its own began with its first act. */
static void span_of_acts(struct step *step)
{
    for (unsigned i = 0; !step->t0 && i < step->acts_count; i++)
        step->t0 = step->acts[i].t0;
    for (unsigned i = 0; i < step->acts_count; i++)
        if (step->acts[i].t1 > step->t1)
            step->t1 = step->acts[i].t1;
}

static void read_step(struct report *report, const json_t *item, void *into)
{
    static const struct field fields[] = {
        FIELD(step, "title", title, SHAPE_TEXT),
        FIELD(step, "status", status, SHAPE_TEXT),
        FIELD(step, "reason", reason, SHAPE_TEXT),
        FIELD(step, "guide", guide, SHAPE_TEXT),
        FIELD(step, "t0", t0, SHAPE_NUMBER),
        FIELD(step, "t1", t1, SHAPE_NUMBER),
        {0},
    };
    static const struct list lists[] = {
        LIST(step, "attacks", LIST_MOST, attacks, attack_line, read_attack),
        LIST(step, "predictions", LIST_MOST, predictions, asked, read_asked),
        LIST(step, "acts", LIST_MOST, acts, act, read_act),
        LIST(step, "expectations", LIST_MOST, expectations, expectation,
             read_expectation),
        LIST(step, "evidence", LIST_MOST, evidence, evidence, read_evidence),
        {0},
    };
    read_fields(report, item, fields, into);
    read_lists(report, item, lists, into);
    span_of_acts(into);
}

/* A report cannot hold its own hash. */
static bool is_report(const char *name)
{
    static const char *const names[] = {"report.html", "report.md",
                                        "flows.har"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static struct pair *read_pairs(struct report *report, json_t *object,
                               unsigned *out_count)
{
    size_t most = json_object_size(object);
    most = most < LIST_MOST ? most : LIST_MOST;
    struct pair *pairs =
        arena_alloc(&report->arena, most * sizeof(struct pair));
    const char *key;
    json_t *value;
    *out_count = 0;
    json_object_foreach(object, key, value)
    {
        if (!pairs || *out_count == most)
            break;
        if (is_report(key))
            continue;
        pairs[(*out_count)++] =
            (struct pair){text_of(key), any_text(report, value)};
    }
    return pairs;
}

static void read_top(struct report *report)
{
    static const struct field fields[] = {
        FIELD(report, "lab", lab, SHAPE_TEXT),
        FIELD(report, "title", title, SHAPE_TEXT),
        FIELD(report, "question", question, SHAPE_TEXT),
        FIELD(report, "student", student, SHAPE_ANY),
        FIELD(report, "topology", topology, SHAPE_TEXT),
        FIELD(report, "status", status, SHAPE_TEXT),
        FIELD(report, "reason", reason, SHAPE_TEXT),
        FIELD(report, "started", started, SHAPE_TEXT),
        FIELD(report, "ended", ended, SHAPE_TEXT),
        FIELD(report, "command", command, SHAPE_TEXT),
        FIELD(report, "play", play, SHAPE_TEXT),
        FIELD(report, "seal", seal, SHAPE_TEXT),
        FIELD(report, "seed", seed, SHAPE_NUMBER),
        {0},
    };
    static const struct list lists[] = {
        LIST(report, "claims", LIST_MOST, claims, text, read_text),
        LIST(report, "places", PLACES_MOST, places, place, read_place),
        LIST(report, "steps", LIST_MOST, steps, step, read_step),
        LIST(report, "questions", LIST_MOST, questions, asked, read_asked),
        {0},
    };
    json_t *root = report->root;
    read_fields(report, root, fields, report);
    read_lists(report, root, lists, report);
    report->has_seed = json_is_integer(json_object_get(root, "seed"));
    json_t *score = json_object_get(root, "score");
    report->got = json_integer_value(json_object_get(score, "got"));
    report->max = json_integer_value(json_object_get(score, "max"));
    report->versions = read_pairs(report, json_object_get(root, "versions"),
                                  &report->versions_count);
    report->artefacts = read_pairs(report, json_object_get(root, "artefacts"),
                                   &report->artefacts_count);
}

static void read_capture(struct report *report)
{
    json_t *capture = json_object_get(report->root, "capture");
    report->has_capture = json_is_object(capture);
    report->packets = json_integer_value(json_object_get(capture, "packets"));
    report->dropped = json_integer_value(json_object_get(capture, "dropped"));
    report->complete = json_is_true(json_object_get(capture, "complete"));
    report->secrets = json_text(json_object_get(capture, "secrets"));
}

/* ---- the file ---------------------------------------------------------- */

static int check_root(struct report *report, struct err *err)
{
    const json_t *schema = json_object_get(report->root, "schema");
    if (!json_is_integer(schema)) {
        err_code(err, EXIT_USAGE,
                 "result.json does not say which schema it follows; run the "
                 "lab again");
        return -1;
    }
    if (json_integer_value(schema) != SCHEMA) {
        err_code(err, EXIT_USAGE,
                 "result.json follows schema %lld, this program reads %d; use "
                 "the program that made the run",
                 (long long)json_integer_value(schema), SCHEMA);
        return -1;
    }
    read_top(report);
    if (!report->lab.len || !report->status.len) {
        err_code(err, EXIT_USAGE,
                 "result.json names no lab or no status; run the lab again");
        return -1;
    }
    return 0;
}

static int load_result(int dir, struct report *report, struct err *err)
{
    struct text bytes;
    bool cut;
    if (folder_read(dir, "result.json", RESULT_BYTES_MOST, report, &bytes,
                    &cut)) {
        err_errno(err, "read result.json; is this the folder of a run");
        err->code = EXIT_USAGE;
        return -1;
    }
    /* A byte that is no UTF-8 must not cost the trainee the whole report. */
    struct out clean = {0};
    bool exact;
    out_utf8(&clean, bytes, &exact);
    json_error_t where;
    if (!clean.failed && !cut && bytes.len)
        report->root = json_loadb((char *)buf_head(&clean.buf),
                                  buf_len(&clean.buf), JSON_ALLOW_NUL, &where);
    out_free(&clean);
    if (!json_is_object(report->root)) {
        err_code(err, EXIT_USAGE,
                 "result.json is not the JSON object that a run writes; run "
                 "the lab again");
        return -1;
    }
    if (!exact)
        report_problem(report, "result.json holds bytes that are not UTF-8; "
                               "they are shown as U+FFFD");
    return check_root(report, err);
}

static void load_transcript(int dir, struct report *report)
{
    bool cut = false;
    if (folder_read(dir, "transcript.txt", TRANSCRIPT_BYTES_MOST, report,
                    &report->transcript, &cut) &&
        errno != ENOENT)
        report_problem(report, "transcript.txt cannot be read: %s",
                       strerror(errno));
    if (cut)
        report_problem(report,
                       "transcript.txt is longer than %d MiB; its "
                       "start is shown",
                       TRANSCRIPT_BYTES_MOST >> 20);
}

static int by_name(const void *a, const void *b)
{
    const struct pair *one = a, *two = b;
    return strcmp(one->name.bytes, two->name.bytes);
}

static void load_cert(int certs, const char *name, struct report *report)
{
    size_t len = strlen(name);
    bool cut;
    struct pair *pair = &report->certs[report->certs_count];
    const char *kept = arena_text(&report->arena, name);
    if (len < 5 || strcmp(name + len - 4, ".pem") != 0 || !kept)
        return;
    if (folder_read(certs, name, CERT_BYTES_MOST, report, &pair->value, &cut) ||
        cut) {
        report_problem(report, "a file in certs/ cannot be read");
        return;
    }
    pair->name = text_of(kept);
    report->certs_count++;
}

static void load_certs(int dir, struct report *report)
{
    int certs =
        openat(dir, "certs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = certs < 0 ? NULL : fdopendir(certs);
    report->certs =
        arena_alloc(&report->arena, CERTS_MOST * sizeof *report->certs);
    if (!list || !report->certs) {
        if (list)
            closedir(list);
        else if (certs >= 0)
            close(certs);
        return;
    }
    const struct dirent *entry;
    while (report->certs_count < CERTS_MOST && (entry = readdir(list)))
        load_cert(certs, entry->d_name, report);
    closedir(list);
    if (report->certs_count)
        qsort(report->certs, report->certs_count, sizeof *report->certs,
              by_name);
}

static void note_state(struct report *report)
{
    if (text_is(report->status, "interrupted"))
        report_problem(report, "the run was interrupted before its end");
    if (text_is(report->status, "error"))
        report_problem(report, "the run ended with an error of the machine or "
                               "of mitmlab, not with a result");
    if (!report->has_capture)
        return;
    if (report->dropped > 0)
        report_problem(report, "the capture dropped %lld packets",
                       report->dropped);
    if (!report->complete)
        report_problem(report, "the capture is incomplete");
}

int report_load(int dir, struct report *out, struct err *err)
{
    *out = (struct report){0};
    if (load_result(dir, out, err)) {
        report_free(out);
        return -1;
    }
    read_capture(out);
    note_state(out);
    facts_load(dir, out);
    load_transcript(dir, out);
    load_certs(dir, out);
    return 0;
}

void report_free(struct report *report)
{
    for (size_t i = 0; i < report->facts_count; i++)
        json_decref(report->facts[i].line);
    free(report->facts);
    json_decref(report->root);
    arena_free(&report->arena);
    *report = (struct report){0};
}
