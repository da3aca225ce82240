/* SPDX-License-Identifier: MIT
 *
 * What the tests of the network share: build one, run programs at its places
 * and read what they say. The programs are this test itself, started again
 * with the name of an errand and its arguments (net_errand.h). */
#ifndef TESTS_LABS_NET_STAND_H
#define TESTS_LABS_NET_STAND_H

#include "labs/net/net.h"
#include "labs/net/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/need.h"

/* cmocka calls it through pointers, so each test file uses what it needs. */
#define STAND __attribute__((unused)) static

STAND char self_path[512];
STAND bool machine_gives_namespaces;

STAND void stand_look(void)
{
    struct err err = ERR_INIT;
    ssize_t len = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
    self_path[len > 0 ? len : 0] = '\0';
    machine_gives_namespaces = net_probe(&err) == 0;
    if (!machine_gives_namespaces)
        printf("skipping what needs namespaces: %s\n", err.text);
}

STAND void need_namespaces(void)
{
    need(machine_gives_namespaces, "namespaces to give");
}

STAND struct net_plan stand_plan(enum net_topology topology)
{
    struct net_plan plan = {
        .topology = topology,
        .seed = 7,
        .places = {{.name = "victim"},
                   {.name = "attacker"},
                   {.name = "server"}},
        .places_count = 3,
    };
    return plan;
}

STAND struct net *stand_build(struct net_plan *plan)
{
    struct net *net = NULL;
    struct err err = ERR_INIT;
    if (plan->topology != NET_BARE)
        need_namespaces();
    if (net_build(plan, &net, &err) < 0)
        fail_msg("net_build: %s", err.text);
    return net;
}

/* A program under way, with our end of its stdout. */
struct task {
    struct net *net;
    int process, out;
};

STAND struct task task_start(struct net *net, const char *place,
                             const char *const *argv)
{
    int out[2];
    struct err err = ERR_INIT;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    const struct net_command command = {
        .argv = argv, .fds = {-1, out[1], 2}, .events_fd = -1};
    struct task task = {net, net_start(net, place, &command, &err), out[0]};
    close(out[1]);
    if (task.process < 0)
        fail_msg("net_start: %s", err.text);
    return task;
}

/* errand(net, "victim", "dial", "server", "80", NULL) */
STAND struct task errand(struct net *net, const char *place, ...)
{
    const char *argv[12] = {self_path};
    va_list words;
    va_start(words, place);
    for (int i = 1; i < 11 && (argv[i] = va_arg(words, const char *)); i++)
        ;
    va_end(words);
    return task_start(net, place, argv);
}

/* The next line that a task prints, without its end; "" when it has none. */
STAND const char *task_line(struct task *task, char line[512])
{
    size_t len = 0;
    while (len < 511 && read(task->out, line + len, 1) == 1 &&
           line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

/* Endings come in the order of the ends; those not asked for yet wait here. */
STAND int ended[4096];

STAND int task_end(struct task *task)
{
    struct pollfd ready = {.fd = net_wait_fd(task->net), .events = POLLIN};
    int process, status;
    while (ended[task->process] == 0) {
        assert_int_equal(poll(&ready, 1, 30000), 1);
        while (net_reap(task->net, &process, &status))
            ended[process] = status + 1;
    }
    status = ended[task->process] - 1;
    ended[task->process] = 0;
    close(task->out);
    return status;
}

/* Run it to its end; everything that it prints. */
STAND int task_output(struct task task, char out[2048])
{
    size_t len = 0;
    ssize_t got;
    while ((got = read(task.out, out + len, 2047 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    return task_end(&task);
}

STAND int shell(struct net *net, const char *place, const char *script,
                char out[2048])
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return task_output(task_start(net, place, argv), out);
}

STAND void stand_free(struct net *net)
{
    net_free(net);
    memset(ended, 0, sizeof ended);
}

#endif
