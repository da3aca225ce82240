/* SPDX-License-Identifier: MIT
 *
 * Encoding what comes piece by piece. Somebody waits for it at the other end,
 * so it is done fast rather than tight. */
#include "proxy/codec.h"

#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
    PIECE = 4 * 1024,
    BROTLI_QUALITY = 3,
    BROTLI_WINDOW = 18,
    ZSTD_LEVEL = 1,
};

struct codec_writer {
    enum codec codec;
    z_stream zlib;
    BrotliEncoderState *brotli;
    ZSTD_CStream *zstd;
};

static int open_writer(struct codec_writer *writer)
{
    switch (writer->codec) {
    case CODEC_GZIP:
    case CODEC_DEFLATE:
        return deflateInit2(&writer->zlib, Z_BEST_SPEED, Z_DEFLATED,
                            writer->codec == CODEC_GZIP ? 15 + 16 : 15, 8,
                            Z_DEFAULT_STRATEGY) == Z_OK
                   ? 0
                   : -1;
    case CODEC_BR:
        writer->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
        if (!writer->brotli)
            return -1;
        BrotliEncoderSetParameter(writer->brotli, BROTLI_PARAM_QUALITY,
                                  BROTLI_QUALITY);
        BrotliEncoderSetParameter(writer->brotli, BROTLI_PARAM_LGWIN,
                                  BROTLI_WINDOW);
        return 0;
    case CODEC_ZSTD:
        writer->zstd = ZSTD_createCStream();
        if (!writer->zstd)
            return -1;
        ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel,
                               ZSTD_LEVEL);
        return 0;
    case CODEC_IDENTITY:
    case CODEC_UNKNOWN:
        break;
    }
    return -1;
}

struct codec_writer *codec_writer_new(enum codec codec)
{
    struct codec_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    writer->codec = codec;
    if (!open_writer(writer))
        return writer;
    free(writer);
    return NULL;
}

void codec_writer_free(struct codec_writer *writer)
{
    if (!writer)
        return;
    if (writer->codec == CODEC_GZIP || writer->codec == CODEC_DEFLATE)
        deflateEnd(&writer->zlib);
    if (writer->brotli)
        BrotliEncoderDestroyInstance(writer->brotli);
    ZSTD_freeCStream(writer->zstd);
    free(writer);
}

static int zlib_write(z_stream *zlib, const void *bytes, size_t len,
                      enum codec_push push, struct buf *out)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    zlib->next_in = (Bytef *)(uintptr_t)bytes;
    zlib->avail_in = (uInt)len;
    do {
        zlib->next_out = buf_reserve(out, PIECE);
        zlib->avail_out = PIECE;
        if (!zlib->next_out || deflate(zlib, flushes[push]) == Z_STREAM_ERROR)
            return -1;
        buf_filled(out, PIECE - zlib->avail_out);
    } while (!zlib->avail_out);
    return 0;
}

static int brotli_write(BrotliEncoderState *brotli, const void *bytes,
                        size_t len, enum codec_push push, struct buf *out)
{
    static const BrotliEncoderOperation operations[] = {
        BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
        BROTLI_OPERATION_FINISH};
    const uint8_t *in = bytes;
    do {
        uint8_t *to = buf_reserve(out, PIECE);
        size_t room = PIECE;
        if (!to || !BrotliEncoderCompressStream(brotli, operations[push], &len,
                                                &in, &room, &to, NULL))
            return -1;
        buf_filled(out, PIECE - room);
    } while (len || BrotliEncoderHasMoreOutput(brotli));
    return 0;
}

static int zstd_write(ZSTD_CStream *zstd, const void *bytes, size_t len,
                      enum codec_push push, struct buf *out)
{
    static const ZSTD_EndDirective directives[] = {ZSTD_e_continue,
                                                   ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer in = {bytes, len, 0};
    size_t left;
    do {
        ZSTD_outBuffer piece = {buf_reserve(out, PIECE), PIECE, 0};
        if (!piece.dst)
            return -1;
        left = ZSTD_compressStream2(zstd, &piece, &in, directives[push]);
        if (ZSTD_isError(left))
            return -1;
        buf_filled(out, piece.pos);
    } while (in.pos < in.size || (push != CODEC_KEEP && left));
    return 0;
}

int codec_write(struct codec_writer *writer, const void *bytes, size_t len,
                enum codec_push push, struct buf *out)
{
    static const uint8_t nothing[1];
    bytes = len ? bytes : nothing;
    if (writer->brotli)
        return brotli_write(writer->brotli, bytes, len, push, out);
    if (writer->zstd)
        return zstd_write(writer->zstd, bytes, len, push, out);
    return zlib_write(&writer->zlib, bytes, len, push, out);
}
