/* SPDX-License-Identifier: MIT
 *
 * The hello is read first, so that what is walked over here is known to be
 * whole; then it is written anew, without what is to go. */
#include "proxy/hello_edit.h"

#include "certs/nearest.h"
#include "proxy/hello.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_HEADER = 5,
    RECORD_MOST = 1 << 14,
    MESSAGE_HEADER = 4,
    EXT_VERSIONS = 43,
    RANDOM_END = 2 + 32, /* in the body of the message */
    NAMES_MOST = 256,
};

/* ---- words --------------------------------------------------------------- */

struct word {
    const char *name;
    unsigned number;
};

static const struct word version_words[] = {
    {"1.0", 0x0301}, {"1.1", 0x0302}, {"1.2", 0x0303}, {"1.3", 0x0304}, {0},
};

/* As IANA registers them. */
static const struct word extension_words[] = {
    {"server_name", 0},
    {"max_fragment_length", 1},
    {"status_request", 5},
    {"supported_groups", 10},
    {"ec_point_formats", 11},
    {"signature_algorithms", 13},
    {"alpn", 16},
    {"signed_certificate_timestamp", 18},
    {"padding", 21},
    {"encrypt_then_mac", 22},
    {"extended_master_secret", 23},
    {"compress_certificate", 27},
    {"record_size_limit", 28},
    {"session_ticket", 35},
    {"pre_shared_key", 41},
    {"early_data", 42},
    {"supported_versions", 43},
    {"cookie", 44},
    {"psk_key_exchange_modes", 45},
    {"certificate_authorities", 47},
    {"signature_algorithms_cert", 50},
    {"key_share", 51},
    {"encrypted_client_hello", 0xfe0d},
    {"renegotiation_info", 0xff01},
    {0},
};

static int number_of(const char *text, const struct word *words)
{
    for (; words->name; words++)
        if (!strcmp(words->name, text))
            return (int)words->number;
    return -1;
}

/* "0x1301" or "4865"; -1: not a number of 16 bits. */
static int plain_number(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -1;
    long number = strtol(text, &end, 0);
    return *end || end == text || number < 0 || number > 0xffff ? -1
                                                                : (int)number;
}

