/* SPDX-License-Identifier: MIT
 *
 * mitmlab report DIR: make the reports of a run folder anew, and say what they
 * say. Also what somebody does after a run that was killed. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/term.h"
#include "labs/report/folder.h"
#include "labs/report/md.h"
#include "labs/report/mend.h"
#include "labs/report/text.h"

#include <stdlib.h>
#include <unistd.h>

struct choice {
    bool json, text;
};

static void print_json(const struct report *report, const char *path)
{
    json_t *problems = json_array();
    for (unsigned i = 0; i < report->problems_count; i++)
        json_array_append_new(problems, json_string(report->problems[i]));
    json_t *all = json_pack(
        "{s:s, s:s%, s:s%, s:{s:I, s:I}, s:b, s:o, s:[s, s, s]}", "dir", path,
        "lab", report->lab.bytes, report->lab.len, "status",
        report->status.bytes, report->status.len, "score", "got",
        (json_int_t)report->got, "max", (json_int_t)report->max, "whole",
        report_is_whole(report), "problems", problems, "files", "report.html",
        "report.md", "flows.har");
    char *line = all ? json_dumps(all, JSON_ENSURE_ASCII) : NULL;
    puts(line ? line : "{}");
    free(line);
    json_decref(all);
}

static void print_text(struct report *report, const struct choice *choice)
{
    struct term term;
    term_look(&term, STDOUT_FILENO);
    struct out out = {0};
    if (choice->text)
        md_print(report, !term.utf8, &out);
    else
        text_write(report, term.width, !term.utf8, &out);
    if (!out.failed)
        fwrite(buf_head(&out.buf), 1, buf_len(&out.buf), stdout);
    out_free(&out);
}

static int make(const char *path, const struct choice *choice, struct err *err)
{
    int dir = folder_open(path, err);
    if (dir < 0)
        return -1;
    struct report report;
    int rc = report_load(dir, &report, err);
    if (!rc) {
        mend_folder(path, dir, &report);
        rc = report_save(dir, &report, err);
        if (!rc && choice->json)
            print_json(&report, path);
        else if (!rc)
            print_text(&report, choice);
        if (!rc && !report_is_whole(&report))
            rc = EXIT_PARTIAL;
        report_free(&report);
    }
    close(dir);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    struct choice choice = {0};
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "say the outcome as one JSON object",
         &choice.json},
        {"text", 0, OPTION_FLAG, NULL,
         "print the whole report, not only its short form", &choice.text},
        {0},
    };
    const struct command *command = command_find("report");
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command, table, argc, argv, &rest, &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count != 1) {
        err_code(&err, EXIT_USAGE,
                 "report wants one run folder: mitmlab report "
                 "mitmlab-runs/lab03-...");
        return cli_fail(&err);
    }
    int rc = make(rest.items[0], &choice, &err);
    if (rc < 0)
        return cli_fail(&err);
    if (!choice.json)
        fprintf(stderr,
                "mitmlab: report.html, report.md and flows.har are in "
                "%s\n",
                rest.items[0]);
    return rc;
}
