/* SPDX-License-Identifier: MIT
 *
 * Ten thousand connections that say nothing: what each of them costs the
 * proxy, that whoever comes then is served, and that all end well.
 *
 * The proxy is in this process, and each connection takes two of its
 * descriptors; the victims are kept by one child and the servers by another,
 * so that what a process may open is enough for all. */
#include "tests/proxy/stage.h"

#include "tests/need.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    IDLE = 10 * 1000,
    OTHERS = 100,    /* descriptors that are no connections */
    BATCH = 50,      /* victims that come at a time */
    COST = 7 * 1024, /* bytes that an idle connection may take; 5.9 k it does */
    SOURCES = 10,    /* addresses of victims, so that ports suffice */
    LONGEST = 2000000, /* turns until a child has answered */
};

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* ---- children ------------------------------------------------------------ */

struct order {
    enum { COME, ASK, LEAVE, COUNT } what;
    int count;        /* COME: how many; ASK: which one */
    union address to; /* COME */
};

struct report {
    int good, bad;
};

struct keeper {
    pid_t pid;
    int line;
};

static bool answered(int fd)
{
    char bytes[sizeof OK_HI - 1];
    return recv(fd, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes &&
           !memcmp(bytes, OK_HI, sizeof bytes);
}

static bool asks(int fd)
{
    return send(fd, GET, sizeof GET - 1, MSG_NOSIGNAL) == sizeof GET - 1;
}

static int come(const union address *to, int number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + (unsigned)number % SOURCES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (fd >= 0 && !bind(fd, (struct sockaddr *)&own, sizeof own) &&
        !connect(fd, &to->any, sizeof to->v4) && asks(fd))
        return fd;
    return -1;
}

/* The victims: each asks once when it comes, and then only if it is told to. */
static void keep_victims(int line)
{
    static int fds[IDLE];
    int count = 0;
    struct order order;
    while (recv(line, &order, sizeof order, 0) == sizeof order) {
        struct report report = {0};
        int from = order.what == COME ? count : order.count, to = from + 1;
        if (order.what == COME)
            for (to = from + order.count; count < to; count++)
                fds[count] = come(&order.to, count);
        else if (order.what == ASK && !asks(fds[from]))
            report.bad++;
        for (int i = from; i < to && order.what != LEAVE; i++)
            if (fds[i] >= 0 && answered(fds[i]))
                report.good++;
            else
                report.bad++;
        for (int i = 0; i < count && order.what == LEAVE; i++)
            report.good += !close(fds[i]);
        send(line, &report, sizeof report, 0);
    }
}

static void let_server_in(int listener, int poll_fd)
{
    int fd = accept(listener, NULL, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0)
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int fd, struct report *ends)
{
    char bytes[256];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        (void)!send(fd, OK_HI, sizeof OK_HI - 1, MSG_NOSIGNAL);
        return;
    }
    ends->good += got == 0;
    ends->bad += got < 0;
    close(fd);
}

/* The servers: each answers whatever comes. What is counted is how they end:
 * a FIN is good, a reset is not. */
static void keep_servers(int line, int listener)
{
    struct report ends = {0};
    struct order order;
    int poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = line;
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, line, &event);
    for (;;) {
        if (epoll_wait(poll_fd, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == listener)
            let_server_in(listener, poll_fd);
        else if (event.data.fd != line)
            serve(event.data.fd, &ends);
        else if (recv(line, &order, sizeof order, 0) != sizeof order)
            return;
        else
            send(line, &ends, sizeof ends, 0);
    }
}

/* listener -1: of victims. */
static struct keeper hire(int listener)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    struct keeper keeper = {.pid = fork(), .line = pair[0]};
    assert_true(keeper.pid >= 0);
    if (keeper.pid) {
        close(pair[1]);
        return keeper;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(pair[0]);
    if (listener < 0) {
        keep_victims(pair[1]);
    } else {
        fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK);
        keep_servers(pair[1], listener);
    }
    _exit(0);
}

static void dismiss(struct keeper *keeper)
{
    shutdown(keeper->line, SHUT_RDWR); /* the other child has it too */
    close(keeper->line);
    waitpid(keeper->pid, NULL, 0);
}

