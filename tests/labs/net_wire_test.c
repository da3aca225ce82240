/* SPDX-License-Identifier: MIT
 *
 * The wire between the places: who reaches whom, who sees what, what a frame
 * looks like, and that nothing leads out. */
#include "tests/labs/net_errand.h"
#include "tests/labs/net_stand.h"

#include <time.h>

enum { VICTIM, ATTACKER, SERVER };

/* One connection from the victim to the server; what the server saw. */
static void converse(struct net *net, const char *to, char seen[512])
{
    char out[2048];
    struct task server = errand(net, "server", "serve", to, "8080", "1", NULL);
    assert_string_equal(task_line(&server, seen), "ready");
    assert_int_equal(
        task_output(errand(net, "victim", "dial", to, "8080", NULL), out), 0);
    task_line(&server, seen);
    assert_int_equal(task_end(&server), 0);
}

static void the_victim_reaches_the_server_by_both_protocols(void **state)
{
    (void)state;
    struct net_plan plan = stand_plan(NET_SWITCH);
    struct net *net = stand_build(&plan);
    char seen[512], want[512];
    converse(net, plan.places[SERVER].ip4, seen);
    snprintf(want, sizeof want, "%s to %s:8080", plan.places[VICTIM].ip4,
             plan.places[SERVER].ip4);
    assert_string_equal(seen, want);
    if (plan.places[SERVER].ip6[0]) {
        converse(net, plan.places[SERVER].ip6, seen);
        snprintf(want, sizeof want, "[%s] to [%s]:8080",
                 plan.places[VICTIM].ip6, plan.places[SERVER].ip6);
        assert_string_equal(seen, want);
    }
    stand_free(net);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A first packet that gets lost is sent again after a second, and every run
 * would begin with that wait. A busy machine may take as long once, not five
 * times out of ten. */
static void the_first_connection_does_not_wait(void **state)
{
    (void)state;
    int slow = 0;
    for (int i = 0; i < 10; i++) {
        struct net_plan plan = stand_plan(NET_SWITCH);
        struct net *net = stand_build(&plan);
        char out[2048];
        double begin = seconds();
        assert_int_equal(task_output(errand(net, "victim", "connect",
                                            plan.places[SERVER].ip4, "1", NULL),
                                     out),
                         ECONNREFUSED << 8);
        slow += seconds() - begin > 0.9;
        stand_free(net);
    }
    assert_in_range(slow, 0, 4);
}

static void nothing_outside_can_be_reached(void **state)
{
    (void)state;
    static const char *const outside[] = {"198.51.100.1", "8.8.8.8", "10.0.0.1",
                                          "2001:4860:4860::8888"};
    static const enum net_topology topologies[] = {NET_SWITCH, NET_HUB,
                                                   NET_LOOPBACK};
    for (size_t t = 0; t < 3; t++) {
        struct net_plan plan = stand_plan(topologies[t]);
        struct net *net = stand_build(&plan);
        for (size_t i = 0; i < 4; i++) {
            char out[2048];
            const char *place = i % 2 ? "attacker" : "victim";
            assert_int_equal(
                task_output(
                    errand(net, place, "connect", outside[i], "80", NULL), out),
                ENETUNREACH << 8);
            assert_int_equal(
                task_output(errand(net, place, "dial", outside[i], "80", NULL),
                            out),
                EXIT_CONTAINMENT << 8);
            assert_non_null(strstr(out, "outside the lab"));
        }
        stand_free(net);
    }
}

static void every_place_knows_that_it_is_inside_the_walls(void **state)
{
    (void)state;
    static const enum net_topology topologies[] = {NET_SWITCH, NET_LOOPBACK};
    static const char *const places[] = {"switch", "victim", "attacker",
                                         "server"};
    for (size_t t = 0; t < 2; t++) {
        struct net_plan plan = stand_plan(topologies[t]);
        struct net *net = stand_build(&plan);
        for (size_t i = 0; i < 4; i++) {
            char out[2048];
            assert_int_equal(
                task_output(errand(net, places[i], "inside", NULL), out), 0);
        }
        stand_free(net);
    }
}

static void a_way_out_or_a_missing_mark_ends_the_trust(void **state)
{
    (void)state;
    struct net_plan plan = stand_plan(NET_SWITCH);
    struct net *net = stand_build(&plan);
    struct err err = ERR_INIT;
    char out[2048], command[600];
    assert_int_equal(task_output(errand(net, "victim", "default",
                                        plan.places[ATTACKER].ip4, NULL),
                                 out),
                     0);
    /* Another network namespace, even below ours, is not the marked one. */
    snprintf(command, sizeof command, "unshare -n %s outside", self_path);
    assert_int_equal(shell(net, "victim", command, out), 0);
    assert_int_equal(net_put(net, "victim", ".netns", "1\n", 2, &err), 0);
    assert_int_equal(task_output(errand(net, "victim", "outside", NULL), out),
                     0);
    stand_free(net);
}

/* ---- who sees what ------------------------------------------------------- */

/* What the attacker sees of a conversation between the others. */
static int foreign_frames(enum net_topology topology)
{
    struct net_plan plan = stand_plan(topology);
    struct net *net = stand_build(&plan);
    char line[512], out[2048], port[8];
    int foreign = -1;
    snprintf(port, sizeof port, "%d", MARKER_PORT);
    struct task watcher = errand(net, "attacker", "watch", "eth0", NULL);
    assert_string_equal(task_line(&watcher, line), "ready");
    converse(net, plan.places[SERVER].ip4, line);
    assert_int_equal(task_output(errand(net, "victim", "say",
                                        plan.places[ATTACKER].ip4, port, NULL),
                                 out),
                     0);
    assert_int_equal(sscanf(task_line(&watcher, line), "%d foreign", &foreign),
                     1);
    assert_int_equal(task_end(&watcher), 0);
    stand_free(net);
    return foreign;
}

static void a_switch_keeps_a_conversation_between_the_two(void **state)
{
    (void)state;
    assert_int_equal(foreign_frames(NET_SWITCH), 0);
}

static void a_hub_lets_everybody_listen(void **state)
{
    (void)state;
    /* SYN, SYN-ACK, ACK, and a FIN from each side at least. */
    assert_true(foreign_frames(NET_HUB) >= 5);
}

static void frames_are_what_a_wire_carries(void **state)
{
    (void)state;
    static const char bulk[] =
        "head -c 300000 /dev/zero | { exec 3<>/dev/tcp/$0/8080; cat >&3; }";
    struct net_plan plan = stand_plan(NET_SWITCH);
    struct net *net = stand_build(&plan);
    char line[512], out[2048], port[8];
    int foreign, wrong = -1, longest = -1;
    snprintf(port, sizeof port, "%d", MARKER_PORT);
    struct task watcher = errand(net, "switch", "watch", "br0", NULL);
    assert_string_equal(task_line(&watcher, line), "ready");
    struct task server = errand(net, "server", "serve", plan.places[SERVER].ip4,
                                "8080", "1", NULL);
    task_line(&server, line);
    const char *const argv[] = {"bash", "-c", bulk, plan.places[SERVER].ip4,
                                NULL};
    /* The server closes without reading, so the writer may fail. */
    task_output(task_start(net, "victim", argv), out);
    assert_int_equal(task_end(&server), 0);
    assert_int_equal(task_output(errand(net, "victim", "say",
                                        plan.places[SERVER].ip4, port, NULL),
                                 out),
                     0);
    assert_int_equal(sscanf(task_line(&watcher, line),
                            "%d foreign, %d wrong, longest %d", &foreign,
                            &wrong, &longest),
                     3);
    assert_int_equal(wrong, 0);
    assert_true(longest > 1000 && longest <= 1514);
    assert_int_equal(task_end(&watcher), 0);
    stand_free(net);
}

static void an_idle_network_is_quiet(void **state)
{
    (void)state;
    struct net_plan plan = stand_plan(NET_SWITCH);
    struct net *net = stand_build(&plan);
    char out[2048];
    task_output(errand(net, "switch", "count", "br0", "1500", NULL), out);
    assert_string_equal(out, "0\n");
    stand_free(net);
}

/* ---- on the path --------------------------------------------------------- */

static struct net *build_with_route(struct net_plan *plan)
{
    *plan = stand_plan(NET_SWITCH);
    plan->routes[plan->routes_count++] =
        (struct net_route){"victim", "server", "attacker"};
    return stand_build(plan);
}

static void the_attacker_answers_only_for_its_own_address(void **state)
{
    (void)state;
    struct net_plan plan;
    struct net *net = build_with_route(&plan);
    char line[512], out[2048], want[512];
    struct task proxy =
        errand(net, "attacker", "intercept", "4", "80", "9", NULL);
    assert_string_equal(task_line(&proxy, line), "ready");
    assert_int_equal(
        task_output(errand(net, "victim", "arp", plan.places[VICTIM].ip4,
                           "192.0.2.1", plan.places[SERVER].ip4,
                           plan.places[ATTACKER].ip4, NULL),
                    out),
        0);
    assert_null(strstr(out, "192.0.2.1 is"));
    for (int i = ATTACKER; i <= SERVER; i++) {
        snprintf(want, sizeof want, "%s is at %s\n", plan.places[i].ip4,
                 plan.places[i].mac);
        assert_non_null(strstr(out, want));
    }
    net_kill(net, proxy.process, SIGKILL);
    task_end(&proxy);
    stand_free(net);
}

/* The victim talks to the server while the attacker watches its own wire. The
 * longest frame of that conversation that passed it; 0: none did. */
static int longest_passing(struct net *net, const struct net_plan *plan)
{
    char seen[512], want[512], line[512], out[2048], port[8];
    snprintf(port, sizeof port, "%d", MARKER_PORT);
    struct task watcher = errand(net, "attacker", "watch", "eth0", NULL);
    assert_string_equal(task_line(&watcher, line), "ready");
    converse(net, plan->places[SERVER].ip4, seen);
    snprintf(want, sizeof want, "%s to %s:8080", plan->places[VICTIM].ip4,
             plan->places[SERVER].ip4);
    assert_string_equal(seen, want);
    assert_int_equal(task_output(errand(net, "victim", "say",
                                        plan->places[ATTACKER].ip4, port, NULL),
                                 out),
                     0);
    int foreign, wrong, longest = 0;
    sscanf(task_line(&watcher, line), "%d foreign, %d wrong, longest %d",
           &foreign, &wrong, &longest);
    assert_int_equal(wrong, 0);
    assert_int_equal(task_end(&watcher), 0);
    return longest;
}

static void the_attacker_forwards_what_it_does_not_want(void **state)
{
    (void)state;
    struct net_plan plan;
    char seen[512];
    struct net *net = build_with_route(&plan);
    assert_true(longest_passing(net, &plan) > 0);
    if (plan.places[SERVER].ip6[0])
        converse(net, plan.places[SERVER].ip6, seen);
    stand_free(net);
}

static void a_straightened_path_leads_past_the_attacker(void **state)
{
    (void)state;
    struct net_plan plan;
    struct err err = ERR_INIT;
    struct net *net = build_with_route(&plan);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(net_bend(net, false, &err), 0);
        assert_int_equal(longest_passing(net, &plan), 0);
        assert_int_equal(net_bend(net, true, &err), 0);
        assert_true(longest_passing(net, &plan) > 0);
    }
    stand_free(net);
}

