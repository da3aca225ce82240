/* SPDX-License-Identifier: MIT
 *
 * The whole relay, over loopback, in one loop: what a victim and a server say
 * in any pieces, with half closes and resets in between, to a proxy that reads
 * HTTP, asks hooks, intercepts TLS or only passes bytes on. Whatever that is,
 * the relay ends when both are gone, holds little until then, and leaves
 * nothing behind.
 *
 * An input is the number of a proxy and then bytes, said by the victim first.
 * 0xff and a letter are an act: v and s, the victim or the server speaks from
 * now on; n, the server on its next connection does; t, the loop turns; h, who
 * speaks has said all; r, and resets; any other letter is said with its
 * 0xff. */
#include "certs/ca.h"
#include "proxy/message.h"
#include "proxy/proxy.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                           \
        }                                                                      \
    } while (0)

enum {
    PROXIES = 8,
    SERVERS = 3, /* connections to the server; more are not taken */
    HELD_MOST = 2 * 1024 * 1024, /* by one flow; inputs have 8 KiB */
    PATIENCE_TURNS = 3000,       /* of a millisecond at most */
    LOOP_RUNS = 256, /* then the loop is closed, and must be empty */
};

/* scheme: of the server everything goes to, where the way in says no other. */
static const struct {
    enum way_mode mode;
    const char *scheme;
    bool hooked;
    enum proxy_h2 h2;
} kinds[PROXIES] = {
    {WAY_REVERSE, "http", false, PROXY_H2_BOTH},
    {WAY_REVERSE, "http", true, PROXY_H2_BOTH},
    {WAY_REVERSE, "tcp", false, PROXY_H2_BOTH},
    {WAY_REVERSE, "https", false, PROXY_H2_BOTH},
    {WAY_SNI, NULL, true, PROXY_H2_BOTH},
    {WAY_HTTP, NULL, true, PROXY_H2_BOTH},
    {WAY_SOCKS, NULL, false, PROXY_H2_BOTH},
    {WAY_REVERSE, "http", true, PROXY_H2_VICTIM},
};

static struct theatre {
    uv_loop_t loop;
    struct proxy *proxies[PROXIES];
    struct ca *rogue;
    int listener;
    uint16_t port; /* of that */
    unsigned runs;
    bool open;
} theatre;

/* ---- hooks --------------------------------------------------------------- */

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    (void)config;
    (void)flow;
    switch (request->target[strlen(request->target) - 1]) {
    case 'c':
        return HOOK_CUT;
    case 'w':
        return hook_wake(request, 1, HOOK_PASS) ? HOOK_CUT : HOOK_WAIT;
    case 'e':
        return message_set_field(request, "X-Edited", "yes") ? HOOK_CUT
                                                             : HOOK_CHANGED;
    default:
        return HOOK_PASS;
    }
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    (void)config;
    (void)flow;
    if (!response->has_body)
        return HOOK_PASS;
    return message_set_body(response, "other", 5) ? HOOK_CUT : HOOK_CHANGED;
}

static enum hook_act on_data(void *config, struct flow *flow, enum event_leg to,
                             struct buf *data)
{
    (void)config;
    (void)flow;
    (void)to;
    return buf_append(data, "!", 1) ? HOOK_CUT : HOOK_CHANGED;
}

static struct hook editor = {
    .name = "editor",
    .wants = HOOK_WANTS_REQUEST_BODY | HOOK_WANTS_RESPONSE_BODY,
    .on_request = on_request,
    .on_response = on_response,
    .on_data = on_data,
};
static struct hook *const hooks[] = {&editor};

/* ---- the loop ------------------------------------------------------------ */

static int listen_somewhere(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(!bind(fd, (struct sockaddr *)&address, len) && !listen(fd, 64));
    CHECK(!getsockname(fd, (struct sockaddr *)&address, &len));
    *out_port = ntohs(address.sin_port);
    return fd;
}

