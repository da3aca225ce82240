/* SPDX-License-Identifier: MIT
 *
 * Messages of DNS (RFC 1035 4, RFC 3596 for AAAA, RFC 6891 for OPT): read
 * without memory of their own, edited in place, written for who answers in the
 * resolver's place. A message is the bytes of a datagram, or what stands
 * behind the two bytes of length in TCP (RFC 1035 4.2.2). */
#ifndef PROXY_DNS_H
#define PROXY_DNS_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    DNS_HEAD = 12,
    DNS_MOST = 65535,      /* bytes of a message */
    DNS_NAME_TEXT = 1024,  /* a name: 255 bytes, each at most "\255" */
    DNS_DATA_TEXT = 1280,  /* what a record says: a name or less */
    DNS_WORD_TEXT = 16,    /* "TYPE65535" */
    DNS_POINTERS_MOST = 64 /* followed in one name */
};

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_AAAA = 28,
    DNS_OPT = 41
};

enum dns_rcode { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3 };

/* Head and question. */
struct dns_message {
    uint16_t id;
    bool answer;    /* else a query */
    bool truncated; /* what is missing can be had over TCP */
    unsigned rcode; /* of an answer */
    bool edns;      /* it has an OPT record */
    unsigned records;
    char name[DNS_NAME_TEXT]; /* "bank.lab.test", "." for the root; what is
                                 not printable is \DDD */
    uint16_t type, class;
    size_t question_end;
};

struct dns_record {
    char name[DNS_NAME_TEXT];
    bool answers; /* stands in the answer section */
    uint16_t type, class;
    uint32_t ttl;
    size_t ttl_at, data_at, data_len; /* in the message */
};

/* Read a whole message, each of its records included; there must be one
 * question and nothing behind the last record. -1 with a sentence. */
int dns_read(const uint8_t *bytes, size_t len, struct dns_message *out,
             const char **why);

/* The records of a message that dns_read() found good, one after the other:
 * `*at` begins as question_end, `index` as 0. False behind the last. */
bool dns_next(const uint8_t *bytes, size_t len, unsigned index, size_t *at,
              struct dns_record *out);

/* The same question? Letters of either case are the same (RFC 4343). */
bool dns_same_question(const struct dns_message *a,
                       const struct dns_message *b);

/* A message over TCP at the start of `bytes`: > 0 bytes it takes with its
 * length, 0 need more, -1 nonsense. */
ssize_t dns_frame(const uint8_t *bytes, size_t len);

/* "AAAA", "TYPE64"; "NXDOMAIN", "RCODE17". */
void dns_type_text(uint16_t type, char out[DNS_WORD_TEXT]);
void dns_rcode_text(unsigned rcode, char out[DNS_WORD_TEXT]);

/* What a record says: an address, a name, else \# and the bytes (RFC 3597 5),
 * of which the first hundred. */
void dns_data_text(const uint8_t *bytes, size_t len,
                   const struct dns_record *record, char out[DNS_DATA_TEXT]);

/* Edit in place. */
void dns_put_id(uint8_t *message, uint16_t id);
void dns_put_ttl(uint8_t *message, const struct dns_record *record,
                 uint32_t ttl);
/* Of an A record 4 bytes, of an AAAA record 16; -1 if it is neither. */
int dns_put_address(uint8_t *message, const struct dns_record *record,
                    const uint8_t *address, size_t len);

/* The bytes of a name, without pointers; \. and \DDD as dns_read() writes
 * them. 0, or -1 if it is no name. */
enum { DNS_NAME_BYTES = 255 };
int dns_name_bytes(const char *text, uint8_t out[DNS_NAME_BYTES],
                   size_t *out_len);

/* One record that is to be said. */
struct dns_given {
    const uint8_t *name; /* as bytes; NULL: the one that was asked for */
    size_t name_len;
    uint16_t type;
    uint32_t ttl;
    const uint8_t *data;
    size_t len; /* at most 512 */
};

/* Append an answer to `query` (which dns_read() found good): its id, its
 * question, the records that are given, and an OPT if it had one (RFC 6891
 * 6.1.1). -1 when memory is out. */
int dns_write_answer(struct buf *out, const uint8_t *query,
                     const struct dns_message *asked, enum dns_rcode rcode,
                     const struct dns_given *given, unsigned count);

#endif
