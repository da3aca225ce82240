/* SPDX-License-Identifier: MIT
 *
 * mitmlab doctor: what this machine gives a lab, why it withholds the rest,
 * and what helps. Nothing is guessed from versions; everything is tried. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/term.h"
#include "labs/net/probe.h"
#include "labs/net/versions.h"

#include <errno.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A line of the list. */
struct check {
    const char *name;
    const char *what;
    bool ok, walls; /* walls: only hardens, no lab needs it */
    char detail[200];
};

enum { LANDLOCK = PROBE_STEPS, SECCOMP, CHECKS };

struct doctor {
    struct probe_result probes[PROBE_STEPS];
    struct check checks[CHECKS];
    struct version versions[VERSIONS];
    struct probe_cause why;
    bool wired, loopback;
};

static const struct check names[CHECKS] = {
    [PROBE_USER] = {.name = "namespaces",
                    .what = "places of their own, without any privilege"},
    [PROBE_PROC] = {.name = "proc", .what = "a /proc of their own"},
    [PROBE_MOUNT] = {.name = "mounts",
                     .what = "an empty /run, their own table of names"},
    [PROBE_VETH] = {.name = "veth", .what = "cables between places"},
    [PROBE_BRIDGE] = {.name = "bridge", .what = "a switch or a hub"},
    [PROBE_CAPTURE] = {.name = "capture", .what = "recording of the wire"},
    [PROBE_IPV6] = {.name = "ipv6", .what = "IPv6 between places"},
    [LANDLOCK] = {.name = "landlock", .what = "a second wall", .walls = true},
    [SECCOMP] = {.name = "seccomp", .what = "a third wall", .walls = true},
};

/* ---- looking ------------------------------------------------------------- */

static void look_landlock(struct check *check)
{
    /* With this flag, 1, the call only tells its version. */
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    check->ok = version > 0;
    if (check->ok)
        snprintf(check->detail, sizeof check->detail, "ABI %ld", version);
    else
        snprintf(check->detail, sizeof check->detail, "%s", strerror(errno));
}

static void look_seccomp(struct check *check)
{
    /* A filter that is nowhere cannot be read, where filters exist. */
    check->ok =
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno == EFAULT;
    if (!check->ok)
        snprintf(check->detail, sizeof check->detail, "%s", strerror(errno));
}

static void look(struct doctor *it)
{
    probe_run(it->probes);
    memcpy(it->checks, names, sizeof names);
    for (int i = 0; i < PROBE_STEPS; i++) {
        it->checks[i].ok = it->probes[i].ok;
        memcpy(it->checks[i].detail, it->probes[i].detail,
               sizeof it->checks[i].detail);
    }
    look_landlock(&it->checks[LANDLOCK]);
    look_seccomp(&it->checks[SECCOMP]);
    it->loopback = it->probes[PROBE_USER].ok && it->probes[PROBE_PROC].ok &&
                   it->probes[PROBE_MOUNT].ok;
    it->wired = it->loopback && it->probes[PROBE_VETH].ok &&
                it->probes[PROBE_BRIDGE].ok && it->probes[PROBE_CAPTURE].ok;
    if (!it->wired)
        probe_explain(it->probes, &it->why);
    versions_look(it->versions);
}

static bool topology_works(const struct doctor *it, unsigned index,
                           const char **out_name)
{
    const struct {
        const char *name;
        bool works;
    } rows[] = {{"switch", it->wired},
                {"hub", it->wired},
                {"loopback", it->loopback},
                {"bare", true}};
    *out_name = rows[index].name;
    return rows[index].works;
}

enum { TOPOLOGIES = 4 };

/* ---- saying -------------------------------------------------------------- */

