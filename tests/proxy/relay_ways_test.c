/* SPDX-License-Identifier: MIT
 *
 * Victims that know of the proxy: what is asked by URL, by CONNECT and by
 * SOCKS goes to the server that was named and to no other, and what cannot be
 * had is answered so that the victim can tell why. */
#include "tests/proxy/hello_bytes.h"
#include "tests/proxy/later.h"
#include "tests/proxy/tls_stage.h"

#include <openssl/x509v3.h>

#define OK_HI   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define BANK    "bank.lab.test"
#define REQUEST "GET / HTTP/1.1\r\nHost: " BANK ":%d\r\n\r\n"
#define GRANT   "HTTP/1.1 200 Connection established\r\n\r\n"

static char hosts[] = "/tmp/mitmlab-ways-XXXXXX";

/* The lab's table for these tests. Nobody listens at 127.0.0.9. */
static int make_hosts(void **state)
{
    static const char table[] = "127.0.0.1 bank.lab.test\n"
                                "127.0.0.1 shop.lab.test\n"
                                "127.0.0.9 two.lab.test\n"
                                "127.0.0.1 two.lab.test\n"
                                "192.0.2.1 away.lab.test\n";
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

static void open_way(struct stage *stage, enum way_mode mode)
{
    tls_stage_prepare(stage, "http");
    stage_takes(stage, mode);
    stage_raise(stage);
}

/* Another server, beside the one of the stage. */
static int other_server(int *out_port)
{
    struct sockaddr_in address;
    int fd = stage_listen(&address);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static struct actor enters_at(struct stage *stage, int listener)
{
    int own = stage->listener;
    stage->listener = listener;
    struct actor actor = server_enters(stage);
    stage->listener = own;
    return actor;
}

static void asks(struct actor *victim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void asks(struct actor *victim, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    actor_says(victim, text);
}

static void hears(struct actor *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void hears(struct actor *server, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    actor_hears(server, text);
}

static void all_leave(struct stage *stage, struct actor *victim,
                      struct actor *server)
{
    actor_leaves(victim);
    if (server)
        actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

/* ---- URLs ---------------------------------------------------------------- */

static void a_url_becomes_a_path_and_host_is_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *sent;
    } rows[] = {
        {"GET", "/a?b=1", "/a?b=1"},
        {"GET", "/", "/"},
        {"GET", "", "/"},
        {"GET", "?q", "/?q"},
        {"OPTIONS", "", "*"},
        {"OPTIONS", "/", "/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage stage;
        open_way(&stage, WAY_HTTP);
        int port = stage.upstream.port;
        struct actor victim = victim_enters(&stage);
        asks(&victim,
             "%s http://" BANK ":%d%s HTTP/1.1\r\nHost: evil.lab.test\r\n"
             "X-One: 1\r\nProxy-Connection: keep-alive\r\n"
             "Proxy-Authorization: Basic YTpi\r\n\r\n",
             rows[i].method, port, rows[i].path);
        struct actor server = server_enters(&stage);
        hears(&server,
              "%s %s HTTP/1.1\r\nHost: " BANK ":%d\r\nX-One: 1\r\n\r\n",
              rows[i].method, rows[i].sent, port);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        assert_true(stage_has_event(&stage, "proxy.asked",
                                    "\"way\":\"http\",\"host\":\"" BANK
                                    "\",\"port\":"));
        assert_true(
            stage_has_event(&stage, "proxy.asked", "\"login\":\"a:b\""));
        all_leave(&stage, &victim, &server);
    }
}

static void a_request_without_host_gets_one(void **state)
{
    (void)state;
    struct stage stage;
    open_way(&stage, WAY_HTTP);
    struct actor victim = victim_enters(&stage);
    asks(&victim, "GET http://localhost:%d/ HTTP/1.0\r\n\r\n",
         stage.upstream.port);
    struct actor server = server_enters(&stage);
    hears(&server, "GET / HTTP/1.0\r\nHost: localhost:%d\r\n\r\n",
          stage.upstream.port);
    all_leave(&stage, &victim, &server);
}

static void a_body_goes_along_in_any_framing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "Content-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"};
    struct stage stage;
    open_way(&stage, WAY_HTTP);
    struct actor victim = victim_enters(&stage), server = {.fd = -1};
    for (int i = 0; i < 4; i++) {
        asks(&victim, "POST http://" BANK ":%d/ HTTP/1.1\r\nHost: a\r\n%s",
             stage.upstream.port, bodies[i % 2]);
        if (!i)
            server = server_enters(&stage);
        hears(&server, "POST / HTTP/1.1\r\nHost: " BANK ":%d\r\n%s",
              stage.upstream.port, bodies[i % 2]);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
    }
    all_leave(&stage, &victim, &server);
}

/* Two servers and back, on one connection of the victim; pipelined. */
static void each_request_goes_to_the_server_that_it_names(void **state)
{
    (void)state;
    int port;
    struct stage stage;
    open_way(&stage, WAY_HTTP);
    int listener = other_server(&port);
    struct actor victim = victim_enters(&stage);
    asks(&victim,
         "GET http://" BANK ":%d/1 HTTP/1.1\r\nHost: a\r\n\r\n"
         "GET http://shop.lab.test:%d/2 HTTP/1.1\r\nHost: a\r\n\r\n"
         "GET http://" BANK ":%d/3 HTTP/1.1\r\nHost: a\r\n\r\n",
         stage.upstream.port, port, stage.upstream.port);
    struct actor one = server_enters(&stage);
    hears(&one, "GET /1 HTTP/1.1\r\nHost: " BANK ":%d\r\n\r\n",
          stage.upstream.port);
    actor_hears_nothing(&one);
    actor_says(&one, OK_HI);
    struct actor two = enters_at(&stage, listener);
    actor_hears_end(&one);
    hears(&two, "GET /2 HTTP/1.1\r\nHost: shop.lab.test:%d\r\n\r\n", port);
    actor_says(&two, OK_HI);
    struct actor three = server_enters(&stage);
    hears(&three, "GET /3 HTTP/1.1\r\nHost: " BANK ":%d\r\n\r\n",
          stage.upstream.port);
    actor_says(&three, OK_HI);
    actor_hears(&victim, OK_HI OK_HI OK_HI);
    actor_leaves(&one);
    actor_leaves(&two);
    close(listener);
    all_leave(&stage, &victim, &three);
}

/* ... and back, on one connection of the victim that is in clear. */
static void a_url_of_https_is_asked_for_inside_tls(void **state)
{
    (void)state;
    int port;
    char heard[128];
    struct stage stage;
    tls_stage_prepare(&stage, "http");
    stage_takes(&stage, WAY_HTTP);
    stage.options.h2 = PROXY_H2_SERVER; /* which is nothing for URLs */
    stage_raise(&stage);
    int listener = other_server(&port);
    struct actor victim = victim_enters(&stage), plains[2];
    for (int i = 0; i < 2; i++) {
        asks(&victim, "GET https://" BANK ":%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             stage.upstream.port);
        struct talker server = server_answers(&stage);
        talkers_shake(&server, NULL);
        assert_true(server.done);
        snprintf(heard, sizeof heard, REQUEST, stage.upstream.port);
        talker_hears(&server, heard);
        talker_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        asks(&victim, "GET http://" BANK ":%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             port);
        struct actor plain = enters_at(&stage, listener);
        snprintf(heard, sizeof heard, REQUEST, port);
        actor_hears(&plain, heard);
        actor_says(&plain, OK_HI);
        actor_hears(&victim, OK_HI);
        talker_leaves(&server);
        plains[i] = plain;
    }
    actor_leaves(&plains[0]);
    actor_leaves(&plains[1]);
    close(listener);
    all_leave(&stage, &victim, NULL);
}

static void a_tunnel_may_follow_a_request(void **state)
{
    (void)state;
    int port;
    struct stage stage;
    open_way(&stage, WAY_HTTP);
    int listener = other_server(&port);
    struct actor victim = victim_enters(&stage);
    asks(&victim, "GET http://" BANK ":%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
         stage.upstream.port);
    struct actor one = server_enters(&stage);
    actor_says(&one, OK_HI);
    actor_hears(&victim, OK_HI);
    asks(&victim, "CONNECT shop.lab.test:%d HTTP/1.1\r\nHost: a\r\n\r\n", port);
    struct actor two = enters_at(&stage, listener);
    actor_hears(&victim, GRANT);
    /* Inside, requests are those of a server: nothing is rewritten. */
    actor_says(&victim, "GET / HTTP/1.1\r\nhOST: other\r\n\r\n");
    actor_hears(&two, "GET / HTTP/1.1\r\nhOST: other\r\n\r\n");
    actor_leaves(&one);
    close(listener);
    all_leave(&stage, &victim, &two);
}

static void what_a_proxy_cannot_do_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *sentence;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n", "400",
         "this is a proxy"},
        {"GET ftp://bank.lab.test/ HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         "this is a proxy"},
        {"GET http://bank.lab.test:0/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", ""},
        {"CONNECT bank.lab.test HTTP/1.1\r\nHost: a\r\n\r\n", "400", ""},
        {"CONNECT bank.lab.test:99999 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         "RFC 9110 9.3.6"},
        {"CONNECT bank.lab.test:1 HTTP/1.1\r\nHost: a\r\n"
         "Content-Length: 1\r\n\r\nx",
         "400", "RFC 9110 9.3.6"},
        {"GET http://192.0.2.1/ HTTP/1.1\r\nHost: a\r\n\r\n", "403",
         "outside the lab"},
        {"CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403",
         "outside the lab"},
        {"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403",
         "outside the lab"},
        {"CONNECT away.lab.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403",
         "outside the lab"},
        {"CONNECT www.example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", "502",
         "name not in this lab"},
        {"CONNECT 127.0.0.9:9 HTTP/1.1\r\nHost: a\r\n\r\n", "502", "refused"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage stage;
        char expected[32];
        open_way(&stage, WAY_HTTP);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, rows[i].request);
        const char *heard = actor_hears_all(&victim);
        snprintf(expected, sizeof expected, "HTTP/1.1 %s ", rows[i].status);
        if (strncmp(heard, expected, strlen(expected)) ||
            !strstr(heard, rows[i].sentence))
            fail_msg("%s -> %s", rows[i].request, heard);
        all_leave(&stage, &victim, NULL);
    }
}

static void no_way_leads_back_into_the_proxy(void **state)
{
    (void)state;
    static const char *const targets[][2] = {
        {"CONNECT 127.0.0.1", ""},
        {"CONNECT [::ffff:127.0.0.1]", ""},
        {"CONNECT localhost.", ""},
        {"GET http://bank.lab.test", "/"},
    };
    for (size_t i = 0; i < 8; i++) {
        struct stage stage;
        struct err err = ERR_INIT;
        tls_stage_prepare(&stage, "http");
        stage_takes(&stage, WAY_HTTP);
        /* A second listener is ours as well. */
        stage.options.ways[1] = (struct way_in){.mode = WAY_SNI};
        stage.options.ways_count = 2;
        assert_int_equal(
            address_parse("127.0.0.1:0", &stage.options.ways[1].address, &err),
            0);
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        asks(&victim, "%s:%d%s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i % 4][0],
             address_port(proxy_address(stage.proxy, (unsigned)i / 4)),
             targets[i % 4][1]);
        const char *heard = actor_hears_all(&victim);
        assert_int_equal(strncmp(heard, "HTTP/1.1 403 ", 13), 0);
        assert_non_null(strstr(heard, "this proxy itself"));
        all_leave(&stage, &victim, NULL);
    }
}

static void the_next_address_of_a_name_is_tried(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        open_way(&stage, WAY_HTTP);
        struct actor victim = victim_enters(&stage);
        asks(&victim, "GET http://two.lab.test:%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             stage.upstream.port);
        struct actor server = server_enters(&stage);
        hears(&server, "GET / HTTP/1.1\r\nHost: two.lab.test:%d\r\n\r\n",
              stage.upstream.port);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        all_leave(&stage, &victim, &server);
    }
}

/* ---- tunnels ------------------------------------------------------------- */

/* Ask for the stage's server in the way's own language, and be granted it. */
static void ask_tunnel(struct actor *victim, enum way_mode mode)
{
    int port = victim->stage->upstream.port;
    if (mode == WAY_HTTP) {
        asks(victim, "CONNECT " BANK ":%d HTTP/1.1\r\nHost: a\r\n\r\n", port);
        return;
    }
    uint8_t request[] = "\5\1\0\3\x0d" BANK "..";
    request[sizeof request - 3] = (uint8_t)(port >> 8);
    request[sizeof request - 2] = (uint8_t)port;
    actor_says_bytes(victim, "\5\1\0", 3);
    actor_hears_bytes(victim, "\5\0", 2);
    actor_says_bytes(victim, request, sizeof request - 1);
}

static void be_granted(struct actor *victim, enum way_mode mode)
{
    if (mode == WAY_HTTP) {
        actor_hears(victim, GRANT);
        return;
    }
    actor_waits_for(victim, 10);
    assert_int_equal(buf_len(&victim->got), 10);
    actor_hears_bytes(victim, "\5\0\0\1\x7f\0\0\1", 8);
    buf_clear(&victim->got); /* the port is the kernel's choice */
}

static const enum way_mode both[] = {WAY_HTTP, WAY_SOCKS};

static void inside_a_tunnel_tls_is_intercepted(void **state)
{
    (void)state;
    static const char *const names[] = {BANK, NULL};
    for (int i = 0; i < 4; i++) {
        struct stage stage;
        char part[64];
        open_way(&stage, both[i % 2]);
        struct talker victim = victim_calls(&stage, authorities.rogue->root,
                                            TLS1_3_VERSION, names[i / 2]);
        ask_tunnel(&victim.actor, both[i % 2]);
        struct talker server = server_answers(&stage);
        be_granted(&victim.actor, both[i % 2]);
        snprintf(part, sizeof part, "\"at\":%zu,",
                 both[i % 2] == WAY_SOCKS
                     ? (size_t)3 + 22 - 2
                     : strlen("CONNECT " BANK ":65535 HTTP/1.1\r\n"
                              "Host: a\r\n\r\n"));
        talkers_shake(&victim, &server);
        assert_true(victim.done);
        /* Without an SNI the name is the one that the tunnel was asked for. */
        if (!names[i / 2])
            assert_int_equal(
                X509_check_host(SSL_get0_peer_certificate(victim.ssl), BANK, 0,
                                0, NULL),
                1);
        talker_says(&victim, "GET / HTTP/1.1\r\nHost: " BANK "\r\n\r\n");
        talkers_shake(&server, NULL);
        talker_hears(&server, "GET / HTTP/1.1\r\nHost: " BANK "\r\n\r\n");
        talker_says(&server, OK_HI);
        talker_hears(&victim, OK_HI);
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        if (names[i / 2] && stage.upstream.port > 9999)
            assert_true(stage_has_event(&stage, "tls.hello", part));
        stage_close(&stage);
    }
}

static void a_server_may_speak_first_in_a_tunnel(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        open_way(&stage, both[i]);
        struct actor victim = victim_enters(&stage);
        ask_tunnel(&victim, both[i]);
        struct actor server = server_enters(&stage);
        be_granted(&victim, both[i]);
        actor_says(&server, "220 ready\r\n");
        actor_hears(&victim, "220 ready\r\n");
        actor_says(&victim, "EHLO a\r\n");
        actor_hears(&server, "EHLO a\r\n");
        actor_finishes(&victim);
        actor_hears_end(&server);
        actor_says(&server, "bye");
        actor_hears(&victim, "bye");
        all_leave(&stage, &victim, &server);
    }
}

static void plain_http_in_a_tunnel_is_http(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        open_way(&stage, both[i]);
        struct actor victim = victim_enters(&stage);
        ask_tunnel(&victim, both[i]);
        struct actor server = server_enters(&stage);
        be_granted(&victim, both[i]);
        actor_says(&victim, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        actor_hears(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        assert_true(stage_has_event(&stage, "http.response", "\"status\":200"));
        all_leave(&stage, &victim, &server);
    }
}

static void a_tunnel_that_nobody_uses_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        open_way(&stage, both[i]);
        struct actor victim = victim_enters(&stage);
        ask_tunnel(&victim, both[i]);
        struct actor server = server_enters(&stage);
        be_granted(&victim, both[i]);
        if (i)
            actor_leaves(&server);
        else
            actor_leaves(&victim);
        struct actor *other = i ? &victim : &server;
        actor_hears_end(other);
        all_leave(&stage, &victim, &server);
    }
}

/* ---- hellos in pieces ------------------------------------------------------
 */

/* Offer so many protocols that the hello is as large as one with a
 * post-quantum share, and cut it into records of this size. What is signed is
 * the message, so the handshake goes on as ever. */
static void says_large_hello(struct talker *victim, size_t record, bool drips)
{
    uint8_t protocols[60 * 20];
    struct buf message = {0}, records = {0};
    BIO *sent = BIO_new(BIO_s_mem());
    char *bytes;
    for (size_t i = 0; i < sizeof protocols; i += 20) {
        memset(protocols + i, 'a', 20);
        protocols[i] = 19;
    }
    SSL_set_alpn_protos(victim->ssl, protocols, sizeof protocols);
    SSL_set0_wbio(victim->ssl, sent);
    talker_shakes(victim);
    long len = BIO_get_mem_data(sent, &bytes);
    assert_true(len > 1400);
    buf_append(&message, bytes + 5, (size_t)len - 5);
    put_records(&records, &message, record);
    SSL_set0_wbio(victim->ssl, BIO_new_socket(victim->actor.fd, BIO_NOCLOSE));
    size_t step = drips ? 1 : buf_len(&records);
    for (size_t at = 0; at < buf_len(&records); at += step)
        actor_says_bytes(&victim->actor, buf_head(&records) + at, step);
    buf_free(&message);
    buf_free(&records);
}

static const struct {
    enum way_mode mode;
    bool pass_tls;
    size_t record;
    bool drips;
} pieces[] = {
    {WAY_REVERSE, false, 100, false}, {WAY_REVERSE, false, 1400, true},
    {WAY_SNI, false, 1, false},       {WAY_SNI, false, 700, true},
    {WAY_HTTP, false, 100, true},     {WAY_HTTP, false, 1, false},
    {WAY_SOCKS, false, 100, true},    {WAY_SOCKS, false, 1, false},
    {WAY_SNI, true, 100, true},       {WAY_SOCKS, true, 100, true},
};

static void a_large_hello_in_pieces_comes_in_by_every_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct stage stage;
        enum way_mode mode = pieces[i].mode;
        tls_stage_prepare(&stage, "https");
        if (mode != WAY_REVERSE)
            stage_takes(&stage, mode);
        stage.options.ways[0].port = stage.upstream.port;
        stage.options.ways[0].pass_tls = pieces[i].pass_tls;
        stage_raise(&stage);
        struct talker server,
            victim = victim_calls(&stage,
                                  pieces[i].pass_tls ? authorities.lab->root
                                                     : authorities.rogue->root,
                                  TLS1_3_VERSION, BANK);
        if (mode == WAY_HTTP || mode == WAY_SOCKS) {
            ask_tunnel(&victim.actor, mode);
            server = server_answers(&stage);
            be_granted(&victim.actor, mode);
            says_large_hello(&victim, pieces[i].record, pieces[i].drips);
        } else {
            says_large_hello(&victim, pieces[i].record, pieces[i].drips);
            server = server_answers(&stage);
        }
        talkers_shake(&victim, &server);
        assert_true(victim.done);
        assert_int_equal(victim.verify_code, X509_V_OK);
        assert_true(
            stage_has_event(&stage, "tls.hello", "\"sni\":\"" BANK "\""));
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        stage_close(&stage);
    }
}

