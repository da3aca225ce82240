/* SPDX-License-Identifier: MIT
 *
 * What a run that was killed could not do any more. */
#include "labs/report/mend.h"

#include "proxy/capture/capture.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { COMMENTS_MOST = 200 };

static bool is_there(int dir, const char *name)
{
    struct stat about;
    return !fstatat(dir, name, &about, AT_SYMLINK_NOFOLLOW) &&
           S_ISREG(about.st_mode);
}

/* A C string without anything that a name in a capture should not have. */
static const char *tame(struct report *report, struct text text)
{
    char room[128];
    text_line(text, room, sizeof room - 1);
    const char *kept = arena_text(&report->arena, room);
    return kept ? kept : "";
}

static size_t names(struct report *report,
                    struct pcapng_name list[2 * PLACES_MOST])
{
    size_t count = 0;
    for (unsigned i = 0; i < report->places_count; i++) {
        const struct place *place = &report->places[i];
        const char *name = tame(report, place->name);
        const struct text both[] = {place->address, place->address6};
        for (unsigned a = 0; a < 2; a++)
            if (both[a].len)
                list[count++] =
                    (struct pcapng_name){tame(report, both[a]), name};
    }
    return count;
}

static size_t comments(struct report *report,
                       struct capture_comment list[COMMENTS_MOST])
{
    size_t count = 0;
    for (unsigned s = 0; s < report->steps_count; s++) {
        const struct step *step = &report->steps[s];
        for (unsigned e = 0; e < step->evidence_count; e++) {
            const struct evidence *it = &step->evidence[e];
            if (it->frame && count < COMMENTS_MOST)
                list[count++] = (struct capture_comment){
                    (uint64_t)it->frame, tame(report, it->what)};
        }
    }
    return count;
}

static int finish(const char *capture, const char *keys, struct report *report,
                  struct err *err)
{
    struct pcapng_name hosts[2 * PLACES_MOST];
    struct capture_comment marks[COMMENTS_MOST];
    bool open =
        !text_is(report->secrets, "none") && !text_is(report->secrets, "after");
    const struct capture_finish all = {
        .path = capture,
        .keys_path = keys,
        .secrets = open ? CAPTURE_SECRETS_ALL : CAPTURE_SECRETS_NONE,
        .comment = arena_printf(&report->arena, "mitmlab %s, interrupted",
                                tame(report, report->lab)),
        .names = hosts,
        .names_count = names(report, hosts),
        .comments = marks,
        .comments_count = comments(report, marks),
    };
    return capture_finish(&all, err);
}

static void mend_capture(const char *path, int dir, struct report *report)
{
    struct err err = ERR_INIT;
    uint64_t cut = 0;
    if (!is_there(dir, "capture.pcapng")) {
        report_problem(report, "there is no capture.pcapng in the folder");
        return;
    }
    const char *capture =
        arena_printf(&report->arena, "%s/capture.pcapng", path);
    const char *keys = is_there(dir, "keys.log")
                           ? arena_printf(&report->arena, "%s/keys.log", path)
                           : NULL;
    if (!capture || pcapng_repair(capture, &cut, &err)) {
        report_problem(report, "the capture cannot be read: %s", err.text);
        return;
    }
    if (cut)
        report_problem(report,
                       "capture.pcapng ended in the middle of a block; the "
                       "last %" PRIu64 " bytes were cut off",
                       cut);
    if ((cut || text_is(report->status, "interrupted")) &&
        finish(capture, keys, report, &err))
        report_problem(report, "the capture got no names and secrets: %s",
                       err.text);
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

/* The places of --bare, with their keys. Links are removed, not followed. */
static void remove_places(const char *path, struct report *report)
{
    const char *places = arena_printf(&report->arena, "%s/places", path);
    if (places)
        nftw(places, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void mend_folder(const char *path, int dir, struct report *report)
{
    if (flock(dir, LOCK_EX | LOCK_NB)) {
        report_problem(report, "a run is still writing to this folder");
        return;
    }
    if (text_is(report->status, "interrupted"))
        remove_places(path, report);
    mend_capture(path, dir, report);
}