static void open_proxy(unsigned index)
{
    char url[64];
    struct err err = ERR_INIT;
    struct proxy_options options = {
        .ways_count = 1, .drain_ms = 200, .h2 = kinds[index].h2};
    struct way_in *way = &options.ways[0];
    way->mode = kinds[index].mode;
    if (kinds[index].scheme) {
        snprintf(url, sizeof url, "%s://127.0.0.1:%u", kinds[index].scheme,
                 theatre.port);
        CHECK(!target_parse(url, &way->target, &err));
    }
    options.hooks = hooks;
    options.hooks_count = kinds[index].hooked;
    options.signers.rogue = theatre.rogue;
    CHECK(!address_parse("127.0.0.1:0", &way->address, &err));
    CHECK(!proxy_open(&theatre.loop, &options, &theatre.proxies[index], &err));
}

static void open_theatre(void)
{
    struct err err = ERR_INIT;
    signal(SIGPIPE, SIG_IGN);
    if (!theatre.rogue)
        CHECK(!ca_make_rogue("fuzz", &theatre.rogue, &err));
    CHECK(!uv_loop_init(&theatre.loop));
    theatre.listener = listen_somewhere(&theatre.port);
    for (unsigned i = 0; i < PROXIES; i++)
        open_proxy(i);
    theatre.runs = 0;
    theatre.open = true;
}

static void close_theatre(void)
{
    for (unsigned i = 0; i < PROXIES; i++)
        proxy_stop(theatre.proxies[i]);
    uv_run(&theatre.loop, UV_RUN_DEFAULT);
    CHECK(!uv_loop_close(&theatre.loop));
    close(theatre.listener);
    theatre.open = false;
}

/* ---- the two who speak --------------------------------------------------- */

struct scene {
    struct proxy *proxy;
    int fds[1 + SERVERS]; /* victim, servers; -1: not there, or gone */
    unsigned speaker;
    uint8_t said[4 * FUZZ_MOST]; /* a port has more digits than 0xff p */
    size_t said_len;
};