static int no_such_word(const char *what, const char *text,
                        const char *const *names, struct err *err)
{
    const char *near = nearest(text, names);
    err_code(err, EXIT_USAGE, "a ClientHello has no %s \"%.80s\"%s%s%s", what,
             text, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return -1;
}

static int no_such_row(const char *what, const char *text,
                       const struct word *words, struct err *err)
{
    const char *names[NAMES_MOST] = {NULL};
    for (unsigned i = 0; words[i].name; i++)
        names[i] = words[i].name;
    return no_such_word(what, text, names, err);
}

static int push(struct hello_numbers *numbers, int number, struct err *err)
{
    if (numbers->count == HELLO_EDIT_MOST) {
        err_code(err, EXIT_USAGE, "at most %d of a kind can go",
                 HELLO_EDIT_MOST);
        return -1;
    }
    numbers->numbers[numbers->count++] = (uint16_t)number;
    return 0;
}

static STACK_OF(SSL_CIPHER) * suites_of_openssl(SSL_CTX **out)
{
    *out = SSL_CTX_new(TLS_method());
    if (*out)
        SSL_CTX_set_cipher_list(*out, "ALL:COMPLEMENTOFALL");
    ERR_clear_error();
    return *out ? SSL_CTX_get_ciphers(*out) : NULL;
}

static int push_suite(struct hello_edit *edit, const char *text,
                      struct err *err)
{
    const char *names[NAMES_MOST] = {NULL};
    SSL_CTX *context;
    STACK_OF(SSL_CIPHER) *all = suites_of_openssl(&context);
    int number = plain_number(text), rc;
    for (int i = 0; number < 0 && i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *suite = sk_SSL_CIPHER_value(all, i);
        const char *name = SSL_CIPHER_get_name(suite);
        const char *standard = SSL_CIPHER_standard_name(suite);
        if (i < NAMES_MOST - 1)
            names[i] = name;
        if (!strcmp(name, text) || (standard && !strcmp(standard, text)))
            number = SSL_CIPHER_get_protocol_id(suite);
    }
    rc = number < 0 ? no_such_word("cipher suite", text, names, err)
                    : push(&edit->suites, number, err);
    SSL_CTX_free(context);
    return rc;
}

static int push_version(struct hello_edit *edit, const char *text,
                        struct err *err)
{
    int number = number_of(text, version_words);
    if (number < 0 && !strncmp(text, "0x", 2))
        number = plain_number(text);
    return number < 0 ? no_such_row("version", text, version_words, err)
                      : push(&edit->versions, number, err);
}

static int push_extension(struct hello_edit *edit, const char *text,
                          struct err *err)
{
    int number = plain_number(text);
    if (number < 0)
        number = number_of(text, extension_words);
    return number < 0 ? no_such_row("extension", text, extension_words, err)
                      : push(&edit->extensions, number, err);
}

static int each(struct hello_edit *edit, const char *text, struct err *err,
                int (*take)(struct hello_edit *edit, const char *text,
                            struct err *err))
{
    char *words = strdup(text), *rest = NULL;
    int rc = words ? 0 : -1;
    if (!words)
        err_set(err, "read what is to go: out of memory");
    for (char *word = words ? strtok_r(words, "|", &rest) : NULL; word && !rc;
         word = strtok_r(NULL, "|", &rest))
        rc = take(edit, word, err);
    free(words);
    return rc;
}

int hello_edit_version(struct hello_edit *edit, const char *text,
                       struct err *err)
{
    return each(edit, text, err, push_version);
}

int hello_edit_suite(struct hello_edit *edit, const char *text, struct err *err)
{
    return each(edit, text, err, push_suite);
}

int hello_edit_extension(struct hello_edit *edit, const char *text,
                         struct err *err)
{
    return each(edit, text, err, push_extension);
}

/* ---- the hello ----------------------------------------------------------- */

/* One that is being written anew. */
struct draft_hello {
    const struct hello_edit *edit;
    const uint8_t *from, *end; /* what of the original is still to be read */
    struct buf to;
    int gone; /* things that were taken out */
    bool bad; /* memory is out */
};

static unsigned get16(const uint8_t *bytes)
{
    return (unsigned)(bytes[0] << 8 | bytes[1]);
}

static bool listed(const struct hello_numbers *numbers, unsigned number)
{
    for (unsigned i = 0; i < numbers->count; i++)
        if (numbers->numbers[i] == number)
            return true;
    return false;
}

static void put(struct draft_hello *draft, const void *bytes, size_t len)
{
    draft->bad |= buf_append(&draft->to, bytes, len) != 0;
}

static void put16(struct draft_hello *draft, size_t number)
{
    put(draft, (uint8_t[]){(uint8_t)(number >> 8), (uint8_t)number}, 2);
}

/* Write a length of `size` bytes where room was left for it. */
static void fix_length(struct draft_hello *draft, size_t at, unsigned size)
{
    if (draft->bad)
        return;
    size_t len = buf_len(&draft->to) - at - size;
    for (unsigned i = 0; i < size; i++)
        buf_head(&draft->to)[at + i] = (uint8_t)(len >> 8 * (size - 1 - i));
}

/* Copy `len` bytes of the original. */
static void keep(struct draft_hello *draft, size_t len)
{
    put(draft, draft->from, len);
    draft->from += len;
}

/* A list of 16-bit numbers without its length. How many stay. */
static unsigned keep_numbers(struct draft_hello *draft, size_t len,
                             const struct hello_numbers *without)
{
    unsigned stay = 0;
    const uint8_t *end = draft->from + len;
    for (; draft->from < end; draft->from += 2) {
        unsigned number = get16(draft->from);
        if (listed(without, number)) {
            draft->gone++;
        } else {
            put16(draft, number);
            stay++;
        }
    }
    return stay;
}

static bool keep_suites(struct draft_hello *draft)
{
    size_t len = get16(draft->from), at = buf_len(&draft->to);
    keep(draft, 2);
    bool left = keep_numbers(draft, len, &draft->edit->suites) > 0;
    fix_length(draft, at, 2);
    return left;
}

static void drop_from(struct draft_hello *draft, size_t at)
{
    if (!draft->bad)
        draft->to.end = draft->to.at + at;
}

/* Type, length, and the list of versions. */
static void keep_versions(struct draft_hello *draft)
{
    size_t at = buf_len(&draft->to);
    size_t len = draft->from[4];
    keep(draft, 5);
    bool left = keep_numbers(draft, len, &draft->edit->versions) > 0;
    fix_length(draft, at + 4, 1);
    fix_length(draft, at + 2, 2);
    if (!left)
        drop_from(draft, at);
}

static void keep_extensions(struct draft_hello *draft)
{
    size_t at = buf_len(&draft->to);
    if (draft->from == draft->end)
        return;
    keep(draft, 2);
    while (draft->from < draft->end) {
        unsigned type = get16(draft->from);
        size_t len = 4 + get16(draft->from + 2);
        if (listed(&draft->edit->extensions, type)) {
            draft->from += len;
            draft->gone++;
        } else if (type == EXT_VERSIONS) {
            keep_versions(draft);
        } else {
            keep(draft, len);
        }
    }
    fix_length(draft, at, 2);
}

/* With no list of versions, or none left, the field of old times says the highest one. */
static void keep_legacy_version(struct draft_hello *draft, bool list)
{
    unsigned version = get16(draft->from);
    while (!list && listed(&draft->edit->versions, version) &&
           version > 0x0300) {
        version--;
        draft->gone++;
    }
    put16(draft, version);
    draft->from += 2;
}

/* The body of the message. False: no suite is left. */
static bool keep_body(struct draft_hello *draft, bool list)
{
    keep_legacy_version(draft, list);
    keep(draft, RANDOM_END - 2);
    keep(draft, 1U + draft->from[0]); /* session id */
    bool left = keep_suites(draft);
    keep(draft, 1U + draft->from[0]); /* compressions */
    keep_extensions(draft);
    return left;
}

/* ---- records ------------------------------------------------------------- */

/* The message in the records at `bytes`, without their headers. */
static int join(const uint8_t *bytes, size_t len, struct buf *out)
{
    int bad = 0;
    for (size_t at = 0; at < len;) {
        size_t body = get16(bytes + at + 3);
        bad |= buf_append(out, bytes + at + RECORD_HEADER, body);
        at += RECORD_HEADER + body;
    }
    return bad;
}

static int split(const struct buf *message, const uint8_t *header,
                 struct buf *out)
{
    int bad = 0;
    for (size_t at = 0; at < buf_len(message);) {
        size_t len = buf_len(message) - at;
        if (len > RECORD_MOST)
            len = RECORD_MOST;
        uint8_t head[] = {header[0], header[1], header[2], (uint8_t)(len >> 8),
                          (uint8_t)len};
        bad |= buf_append(out, head, sizeof head) |
               buf_append(out, buf_head(message) + at, len);
        at += len;
    }
    return bad;
}

/* Will there be a list of versions in it still? */
static bool keeps_list(const struct hello_edit *edit, const struct hello *hello)
{
    const uint8_t *version = hello->versions.bytes;
    for (unsigned i = 0; i < hello->versions.count; i++, version += 2)
        if (!listed(&edit->versions, get16(version)))
            return !listed(&edit->extensions, EXT_VERSIONS);
    return false;
}

int hello_edit_apply(const struct hello_edit *edit, struct buf *bytes,
                     uint8_t *scratch)
{
    struct hello hello;
    struct buf message = {0}, records = {0};
    const char *why;
    ssize_t used =
        hello_read(buf_head(bytes), buf_len(bytes), scratch, &hello, &why);
    if (used <= 0 || join(buf_head(bytes), (size_t)used, &message)) {
        buf_free(&message);
        return -1;
    }
    struct draft_hello draft = {.edit = edit,
                                .from = buf_head(&message) + MESSAGE_HEADER,
                                .end = buf_head(&message) + buf_len(&message)};
    put(&draft, buf_head(&message), MESSAGE_HEADER);
    bool left = keep_body(&draft, keeps_list(edit, &hello));
    fix_length(&draft, 1, 3);
    bool bad =
        !left || draft.bad || split(&draft.to, buf_head(bytes), &records) ||
        (draft.gone && buf_splice(bytes, 0, (size_t)used, buf_head(&records),
                                  buf_len(&records)));
    buf_free(&message);
    buf_free(&records);
    buf_free(&draft.to);
    return bad ? -1 : draft.gone;
}
