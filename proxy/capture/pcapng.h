/* SPDX-License-Identifier: MIT
 *
 * The pcapng file format: blocks built in memory and written whole, and a
 * strict, bounded reader that takes nothing on trust. libpcap reads pcapng but
 * writes only classic pcap, so both halves are ours.
 *
 * A block goes to the file in one write(2) on an O_APPEND descriptor; the
 * section length is -1 and there is no footer. So a file that stops anywhere
 * between two blocks is whole, and one that stops inside a block is whole up
 * to that block. */
#ifndef PROXY_CAPTURE_PCAPNG_H
#define PROXY_CAPTURE_PCAPNG_H

#include "certs/err.h"
#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Link types, as the tcpdump registry numbers them. */
enum pcapng_link {
    PCAPNG_LINK_ETHERNET = 1,
    PCAPNG_LINK_RAW = 101,    /* starts at the IP header */
    PCAPNG_LINK_COOKED = 113, /* Linux "any", version 1 */
    PCAPNG_LINK_IPV4 = 228,
    PCAPNG_LINK_IPV6 = 229,
    PCAPNG_LINK_COOKED2 = 276,
};

enum {
    PCAPNG_BLOCK_MOST = 16 << 20, /* a longer block is nonsense */
    PCAPNG_INTERFACES_MOST = 256, /* in one section */
    PCAPNG_NAME_MOST = 64,        /* of an interface, with its NUL */
    PCAPNG_COMMENT_MOST = 4096,   /* longer comments are cut when written */
};

/* Direction bits of a packet's flags. */
enum pcapng_flags { PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

/* ---- writing ----------------------------------------------------------- */

/* Every pcapng_put_*() appends one whole block to `out`. 0, or -1 when memory
 * is out (`out` is then unchanged). Texts may be NULL: no such option. */

struct pcapng_section {
    const char *hardware, *os, *application;
    const char *comment; /* which lab, which run */
};
int pcapng_put_section(struct buf *out, const struct pcapng_section *section);

/* Interfaces are numbered from 0 in the order in which they are put. Times
 * are nanoseconds. */
struct pcapng_interface {
    const char *name;        /* "victim" */
    const char *description; /* "what victim sent into the switch" */
    uint16_t link;           /* enum pcapng_link */
    uint32_t snaplen;        /* 0: no limit */
};
int pcapng_put_interface(struct buf *out,
                         const struct pcapng_interface *interface);

struct pcapng_packet {
    uint32_t interface;
    uint64_t time_ns;  /* since 1970 */
    uint32_t flags;    /* enum pcapng_flags; 0: no such option */
    uint32_t original; /* length on the wire */
    const uint8_t *bytes;
    uint32_t len;
    const char *comment; /* read: not NUL-terminated, see comment_len */
    size_t comment_len;  /* write: may be 0, then the comment is a string */
};
int pcapng_put_packet(struct buf *out, const struct pcapng_packet *packet);

/* Names of addresses ("192.0.2.10", "2001:db8:66::a"); rows whose address is
 * not one are left out. */
struct pcapng_name {
    const char *address, *name;
};
int pcapng_put_names(struct buf *out, const struct pcapng_name *names,
                     size_t count);

/* TLS key log lines (RFC 9850), each with its newline. Wireshark wants them
 * before the first packet that they decrypt. */
int pcapng_put_secrets(struct buf *out, const char *lines, size_t len);

/* Bytes of events.jsonl (event.h): those of all such blocks of a file, joined.
 * A block of ours, which others skip. */
int pcapng_put_events(struct buf *out, const char *bytes, size_t len);

/* How many packets an interface saw and how many of them were lost. */
struct pcapng_stats {
    uint32_t interface;
    uint64_t time_ns, received, dropped;
};
int pcapng_put_stats(struct buf *out, const struct pcapng_stats *stats);

/* One write(2) of everything in `block`, which is then empty. *whole is the
 * length of the file; when the disk is full (or the write fails otherwise) the
 * file is cut back to that, so that it ends with a whole block, and -1 is
 * returned with the reason. */
int pcapng_write(int fd, struct buf *block, uint64_t *whole, struct err *err);

/* ---- reading ----------------------------------------------------------- */

enum pcapng_kind {
    PCAPNG_SECTION,   /* .section: hardware and so on are not decoded */
    PCAPNG_INTERFACE, /* .number is its number; see reader->interfaces */
    PCAPNG_PACKET,    /* .packet; .number is the frame number, from 1 */
    PCAPNG_NAMES,
    PCAPNG_SECRETS, /* .secrets, when it is a TLS key log */
    PCAPNG_STATS,   /* .stats */
    PCAPNG_EVENTS,  /* .events, when they are ours */
    PCAPNG_OTHER,   /* well formed, of a type that we do not read */
};

/* One block. Pointers lead into the bytes that were given to the reader. */
struct pcapng_block {
    enum pcapng_kind kind;
    uint32_t type;        /* as in the file */
    const uint8_t *bytes; /* the whole block */
    size_t len;
    uint64_t number;
    union {
        struct pcapng_packet packet;
        struct pcapng_stats stats;
        struct {
            const uint8_t *bytes;
            size_t len;
        } secrets, events;
    };
};

/* State of a reader. Zero-initialised is at the front of a file. */
struct pcapng_reader {
    bool started;     /* a section header was seen */
    bool swapped;     /* this section has the other byte order */
    uint64_t packets; /* packet blocks so far: the number of the last frame */
    uint32_t interfaces_count;
    struct pcapng_known {
        char name[PCAPNG_NAME_MOST];
        uint16_t link;
        uint32_t snaplen;
        uint8_t resolution; /* if_tsresol as in the file */
        int64_t offset_s;   /* if_tsoffset */
    } interfaces[PCAPNG_INTERFACES_MOST];
};

/* Read one block at the front of `bytes`. > 0: its length; 0: the block is not
 * all there; -1: nonsense, with a sentence. Never reads past `len`. */
ssize_t pcapng_next(struct pcapng_reader *reader, const uint8_t *bytes,
                    size_t len, struct pcapng_block *out, struct err *err);

/* A file read block by block; it may still be growing. */
struct pcapng_file;
int pcapng_open(const char *path, struct pcapng_file **out, struct err *err);
void pcapng_close(struct pcapng_file *file);

/* 1: a block, valid until the next call. 0: no more whole block; ask again
 * later if the file grows. -1: nonsense or an I/O error. */
int pcapng_file_next(struct pcapng_file *file, struct pcapng_block *out,
                     struct err *err);
const struct pcapng_reader *pcapng_file_reader(const struct pcapng_file *file);

/* Where the last whole block ends. */
uint64_t pcapng_file_whole(const struct pcapng_file *file);

/* Cut the file back to its last whole block. *out_cut is the number of bytes
 * that went (0: it was whole). -1 when it is no pcapng file at all. */
int pcapng_repair(const char *path, uint64_t *out_cut, struct err *err);

#endif
