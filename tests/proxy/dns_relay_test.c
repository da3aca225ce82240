/* SPDX-License-Identifier: MIT
 *
 * Questions of DNS through the proxy: what hooks are shown and make of it, and
 * that every handle comes back, whoever leaves first. */
#include "proxy/dns.h"
#include "proxy/dns_relay.h"
#include "tests/proxy/stage.h"

#define BANK                                                                   \
    "\x04"                                                                     \
    "bank\x03lab\x04test\0\0\x01\0\x01"
#define ASKS "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" BANK
#define SAYS                                                                   \
    "\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0" BANK                                \
    "\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\x42\x01\x09"
#define SIZE(text) (sizeof(text) - 1)

struct puppet {
    struct hook hook;
    enum hook_act asked, answered; /* what it says */
    unsigned questions, answers;
};

static const uint8_t elsewhere[4] = {127, 66, 1, 2};

static enum hook_act on_dns(void *config, struct flow *flow,
                            struct dns_talk *talk)
{
    struct puppet *puppet = config;
    const struct dns_given given = {
        .type = DNS_A, .ttl = 60, .data = elsewhere, .len = sizeof elsewhere};
    struct dns_record record;
    size_t at = talk->asked->question_end;
    assert_string_equal(talk->asked->name, "bank.lab.test");
    assert_string_equal(flow->server_name, "bank.lab.test");
    if (!buf_len(talk->answer)) {
        puppet->questions++;
        if (puppet->asked == HOOK_ANSWER)
            assert_int_equal(dns_write_answer(talk->answer, talk->query,
                                              talk->asked, DNS_NOERROR, &given,
                                              1),
                             0);
        return puppet->asked;
    }
    puppet->answers++;
    assert_true(dns_next(buf_head(talk->answer), buf_len(talk->answer), 0, &at,
                         &record));
    if (puppet->answered == HOOK_CHANGED)
        assert_int_equal(dns_put_address(buf_head(talk->answer), &record,
                                         elsewhere, sizeof elsewhere),
                         0);
    return puppet->answered;
}

struct scene {
    struct stage stage;
    struct puppet puppet;
    struct hook *list[1];
    int resolver; /* by UDP */
    int victim;
};

static int datagram_socket(const struct sockaddr_in *to)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    if (to)
        assert_int_equal(connect(fd, (const struct sockaddr *)to, sizeof *to),
                         0);
    return fd;
}

/* By TCP the resolver is the server of the stage. */
static void scene_open(struct scene *scene, bool tcp)
{
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    stage_prepare(&scene->stage, "dns");
    scene->resolver = datagram_socket(NULL);
    getsockname(scene->resolver, (struct sockaddr *)&own, &len);
    if (!tcp)
        scene->stage.options.ways[0].target.port = ntohs(own.sin_port);
    scene->puppet.hook = (struct hook){
        .name = "puppet", .config = &scene->puppet, .on_dns = on_dns};
    scene->list[0] = &scene->puppet.hook;
    scene->stage.options.hooks = scene->list;
    scene->stage.options.hooks_count = 1;
    stage_raise(&scene->stage);
    scene->victim = datagram_socket(&proxy_address(scene->stage.proxy, 0)->v4);
}

static void scene_close(struct scene *scene)
{
    stage_close(&scene->stage);
    close(scene->resolver);
    close(scene->victim);
}

static void victim_asks(struct scene *scene)
{
    assert_int_equal(send(scene->victim, ASKS, SIZE(ASKS), 0), SIZE(ASKS));
}

/* The next datagram. */
static size_t hear(struct scene *scene, int fd, uint8_t *out, size_t room,
                   struct sockaddr_in *from)
{
    socklen_t len = sizeof *from;
    ssize_t got = -1;
    for (int i = 0; i < PATIENCE_TURNS && got < 0; i++) {
        stage_turn(&scene->stage);
        got = recvfrom(fd, out, room, 0, (struct sockaddr *)from,
                       from ? &len : NULL);
    }
    assert_true(got >= 0);
    return (size_t)got;
}

