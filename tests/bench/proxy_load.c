/* SPDX-License-Identifier: MIT
 *
 * Load for a proxy on loopback: a thread for each connection, each of which
 * asks, reads the whole answer, and asks again. What came is counted and, for
 * its length, checked; one line of JSON tells.
 *
 *   proxy_load PORT MODE CONNECTIONS SECONDS PATH [NAME]
 *
 *   MODE  keep   connections stay open
 *         new    a connection for each request
 *         idle   one request on each connection, which then stays open until
 *                standard input ends; "ready" is printed when all are there
 *   NAME  given: TLS with this name, full handshakes; %d becomes a number */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, HEAD_MOST = 16 * 1024, STUCK_SECONDS = 10 };

static const char *const modes[] = {"keep", "new", "idle"};
enum mode { MODE_KEEP, MODE_NEW, MODE_IDLE, MODES };

struct load {
    struct sockaddr_in address;
    enum mode mode;
    int connections;
    double end;
    const char *path, *name;
    SSL_CTX *context; /* NULL: in clear */
    atomic_long done, bad, number, held;
    atomic_llong bytes;
};

struct line { /* one connection */
    int fd;
    SSL *ssl;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- one connection ------------------------------------------------------ */

static void hang_up(struct line *line)
{
    SSL_free(line->ssl);
    if (line->fd >= 0)
        close(line->fd);
    *line = (struct line){.fd = -1};
}

static int start_tls(struct load *load, struct line *line)
{
    char name[256] = "";
    const char *digits = strstr(load->name, "%d");
    if (digits)
        snprintf(name, sizeof name, "%.*s%ld%s", (int)(digits - load->name),
                 load->name, atomic_fetch_add(&load->number, 1), digits + 2);
    else
        snprintf(name, sizeof name, "%s", load->name);
    line->ssl = SSL_new(load->context);
    return line->ssl && SSL_set_fd(line->ssl, line->fd) == 1 &&
                   SSL_set_tlsext_host_name(line->ssl, name) == 1 &&
                   SSL_connect(line->ssl) == 1
               ? 0
               : -1;
}

static int call(struct load *load, struct line *line)
{
    struct timeval patience = {.tv_sec = STUCK_SECONDS};
    int on = 1;
    *line = (struct line){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    setsockopt(line->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (line->fd < 0 || connect(line->fd, (struct sockaddr *)&load->address,
                                sizeof load->address))
        return -1;
    return load->context ? start_tls(load, line) : 0;
}

static ssize_t hear(struct line *line, char *to, size_t most)
{
    return line->ssl ? SSL_read(line->ssl, to, (int)most)
                     : recv(line->fd, to, most, 0);
}

static int say(struct line *line, const char *text, size_t len)
{
    ssize_t sent = line->ssl ? SSL_write(line->ssl, text, (int)len)
                             : send(line->fd, text, len, MSG_NOSIGNAL);
    return sent == (ssize_t)len ? 0 : -1;
}

/* Reads a head and the body that its Content-Length promises. Returns the
 * length of the body; -1: it is no 200, or not whole. */
static long long read_answer(struct line *line)
{
    static _Thread_local char block[BLOCK];
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t got = hear(line, block + have, HEAD_MOST - have);
        if (got <= 0)
            return -1;
        have += (size_t)got;
        block[have] = 0;
        end = strstr(block, "\r\n\r\n");
    }
    const char *length = strcasestr(block, "\r\nContent-Length:");
    if (strncmp(block, "HTTP/1.1 200 ", 13) || !length || length > end)
        return -1;
    long long body = atoll(length + 17);
    long long left = body - (long long)(have - (size_t)(end + 4 - block));
    while (left > 0) {
        ssize_t got = hear(line, block, sizeof block);
        if (got <= 0)
            return -1;
        left -= got;
    }
    return left ? -1 : body;
}

static bool exchange(struct load *load, struct line *line)
{
    char request[512];
    int len =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: bank.lab.test\r\n%s\r\n", load->path,
                 load->mode == MODE_NEW ? "Connection: close\r\n" : "");
    long long body = say(line, request, (size_t)len) ? -1 : read_answer(line);
    if (body < 0)
        atomic_fetch_add(&load->bad, 1);
    else
        atomic_fetch_add(&load->done, 1);
    if (body > 0)
        atomic_fetch_add(&load->bytes, body);
    return body >= 0;
}

/* ---- the threads --------------------------------------------------------- */

static void *on_thread(void *context)
{
    struct load *load = context;
    struct line line = {.fd = -1};
    while (now() < load->end) {
        if (line.fd < 0 && call(load, &line)) {
            atomic_fetch_add(&load->bad, 1);
            hang_up(&line);
            usleep(1000);
            continue;
        }
        if (!exchange(load, &line) || load->mode == MODE_NEW)
            hang_up(&line);
    }
    hang_up(&line);
    return NULL;
}

/* One after the other, and held until whoever started us has looked. */
static void hold(struct load *load)
{
    struct line *lines = calloc((size_t)load->connections, sizeof *lines);
    for (int i = 0; lines && i < load->connections; i++)
        if (call(load, &lines[i]) || !exchange(load, &lines[i]))
            hang_up(&lines[i]);
    printf("ready %ld %ld\n", load->done, load->bad);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (int i = 0; lines && i < load->connections; i++)
        hang_up(&lines[i]);
    free(lines);
}

static void run(struct load *load, double seconds)
{
    double start = now();
    pthread_t *threads = calloc((size_t)load->connections, sizeof *threads);
    load->end = start + seconds;
    for (int i = 0; threads && i < load->connections; i++)
        if (pthread_create(&threads[i], NULL, on_thread, load))
            exit(1);
    for (int i = 0; threads && i < load->connections; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    printf("{\"done\":%ld,\"bad\":%ld,\"bytes\":%lld,\"seconds\":%.3f}\n",
           load->done, load->bad, load->bytes, now() - start);
}

int main(int argc, char **argv)
{
    struct load load = {.mode = MODES};
    if (argc < 6) {
        fprintf(stderr, "usage: proxy_load PORT keep|new|idle CONNECTIONS "
                        "SECONDS PATH [NAME]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < MODES; i++)
        if (!strcmp(argv[2], modes[i]))
            load.mode = (enum mode)i;
    load.address.sin_family = AF_INET;
    load.address.sin_port = htons((uint16_t)atoi(argv[1]));
    load.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load.connections = atoi(argv[3]);
    load.path = argv[5];
    load.name = argc > 6 ? argv[6] : NULL;
    if (load.mode == MODES || load.connections < 1)
        return 2;
    if (load.name) {
        load.context = SSL_CTX_new(TLS_client_method());
        if (!load.context)
            return 1;
        SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_OFF);
    }
    if (load.mode == MODE_IDLE)
        hold(&load);
    else
        run(&load, atof(argv[4]));
    SSL_CTX_free(load.context);
    return 0;
}
