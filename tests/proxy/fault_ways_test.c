/* SPDX-License-Identifier: MIT
 *
 * Memory runs out under victims that know of the proxy (URLs, CONNECT, SOCKS),
 * under WebSocket with permessage-deflate, and under questions of DNS over UDP
 * and TCP. How that is tried: fault_loop.h. */
#include "tests/proxy/fault_loop.h"

#include "proxy/dns.h"

/* ---- asked by URL, CONNECT and SOCKS ------------------------------------- */

static char hosts[] = "/tmp/mitmlab-fault-XXXXXX";

static int make_hosts(void **state)
{
    static const char table[] = "127.0.0.1 bank.lab.test\n";
    int fd = mkstemp(hosts);
    assert_int_equal(write(fd, table, sizeof table - 1), sizeof table - 1);
    close(fd);
    dial_use_hosts(hosts);
    return make_authorities(state);
}

static int drop_hosts(void **state)
{
    unlink(hosts);
    return free_authorities(state);
}

static void by_http(struct stage *stage)
{
    stage_takes(stage, WAY_HTTP);
}

static void by_socks(struct stage *stage)
{
    stage_takes(stage, WAY_SOCKS);
}

static bool hold_url(struct stage *stage)
{
    char up[256], heard[256];
    struct actor victim = victim_enters(stage);
    snprintf(up, sizeof up,
             "GET http://bank.lab.test:%d/ HTTP/1.1\r\nHost: a\r\n"
             "Proxy-Authorization: Basic YTpi\r\n\r\n",
             stage->upstream.port);
    snprintf(heard, sizeof heard,
             "GET / HTTP/1.1\r\nHost: bank.lab.test:%d\r\n\r\n",
             stage->upstream.port);
    say(&victim, up);
    struct actor server = meet(stage, &victim);
    bool all = hear(&server, heard) && passes(&server, &victim, OK_HI, OK_HI);
    both_leave(&victim, &server);
    return all;
}

static bool hold_connect(struct stage *stage)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    char up[256];
    struct actor victim = victim_enters(stage);
    snprintf(up, sizeof up,
             "CONNECT bank.lab.test:%d HTTP/1.1\r\nHost: a\r\n\r\n",
             stage->upstream.port);
    say(&victim, up);
    struct actor server = meet(stage, &victim);
    bool all = server.fd >= 0 && hear(&victim, yes) &&
               passes(&victim, &server, GET, GET) &&
               passes(&server, &victim, OK_HI, OK_HI);
    both_leave(&victim, &server);
    return all;
}

static bool hold_socks(struct stage *stage)
{
    static const uint8_t hello[] = {5, 1, 2}, login[] = {1, 1, 'a', 1, 'b'};
    uint16_t port = htons((uint16_t)stage->upstream.port);
    uint8_t asks[5 + 13 + 2] = {5, 1, 0, 3, 13};
    memcpy(asks + 5, "bank.lab.test", 13);
    memcpy(asks + 18, &port, 2);
    struct actor victim = victim_enters(stage), server = {.fd = -1};
    say_bytes(&victim, hello, sizeof hello);
    bool all = hear(&victim, "12");
    if (all)
        say_bytes(&victim, login, sizeof login);
    all = all && hear(&victim, "12");
    if (all)
        say_bytes(&victim, asks, sizeof asks);
    if (all)
        server = meet(stage, &victim);
    all = server.fd >= 0 && hear(&victim, "1234567890") &&
          passes(&victim, &server, GET, GET) &&
          passes(&server, &victim, OK_HI, OK_HI);
    both_leave(&victim, &server);
    return all;
}

static void victims_that_know_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){
        .name = "url", .scheme = "http", .prepare = by_http, .hold = hold_url});
    try_faults(&(struct scene){.name = "connect",
                               .scheme = "http",
                               .prepare = by_http,
                               .hold = hold_connect});
    try_faults(&(struct scene){.name = "socks",
                               .scheme = "http",
                               .prepare = by_socks,
                               .hold = hold_socks});
}

/* Nobody listens there: the victim is told. */
static bool hold_refusal(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    say(&victim, "GET http://127.0.0.9:9/ HTTP/1.1\r\nHost: a\r\n\r\n");
    bool all = hear(&victim, "HTTP/1.1 502 ");
    actor_leaves(&victim);
    return all;
}

static void what_the_proxy_says_itself_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "refusal",
                               .scheme = "http",
                               .prepare = by_http,
                               .hold = hold_refusal});
}

/* ---- WebSocket ----------------------------------------------------------- */

