/* SPDX-License-Identifier: MIT
 *
 * A child does what a keeper and a place do, step by step, and reports each
 * step on a pipe; the parent finds out why one failed. */
#include "labs/net/probe.h"

#include "labs/net/keeper.h"
#include "labs/net/mounts.h"
#include "proxy/base/netlink.h"
#include "proxy/capture/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char needs[] = "needs namespaces";

/* ---- in the child -------------------------------------------------------- */

static int try_veth(int netlink, struct err *err)
{
    return netlink_veth_add(netlink, "eth0", NULL, "peer", 0, err) < 0 ||
                   netlink_link_up(netlink, "eth0", NULL, err) < 0 ||
                   netlink_link_up(netlink, "peer", NULL, err) < 0
               ? -1
               : 0;
}

static int try_bridge(int netlink, struct err *err)
{
    return netlink_link_add(netlink, "br0", "bridge", err) < 0 ||
                   netlink_link_up(netlink, "peer", "br0", err) < 0
               ? -1
               : 0;
}

static int try_capture(int netlink, struct err *err)
{
    struct raw *raw;
    (void)netlink;
    if (raw_open("eth0", &raw, err))
        return -1;
    raw_close(raw);
    return 0;
}

static int try_ipv6(int netlink, struct err *err)
{
    struct in6_addr address;
    inet_pton(AF_INET6, "2001:db8:66::1", &address);
    return netlink_address_add(netlink, "eth0", AF_INET6, &address, 64, err);
}

static int try_proc(int netlink, struct err *err)
{
    (void)netlink;
    return mounts_detach(err);
}

static int try_mount(int netlink, struct err *err)
{
    (void)netlink;
    return mounts_make(err);
}

static int (*const steps[PROBE_STEPS])(int netlink, struct err *err) = {
    [PROBE_PROC] = try_proc,       [PROBE_MOUNT] = try_mount,
    [PROBE_VETH] = try_veth,       [PROBE_BRIDGE] = try_bridge,
    [PROBE_CAPTURE] = try_capture, [PROBE_IPV6] = try_ipv6,
};

static void try_all(int report, uid_t uid, gid_t gid)
{
    struct probe_result results[PROBE_STEPS] = {0};
    struct err err = ERR_INIT;
    int netlink = -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int rc = keeper_map_user(uid, gid, &err);
    if (rc == 0)
        rc = (netlink = netlink_open(&err)) < 0 ? -1 : 0;
    for (int i = 0; i < PROBE_STEPS; i++) {
        if (steps[i] && netlink >= 0)
            rc = steps[i](netlink, &err);
        results[i].ok = rc == 0;
        if (rc < 0)
            snprintf(results[i].detail, sizeof results[i].detail, "%.199s",
                     netlink < 0 && i > PROBE_USER ? needs : err.text);
    }
    if (write(report, results, sizeof results) < 0)
        _exit(1);
    _exit(0);
}

/* ---- in the parent ------------------------------------------------------- */

/* Nothing could be tried; the first line says why. */
static void none_tried(struct probe_result out[PROBE_STEPS], const char *why)
{
    for (int i = 0; i < PROBE_STEPS; i++) {
        out[i].ok = false;
        snprintf(out[i].detail, sizeof out[i].detail, "%s",
                 i == PROBE_USER ? why : needs);
    }
}

void probe_run(struct probe_result out[PROBE_STEPS])
{
    int report[2];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    none_tried(out, "the trial ended without a word");
    if (pipe2(report, O_CLOEXEC) < 0) {
        none_tried(out, strerror(errno));
        return;
    }
    fflush(NULL);
    pid_t pid = keeper_clone();
    if (pid == 0)
        try_all(report[1], uid, gid);
    close(report[1]);
    if (pid < 0) {
        char why[160];
        snprintf(why, sizeof why, "clone3: %s", strerror(errno));
        none_tried(out, why);
    } else {
        /* Nobody waits for a machine that hangs. As process 1 of its namespace
         * the child would not heed an alarm of its own. */
        struct pollfd ready = {.fd = report[0], .events = POLLIN};
        struct probe_result got[PROBE_STEPS];
        if (poll(&ready, 1, 10000) == 1 &&
            read(report[0], got, sizeof got) == sizeof got)
            memcpy(out, got, sizeof got);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    close(report[0]);
}

/* ---- why ----------------------------------------------------------------- */

/* The number in a file of /proc/sys; `missing` where there is none. */
static long sysctl_number(const char *path, long missing)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return missing;
    char *got = fgets(text, sizeof text, file);
    fclose(file);
    return got ? strtol(text, NULL, 10) : missing;
}

