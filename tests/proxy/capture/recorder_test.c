/* SPDX-License-Identifier: MIT
 *
 * The recording relay: what goes through it arrives, and the capture reads as
 * if it came off a wire. The relay is a child process; the test plays both
 * ends with blocking sockets. */
#include "proxy/capture/capture.h"
#include "proxy/capture/index.h"
#include "proxy/capture/recorder.h"
#include "tests/proxy/capture/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char folder[] = "/tmp/mitmlab-recorder-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/capture.pcapng", folder);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* ---- one relay between victim and server ---------------------------------- */

struct stage {
    int door; /* the server's listening socket; -1: nobody listens */
    struct sockaddr_in victim, relay, server;
    int kept; /* a socket that has the relay's port, so that no other gets it */
    struct capture *capture;
    pid_t recorder;
};

static struct sockaddr_in local(unsigned last)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_addr.s_addr = htonl(0x7f420000u | last);
    return in;
}

/* At a port that is free. As long as this does not listen, somebody else may
 * have the port who says so too, as libuv does, but nobody by chance. */
static int bind_at(struct sockaddr_in *in)
{
    socklen_t len = sizeof *in;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(0, bind(fd, (struct sockaddr *)in, len));
    getsockname(fd, (struct sockaddr *)in, &len);
    return fd;
}

static int listen_at(struct sockaddr_in *in)
{
    int fd = bind_at(in);
    assert_int_equal(0, listen(fd, 8));
    return fd;
}

static void text_of(const struct sockaddr_in *in, char text[32])
{
    char host[16];
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    snprintf(text, 32, "%s:%u", host, ntohs(in->sin_port));
}