static void the_attacker_takes_what_its_rules_name(void **state)
{
    (void)state;
    struct net_plan plan;
    struct net *net = build_with_route(&plan);
    for (int six = 0; six < 2; six++) {
        const char *victim =
            six ? plan.places[VICTIM].ip6 : plan.places[VICTIM].ip4;
        const char *server =
            six ? plan.places[SERVER].ip6 : plan.places[SERVER].ip4;
        char line[512], out[2048], want[512];
        if (!*server)
            break;
        struct task proxy = errand(net, "attacker", "intercept",
                                   six ? "6" : "4", "80", "1", NULL);
        assert_string_equal(task_line(&proxy, line), "ready");
        assert_int_equal(
            task_output(errand(net, "victim", "dial", server, "80", NULL), out),
            0);
        snprintf(want, sizeof want, six ? "[%s] to [%s]:80" : "%s to %s:80",
                 victim, server);
        assert_string_equal(task_line(&proxy, line), want);
        assert_int_equal(task_end(&proxy), 0);
        /* Another port is none of its business: the server refuses it. */
        assert_int_equal(
            task_output(errand(net, "victim", "connect", server, "81", NULL),
                        out),
            ECONNREFUSED << 8);
    }
    stand_free(net);
}

/* ---- loopback ------------------------------------------------------------ */

