/* SPDX-License-Identifier: MIT
 *
 * Places, programs at them, and their end: what labs/net/net.h promises on
 * every topology. The wire has a test of its own, net_wire_test.c. */
#include "tests/labs/net_errand.h"
#include "tests/labs/net_stand.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

/* A folder for what a bare net keeps; the test removes it. */
static char work_dir[64];

static struct net_plan plan_of(enum net_topology topology)
{
    struct net_plan plan = stand_plan(topology);
    plan.work_dir = work_dir;
    return plan;
}

/* ---- plans --------------------------------------------------------------- */

static void
the_same_seed_gives_the_same_addresses_and_another_does_not(void **s)
{
    (void)s;
    struct net_plan one = plan_of(NET_SWITCH), same = one, other = one;
    other.seed = 8;
    stand_free(stand_build(&one));
    stand_free(stand_build(&same));
    stand_free(stand_build(&other));
    for (int i = 0; i < 3; i++) {
        assert_string_equal(one.places[i].ip4, same.places[i].ip4);
        assert_string_equal(one.places[i].mac, same.places[i].mac);
        assert_string_not_equal(one.places[i].mac, other.places[i].mac);
        assert_string_not_equal(one.places[i].ip4, one.places[(i + 1) % 3].ip4);
    }
}

static void a_plan_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",   "switch", "Victim",           "a place",
        "lo", "../up",  "sixteen-letters-", "server"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct net_plan plan = plan_of(NET_BARE);
        struct net *net = NULL;
        struct err err = ERR_INIT;
        plan.places[0].name = bad[i];
        assert_int_equal(net_build(&plan, &net, &err), -1);
        assert_int_equal(err.code, EXIT_LAB_INVALID);
    }
    struct net_plan plan = plan_of(NET_BARE);
    struct net *net = NULL;
    struct err err = ERR_INIT;
    plan.routes[plan.routes_count++] =
        (struct net_route){"victim", "server", "stranger"};
    assert_int_equal(net_build(&plan, &net, &err), -1);
    assert_non_null(strstr(err.text, "stranger"));
}

/* ---- what holds on every topology ---------------------------------------- */

static void programs_end_as_they_end(struct net *net)
{
    static const struct {
        const char *script;
        int status;
    } rows[] = {{"exit 0", 0},
                {"exit 7", 7 << 8},
                {"kill -9 $$", 9},
                {"kill -15 $$", 15}};
    char out[2048];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(shell(net, "victim", rows[i].script, out),
                         rows[i].status);
    assert_int_equal(shell(net, "server", "echo hello; echo world", out), 0);
    assert_string_equal(out, "hello\nworld\n");
}

static void programs_get_what_they_need_and_no_more(struct net *net)
{
    char out[2048], want[512];
    snprintf(want, sizeof want, "%s\n%s\nserver\n0 1 2 3 ",
             net_dir(net, "server"), net_dir(net, "server"));
    assert_int_equal(shell(net, "server",
                           "pwd; echo $HOME; echo $MITMLAB_PLACE;"
                           "for fd in /proc/$$/fd/*; do echo -n "
                           "\"${fd##*/} \"; done",
                           out),
                     0);
    /* One descriptor more is the shell's own; "3" or "10" as it likes. */
    out[strlen(want) - 2] = '\0';
    want[strlen(want) - 2] = '\0';
    assert_string_equal(out, want);
    assert_int_equal(shell(net, "server",
                           "grep -E 'Sig(Blk|Ign|Cgt)|Core|"
                           "NoNewPrivs' /proc/self/status; "
                           "ulimit -c; umask",
                           out),
                     0);
    assert_non_null(strstr(out, "SigBlk:\t0000000000000000\n"));
    assert_non_null(strstr(out, "SigIgn:\t0000000000000000\n"));
    assert_non_null(strstr(out, "NoNewPrivs:\t1\n"));
    assert_non_null(strstr(out, "\n0\n0077\n"));
}

