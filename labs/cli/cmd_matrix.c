/* SPDX-License-Identifier: MIT
 *
 * mitmlab matrix: which client accepts which forgery, found out by letting each
 * of them come to each. */
#include "certs/file.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/term.h"
#include "labs/engine/signals.h"
#include "labs/matrix/page.h"
#include "labs/matrix/paper.h"
#include "labs/matrix/table.h"
#include "labs/matrix/tour.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct wishes {
    const char *clients, *rows, *tls, *out, *diff;
    bool capture, bare, json, list;
};

/* ---- from wishes to a matrix --------------------------------------------- */

static int take_versions(const char *list, struct matrix *matrix,
                         struct err *err)
{
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        bool known = false;
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            if (len == 3 && !strncmp(matrix_version_name(v), at, 3))
                matrix->versions[v] = known = true;
        if (!known) {
            err_code(err, EXIT_USAGE,
                     "--tls \"%.40s\": it is 1.2, 1.3, or 1.2,1.3", list);
            return -1;
        }
        at += len;
        if (!*at)
            return 0;
    }
}

static int take(const struct wishes *wishes, struct matrix *matrix,
                struct err *err)
{
    int rows = rows_select(wishes->rows, matrix->rows, err);
    if (rows < 0 || take_versions(wishes->tls, matrix, err))
        return -1;
    matrix->rows_count = (unsigned)rows;
    if (wishes->capture && !wishes->out) {
        err_code(err, EXIT_USAGE, "--capture wants --out DIR to write to");
        return -1;
    }
    return clients_open(wishes->clients, &matrix->clients, err) ||
                   matrix_open(matrix, err)
               ? -1
               : 0;
}

/* ---- progress ------------------------------------------------------------ */

/* One line that is written over, on a terminal only. */
static void on_progress(void *context, unsigned done, unsigned total)
{
    (void)context;
    fprintf(stderr, "\r%u of %u conversations   ", done, total);
}

static void begin_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "asking who is here ...");
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%38s\r", "");
}

/* ---- places without namespaces ------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static int make_work_dir(char path[PATH_MAX], struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/mitmlab-matrix-XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(path))
        return 0;
    err_errno(err, "make a folder %s", path);
    return -1;
}

/* ---- results ------------------------------------------------------------- */

static int write_papers(const struct matrix *matrix, const json_t *paper,
                        const char *dir, struct err *err)
{
    char path[PATH_MAX];
    char *json = json_dumps(paper, JSON_INDENT(1));
    char *page = page_write(matrix);
    int rc = !json || !page || file_join(path, dir, "matrix.json", err) ||
             file_replace(path, 0644, json, strlen(json), err) ||
             file_join(path, dir, "matrix.html", err) ||
             file_replace(path, 0644, page, strlen(page), err);
    free(json);
    free(page);
    return rc ? -1 : 0;
}

static void say_diff(const json_t *diff, const struct term *term)
{
    size_t i;
    json_t *it;
    if (!json_array_size(diff))
        printf("\nNothing differs from the earlier run.\n");
    else
        printf("\nDifferent from the earlier run\n");
    json_array_foreach(diff, i, it)
    {
        char *safe = term_escape(
            json_string_value(json_object_get(it, "sentence")),
            json_string_length(json_object_get(it, "sentence")), false);
        term_flow(stdout, term, safe, 0, "- ");
        free(safe);
    }
}