static void on_loopback_a_place_comes_from_its_own_address(void **state)
{
    (void)state;
    struct net_plan plan = stand_plan(NET_LOOPBACK);
    struct net *net = stand_build(&plan);
    const char *to = plan.places[SERVER].ip4;
    char line[512], out[2048], want[512];
    struct task server = errand(net, "server", "serve", to, "443", "2", NULL);
    assert_string_equal(task_line(&server, line), "ready");
    assert_int_equal(
        task_output(errand(net, "attacker", "dial", to, "443", NULL), out), 0);
    snprintf(want, sizeof want, "%s to %s:443", plan.places[ATTACKER].ip4, to);
    assert_string_equal(task_line(&server, line), want);
    /* A program that does not know about that is taken for the victim. */
    assert_int_equal(
        task_output(errand(net, "victim", "connect", to, "443", NULL), out), 0);
    snprintf(want, sizeof want, "%s to %s:443", plan.places[VICTIM].ip4, to);
    assert_string_equal(task_line(&server, line), want);
    assert_int_equal(task_end(&server), 0);
    stand_free(net);
}

static void real_programs_resolve_names_on_every_topology(void **state)
{
    (void)state;
    static const enum net_topology topologies[] = {NET_SWITCH, NET_LOOPBACK};
    for (size_t t = 0; t < 2; t++) {
        struct net_plan plan = stand_plan(topologies[t]);
        struct net *net = stand_build(&plan);
        struct err err = ERR_INIT;
        char hosts[64], out[2048];
        int len = snprintf(hosts, sizeof hosts, "%s bank.lab.test\n",
                           plan.places[SERVER].ip4);
        assert_int_equal(
            net_put(net, "victim", "/etc/hosts", hosts, (size_t)len, &err), 0);
        /* ahosts asks with AI_ADDRCONFIG, as most programs do. */
        assert_int_equal(
            shell(net, "victim", "getent ahosts bank.lab.test", out), 0);
        assert_memory_equal(out, plan.places[SERVER].ip4,
                            strlen(plan.places[SERVER].ip4));
        assert_int_equal(
            shell(net, "victim", "getent ahosts www.example.com", out), 2 << 8);
        stand_free(net);
    }
}

