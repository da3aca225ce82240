/* SPDX-License-Identifier: MIT
 *
 * Mail and file protocols that begin in clear and change to TLS when both
 * sides agree: SMTP (RFC 3207), IMAP (RFC 9051 6.2.1), POP3 (RFC 2595 4) and
 * FTP (RFC 4217). This follows both directions of such a conversation, line
 * by line, and says at which byte the change comes. Pure: it keeps nothing
 * but a line and the commands that are not answered yet.
 *
 * Bytes behind the command, or behind the server's yes, were said in clear by
 * whoever was on the path, and would be taken as if they had come through
 * TLS. They are not passed on: see starttls_feed(). */
#ifndef PROXY_STARTTLS_H
#define PROXY_STARTTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, scheme, port): what may change to TLS on its way. */
#define STARTTLS_KINDS(X)                                                      \
    X(SMTP, "smtp", 25)                                                        \
    X(IMAP, "imap", 143)                                                       \
    X(POP3, "pop3", 110)                                                       \
    X(FTP, "ftp", 21)

enum starttls_kind {
    STARTTLS_NONE,
#define X(name, scheme, port) STARTTLS_##name,
    STARTTLS_KINDS(X)
#undef X
};

enum {
    STARTTLS_LINE = 512,  /* longer lines are followed, but never a command */
    STARTTLS_PENDING = 64 /* commands without an answer; then we lose track,
                             and the conversation stays in clear */
};

struct starttls_line {
    char bytes[STARTTLS_LINE];
    size_t len; /* may be more than the array holds */
};

enum starttls_from { STARTTLS_VICTIM, STARTTLS_SERVER };

struct starttls {
    enum starttls_kind kind;
    struct starttls_line lines[2]; /* by enum starttls_from */
    uint8_t pending[STARTTLS_PENDING];
    unsigned pending_first, pending_count;
    bool asked;       /* the victim's command went out: its answer decides */
    bool agreed;      /* TLS begins with the next byte of either side */
    bool content;     /* SMTP: the victim sends a message */
    bool lost;        /* track of it, that is */
    uint64_t literal; /* bytes of the victim that are no line */
    char reply[4];    /* code of a reply that goes on; "" */
    char tag[32];     /* IMAP: of the victim's command */
    bool many;        /* POP3: lines up to "." follow */
};

void starttls_init(struct starttls *starttls, enum starttls_kind kind);

/* The conversation's next bytes from one side. Returns how many of them may
 * go on; those behind stay where they are. They are to be offered again
 * when the other side has spoken, or, once `agreed` is set, to be thrown
 * away: they came too early. */
size_t starttls_feed(struct starttls *starttls, enum starttls_from from,
                     const void *bytes, size_t len);

/* That side's next bytes wait for the other side's word. */
bool starttls_holds(const struct starttls *starttls, enum starttls_from from);

/* By the scheme of a URL, or by the port; STARTTLS_NONE: neither. */
enum starttls_kind starttls_by_scheme(const char *scheme);
enum starttls_kind starttls_by_port(int port);
const char *starttls_scheme(enum starttls_kind kind);
int starttls_port(enum starttls_kind kind);

#endif
