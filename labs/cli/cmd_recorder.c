/* SPDX-License-Identifier: MIT
 *
 * mitmlab recorder: the recording relay of a lab without namespaces. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/recorder.h"

#include <signal.h>

static void on_term(uv_signal_t *term, int number)
{
    (void)number;
    recorder_stop(term->data);
}

/* The signal must not keep the loop alive once the recorder has closed. */
static int relay(uv_loop_t *loop, int fd, const struct recorder_map *maps,
                 unsigned count, struct err *err)
{
    struct recorder *recorder = NULL;
    uv_signal_t term;
    int rc = recorder_start(loop, fd, maps, count, &recorder, err);
    if (!recorder)
        return -1;
    if (rc)
        recorder_stop(recorder);
    uv_signal_init(loop, &term);
    term.data = recorder;
    uv_signal_start(&term, on_term, SIGTERM);
    uv_unref((uv_handle_t *)&term);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&term, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    recorder_free(recorder);
    return rc;
}

static int run(const struct option_list *list, long long fd, struct err *err)
{
    struct recorder_map maps[RECORDER_MAPS_MOST];
    uv_loop_t loop;
    if (!list->count) {
        err_code(err, EXIT_USAGE, "recorder: --map is missing");
        return -1;
    }
    for (unsigned i = 0; i < list->count; i++)
        if (recorder_map_parse(list->items[i], &maps[i], err))
            return -1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* the runner decides what Ctrl-C means */
    uv_loop_init(&loop);
    int rc = relay(&loop, (int)fd, maps, list->count, err);
    uv_loop_close(&loop);
    return rc;
}

int cmd_recorder(int argc, char **argv)
{
    struct option_list maps = {0};
    long long fd = FEED_FD;
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct option table[] = {
        {"map", 0, OPTION_LIST, "MAP",
         "LISTEN=TARGET,client=PLACE:ADDRESS,server=PLACE (again).", &maps},
        {"fd", 0, OPTION_NUMBER, "N", "The socket to the writer (3).", &fd},
        {0}};
    const struct command *command = command_find(argv[0]);
    if (options_parse(command, table, argc, argv, &rest, &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    return run(&maps, fd, &err) ? cli_fail(&err) : EXIT_OK;
}
