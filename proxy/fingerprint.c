/* SPDX-License-Identifier: MIT
 *
 * JA3 as its authors at Salesforce described it (2017), JA4 as FoxIO did
 * (2023, "JA4: TLS client fingerprinting"). Texts are made first, then
 * hashed. */
#include "proxy/fingerprint.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    JA4_HASH_BYTES = 6, /* 12 digits are kept */
    COUNT_MOST = 99,    /* two digits are printed */
    EXT_SERVER_NAME = 0,
    EXT_ALPN = 16,
};

static unsigned entry(const struct hello_list *list, unsigned index)
{
    return (unsigned)(list->bytes[2 * index] << 8 | list->bytes[2 * index + 1]);
}

/* RFC 8701 2: both bytes are equal and end in 1010. */
static bool is_grease(unsigned number)
{
    return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

/* ---- JA3 ----------------------------------------------------------------- */

static int add_decimal(struct buf *out, const struct hello_list *list)
{
    const char *between = "";
    int bad = buf_append_text(out, ",");
    for (unsigned i = 0; i < list->count; i++) {
        if (is_grease(entry(list, i)))
            continue;
        bad |= buf_printf(out, "%s%u", between, entry(list, i));
        between = "-";
    }
    return bad;
}

int fingerprint_ja3_text(const struct hello *hello, struct buf *out)
{
    int bad = buf_printf(out, "%u", hello->legacy_version);
    bad |= add_decimal(out, &hello->suites);
    bad |= add_decimal(out, &hello->extensions);
    bad |= add_decimal(out, &hello->groups);
    bad |= buf_append_text(out, ",");
    for (unsigned i = 0; i < hello->point_formats_count; i++)
        bad |= buf_printf(out, "%s%u", i ? "-" : "", hello->point_formats[i]);
    return bad;
}

/* ---- JA4 ----------------------------------------------------------------- */

static int by_number(const void *one, const void *other)
{
    return *(const uint16_t *)one - *(const uint16_t *)other;
}

static bool is_counted_apart(unsigned extension)
{
    return extension == EXT_SERVER_NAME || extension == EXT_ALPN;
}

/* Four hex digits each, in order of the numbers. */
static int add_sorted(struct buf *out, const struct hello_list *list,
                      bool extensions)
{
    uint16_t *sorted = malloc(list->count * sizeof *sorted + 1);
    unsigned count = 0;
    int bad = sorted ? 0 : -1;
    for (unsigned i = 0; sorted && i < list->count; i++) {
        unsigned number = entry(list, i);
        if (!is_grease(number) && !(extensions && is_counted_apart(number)))
            sorted[count++] = (uint16_t)number;
    }
    if (count)
        qsort(sorted, count, sizeof *sorted, by_number);
    for (unsigned i = 0; i < count; i++)
        bad |= buf_printf(out, "%s%04x", i ? "," : "", sorted[i]);
    free(sorted);
    return bad;
}

/* As they came; nothing at all without any. */
static int add_signatures(struct buf *out, const struct hello_list *list)
{
    const char *before = "_";
    int bad = 0;
    for (unsigned i = 0; i < list->count; i++) {
        if (is_grease(entry(list, i)))
            continue;
        bad |= buf_printf(out, "%s%04x", before, entry(list, i));
        before = ",";
    }
    return bad;
}

int fingerprint_ja4_texts(const struct hello *hello, struct buf *out_suites,
                          struct buf *out_extensions)
{
    int bad = add_sorted(out_suites, &hello->suites, false);
    bad |= add_sorted(out_extensions, &hello->extensions, true);
    if (buf_len(out_extensions))
        bad |= add_signatures(out_extensions, &hello->signatures);
    return bad;
}

static const char *version_name(const struct hello *hello)
{
    static const char *const names[] = {"s3", "10", "11", "12", "13"};
    unsigned best = 0;
    for (unsigned i = 0; i < hello->versions.count; i++) {
        unsigned version = entry(&hello->versions, i);
        if (!is_grease(version) && version > best)
            best = version;
    }
    if (!hello->versions.count)
        best = hello->legacy_version;
    bool known = best >> 8 == 3 && (best & 0xff) <= 4;
    return known ? names[best & 0xff] : best == 2 ? "s2" : "00";
}

static unsigned count_of(const struct hello_list *list)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count; i++)
        count += !is_grease(entry(list, i));
    return count < COUNT_MOST ? count : COUNT_MOST;
}

static bool is_plain(uint8_t byte)
{
    return byte < 0x80 && isalnum(byte);
}

/* Its first and last letter; where one of them is none, those of the bytes in
 * hexadecimal. */
static void alpn_ends(const struct hello *hello, char out[3])
{
    static const char digits[] = "0123456789abcdef";
    out[0] = out[1] = '0';
    out[2] = 0;
    size_t at = 0;
    struct alpn_name name;
    if (!alpn_next(hello->alpn, &at, &name))
        return;
    uint8_t first = name.bytes[0];
    uint8_t last = name.bytes[name.len - 1];
    bool plain = is_plain(first) && is_plain(last);
    out[0] = plain ? (char)first : digits[first >> 4];
    out[1] = plain ? (char)last : digits[last & 0xf];
}

/* ---- hashing ------------------------------------------------------------- */

/* The first `bytes` of the digest, as hex digits. */
static void hash(const struct buf *text, const EVP_MD *how, unsigned bytes,
                 char *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const void *from = buf_len(text) ? (const void *)buf_head(text) : "";
    if (EVP_Digest(from, buf_len(text), digest, &len, how, NULL) != 1)
        len = 0;
    out[0] = 0;
    for (unsigned i = 0; i < bytes && i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void half_of_ja4(const struct buf *text, char out[13])
{
    if (buf_len(text))
        hash(text, EVP_sha256(), JA4_HASH_BYTES, out);
    else
        snprintf(out, 13, "%012d", 0);
}

int fingerprint_make(const struct hello *hello, struct fingerprint *out)
{
    struct buf ja3 = {0}, suites = {0}, extensions = {0};
    char ends[3], hashes[2][13];
    int bad = fingerprint_ja3_text(hello, &ja3) |
              fingerprint_ja4_texts(hello, &suites, &extensions);
    *out = (struct fingerprint){0};
    if (!bad) {
        alpn_ends(hello, ends);
        half_of_ja4(&suites, hashes[0]);
        half_of_ja4(&extensions, hashes[1]);
        hash(&ja3, EVP_md5(), 16, out->ja3);
        snprintf(out->ja4, sizeof out->ja4, "t%s%c%02u%02u%s_%s_%s",
                 version_name(hello), *hello->server_name ? 'd' : 'i',
                 count_of(&hello->suites), count_of(&hello->extensions), ends,
                 hashes[0], hashes[1]);
    }
    buf_free(&ja3);
    buf_free(&suites);
    buf_free(&extensions);
    return bad ? -1 : 0;
}