/* What it was asked is answered, under the id that came. */
static void resolver_answers(struct scene *scene)
{
    uint8_t bytes[512], answer[] = SAYS;
    struct sockaddr_in from;
    size_t len = hear(scene, scene->resolver, bytes, sizeof bytes, &from);
    assert_int_equal(len, SIZE(ASKS));
    assert_memory_equal(bytes + 2, &ASKS[2], len - 2);
    memcpy(answer, bytes, 2);
    assert_int_equal(sendto(scene->resolver, answer, SIZE(SAYS), 0,
                            (struct sockaddr *)&from, sizeof from),
                     SIZE(SAYS));
}

static void victim_hears(struct scene *scene, const uint8_t address[4])
{
    uint8_t bytes[512];
    size_t len = hear(scene, scene->victim, bytes, sizeof bytes, NULL);
    assert_int_equal(len, SIZE(SAYS));
    assert_memory_equal(bytes, "\x12\x34", 2);
    assert_memory_equal(bytes + len - 4, address, 4);
}

static bool is_silent(struct scene *scene, int fd)
{
    uint8_t byte;
    stage_rest(&scene->stage);
    return recv(fd, &byte, 1, 0) < 0;
}

static void a_hook_sees_the_question_and_then_the_answer(void **state)
{
    (void)state;
    static const uint8_t there[4] = {127, 66, 1, 9};
    struct scene scene = {0};
    scene_open(&scene, false);
    victim_asks(&scene);
    resolver_answers(&scene);
    victim_hears(&scene, there);
    assert_int_equal(scene.puppet.questions, 1);
    assert_int_equal(scene.puppet.answers, 1);
    assert_false(
        stage_has_event(&scene.stage, "dns.answer", "\"changed\":true"));
    scene_close(&scene);
}

static void a_hook_changes_an_answer(void **state)
{
    (void)state;
    struct scene scene = {.puppet.answered = HOOK_CHANGED};
    scene_open(&scene, false);
    victim_asks(&scene);
    resolver_answers(&scene);
    victim_hears(&scene, elsewhere);
    assert_true(
        stage_has_event(&scene.stage, "dns.answer", "\"changed\":true"));
    scene_close(&scene);
}

static void a_hook_answers_and_the_resolver_is_not_asked(void **state)
{
    (void)state;
    struct scene scene = {.puppet.asked = HOOK_ANSWER};
    scene_open(&scene, false);
    victim_asks(&scene);
    victim_hears(&scene, elsewhere);
    assert_true(is_silent(&scene, scene.resolver));
    assert_int_equal(scene.puppet.answers, 0);
    scene_close(&scene);
}

static void what_a_hook_cuts_nobody_hears(void **state)
{
    (void)state;
    struct scene scene = {.puppet.asked = HOOK_CUT};
    scene_open(&scene, false);
    victim_asks(&scene);
    assert_true(is_silent(&scene, scene.victim));
    assert_int_equal(scene.puppet.questions, 1);
    assert_true(is_silent(&scene, scene.resolver));
    scene_close(&scene);
}

static void an_answer_may_be_cut_too(void **state)
{
    (void)state;
    struct scene scene = {.puppet.answered = HOOK_CUT};
    scene_open(&scene, false);
    victim_asks(&scene);
    resolver_answers(&scene);
    assert_true(is_silent(&scene, scene.victim));
    assert_int_equal(scene.puppet.answers, 1);
    scene_close(&scene);
}

/* The stage's loop must close empty. */
static void a_stop_ends_what_is_under_way(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct scene scene = {0};
    scene_open(&scene, false);
    victim_asks(&scene);
    victim_asks(&scene);
    hear(&scene, scene.resolver, bytes, sizeof bytes, NULL);
    hear(&scene, scene.resolver, bytes, sizeof bytes, NULL);
    scene_close(&scene);
}

