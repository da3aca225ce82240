/* SPDX-License-Identifier: MIT
 *
 * mitmlab rig: serves forgeries to whoever comes, and says what became of it.
 * `mitmlab matrix` starts it at the server's place; a lab or a person can, too. */
#include "certs/file.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/matrix/rig.h"
#include "proxy/event.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct wishes {
    const char *listen, *rows, *tls, *host, *trust_dir;
    long long sets, patience;
    bool by_name, brief, json;
};

static int take_versions(const char *list, struct rig_plan *plan,
                         struct err *err)
{
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        bool known = false;
        for (unsigned i = 0; i < EXHIBIT_VERSIONS; i++) {
            const char *name = exhibit_tls_name(i);
            if (strlen(name) == len && !strncmp(name, at, len))
                plan->versions[i] = known = true;
        }
        if (!known) {
            err_code(err, EXIT_USAGE,
                     "--tls \"%.40s\": it is a list of 1.2, 1.3 and any", list);
            return -1;
        }
        at += len;
        if (!*at)
            return 0;
    }
}

static bool is_between(long long value, long long least, long long most,
                       const char *option, struct err *err)
{
    if (value >= least && value <= most)
        return true;
    err_code(err, EXIT_USAGE, "--%s wants a number from %lld to %lld", option,
             least, most);
    return false;
}

/* "127.0.0.1" or "127.0.0.1:8443". */
static int take_address(const char *text, union address *out, struct err *err)
{
    char with_port[80];
    const char *end = strrchr(text, ']');
    bool port = strchr(end ? end : text, ':') != NULL;
    snprintf(with_port, sizeof with_port, "%.70s%s", text, port ? "" : ":0");
    return address_parse(with_port, out, err);
}

static int take(const struct wishes *wishes, struct row rows[ROWS_MOST],
                struct rig_plan *plan, struct err *err)
{
    int count = rows_select(wishes->rows, rows, err);
    if (count < 0 || take_address(wishes->listen, &plan->listen, err) ||
        take_versions(wishes->tls, plan, err) ||
        !is_between(wishes->sets, 1, RIG_SETS_MOST, "sets", err) ||
        !is_between(wishes->patience, 1, 3600, "patience", err))
        return -1;
    plan->host = wishes->host;
    plan->rows = rows;
    plan->rows_count = (unsigned)count;
    plan->sets = (unsigned)wishes->sets;
    plan->patience = (unsigned)wishes->patience;
    plan->by_name = wishes->by_name;
    plan->brief = wishes->brief;
    return 0;
}

/* ---- for a person -------------------------------------------------------- */