/* Why a check is closed, and the fix: of the machine, if a lab needs it. */
static json_t *check_json(const struct doctor *it, const struct check *check)
{
    bool blame = !check->ok && !check->walls && !it->wired;
    json_t *object = json_pack("{s:s, s:s, s:b, s:s, s:b}", "name", check->name,
                               "what", check->what, "ok", check->ok, "detail",
                               check->detail, "needed", !check->walls);
    if (blame) {
        json_object_set_new(object, "cause", json_string(it->why.cause));
        json_object_set_new(object, "fix", json_string(it->why.fix));
    }
    return object;
}

static void say_json(const struct doctor *it)
{
    json_t *checks = json_array(), *topologies = json_array();
    json_t *programs = json_array();
    const char *name;
    for (int i = 0; i < CHECKS; i++)
        json_array_append_new(checks, check_json(it, &it->checks[i]));
    for (unsigned i = 0; i < TOPOLOGIES; i++)
        if (topology_works(it, i, &name))
            json_array_append_new(topologies, json_string(name));
    for (int i = 0; i < VERSIONS; i++) {
        const struct version *version = &it->versions[i];
        json_array_append_new(programs,
                              json_pack("{s:s, s:b, s:s}", "name",
                                        version->name, "found", version->found,
                                        "version", version->number));
    }
    json_t *all = json_pack("{s:i, s:b, s:o, s:o, s:o}", "schema", 1, "ok",
                            it->loopback, "checks", checks, "topologies",
                            topologies, "programs", programs);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(all);
}

static void say_check(const struct term *term, const struct check *check)
{
    char text[512], head[64];
    snprintf(head, sizeof head, "  %s%-6s" TERM_PLAIN "  %-10s ",
             check->ok ? TERM_GOOD : TERM_BAD, check->ok ? "ok" : "closed",
             check->name);
    snprintf(text, sizeof text, "%s%s%s%s", check->what,
             check->detail[0] ? " (" : "", check->detail,
             check->detail[0] ? ")" : "");
    term_flow(stdout, term, text, 0, head);
}

static void say_why(const struct term *term, const struct doctor *it)
{
    char text[600];
    snprintf(text, sizeof text, "The cause: %s.", it->why.cause);
    putchar('\n');
    term_flow(stdout, term, text, 0, "");
    /* On a line of its own and unbroken: it is there to be copied. */
    printf("What helps:\n  %s\n", it->why.fix);
}

static void say_topologies(const struct doctor *it)
{
    const char *name;
    printf("\nTopologies:");
    for (unsigned i = 0; i < TOPOLOGIES; i++)
        if (topology_works(it, i, &name))
            printf(" %s", name);
    putchar('\n');
    if (!it->loopback)
        printf("Labs can be run with --bare, with our own victims only.\n");
}

static void say_programs(const struct doctor *it)
{
    printf("\nPrograms that labs can use, all optional:\n");
    for (int i = 0; i < VERSIONS; i++) {
        const struct version *version = &it->versions[i];
        printf("  %-9s %s\n", version->name,
               !version->found      ? "not installed"
               : version->number[0] ? version->number
                                    : "installed");
    }
}

static void say(const struct doctor *it)
{
    struct term term;
    term_look(&term, 1);
    printf("This machine gives a lab:\n");
    for (int i = 0; i < CHECKS; i++)
        say_check(&term, &it->checks[i]);
    if (!it->wired)
        say_why(&term, it);
    say_topologies(it);
    say_programs(it);
}

int cmd_doctor(int argc, char **argv)
{
    bool json = false, helped = false;
    struct arguments rest = {0};
    struct err err = ERR_INIT;
    struct doctor doctor = {0};
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    if (options_parse(command_find("doctor"), table, argc, argv, &rest, &helped,
                      &err) < 0)
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count > 0) {
        err_code(&err, EXIT_USAGE, "doctor takes no argument, such as \"%s\"",
                 rest.items[0]);
        return cli_fail(&err);
    }
    look(&doctor);
    if (json)
        say_json(&doctor);
    else
        say(&doctor);
    return doctor.loopback ? EXIT_OK : EXIT_MACHINE;
}
