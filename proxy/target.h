/* SPDX-License-Identifier: MIT
 *
 * Where did the victim want to go? Either the operator says (a URL), or the
 * victim's packets do (the address they were sent to), or the victim names it
 * (SNI, Host). Names become addresses through the lab's table only. */
#ifndef PROXY_TARGET_H
#define PROXY_TARGET_H

#include "certs/err.h"
#include "proxy/base/dial.h"
#include "proxy/starttls.h"

#include <stdbool.h>

enum target_protocol {
    TARGET_GUESS, /* HTTP if the first bytes look like it, else raw */
    TARGET_HTTP,
    TARGET_RAW,
    TARGET_DNS /* a resolver, over UDP and TCP */
};

struct target {
    char host[256]; /* as it was named; a number is without brackets */
    int port;
    bool tls; /* speak TLS to it */
    enum target_protocol protocol;
    enum starttls_kind starttls; /* begins in clear and may change to TLS */
};

/* "http://HOST[:PORT]", "https:", "tcp:", "tls:", "dns:", and those of STARTTLS_KINDS.
 * A path other than "/" is a mistake. -1 with EXIT_USAGE. */
int target_parse(const char *url, struct target *out, struct err *err);

/* "name", "name:port", "[::1]:port": the value of a Host field, or an SNI. */
int target_from_host(const char *host, size_t len, int default_port,
                     struct target *out);

/* True when the host is written as an address. */
bool target_is_number(const struct target *target);

/* What the first bytes of a conversation are: 1 HTTP, 0 not, -1 need more,
 * never of as many as this. */
enum { TARGET_GUESS_MOST = 64 };
int target_looks_like_http(const uint8_t *bytes, size_t len);

#endif
