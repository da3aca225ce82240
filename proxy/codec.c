/* SPDX-License-Identifier: MIT
 *
 * Four libraries behind one loop: each decoder fills what room it is given,
 * and the loop never gives more than the limit leaves. */
#include "proxy/codec.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum {
    PIECE = 64 * 1024,
    ZSTD_WINDOW_LOG = 23, /* 8 MiB, what RFC 9659 asks of HTTP clients */
    BROTLI_QUALITY = 5,
    ZSTD_LEVEL = 3,
};

static const char out_of_memory[] = "memory is out";

enum progress { PROGRESS_DAMAGED = -1, PROGRESS_MORE, PROGRESS_DONE };

/* One decoder at work. A step moves in, in_left, out and out_left. */
struct decoder {
    const uint8_t *in;
    uint8_t *out;
    size_t in_left, out_left;
    z_stream zlib;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
};

/* ---- zlib: gzip, deflate ---------------------------------------------------
 */

static int gzip_open(struct decoder *decoder)
{
    return inflateInit2(&decoder->zlib, 15 + 16) == Z_OK ? 0 : -1;
}

/* "deflate" is a zlib stream (RFC 9110 8.4.1.2), but some senders leave the
 * zlib header out. It begins with 0x78 in practice and is divisible by 31. */
static int deflate_open(struct decoder *decoder)
{
    const uint8_t *in = decoder->in;
    bool headed = decoder->in_left > 1 && (in[0] & 0x0f) == Z_DEFLATED &&
                  (in[0] << 8 | in[1]) % 31 == 0;
    return inflateInit2(&decoder->zlib, headed ? 15 : -15) == Z_OK ? 0 : -1;
}

static int zlib_run(struct decoder *decoder)
{
    z_stream *zlib = &decoder->zlib;
    size_t in = decoder->in_left < INT_MAX ? decoder->in_left : INT_MAX;
    zlib->next_in = (Bytef *)(uintptr_t)decoder->in;
    zlib->avail_in = (uInt)in;
    zlib->next_out = decoder->out;
    zlib->avail_out = (uInt)decoder->out_left;
    int rc = inflate(zlib, Z_NO_FLUSH);
    decoder->in_left -= in - zlib->avail_in;
    decoder->in = zlib->next_in;
    decoder->out_left = zlib->avail_out;
    decoder->out = zlib->next_out;
    return rc;
}

static enum progress deflate_step(struct decoder *decoder)
{
    switch (zlib_run(decoder)) {
    case Z_STREAM_END:
        return PROGRESS_DONE;
    case Z_OK:
    case Z_BUF_ERROR:
        return PROGRESS_MORE;
    default:
        return PROGRESS_DAMAGED;
    }
}

/* A gzip file may have several members, one behind the other (RFC 1952 2.2).
 */
static enum progress gzip_step(struct decoder *decoder)
{
    enum progress progress = deflate_step(decoder);
    if (progress != PROGRESS_DONE || !decoder->in_left)
        return progress;
    return inflateReset(&decoder->zlib) == Z_OK ? PROGRESS_MORE
                                                : PROGRESS_DAMAGED;
}

static void zlib_close(struct decoder *decoder)
{
    inflateEnd(&decoder->zlib);
}

/* ---- brotli
 * ------------------------------------------------------------------ */

static int brotli_open(struct decoder *decoder)
{
    decoder->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return decoder->brotli ? 0 : -1;
}