static int save_trust(const struct rig *rig, const char *dir, struct err *err)
{
    char path[PATH_MAX], name[48];
    if (mkdir(dir, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", dir);
        return -1;
    }
    if (file_join(path, dir, "trust.pem", err) ||
        file_save_certs(path, rig_root(rig), NULL, err))
        return -1;
    for (unsigned i = 0; rig_exhibit(rig, i); i++) {
        STACK_OF(X509) *more = sk_X509_new_null();
        X509 *root = rig_installed(rig, i);
        snprintf(name, sizeof name, "trust-%s.pem",
                 rig_exhibit(rig, i)->row.id);
        int rc = !root ? 0
                 : !more || !sk_X509_push(more, root) ||
                         file_join(path, dir, name, err) ||
                         file_save_certs(path, rig_root(rig), more, err)
                     ? -1
                     : 0;
        sk_X509_free(more);
        if (rc)
            return -1;
    }
    return 0;
}

static void say_stands(const struct rig *rig, const struct wishes *wishes)
{
    const struct stand *stand;
    for (unsigned i = 0; (stand = rig_stand(rig, i)); i++) {
        const struct exhibit *shown = rig_exhibit(rig, stand->exhibit);
        if (wishes->by_name)
            printf("port %u  TLS %s  every row by its name, such as %s\n",
                   stand->port, exhibit_tls_name(stand->tls), shown->host);
        else
            printf("port %u  TLS %s  %s  %s, asked for as %s\n", stand->port,
                   exhibit_tls_name(stand->tls), shown->row.id,
                   shown->row.title, shown->host);
    }
    fflush(stdout);
}

static void on_line(void *context, const char *line)
{
    (void)context;
    puts(line);
    fflush(stdout);
}

/* ---- serving ------------------------------------------------------------- */

struct run {
    struct rig *rig;
    uv_signal_t term, interrupt;
};

static void on_signal(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;
    (void)number;
    rig_stop(run->rig);
    uv_close((uv_handle_t *)&run->term, NULL);
    uv_close((uv_handle_t *)&run->interrupt, NULL);
}

static int serve(const struct wishes *wishes, const struct rig_plan *plan,
                 struct err *err)
{
    uv_loop_t loop;
    struct run run = {.rig = NULL};
    uv_loop_init(&loop);
    int rc = rig_open(&loop, plan, &run.rig, err);
    if (!rc && wishes->trust_dir)
        rc = save_trust(run.rig, wishes->trust_dir, err);
    if (!rc) {
        if (plan->on_line)
            say_stands(run.rig, wishes);
        uv_signal_init(&loop, &run.term);
        uv_signal_init(&loop, &run.interrupt);
        run.term.data = run.interrupt.data = &run;
        uv_signal_start(&run.term, on_signal, SIGTERM);
        uv_signal_start(&run.interrupt, on_signal, SIGINT);
    } else if (run.rig) {
        rig_stop(run.rig);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (run.rig)
        rig_free(run.rig);
    uv_loop_close(&loop);
    return rc;
}

int cmd_rig(int argc, char **argv)
{
    struct wishes wishes = {.listen = "127.0.0.1",
                            .tls = "any",
                            .host = "bank.lab.test",
                            .sets = 1,
                            .patience = 20};
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct option table[] = {
        {"listen", 'l', OPTION_TEXT, "ADDRESS[:PORT]",
         "Where; ports from PORT on, or free ones (127.0.0.1).",
         &wishes.listen},
        {"forgeries", 'f', OPTION_TEXT, "LIST",
         "Ids and families, such as t,n01 (all of them).", &wishes.rows},
        {"tls", 0, OPTION_TEXT, "LIST",
         "A port for each of 1.2, 1.3 and any, which is what the victim "
         "prefers (any).",
         &wishes.tls},
        {"name", 'n', OPTION_TEXT, "HOST",
         "Whom victims ask for (bank.lab.test).", &wishes.host},
        {"by-name", 0, OPTION_FLAG, NULL,
         "One port for all: who asks for t03.lab.test is shown t03.",
         &wishes.by_name},
        {"sets", 0, OPTION_NUMBER, "N",
         "So many ports for each, to tell apart who comes (1).", &wishes.sets},
        {"patience", 0, OPTION_NUMBER, "S",
         "Seconds until a silent victim is given up (20).", &wishes.patience},
        {"trust", 0, OPTION_TEXT, "DIR",
         "Write trust.pem there, and trust-ID.pem for a row that wants one "
         "more root.",
         &wishes.trust_dir},
        {"brief", 0, OPTION_FLAG, NULL, "Leave the events tls.cert out.",
         &wishes.brief},
        {"json", 'j', OPTION_FLAG, NULL, "Events as JSON lines on stdout.",
         &wishes.json},
        {0}};
    const struct command *command = command_find(argv[0]);
    static struct row rows[ROWS_MOST];
    struct rig_plan plan = {0};
    if (options_parse(command, table, argc, argv, &rest, &helped, &err) ||
        (!helped && take(&wishes, rows, &plan, &err)))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    signal(SIGPIPE, SIG_IGN);
    event_open(wishes.json, "server");
    plan.on_line = event_wanted() ? NULL : on_line;
    return serve(&wishes, &plan, &err) ? cli_fail(&err) : EXIT_OK;
}