#define ASK                                                                    \
    "GET /chat HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: Upgrade\r\n"     \
    "Upgrade: websocket\r\n\r\n"
#define AGREE                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"              \
    "Upgrade: websocket\r\n"                                                   \
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
#define PACKED    "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
#define PACKED_UP "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"
#define BYE_DOWN                                                               \
    "\x81\x03"                                                                 \
    "Bye"
#define BYE_UP                                                                 \
    "\x81\x83mask" /* and three more */                                        \
    "Bye"

static enum hook_act say_bye(void *config, struct flow *flow,
                             struct socket_message *message)
{
    (void)config;
    (void)flow;
    buf_clear(&message->body);
    return buf_append_text(&message->body, "Bye") ? HOOK_CUT : HOOK_CHANGED;
}

static struct hook bye = {.name = "bye", .on_message = say_bye};
static struct hook *const bye_hooks[] = {&bye};

static void change_messages(struct stage *stage)
{
    stage->options.hooks = bye_hooks;
    stage->options.hooks_count = 1;
}

static bool passes_bytes(struct actor *from, struct actor *to, const char *said,
                         size_t len, size_t heard)
{
    if (to->fd < 0 || gone(from))
        return false;
    say_bytes(from, said, len);
    bool all = wait_for(to, heard);
    buf_clear(&to->got);
    return all;
}

static bool hold_chat(struct stage *stage, size_t down, size_t up)
{
    struct actor victim = victim_enters(stage);
    say(&victim, ASK);
    struct actor server = meet(stage, &victim);
    bool all = hear(&server, ASK) && passes(&server, &victim, AGREE, AGREE);
    for (int i = 0; i < 2; i++)
        all =
            all &&
            passes_bytes(&server, &victim, PACKED, sizeof PACKED - 1, down) &&
            passes_bytes(&victim, &server, PACKED_UP, sizeof PACKED_UP - 1, up);
    both_leave(&victim, &server);
    return all;
}

static bool hold_changed_chat(struct stage *stage)
{
    return hold_chat(stage, sizeof BYE_DOWN - 1, sizeof BYE_UP - 1);
}

static bool hold_plain_chat(struct stage *stage)
{
    return hold_chat(stage, sizeof PACKED - 1, sizeof PACKED_UP - 1);
}

static void websockets_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){
        .name = "websocket", .scheme = "http", .hold = hold_plain_chat});
    try_faults(&(struct scene){.name = "websocket-changed",
                               .scheme = "http",
                               .prepare = change_messages,
                               .hold = hold_changed_chat});
}

/* ---- bytes that a hook edits --------------------------------------------- */

static enum hook_act add_mark(void *config, struct flow *flow,
                              enum event_leg to, struct buf *data)
{
    (void)config;
    (void)flow;
    (void)to;
    return buf_append(data, "!", 1) ? HOOK_CUT : HOOK_CHANGED;
}

static struct hook marker = {.name = "marker", .on_data = add_mark};
static struct hook *const marker_hooks[] = {&marker};

static void mark_bytes(struct stage *stage)
{
    stage->options.hooks = marker_hooks;
    stage->options.hooks_count = 1;
}

static bool hold_bytes(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    struct actor server = meet(stage, &victim);
    bool all = passes(&victim, &server, "one", "one!") &&
               passes(&server, &victim, "two", "two!") &&
               passes(&victim, &server, "three", "three!");
    both_leave(&victim, &server);
    return all;
}

static void edited_bytes_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "bytes",
                               .scheme = "tcp",
                               .prepare = mark_bytes,
                               .hold = hold_bytes});
}

/* ---- DNS ----------------------------------------------------------------- */

#define BANK                                                                   \
    "\x04"                                                                     \
    "bank\x03lab\x04test\0\0\x01\0\x01"
#define ASKS "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" BANK
#define SAYS                                                                   \
    "\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0" BANK                                \
    "\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\x42\x01\x09"
#define SIZE(text) (sizeof(text) - 1)

static const uint8_t elsewhere[4] = {127, 66, 1, 2};

static enum hook_act lead_elsewhere(void *config, struct flow *flow,
                                    struct dns_talk *talk)
{
    struct dns_record record;
    size_t at = talk->asked->question_end;
    (void)config;
    (void)flow;
    if (!buf_len(talk->answer))
        return HOOK_PASS;
    if (!dns_next(buf_head(talk->answer), buf_len(talk->answer), 0, &at,
                  &record) ||
        dns_put_address(buf_head(talk->answer), &record, elsewhere,
                        sizeof elsewhere))
        return HOOK_CUT;
    return HOOK_CHANGED;
}

