/* SPDX-License-Identifier: MIT
 *
 * Requests to the kernel, in a network namespace of the test's own. Skipped
 * where the machine gives none. */
#include "proxy/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/need.h"

static const struct in_addr here4 = {0x010200c0}; /* 192.0.2.1 */
static const struct in_addr there4 = {0x090200c0};
static const struct in6_addr here6 = {
    {{0x20, 0x01, 0x0d, 0xb8, 0, 0x66, [15] = 1}}};

/* A step answers NULL, or the sentence of what went wrong. */
static const char *links_and_addresses(int fd, struct err *err)
{
    if (netlink_veth_add(fd, "one", (const unsigned char *)"\2\x66\1\2\3\4",
                         "two", 0, err) < 0 ||
        netlink_link_up(fd, "lo", NULL, err) < 0 ||
        netlink_link_up(fd, "one", NULL, err) < 0 ||
        netlink_link_mtu(fd, "lo", 1500, err) < 0 ||
        netlink_link_add(fd, "br", "bridge", err) < 0 ||
        netlink_link_up(fd, "two", "br", err) < 0 ||
        netlink_address_add(fd, "one", AF_INET, &here4, 24, err) < 0 ||
        netlink_address_add(fd, "one", AF_INET6, &here6, 64, err) < 0)
        return err->text;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = here4};
    struct sockaddr_in6 own6 = {.sin6_family = AF_INET6, .sin6_addr = here6};
    int one = socket(AF_INET, SOCK_DGRAM, 0),
        six = socket(AF_INET6, SOCK_DGRAM, 0);
    bool bound = bind(one, (struct sockaddr *)&own, sizeof own) == 0 &&
                 bind(six, (struct sockaddr *)&own6, sizeof own6) == 0;
    close(one);
    close(six);
    return bound ? NULL : "an address cannot be bound to at once";
}

static const char *routes_and_rules(int fd, struct err *err)
{
    struct netlink_route route = {
        .family = AF_INET, .destination = &there4, .bits = 32, .device = "lo"};
    struct netlink_route local = {
        .family = AF_INET6, .device = "lo", .table = 66, .type = RTN_LOCAL};
    struct netlink_rule rule = {.family = AF_INET6,
                                .from_device = "eth0",
                                .protocol = IPPROTO_TCP,
                                .port = 443,
                                .table = 66,
                                .priority = 66};
    if (netlink_link_up(fd, "lo", NULL, err) < 0 ||
        netlink_route_add(fd, &route, err) < 0 ||
        netlink_route_add(fd, &route, err) < 0 ||
        netlink_route_del(fd, &route, err) < 0 ||
        netlink_route_add(fd, &local, err) < 0 ||
        netlink_rule_add(fd, &rule, err) < 0)
        return err->text;
    if (netlink_rule_add(fd, &rule, err) == 0 || errno != EEXIST)
        return "the same rule was added twice";
    if (netlink_rule_del(fd, &rule, err) < 0)
        return err->text;
    return netlink_rule_del(fd, &rule, err) == 0 ? "a rule was left" : NULL;
}

static const char *refusals(int fd, struct err *err)
{
    struct netlink_route far = {.family = AF_INET,
                                .destination = &there4,
                                .bits = 32,
                                .gateway = &here4};
    if (netlink_link_up(fd, "none", NULL, err) == 0 || errno != ENODEV ||
        !strstr(err->text, "none"))
        return "an unknown link was brought up";
    if (netlink_route_add(fd, &far, err) == 0 || errno != ENETUNREACH ||
        !strstr(err->text, "gateway"))
        return "the kernel's words are missing";
    return netlink_sysctl("ipv4/no_such_switch", "1", err) == 0 ? "a switch"
                                                                : NULL;
}

/* Run a step in a child with a namespace of its own. */
static void in_namespace(const char *(*step)(int fd, struct err *err))
{
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = ERR_INIT;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
            _exit(77);
        int fd = netlink_open(&err);
        const char *wrong = fd < 0 ? err.text : step(fd, &err);
        if (wrong)
            dprintf(2, "%s\n", wrong);
        _exit(wrong ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    need(!WIFEXITED(status) || WEXITSTATUS(status) != 77, "namespaces to give");
    assert_int_equal(status, 0);
}

static void links_get_addresses_that_work_at_once(void **state)
{
    (void)state;
    in_namespace(links_and_addresses);
}

static void routes_and_rules_come_and_go(void **state)
{
    (void)state;
    in_namespace(routes_and_rules);
}

static void a_refusal_carries_the_name_and_the_words_of_the_kernel(void **state)
{
    (void)state;
    in_namespace(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_get_addresses_that_work_at_once),
        cmocka_unit_test(routes_and_rules_come_and_go),
        cmocka_unit_test(
            a_refusal_carries_the_name_and_the_words_of_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