/* The proxy works until the child has done what it was told. */
static struct report tell(struct stage *stage, const struct keeper *keeper,
                          struct order order)
{
    struct report report = {0};
    ssize_t got = -1;
    assert_int_equal(send(keeper->line, &order, sizeof order, MSG_NOSIGNAL),
                     sizeof order);
    for (int i = 0; i < LONGEST && got < 0; i++) {
        stage_turn(stage);
        got = recv(keeper->line, &report, sizeof report, MSG_DONTWAIT);
    }
    assert_int_equal(got, sizeof report);
    return report;
}

/* ---- how many, and how much ---------------------------------------------- */

/* As many as this machine lets us open, up to ten thousand. */
static int how_many(void)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)IDLE * 2 + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    rlim_t was = limit.rlim_max;
    limit.rlim_max = limit.rlim_cur = was < wanted ? wanted : was;
    if (setrlimit(RLIMIT_NOFILE, &limit)) { /* root may */
        limit.rlim_max = limit.rlim_cur = was;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < OTHERS)
        return 0;
    rlim_t most = (limit.rlim_cur - OTHERS) / 2;
    return most < IDLE ? (int)most : IDLE;
}

/* AddressSanitizer keeps its own books. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t memory_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void they_come(struct stage *stage, const struct keeper *victims,
                      int idle)
{
    struct order order = {.what = COME, .to = *proxy_address(stage->proxy, 0)};
    for (int done = 0; done < idle; done += order.count) {
        order.count = idle - done < BATCH ? idle - done : BATCH;
        struct report report = tell(stage, victims, order);
        assert_int_equal(report.bad, 0);
        assert_int_equal(report.good, order.count);
    }
}

static void a_newcomer_is_served(struct stage *stage)
{
    struct actor victim = victim_enters(stage);
    actor_says(&victim, GET);
    actor_hears(&victim, OK_HI);
    actor_leaves(&victim);
}

static void thousands_of_idle_connections_cost_little(void **state)
{
    (void)state;
    struct stage stage;
    struct proxy_counts counts;
    int idle = how_many();
    need(idle >= 1000, "RLIMIT_NOFILE of 2,100, better of 20,100");
    stage_prepare(&stage, "http");
    event_close(); /* seven events of each would be another test */
    struct keeper victims = hire(-1), servers = hire(stage.listener);
    stage_raise(&stage);
    they_come(&stage, &victims, 1); /* what all share is made for the first */
    size_t before = memory_in_use();
    they_come(&stage, &victims, idle - 1);
    stage_rest(&stage);
    size_t each = (memory_in_use() - before) / (size_t)(idle - 1);
    proxy_count(stage.proxy, &counts);
    assert_int_equal(counts.flows, idle);
    assert_int_equal(counts.held, 0);
    print_message("%d idle connections%s, %zu bytes each\n", idle,
                  idle < IDLE ? " (RLIMIT_NOFILE allows no more)" : "", each);
    assert_in_range(each, 1, COST);
    a_newcomer_is_served(&stage);
    for (int i = 0; i < 3; i++) /* and each of them still works */
        assert_int_equal(
            tell(&stage, &victims,
                 (struct order){.what = ASK, .count = (idle - 1) * i / 2})
                .good,
            1);
    assert_int_equal(tell(&stage, &victims, (struct order){.what = LEAVE}).good,
                     idle);
    for (int i = 0; i < LONGEST && proxy_flows(stage.proxy); i++)
        stage_turn(&stage);
    assert_int_equal(proxy_flows(stage.proxy), 0);
    struct report ends = tell(&stage, &servers, (struct order){.what = COUNT});
    for (int i = 0; i < LONGEST && ends.good + ends.bad < idle + 1; i++)
        ends = tell(&stage, &servers, (struct order){.what = COUNT});
    assert_int_equal(ends.good, idle + 1); /* with the newcomer's */
    assert_int_equal(ends.bad, 0);
    dismiss(&victims);
    dismiss(&servers);
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_idle_connections_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