static int show(const struct matrix *matrix, const struct wishes *wishes,
                const json_t *before, struct err *err)
{
    struct term term;
    json_t *paper = paper_write(matrix);
    json_t *diff = before ? paper_diff(before, matrix) : NULL;
    int rc = wishes->out ? write_papers(matrix, paper, wishes->out, err) : 0;
    term_look(&term, STDOUT_FILENO);
    if (diff)
        json_object_set(paper, "diff", diff);
    if (!rc && wishes->json) {
        json_dumpf(paper, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (!rc) {
        table_print(matrix, &term, stdout);
        if (diff)
            say_diff(diff, &term);
        printf("\n%.1f s\n", matrix->seconds);
        if (wishes->out)
            printf("page    %s/matrix.html\ndata    %s/matrix.json\n",
                   wishes->out, wishes->out);
    }
    json_decref(diff);
    json_decref(paper);
    return rc;
}

static int tour(struct matrix *matrix, const struct wishes *wishes,
                struct err *err)
{
    char work[PATH_MAX];
    if (make_work_dir(work, err))
        return -1;
    struct tour_options options = {
        .dir = wishes->out,
        .capture = wishes->capture,
        .bare = wishes->bare,
        .work_dir = work,
        .interrupt_fd = signals_open(),
        .on_progress = isatty(STDERR_FILENO) ? on_progress : NULL};
    begin_progress();
    int rc = tour_run(matrix, &options, err);
    end_progress();
    signals_close();
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return rc;
}

static int run(struct matrix *matrix, const struct wishes *wishes,
               struct err *err)
{
    json_t *before = NULL;
    if (wishes->diff && !(before = paper_load(wishes->diff, err)))
        return -1;
    int rc = -1;
    if (wishes->out && mkdir(wishes->out, 0700) && errno != EEXIST)
        err_errno(err, "make the folder %s", wishes->out);
    else
        rc = tour(matrix, wishes, err) || show(matrix, wishes, before, err);
    json_decref(before);
    return rc ? -1 : 0;
}

/* ---- who there is -------------------------------------------------------- */

static void list(const struct matrix *matrix, bool json)
{
    struct term term;
    json_t *clients = json_array();
    term_look(&term, STDOUT_FILENO);
    for (unsigned i = 0; i < matrix->clients.count; i++) {
        const struct client *client = matrix->clients.list[i];
        const char *note = client->note ? client->note : "";
        char head[40];
        json_array_append_new(clients,
                              json_pack("{s:s,s:b,s:b,s:s}", "id", client->id,
                                        "own", client->own, "default",
                                        !client->optional, "note", note));
        snprintf(head, sizeof head, "%-16s ", client->id);
        if (!json)
            term_flow(stdout, &term,
                      client->own ? note
                      : *note     ? note
                                  : "real",
                      0, head);
    }
    json_t *all = json_pack("{s:o}", "clients", clients);
    if (json) {
        json_dumpf(all, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(all);
}

int cmd_matrix(int argc, char **argv)
{
    struct wishes wishes = {.tls = "1.2,1.3"};
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct option table[] = {
        {"clients", 'c', OPTION_TEXT, "LIST",
         "Such as curl,careful; own: our victims, real: the others; "
         "./FILE.client is one of yours (all that are here).",
         &wishes.clients},
        {"forgeries", 'f', OPTION_TEXT, "LIST",
         "Ids and families, such as t,n01 (all of them).", &wishes.rows},
        {"tls", 0, OPTION_TEXT, "LIST", "Versions (1.2,1.3).", &wishes.tls},
        {"out", 'o', OPTION_TEXT, "DIR",
         "Write matrix.html and matrix.json there.", &wishes.out},
        {"capture", 0, OPTION_FLAG, NULL,
         "And a capture of each cell, in DIR/cells.", &wishes.capture},
        {"diff", 0, OPTION_TEXT, "DIR|FILE",
         "Say what differs from an earlier run.", &wishes.diff},
        {"bare", 0, OPTION_FLAG, NULL,
         "Without namespaces: our own victims only.", &wishes.bare},
        {"list", 0, OPTION_FLAG, NULL, "List the clients there can be.",
         &wishes.list},
        {"json", 'j', OPTION_FLAG, NULL, "One object on stdout.", &wishes.json},
        {0}};
    const struct command *command = command_find(argv[0]);
    struct matrix *matrix = calloc(1, sizeof *matrix);
    int rc = EXIT_OK;
    if (!matrix)
        return EXIT_MACHINE;
    if (options_parse(command, table, argc, argv, &rest, &helped, &err) ||
        (!helped && take(&wishes, matrix, &err)))
        rc = cli_fail(&err);
    else if (!helped && wishes.list)
        list(matrix, wishes.json);
    else if (!helped && run(matrix, &wishes, &err))
        rc = cli_fail(&err);
    matrix_close(matrix);
    free(matrix);
    return rc;
}
