/* SPDX-License-Identifier: MIT
 *
 * Listeners, and the life of a worker: one loop, one thread. Workers share
 * nothing but the options, the hooks and the ports, which the kernel deals out
 * (SO_REUSEPORT). */
#include "proxy/proxy.h"

#include "proxy/dns_relay.h"
#include "proxy/leaf.h"
#include "proxy/pour.h"
#include "proxy/relay.h"
#include "proxy/tls.h"
#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    PORT_TRIES = 16,
    HEARTBEAT_MS = 1000,
    OTHER_FILES = 16,  /* that are no connections */
    WORKER_FILES = 16, /* of a loop, a pipe, and of those whom it turns away */
};

struct listener {
    uv_tcp_t tcp;
    struct proxy *proxy;
    struct way_in *way;    /* in the options of the proxy */
    struct dns_relay *dns; /* has the sockets, if it is a resolver's way */
    bool open;
};

struct proxy {
    struct worker worker;
    struct proxy_options options;
    struct listener listeners[PROXY_LISTEN_MOST];
    uv_timer_t heart;
    bool beating, posting;
    uv_tcp_t dropped; /* a connection that no memory is left for; and the
                         listeners that have another one */
    bool dropping;
    uv_stream_t *waiting[PROXY_LISTEN_MOST];
    unsigned waiting_count;
    unsigned handles; /* of listeners and heart, and the dropped one */
};

/* ---- the end ------------------------------------------------------------- */

static void free_worker(struct worker *worker)
{
    leaves_free(worker->leaves);
    tls_free(worker->tls);
    pour_close(worker);
    for (unsigned i = 0; i < worker->spares_count; i++)
        buf_free(&worker->spares[i]);
}

static void on_handle_closed(uv_handle_t *handle);

/* Other threads may call as long as there is a flow. */
static void close_post(struct proxy *proxy)
{
    if (!proxy->posting)
        return;
    proxy->posting = false;
    post_close(&proxy->worker.post, proxy, on_handle_closed);
}

static void free_if_done(struct proxy *proxy)
{
    if (!proxy->worker.stopping || proxy->worker.count)
        return;
    close_post(proxy);
    if (proxy->handles)
        return;
    free_worker(&proxy->worker);
    free(proxy);
}

static struct proxy *proxy_of(struct worker *worker)
{
    return (struct proxy *)worker; /* it is the first member */
}

static void on_relay_gone(struct worker *worker)
{
    free_if_done(proxy_of(worker));
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct proxy *proxy = handle->data;
    if (handle == (uv_handle_t *)&proxy->worker.post.async)
        post_free(&proxy->worker.post);
    proxy->handles--;
    free_if_done(proxy);
}

void proxy_stop(struct proxy *proxy)
{
    if (proxy->worker.stopping)
        return;
    proxy->worker.stopping = true;
    for (unsigned i = 0; i < proxy->options.ways_count; i++) {
        struct listener *listener = &proxy->listeners[i];
        if (listener->dns)
            dns_relay_stop(listener->dns);
        if (!listener->open)
            continue;
        listener->open = false;
        listener->tcp.data = proxy;
        uv_close((uv_handle_t *)&listener->tcp, on_handle_closed);
    }
    if (proxy->beating)
        uv_close((uv_handle_t *)&proxy->heart, on_handle_closed);
    for (struct relay *it = proxy->worker.first; it; it = it->next)
        relay_stop(it);
    if (!proxy->worker.count)
        close_post(proxy);
}

/* ---- when memory is out -------------------------------------------------- */

static void drop(struct worker *worker, uv_stream_t *listener);

static void on_dropped(uv_handle_t *handle)
{
    struct proxy *proxy = handle->data;
    proxy->dropping = false;
    if (proxy->worker.stopping)
        proxy->waiting_count = 0;
    if (proxy->waiting_count)
        drop(&proxy->worker, proxy->waiting[--proxy->waiting_count]);
    on_handle_closed(handle);
}

/* One handle, in the proxy, goes round: there is no memory for another. A
 * listener offers a second connection only when its first is taken, so none
 * waits twice. */
static void drop(struct worker *worker, uv_stream_t *listener)
{
    struct proxy *proxy = proxy_of(worker);
    if (proxy->dropping) {
        assert(proxy->waiting_count < PROXY_LISTEN_MOST);
        proxy->waiting[proxy->waiting_count++] = listener;
        return;
    }
    uv_tcp_init(worker->loop, &proxy->dropped);
    proxy->dropping = true;
    proxy->dropped.data = proxy;
    proxy->handles++;
    uv_accept(listener, (uv_stream_t *)&proxy->dropped);
    uv_close((uv_handle_t *)&proxy->dropped, on_dropped);
}