static int look(void **state)
{
    (void)state;
    stand_look();
    return 0;
}

int main(int argc, char **argv)
{
    errand_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_victim_reaches_the_server_by_both_protocols),
        cmocka_unit_test(the_first_connection_does_not_wait),
        cmocka_unit_test(nothing_outside_can_be_reached),
        cmocka_unit_test(every_place_knows_that_it_is_inside_the_walls),
        cmocka_unit_test(a_way_out_or_a_missing_mark_ends_the_trust),
        cmocka_unit_test(a_switch_keeps_a_conversation_between_the_two),
        cmocka_unit_test(a_hub_lets_everybody_listen),
        cmocka_unit_test(frames_are_what_a_wire_carries),
        cmocka_unit_test(an_idle_network_is_quiet),
        cmocka_unit_test(the_attacker_answers_only_for_its_own_address),
        cmocka_unit_test(the_attacker_forwards_what_it_does_not_want),
        cmocka_unit_test(a_straightened_path_leads_past_the_attacker),
        cmocka_unit_test(the_attacker_takes_what_its_rules_name),
        cmocka_unit_test(on_loopback_a_place_comes_from_its_own_address),
        cmocka_unit_test(real_programs_resolve_names_on_every_topology),
    };
    return cmocka_run_group_tests(tests, look, NULL);
}
