/* SPDX-License-Identifier: MIT
 *
 * What is where in a capture: (5-tuple, direction, offset in the TCP stream)
 * -> frame number, and which frame contains these bytes. Frame numbers are
 * Wireshark's: the n-th packet block, from 1. Never guessed from times.
 *
 * It reads hostile bytes from a file that may still be growing, and keeps them
 * in memory (at most INDEX_BYTES_MOST). */
#ifndef PROXY_CAPTURE_INDEX_H
#define PROXY_CAPTURE_INDEX_H

#include "certs/err.h"
#include "proxy/capture/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INDEX_BYTES_MOST = 1 << 30 };

struct capture_index;

/* Read a pcapng file; a cut end is left out. Nonsense is an error. */
int capture_index_load(const char *path, struct capture_index **out,
                       struct err *err);
/* The same from memory, which is copied. */
int capture_index_read(const uint8_t *bytes, size_t len,
                       struct capture_index **out, struct err *err);
void capture_index_free(struct capture_index *index);

/* Take in what has been appended to the file since. Pointers from
 * index_frame() are void afterwards. */
int index_refresh(struct capture_index *index, struct err *err);

/* Number of frames; the last one has this number. */
uint64_t index_count(const struct capture_index *index);

/* ---- a place in a TCP stream -> its frame -------------------------------- */

enum index_dir { INDEX_UP, INDEX_DOWN }; /* up: sent by `src` */

/* As in an event: the end that opened the connection first. */
struct index_tuple {
    const char *src;
    uint16_t src_port;
    const char *dst;
    uint16_t dst_port;
};

/* The frame that first carried byte `offset` (0: the first byte after the SYN)
 * of that direction. When several connections had the same tuple, the one that
 * was the latest to open before `time_ns` is meant (0: the last one of all).
 * Returns the frame number, 0 when there is none. */
uint64_t index_frame_of(const struct capture_index *index,
                        const struct index_tuple *tuple, enum index_dir dir,
                        uint64_t offset, uint64_t time_ns);

/* A connection may have a second tuple: that which its opener saw when a relay
 * stands in between (recorder.h). This text, as the comment of the frame with
 * the SYN, makes both tuples find it. */
enum { INDEX_ALIAS_TEXT = 160 };
void index_alias_text(const struct index_tuple *tuple,
                      char text[INDEX_ALIAS_TEXT]);

/* The frame that closed that direction (its FIN or RST), 0 if none did. */
uint64_t index_end_of(const struct capture_index *index,
                      const struct index_tuple *tuple, enum index_dir dir,
                      uint64_t time_ns);

/* Copy up to `most` bytes of the stream from `offset` on; stops at a hole.
 * Returns how many. */
size_t index_bytes_of(const struct capture_index *index,
                      const struct index_tuple *tuple, enum index_dir dir,
                      uint64_t offset, uint64_t time_ns, uint8_t *out,
                      size_t most);

/* ---- which frame contains these bytes ----------------------------------- */

/* Zero in a field: no limit. */
struct index_query {
    const void *bytes;
    size_t len;
    uint64_t from_frame, to_frame; /* both inclusive */
    uint64_t from_ns, to_ns;       /* both inclusive */
    const char *place;             /* name of the interface; NULL: any */
    bool one_frame; /* do not join segments: what `frame contains` finds */
};

/* The first frame in whose payload the bytes begin; they may run on into the
 * next segments of the same stream. For frames without TCP or UDP everything
 * after the link header counts as payload. 0 when there is none. */
uint64_t index_find(const struct capture_index *index,
                    const struct index_query *query);

/* ---- a frame --------------------------------------------------------------
 */

struct index_frame {
    uint64_t number, time_ns;
    const char *place; /* name of its interface */
    const uint8_t *bytes;
    uint32_t len, original;
    char src[PACKET_ADDRESS_TEXT], dst[PACKET_ADDRESS_TEXT]; /* "" if not IP */
    struct packet packet; /* ports, flags, payload ... */
    bool tcp;
    uint32_t stream; /* number of the connection, from 0: tcp.stream */
    uint64_t offset; /* of the payload in its direction of the stream */
    bool again;      /* all of its payload had been seen before */
};

/* 0, or -1 when there is no frame with this number. Pointers live as long as
 * the index, until index_refresh(). */
int index_frame(const struct capture_index *index, uint64_t number,
                struct index_frame *out);

#endif
