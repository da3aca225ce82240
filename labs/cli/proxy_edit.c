/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what becomes of the traffic. The proxy knows no
 * attack; they become its hooks here. */
#include "attacks/attack.h"
#include "attacks/rules.h"
#include "labs/cli/proxy_parts.h"
#include "proxy/http1.h"
#include "proxy/script.h"

enum { OTHER_HOOKS = 4 }; /* that are no attacks: rules, script ... */

static int take_lenient(const struct proxy_wishes *wishes,
                        struct proxy_setup *setup, struct err *err)
{
    const char *names[33];
    unsigned count = 0;
    while (count < 32 && http1_lenient_name(count)) {
        names[count] = http1_lenient_name(count);
        count++;
    }
    names[count] = NULL;
    for (unsigned i = 0; i < wishes->edit.lenient.count; i++) {
        const char *name = wishes->edit.lenient.items[i];
        unsigned bit = http1_lenient_bit(name);
        setup->options.lenient |= bit;
        if (bit)
            continue;
        char list[256] = "";
        for (unsigned at = 0; names[at]; at++) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", at ? ", " : "",
                     names[at]);
        }
        err_code(err, EXIT_USAGE, "no leniency \"%s\"; there are %s", name,
                 list);
        return -1;
    }
    return 0;
}

static void add_hook(struct proxy_setup *setup, struct hook *hook)
{
    setup->hooks[setup->options.hooks_count++] = hook;
}

/* After the attacks. Files first, then the command line, in their order. */
static int take_rules(const struct proxy_wishes *wishes,
                      struct proxy_setup *setup, struct err *err)
{
    const struct option_list *files = &wishes->edit.rules_files;
    const struct option_list *rules = &wishes->edit.rules;
    setup->rules = rules_new();
    if (!setup->rules) {
        err_set(err, "rules: out of memory");
        return -1;
    }
    for (unsigned i = 0; i < files->count; i++)
        if (rules_load(setup->rules, files->items[i], err))
            return -1;
    for (unsigned i = 0; i < rules->count; i++)
        if (rules_add(setup->rules, rules->items[i], err))
            return -1;
    if (wishes->edit.strip_alt_svc &&
        rules_add(setup->rules, "response : remove header Alt-Svc", err))
        return -1;
    if (rules_count(setup->rules))
        add_hook(setup, rules_hook(setup->rules));
    return 0;
}

/* After the attacks and the rules, so that it sees what they made of a message. */
static int take_script(const struct proxy_wishes *wishes,
                       struct proxy_setup *setup, struct err *err)
{
    if (!wishes->edit.script)
        return 0;
    if (script_load(wishes->edit.script, setup->options.body_most,
                    &setup->script, err))
        return -1;
    add_hook(setup, script_hook(setup->script));
    return 0;
}

static int take_attacks(const struct proxy_wishes *wishes,
                        struct proxy_setup *setup, struct err *err)
{
    struct attack_env env = {.kind = ATTACK_HOOK,
                             .signers = &setup->options.signers};
    if (wishes->edit.attacks.count > PROXY_HOOKS_MOST - OTHER_HOOKS) {
        err_code(err, EXIT_USAGE, "proxy takes at most %d attacks",
                 PROXY_HOOKS_MOST - OTHER_HOOKS);
        return -1;
    }
    for (unsigned i = 0; i < wishes->edit.attacks.count; i++) {
        struct attack_run **run = &setup->runs[setup->runs_count];
        if (attack_start(wishes->edit.attacks.items[i], &env, run, err))
            return -1;
        setup->runs_count++;
        add_hook(setup, &(*run)->hook);
    }
    setup->options.hooks = setup->hooks;
    return 0;
}

static int take_body(const struct proxy_wishes *wishes,
                     struct proxy_setup *setup, struct err *err)
{
    if (wishes->edit.body < 0 || wishes->edit.body > 1 << 20) {
        err_code(err, EXIT_USAGE, "--body wants at most 1048576 KiB");
        return -1;
    }
    setup->options.body_most = (size_t)wishes->edit.body * 1024;
    return 0;
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows,
               (struct option){"attack", 'a', OPTION_LIST, "NAME,key=value",
                               "Switch an attack on; may be given again",
                               &wishes->edit.attacks});
    option_row(rows,
               (struct option){"rule", 'r', OPTION_LIST, "'FILTER : ACTION'",
                               "What to do with which messages; may be given "
                               "again ('mitmlab help rules')",
                               &wishes->edit.rules});
    option_row(rows, (struct option){"rules", 0, OPTION_LIST, "FILE",
                                     "The same from a file, one a line",
                                     &wishes->edit.rules_files});
    option_row(rows,
               (struct option){"strip-alt-svc", 0, OPTION_FLAG, NULL,
                               "Keep from victims that a server speaks HTTP/3",
                               &wishes->edit.strip_alt_svc});
    option_row(rows,
               (struct option){"script", 's', OPTION_TEXT, "FILE.lua",
                               "Let a Lua script edit requests, responses, "
                               "messages and questions of DNS",
                               &wishes->edit.script});
    option_row(rows,
               (struct option){"body", 0, OPTION_NUMBER, "KIB",
                               "Keep bodies up to this size for attacks (1024)",
                               &wishes->edit.body});
    option_row(rows,
               (struct option){
                   "lenient", 0, OPTION_LIST, "NAME",
                   "Tolerate one kind of malformed HTTP: bare-lf, obs-fold, "
                   "space-colon, two-lengths, chunk-ext, no-host; may be "
                   "given again",
                   &wishes->edit.lenient});
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    return take_body(wishes, setup, err) || take_lenient(wishes, setup, err) ||
                   take_attacks(wishes, setup, err) ||
                   take_rules(wishes, setup, err) ||
                   take_script(wishes, setup, err)
               ? -1
               : 0;
}

static void undo(struct proxy_setup *setup)
{
    script_free(setup->script);
    rules_free(setup->rules);
    for (unsigned i = 0; i < setup->runs_count; i++)
        attack_stop(setup->runs[i]);
}

const struct proxy_part proxy_part_edit = {"traffic", rows, take, undo};
