/* SPDX-License-Identifier: MIT
 *
 * The writer as the runner sees it: what is in the file when, and what becomes
 * of it when someone dies or the disk is full. A feeder is a child process. */
#include "proxy/capture/capture.h"
#include "proxy/capture/feed.h"
#include "tests/proxy/capture/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static char folder[] = "/tmp/mitmlab-capture-XXXXXX";
static char path[64], keys[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/capture.pcapng", folder);
    snprintf(keys, sizeof keys, "%s/keys.log", folder);
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(keys);
    return rmdir(folder);
}

/* ---- feeders ------------------------------------------------------------- */

struct script {
    unsigned at_start; /* frames before the first request */
    unsigned per_sync; /* more frames before each answer */
    bool flood;        /* frames without end */
    bool die;          /* leave without a word */
    const char *trouble;
};

static void feed_frames(struct feed *feed, unsigned count)
{
    static uint8_t bytes[1200];
    for (unsigned i = 0; i < count; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        struct feed_frame frame = {.time_ns =
                                       (uint64_t)now.tv_sec * 1000000000u +
                                       (uint64_t)now.tv_nsec,
                                   .interface = i & 1,
                                   .len = (uint32_t)(60 + i % 1100)};
        frame.original = frame.len;
        if (feed_frame(feed, &frame, bytes, NULL))
            _exit(1);
    }
}

static void play(int fd, const struct script *script)
{
    static const struct feed_interface victim = {.name = "victim",
                                                 .link = PCAPNG_LINK_ETHERNET};
    static const struct feed_interface server = {.name = "server",
                                                 .link = PCAPNG_LINK_ETHERNET};
    struct feed feed;
    uint64_t sync;
    int asked = 0;
    feed_init(&feed, fd);
    feed_interface(&feed, &victim);
    feed_interface(&feed, &server);
    if (script->trouble)
        feed_trouble(&feed, script->trouble);
    feed_frames(&feed, script->at_start);
    feed_flush(&feed);
    while (!script->die && asked >= 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (script->flood)
            feed_frames(&feed, 50);
        else
            poll(&ready, 1, -1);
        asked = feed_asked(&feed, &sync);
        if (asked > 0) {
            feed_frames(&feed, script->per_sync);
            feed_drops(&feed, 1, feed.sent, 0);
            feed_sync(&feed, sync);
        }
    }
    if (!script->die)
        feed_end(&feed);
    feed_close(&feed);
}

static pid_t start_feeder(struct capture *capture, const struct script *script)
{
    pid_t pid = fork();
    if (!pid) {
        /* What an exec would have closed. */
        int fd = dup2(capture_feed_fd(capture), 200);
        close_range(3, 199, 0);
        signal(SIGPIPE, SIG_IGN);
        play(fd, script);
        _exit(0);
    }
    capture_feed_given(capture);
    return pid;
}

static struct capture *start(enum capture_secrets secrets)
{
    struct capture_plan plan = {.path = path,
                                .keys_path = keys,
                                .comment = "a test",
                                .secrets = secrets};
    struct capture *capture = NULL;
    struct err err = ERR_INIT;
    if (capture_start(&plan, &capture, &err))
        print_error("%s\n", err.text);
    assert_non_null(capture);
    return capture;
}

/* Nobody of ours is left, and nobody stays a zombie. */
static void assert_alone(void)
{
    assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
    assert_int_equal(ECHILD, errno);
}

/* Packets in the file; it must end with a whole block. */
static uint64_t packets_in_file(unsigned *out_secrets)
{
    struct pcapng_file *file;
    struct pcapng_block block;
    struct err err = ERR_INIT;
    struct stat now;
    unsigned secrets = 0;
    int got;
    assert_int_equal(0, pcapng_open(path, &file, &err));
    while ((got = pcapng_file_next(file, &block, &err)) > 0)
        secrets += block.kind == PCAPNG_SECRETS;
    assert_int_equal(0, got);
    assert_int_equal(0, stat(path, &now));
    assert_int_equal(now.st_size, pcapng_file_whole(file));
    uint64_t packets = pcapng_file_reader(file)->packets;
    pcapng_close(file);
    if (out_secrets)
        *out_secrets = secrets;
    return packets;
}

