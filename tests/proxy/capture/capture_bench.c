/* SPDX-License-Identifier: MIT
 *
 * How much the capture carries. Not a test: run by hand, without sanitizers.
 *
 *   capture_bench writer FILE [FRAME_BYTES]   feeder -> writer -> FILE, flat out
 *   capture_bench lo FILE [MB_A_SECOND]       a TCP stream over lo at that
 *                                             rate, captured; what is dropped */
#include "proxy/capture/capture.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/tap.h"
#include "tests/proxy/capture/inside.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { MB = 1000000, TOTAL = 1000 * MB };

static double now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    perror(what);
    exit(1);
}

static struct capture *start(const char *path)
{
    struct capture_plan plan = {.path = path};
    struct capture *capture;
    struct err err = ERR_INIT;
    if (capture_start(&plan, &capture, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return capture;
}

static void finish(struct capture *capture, const char *path, double began)
{
    struct capture_counts counts;
    struct err err = ERR_INIT;
    struct stat file;
    capture_stop(capture, &counts, &err);
    double took = now() - began;
    while (wait(NULL) > 0)
        ;
    must(!stat(path, &file), path);
    printf("%.1f s, %llu packets (%.0f a second), %llu dropped, %.0f MB/s to "
           "the file%s%s\n",
           took, (unsigned long long)counts.packets,
           (double)counts.packets / took, (unsigned long long)counts.dropped,
           (double)file.st_size / took / MB, *counts.why ? "; " : "",
           counts.why);
    unlink(path);
}

/* ---- writer ---------------------------------------------------------------- */

static void flood(int fd, uint32_t len)
{
    static const struct feed_interface interface = {.name = "x", .link = 1};
    static uint8_t bytes[FEED_FRAME_MOST];
    struct feed_frame frame = {.len = len, .original = len};
    struct feed feed;
    feed_init(&feed, fd);
    feed_interface(&feed, &interface);
    for (size_t sent = 0; sent < TOTAL; sent += len, frame.time_ns++)
        must(!feed_frame(&feed, &frame, bytes, NULL), "feed");
    feed_end(&feed);
}

static void bench_writer(const char *path, uint32_t len)
{
    struct capture *capture = start(path);
    double began = now();
    pid_t pid = fork();
    if (!pid) {
        flood(capture_feed_fd(capture), len);
        _exit(0);
    }
    capture_feed_given(capture);
    waitpid(pid, NULL, 0);
    finish(capture, path, began);
}

/* ---- lo ---------------------------------------------------------------------- */

static void receive_all(int door)
{
    static char bytes[1 << 20];
    int fd = accept(door, NULL, NULL);
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
    _exit(0);
}

/* TOTAL bytes at `rate` MB a second. */
static void stream(double rate)
{
    static char bytes[64 << 10];
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int door = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    in.sin_addr.s_addr = htonl(0x7f420103);
    must(!bind(door, (struct sockaddr *)&in, len) && !listen(door, 1) &&
             !getsockname(door, (struct sockaddr *)&in, &len) &&
             !connect(fd, (struct sockaddr *)&in, len),
         "connect");
    pid_t receiver = fork();
    if (!receiver)
        receive_all(door);
    double began = now();
    for (size_t sent = 0; sent < TOTAL; sent += sizeof bytes) {
        while ((double)sent / MB > rate * (now() - began))
            usleep(500);
        must(send(fd, bytes, sizeof bytes, 0) == sizeof bytes, "send");
    }
    printf("%.0f MB/s over lo; ", TOTAL / MB / (now() - began));
    shutdown(fd, SHUT_WR); /* the receiver has a copy of it */
    waitpid(receiver, NULL, 0);
    close(fd);
}

static void bench_lo(const char *path, double rate)
{
    static struct tap_plan plan = {.iface = "lo", .fallback = "lo"};
    struct err err = ERR_INIT;
    must(inside_enter(), "namespaces");
    struct capture *capture = start(path);
    pid_t pid = fork();
    if (!pid)
        _exit(tap_run(&plan, capture_feed_fd(capture), &err) ? 1 : 0);
    capture_feed_given(capture);
    must(!capture_sync(capture, 5000, &err), err.text);
    double began = now();
    stream(rate);
    capture_sync(capture, 5000, &err);
    finish(capture, path, began);
}

int main(int argc, char **argv)
{
    double number = argc > 3 ? atof(argv[3]) : 0;
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 && !strcmp(argv[1], "writer"))
        bench_writer(argv[2], number > 0 ? (uint32_t)number : 1514);
    else if (argc > 2 && !strcmp(argv[1], "lo"))
        bench_lo(argv[2], number > 0 ? number : 200);
    else
        return 2;
    return 0;
}