static enum progress brotli_step(struct decoder *decoder)
{
    switch (BrotliDecoderDecompressStream(decoder->brotli, &decoder->in_left,
                                          &decoder->in, &decoder->out_left,
                                          &decoder->out, NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return PROGRESS_DONE;
    case BROTLI_DECODER_RESULT_ERROR:
        return PROGRESS_DAMAGED;
    default:
        return PROGRESS_MORE;
    }
}

static void brotli_close(struct decoder *decoder)
{
    BrotliDecoderDestroyInstance(decoder->brotli);
}

/* ---- zstd
 * -------------------------------------------------------------------- */

static int zstd_open(struct decoder *decoder)
{
    decoder->zstd = ZSTD_createDStream();
    if (!decoder->zstd)
        return -1;
    ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    return 0;
}

static enum progress zstd_step(struct decoder *decoder)
{
    ZSTD_inBuffer in = {decoder->in, decoder->in_left, 0};
    ZSTD_outBuffer out = {decoder->out, decoder->out_left, 0};
    size_t rc = ZSTD_decompressStream(decoder->zstd, &out, &in);
    decoder->in += in.pos;
    decoder->in_left -= in.pos;
    decoder->out += out.pos;
    decoder->out_left -= out.pos;
    if (ZSTD_isError(rc))
        return PROGRESS_DAMAGED;
    /* 0 is the end of a frame; another may follow (RFC 8878 3). */
    return !rc && !decoder->in_left ? PROGRESS_DONE : PROGRESS_MORE;
}

static void zstd_close(struct decoder *decoder)
{
    ZSTD_freeDStream(decoder->zstd);
}

/* ---- decoding
 * ------------------------------------------------------------------ */

struct coding {
    const char *name;
    int (*open)(struct decoder *decoder);
    enum progress (*step)(struct decoder *decoder);
    void (*close)(struct decoder *decoder);
};

static const struct coding codings[] = {
    [CODEC_IDENTITY] = {.name = "identity"},
    [CODEC_GZIP] = {"gzip", gzip_open, gzip_step, zlib_close},
    [CODEC_DEFLATE] = {"deflate", deflate_open, deflate_step, zlib_close},
    [CODEC_BR] = {"br", brotli_open, brotli_step, brotli_close},
    [CODEC_ZSTD] = {"zstd", zstd_open, zstd_step, zstd_close},
    [CODEC_UNKNOWN] = {.name = "unknown"},
};

const char *codec_name(enum codec codec)
{
    return codings[codec].name;
}

enum codec codec_named(const char *value, size_t len)
{
    if (!value || !len)
        return CODEC_IDENTITY;
    if (len == 6 && !strncasecmp(value, "x-gzip", len))
        return CODEC_GZIP;
    for (int i = CODEC_IDENTITY; i < CODEC_UNKNOWN; i++)
        if (strlen(codings[i].name) == len &&
            !strncasecmp(value, codings[i].name, len))
            return (enum codec)i;
    return CODEC_UNKNOWN;
}

/* Run the decoder to its end. Returns NULL, or what is wrong. */
static const char *run(const struct coding *coding, struct decoder *decoder,
                       size_t most, struct buf *out)
{
    size_t made = 0;
    for (;;) {
        /* One byte over the limit tells "just fits" from "goes on". */
        size_t room = most - made < PIECE ? most - made + 1 : PIECE;
        size_t in_before = decoder->in_left;
        decoder->out = buf_reserve(out, room);
        decoder->out_left = room;
        if (!decoder->out)
            return out_of_memory;
        enum progress progress = coding->step(decoder);
        size_t got = room - decoder->out_left;
        buf_filled(out, got);
        made += got;
        if (made > most)
            return "the decoded body is over the limit: a compression bomb?";
        if (progress == PROGRESS_DAMAGED)
            return "the coded body is damaged";
        if (progress == PROGRESS_DONE)
            return decoder->in_left ? "something follows the coded body" : NULL;
        if (!got && decoder->in_left == in_before)
            return "the coded body ends too early";
    }
}

static const char *decode(enum codec codec, struct decoder *decoder,
                          size_t most, struct buf *out)
{
    const struct coding *coding = &codings[codec];
    if (!coding->open)
        return "the content coding is not known";
    if (coding->open(decoder) < 0)
        return out_of_memory;
    const char *wrong = run(coding, decoder, most, out);
    coding->close(decoder);
    return wrong;
}

static const char *copy(const void *bytes, size_t len, size_t most,
                        struct buf *out)
{
    if (len > most)
        return "the body is over the limit";
    return buf_append(out, bytes, len) < 0 ? out_of_memory : NULL;
}

int codec_decode(enum codec codec, const void *bytes, size_t len, size_t most,
                 struct buf *out, const char **why)
{
    size_t before = buf_len(out);
    bool had = out->bytes; /* an allocation */
    struct decoder decoder = {.in = bytes, .in_left = len};
    *why = NULL;
    if (!len) /* an empty body is empty in every coding */
        return 0;
    *why = codec == CODEC_IDENTITY ? copy(bytes, len, most, out)
                                   : decode(codec, &decoder, most, out);
    if (!*why)
        return 0;
    out->end = out->at + before;
    if (!had)
        buf_free(out);
    return -1;
}

/* ---- piece by piece ------------------------------------------------------ */

struct codec_reader {
    struct decoder decoder;
    enum codec codec;
    bool ends;      /* at the end of a member; another may follow */
    bool one_ended; /* so it is no wonder if what follows is nonsense */
    bool over;
};

struct codec_reader *codec_reader_new(enum codec codec, const void *bytes,
                                      size_t len)
{
    struct codec_reader *reader =
        codings[codec].open ? calloc(1, sizeof *reader) : NULL;
    if (!reader)
        return NULL;
    reader->codec = codec;
    reader->decoder.in = bytes;
    reader->decoder.in_left = len;
    if (!codings[codec].open(&reader->decoder))
        return reader;
    free(reader);
    return NULL;
}

void codec_reader_free(struct codec_reader *reader)
{
    if (!reader)
        return;
    codings[reader->codec].close(&reader->decoder);
    free(reader);
}

/* Something follows the end of a member. */
static bool begin_member(struct codec_reader *reader)
{
    reader->ends = false;
    if (reader->codec == CODEC_GZIP)
        return inflateReset(&reader->decoder.zlib) == Z_OK;
    return reader->codec == CODEC_ZSTD;
}

static enum codec_says read_some(struct codec_reader *reader, size_t most,
                                 struct buf *out)
{
    struct decoder *decoder = &reader->decoder;
    if (reader->ends && !begin_member(reader))
        return CODEC_DAMAGED;
    decoder->out = buf_reserve(out, most);
    decoder->out_left = most;
    if (!decoder->out)
        return CODEC_DAMAGED;
    enum progress progress = codings[reader->codec].step(decoder);
    buf_filled(out, most - decoder->out_left);
    if (progress == PROGRESS_DAMAGED)
        return CODEC_DAMAGED;
    reader->ends = progress == PROGRESS_DONE;
    reader->one_ended |= reader->ends;
    return reader->ends ? CODEC_ENDS : CODEC_MORE;
}

enum codec_says codec_read(struct codec_reader *reader, const void *bytes,
                           size_t len, size_t most, size_t *out_used,
                           struct buf *out)
{
    *out_used = reader->over ? len : 0;
    if (reader->over || (reader->ends && !len))
        return CODEC_ENDS;
    reader->decoder.in = bytes;
    reader->decoder.in_left = len;
    enum codec_says says = read_some(reader, most, out);
    *out_used = len - reader->decoder.in_left;
    if (says != CODEC_DAMAGED || !reader->one_ended)
        return says;
    reader->over = true;
    *out_used = len;
    return CODEC_ENDS;
}

/* ---- encoding
 * ------------------------------------------------------------------ */

/* Each returns how many bytes it made, 0 when it failed. */
static size_t zlib_encode(int window_bits, const void *bytes, size_t len,
                          struct buf *out)
{
    z_stream zlib = {.next_in = (Bytef *)(uintptr_t)bytes,
                     .avail_in = (uInt)len};
    if (deflateInit2(&zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    size_t room = deflateBound(&zlib, len);
    zlib.next_out = buf_reserve(out, room);
    zlib.avail_out = (uInt)room;
    int rc = zlib.next_out ? deflate(&zlib, Z_FINISH) : Z_MEM_ERROR;
    deflateEnd(&zlib);
    return rc == Z_STREAM_END ? zlib.total_out : 0;
}

static size_t brotli_encode(const void *bytes, size_t len, struct buf *out)
{
    size_t room = BrotliEncoderMaxCompressedSize(len);
    uint8_t *to = buf_reserve(out, room);
    if (!to ||
        !BrotliEncoderCompress(BROTLI_QUALITY, BROTLI_DEFAULT_WINDOW,
                               BROTLI_MODE_GENERIC, len, bytes, &room, to))
        return 0;
    return room;
}

static size_t zstd_encode(const void *bytes, size_t len, struct buf *out)
{
    size_t room = ZSTD_compressBound(len);
    uint8_t *to = buf_reserve(out, room);
    size_t made = to ? ZSTD_compress(to, room, bytes, len, ZSTD_LEVEL) : 0;
    return ZSTD_isError(made) ? 0 : made;
}

static size_t encode(enum codec codec, const void *bytes, size_t len,
                     struct buf *out)
{
    switch (codec) {
    case CODEC_GZIP:
        return zlib_encode(15 + 16, bytes, len, out);
    case CODEC_DEFLATE:
        return zlib_encode(15, bytes, len, out);
    case CODEC_BR:
        return brotli_encode(bytes, len, out);
    case CODEC_ZSTD:
        return zstd_encode(bytes, len, out);
    default:
        return 0;
    }
}

int codec_encode(enum codec codec, const void *bytes, size_t len,
                 struct buf *out, const char **why)
{
    static const uint8_t nothing[1];
    bytes = bytes ? bytes : nothing;
    *why = NULL;
    if (codec == CODEC_IDENTITY)
        *why = copy(bytes, len, SIZE_MAX, out);
    else if (codec >= CODEC_UNKNOWN)
        *why = "the content coding is not known";
    else if (len > INT_MAX / 2)
        *why = "the body is too long to be encoded";
    if (*why || codec == CODEC_IDENTITY)
        return *why ? -1 : 0;
    size_t made = encode(codec, bytes, len, out);
    if (!made)
        *why = out_of_memory;
    buf_filled(out, made);
    return made ? 0 : -1;
}