/* ---- tests --------------------------------------------------------------- */

static void what_was_captured_before_a_sync_is_in_the_file(void **state)
{
    struct script script = {.at_start = 100, .per_sync = 300};
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct capture_counts counts;
    struct err err = ERR_INIT;
    (void)state;
    pid_t feeder = start_feeder(capture, &script);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(0, capture_sync(capture, 5000, &err));
        assert_int_equal(100 + 300 * i, packets_in_file(NULL));
        capture_counts(capture, &counts);
        assert_int_equal(100 + 300 * i, counts.packets);
        assert_true(counts.complete);
    }
    assert_int_equal(0, capture_stop(capture, &counts, &err));
    assert_int_equal(1600, counts.packets);
    assert_int_equal(1600, packets_in_file(NULL));
    assert_int_equal(feeder, waitpid(feeder, NULL, 0));
    assert_alone();
}

static void a_secret_is_written_once(void **state)
{
    static const char *lines[] = {
        "CLIENT_RANDOM 00aa 11bb", "SERVER_TRAFFIC_SECRET_0 00aa 22CC",
        "CLIENT_RANDOM 00aa 11bb", "no key line",
        "CLIENT_RANDOM 00aa",      "CLIENT_RANDOM 00aa 11bb\nX 1 2"};
    char text[256] = "";
    unsigned secrets;
    struct err err = ERR_INIT;
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct capture *capture =
            start(mode ? CAPTURE_SECRETS_NONE : CAPTURE_SECRETS_ALL);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
            assert_int_equal(0, capture_secret(capture, lines[i], &err));
        assert_int_equal(0, capture_stop(capture, NULL, &err));
        packets_in_file(&secrets);
        assert_int_equal(mode ? 0 : 2, secrets);
        FILE *file = fopen(keys, "r");
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        assert_string_equal("CLIENT_RANDOM 00aa 11bb\n"
                            "SERVER_TRAFFIC_SECRET_0 00aa 22CC\n",
                            text);
    }
    struct stat file;
    assert_int_equal(0, stat(keys, &file));
    assert_int_equal(0600, file.st_mode & 0777);
    assert_alone();
}

static void a_dead_feeder_is_an_answer_and_not_a_hang(void **state)
{
    struct script script = {.at_start = 10, .die = true};
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct err err = ERR_INIT;
    (void)state;
    pid_t feeder = start_feeder(capture, &script);
    assert_int_equal(-1, capture_sync(capture, 5000, &err));
    assert_non_null(strstr(err.text, "has ended"));
    assert_int_equal(EXIT_PARTIAL, err.code);
    assert_int_equal(0, capture_stop(capture, NULL, &err));
    assert_int_equal(10, packets_in_file(NULL));
    waitpid(feeder, NULL, 0);
    assert_alone();
}

static void the_feeder_can_say_what_is_wrong(void **state)
{
    struct script script = {.trouble = "no such interface", .die = true};
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct capture_counts counts;
    struct err err = ERR_INIT;
    (void)state;
    pid_t feeder = start_feeder(capture, &script);
    assert_int_equal(-1, capture_sync(capture, 5000, &err));
    assert_non_null(strstr(err.text, "no such interface"));
    assert_int_equal(-1, capture_stop(capture, &counts, &err));
    assert_false(counts.complete);
    assert_non_null(strstr(counts.why, "no such interface"));
    waitpid(feeder, NULL, 0);
    assert_alone();
}

static void
a_feeder_that_does_not_answer_costs_its_time_and_no_more(void **state)
{
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct err err = ERR_INIT;
    (void)state;
    pid_t feeder = fork();
    if (!feeder) {
        for (;;)
            pause();
    }
    capture_feed_given(capture);
    assert_int_equal(-1, capture_sync(capture, 50, &err));
    assert_non_null(strstr(err.text, "does not answer"));
    /* It holds the socket open, and the writer leaves nevertheless. */
    assert_int_equal(0, capture_stop(capture, NULL, &err));
    kill(feeder, SIGKILL);
    waitpid(feeder, NULL, 0);
    assert_alone();
}

