/* SPDX-License-Identifier: MIT
 *
 * How fast the HTTP/1 parser is: heads as browsers and servers send them,
 * whole and byte by byte, and the framing of chunks (their data is not
 * touched). CPU time of this thread. */
#include "proxy/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char curl[] = "GET /balance HTTP/1.1\r\n"
                           "Host: bank.lab.test\r\n"
                           "User-Agent: curl/7.88.1\r\n"
                           "Accept: */*\r\n\r\n";

static const char browser[] =
    "GET /account/transfers?from=2024-01-01&to=2024-12-31 HTTP/1.1\r\n"
    "Host: bank.lab.test\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
    "image/webp,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
    "Sec-Fetch-Site: none\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-User: ?1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Cookie: session=4f8a9c0d2b7e61538f0a4c9d8b7e6153; theme=dark; "
    "consent=yes\r\n\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "Date: Fri, 21 Nov 2025 02:00:00 GMT\r\n"
                               "Server: bank\r\n"
                               "Content-Type: text/html; charset=utf-8\r\n"
                               "Content-Length: 1024\r\n"
                               "Cache-Control: no-store\r\n"
                               "Set-Cookie: session=4f8a; HttpOnly\r\n\r\n";

static void say(const char *what, double seconds, size_t runs, size_t len)
{
    printf("%-28s %8zu bytes %8.0f ns %8.0f MB/s\n", what, len,
           seconds / (double)runs * 1e9,
           (double)runs * (double)len / seconds / 1e6);
}

static void bench_head(const char *what, enum http1_kind kind,
                       const char *bytes, size_t len, size_t step)
{
    static struct http1_head head;
    struct http1_fault fault;
    struct http1_scan scan = {0};
    size_t runs = step ? 20000 : 1000000;
    double start = cpu_seconds();
    for (size_t i = 0; i < runs; i++)
        for (size_t have = step ? step : len; have <= len; have += step) {
            ssize_t used =
                http1_head_read(&scan, kind, NULL, bytes, have, &head, &fault);
            if (used < 0)
                abort();
            if (used > 0)
                break;
        }
    say(what, cpu_seconds() - start, runs, len);
}

static void bench_chunks(const char *what, size_t chunk)
{
    static const struct http1_head head = {.framing = HTTP1_CHUNKED};
    enum { TOTAL = 1 << 20, RUNS = 500 };
    size_t count = TOTAL / chunk, len = 0;
    char *bytes = calloc(count, chunk + 16);
    if (!bytes)
        abort();
    for (size_t i = 0; i < count; i++) {
        len += (size_t)sprintf(bytes + len, "%zx\r\n", chunk) + chunk;
        len += (size_t)sprintf(bytes + len, "\r\n");
    }
    double start = cpu_seconds();
    for (int i = 0; i < RUNS; i++) {
        struct http1_body body;
        struct http1_fault fault;
        struct span data;
        http1_body_init(&body, &head, 0);
        for (size_t at = 0; at < len;) {
            ssize_t used =
                http1_body_read(&body, bytes + at, len - at, &data, &fault);
            if (used <= 0)
                abort();
            at += (size_t)used;
        }
    }
    say(what, cpu_seconds() - start, RUNS, len);
    free(bytes);
}

int main(void)
{
    bench_head("request of curl", HTTP1_REQUEST, curl, sizeof curl - 1, 0);
    bench_head("request of a browser", HTTP1_REQUEST, browser,
               sizeof browser - 1, 0);
    bench_head("response", HTTP1_RESPONSE, response, sizeof response - 1, 0);
    bench_head("the same byte by byte", HTTP1_RESPONSE, response,
               sizeof response - 1, 1);
    bench_chunks("1 MiB in chunks of 16 KiB", 16384);
    bench_chunks("1 MiB in chunks of 64", 64);
    return 0;
}