static void the_environment_is_clean_and_ours_wins(struct net *net)
{
    static const char *const argv[] = {"env", NULL};
    static const char *const env[] = {"HOME=/elsewhere", "CANARY=a b=c", NULL};
    char out[2048];
    int pipes[2];
    struct err err = ERR_INIT;
    setenv("LD_PRELOAD_CANARY", "1", 1);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    const struct net_command command = {.argv = argv,
                                        .env = env,
                                        .fds = {-1, pipes[1], -1},
                                        .events_fd = pipes[1]};
    struct task task = {net, net_start(net, "victim", &command, &err),
                        pipes[0]};
    close(pipes[1]);
    assert_true(task.process > 0);
    assert_int_equal(task_output(task, out), 0);
    assert_non_null(strstr(out, "HOME=/elsewhere\n"));
    assert_non_null(strstr(out, "CANARY=a b=c\n"));
    assert_non_null(strstr(out, "MITMLAB_EVENTS_FD=3\n"));
    assert_non_null(strstr(out, "LC_ALL=C.UTF-8\n"));
    assert_null(strstr(out, "LD_PRELOAD_CANARY"));
    unsetenv("LD_PRELOAD_CANARY");
}

static void events_go_to_the_descriptor_that_is_named(struct net *net)
{
    static const char *const argv[] = {"sh", "-c",
                                       "echo event >&$MITMLAB_EVENTS_FD", NULL};
    char line[512];
    int pipes[2];
    struct err err = ERR_INIT;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    const struct net_command command = {
        .argv = argv, .fds = {-1, -1, 2}, .events_fd = pipes[1]};
    struct task task = {net, net_start(net, "victim", &command, &err),
                        pipes[0]};
    close(pipes[1]);
    assert_string_equal(task_line(&task, line), "event");
    assert_int_equal(task_end(&task), 0);
}

static void what_cannot_run_is_said_at_once(struct net *net)
{
    static const char *const none[] = {"no-such-program-here", NULL};
    static const char *const folder[] = {"/", NULL};
    static const char *const sleeper[] = {"sleep", "1000", NULL};
    struct err err = ERR_INIT;
    struct net_command command = {
        .argv = none, .fds = {-1, -1, -1}, .events_fd = -1};
    assert_int_equal(net_start(net, "victim", &command, &err), -1);
    assert_non_null(strstr(err.text, "not installed"));
    command.argv = folder;
    assert_int_equal(net_start(net, "victim", &command, &err), -1);
    command.argv = sleeper;
    assert_int_equal(net_start(net, "nowhere", &command, &err), -1);
    assert_int_equal(err.code, EXIT_LAB_INVALID);
    assert_int_equal(net_kill(net, 3999, SIGTERM), -1);
    assert_int_equal(net_kill(net, 0, SIGTERM), -1);
}

static void a_signal_reaches_the_process_and_death_its_children(struct net *net)
{
    static const char *const argv[] = {"sh", "-c", "sleep 1000 & echo $!; wait",
                                       NULL};
    char line[512], script[700], out[2048];
    for (int i = 0; i < 2; i++) {
        struct task task = task_start(net, "victim", argv);
        task_line(&task, line);
        assert_int_equal(net_kill(net, task.process, i ? SIGKILL : SIGTERM), 0);
        assert_int_equal(task_end(&task), i ? SIGKILL : SIGTERM);
        assert_int_equal(net_kill(net, task.process, SIGTERM), -1);
        /* The signal is on its way, and a zombie that nobody has collected
         * yet is as dead as can be. */
        snprintf(script, sizeof script,
                 "for i in $(seq 500); do "
                 "grep -qs '^State:.[^ZX]' /proc/%s/status || exit 0; "
                 "sleep 0.02; done; exit 1",
                 line);
        assert_int_equal(shell(net, "victim", script, out), 0);
    }
}

