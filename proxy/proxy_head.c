/* SPDX-License-Identifier: MIT
 *
 * "The PROXY protocol, versions 1 and 2" comes with the sources of HAProxy
 * (doc/proxy-protocol.txt); the numbers below are those of its sections. */
#include "proxy/proxy_head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_MOST = 107, /* 2.1: with its end */
    SIGNATURE = 12,
    FIXED = 16, /* 2.2: with version, family and length behind it */
    LOCAL = 0x20,
    PROXY = 0x21,
    UNSPEC = 0x00,
    TCP4 = 0x11,
    TCP6 = 0x21,
    UNIX = 0x31,
    SIZE_4 = 12, /* of two addresses with their ports */
    SIZE_6 = 36,
    SIZE_UNIX = 216,
    TLV_HEAD = 3, /* type, and a length of two bytes */
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
};

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
static const char word[] = "PROXY ";

static ssize_t wrong(const char **why, const char *sentence)
{
    *why = sentence;
    return -1;
}

/* ---- version 1 ----------------------------------------------------------- */

/* The next word, into `out`, and what ends it is skipped. False: it is empty
 * or too long. */
static bool take_word(const char **at, const char *end, char out[64])
{
    const char *stop = memchr(*at, ' ', (size_t)(end - *at));
    size_t len = (size_t)((stop ? stop : end) - *at);
    if (!len || len >= 64 || memchr(*at, 0, len))
        return false;
    memcpy(out, *at, len);
    out[len] = 0;
    *at = stop ? stop + 1 : end;
    return true;
}

/* Digits, with no 0 before others. -1: it is none. */
static int port_of(const char *text)
{
    int port = 0;
    size_t len = strspn(text, "0123456789");
    if (!len || len > 5 || text[len] || (*text == '0' && len > 1))
        return -1;
    for (const char *digit = text; *digit; digit++)
        port = port * 10 + *digit - '0';
    return port <= 65535 ? port : -1;
}