/* ---- SOCKS --------------------------------------------------------------- */

static const struct {
    const char *what, *says;
    size_t len;
    const char *hears;
    size_t hears_len;
} refusals[] = {
#define ROW(what, says, hears)                                                 \
    {                                                                          \
        what, says, sizeof(says) - 1, hears, sizeof(hears) - 1                 \
    }
#define NONE "\0\1\0\0\0\0\0\0"
    ROW("no method of ours", "\5\1\1", "\5\xff"),
    ROW("SOCKS4", "\4\1\0\x50\x7f\0\0\1a\0", "\0\x5b\0\0\0\0\0\0"),
    ROW("HTTP", "GET / HTTP/1.1\r\n\r\n", ""),
    ROW("BIND", "\5\1\0\5\2\0\1\x7f\0\0\1\0\1", "\5\0\5\7" NONE),
    ROW("UDP", "\5\1\0\5\3\0\1\x7f\0\0\1\0\1", "\5\0\5\7" NONE),
    ROW("an unknown type", "\5\1\0\5\1\0\2", "\5\0\5\x8" NONE),
    ROW("outside", "\5\1\0\5\1\0\1\xc0\0\2\1\0\1", "\5\0\5\2" NONE),
    ROW("an unknown name", "\5\1\0\5\1\0\3\1x\0\1", "\5\0\5\4" NONE),
    ROW("nobody there", "\5\1\0\5\1\0\1\x7f\0\0\x9\0\1", "\5\0\5\5" NONE),
    ROW("a login, then outside", "\5\1\2\1\1a\1b\5\1\0\1\xc0\0\2\1\0\1",
        "\5\2\1\0\5\2" NONE),
#undef ROW
};

