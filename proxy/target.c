/* SPDX-License-Identifier: MIT */
#include "proxy/target.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { METHOD_MOST = 32, EMPTY_MOST = TARGET_GUESS_MOST - METHOD_MOST - 2 };

static const struct scheme {
    const char *prefix;
    int port;
    bool tls;
    enum target_protocol protocol;
    enum starttls_kind starttls;
} schemes[] = {{"http://", 80, false, TARGET_HTTP, STARTTLS_NONE},
               {"https://", 443, true, TARGET_HTTP, STARTTLS_NONE},
               {"tcp://", 0, false, TARGET_RAW, STARTTLS_NONE},
               {"tls://", 443, true, TARGET_RAW, STARTTLS_NONE},
               {"dns://", 53, false, TARGET_DNS, STARTTLS_NONE},
#define X(name, scheme, port)                                                  \
    {scheme "://", port, false, TARGET_RAW, STARTTLS_##name},
               STARTTLS_KINDS(X)
#undef X
};

bool target_is_number(const struct target *target)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, target->host, &ignored) == 1 ||
           inet_pton(AF_INET6, target->host, &ignored) == 1;
}

/* 1..65535, or -1. */
static int read_port(const char *text, size_t len)
{
    int port = 0;
    if (!len || len > 5)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        port = port * 10 + (text[i] - '0');
    }
    return port && port < 65536 ? port : -1;
}

static int take_host(const char *host, size_t len, struct target *out)
{
    if (!len || len >= sizeof out->host || memchr(host, 0, len))
        return -1;
    memcpy(out->host, host, len);
    out->host[len] = 0;
    return 0;
}

int target_from_host(const char *host, size_t len, int default_port,
                     struct target *out)
{
    const char *end = host + len, *colon;
    out->port = default_port;
    if (len && host[0] == '[') {
        const char *bracket = memchr(host, ']', len);
        if (!bracket)
            return -1;
        if (take_host(host + 1, (size_t)(bracket - host - 1), out))
            return -1;
        colon = bracket + 1 < end ? bracket + 1 : NULL;
        if (colon && *colon != ':')
            return -1;
    } else {
        colon = memchr(host, ':', len);
        if (take_host(host, colon ? (size_t)(colon - host) : len, out))
            return -1;
    }
    if (colon && colon + 1 < end)
        out->port = read_port(colon + 1, (size_t)(end - colon - 1));
    return out->port < 0 ? -1 : 0;
}

int target_parse(const char *url, struct target *out, struct err *err)
{
    *out = (struct target){0};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const struct scheme *scheme = &schemes[i];
        size_t skip = strlen(scheme->prefix);
        if (strncmp(url, scheme->prefix, skip))
            continue;
        size_t len = strcspn(url + skip, "/?#");
        const char *rest = url + skip + len;
        out->tls = scheme->tls;
        out->protocol = scheme->protocol;
        out->starttls = scheme->starttls;
        if ((!*rest || !strcmp(rest, "/")) && !memchr(url + skip, '@', len) &&
            !target_from_host(url + skip, len, scheme->port, out) && out->port)
            return 0;
    }
    size_t host = strcspn(url, "/?#");
    if (!strstr(url, "://") && host && !url[host] &&
        !target_from_host(url, host, 80, out)) {
        err_code(err, EXIT_USAGE,
                 "\"%.200s\" does not say how it is spoken to; write "
                 "http://%.200s, https://, tcp:// or tls://",
                 url, url);
        return -1;
    }
    err_code(err, EXIT_USAGE,
             "\"%.200s\" is no upstream; write http://HOST[:PORT], "
             "https://HOST[:PORT], tcp://HOST:PORT, tls://HOST[:PORT], "
             "dns://HOST[:PORT], or the same with smtp, imap, pop3 or ftp",
             url);
    return -1;
}

/* A request line begins with a short printable word and a space. */
int target_looks_like_http(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && (bytes[at] == '\r' || bytes[at] == '\n'))
        at++;
    if (at > EMPTY_MOST)
        return 1; /* the parser knows what to say about it */
    if (len - at >= 4 && !memcmp(bytes + at, "SSH-", 4))
        return 0;
    for (size_t i = at; i < len; i++) {
        if (bytes[i] == ' ')
            return 1;
        if (bytes[i] < '!' || bytes[i] > '~' || i - at >= METHOD_MOST)
            return 0;
    }
    return -1;
}
