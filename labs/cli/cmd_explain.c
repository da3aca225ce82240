/* SPDX-License-Identifier: MIT
 *
 * mitmlab explain WHAT: what a frame of a run proves, and why its victim said
 * yes or no; or what an alert, a code, a forgery or a way to say no means. The
 * grammar of WHAT is labs/report/subject.h. */
#include "certs/verify.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/explain_pages.h"
#include "labs/cli/explain_run.h"
#include "labs/cli/term.h"
#include "labs/engine/progress.h"
#include "labs/report/subject.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct asked {
    bool json;
    struct term term;
};

static void print_json(json_t *page)
{
    char *line = page ? json_dumps(page, JSON_ENSURE_ASCII) : NULL;
    puts(line ? line : "{}");
    free(line);
    json_decref(page);
}

/* ---- a bare number ------------------------------------------------------- */

/* Codes that no row of explain.def is about are not what somebody means who
 * types a number. */
static bool is_explained_code(long long number)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.verify_code = 12345; /* no code of OpenSSL's */
    facts.how = "silent";
    int general = explain_check_row(&facts);
    facts.verify_code = (int)number;
    return number > 0 && subject_is_code(number) &&
           explain_check_row(&facts) != general;
}

/* A number has a meaning if it has only one. */
static int decide_number(const struct run *run, struct subject *subject,
                         struct err *err)
{
    char meanings[256] = "";
    unsigned count = 0;
    const struct {
        bool there;
        enum subject_kind kind;
        const char *word, *name;
    } kinds[] = {
        {run && run_has_frame(run, subject->number), SUBJECT_FRAME, "frame",
         "of the newest run"},
        {subject_is_alert(subject->number), SUBJECT_ALERT, "alert",
         alert_name((int)subject->number)},
        {is_explained_code(subject->number), SUBJECT_CODE, "code",
         verify_name((int)subject->number)},
    };
    long long number = subject->number;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(meanings);
        if (!kinds[i].there)
            continue;
        subject->kind = kinds[i].kind;
        snprintf(meanings + len, sizeof meanings - len, "%s%s:%lld (%s)",
                 count++ ? ", " : "", kinds[i].word, number, kinds[i].name);
    }
    if (count == 1)
        return 0;
    if (count)
        err_code(err, EXIT_USAGE,
                 "%lld can mean more than one thing; write one of %s", number,
                 meanings);
    else if (run)
        return run_has_no_frame(run, number, err);
    else
        err_code(err, EXIT_USAGE,
                 "%lld is no alert and no verify code, and there is no run "
                 "here whose frame it could be",
                 number);
    return -1;
}

/* ---- the command --------------------------------------------------------- */

static void show_word(const struct subject *subject, const struct asked *asked)
{
    const struct term *term = &asked->term;
    int number = (int)subject->number;
    switch (subject->kind) {
    case SUBJECT_ALERT:
        asked->json ? print_json(page_alert_json(number))
                    : page_alert(term, number);
        break;
    case SUBJECT_CODE:
        asked->json ? print_json(page_code_json(number))
                    : page_code(term, number);
        break;
    case SUBJECT_FORGERY:
        asked->json ? print_json(page_forgery_json(subject->forgery))
                    : page_forgery(term, subject->forgery);
        break;
    default:
        asked->json ? print_json(page_way_json(subject->way))
                    : page_way(term, subject->way);
    }
}

static int show_in_run(struct run *run, const struct subject *subject,
                       const struct asked *asked, struct err *err)
{
    if (run_find(run, subject, err))
        return -1;
    if (asked->json)
        print_json(run_json(run));
    else
        run_print(run, &asked->term);
    return 0;
}

/* The run that the subject is about; NULL with no error: there is none, and
 * it may not matter. */
static int open_run(const struct subject *subject, struct run **out,
                    struct err *err)
{
    *out = NULL;
    if (subject->dir[0])
        return run_open(subject->dir, out, err);
    char *newest = progress_newest();
    if (!newest && subject->kind == SUBJECT_NUMBER)
        return 0;
    int rc = -1;
    if (newest)
        rc = run_open(newest, out, err);
    else
        err_code(err, EXIT_USAGE,
                 "there is no run in ./%s; run a lab first, or name its "
                 "folder: DIR:31",
                 progress_runs);
    free(newest);
    return rc;
}

static int answer(const char *word, const struct asked *asked, struct err *err)
{
    struct subject subject = {.kind = SUBJECT_RUN};
    struct run *run = NULL;
    if (word && subject_read(word, &subject, err))
        return -1;
    if (subject.kind > SUBJECT_EVENT) {
        show_word(&subject, asked);
        return 0;
    }
    if (open_run(&subject, &run, err))
        return -1;
    int rc =
        subject.kind == SUBJECT_NUMBER ? decide_number(run, &subject, err) : 0;
    if (!rc && subject.kind > SUBJECT_EVENT)
        show_word(&subject, asked);
    else if (!rc)
        rc = show_in_run(run, &subject, asked, err);
    run_free(run);
    return rc;
}

int cmd_explain(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "say it as one JSON object",
         &asked.json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("explain"), table, argc, argv, &rest,
                      &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count > 1) {
        err_code(&err, EXIT_USAGE,
                 "explain wants one word, such as 31, unknown_ca or t03");
        return cli_fail(&err);
    }
    term_look(&asked.term, STDOUT_FILENO);
    if (answer(rest.count ? rest.items[0] : NULL, &asked, &err))
        return cli_fail(&err);
    return EXIT_OK;
}