static bool in_container(void)
{
    return access("/.dockerenv", F_OK) == 0 ||
           access("/run/.containerenv", F_OK) == 0 || getenv("container") ||
           getenv("KUBERNETES_SERVICE_HOST");
}

static bool first_failed(const struct probe_result *results)
{
    return !results[PROBE_USER].ok;
}

static bool none_left(const struct probe_result *results)
{
    (void)results;
    return sysctl_number("/proc/sys/user/max_user_namespaces", 1) == 0 ||
           sysctl_number("/proc/sys/user/max_net_namespaces", 1) == 0;
}

static bool debian_closed(const struct probe_result *results)
{
    (void)results;
    return sysctl_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0;
}

static bool apparmor_closed(const struct probe_result *results)
{
    (void)results;
    return sysctl_number(
               "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) ==
           1;
}

static bool container_closed(const struct probe_result *results)
{
    (void)results;
    return in_container();
}

static bool no_user_namespaces(const struct probe_result *results)
{
    return first_failed(results) && access("/proc/self/ns/user", F_OK) < 0;
}

static bool no_device(const struct probe_result *results)
{
    return results[PROBE_MOUNT].ok &&
           (!results[PROBE_VETH].ok || !results[PROBE_BRIDGE].ok);
}

static bool anything(const struct probe_result *results)
{
    (void)results;
    return true;
}

/* The first row that holds is the cause. Settings that close the door for
 * everybody come before those that may have nothing to do with it. */
static const struct {
    bool (*holds)(const struct probe_result *results);
    const char *cause, *fix;
} causes[] = {
    {no_user_namespaces, "the kernel has no user namespaces (CONFIG_USER_NS)",
     "boot a distribution's kernel, or use --bare"},
    {none_left,
     "user.max_user_namespaces or user.max_net_namespaces is 0 (a hardened "
     "machine)",
     "sudo sysctl -w user.max_user_namespaces=15000 "
     "user.max_net_namespaces=15000"},
    {debian_closed, "kernel.unprivileged_userns_clone is 0",
     "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
    {apparmor_closed,
     "AppArmor keeps programs without a profile from using user namespaces "
     "(Ubuntu 23.10 and later)",
     "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
    {container_closed,
     "the container's seccomp filter, AppArmor profile or masked /proc "
     "forbids it",
     "docker run --security-opt seccomp=unconfined --security-opt "
     "apparmor=unconfined --security-opt systempaths=unconfined ..."},
    {no_device, "the kernel has no veth or bridge devices",
     "sudo modprobe -a veth bridge"},
    {first_failed,
     "the kernel, or a sandbox around us, refuses a user "
     "namespace",
     "ask who runs this machine, or use --bare"},
    {anything, "something around us forbids it", "use --bare"},
};

void probe_explain(const struct probe_result results[PROBE_STEPS],
                   struct probe_cause *out)
{
    size_t i = 0;
    while (!causes[i].holds(results))
        i++;
    snprintf(out->cause, sizeof out->cause, "%s", causes[i].cause);
    snprintf(out->fix, sizeof out->fix, "%s", causes[i].fix);
}

int net_probe(struct err *err)
{
    struct probe_result results[PROBE_STEPS];
    struct probe_cause why;
    probe_run(results);
    for (int i = 0; i < PROBE_IPV6; i++) {
        if (results[i].ok)
            continue;
        probe_explain(results, &why);
        err_code(err, EXIT_MACHINE,
                 "no namespaces here: %s (%s). What helps: %s", why.cause,
                 results[i].detail, why.fix);
        return -1;
    }
    return 0;
}