static struct hook liar = {.name = "liar", .on_dns = lead_elsewhere};
static struct hook *const liar_hooks[] = {&liar};
static int resolver = -1; /* by UDP; by TCP it is the stage's server */

static int datagram_socket(struct sockaddr_in *out)
{
    socklen_t len = sizeof *out;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    out->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)out, len), 0);
    getsockname(fd, (struct sockaddr *)out, &len);
    return fd;
}

static void lie(struct stage *stage)
{
    stage->options.hooks = liar_hooks;
    stage->options.hooks_count = 1;
}

static void lie_by_udp(struct stage *stage)
{
    struct sockaddr_in own;
    lie(stage);
    resolver = datagram_socket(&own);
    stage->options.ways[0].target.port = ntohs(own.sin_port);
}

static void drop_resolver(void)
{
    close(resolver);
}

/* The next datagram, if one comes. */
static ssize_t hear_datagram(struct stage *stage, int fd, uint8_t *out,
                             size_t room, struct sockaddr_in *from)
{
    ssize_t got = -1;
    socklen_t len = sizeof *from;
    for (int i = 0; i < patience() && got < 0; i++) {
        stage_turn(stage);
        got = recvfrom(fd, out, room, 0, (struct sockaddr *)from,
                       from ? &len : NULL);
    }
    return got;
}

static bool hold_udp(struct stage *stage)
{
    uint8_t bytes[512], answer[] = SAYS;
    struct sockaddr_in from, own;
    const struct sockaddr_in *to = &proxy_address(stage->proxy, 0)->v4;
    int victim = datagram_socket(&own);
    (void)!sendto(victim, ASKS, SIZE(ASKS), 0, (const struct sockaddr *)to,
                  sizeof *to);
    ssize_t len = hear_datagram(stage, resolver, bytes, sizeof bytes, &from);
    bool all = len == SIZE(ASKS);
    if (all) {
        memcpy(answer, bytes, 2);
        (void)!sendto(resolver, answer, SIZE(SAYS), 0, (struct sockaddr *)&from,
                      sizeof from);
        len = hear_datagram(stage, victim, bytes, sizeof bytes, NULL);
        all = len == SIZE(SAYS);
    }
    if (all && !memory.failed)
        assert_memory_equal(bytes + len - 4, elsewhere, 4);
    close(victim);
    return all;
}

#define FRAME(text) "\0\x1f" text

static bool hold_dns_tcp(struct stage *stage)
{
    static_assert(SIZE(ASKS) == 0x1f, "the length that FRAME writes");
    uint8_t answer[2 + SIZE(SAYS)] = {0, SIZE(SAYS)};
    struct actor victim = victim_enters(stage);
    say_bytes(&victim, FRAME(ASKS), SIZE(FRAME(ASKS)));
    struct actor server = meet(stage, &victim);
    bool all = server.fd >= 0 && wait_for(&server, SIZE(FRAME(ASKS)));
    if (all) {
        memcpy(answer + 2, SAYS, SIZE(SAYS));
        memcpy(answer + 2, buf_head(&server.got) + 2, 2);
        say_bytes(&server, answer, sizeof answer);
        all = wait_for(&victim, sizeof answer);
    }
    both_leave(&victim, &server);
    return all;
}

/* As in a turn in which two come: see fault_test.c. */
static bool hold_dns_two(struct stage *stage)
{
    struct actor early = victim_enters(stage);
    bool all = hold_dns_tcp(stage);
    actor_leaves(&early);
    return all;
}

static void questions_of_dns_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "dns-udp",
                               .scheme = "dns",
                               .prepare = lie_by_udp,
                               .clean = drop_resolver,
                               .hold = hold_udp});
    try_faults(&(struct scene){.name = "dns-tcp",
                               .scheme = "dns",
                               .prepare = lie,
                               .hold = hold_dns_tcp});
    try_faults(&(struct scene){.name = "dns-tcp-two",
                               .scheme = "dns",
                               .prepare = lie,
                               .hold = hold_dns_two});
}

int main(void)
{
    if (hunger_begins())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(victims_that_know_survive),
        cmocka_unit_test(what_the_proxy_says_itself_survives),
        cmocka_unit_test(websockets_survive),
        cmocka_unit_test(edited_bytes_survive),
        cmocka_unit_test(questions_of_dns_survive),
    };
    return cmocka_run_group_tests(tests, make_hosts, drop_hosts);
}