static void files_are_put_whole_and_only_where_they_belong(struct net *net)
{
    static const char *const bad[] = {"../up", "a/../../up", "/etc/passwd", "",
                                      "a//b",  "/tmp/x",     ".."};
    char out[2048], big[70000];
    struct err err = ERR_INIT;
    memset(big, 'x', sizeof big);
    assert_int_equal(net_put(net, "victim", "trust.pem", "one", 3, &err), 0);
    assert_int_equal(net_put(net, "victim", "trust.pem", "two", 3, &err), 0);
    assert_int_equal(
        net_put(net, "victim", "deep/er/key", big, sizeof big, &err), 0);
    assert_int_equal(net_put(net, "victim", "empty", "", 0, &err), 0);
    assert_int_equal(shell(net, "victim",
                           "cat $HOME/trust.pem; echo; wc -c <deep/er/key;"
                           "wc -c <empty; stat -c %a trust.pem deep deep/er",
                           out),
                     0);
    assert_string_equal(out, "two\n70000\n0\n600\n700\n700\n");
    assert_int_equal(shell(net, "server", "cat trust.pem 2>&1", out), 1 << 8);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (net_put(net, "victim", bad[i], "x", 1, &err) == 0)
            fail_msg("\"%s\" was written", bad[i]);
}

static void each_place_has_its_own_table_of_names(struct net *net)
{
    static const char one[] = "192.0.2.77 bank.lab.test\n127.0.0.1 localhost\n";
    static const char two[] = "192.0.2.78 bank.lab.test\n";
    char out[2048];
    struct err err = ERR_INIT;
    assert_int_equal(
        net_put(net, "victim", "/etc/hosts", one, sizeof one - 1, &err), 0);
    assert_int_equal(
        net_put(net, "server", "/etc/hosts", two, sizeof two - 1, &err), 0);
    assert_int_equal(shell(net, "victim", "cat $MITMLAB_HOSTS", out), 0);
    assert_string_equal(out, one);
    assert_int_equal(shell(net, "server", "cat $MITMLAB_HOSTS", out), 0);
    assert_string_equal(out, two);
}

static void a_shell_gets_a_terminal_of_its_own(struct net *net)
{
    static const char *const argv[] = {"sh", "-c", "echo mine >/dev/tty", NULL};
    char said[64];
    struct err err = ERR_INIT;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    const struct net_command command = {.argv = argv,
                                        .fds = {slave, slave, slave},
                                        .events_fd = -1,
                                        .terminal = true};
    struct task task = {net, net_start(net, "victim", &command, &err), master};
    assert_true(task.process > 0);
    assert_int_equal(read(master, said, sizeof said), 6);
    assert_memory_equal(said, "mine\r\n", 6);
    close(slave);
    assert_int_equal(task_end(&task), 0);
}

static void (*const promises[])(struct net *net) = {
    programs_end_as_they_end,
    programs_get_what_they_need_and_no_more,
    the_environment_is_clean_and_ours_wins,
    events_go_to_the_descriptor_that_is_named,
    what_cannot_run_is_said_at_once,
    a_shell_gets_a_terminal_of_its_own,
    a_signal_reaches_the_process_and_death_its_children,
    files_are_put_whole_and_only_where_they_belong,
    each_place_has_its_own_table_of_names,
};

static void all_promises(enum net_topology topology)
{
    struct net_plan plan = plan_of(topology);
    struct net *net = stand_build(&plan);
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
        promises[i](net);
    stand_free(net);
}

static void programs_and_files_behave_on_a_switch(void **state)
{
    (void)state;
    all_promises(NET_SWITCH);
}

static void programs_and_files_behave_on_loopback(void **state)
{
    (void)state;
    all_promises(NET_LOOPBACK);
}

static void programs_and_files_behave_without_namespaces(void **state)
{
    (void)state;
    all_promises(NET_BARE);
}

/* ---- numbers ------------------------------------------------------------- */