static void what_socks_cannot_have_is_told_by_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct stage stage;
        open_way(&stage, WAY_SOCKS);
        struct actor victim = victim_enters(&stage);
        /* Byte by byte, which no client does. */
        for (size_t at = 0; at < refusals[i].len; at++)
            if (send(victim.fd, refusals[i].says + at, 1, MSG_NOSIGNAL) == 1)
                stage_turn(&stage);
        actor_waits_for(&victim, refusals[i].hears_len);
        if (buf_len(&victim.got) < refusals[i].hears_len ||
            (refusals[i].hears_len &&
             memcmp(buf_head(&victim.got), refusals[i].hears,
                    refusals[i].hears_len)))
            fail_msg("%s", refusals[i].what);
        all_leave(&stage, &victim, NULL);
    }
}

static void a_socks_password_is_seen(void **state)
{
    (void)state;
    struct stage stage;
    open_way(&stage, WAY_SOCKS);
    struct actor victim = victim_enters(&stage);
    actor_says_bytes(&victim, "\5\2\0\2\1\5alice\6secret", 18);
    actor_hears_bytes(&victim, "\5\2\1\0", 4);
    uint8_t request[] = "\5\1\0\1\x7f\0\0\1..";
    request[8] = (uint8_t)(stage.upstream.port >> 8);
    request[9] = (uint8_t)stage.upstream.port;
    actor_says_bytes(&victim, request, 10);
    struct actor server = server_enters(&stage);
    be_granted(&victim, WAY_SOCKS);
    assert_true(stage_has_event(&stage, "proxy.asked",
                                "\"way\":\"socks\",\"host\":\"127.0.0.1\""));
    assert_true(
        stage_has_event(&stage, "proxy.asked", "\"login\":\"alice:secret\""));
    all_leave(&stage, &victim, &server);
}

