/* SPDX-License-Identifier: MIT
 *
 * Finds in clear HTTP what a thief wants: passwords of forms, cookies, and
 * texts that somebody named. The bytes may come in whatever pieces: the finder
 * looks at one byte at a time, so a cut can be anywhere. It parses no HTTP,
 * because a thief on the wire may have missed the beginning. */
#ifndef ATTACKS_SECRETS_H
#define ATTACKS_SECRETS_H

#include "certs/err.h"
#include "proxy/base/arena.h"
#include "proxy/event.h"
#include "proxy/message.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SECRETS_LOOK_MOST = 256, /* bytes of one text to look for */
    SECRETS_LOOKS_MOST = 8,
    SECRETS_VALUE_MOST = 1024, /* a longer value is cut */
};

struct secret {
    const char *what;  /* "password", "cookie", "text" */
    const char *field; /* "password", "Set-Cookie"; "" for a text */
    const char *value; /* form encoding undone; borrowed until return */
    size_t value_len;
    uint64_t at, len; /* of the bytes as they stood in the stream */
};
typedef void secret_found(void *context, const struct secret *secret);

/* Texts to look for, from "one|another". */
struct secrets_look {
    const char *texts[SECRETS_LOOKS_MOST];
    size_t lens[SECRETS_LOOKS_MOST];
    unsigned count;
};
/* `list` may be NULL: none. The texts live in the arena. */
int secrets_look_parse(const char *list, struct arena *arena,
                       struct secrets_look *out, struct err *err);

/* The finder for one direction of one stream. */
struct secrets {
    const struct secrets_look *look; /* borrowed */
    secret_found *found;
    void *context;
    uint64_t offset;                /* of the next byte */
    const struct secret_mark *open; /* whose value we are in, or NULL */
    uint64_t value_at;
    size_t value_len;
    char value[SECRETS_VALUE_MOST];
    size_t window_len; /* the bytes that were seen last */
    char window[2 * SECRETS_LOOK_MOST];
};
void secrets_init(struct secrets *secrets, const struct secrets_look *look,
                  secret_found *found, void *context);
void secrets_feed(struct secrets *secrets, const void *bytes, size_t len);

/* The message is over (the other end speaks, or the stream ends): so is the
 * value that was being read. */
void secrets_flush(struct secrets *secrets);

/* `len` bytes were missed: what was half read is forgotten. */
void secrets_skip(struct secrets *secrets, uint64_t len);

/* All that is in one message. Here at and len say nothing. */
void secrets_in_message(const struct message *message,
                        const struct secrets_look *look, secret_found *found,
                        void *context);

/* Write secret.read. */
void secret_report(const struct secret *secret,
                   const struct event_where *where);

#endif
