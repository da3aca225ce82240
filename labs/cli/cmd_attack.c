/* SPDX-License-Identifier: MIT
 *
 * mitmlab attack [NAME [key=value ...]]: alone it lists what attacks there
 * are; with a name it runs one that works on packets until it is told to
 * stop. Those that work on what passes the proxy run in `mitmlab proxy`. */
#include "attacks/attack.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/narrate.h"
#include "labs/cli/term.h"
#include "proxy/base/dial.h"
#include "proxy/event.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* ---- the list ------------------------------------------------------------------ */

static void print_param(const struct term *term,
                        const struct attack_param *param)
{
    char text[256];
    bool shown = param->fallback && *param->fallback;
    snprintf(text, sizeof text, TERM_CODE "%s=%s" TERM_PLAIN, param->name,
             param->value);
    term_flow(stdout, term, text, 2, "");
    snprintf(text, sizeof text, "%s%s%s%s%s", param->sentence,
             param->required ? " (needed)" : "", shown ? " (default: " : "",
             shown ? param->fallback : "", shown ? ")" : "");
    term_flow(stdout, term, text, 6, "");
}

static void print_list(void)
{
    struct term term;
    const struct attack *attack;
    char text[128];
    term_look(&term, STDOUT_FILENO);
    for (unsigned i = 0; (attack = attack_at(i)); i++) {
        if (i)
            putchar('\n');
        snprintf(text, sizeof text, TERM_BOLD "%s" TERM_PLAIN, attack->name);
        term_flow(stdout, &term, text, 0, "");
        term_flow(stdout, &term, attack->teaches, 2, "");
        for (unsigned j = 0; attack->params[j].name; j++)
            print_param(&term, &attack->params[j]);
        snprintf(text, sizeof text, TERM_CODE "mitmlab %s%s" TERM_PLAIN,
                 attack->kind == ATTACK_HOOK ? "proxy --attack " : "attack ",
                 attack->name);
        term_flow(stdout, &term, text, 2, "");
    }
}

static json_t *param_json(const struct attack_param *param)
{
    return json_pack("{s:s, s:s, s:s?, s:b, s:s}", "name", param->name, "value",
                     param->value, "default", param->fallback, "required",
                     param->required, "sentence", param->sentence);
}

static void print_list_json(void)
{
    json_t *list = json_array();
    const struct attack *attack;
    for (unsigned i = 0; (attack = attack_at(i)); i++) {
        json_t *params = json_array();
        for (unsigned j = 0; attack->params[j].name; j++)
            json_array_append_new(params, param_json(&attack->params[j]));
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:o}", "name", attack->name, "runs",
                      attack->kind == ATTACK_HOOK ? "proxy" : "attack",
                      "teaches", attack->teaches, "parameters", params));
    }
    json_t *all = json_pack("{s:o}", "attacks", list);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

/* ---- running one ----------------------------------------------------------------- */

/* Whoever listens to an interface must do it inside the lab. */
static int check_place(const struct arguments *words, struct err *err)
{
    for (unsigned i = 1; i < words->count; i++)
        if (!strncmp(words->items[i], "from=", 5))
            return 0;
    if (dial_inside_lab())
        return 0;
    err_code(err, EXIT_CONTAINMENT,
             "%s works on the wire, and that exists only inside a lab: let "
             "'mitmlab run' start it at a place",
             words->items[0]);
    return -1;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void stop_watching(uv_loop_t *loop, uv_signal_t signals[2])
{
    uv_close((uv_handle_t *)&signals[0], NULL);
    uv_close((uv_handle_t *)&signals[1], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}

static int run_until_signal(const struct arguments *words, struct err *err)
{
    static const int numbers[2] = {SIGTERM, SIGINT};
    struct attack_run *run;
    uv_signal_t signals[2];
    uv_loop_t loop;
    int rc = -1;
    uv_loop_init(&loop);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    struct attack_env env = {.kind = ATTACK_PACKETS, .loop = &loop};
    if (!attack_start_words(words->items, words->count, &env, &run, err)) {
        event("ready", NULL, "\"program\":\"attack\",\"pid\":%d,\"listen\":[]",
              (int)getpid());
        attack_announce(run);
        uv_run(&loop, UV_RUN_DEFAULT);
        rc = run->failure.code ? -1 : 0;
        *err = run->failure;
        attack_stop(run);
    }
    stop_watching(&loop, signals);
    return rc;
}

int cmd_attack(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "write events, or the list, as JSON",
         &json},
        {0},
    };
    struct arguments words;
    struct err err = ERR_INIT;
    if (options_parse(command_find("attack"), table, argc, argv, &words,
                      &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (!words.count) {
        if (json)
            print_list_json();
        else
            print_list();
        return EXIT_OK;
    }
    const struct attack *attack = attack_find(words.items[0]);
    if (attack && attack->kind == ATTACK_PACKETS && check_place(&words, &err))
        return cli_fail(&err);
    if (narrate_open(json, "attacker", &err))
        return cli_fail(&err);
    int rc = run_until_signal(&words, &err);
    narrate_close();
    return rc ? cli_fail(&err) : EXIT_OK;
}
