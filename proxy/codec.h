/* SPDX-License-Identifier: MIT
 *
 * Content codings (RFC 9110 8.4): gzip, deflate, br, zstd. Whole bodies,
 * bounded: what would grow past the limit is refused, so a bomb costs at most
 * the limit. And bodies that come piece by piece, of which no more is made at a
 * time than is asked for; what a coding itself remembers has 16 MiB at most. */
#ifndef PROXY_CODEC_H
#define PROXY_CODEC_H

#include "proxy/base/buf.h"

enum codec {
    CODEC_IDENTITY,
    CODEC_GZIP,
    CODEC_DEFLATE,
    CODEC_BR,
    CODEC_ZSTD,
    CODEC_UNKNOWN
};

/* From a Content-Encoding value (case-insensitive, "x-gzip" too; empty or
 * NULL: identity; a list of several: CODEC_UNKNOWN). */
enum codec codec_named(const char *value, size_t len);
const char *codec_name(enum codec codec);

/* Append the decoded bytes to `out`. 0, or -1: damaged, more than `most`
 * bytes, or out of memory; `out` is then as it was (one without an allocation
 * has none), and *why says which. */
int codec_decode(enum codec codec, const void *bytes, size_t len, size_t most,
                 struct buf *out, const char **why);
int codec_encode(enum codec codec, const void *bytes, size_t len,
                 struct buf *out, const char **why);

/* ---- piece by piece ------------------------------------------------------ */

struct codec_reader;
struct codec_writer;

enum codec_says {
    CODEC_DAMAGED = -1, /* or memory is out */
    CODEC_MORE,         /* can take more, or make more */
    CODEC_ENDS,         /* this may be the end: there is one, or another piece
                           follows. What follows and is no such is left out */
};

/* `bytes` are the first ones, which may tell how the rest is to be read: four
 * of them, if there are as many. NULL: not known, or memory is out. */
struct codec_reader *codec_reader_new(enum codec codec, const void *bytes,
                                      size_t len);
void codec_reader_free(struct codec_reader *reader);

/* Append up to `most` decoded bytes to `out`; *out_used: so many were taken.
 * With nothing taken and nothing made, more is needed. */
enum codec_says codec_read(struct codec_reader *reader, const void *bytes,
                           size_t len, size_t most, size_t *out_used,
                           struct buf *out);

enum codec_push {
    CODEC_KEEP,  /* what is there may wait for more */
    CODEC_FLUSH, /* whoever reads it can decode all that was written */
    CODEC_FINISH,
};

struct codec_writer *codec_writer_new(enum codec codec);
void codec_writer_free(struct codec_writer *writer);

/* Append what is made of these bytes to `out`. -1: memory is out. */
int codec_write(struct codec_writer *writer, const void *bytes, size_t len,
                enum codec_push push, struct buf *out);

#endif
