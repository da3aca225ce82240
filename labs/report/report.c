/* SPDX-License-Identifier: MIT
 *
 * One model, several writers. */
#include "labs/report/report.h"

#include "labs/report/folder.h"
#include "labs/report/har.h"
#include "labs/report/html.h"
#include "labs/report/md.h"

#include <unistd.h>

static const struct writer {
    const char *name;
    void (*write)(struct report *report, struct out *out);
} writers[] = {
    {"report.html", html_write},
    {"report.md", md_write},
    {"flows.har", har_write},
};

static int save(int dir, const struct writer *writer, struct report *report,
                struct err *err)
{
    struct out out = {0};
    writer->write(report, &out);
    int rc = -1;
    if (out.failed)
        err_set(err, "%s: out of memory", writer->name);
    else
        rc = folder_save(dir, writer->name, buf_head(&out.buf),
                         buf_len(&out.buf), err);
    out_free(&out);
    return rc;
}

int report_save(int dir, struct report *report, struct err *err)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (save(dir, &writers[i], report, err))
            return -1;
    return 0;
}

int report_write(const char *run_dir, struct err *err)
{
    int dir = folder_open(run_dir, err);
    if (dir < 0)
        return -1;
    struct report report;
    int rc = report_load(dir, &report, err);
    if (!rc) {
        rc = report_save(dir, &report, err);
        report_free(&report);
    }
    close(dir);
    return rc;
}