/* A listener whose queue is full takes nobody more, and refuses nobody. */
static void a_server_that_does_not_answer_is_told_so(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        struct sockaddr_in address;
        int full = stage_listen(&address), waits[4];
        assert_int_equal(listen(full, 0), 0);
        for (int k = 0; k < 4; k++) {
            waits[k] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(waits[k], (struct sockaddr *)&address,
                          sizeof address);
        }
        tls_stage_prepare(&stage, "http");
        stage_takes(&stage, both[i]);
        stage_raise(&stage);
        stage.upstream.port = ntohs(address.sin_port);
        struct actor victim = victim_enters(&stage);
        ask_tunnel(&victim, both[i]);
        stage_later(&stage, CONNECT_IS_LATE);
        if (i)
            actor_hears_bytes(&victim, "\5\6", 2);
        else
            actor_hears(&victim, "HTTP/1.1 504 ");
        for (int k = 0; k < 4; k++)
            close(waits[k]);
        close(full);
        all_leave(&stage, &victim, NULL);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_becomes_a_path_and_host_is_what_it_says),
        cmocka_unit_test(a_request_without_host_gets_one),
        cmocka_unit_test(a_body_goes_along_in_any_framing),
        cmocka_unit_test(each_request_goes_to_the_server_that_it_names),
        cmocka_unit_test(a_url_of_https_is_asked_for_inside_tls),
        cmocka_unit_test(a_tunnel_may_follow_a_request),
        cmocka_unit_test(what_a_proxy_cannot_do_is_answered),
        cmocka_unit_test(no_way_leads_back_into_the_proxy),
        cmocka_unit_test(the_next_address_of_a_name_is_tried),
        cmocka_unit_test(inside_a_tunnel_tls_is_intercepted),
        cmocka_unit_test(a_server_may_speak_first_in_a_tunnel),
        cmocka_unit_test(plain_http_in_a_tunnel_is_http),
        cmocka_unit_test(a_tunnel_that_nobody_uses_ends),
        cmocka_unit_test(a_large_hello_in_pieces_comes_in_by_every_way),
        cmocka_unit_test(what_socks_cannot_have_is_told_by_its_code),
        cmocka_unit_test(a_socks_password_is_seen),
        cmocka_unit_test(a_server_that_does_not_answer_is_told_so),
    };
    return cmocka_run_group_tests(tests, make_hosts, drop_hosts);
}
