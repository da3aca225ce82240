/* SPDX-License-Identifier: MIT
 *
 * mitmlab feed: watches an interface for the writer of a capture. The runner
 * starts it at the switch. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/tap.h"

static int read_maps(const struct option_list *list, struct tap_plan *plan,
                     struct err *err)
{
    if (list->count > TAP_MAPS_MOST) {
        err_code(err, EXIT_USAGE, "feed: more than %d maps", TAP_MAPS_MOST);
        return -1;
    }
    for (unsigned i = 0; i < list->count; i++)
        if (tap_map_parse(list->items[i], &plan->maps[plan->maps_count++], err))
            return -1;
    return 0;
}

static int run(struct tap_plan *plan, const struct option_list *maps,
               long long fd, struct err *err)
{
    if (!plan->iface) {
        err_code(err, EXIT_USAGE, "feed: --iface is missing");
        return -1;
    }
    if (!plan->fallback)
        plan->fallback = plan->iface;
    return read_maps(maps, plan, err) || tap_run(plan, (int)fd, err) ? -1 : 0;
}

int cmd_feed(int argc, char **argv)
{
    struct tap_plan plan = {0};
    struct option_list maps = {0};
    long long fd = FEED_FD;
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct option table[] = {
        {"iface", 'i', OPTION_TEXT, "NAME", "The interface to watch.",
         &plan.iface},
        {"map", 0, OPTION_LIST, "SOURCE=PLACE",
         "Frames from this MAC or IP address were sent by PLACE (again).",
         &maps},
        {"default", 0, OPTION_TEXT, "PLACE",
         "The place of all other frames (the interface's name).",
         &plan.fallback},
        {"fd", 0, OPTION_NUMBER, "N", "The socket to the writer (3).", &fd},
        {0}};
    const struct command *command = command_find(argv[0]);
    if (options_parse(command, table, argc, argv, &rest, &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    return run(&plan, &maps, fd, &err) ? cli_fail(&err) : EXIT_OK;
}
