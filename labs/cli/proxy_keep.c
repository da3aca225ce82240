/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what is kept of the traffic. */
#include "labs/cli/proxy_parts.h"
#include "labs/report/keep.h"
#include "proxy/capture/wire.h"
#include "proxy/event.h"
#include "proxy/note.h"

#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

/* Most forms and pages; more would make large HARs of every picture. */
enum { HAR_USUALLY_KIB = 64 };

struct proxy_keep {
    struct wire *wire; /* NULL: no capture is wanted */
    const char *capture, *har;
    FILE *told; /* events for the HAR; has no name */
    int lost;   /* why some of them are not in it, as errno; 0: all are */
};

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows,
               (struct option){"write", 'w', OPTION_TEXT, "FILE.pcapng",
                               "Both legs as packets, with secrets, events and "
                               "comments; read back with 'mitmlab inspect -r'",
                               &wishes->keep.capture});
    option_row(rows, (struct option){"har", 0, OPTION_TEXT, "FILE.har",
                                     "At the end, every HTTP message as HAR "
                                     "1.2",
                                     &wishes->keep.har});
    option_row(rows, (struct option){"keep-bodies", 0, OPTION_NUMBER, "KIB",
                                     "Of each body in events and the HAR (4, "
                                     "with --har 64; at most 4096). Only whole "
                                     "requests can be replayed",
                                     &wishes->keep.bodies});
}

/* Those that a HAR is made of. */
static bool is_for_har(const char *line, size_t len)
{
    static const char *const kinds[] = {
        "\"kind\":\"http.request\"",      "\"kind\":\"http.response\"",
        "\"kind\":\"websocket.message\"", "\"kind\":\"tls.done\"",
        "\"kind\":\"attack.changed\"",    "\"kind\":\"rule.acted\""};
    enum { HEAD = 200 }; /* in which the kind stands */
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (memmem(line, len < HEAD ? len : HEAD, kinds[i], strlen(kinds[i])))
            return true;
    return false;
}

static void on_event(void *context, const char *line, size_t len)
{
    struct proxy_keep *keep = context;
    if (keep->wire)
        wire_event(keep->wire, line, len);
    if (keep->told && !keep->lost && is_for_har(line, len))
        if (fwrite(line, 1, len, keep->told) != len && !keep->lost)
            keep->lost = errno;
}

static int take_bodies(const struct proxy_wishes *wishes, struct err *err)
{
    long long kib = wishes->keep.bodies;
    if (kib < 0 || kib > NOTE_BODY_MOST >> 10) {
        err_code(err, EXIT_USAGE, "--keep-bodies wants 1 to %d KiB",
                 NOTE_BODY_MOST >> 10);
        return -1;
    }
    if (!kib && wishes->keep.har)
        kib = HAR_USUALLY_KIB;
    note_keep((size_t)kib << 10);
    return 0;
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    if (take_bodies(wishes, err))
        return -1;
    const char *capture = wishes->keep.capture, *har = wishes->keep.har;
    if (!capture && !har)
        return 0;
    struct proxy_keep *keep = setup->keep = calloc(1, sizeof *keep);
    if (!keep) {
        err_set(err, "start the proxy: out of memory");
        return -1;
    }
    if (har && (keep_har_check(har, err) || !(keep->told = tmpfile()))) {
        if (!err->text[0])
            err_errno(err, "make a file for events");
        return -1;
    }
    keep->har = har;
    if (capture && wire_open(capture, &keep->wire, err)) {
        err_prefix(err, "-w %s", capture);
        return -1;
    }
    keep->capture = capture;
    setup->options.wire = keep->wire;
    event_copy(on_event, keep);
    return 0;
}

void proxy_keep_flush(const struct proxy_setup *setup)
{
    if (setup->keep && setup->keep->wire)
        wire_flush(setup->keep->wire);
}

static void finish_capture(struct proxy_setup *setup, struct proxy_keep *keep)
{
    struct err err = ERR_INIT;
    if (wire_close(keep->wire, &err)) {
        err_prefix(&err, "-w %s", keep->capture);
        proxy_note_late(setup, &err);
    }
    if (keep_capture(keep->capture, &err)) {
        err_prefix(&err, "-w %s", keep->capture);
        proxy_note_late(setup, &err);
    }
}

/* Events that cannot be kept (a full /tmp) are missing in the HAR. */
static void finish_har(struct proxy_setup *setup, struct proxy_keep *keep)
{
    struct err err = ERR_INIT;
    if (fflush(keep->told) && !keep->lost)
        keep->lost = errno;
    if (keep->lost) {
        __fpurge(keep->told); /* what was kept can be read all the same */
        err_code(&err, EXIT_PARTIAL,
                 "%s is not complete: its events could not be kept until the "
                 "end: %s",
                 keep->har, strerror(keep->lost));
        proxy_note_late(setup, &err);
    }
    if (keep_har(keep->har, keep->told, MITMLAB_VERSION, &err))
        proxy_note_late(setup, &err);
}

static void undo(struct proxy_setup *setup)
{
    struct proxy_keep *keep = setup->keep;
    if (!keep)
        return;
    event_copy(NULL, NULL);
    if (keep->wire)
        finish_capture(setup, keep);
    if (keep->told && keep->har)
        finish_har(setup, keep);
    if (keep->told)
        fclose(keep->told);
    free(keep);
}

const struct proxy_part proxy_part_keep = {"keeping", rows, take, undo};