static void hear(struct scene *scene)
{
    static char bytes[64 * 1024];
    for (int i = 0; i <= SERVERS; i++)
        if (scene->fds[i] >= 0)
            (void)!recv(scene->fds[i], bytes, sizeof bytes, MSG_DONTWAIT);
    for (int i = 1; i <= SERVERS; i++)
        if (scene->fds[i] < 0)
            scene->fds[i] = accept4(theatre.listener, NULL, NULL,
                                    SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void turn(struct scene *scene)
{
    struct proxy_counts counts;
    for (int i = 0; i < 3; i++) {
        uv_run(&theatre.loop, UV_RUN_NOWAIT);
        hear(scene);
    }
    proxy_count(scene->proxy, &counts);
    CHECK(counts.held_most < HELD_MOST);
}

static void leave(struct scene *scene, unsigned who)
{
    struct linger now = {.l_onoff = 1};
    if (scene->fds[who] < 0)
        return;
    setsockopt(scene->fds[who], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(scene->fds[who]);
    scene->fds[who] = -1;
}

static void leave_servers(struct scene *scene)
{
    for (unsigned i = 1; i <= SERVERS; i++)
        leave(scene, i);
}

static void flush(struct scene *scene)
{
    int fd = scene->fds[scene->speaker];
    if (scene->said_len && fd >= 0)
        (void)!send(fd, scene->said, scene->said_len, MSG_NOSIGNAL);
    scene->said_len = 0;
}

static void say(struct scene *scene, const void *bytes, size_t len)
{
    CHECK(len <= sizeof scene->said - scene->said_len);
    memcpy(scene->said + scene->said_len, bytes, len);
    scene->said_len += len;
}

static void act(struct scene *scene, uint8_t letter)
{
    char digits[8];
    uint16_t port = htons(theatre.port);
    if (strchr("vsnthr", letter))
        flush(scene);
    switch (letter) {
    case 'v':
    case 's':
        turn(scene);
        scene->speaker = letter == 's';
        break;
    case 'n':
        turn(scene);
        scene->speaker = scene->speaker % SERVERS + 1;
        break;
    case 't':
        turn(scene);
        break;
    case 'h':
        if (scene->fds[scene->speaker] >= 0)
            shutdown(scene->fds[scene->speaker], SHUT_WR);
        break;
    case 'r':
        leave(scene, scene->speaker);
        break;
    case 'p':
        snprintf(digits, sizeof digits, "%u", theatre.port);
        say(scene, digits, strlen(digits));
        break;
    case 'P':
        say(scene, &port, sizeof port);
        break;
    default:
        say(scene, (uint8_t[]){0xff, letter}, 2);
    }
}

static void enter(struct scene *scene)
{
    const union address *to = proxy_address(scene->proxy, 0);
    scene->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(!connect(scene->fds[0], &to->any, sizeof to->v4));
    fcntl(scene->fds[0], F_SETFL, O_NONBLOCK);
}

/* Both are gone: no flow may stay behind. */
static void part(struct scene *scene)
{
    struct pollfd ready = {.fd = uv_backend_fd(&theatre.loop),
                           .events = POLLIN};
    turn(scene);
    leave(scene, 0);
    leave_servers(scene);
    for (int i = 0; proxy_flows(scene->proxy); i++) {
        CHECK(i < PATIENCE_TURNS);
        poll(&ready, 1, 1);
        uv_run(&theatre.loop, UV_RUN_NOWAIT);
        hear(scene);
        leave_servers(scene);
    }
    for (unsigned i = 0; i < 4; i++) {
        hear(scene);
        leave_servers(scene);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct scene scene = {.fds = {-1, -1, -1, -1}};
    if (!len || len > FUZZ_MOST)
        return 0;
    if (!theatre.open)
        open_theatre();
    scene.proxy = theatre.proxies[bytes[0] % PROXIES];
    enter(&scene);
    for (size_t at = 1; at < len; at++)
        if (bytes[at] == 0xff && at + 1 < len)
            act(&scene, bytes[++at]);
        else
            say(&scene, &bytes[at], 1);
    flush(&scene);
    part(&scene);
    if (++theatre.runs == LOOP_RUNS)
        close_theatre();
    return 0;
}

/* ---- seeds --------------------------------------------------------------- */

#define V       "\xffv"
#define S       "\xffs"
#define T       "\xfft"
#define H       "\xffh"
#define R       "\xffr"
#define N       "\xffn"
#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define TE      "Transfer-Encoding: chunked\r\n"
#define POST    "POST /e HTTP/1.1\r\nHost: a\r\n" TE "\r\n5\r\nhello\r\n0\r\n\r\n"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
#define H2_GET  "\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01\x61"
#define H2_MORE                                                                \
    "\0\0\x06\x01\x05\0\0\0\x03\x82\x86\x84\x41\x01\x62"                       \
    "\0\0\x06\x01\x05\0\0\0\x05\x82\x86\x84\x41\x01\x63"
#define UPGRADE                                                                \
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"                     \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                      \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SWITCHED                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"              \
    "Upgrade: websocket\r\n"                                                   \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define HELLO                                                                  \
    "\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03"                                   \
    "0123456789abcdef0123456789abcdef\0\0\x02\xc0\x2f\x01\0\0\0"

#define CONNECT                                                                \
    "CONNECT 127.0.0.1:\xffp HTTP/1.1\r\nHost: 127.0.0.1:\xffp\r\n\r\n"
#define SOCKS "\x05\x01\0" T "\x05\x01\0\x01\x7f\0\0\x01\xffP"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
#define ADD(text) add(text, sizeof text - 1)
    ADD("\x00" GET S OK V GET S OK V H);
    ADD("\x01" GET S OK V POST S OK);
    ADD("\x01"
        "GET /w HTTP/1.1\r\nHost: a\r\n\r\n" T T S OK);
    ADD("\x01"
        "GET /c HTTP/1.1\r\nHost: a\r\n\r\n" T GET);
    ADD("\x00" POST GET GET S OK OK "HTTP/1.1 304 No\r\n\r\n" V H);
    ADD("\x00"
        "GE" T "T / HT" T "TP/1.1\r\nHost: a\r" T "\n\r\n" S OK R);
    ADD("\x00" GET S "HTTP/1.1 200 OK\r\n" TE "\r\n5\r\nhello\r\n0\r\n\r\n");
    ADD("\x01" GET S "HTTP/1.0 200 OK\r\n\r\nuntil the end" H);
    ADD("\x00" GET S "HTTP/1.1 100 Continue\r\n\r\n" T OK V R);
    ADD("\x00" GET S "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi" R);
    ADD("\x00" UPGRADE S SWITCHED "\x81\x02hi" V "\x81\x80mask" H S H);
    ADD("\x01" UPGRADE S SWITCHED "\x81\x02hi" V "\x88\x80mask" R);
    ADD("\x00" PREFACE H2_GET T S PREFACE);
    ADD("\x01" PREFACE H2_GET T S "\0\0\0\x04\0\0\0\0\0" T V H);
    ADD("\x07" PREFACE H2_GET H2_MORE T S OK N OK N OK T V H);
    ADD("\x07" PREFACE H2_GET T S OK T V H2_MORE T N R S OK T N R);
    ADD("\x07" PREFACE H2_GET H2_MORE T S "HTTP/1.1 200 OK\r\n" TE
        "\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n" N
        "HTTP/1.0 200 OK\r\n\r\nto the end" H N R);
    ADD("\x02"
        "any" S "bytes" V H S "at all" H);
    ADD("\x02" T S "220 ready\r\n" V "STARTTLS\r\n" S "220 go\r\n" V HELLO);
    ADD("\x03" HELLO T S "\x15\x03\x03\0\x02\x02\x28" H);
    ADD("\x03" HELLO T S "\x16\x03\x03\0\x04\x02\0\0\0" R);
    ADD("\x04" HELLO T S "nonsense" V R);
    ADD("\x04"
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:\xffp\r\n\r\n" S OK V H);
    ADD("\x04" PREFACE "\0\0\x14\x01\x05\0\0\0\x01\x82\x86\x84\x41\x0f"
        "127.0.0.1:\xffp" T S "\0\0\0\x04\0\0\0\0\0" V H2_MORE T H);
    ADD("\x05"
        "GET http://127.0.0.1:\xffp/ HTTP/1.1\r\nHost: 127.0.0.1:\xffp"
        "\r\n\r\n" S OK V H);
    ADD("\x05" CONNECT T HELLO S "no" R);
    ADD("\x05" CONNECT T GET S OK V "any bytes" H);
    ADD("\x06" SOCKS T GET S OK V H);
    ADD("\x06"
        "\x05\x02\x00\x02" T "\x01\x01"
        "a"
        "\x01"
        "b" T "\x05\x01\0\x03\x09"
        "127.0.0.1\xffP" T HELLO R);
    ADD("\x00"
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Length: 5\r\n\r\n" S "HTTP/1.1 417 No\r\n"
        "Content-Length: 0\r\n\r\n" V "hello" H);
#undef ADD
}

const char *const fuzz_words[] = {
    V,
    S,
    T,
    H,
    R,
    N,
    H2_GET,
    GET,
    POST,
    OK,
    "\xffp",
    CONNECT,
    UPGRADE,
    "\r\n",
    "0\r\n\r\n",
    "Connection: close\r\n",
    "Content-Length: 3\r\n",
    TE,
    "HTTP/1.1 101 Go\r\n\r\n",
    "HTTP/1.1 100 Go\r\n\r\n",
    "\r\n\r\n",
    "HEAD ",
    "CONNECT a:1 ",
    "Host: b\r\n",
    HELLO,
    "\x15\x03\x03",
    "\x17\x03\x03",
    NULL,
};
