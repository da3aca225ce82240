/* SPDX-License-Identifier: MIT */
#include "proxy/socks.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    VERSION = 5,
    LOGIN_VERSION = 1,
    TYPE_IPV4 = 1,
    TYPE_NAME = 3,
    TYPE_IPV6 = 4,
    REJECTED_4 = 0x5b, /* SOCKS4: request rejected or failed */
};

static ssize_t wrong(const char **why, const char *sentence)
{
    *why = sentence;
    return -1;
}

bool socks_is_version_4(uint8_t first)
{
    return first == 4;
}

/* version, count, that many methods (RFC 1928 3) */
ssize_t socks_greeting_read(const uint8_t *bytes, size_t len,
                            enum socks_method *out, const char **why)
{
    if (len && bytes[0] != VERSION)
        return wrong(why, "this is not SOCKS5: the first byte is not 5");
    if (len < 2)
        return 0;
    if (!bytes[1])
        return wrong(why, "a SOCKS5 greeting that offers no method");
    if (len < 2u + bytes[1])
        return 0;
    *out = memchr(bytes + 2, SOCKS_PASSWORD, bytes[1])   ? SOCKS_PASSWORD
           : memchr(bytes + 2, SOCKS_NO_LOGIN, bytes[1]) ? SOCKS_NO_LOGIN
                                                         : SOCKS_NO_METHOD;
    return 2 + bytes[1];
}

/* A length, and as many bytes. 0: they are not all there. */
static size_t take_text(const uint8_t *bytes, size_t len, char out[256])
{
    if (!len || len < 1u + bytes[0])
        return 0;
    memcpy(out, bytes + 1, bytes[0]);
    out[bytes[0]] = 0;
    return 1u + bytes[0];
}

ssize_t socks_login_read(const uint8_t *bytes, size_t len,
                         struct socks_login *out, const char **why)
{
    if (len && bytes[0] != LOGIN_VERSION)
        return wrong(why, "a login of another version than 1 (RFC 1929 2)");
    size_t at = 1;
    size_t user = len > at ? take_text(bytes + at, len - at, out->user) : 0;
    at += user;
    size_t password =
        user && len > at ? take_text(bytes + at, len - at, out->password) : 0;
    return password ? (ssize_t)(at + password) : 0;
}

/* A name is printable: what is not would be another name for who reads on. */
static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return len > 0;
}

/* An address behind its type. > 0: bytes used; 0: need more. */
static ssize_t take_address(const uint8_t *bytes, size_t len,
                            struct socks_request *out, const char **why)
{
    size_t used = 0;
    switch (bytes[0]) {
    case TYPE_IPV4:
        if (len < 1 + 4)
            return 0;
        inet_ntop(AF_INET, bytes + 1, out->host, sizeof out->host);
        return 1 + 4;
    case TYPE_IPV6:
        if (len < 1 + 16)
            return 0;
        inet_ntop(AF_INET6, bytes + 1, out->host, sizeof out->host);
        return 1 + 16;
    case TYPE_NAME:
        used = take_text(bytes + 1, len - 1, out->host);
        if (used && !is_name(out->host, used - 1))
            return wrong(why, "a SOCKS5 request for a name that is none");
        return used ? (ssize_t)(1 + used) : 0;
    default:
        out->host[0] = 0;
        return 1;
    }
}

/* version, command, 0, type, address, port (RFC 1928 4) */
ssize_t socks_request_read(const uint8_t *bytes, size_t len,
                           struct socks_request *out, const char **why)
{
    if (len && bytes[0] != VERSION)
        return wrong(why, "a SOCKS5 request of another version");
    if (len > 2 && bytes[2])
        return wrong(why, "a SOCKS5 request whose reserved byte is not 0");
    if (len < 4)
        return 0;
    out->command = bytes[1];
    out->port = 0;
    ssize_t used = take_address(bytes + 3, len - 3, out, why);
    if (used <= 0)
        return used;
    if (!out->host[0])
        return 3 + used; /* nobody knows how long such an address is */
    size_t at = 3 + (size_t)used;
    if (len < at + 2)
        return 0;
    out->port = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
    if (!out->port)
        return wrong(why, "a SOCKS5 request for port 0");
    return (ssize_t)at + 2;
}

size_t socks_method_write(uint8_t out[2], enum socks_method method)
{
    out[0] = VERSION;
    out[1] = (uint8_t)method;
    return 2;
}

size_t socks_login_write(uint8_t out[2])
{
    out[0] = LOGIN_VERSION;
    out[1] = 0;
    return 2;
}

size_t socks_reply_write(uint8_t out[SOCKS_REPLY_MOST], enum socks_reply reply,
                         const union address *bound)
{
    bool v6 = bound->any.sa_family == AF_INET6;
    size_t size = v6 ? 16 : 4;
    memset(out, 0, SOCKS_REPLY_MOST);
    out[0] = VERSION;
    out[1] = (uint8_t)reply;
    out[3] = v6 ? TYPE_IPV6 : TYPE_IPV4;
    if (v6)
        memcpy(out + 4, &bound->v6.sin6_addr, size);
    else if (bound->any.sa_family == AF_INET)
        memcpy(out + 4, &bound->v4.sin_addr, size);
    if (bound->any.sa_family) {
        out[4 + size] = (uint8_t)(address_port(bound) >> 8);
        out[5 + size] = (uint8_t)address_port(bound);
    }
    return 6 + size;
}

size_t socks_refuse_version_4(uint8_t out[8])
{
    memset(out, 0, 8);
    out[1] = REJECTED_4;
    return 8;
}