static void a_full_disk_ends_the_capture_and_not_the_lab(void **state)
{
    struct script script = {.per_sync = 1000};
    struct rlimit old, limit;
    struct capture_counts counts;
    struct err err = ERR_INIT;
    (void)state;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){200000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    setrlimit(RLIMIT_FSIZE, &old);
    pid_t feeder = start_feeder(capture, &script);
    for (int i = 0; i < 3; i++)
        assert_int_equal(0, capture_sync(capture, 5000, &err));
    assert_int_equal(-1, capture_stop(capture, &counts, &err));
    assert_int_equal(EXIT_PARTIAL, err.code);
    assert_false(counts.complete);
    assert_non_null(strstr(counts.why, "capture incomplete after packet"));
    assert_non_null(strstr(counts.why, "disk full"));
    assert_int_equal(3000, counts.packets + counts.lost);
    assert_int_equal(counts.packets, packets_in_file(NULL));
    waitpid(feeder, NULL, 0);
    assert_alone();
}

/* A runner with a flood of frames; killed after some microseconds. */
static void run_until_killed(void)
{
    struct script script = {.flood = true};
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    start_feeder(capture, &script);
    for (;;)
        pause();
}

static void a_killed_runner_leaves_a_clean_file(void **state)
{
    unsigned with_packets = 0;
    (void)state;
    srand(1);
    for (int i = 0; i < 50; i++) {
        unlink(path);
        pid_t runner = fork();
        if (!runner)
            run_until_killed();
        usleep(2000 + (unsigned)rand() % 15000);
        kill(runner, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0)
            ;
        assert_alone();
        if (!access(path, F_OK))
            with_packets += packets_in_file(NULL) > 0;
    }
    print_message("50 of 50 files clean, %u of them with packets\n",
                  with_packets);
    assert_true(with_packets > 0);
}

/* The first child of this process, or 0 when the kernel does not say. */
static pid_t first_child(void)
{
    char name[64];
    int pid = 0;
    snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(name, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

static void a_killed_writer_is_noticed_and_its_file_repaired(void **state)
{
    struct script script = {.at_start = 100};
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct capture_counts counts;
    struct err err = ERR_INIT;
    (void)state;
    pid_t writer = first_child();
    pid_t feeder = start_feeder(capture, &script);
    assert_int_equal(0, capture_sync(capture, 5000, &err));
    if (writer)
        kill(writer, SIGKILL);
    assert_int_equal(writer ? -1 : 0, capture_sync(capture, 5000, &err));
    assert_int_equal(writer ? -1 : 0, capture_stop(capture, &counts, &err));
    assert_int_equal(!writer, counts.complete);
    assert_int_equal(100, packets_in_file(NULL));
    waitpid(feeder, NULL, 0);
    assert_alone();
}

static void nonsense_from_a_feeder_is_survived(void **state)
{
    struct capture *capture = start(CAPTURE_SECRETS_ALL);
    struct err err = ERR_INIT;
    (void)state;
    static const char bytes[] = "bytes without meaning";
    assert_int_equal(sizeof bytes,
                     send(capture_feed_fd(capture), bytes, sizeof bytes, 0));
    assert_int_equal(-1, capture_sync(capture, 5000, &err));
    assert_non_null(strstr(err.text, "nonsense"));
    assert_int_equal(-1, capture_stop(capture, NULL, &err));
    assert_int_equal(0, packets_in_file(NULL));
    assert_alone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_captured_before_a_sync_is_in_the_file),
        cmocka_unit_test(a_secret_is_written_once),
        cmocka_unit_test(a_dead_feeder_is_an_answer_and_not_a_hang),
        cmocka_unit_test(the_feeder_can_say_what_is_wrong),
        cmocka_unit_test(
            a_feeder_that_does_not_answer_costs_its_time_and_no_more),
        cmocka_unit_test(a_full_disk_ends_the_capture_and_not_the_lab),
        cmocka_unit_test(a_killed_runner_leaves_a_clean_file),
        cmocka_unit_test(a_killed_writer_is_noticed_and_its_file_repaired),
        cmocka_unit_test(nonsense_from_a_feeder_is_survived),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
