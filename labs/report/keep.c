/* SPDX-License-Identifier: MIT */
#include "labs/report/keep.h"

#include "labs/report/facts.h"
#include "labs/report/folder.h"
#include "labs/report/har.h"
#include "labs/report/ladder.h"
#include "labs/report/record.h"
#include "proxy/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COMMENTS_MOST = 20000,
    TOLD_MOST = 256 << 20, /* bytes of events that become a HAR */
};

/* ---- comments ------------------------------------------------------------ */

/* What somebody who scrolls through packets would stop at. */
static bool is_worth_it(const struct rung *rung, const struct fact *fact)
{
    if (!fact->frame)
        return false;
    return rung->mark != MARK_NONE || fact_is(fact, "tls.cert") ||
           fact_is(fact, "rule.acted") || fact_is(fact, "flow.held") ||
           fact_is(fact, "tls.tampered");
}

static char *comment_on(struct record *record, const struct fact *fact)
{
    struct rung rung = {.mark = MARK_NONE};
    char *text;
    ladder_say(&record->report, fact, &rung);
    if (!is_worth_it(&rung, fact))
        return NULL;
    const char *mark = mark_word(rung.mark);
    char kind[512];
    text_line(fact->kind, kind, sizeof kind - 1);
    if (fact_is(fact, "rule.acted"))
        record_rule(&record->report, fact, kind, sizeof kind);
    if (asprintf(&text, "mitmlab: %s%s%s", mark, *mark ? ": " : "",
                 rung.text[0] ? rung.text : kind) < 0)
        return NULL;
    return text;
}

static size_t write_comments(struct record *record,
                             struct capture_comment *comments)
{
    const struct report *report = &record->report;
    size_t count = 0;
    for (size_t i = 0; i < report->facts_count && count < COMMENTS_MOST; i++) {
        char *text = comment_on(record, &report->facts[i]);
        if (text)
            comments[count++] = (struct capture_comment){
                (uint64_t)report->facts[i].frame, text};
    }
    return count;
}

int keep_capture(const char *path, struct err *err)
{
    struct record record;
    struct err unread = ERR_INIT;
    struct capture_comment *comments = calloc(COMMENTS_MOST, sizeof *comments);
    size_t count = 0;
    /* One that is too large for an index is finished without comments. */
    if (comments && !record_load(path, &record, &unread)) {
        count = write_comments(&record, comments);
        record_free(&record);
    }
    struct capture_finish finish = {.path = path,
                                    .secrets = CAPTURE_SECRETS_ALL,
                                    .comments = comments,
                                    .comments_count = count};
    int rc = capture_finish(&finish, err);
    for (size_t i = 0; i < count; i++)
        free((char *)comments[i].text);
    free(comments);
    return rc;
}

/* ---- HAR ----------------------------------------------------------------- */

static int open_folder(const char *path, const char **out_name, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : NULL;
    const char *name = slash ? folder ? folder : "" : ".";
    int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *out_name = slash ? slash + 1 : path;
    if (dir < 0)
        err_errno(err, "open the folder of %s", path);
    free(folder);
    return dir;
}

/* What has the name now is a file, or nothing has it. */
static int is_for_a_file(int dir, const char *path, const char *name,
                         struct err *err)
{
    struct stat about;
    if (*name && fstatat(dir, name, &about, 0)) {
        if (errno == ENOENT)
            return 0;
        err_errno(err, "--har %s", path);
        return -1;
    }
    if (*name && S_ISREG(about.st_mode))
        return 0;
    err_code(err, EXIT_USAGE, "--har wants a file, and %s is %s", path,
             !*name || S_ISDIR(about.st_mode) ? "a folder" : "something else");
    return -1;
}

int keep_har_check(const char *path, struct err *err)
{
    const char *name;
    int dir = open_folder(path, &name, err);
    if (dir < 0)
        return -1;
    int rc = is_for_a_file(dir, path, name, err);
    if (!rc && (rc = folder_check(dir, name, err)))
        err_prefix(err, "--har %s", path);
    close(dir);
    return rc;
}

/* All that was told, or its first TOLD_MOST bytes. */
static int read_told(FILE *told, struct buf *out, bool *out_cut)
{
    size_t got;
    rewind(told);
    do {
        uint8_t *room = buf_reserve(out, 64 << 10);
        if (!room)
            return -1;
        got = fread(room, 1, 64 << 10, told);
        buf_filled(out, got);
        *out_cut = buf_len(out) > TOLD_MOST;
    } while (got && !*out_cut);
    return ferror(told) ? -1 : 0;
}

static int save_har(const char *path, struct report *report, struct err *err)
{
    struct out out = {0};
    const char *name;
    int rc = -1;
    har_write_once(report, &out);
    int dir = open_folder(path, &name, err);
    if (out.failed)
        err_set(err, "out of memory");
    else if (dir >= 0)
        rc = folder_save(dir, name, buf_head(&out.buf), buf_len(&out.buf), err);
    if (dir >= 0)
        close(dir);
    out_free(&out);
    return rc;
}

int keep_har(const char *path, FILE *told, const char *version, struct err *err)
{
    struct buf lines = {0};
    struct pair versions = {text_of("mitmlab"), text_of(version)};
    struct report report = {.versions = &versions, .versions_count = 1};
    bool cut = false;
    int rc = -1;
    if (read_told(told, &lines, &cut)) {
        err_set(err, "the events could not be read back");
    } else {
        if (cut)
            report_problem(&report,
                           "there were more than %d MiB of messages, and the "
                           "first are in it (--keep-bodies makes them smaller)",
                           TOLD_MOST >> 20);
        facts_read(&report,
                   (struct text){(char *)buf_head(&lines), buf_len(&lines)},
                   false);
        rc = save_har(path, &report, err);
    }
    if (rc) {
        err_prefix(err, "--har %s", path);
        err->code = EXIT_PARTIAL;
    } else if (report.problems_count) {
        err_code(err, EXIT_PARTIAL, "%s is not complete: %s", path,
                 report.problems[0]);
        rc = -1;
    }
    report_free(&report);
    buf_free(&lines);
    return rc;
}