static void a_thousand_programs_start_and_end(void **state)
{
    (void)state;
    static const char *const argv[] = {"true", NULL};
    struct net_plan plan = plan_of(NET_SWITCH);
    struct net *net = stand_build(&plan);
    struct pollfd ready = {.fd = net_wait_fd(net), .events = POLLIN};
    struct err err = ERR_INIT;
    const struct net_command command = {
        .argv = argv, .fds = {-1, -1, -1}, .events_fd = -1};
    int left = 1000, process, status;
    for (int i = 1; i <= 1000; i++)
        assert_int_equal(
            net_start(net, i % 2 ? "victim" : "switch", &command, &err), i);
    while (left > 0) {
        assert_int_equal(poll(&ready, 1, 30000), 1);
        for (; net_reap(net, &process, &status); left--) {
            assert_int_equal(status, 0);
            assert_int_equal(ended[process]++, 0);
        }
    }
    stand_free(net);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void three_places_stand_in_a_moment(void **state)
{
    (void)state;
    double took[21];
    for (int i = 0; i < 21; i++) {
        struct net_plan plan = plan_of(NET_SWITCH);
        double begin = now_ms();
        struct net *net = stand_build(&plan);
        took[i] = now_ms() - begin;
        stand_free(net);
    }
    qsort(took, 21, sizeof *took, by_size);
    print_message("three places: %.1f ms (median of 21), worst %.1f ms\n",
                  took[10], took[20]);
}

static void two_nets_do_not_meet(void **state)
{
    (void)state;
    struct net_plan plan = plan_of(NET_SWITCH), same = plan;
    struct net *one = stand_build(&plan), *two = stand_build(&same);
    char line[512], out[2048];
    struct task server =
        errand(one, "server", "serve", plan.places[2].ip4, "80", "1", NULL);
    assert_string_equal(task_line(&server, line), "ready");
    struct task stranger =
        errand(two, "victim", "connect", plan.places[2].ip4, "80", NULL);
    assert_int_equal(task_output(stranger, out), ECONNREFUSED << 8);
    struct task victim =
        errand(one, "victim", "dial", plan.places[2].ip4, "80", NULL);
    assert_int_equal(task_output(victim, out), 0);
    assert_int_equal(task_end(&server), 0);
    net_free(one);
    stand_free(two);
}

static void two_bare_nets_have_addresses_of_their_own(void **state)
{
    (void)state;
    struct net_plan plan = plan_of(NET_BARE), same = plan;
    struct net *one = stand_build(&plan), *two = stand_build(&same);
    assert_memory_equal(plan.places[0].ip4, "127.66.", 7);
    assert_string_not_equal(plan.places[0].ip4, same.places[0].ip4);
    net_free(one);
    stand_free(two);
}

/* ---- the end ------------------------------------------------------------- */

static unsigned mounts(void)
{
    unsigned lines = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* A runner that is killed after `microseconds`, wherever that finds it. */
static void run_and_be_killed(enum net_topology topology, unsigned microseconds)
{
    pid_t runner = fork();
    assert_true(runner >= 0);
    if (runner == 0) {
        static const char *const argv[] = {"sleep", "1000", NULL};
        struct net_plan plan = plan_of(topology);
        struct net *net = NULL;
        struct err err = ERR_INIT;
        const struct net_command command = {
            .argv = argv, .fds = {-1, -1, -1}, .events_fd = -1};
        if (net_build(&plan, &net, &err) < 0)
            _exit(1);
        for (int i = 0; i < 3; i++)
            net_start(net, plan.places[i].name, &command, &err);
        for (;;)
            pause();
    }
    usleep(microseconds);
    kill(runner, SIGKILL);
}

/* As a subreaper this process inherits whoever is left, and sees them end. */
static void expect_nobody_left(void)
{
    for (int i = 0; i < 3000; i++) {
        pid_t gone = waitpid(-1, NULL, WNOHANG);
        if (gone < 0 && errno == ECHILD)
            return;
        if (gone == 0)
            usleep(10000);
    }
    fail_msg("a process outlived its runner");
}

static void a_killed_runner_leaves_nothing(void **state)
{
    (void)state;
    unsigned before = mounts();
    need_namespaces();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (unsigned i = 0; i < 50; i++) {
        run_and_be_killed(i % 5 ? NET_SWITCH : NET_LOOPBACK, i * 1000);
        expect_nobody_left();
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    assert_int_equal(mounts(), before);
}

static void a_killed_bare_runner_leaves_no_process(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (unsigned i = 0; i < 20; i++) {
        run_and_be_killed(NET_BARE, i * 500);
        expect_nobody_left();
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void a_place_that_dies_ends_the_net_and_that_is_told(void **state)
{
    (void)state;
    static const char *const sleeper[] = {"sleep", "1000", NULL};
    struct net_plan plan = plan_of(NET_SWITCH);
    struct net *net = stand_build(&plan);
    struct task one = task_start(net, "server", sleeper);
    struct err err = ERR_INIT;
    /* Root there can kill the init of its own place, here: the parent; not
     * before that has answered that the program runs. */
    static const char *const killer[] = {
        "sh", "-c", "until [ -e go ]; do :; done; kill -9 $PPID", NULL};
    struct task two = task_start(net, "victim", killer);
    net_put(net, "victim", "go", "", 0, &err);
    assert_int_equal(task_end(&one), SIGKILL);
    assert_int_equal(task_end(&two), SIGKILL);
    assert_int_equal(net_put(net, "server", "x", "x", 1, &err), -1);
    stand_free(net);
}

static bool write_once(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = write(fd, text, strlen(text)) > 0;
    close(fd);
    return written;
}

/* As root of a user namespace of our own. */
static bool become_root(void)
{
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", getuid());
    snprintf(groups, sizeof groups, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_once("/proc/self/uid_map", users) &&
           write_once("/proc/self/setgroups", "deny") &&
           write_once("/proc/self/gid_map", groups);
}

/* In a process with an empty /etc: build a net and give it a table of names.
 * Returns the exit code of `test -s /etc/hosts` at the victim; > 1: an error.
 */
static int hosts_on_an_empty_etc(void)
{
    static const char *const argv[] = {"test", "-s", "/etc/hosts", NULL};
    struct net_plan plan = stand_plan(NET_LOOPBACK);
    struct net *net = NULL;
    struct err err = ERR_INIT;
    int process, status = 0;
    if (!become_root() || mount("etc", "/etc", "tmpfs", 0, NULL) < 0)
        return 99;
    if (net_build(&plan, &net, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 98;
    }
    const struct net_command command = {
        .argv = argv, .fds = {-1, -1, 2}, .events_fd = -1};
    if (net_start(net, "victim", &command, &err) > 0)
        while (!net_reap(net, &process, &status))
            poll(&(struct pollfd){.fd = net_wait_fd(net), .events = POLLIN}, 1,
                 30000);
    net_free(net);
    return WEXITSTATUS(status);
}

static void
a_host_without_a_table_of_names_gets_one_for_its_places(void **state)
{
    (void)state;
    int status;
    need_namespaces();
    pid_t child = fork();
    if (child == 0)
        _exit(hosts_on_an_empty_etc());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_keyboard_of_the_runner_does_not_reach_the_places(void **state)
{
    (void)state;
    struct net_plan plan = plan_of(NET_SWITCH);
    struct net *net = stand_build(&plan);
    char out[2048];
    assert_int_equal(shell(net, "victim",
                           "kill -INT 1; kill -TERM 1; kill -HUP 1; "
                           "[ $(cut -d' ' -f6 /proc/self/stat) = $$ ] && "
                           "echo own",
                           out),
                     0);
    assert_string_equal(out, "own\n");
    stand_free(net);
}

/* ---- main ---------------------------------------------------------------- */

static int make_work_dir(void **state)
{
    (void)state;
    stand_look();
    strcpy(work_dir, "/tmp/net-test-XXXXXX");
    return mkdtemp(work_dir) ? 0 : -1;
}

static int remove_work_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", work_dir);
    return system(command);
}

int main(int argc, char **argv)
{
    errand_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_same_seed_gives_the_same_addresses_and_another_does_not),
        cmocka_unit_test(a_plan_that_makes_no_sense_is_refused),
        cmocka_unit_test(programs_and_files_behave_on_a_switch),
        cmocka_unit_test(programs_and_files_behave_on_loopback),
        cmocka_unit_test(programs_and_files_behave_without_namespaces),
        cmocka_unit_test(a_thousand_programs_start_and_end),
        cmocka_unit_test(three_places_stand_in_a_moment),
        cmocka_unit_test(two_nets_do_not_meet),
        cmocka_unit_test(two_bare_nets_have_addresses_of_their_own),
        cmocka_unit_test(a_killed_runner_leaves_nothing),
        cmocka_unit_test(a_killed_bare_runner_leaves_no_process),
        cmocka_unit_test(a_place_that_dies_ends_the_net_and_that_is_told),
        cmocka_unit_test(
            a_host_without_a_table_of_names_gets_one_for_its_places),
        cmocka_unit_test(the_keyboard_of_the_runner_does_not_reach_the_places),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
