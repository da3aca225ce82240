/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out, for the tests called fault_*: the Nth allocation that
 * the proxy makes fails, once or from then on, whoever asks: our own code,
 * OpenSSL, libuv, nghttp2, Lua, jansson, zlib, brotli or zstd. What those
 * libraries have for it is set here; where they have nothing, the linker puts
 * the functions below in front of theirs (--wrap, in tests/CMakeLists.txt).
 *
 * Include it first: memory is short while the loop turns, not while the test
 * itself works. */
#ifndef TESTS_PROXY_HUNGER_H
#define TESTS_PROXY_HUNGER_H

#include <uv.h>

static int hungry_uv_run(uv_loop_t *loop, uv_run_mode mode);
#define uv_run hungry_uv_run
#include "tests/proxy/h2_stage.h"
#include "tests/proxy/tls_stage.h"
#undef uv_run

#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <zlib.h>
#include <zstd.h>

static struct {
    bool armed;    /* the fault is to come */
    bool inside;   /* the proxy is at work */
    bool for_ever; /* not once only */
    unsigned at, count, failed;
} memory;

/* Is it this one's turn? */
static bool fails(void)
{
    if (!memory.armed || !memory.inside)
        return false;
    unsigned now = memory.count++;
    bool bad = memory.for_ever ? now >= memory.at : now == memory.at;
    memory.failed += bad;
    if (bad)
        errno = ENOMEM; /* malloc(3) says so */
    return bad;
}

STAGE void hunger_arm(unsigned at, bool for_ever)
{
    memory.armed = true;
    memory.for_ever = for_ever;
    memory.at = at;
    memory.count = memory.failed = 0;
}

STAGE void hunger_disarm(void)
{
    memory.armed = false;
}

static int hungry_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    memory.inside = true;
    int rc = uv_run(loop, mode);
    memory.inside = false;
    return rc;
}

/* ---- ours ---------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* ---- OpenSSL's ----------------------------------------------------------- */

static void *ssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(old, size);
}

static void ssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

/* ---- nghttp2's ----------------------------------------------------------- */

static void *h2_malloc(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void *h2_calloc(size_t count, size_t size, void *context)
{
    (void)context;
    return calloc(count, size);
}

static void *h2_realloc(void *old, size_t size, void *context)
{
    (void)context;
    return realloc(old, size);
}

static void h2_free(void *old, void *context)
{
    (void)context;
    free(old);
}

static nghttp2_mem h2_memory = {NULL, h2_malloc, h2_free, h2_calloc,
                                h2_realloc};

/* ---- those of content codings -------------------------------------------- */

static void *zlib_alloc(void *context, unsigned count, unsigned size)
{
    (void)context;
    return malloc((size_t)count * size);
}

static void zlib_free(void *context, void *old)
{
    (void)context;
    free(old);
}

static void *other_alloc(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void other_free(void *context, void *old)
{
    (void)context;
    free(old);
}

int __real_inflateInit2_(z_streamp zlib, int bits, const char *version,
                         int size);
int __wrap_inflateInit2_(z_streamp zlib, int bits, const char *version,
                         int size);
int __real_deflateInit2_(z_streamp zlib, int level, int method, int bits,
                         int memory_level, int strategy, const char *version,
                         int size);
int __wrap_deflateInit2_(z_streamp zlib, int level, int method, int bits,
                         int memory_level, int strategy, const char *version,
                         int size);
BrotliDecoderState *__real_BrotliDecoderCreateInstance(brotli_alloc_func,
                                                       brotli_free_func,
                                                       void *context);
BrotliDecoderState *__wrap_BrotliDecoderCreateInstance(brotli_alloc_func,
                                                       brotli_free_func,
                                                       void *context);
BROTLI_BOOL __real_BrotliEncoderCompress(int quality, int window,
                                         BrotliEncoderMode mode, size_t in_len,
                                         const uint8_t *in, size_t *out_len,
                                         uint8_t *out);
BROTLI_BOOL __wrap_BrotliEncoderCompress(int quality, int window,
                                         BrotliEncoderMode mode, size_t in_len,
                                         const uint8_t *in, size_t *out_len,
                                         uint8_t *out);
ZSTD_DStream *__wrap_ZSTD_createDStream(void);
size_t __real_ZSTD_compress(void *out, size_t room, const void *in, size_t len,
                            int level);
size_t __wrap_ZSTD_compress(void *out, size_t room, const void *in, size_t len,
                            int level);

int __wrap_inflateInit2_(z_streamp zlib, int bits, const char *version,
                         int size)
{
    zlib->zalloc = zlib_alloc;
    zlib->zfree = zlib_free;
    return __real_inflateInit2_(zlib, bits, version, size);
}

int __wrap_deflateInit2_(z_streamp zlib, int level, int method, int bits,
                         int memory_level, int strategy, const char *version,
                         int size)
{
    zlib->zalloc = zlib_alloc;
    zlib->zfree = zlib_free;
    return __real_deflateInit2_(zlib, level, method, bits, memory_level,
                                strategy, version, size);
}

BrotliDecoderState *__wrap_BrotliDecoderCreateInstance(brotli_alloc_func take,
                                                       brotli_free_func give,
                                                       void *context)
{
    (void)take;
    (void)give;
    return __real_BrotliDecoderCreateInstance(other_alloc, other_free, context);
}

/* These two take no allocator: one fault stands for all of theirs. */
BROTLI_BOOL __wrap_BrotliEncoderCompress(int quality, int window,
                                         BrotliEncoderMode mode, size_t in_len,
                                         const uint8_t *in, size_t *out_len,
                                         uint8_t *out)
{
    return fails() ? BROTLI_FALSE
                   : __real_BrotliEncoderCompress(quality, window, mode, in_len,
                                                  in, out_len, out);
}

size_t __wrap_ZSTD_compress(void *out, size_t room, const void *in, size_t len,
                            int level)
{
    enum { MEMORY_IS_OUT = 64 }; /* ZSTD_error_memory_allocation */
    return fails() ? (size_t)-MEMORY_IS_OUT
                   : __real_ZSTD_compress(out, room, in, len, level);
}

ZSTD_DStream *__wrap_ZSTD_createDStream(void)
{
    return ZSTD_createDStream_advanced(
        (ZSTD_customMem){other_alloc, other_free, NULL});
}

/* Before anything else in main(). */
STAGE int hunger_begins(void)
{
    signal(SIGPIPE, SIG_IGN);
    json_set_alloc_funcs(malloc, free);
    return !CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) ||
           uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc,
                                free);
}

#endif
