/* SPDX-License-Identifier: MIT
 *
 * Handshake records of the server are joined into messages (RFC 5246 7.4)
 * until its certificate has come, or something has that is encrypted. */
#include "proxy/sight.h"

#include <openssl/err.h>
#include <stdlib.h>

enum {
    MESSAGE_HEADER = 4,
    TYPE_SERVER_HELLO = 2,
    TYPE_CERTIFICATE = 11,
    HANDSHAKE_MOST = 256 * 1024, /* then it is not worth looking */
    ALERT_LEN = 2,
};

struct way {
    struct record record;
    bool sealed; /* handshake messages that follow are encrypted */
    uint8_t alert[ALERT_LEN];
    unsigned alert_len;
};

struct sight {
    const struct sight_calls *calls;
    void *owner;
    struct way victim, server;
    struct buf handshake; /* of the server, from the next message on */
    uint64_t from;        /* where its first record stood */
    bool done;            /* nothing more will be seen there */
};

struct sight *sight_new(const struct sight_calls *calls, void *owner)
{
    struct sight *sight = calloc(1, sizeof *sight);
    if (sight) {
        sight->calls = calls;
        sight->owner = owner;
    }
    return sight;
}

void sight_begin(struct sight *sight, bool from_victim, uint64_t at)
{
    struct way *way = from_victim ? &sight->victim : &sight->server;
    way->record.seen = at;
}

void sight_free(struct sight *sight)
{
    if (!sight)
        return;
    buf_free(&sight->handshake);
    free(sight);
}

/* ---- certificates -------------------------------------------------------- */

static size_t get24(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
}

/* A list of certificates, each with its length (RFC 5246 7.4.2). What does
 * not parse is left out. */
static void show_certs(struct sight *sight, const uint8_t *list, size_t len)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    for (size_t at = 0; certs && at + 3 <= len;) {
        size_t size = get24(list + at);
        const unsigned char *from = list + at + 3;
        at += 3 + size;
        if (at > len)
            break;
        X509 *cert = d2i_X509(NULL, &from, (long)size);
        if (cert && !sk_X509_push(certs, cert))
            X509_free(cert);
    }
    ERR_clear_error();
    if (sk_X509_num(certs) > 0 && sight->calls->on_certs)
        sight->calls->on_certs(sight->owner, certs, sight->from,
                               sight->server.record.seen - sight->from);
    sk_X509_pop_free(certs, X509_free);
}

/* The first whole message at the front. False: it is not whole. */
static bool take_message(struct sight *sight)
{
    struct buf *in = &sight->handshake;
    if (buf_len(in) < MESSAGE_HEADER)
        return false;
    const uint8_t *message = buf_head(in);
    size_t len = get24(message + 1);
    if (buf_len(in) < MESSAGE_HEADER + len)
        return false;
    if (message[0] == TYPE_CERTIFICATE && len >= 3)
        show_certs(sight, message + MESSAGE_HEADER + 3, len - 3);
    sight->done |= message[0] != TYPE_SERVER_HELLO;
    buf_consume(in, MESSAGE_HEADER + len);
    return true;
}

static void add_handshake(struct sight *sight, const uint8_t *bytes, size_t len)
{
    struct buf *in = &sight->handshake;
    if (!buf_len(in))
        sight->from = sight->server.record.at;
    sight->done |=
        buf_len(in) + len > HANDSHAKE_MOST || buf_append(in, bytes, len) != 0;
    while (!sight->done && take_message(sight))
        sight->from = sight->server.record.at;
    if (sight->done)
        buf_free(in);
}

/* ---- records ------------------------------------------------------------- */

static void add_alert(struct sight *sight, struct way *way,
                      const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && way->alert_len < ALERT_LEN; i++)
        way->alert[way->alert_len++] = bytes[i];
    if (!record_is_whole(&way->record) || way->alert_len < ALERT_LEN)
        return;
    way->alert_len = 0;
    if (sight->calls->on_alert)
        sight->calls->on_alert(sight->owner, way == &sight->victim,
                               way->alert[0], way->alert[1], way->record.at,
                               way->record.seen - way->record.at);
}

static void look_at_body(struct sight *sight, struct way *way,
                         const uint8_t *bytes, size_t len)
{
    switch (way->record.header[0]) {
    case RECORD_HANDSHAKE:
        if (way == &sight->server && !sight->done && !way->sealed)
            add_handshake(sight, bytes, len);
        break;
    case RECORD_ALERT:
        if (record_body_len(&way->record) == ALERT_LEN)
            add_alert(sight, way, bytes, len);
        break;
    default: /* change_cipher_spec, or TLS 1.3 */
        way->sealed = true;
        if (way == &sight->server)
            buf_free(&sight->handshake);
    }
}

void sight_look(struct sight *sight, bool from_victim, const uint8_t *bytes,
                size_t len)
{
    struct way *way = from_victim ? &sight->victim : &sight->server;
    while (len) {
        enum record_part part;
        size_t took = record_next(&way->record, bytes, len, &part);
        if (part == RECORD_BODY)
            look_at_body(sight, way, bytes, took);
        bytes += took;
        len -= took;
    }
}