static bool fill(union address *out, int family, const char *host, int port)
{
    *out = (union address){.any = {.sa_family = (sa_family_t)family}};
    if (port < 0)
        return false;
    if (family == AF_INET6) {
        out->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(family, host, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_port = htons((uint16_t)port);
    return inet_pton(family, host, &out->v4.sin_addr) == 1;
}

/* "ADDRESS ADDRESS PORT PORT" */
static bool take_addresses(const char *at, const char *end, int family,
                           struct proxy_head *out)
{
    char from[64], to[64], from_port[64], to_port[64];
    out->told = take_word(&at, end, from) && take_word(&at, end, to) &&
                take_word(&at, end, from_port) && end[-1] != ' ' &&
                take_word(&at, end, to_port) && at == end &&
                fill(&out->from, family, from, port_of(from_port)) &&
                fill(&out->to, family, to, port_of(to_port));
    return out->told;
}

static bool begins(const char *at, const char *end, const char *with)
{
    size_t len = strlen(with);
    return (size_t)(end - at) >= len && !memcmp(at, with, len);
}

static ssize_t read_line(const char *bytes, size_t len, struct proxy_head *out,
                         const char **why)
{
    size_t most = len < LINE_MOST ? len : LINE_MOST;
    const char *at = bytes + sizeof word - 1, *feed = memchr(bytes, '\n', most);
    if (!feed)
        return len < LINE_MOST ? 0
                               : wrong(why, "a PROXY line of more than 107 "
                                            "bytes");
    const char *end = feed - 1;
    if (*end != '\r')
        return wrong(why, "a PROXY line that ends without CR");
    out->version = 1;
    ssize_t used = feed + 1 - bytes;
    /* What follows is not to be looked at. */
    if (begins(at, end, "UNKNOWN") && (at + 7 == end || at[7] == ' '))
        return used;
    bool v6 = begins(at, end, "TCP6 ");
    if (!v6 && !begins(at, end, "TCP4 "))
        return wrong(why, "a PROXY line of another family than TCP4, TCP6 and "
                          "UNKNOWN");
    if (!take_addresses(at + 5, end, v6 ? AF_INET6 : AF_INET, out))
        return wrong(why, "a PROXY line without two addresses of its family "
                          "and two ports");
    return used;
}

/* ---- version 2 ----------------------------------------------------------- */

static uint16_t number(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* RFC 3720 B.4, bit by bit: a head is short. */
static uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return crc;
}

/* Of the whole head, its own four bytes taken as 0. */
static bool sum_is_right(const uint8_t *bytes, size_t len, size_t at)
{
    static const uint8_t none[4];
    uint32_t crc = crc32c(0xffffffff, bytes, at);
    crc = crc32c(crc, none, sizeof none);
    crc = ~crc32c(crc, bytes + at + 4, len - at - 4);
    return crc == ((uint32_t)number(bytes + at) << 16 | number(bytes + at + 2));
}

/* Type, length, value: from `at` to the end of the head. */
static ssize_t read_tlvs(const uint8_t *bytes, size_t at, size_t len,
                         struct proxy_head *out, const char **why)
{
    size_t sum = 0;
    while (at < len) {
        if (len - at < TLV_HEAD || len - at - TLV_HEAD < number(bytes + at + 1))
            return wrong(why, "a PROXY head with a TLV that is longer than it");
        uint8_t type = bytes[at];
        size_t size = number(bytes + at + 1);
        at += TLV_HEAD;
        if (type == TLV_AUTHORITY) {
            out->authority = bytes + at;
            out->authority_len = size;
        } else if (type == TLV_CRC32C && (size != 4 || sum)) {
            return wrong(why, "a PROXY head with a checksum of another size, "
                              "or with two");
        } else if (type == TLV_CRC32C) {
            sum = at;
        }
        at += size;
    }
    if (sum && !sum_is_right(bytes, len, sum))
        return wrong(why, "a PROXY head whose checksum is wrong");
    return (ssize_t)len;
}

static void take_block(const uint8_t *block, bool v6, struct proxy_head *out)
{
    size_t size = v6 ? 16 : 4;
    const uint8_t *ports = block + 2 * size;
    union address *ends[] = {&out->from, &out->to};
    out->told = true;
    for (size_t i = 0; i < 2; i++) {
        union address *end = ends[i];
        *end = (union address){
            .any = {.sa_family = (sa_family_t)(v6 ? AF_INET6 : AF_INET)}};
        if (v6)
            memcpy(&end->v6.sin6_addr, block + i * size, size);
        else
            memcpy(&end->v4.sin_addr, block + i * size, size);
        /* The port lies at the same place in both. */
        end->v4.sin_port = htons(number(ports + 2 * i));
    }
}

/* Bytes of two addresses of this family; -1: no connection has it. */
static int block_of(uint8_t family)
{
    switch (family) {
    case UNSPEC:
        return 0;
    case TCP4:
        return SIZE_4;
    case TCP6:
        return SIZE_6;
    case UNIX:
        return SIZE_UNIX;
    default:
        return -1;
    }
}

static ssize_t read_binary(const uint8_t *bytes, size_t len,
                           struct proxy_head *out, const char **why)
{
    uint8_t command = len > SIGNATURE ? bytes[SIGNATURE] : PROXY;
    if (command >> 4 != 2)
        return wrong(why, "a PROXY head of another version than 1 and 2");
    if (command != LOCAL && command != PROXY)
        return wrong(why, "a PROXY head whose command is neither LOCAL nor "
                          "PROXY");
    if (len < FIXED)
        return 0;
    size_t all = FIXED + (size_t)number(bytes + 14);
    uint8_t family = bytes[13];
    int block = block_of(family);
    if (all > PROXY_HEAD_MOST)
        return wrong(why, "a PROXY head of more than 4096 bytes");
    if (command == PROXY && block < 0)
        return wrong(why, "a PROXY head of a family that no connection has");
    if (command == PROXY && all < FIXED + (size_t)block)
        return wrong(why, "a PROXY head that is too short for its addresses");
    if (len < all)
        return 0;
    out->version = 2;
    /* 2.2: of LOCAL nothing but its length counts; of UNSPEC nobody knows
     * where the addresses would end. */
    if (command == LOCAL || family == UNSPEC)
        return (ssize_t)all;
    if (family != UNIX)
        take_block(bytes + FIXED, family == TCP6, out);
    return read_tlvs(bytes, FIXED + (size_t)block, all, out, why);
}

/* ---- which one ----------------------------------------------------------- */

/* Is `bytes` a beginning of `of`, as far as both go? */
static bool agrees(const uint8_t *bytes, size_t len, const void *of,
                   size_t of_len)
{
    return !memcmp(bytes, of, len < of_len ? len : of_len);
}

ssize_t proxy_head_read(const uint8_t *bytes, size_t len,
                        struct proxy_head *out, const char **why)
{
    *out = (struct proxy_head){0};
    if (!len)
        return 0;
    if (agrees(bytes, len, word, sizeof word - 1))
        return len < sizeof word - 1
                   ? 0
                   : read_line((const char *)bytes, len, out, why);
    if (agrees(bytes, len, signature, SIGNATURE))
        return len < SIGNATURE ? 0 : read_binary(bytes, len, out, why);
    return wrong(why, "the connection does not begin with a head of the PROXY "
                      "protocol");
}

/* ---- writing ------------------------------------------------------------- */

static size_t write_line(const union address *from, const union address *to,
                         uint8_t out[PROXY_HEAD_OWN])
{
    char one[INET6_ADDRSTRLEN], other[INET6_ADDRSTRLEN];
    bool v6 = from->any.sa_family == AF_INET6;
    inet_ntop(from->any.sa_family,
              v6 ? (const void *)&from->v6.sin6_addr : &from->v4.sin_addr, one,
              sizeof one);
    inet_ntop(to->any.sa_family,
              v6 ? (const void *)&to->v6.sin6_addr : &to->v4.sin_addr, other,
              sizeof other);
    return (size_t)snprintf((char *)out, PROXY_HEAD_OWN,
                            "PROXY %s %s %s %u %u\r\n", v6 ? "TCP6" : "TCP4",
                            one, other, address_port(from), address_port(to));
}

static void put_host(uint8_t *to, const union address *address)
{
    if (address->any.sa_family == AF_INET6)
        memcpy(to, &address->v6.sin6_addr, 16);
    else
        memcpy(to, &address->v4.sin_addr, 4);
}

static size_t write_binary(const union address *from, const union address *to,
                           uint8_t out[PROXY_HEAD_OWN])
{
    bool v6 = from->any.sa_family == AF_INET6;
    size_t size = v6 ? 16 : 4, all = v6 ? SIZE_6 : SIZE_4;
    memcpy(out, signature, SIGNATURE);
    out[12] = PROXY;
    out[13] = v6 ? TCP6 : TCP4;
    out[14] = 0;
    out[15] = (uint8_t)all;
    put_host(out + FIXED, from);
    put_host(out + FIXED + size, to);
    memcpy(out + FIXED + 2 * size, &from->v4.sin_port, 2);
    memcpy(out + FIXED + 2 * size + 2, &to->v4.sin_port, 2);
    return FIXED + all;
}

size_t proxy_head_write(int version, const union address *from,
                        const union address *to, uint8_t out[PROXY_HEAD_OWN])
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    bool same = from->any.sa_family == to->any.sa_family;
    if (same)
        return version == 1 ? write_line(from, to, out)
                            : write_binary(from, to, out);
    if (version == 1) {
        memcpy(out, unknown, sizeof unknown - 1);
        return sizeof unknown - 1;
    }
    memcpy(out, signature, SIGNATURE);
    memcpy(out + SIGNATURE, "\x21\0\0", 4);
    return FIXED;
}
