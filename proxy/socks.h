/* SPDX-License-Identifier: MIT
 *
 * What a client says to a SOCKS5 proxy (RFC 1928, RFC 1929), and what it is
 * answered. Bytes in, values out; no allocation, no I/O. All parsers here keep
 * one contract: > 0 bytes used, 0 need more, -1 nonsense, and *why says so
 * (static text). */
#ifndef PROXY_SOCKS_H
#define PROXY_SOCKS_H

#include "proxy/base/dial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum socks_method {
    SOCKS_NO_LOGIN = 0x00,
    SOCKS_PASSWORD = 0x02,
    SOCKS_NO_METHOD = 0xff, /* none that we have */
};

enum socks_command {
    SOCKS_CONNECT = 0x01,
    SOCKS_BIND = 0x02,
    SOCKS_UDP = 0x03,
};

enum socks_reply {
    SOCKS_GRANTED = 0x00,
    SOCKS_FAILED = 0x01,
    SOCKS_NOT_ALLOWED = 0x02, /* by our rules */
    SOCKS_NO_NETWORK = 0x03,
    SOCKS_NO_HOST = 0x04,
    SOCKS_REFUSED = 0x05,
    SOCKS_TOO_LATE = 0x06, /* "TTL expired" */
    SOCKS_NO_COMMAND = 0x07,
    SOCKS_NO_ADDRESS_TYPE = 0x08,
};

enum { SOCKS_REPLY_MOST = 22 };

/* The first message. The better of the methods that are offered; one with a
 * password is better, because it tells more. */
ssize_t socks_greeting_read(const uint8_t *bytes, size_t len,
                            enum socks_method *out, const char **why);

/* User and password, as bytes with a NUL behind them. */
struct socks_login {
    char user[256], password[256];
};
ssize_t socks_login_read(const uint8_t *bytes, size_t len,
                         struct socks_login *out, const char **why);

struct socks_request {
    uint8_t command; /* enum socks_command, or another */
    char host[256];  /* a name, or a number without brackets; "": of a type
                        that is not known, and `port` is not either */
    uint16_t port;
};
ssize_t socks_request_read(const uint8_t *bytes, size_t len,
                           struct socks_request *out, const char **why);

/* True for the first byte of SOCKS4, which has another form altogether. */
bool socks_is_version_4(uint8_t first);

/* Answers. Each returns how many bytes were written. `bound`: our end towards
 * the server; family 0 when there is none. */
size_t socks_method_write(uint8_t out[2], enum socks_method method);
size_t socks_login_write(uint8_t out[2]);
size_t socks_reply_write(uint8_t out[SOCKS_REPLY_MOST], enum socks_reply reply,
                         const union address *bound);
size_t socks_refuse_version_4(uint8_t out[8]);

#endif
