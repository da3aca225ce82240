/* SPDX-License-Identifier: MIT
 *
 * mitmlab run LAB: the options, and what they mean for the engine. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/engine/canary.h"
#include "labs/engine/run.h"
#include "labs/engine/shelf.h"

#include <limits.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_GIVEN LLONG_MIN

struct wishes {
    long long seed, timeout;
    const char *student, *play, *topology, *out;
    bool no_input, pause, bare, json;
};

/* Of 53 bits, so that it survives every reader of JSON. */
static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (RAND_bytes((unsigned char *)&seed, sizeof seed) != 1)
        abort();
    return seed >> 44; /* short enough to be typed again */
}

static int wrong(struct err *err, const char *sentence)
{
    err_code(err, EXIT_USAGE, "run: %s", sentence);
    return -1;
}

static int check(const struct wishes *wishes, struct err *err)
{
    if (wishes->play && strcmp(wishes->play, "solution") != 0 &&
        strcmp(wishes->play, "wrong") != 0)
        return wrong(err, "--play is solution or wrong");
    if (wishes->seed < 0 && wishes->seed != NOT_GIVEN)
        return wrong(err, "--seed is not negative");
    if (wishes->timeout < 1 && wishes->timeout != NOT_GIVEN)
        return wrong(err, "--timeout is a number of seconds, 1 or more");
    if (wishes->student && !*wishes->student)
        return wrong(err, "--student wants a name or a number");
    if (wishes->seed >= 0 && wishes->student)
        return wrong(err, "--seed and --student exclude each other");
    if (wishes->bare && wishes->topology)
        return wrong(err, "--bare is a topology of its own");
    bool alone = wishes->no_input || wishes->play;
    if (alone && wishes->pause)
        return wrong(err, "--pause waits for a person, --no-input has none");
    if (!alone && (!isatty(STDIN_FILENO) || wishes->json))
        return wrong(err, "it asks questions and needs a terminal; "
                          "--no-input plays the solution instead");
    return 0;
}

static int run(const struct wishes *wishes, const char *lab, struct err *err)
{
    const struct run_options options = {
        .folder = lab,
        .out = wishes->out,
        .topology = wishes->topology,
        .play = wishes->play       ? wishes->play
                : wishes->no_input ? "solution"
                                   : NULL,
        .student = wishes->student,
        .version = MITMLAB_VERSION,
        .seed = wishes->student     ? canary_student_seed(wishes->student)
                : wishes->seed >= 0 ? (uint64_t)wishes->seed
                                    : random_seed(),
        .timeout_s = wishes->timeout == NOT_GIVEN ? 0 : wishes->timeout,
        .bare = wishes->bare,
        .pause = wishes->pause,
        .talk = wishes->json ? stderr : stdout,
        .json = wishes->json,
    };
    return run_lab(&options, err);
}

int cmd_run(int argc, char **argv)
{
    struct wishes wishes = {.seed = NOT_GIVEN, .timeout = NOT_GIVEN};
    const struct option table[] = {
        {"seed", 0, OPTION_NUMBER, "N",
         "Draw names, passwords and amounts from this number.", &wishes.seed},
        {"student", 0, OPTION_TEXT, "ID",
         "Draw them from this student's name or number.", &wishes.student},
        {"no-input", 0, OPTION_FLAG, NULL,
         "Ask nothing: play the solution (see --play).", &wishes.no_input},
        {"play", 0, OPTION_TEXT, "solution|wrong",
         "Whose answers to give, without asking.", &wishes.play},
        {"pause", 0, OPTION_FLAG, NULL,
         "Stop before each attack and say what to look at.", &wishes.pause},
        {"topology", 0, OPTION_TEXT, "NAME",
         "switch, hub or loopback, if the lab names it.", &wishes.topology},
        {"bare", 0, OPTION_FLAG, NULL,
         "Run without namespaces, where the machine gives none.", &wishes.bare},
        {"out", 'o', OPTION_TEXT, "DIR",
         "The run folder; an existing one is replaced at the end.",
         &wishes.out},
        {"timeout", 0, OPTION_NUMBER, "S", "Give up after so many seconds.",
         &wishes.timeout},
        {"json", 0, OPTION_FLAG, NULL,
         "Print result.json at the end; talk goes to stderr.", &wishes.json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    if (options_parse(command_find("run"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count != 1)
        wrong(&err, "name one lab; 'mitmlab list' shows them");
    char *folder = rest.count == 1 && !check(&wishes, &err)
                       ? shelf_find(rest.items[0], &err)
                       : NULL;
    int code = folder ? run(&wishes, folder, &err) : -1;
    free(folder);
    return code < 0 ? cli_fail(&err) : code;
}
