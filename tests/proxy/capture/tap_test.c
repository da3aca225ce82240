/* SPDX-License-Identifier: MIT
 *
 * Frames from a real interface, in a network namespace of this test's own that
 * looks like a lab's. Skipped where the machine gives none. */
#include "proxy/capture/capture.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/index.h"
#include "proxy/capture/raw.h"
#include "proxy/capture/tap.h"
#include "tests/proxy/capture/inside.h"
#include "tests/proxy/capture/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char folder[] = "/tmp/mitmlab-tap-XXXXXX";
static char path[64];
static bool inside;

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/capture.pcapng", folder);
    inside = inside_enter();
    if (!inside)
        print_message("skipped: no user and network namespaces here (%s)\n",
                      strerror(errno));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* ---- a capture of it ----------------------------------------------------- */

static pid_t start_tap(struct capture *capture, const struct tap_plan *plan)
{
    pid_t pid = fork();
    if (!pid) {
        struct err err = ERR_INIT;
        int fd = dup2(capture_feed_fd(capture), 200);
        close_range(3, 199, 0);
        _exit(tap_run(plan, fd, &err) ? 1 : 0);
    }
    capture_feed_given(capture);
    return pid;
}

static struct capture *start(const struct tap_plan *plan, pid_t *out_tap)
{
    struct capture_plan capture_plan = {.path = path};
    struct capture *capture;
    struct err err = ERR_INIT;
    assert_int_equal(0, capture_start(&capture_plan, &capture, &err));
    *out_tap = start_tap(capture, plan);
    int rc = capture_sync(capture, 10000, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(0, rc);
    return capture;
}

static void stop(struct capture *capture, pid_t tap)
{
    struct capture_counts counts;
    struct err err = ERR_INIT;
    int status;
    assert_int_equal(0, capture_stop(capture, &counts, &err));
    assert_int_equal(0, counts.dropped);
    assert_int_equal(tap, waitpid(tap, &status, 0));
    assert_int_equal(0, status);
}

static struct capture_index *load(void)
{
    struct capture_index *index;
    struct err err = ERR_INIT;
    assert_int_equal(0, capture_index_load(path, &index, &err));
    return index;
}

static void add_map(struct tap_plan *plan, const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(
        0, tap_map_parse(text, &plan->maps[plan->maps_count++], &err));
}

/* ---- lo ------------------------------------------------------------------- */

static struct sockaddr_in address(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &in.sin_addr);
    return in;
}

/* A connection from 127.66.1.2 to 127.66.1.3 that carries `bytes`; returns
 * the ports. */
static void talk(const char *bytes, uint16_t *out_from, uint16_t *out_to)
{
    struct sockaddr_in victim = address("127.66.1.2");
    struct sockaddr_in server = address("127.66.1.3");
    socklen_t len = sizeof server;
    char got[256];
    int door = socket(AF_INET, SOCK_STREAM, 0);
    int from = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(0, bind(door, (struct sockaddr *)&server, len));
    assert_int_equal(0, listen(door, 1));
    getsockname(door, (struct sockaddr *)&server, &len);
    assert_int_equal(0, bind(from, (struct sockaddr *)&victim, len));
    assert_int_equal(0, connect(from, (struct sockaddr *)&server, len));
    getsockname(from, (struct sockaddr *)&victim, &len);
    int to = accept(door, NULL, NULL);
    assert_int_equal(strlen(bytes), send(from, bytes, strlen(bytes), 0));
    assert_int_equal(strlen(bytes), recv(to, got, sizeof got, 0));
    assert_int_equal(2, send(to, "ok", 2, 0));
    assert_int_equal(2, recv(from, got, sizeof got, 0));
    close(from);
    close(to);
    close(door);
    *out_from = ntohs(victim.sin_port);
    *out_to = ntohs(server.sin_port);
}

