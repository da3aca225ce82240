/* SPDX-License-Identifier: MIT
 *
 * mitmlab proxy --transparent at the attacker's place: what the victim sends
 * to the server's address passes through it, and is taken over. */
#include "tests/labs/net_stand.h"

static char proxy[512], client[512], bank[512];

static struct net *build(struct net_plan *plan)
{
    *plan = stand_plan(NET_SWITCH);
    plan->routes[0] =
        (struct net_route){.from = "victim", .to = "server", .via = "attacker"};
    plan->routes_count = 1;
    return stand_build(plan);
}

static void wait_ready(struct task *task)
{
    char line[512];
    assert_non_null(strstr(task_line(task, line), "\"ready\""));
}

static struct task start_bank(struct net *net, const struct net_plan *plan)
{
    char at[64];
    snprintf(at, sizeof at, "%s:80", plan->places[2].ip4);
    const char *const argv[] = {
        bank, "--listen", at, "--user", "u", "--password", "p", "--json", NULL};
    struct task task = task_start(net, "server", argv);
    wait_ready(&task);
    return task;
}

static struct task start_proxy(struct net *net)
{
    const char *const argv[] = {proxy,      "proxy",      "--transparent",
                                "--listen", "0.0.0.0:80", "--json",
                                NULL};
    struct task task = task_start(net, "attacker", argv);
    wait_ready(&task);
    return task;
}

static int visit(struct net *net, const struct net_plan *plan)
{
    char url[64], out[2048];
    snprintf(url, sizeof url, "http://%s/", plan->places[2].ip4);
    const char *const argv[] = {client, "--get", url, NULL};
    return task_output(task_start(net, "victim", argv), out);
}

static void what_passes_through_is_taken_over_and_given_back(void **state)
{
    (void)state;
    struct net_plan plan;
    char line[512], expected[128];
    struct net *net = build(&plan);
    struct task server = start_bank(net, &plan);
    struct task attacker = start_proxy(net);
    assert_int_equal(visit(net, &plan), 0);
    /* The listener's address is the one that the victim meant. */
    task_line(&attacker, line);
    snprintf(expected, sizeof expected, "\"%s\",80]", plan.places[2].ip4);
    assert_non_null(strstr(line, "flow.open"));
    assert_non_null(strstr(line, expected));
    assert_non_null(strstr(line, plan.places[0].ip4));

    net_kill(net, attacker.process, SIGTERM);
    assert_int_equal(task_end(&attacker), 0);
    /* Without the proxy the attacker is an ordinary router again. */
    assert_int_equal(visit(net, &plan), 0);
    net_kill(net, server.process, SIGTERM);
    task_end(&server);
    stand_free(net);
}

static void
a_victim_that_visits_the_proxy_itself_does_not_make_it_loop(void **state)
{
    (void)state;
    struct net_plan plan;
    char url[64], out[2048], script[700];
    struct net *net = build(&plan);
    struct task attacker = start_proxy(net);
    snprintf(url, sizeof url, "http://%s/", plan.places[1].ip4);
    snprintf(script, sizeof script, "%s --get %s", client, url);
    assert_int_not_equal(shell(net, "victim", script, out), 0);
    net_kill(net, attacker.process, SIGTERM);
    assert_int_equal(task_end(&attacker), 0);
    stand_free(net);
}

static void outside_of_a_lab_it_refuses(void **state)
{
    (void)state;
    char command[700];
    snprintf(command, sizeof command,
             "%s proxy --transparent --listen 127.0.0.1:0 2>/dev/null", proxy);
    int status = system(command);
    assert_int_equal(WEXITSTATUS(status), EXIT_CONTAINMENT);
}

int main(void)
{
    stand_look();
    snprintf(proxy, sizeof proxy, "%s/mitmlab", BINARY_DIR);
    snprintf(client, sizeof client, "%s/victims/https-client", BINARY_DIR);
    snprintf(bank, sizeof bank, "%s/victims/bank-server", BINARY_DIR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_through_is_taken_over_and_given_back),
        cmocka_unit_test(
            a_victim_that_visits_the_proxy_itself_does_not_make_it_loop),
        cmocka_unit_test(outside_of_a_lab_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
