/* SPDX-License-Identifier: MIT
 *
 * The ways `transparent` and `keep` with every protocol: real clients at the
 * victim's place, the proxy at the attacker's, and servers that are not ours.
 * Who plays what is in tests/proxy/pairs_at_places.py. */
#include "tests/labs/net_stand.h"

static const char python[] = "/usr/bin/python3";
static const char script[] = SOURCE_DIR "/tests/proxy/pairs_at_places.py";
static char folder[] = "/tmp/mitmlab-pairs-XXXXXX";
static bool papers_are_there;

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

static int make_papers(void **state)
{
    char command[700];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(command, sizeof command, "%s -B %s papers %s", python, script,
             folder);
    int status = system(command);
    papers_are_there = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return 0;
}

static int drop_papers(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* The victim knows the server by its name. */
static void name_server(struct net *net, const struct net_plan *plan)
{
    char hosts[64];
    struct err err = ERR_INIT;
    int len = snprintf(hosts, sizeof hosts, "%s bank.lab.test\n",
                       plan->places[2].ip4);
    assert_int_equal(
        net_put(net, "victim", "/etc/hosts", hosts, (size_t)len, &err), 0);
}

/* At a place, up to its ready line. */
static struct task start(struct net *net, const char *role, const char *way,
                         const char *program)
{
    char line[512];
    const char *const argv[] = {python, "-B", script,  role,
                                folder, way,  program, NULL};
    struct task task = task_start(net, role, argv);
    assert_non_null(strstr(task_line(&task, line), "\"ready\""));
    return task;
}

/* What the victim prints goes to where the test's own words go. */
static void visit(struct net *net, const struct net_plan *plan, const char *way)
{
    char line[512];
    const char *const argv[] = {python,
                                "-B",
                                script,
                                "victim",
                                folder,
                                way,
                                plan->places[2].ip4,
                                plan->places[1].ip4,
                                NULL};
    struct task victim = task_start(net, "victim", argv);
    while (*task_line(&victim, line))
        printf("%s\n", line);
    assert_int_equal(task_end(&victim), 0);
}

static void play_all(const char *way)
{
    char program[512];
    struct net_plan plan;
    need(papers_are_there, "python3, openssl and curl");
    struct net *net = build(&plan);
    snprintf(program, sizeof program, "%s/mitmlab", BINARY_DIR);
    name_server(net, &plan);
    struct task server = start(net, "server", NULL, NULL);
    struct task attacker = start(net, "attacker", way, program);
    visit(net, &plan, way);
    net_kill(net, attacker.process, SIGTERM);
    assert_int_equal(task_end(&attacker), 0);
    net_kill(net, server.process, SIGKILL);
    task_end(&server);
    stand_free(net);
}

static void every_protocol_is_taken_over(void **state)
{
    (void)state;
    play_all("transparent");
}

static void every_protocol_is_taken_over_with_the_victims_address(void **state)
{
    (void)state;
    play_all("keep");
}

int main(void)
{
    stand_look();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_is_taken_over),
        cmocka_unit_test(every_protocol_is_taken_over_with_the_victims_address),
    };
    return cmocka_run_group_tests(tests, make_papers, drop_papers);
}
