/* SPDX-License-Identifier: MIT
 *
 * Content codings (RFC 9110 8.4): gzip, deflate, br, zstd. Whole bodies only,
 * bounded: what would grow past the limit is refused, so a bomb costs at most
 * the limit. */
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

#endif
