/* SPDX-License-Identifier: MIT
 *
 * mitmlab proxy at the attacker's place: what the victim sends to the server's
 * address passes through it, and is taken over; with the way `keep` the server
 * sees the victim's address, and its answers pass through here as well. */
#include "tests/labs/net_stand.h"

static char proxy[512], client[512], bank[512];

static struct net *build(struct net_plan *plan)
{
    *plan = stand_plan(NET_SWITCH);
    plan->routes[0] =
        (struct net_route){.from = "victim", .to = "server", .via = "attacker"};
    plan->routes[1] =
        (struct net_route){.from = "server", .to = "victim", .via = "attacker"};
    plan->routes_count = 2;
    return stand_build(plan);
}

static void wait_ready(struct task *task)
{
    char line[512];
    assert_non_null(strstr(task_line(task, line), "\"ready\""));
}

static struct task start_bank(struct net *net, const struct net_plan *plan)
{
    char four[64], six[64];
    snprintf(four, sizeof four, "%s:80", plan->places[2].ip4);
    snprintf(six, sizeof six, "[%s]:80", plan->places[2].ip6);
    const char *const argv[] = {bank, "--listen", four, "--listen",
                                six,  "--user",   "u",  "--password",
                                "p",  "--json",   NULL};
    struct task task = task_start(net, "server", argv);
    wait_ready(&task);
    return task;
}

static struct task start_proxy(struct net *net, const char *first,
                               const char *four, const char *six)
{
    const char *const argv[] = {proxy, "proxy", "--json",
                                first, four,    six ? "--listen" : NULL,
                                six,   NULL};
    struct task task = task_start(net, "attacker", argv);
    wait_ready(&task);
    return task;
}

static int visit(struct net *net, const char *host)
{
    char url[64], out[2048];
    bool six = strchr(host, ':');
    snprintf(url, sizeof url, six ? "http://[%s]/" : "http://%s/", host);
    const char *const argv[] = {client, "--get", url, NULL};
    return task_output(task_start(net, "victim", argv), out);
}

/* Who opened the next connection on this leg, and from where to where? */
struct opened {
    char from[64], to[64];
    int from_port, to_port;
};

static struct opened next_opened(struct task *task, const char *leg)
{
    struct opened opened;
    char line[512], mark[32];
    snprintf(mark, sizeof mark, "\"leg\":\"%s\"", leg);
    do {
        assert_true(*task_line(task, line));
    } while (!strstr(line, "\"kind\":\"flow.open\"") || !strstr(line, mark));
    assert_int_equal(sscanf(strstr(line, "\"tuple\""),
                            "\"tuple\":[\"%63[^\"]\",%d,\"%63[^\"]\",%d]",
                            opened.from, &opened.from_port, opened.to,
                            &opened.to_port),
                     4);
    return opened;
}

static void end(struct net *net, struct task *task)
{
    net_kill(net, task->process, SIGTERM);
    assert_int_equal(task_end(task), 0);
}

static void what_passes_through_is_taken_over_and_given_back(void **state)
{
    (void)state;
    struct net_plan plan;
    struct net *net = build(&plan);
    struct task server = start_bank(net, &plan);
    struct task attacker =
        start_proxy(net, "--transparent", "--listen=0.0.0.0:80", "[::]:80");
    const char *const hosts[] = {plan.places[2].ip4, plan.places[2].ip6};
    const char *const victims[] = {plan.places[0].ip4, plan.places[0].ip6};
    const char *const attackers[] = {plan.places[1].ip4, plan.places[1].ip6};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(visit(net, hosts[i]), 0);
        /* The listener's address is the one that the victim meant. */
        struct opened taken = next_opened(&attacker, "victim");
        assert_string_equal(taken.from, victims[i]);
        assert_string_equal(taken.to, hosts[i]);
        assert_int_equal(taken.to_port, 80);
        assert_string_equal(next_opened(&server, "victim").from, attackers[i]);
    }
    end(net, &attacker);
    /* Without the proxy the attacker is an ordinary router again. */
    assert_int_equal(visit(net, plan.places[2].ip4), 0);
    assert_string_equal(next_opened(&server, "victim").from, victims[0]);
    end(net, &server);
    stand_free(net);
}

