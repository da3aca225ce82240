/* SPDX-License-Identifier: MIT
 *
 * Memory runs out under rules that edit heads and bodies, answer in the
 * server's place and let messages wait. How that is tried:
 * tests/proxy/fault_loop.h. */
#include "tests/proxy/fault_loop.h"

#include "attacks/rules.h"

static struct rules *rules;
static struct hook *hooks[1];

static void use_rules(struct stage *stage, const char *const *lines)
{
    struct err err = ERR_INIT;
    rules = rules_new();
    assert_non_null(rules);
    for (; *lines; lines++)
        if (rules_add(rules, *lines, &err))
            fail_msg("%s", err.text);
    hooks[0] = rules_hook(rules);
    stage->options.hooks = hooks;
    stage->options.hooks_count = 1;
}

static void drop_rules(void)
{
    rules_free(rules);
    rules = NULL;
}

static void edit(struct stage *stage)
{
    static const char *const lines[] = {
        "method == POST && body ~ \"amount=[0-9]+\" : "
        "replace body ~ \"amount=([0-9]+)\" \"amount=\\1\\1\\1\"; "
        "replace path /pay /paid; remove header X-Sum; set header X-A b",
        "response && status == 200 : replace body hi \"good bye\"; "
        "delay 1ms; set status 201; replace header Server a b",
        NULL};
    use_rules(stage, lines);
}

#define PAY                                                                    \
    "POST /pay HTTP/1.1\r\nHost: bank.lab.test\r\nX-Sum: 1\r\n"                \
    "Content-Length: 9\r\n\r\namount=10"
#define PAID                                                                   \
    "POST /paid HTTP/1.1\r\nHost: bank.lab.test\r\nContent-Length: 13\r\n"     \
    "X-A: b\r\n\r\namount=101010"
#define FINE "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 2\r\n\r\nhi"
#define CREATED                                                                \
    "HTTP/1.1 201 Created\r\nServer: b\r\nContent-Length: 8\r\n\r\ngood bye"

static bool hold_edited(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, PAY);
    struct actor server = meet(stage, &victim);
    bool all = hear(&server, PAID) && passes(&server, &victim, FINE, CREATED);
    both_leave(&victim, &server);
    return all;
}

static void answer(struct stage *stage)
{
    static const char *const lines[] = {
        "path ~ \"^/secret\" : answer 403 \"not for you\"", NULL};
    use_rules(stage, lines);
}

static bool hold_answered(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, "GET /secret HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n");
    bool all = hear(&victim, "HTTP/1.1 403 Forbidden\r\n");
    actor_leaves(&victim);
    return all;
}

static void rules_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "rules",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = edit,
                               .clean = drop_rules,
                               .hold = hold_edited});
    try_faults(&(struct scene){.name = "rules-answer",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = answer,
                               .clean = drop_rules,
                               .hold = hold_answered});
}

int main(void)
{
    if (hunger_begins())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_survive),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