static void frames_on_lo_are_seen_once_and_named_by_address(void **state)
{
    struct tap_plan plan = {.iface = "lo", .fallback = "elsewhere"};
    struct err err = ERR_INIT;
    uint16_t from, to;
    pid_t tap;
    (void)state;
    need(inside, "namespaces to give");
    add_map(&plan, "127.66.1.2=victim");
    add_map(&plan, "127.66.1.3=server");
    struct capture *capture = start(&plan, &tap);
    struct capture_index *index = load();
    for (int i = 0; i < 20; i++) {
        talk("user=alice&password=hunter2", &from, &to);
        assert_int_equal(0, capture_sync(capture, 10000, &err));
        assert_int_equal(0, index_refresh(index, &err));
        struct index_tuple tuple = {"127.66.1.2", from, "127.66.1.3", to};
        uint64_t up = index_frame_of(index, &tuple, INDEX_UP, 5, 0);
        uint64_t down = index_frame_of(index, &tuple, INDEX_DOWN, 1, 0);
        struct index_frame frame;
        assert_true(up && down > up);
        assert_true(index_end_of(index, &tuple, INDEX_UP, 0) > down);
        index_frame(index, up, &frame);
        assert_string_equal("victim", frame.place);
        index_frame(index, down, &frame);
        assert_string_equal("server", frame.place);
    }
    for (uint64_t number = 1; number <= index_count(index); number++) {
        struct index_frame frame;
        index_frame(index, number, &frame);
        assert_false(frame.again);
    }
    capture_index_free(index);
    stop(capture, tap);
}

/* ---- a switch ------------------------------------------------------------- */

/* br0 with two cables, "a" and "b". */
static void build_switch(void)
{
    static const uint8_t macs[2][6] = {{2, 0x66, 0, 0, 0, 0xa},
                                       {2, 0x66, 0, 0, 0, 0xb}};
    struct err err = ERR_INIT;
    int netlink = netlink_open(&err);
    assert_int_equal(0, netlink_link_add(netlink, "br0", "bridge", &err));
    assert_int_equal(0, netlink_veth_add(netlink, "a", macs[0], "pa", 0, &err));
    assert_int_equal(0, netlink_veth_add(netlink, "b", macs[1], "pb", 0, &err));
    assert_int_equal(0, netlink_link_up(netlink, "pa", "br0", &err));
    assert_int_equal(0, netlink_link_up(netlink, "pb", "br0", &err));
    assert_int_equal(0, netlink_link_up(netlink, "a", NULL, &err));
    assert_int_equal(0, netlink_link_up(netlink, "b", NULL, &err));
    assert_int_equal(0, netlink_link_up(netlink, "br0", NULL, &err));
    close(netlink);
}

static void broadcast(const char *iface, uint8_t last, const char *text)
{
    uint8_t frame[60] = {255,  255, 255, 255, 255,  255,  2,
                         0x66, 0,   0,   0,   last, 0x88, 0xb5};
    struct raw *raw;
    struct err err = ERR_INIT;
    memcpy(frame + 14, text, strlen(text));
    assert_int_equal(0, raw_open(iface, &raw, &err));
    assert_int_equal(0, raw_send(raw, frame, sizeof frame, &err));
    raw_close(raw);
}

static unsigned count_of(const struct capture_index *index, const char *text,
                         const char *place)
{
    unsigned count = 0;
    struct index_query query = {
        .bytes = text, .len = strlen(text), .place = place};
    while ((query.from_frame = index_find(index, &query))) {
        query.from_frame++;
        count++;
    }
    return count;
}