#define FRAME(text) "\0\x1f" text
static void tcp_is_answered_over_tcp(void **state)
{
    (void)state;
    static_assert(SIZE(ASKS) == 0x1f, "the length that FRAME writes");
    uint8_t answer[2 + SIZE(SAYS)] = {0, SIZE(SAYS)};
    struct scene scene = {0};
    scene_open(&scene, true);
    struct actor victim = victim_enters(&scene.stage);
    actor_says_bytes(&victim, FRAME(ASKS), SIZE(FRAME(ASKS)));
    struct actor server = server_enters(&scene.stage);
    for (int i = 0;
         i < PATIENCE_TURNS && buf_len(&server.got) < SIZE(FRAME(ASKS)); i++) {
        stage_turn(&scene.stage);
        actor_listens(&server);
    }
    assert_int_equal(buf_len(&server.got), SIZE(FRAME(ASKS)));
    memcpy(answer + 2, SAYS, SIZE(SAYS));
    memcpy(answer + 2, buf_head(&server.got) + 2, 2);
    actor_says_bytes(&server, answer, sizeof answer);
    memcpy(answer + 2, "\x12\x34", 2);
    actor_hears_bytes(&victim, (char *)answer, sizeof answer);
    actor_leaves(&server);
    actor_leaves(&victim);
    scene_close(&scene);
}

/* ---- too much ------------------------------------------------------------ */

static void questions_under_way_have_a_limit(void **state)
{
    (void)state;
    struct scene scene = {0};
    uint8_t bytes[512];
    unsigned came = 0;
    scene_open(&scene, false);
    for (unsigned i = 0; i < 2 * DNS_QUERIES_MOST; i++) {
        victim_asks(&scene);
        for (int turns = 0; turns < 3; turns++)
            uv_run(&scene.stage.loop, UV_RUN_NOWAIT);
        came += recv(scene.resolver, bytes, sizeof bytes, 0) > 0;
    }
    stage_rest(&scene.stage);
    while (recv(scene.resolver, bytes, sizeof bytes, 0) > 0)
        came++;
    assert_int_equal(came, DNS_QUERIES_MOST);
    scene_close(&scene);
}

static void visitors_over_tcp_have_a_limit(void **state)
{
    (void)state;
    enum { MANY = DNS_VISITORS_MOST + 30 };
    struct scene scene = {0};
    struct actor victims[MANY];
    unsigned closed = 0;
    scene_open(&scene, true);
    for (unsigned i = 0; i < MANY; i++) {
        victims[i] = victim_enters(&scene.stage);
        stage_turn(&scene.stage);
    }
    stage_rest(&scene.stage);
    for (unsigned i = 0; i < MANY; i++) {
        actor_listens(&victims[i]);
        closed += victims[i].eof || victims[i].reset;
        actor_leaves(&victims[i]);
    }
    assert_int_equal(closed, MANY - DNS_VISITORS_MOST);
    scene_close(&scene);
}

static void a_victim_may_leave_before_its_answer(void **state)
{
    (void)state;
    struct scene scene = {0};
    scene_open(&scene, true);
    struct actor victim = victim_enters(&scene.stage);
    actor_says_bytes(&victim, FRAME(ASKS), SIZE(FRAME(ASKS)));
    struct actor server = server_enters(&scene.stage);
    actor_resets(&victim);
    for (int i = 0; i < PATIENCE_TURNS && !server.eof && !server.reset; i++) {
        stage_turn(&scene.stage);
        actor_listens(&server);
    }
    assert_true(server.eof || server.reset);
    actor_leaves(&server);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_sees_the_question_and_then_the_answer),
        cmocka_unit_test(a_hook_changes_an_answer),
        cmocka_unit_test(a_hook_answers_and_the_resolver_is_not_asked),
        cmocka_unit_test(what_a_hook_cuts_nobody_hears),
        cmocka_unit_test(an_answer_may_be_cut_too),
        cmocka_unit_test(a_stop_ends_what_is_under_way),
        cmocka_unit_test(tcp_is_answered_over_tcp),
        cmocka_unit_test(questions_under_way_have_a_limit),
        cmocka_unit_test(visitors_over_tcp_have_a_limit),
        cmocka_unit_test(a_victim_may_leave_before_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
