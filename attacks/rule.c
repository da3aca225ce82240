/* SPDX-License-Identifier: MIT
 *
 * rule: one line that says what is to be done with which messages. Rules
 * themselves stand in rules.[ch]. */
#include "attacks/attack.h"
#include "attacks/rules.h"

static int start(struct attack_run *run, struct err *err)
{
    struct rules *rules = rules_new();
    if (!rules) {
        err_set(err, "rule: out of memory");
        return -1;
    }
    if (rules_add(rules, attack_value(run, "rule"), err)) {
        rules_free(rules);
        return -1;
    }
    const char *name = run->hook.name;
    run->state = rules;
    run->hook = *rules_hook(rules);
    run->hook.name = name;
    return 0;
}

static void stop(struct attack_run *run)
{
    rules_free(run->state);
}

static const struct attack_param params[] = {
    {"rule", "FILTER : ACTION", NULL, "'mitmlab help rules' lists both", true},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_rule = {
    .name = "rule",
    .teaches = "Changing, delaying, dropping and answering what passes takes "
               "one line a time.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
    .stop = stop,
};