/* ---- listening ----------------------------------------------------------- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct worker *worker = &listener->proxy->worker;
    if (!status)
        relay_accept(worker, listener->way, stream);
    else if ((status == UV_EMFILE || status == UV_ENFILE) &&
             !relay_shed(worker))
        uv_sleep(1); /* another worker has the descriptors */
}

static int set_flag(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on);
}

/* libuv 1.44 has no way to share a port, so the socket is made by hand. */
static int bind_socket(const struct proxy_options *options,
                       const struct way_in *way, int type, struct err *err)
{
    char text[ADDRESS_TEXT];
    const union address *address = &way->address;
    bool v6 = address->any.sa_family == AF_INET6;
    address_text(address, text);
    if (dial_check(address, err))
        return -1;
    int fd =
        socket(address->any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_errno(err, "open a socket for %s", text);
        return -1;
    }
    /* Of UDP the first would let two programs have one port. Whoever is
     * accepted inherits the second. */
    if ((type == SOCK_STREAM && (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) ||
                                 set_flag(fd, IPPROTO_TCP, TCP_NODELAY))) ||
        (v6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        (options->share_ports && set_flag(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (way_takes_over(way) &&
         set_flag(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                  v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT)) ||
        bind(fd, &address->any, address_len(address))) {
        err_errno(err, "listen on %s", text);
        close(fd);
        return -1;
    }
    return fd;
}

static void on_dns_gone(void *context)
{
    struct proxy *proxy = context;
    proxy->handles--;
    free_if_done(proxy);
}

/* Both at one port; one that the kernel chooses for UDP may be taken in TCP,
 * so it is asked again. */
static int bind_both(const struct proxy_options *options, struct way_in *way,
                     int *out_udp, int *out_tcp, struct err *err)
{
    bool any_port = address_port(&way->address) == 0;
    for (unsigned tries = any_port ? PORT_TRIES : 1; tries > 0; tries--) {
        struct way_in bound = *way;
        socklen_t len = sizeof bound.address;
        *out_udp = bind_socket(options, way, SOCK_DGRAM, err);
        if (*out_udp < 0)
            return -1;
        getsockname(*out_udp, &bound.address.any, &len);
        *out_tcp = bind_socket(options, &bound, SOCK_STREAM, err);
        if (*out_tcp >= 0) {
            way->address = bound.address;
            return 0;
        }
        close(*out_udp);
    }
    return -1;
}

static int start_dns(struct proxy *proxy, struct listener *listener,
                     struct err *err)
{
    int udp, tcp;
    if (bind_both(&proxy->options, listener->way, &udp, &tcp, err))
        return -1;
    int rc = dns_relay_open(&proxy->worker, listener->way, udp, tcp,
                            on_dns_gone, proxy, &listener->dns, err);
    proxy->handles += listener->dns != NULL;
    return rc;
}

static int start_listener(struct proxy *proxy, unsigned index, struct err *err)
{
    struct listener *listener = &proxy->listeners[index];
    struct way_in *way = &proxy->options.ways[index];
    listener->proxy = proxy;
    listener->way = way;
    if (way->target.protocol == TARGET_DNS)
        return start_dns(proxy, listener, err);
    int fd = bind_socket(&proxy->options, way, SOCK_STREAM, err);
    if (fd < 0)
        return -1;
    int rc = uv_tcp_init(proxy->worker.loop, &listener->tcp);
    if (rc) {
        close(fd);
        err_set(err, "listen: %s", uv_strerror(rc));
        return -1;
    }
    listener->tcp.data = listener;
    listener->open = true;
    proxy->handles++;
    rc = uv_tcp_open(&listener->tcp, fd);
    if (rc)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    int len = sizeof way->address;
    if (!rc)
        rc = uv_tcp_getsockname(&listener->tcp, &way->address.any, &len);
    if (!rc)
        return 0;
    char text[ADDRESS_TEXT];
    address_text(&way->address, text);
    err_set(err, "listen on %s: %s", text, uv_strerror(rc));
    return -1;
}

static void on_heartbeat(uv_timer_t *timer)
{
    const struct proxy *proxy = timer->data;
    event("heartbeat", NULL, "\"flows\":%u", proxy->worker.count);
    event_catch_up();
    if (proxy->options.on_second)
        proxy->options.on_second(proxy->options.context);
}

/* ---- the beginning ------------------------------------------------------- */

/* How many flows may each worker have? One takes two descriptors. */
static unsigned most_relays(const struct proxy_options *options,
                            unsigned workers)
{
    struct rlimit limit;
    if (options->relays_most)
        return options->relays_most;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 100 * 1000;
    rlim_t others = OTHER_FILES + WORKER_FILES * workers;
    rlim_t files = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
    unsigned most = (unsigned)(files / 2 / workers);
    return most ? most : 1;
}

static int open_worker(struct proxy *proxy, uv_loop_t *loop, struct err *err)
{
    struct worker *worker = &proxy->worker;
    const struct proxy_options *options = &proxy->options;
    worker->loop = loop;
    worker->options = options;
    worker->on_relay_gone = on_relay_gone;
    worker->drop = drop;
    worker->most = most_relays(options, 1);
    struct tls_terms terms = options->terms;
    terms.no_keys = !event_wanted() && !options->keylog;
    if (tls_open(&terms, &worker->tls, err))
        return -1;
    if (!options->signers.rogue && !options->signers.lab)
        return 0;
    worker->leaves = leaves_new(&options->signers);
    if (!worker->leaves)
        err_set(err, "start the proxy: out of memory");
    return worker->leaves ? 0 : -1;
}

static void start_heart(struct proxy *proxy)
{
    if (!proxy->options.heartbeat)
        return;
    uv_timer_init(proxy->worker.loop, &proxy->heart);
    proxy->heart.data = proxy;
    proxy->beating = true;
    proxy->handles++;
    uv_timer_start(&proxy->heart, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
}

int proxy_open(uv_loop_t *loop, const struct proxy_options *options,
               struct proxy **out, struct err *err)
{
    assert(options->hooks_count <= PROXY_HOOKS_MOST);
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy) {
        err_set(err, "start the proxy: out of memory");
        return -1;
    }
    proxy->options = *options;
    int rc = open_worker(proxy, loop, err);
    for (unsigned i = 0; !rc && i < options->ways_count; i++)
        rc = start_listener(proxy, i, err);
    if (rc) {
        proxy_stop(proxy);
        free_if_done(proxy);
        return -1;
    }
    start_heart(proxy);
    proxy->posting = !post_open(&proxy->worker.post, loop);
    proxy->handles += proxy->posting;
    *out = proxy;
    return 0;
}

const union address *proxy_address(const struct proxy *proxy, unsigned index)
{
    return &proxy->options.ways[index].address;
}

unsigned proxy_flows(const struct proxy *proxy)
{
    return proxy->worker.count;
}

void proxy_count(const struct proxy *proxy, struct proxy_counts *out)
{
    *out = (struct proxy_counts){.flows = proxy->worker.count,
                                 .poured = proxy->worker.poured};
    for (const struct relay *it = proxy->worker.first; it; it = it->next) {
        size_t held = relay_held(it);
        out->held += held;
        if (held > out->held_most)
            out->held_most = held;
    }
}

/* ---- several workers ----------------------------------------------------- */

struct thread {
    uv_loop_t loop;
    uv_async_t stop;
    uv_thread_t id;
    struct proxy *proxy;
    struct crew *crew;
};

/* The last one says that the terminal has gone. */
static const int signals_that_end[] = {SIGTERM, SIGINT, SIGHUP};
enum { SIGNALS = sizeof signals_that_end / sizeof *signals_that_end };

struct crew {
    struct proxy_options options;
    struct thread threads[PROXY_WORKERS_MOST];
    unsigned count;   /* of threads whose loop is open */
    unsigned running; /* of those beyond the first that were started */
    uv_signal_t signals[SIGNALS];
};

static void on_stop(uv_async_t *async)
{
    struct thread *thread = async->data;
    struct crew *crew = thread->crew;
    proxy_stop(thread->proxy);
    thread->proxy = NULL;
    uv_close((uv_handle_t *)&thread->stop, NULL);
    if (thread != crew->threads)
        return;
    for (unsigned i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&crew->signals[i], NULL);
}

static void stop_all(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        uv_async_send(&crew->threads[i].stop);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    struct crew *crew = signal->data;
    /* A second signal does not need our patience: the default ends us. */
    for (unsigned i = 0; i < SIGNALS; i++)
        uv_signal_stop(&crew->signals[i]);
    stop_all(crew);
}

static void on_thread(void *context)
{
    struct thread *thread = context;
    uv_run(&thread->loop, UV_RUN_DEFAULT);
}

/* Open thread `index` without running it. */
static int open_thread(struct crew *crew, unsigned index, struct err *err)
{
    struct thread *thread = &crew->threads[index];
    thread->crew = crew;
    if (uv_loop_init(&thread->loop)) {
        err_set(err, "start the proxy: no loop");
        return -1;
    }
    crew->count++;
    uv_async_init(&thread->loop, &thread->stop, on_stop);
    thread->stop.data = thread;
    crew->options.heartbeat = index == 0;
    if (proxy_open(&thread->loop, &crew->options, &thread->proxy, err)) {
        uv_close((uv_handle_t *)&thread->stop, NULL);
        uv_run(&thread->loop, UV_RUN_DEFAULT);
        uv_loop_close(&thread->loop);
        crew->count--;
        return -1;
    }
    /* A port that the kernel chose is the port of all. */
    for (unsigned i = 0; i < crew->options.ways_count; i++)
        crew->options.ways[i].address = *proxy_address(thread->proxy, i);
    return 0;
}

/* nohup(1) wants one of them to be ignored. */
static bool is_ignored(int number)
{
    struct sigaction action;
    return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

static void watch_signals(struct crew *crew)
{
    for (unsigned i = 0; i < SIGNALS; i++) {
        uv_signal_init(&crew->threads[0].loop, &crew->signals[i]);
        crew->signals[i].data = crew;
        if (signals_that_end[i] != SIGHUP || !is_ignored(SIGHUP))
            uv_signal_start(&crew->signals[i], on_signal, signals_that_end[i]);
    }
}

static void say_ready(const struct crew *crew)
{
    struct buf list = {0};
    int bad = 0;
    for (unsigned i = 0; i < crew->options.ways_count; i++) {
        char text[ADDRESS_TEXT];
        address_text(&crew->options.ways[i].address, text);
        bad |= buf_printf(&list, "%s\"%s\"", i ? "," : "", text);
    }
    if (!bad)
        event("ready", NULL,
              "\"program\":\"mitmlab proxy\",\"pid\":%d,\"listen\":[%.*s]",
              (int)getpid(), (int)buf_len(&list), (char *)buf_head(&list));
    buf_free(&list);
    if (crew->options.on_ready)
        crew->options.on_ready(crew->options.context, crew->options.ways);
}

static int start_threads(struct crew *crew, struct err *err)
{
    for (unsigned i = 1; i < crew->count; i++) {
        int rc = uv_thread_create(&crew->threads[i].id, on_thread,
                                  &crew->threads[i]);
        if (rc) {
            err_set(err, "start a worker: %s", uv_strerror(rc));
            return -1;
        }
        crew->running++;
    }
    return 0;
}

/* Until all have stopped, those that were never started too. */
static void run_crew(struct crew *crew)
{
    uv_run(&crew->threads[0].loop, UV_RUN_DEFAULT);
    for (unsigned i = 1; i <= crew->running; i++)
        uv_thread_join(&crew->threads[i].id);
    for (unsigned i = crew->running + 1; i < crew->count; i++)
        uv_run(&crew->threads[i].loop, UV_RUN_DEFAULT);
}

static void close_crew(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        uv_loop_close(&crew->threads[i].loop);
    free(crew);
}

/* As many connections as the machine grants. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int proxy_run(const struct proxy_options *options, unsigned workers,
              struct err *err)
{
    assert(workers > 0 && workers <= PROXY_WORKERS_MOST);
    struct crew *crew = calloc(1, sizeof *crew);
    if (!crew) {
        err_set(err, "start the proxy: out of memory");
        return -1;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    crew->options = *options;
    crew->options.share_ports = workers > 1;
    if (!crew->options.relays_most)
        crew->options.relays_most = most_relays(options, workers);
    int rc = 0;
    for (unsigned i = 0; i < workers && !rc; i++)
        rc = open_thread(crew, i, err);
    if (crew->count)
        watch_signals(crew);
    if (!rc)
        rc = start_threads(crew, err);
    if (rc)
        stop_all(crew);
    else
        say_ready(crew);
    if (crew->count)
        run_crew(crew);
    close_crew(crew);
    return rc;
}