static void frames_on_a_switch_are_seen_once_and_named_by_mac(void **state)
{
    struct tap_plan plan = {.iface = "br0", .fallback = "switch"};
    struct err err = ERR_INIT;
    pid_t tap;
    (void)state;
    need(inside, "namespaces to give");
    build_switch();
    add_map(&plan, "02:66:00:00:00:0a=victim");
    add_map(&plan, "02:66:00:00:00:0b=attacker");
    struct capture *capture = start(&plan, &tap);
    /* A port of a new bridge forwards after a moment. */
    for (int i = 0; i < 50; i++) {
        broadcast("a", 0xa, "from a");
        assert_int_equal(0, capture_sync(capture, 10000, &err));
        struct capture_index *index = load();
        bool seen = count_of(index, "from a", NULL);
        capture_index_free(index);
        if (seen)
            break;
        usleep(20000);
    }
    broadcast("b", 0xb, "from b");
    broadcast("b", 0x77, "from a stranger");
    assert_int_equal(0, capture_sync(capture, 10000, &err));
    struct capture_index *index = load();
    assert_int_equal(1, count_of(index, "from a\0", "victim"));
    assert_int_equal(0, count_of(index, "from a\0", "attacker"));
    assert_int_equal(1, count_of(index, "from b", "attacker"));
    assert_int_equal(1, count_of(index, "from b", NULL));
    assert_int_equal(1, count_of(index, "from a stranger", "switch"));
    assert_int_equal(1, count_of(index, "from a stranger", NULL));
    capture_index_free(index);
    stop(capture, tap);
}

static void an_interface_that_is_not_there_is_told(void **state)
{
    struct tap_plan plan = {.iface = "nowhere0", .fallback = "switch"};
    struct capture_plan capture_plan = {.path = path};
    struct capture *capture;
    struct err err = ERR_INIT;
    (void)state;
    need(inside, "namespaces to give");
    assert_int_equal(0, capture_start(&capture_plan, &capture, &err));
    pid_t tap = start_tap(capture, &plan);
    assert_int_equal(-1, capture_sync(capture, 10000, &err));
    assert_non_null(strstr(err.text, "nowhere0"));
    assert_int_equal(-1, capture_stop(capture, NULL, &err));
    waitpid(tap, NULL, 0);
}

/* ---- without a namespace --------------------------------------------------- */

static void outside_a_lab_nothing_is_captured(void **state)
{
    struct raw *raw;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(-1, raw_open("lo", &raw, &err));
    assert_int_equal(EXIT_CONTAINMENT, err.code);
}

static void senders_are_known_by_their_maps(void **state)
{
    static const char *bad[] = {"victim",         "=victim",
                                "127.0.0.1=",     "1.2.3=victim",
                                "02:66:0=victim", "02:66:00:00:00:01:x=victim"};
    struct tap_plan plan = {.iface = "x", .fallback = "switch"};
    struct tap_map map;
    struct err err = ERR_INIT;
    static const uint8_t mac[] = {2, 0x66, 0, 0, 0, 1};
    struct packet packet = {.mac_src = mac};
    (void)state;
    add_map(&plan, "192.0.2.1=victim");
    add_map(&plan, "2001:db8:66::1=victim");
    add_map(&plan, "02:66:00:00:00:01=attacker");
    assert_int_equal(1, tap_interface_of(&plan, &packet));
    packet.mac_src = NULL;
    assert_int_equal(2, tap_interface_of(&plan, &packet));
    packet.family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8:66::1", packet.src);
    assert_int_equal(0, tap_interface_of(&plan, &packet));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(-1, tap_map_parse(bad[i], &map, &err));
        assert_int_equal(EXIT_USAGE, err.code);
    }
}

int main(void)
{
    const struct CMUnitTest outside[] = {
        cmocka_unit_test(outside_a_lab_nothing_is_captured),
        cmocka_unit_test(senders_are_known_by_their_maps),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_on_lo_are_seen_once_and_named_by_address),
        cmocka_unit_test(frames_on_a_switch_are_seen_once_and_named_by_mac),
        cmocka_unit_test(an_interface_that_is_not_there_is_told),
    };
    int failed = cmocka_run_group_tests(outside, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, make_folder, remove_folder);
}