static void run_recorder(int fd, const char *map_text)
{
    struct recorder_map map;
    struct recorder *recorder;
    struct err err = ERR_INIT;
    uv_loop_t loop;
    uv_loop_init(&loop);
    if (recorder_map_parse(map_text, &map, &err) ||
        recorder_start(&loop, fd, &map, 1, &recorder, &err)) {
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    recorder_free(recorder);
    _exit(uv_loop_close(&loop) ? 2 : 0);
}

static void start_recorder(struct stage *stage)
{
    char relay[32], server[32], victim[16], map[160];
    text_of(&stage->relay, relay);
    text_of(&stage->server, server);
    inet_ntop(AF_INET, &stage->victim.sin_addr, victim, sizeof victim);
    snprintf(map, sizeof map, "%s=%s,client=victim:%s,server=server", relay,
             server, victim);
    stage->recorder = fork();
    if (!stage->recorder) {
        int fd = dup2(capture_feed_fd(stage->capture), 200);
        close_range(3, 199, 0);
        run_recorder(fd, map);
    }
    capture_feed_given(stage->capture);
}

static void start(struct stage *stage)
{
    struct capture_plan plan = {.path = path};
    struct err err = ERR_INIT;
    /* Every run of this test has addresses of its own. */
    unsigned base = ((unsigned)getpid() & 0x3fff) << 2;
    stage->victim = local(base | 1);
    stage->server = local(base | 2);
    stage->relay = local(base | 3);
    stage->door = listen_at(&stage->server);
    stage->kept = bind_at(&stage->relay);
    assert_int_equal(0, capture_start(&plan, &stage->capture, &err));
    start_recorder(stage);
    int rc = capture_sync(stage->capture, 10000, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(0, rc);
}

static void stop(struct stage *stage)
{
    struct err err = ERR_INIT;
    int status;
    if (stage->door != -1)
        close(stage->door);
    close(stage->kept);
    assert_int_equal(0, capture_stop(stage->capture, NULL, &err));
    waitpid(stage->recorder, &status, 0);
    assert_int_equal(0, status);
}

static int dial_relay(struct stage *stage, struct sockaddr_in *out_own)
{
    socklen_t len = sizeof *out_own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out_own = stage->victim;
    assert_int_equal(0, bind(fd, (struct sockaddr *)out_own, len));
    assert_int_equal(0, connect(fd, (struct sockaddr *)&stage->relay, len));
    getsockname(fd, (struct sockaddr *)out_own, &len);
    return fd;
}

static int accept_victim(struct stage *stage, struct sockaddr_in *out_peer)
{
    socklen_t len = sizeof *out_peer;
    return accept(stage->door, (struct sockaddr *)out_peer, &len);
}

static struct capture_index *load(struct stage *stage)
{
    struct capture_index *index;
    struct err err = ERR_INIT;
    assert_int_equal(0, capture_sync(stage->capture, 10000, &err));
    assert_int_equal(0, capture_index_load(path, &index, &err));
    return index;
}

static void fill(char *bytes, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(seed = seed * 1103515245 + 12345, seed >> 16);
}

/* Send all of it from a child, so that this process can receive. */
static void pour(int from, int to, const char *bytes, size_t len)
{
    char got[4096];
    size_t at = 0;
    pid_t child = fork();
    if (!child)
        _exit(send(from, bytes, len, MSG_WAITALL) != (ssize_t)len);
    while (at < len) {
        ssize_t part = recv(to, got, sizeof got, 0);
        assert_true(part > 0);
        assert_memory_equal(bytes + at, got, part);
        at += (size_t)part;
    }
    waitpid(child, NULL, 0);
}

enum { MUCH = 200000 };

static void assert_same_tuple(const struct sockaddr_in *peer,
                              const struct index_frame *syn)
{
    char host[16];
    inet_ntop(AF_INET, &peer->sin_addr, host, sizeof host);
    assert_string_equal(host, syn->src);
    assert_int_equal(ntohs(peer->sin_port), syn->packet.src_port);
}

/* The opener's own tuple leads to all bytes, in both directions. */
static void assert_streams(const struct capture_index *index,
                           const struct sockaddr_in *from,
                           const struct sockaddr_in *to, const char *bytes)
{
    char src[16], dst[16];
    uint8_t *got = malloc(2 * MUCH);
    inet_ntop(AF_INET, &from->sin_addr, src, sizeof src);
    inet_ntop(AF_INET, &to->sin_addr, dst, sizeof dst);
    struct index_tuple tuple = {src, ntohs(from->sin_port), dst,
                                ntohs(to->sin_port)};
    for (int dir = INDEX_UP; dir <= INDEX_DOWN; dir++) {
        assert_int_equal(
            MUCH, index_bytes_of(index, &tuple, dir, 0, 0, got, 2 * MUCH));
        assert_memory_equal(bytes, got, MUCH);
        assert_true(index_end_of(index, &tuple, dir, 0));
    }
    free(got);
}

/* Wireshark finds nothing to complain about. */
static void assert_clean(void)
{
    char line[512], out[2048];
    if (!wire_has("tshark"))
        return;
    snprintf(line, sizeof line,
             "tshark -r %s -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE"
             " -Y 'tcp.analysis.flags || _ws.malformed || ip.checksum.status "
             "== 0 || tcp.checksum.status == 0' 2>/dev/null",
             path);
    assert_int_equal(0, wire_shell(line, out, sizeof out));
    assert_string_equal("", out);
}

static void a_relayed_conversation_reads_as_if_off_a_wire(void **state)
{
    static char bytes[MUCH];
    struct stage stage;
    struct sockaddr_in own, peer;
    struct index_frame frame;
    char byte;
    (void)state;
    fill(bytes, MUCH, 7);
    start(&stage);
    int victim = dial_relay(&stage, &own);
    int server = accept_victim(&stage, &peer);
    pour(victim, server, bytes, MUCH);
    shutdown(victim, SHUT_WR);
    assert_int_equal(0, recv(server, &byte, 1, 0)); /* the half-close */
    pour(server, victim, bytes, MUCH);
    close(server);
    assert_int_equal(0, recv(victim, &byte, 1, 0));
    close(victim);
    struct capture_index *index = load(&stage);
    assert_int_equal(0, index_frame(index, 1, &frame));
    assert_string_equal("victim", frame.place);
    assert_same_tuple(&peer, &frame);
    assert_streams(index, &own, &stage.relay, bytes);
    assert_streams(index, &peer, &stage.server, bytes);
    for (uint64_t i = 1; i <= index_count(index); i++) {
        uint64_t before = frame.time_ns;
        index_frame(index, i, &frame);
        assert_true(i == 1 || frame.time_ns > before);
    }
    capture_index_free(index);
    stop(&stage);
    assert_clean();
}

static void many_short_conversations_are_kept_apart(void **state)
{
    struct stage stage;
    struct sockaddr_in own[20], peer;
    (void)state;
    start(&stage);
    for (int i = 0; i < 20; i++) {
        char text[16], got[16] = "";
        snprintf(text, sizeof text, "number %d", i);
        int victim = dial_relay(&stage, &own[i]);
        int server = accept_victim(&stage, &peer);
        send(victim, text, strlen(text), 0);
        assert_int_equal(strlen(text), recv(server, got, sizeof got - 1, 0));
        send(server, got, strlen(got), 0);
        assert_int_equal(strlen(text), recv(victim, got, sizeof got - 1, 0));
        close(victim);
        close(server);
    }
    struct capture_index *index = load(&stage);
    for (int i = 0; i < 20; i++) {
        char src[16], dst[16], text[16], got[16] = "";
        inet_ntop(AF_INET, &own[i].sin_addr, src, sizeof src);
        inet_ntop(AF_INET, &stage.relay.sin_addr, dst, sizeof dst);
        struct index_tuple tuple = {src, ntohs(own[i].sin_port), dst,
                                    ntohs(stage.relay.sin_port)};
        snprintf(text, sizeof text, "number %d", i);
        index_bytes_of(index, &tuple, INDEX_DOWN, 0, 0, (uint8_t *)got, 15);
        assert_string_equal(text, got);
    }
    capture_index_free(index);
    stop(&stage);
    assert_clean();
}

static void a_reset_goes_through(void **state)
{
    struct stage stage;
    struct sockaddr_in own, peer;
    struct linger hard = {1, 0};
    struct index_frame frame;
    char byte;
    (void)state;
    start(&stage);
    int victim = dial_relay(&stage, &own);
    int server = accept_victim(&stage, &peer);
    send(victim, "x", 1, 0);
    assert_int_equal(1, recv(server, &byte, 1, 0));
    setsockopt(victim, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(victim);
    assert_int_equal(-1, recv(server, &byte, 1, 0));
    assert_int_equal(ECONNRESET, errno);
    close(server);
    struct capture_index *index = load(&stage);
    index_frame(index, index_count(index), &frame);
    assert_true(frame.packet.flags & PACKET_RST);
    assert_string_equal("victim", frame.place);
    capture_index_free(index);
    stop(&stage);
    assert_clean();
}

static void a_server_that_is_not_there_is_a_reset(void **state)
{
    struct stage stage;
    struct sockaddr_in own;
    struct index_frame frame;
    char byte;
    (void)state;
    start(&stage);
    close(stage.door);
    stage.door = -1;
    int victim = dial_relay(&stage, &own);
    assert_int_equal(-1, recv(victim, &byte, 1, 0));
    assert_int_equal(ECONNRESET, errno);
    close(victim);
    struct capture_index *index = load(&stage);
    assert_int_equal(2, index_count(index));
    index_frame(index, 1, &frame);
    assert_int_equal(PACKET_SYN, frame.packet.flags);
    index_frame(index, 2, &frame);
    assert_int_equal(PACKET_RST | PACKET_ACK, frame.packet.flags);
    assert_string_equal("server", frame.place);
    capture_index_free(index);
    stop(&stage);
}

static void a_map_outside_the_lab_is_refused(void **state)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"127.0.0.1:1=127.0.0.1:2", EXIT_USAGE},
        {"127.0.0.1:1=127.0.0.1:2,client=a:127.0.0.1,server=b,x", EXIT_USAGE},
        {"127.0.0.1:1=127.0.0.1:2,client=a:127.0.0,server=b", EXIT_USAGE},
        {"127.0.0.1:1=198.51.100.1:2,client=a:127.0.0.1,server=b",
         EXIT_CONTAINMENT},
        {"10.0.0.1:1=127.0.0.1:2,client=a:127.0.0.1,server=b",
         EXIT_CONTAINMENT},
        {"127.0.0.1:1=127.0.0.1:2,client=a:10.0.0.1,server=b",
         EXIT_CONTAINMENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct recorder_map map;
        struct err err = ERR_INIT;
        assert_int_equal(-1, recorder_map_parse(rows[i].text, &map, &err));
        assert_int_equal(rows[i].code, err.code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relayed_conversation_reads_as_if_off_a_wire),
        cmocka_unit_test(many_short_conversations_are_kept_apart),
        cmocka_unit_test(a_reset_goes_through),
        cmocka_unit_test(a_server_that_is_not_there_is_a_reset),
        cmocka_unit_test(a_map_outside_the_lab_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