static void the_server_sees_the_victim_with_another_port(void **state)
{
    (void)state;
    struct net_plan plan;
    struct net *net = build(&plan);
    struct task server = start_bank(net, &plan);
    struct task attacker =
        start_proxy(net, "--listen", "keep@0.0.0.0:80", "keep@[::]:80");
    const char *const hosts[] = {plan.places[2].ip4, plan.places[2].ip6};
    const char *const victims[] = {plan.places[0].ip4, plan.places[0].ip6};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(visit(net, hosts[i % 2]), 0);
        struct opened taken = next_opened(&attacker, "victim");
        struct opened sent = next_opened(&attacker, "server");
        struct opened seen = next_opened(&server, "victim");
        assert_string_equal(taken.from, victims[i % 2]);
        assert_string_equal(seen.from, victims[i % 2]);
        assert_int_equal(seen.from_port, sent.from_port);
        assert_int_not_equal(seen.from_port, taken.from_port);
    }
    end(net, &attacker);
    /* Nothing of it is left. */
    assert_int_equal(visit(net, plan.places[2].ip4), 0);
    assert_string_equal(next_opened(&server, "victim").from, victims[0]);
    end(net, &server);
    stand_free(net);
}

static void
a_victim_that_visits_the_proxy_itself_does_not_make_it_loop(void **state)
{
    (void)state;
    static const char *const ways[] = {"transparent@0.0.0.0:80",
                                       "keep@0.0.0.0:80"};
    for (int i = 0; i < 2; i++) {
        struct net_plan plan;
        struct net *net = build(&plan);
        struct task attacker = start_proxy(net, "--listen", ways[i], NULL);
        assert_int_not_equal(visit(net, plan.places[1].ip4), 0);
        end(net, &attacker);
        stand_free(net);
    }
}

/* A head of the PROXY protocol names somebody else: with `keep` the server
 * still sees who is really there, and nobody goes where the head points. */
static void a_head_changes_neither_source_nor_target(void **state)
{
    (void)state;
    static const char *const ways[] = {"transparent,proxied@0.0.0.0:80",
                                       "keep,proxied@0.0.0.0:80"};
    for (int i = 0; i < 2; i++) {
        struct net_plan plan;
        struct net *net = build(&plan);
        struct task server = start_bank(net, &plan);
        struct task attacker = start_proxy(net, "--listen", ways[i], NULL);
        char script[512], out[2048];
        snprintf(script, sizeof script,
                 "bash -c 'exec 3<>/dev/tcp/%s/80; printf "
                 "\"PROXY TCP4 192.0.2.99 192.0.2.98 7 80\\r\\n"
                 "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close"
                 "\\r\\n\\r\\n\" >&3; cat <&3'",
                 plan.places[2].ip4);
        assert_int_equal(shell(net, "victim", script, out), 0);
        assert_non_null(strstr(out, "200 OK"));
        assert_string_equal(next_opened(&attacker, "victim").from,
                            "192.0.2.99");
        struct opened sent = next_opened(&attacker, "server");
        assert_string_equal(sent.to, plan.places[2].ip4);
        assert_string_equal(next_opened(&server, "victim").from,
                            plan.places[i ? 0 : 1].ip4);
        end(net, &attacker);
        end(net, &server);
        stand_free(net);
    }
}

static void outside_of_a_lab_it_refuses(void **state)
{
    (void)state;
    static const char *const ways[] = {"--transparent --listen 127.0.0.1:0",
                                       "--listen transparent@127.0.0.1:0",
                                       "--listen keep@127.0.0.1:0"};
    for (int i = 0; i < 3; i++) {
        char command[700];
        snprintf(command, sizeof command, "%s proxy %s 2>/dev/null", proxy,
                 ways[i]);
        int status = system(command);
        assert_int_equal(WEXITSTATUS(status), EXIT_CONTAINMENT);
    }
}

int main(void)
{
    stand_look();
    snprintf(proxy, sizeof proxy, "%s/mitmlab", BINARY_DIR);
    snprintf(client, sizeof client, "%s/victims/https-client", BINARY_DIR);
    snprintf(bank, sizeof bank, "%s/victims/bank-server", BINARY_DIR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_through_is_taken_over_and_given_back),
        cmocka_unit_test(the_server_sees_the_victim_with_another_port),
        cmocka_unit_test(
            a_victim_that_visits_the_proxy_itself_does_not_make_it_loop),
        cmocka_unit_test(a_head_changes_neither_source_nor_target),
        cmocka_unit_test(outside_of_a_lab_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
