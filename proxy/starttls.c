/* SPDX-License-Identifier: MIT */
#include "proxy/starttls.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a command is answered with. */
enum answer {
    ANSWER_PLAIN,   /* one reply */
    ANSWER_TLS,     /* yes: TLS begins */
    ANSWER_CONTENT, /* SMTP DATA: 354, and a message follows */
    ANSWER_MANY,    /* POP3: if yes, lines up to "." */
};

static const struct {
    const char *scheme;
    int port;
} kinds[] = {[STARTTLS_NONE] = {"", 0},
#define X(name, scheme, port) [STARTTLS_##name] = {scheme, port},
             STARTTLS_KINDS(X)
#undef X
};

enum { KINDS = sizeof kinds / sizeof *kinds };

enum starttls_kind starttls_by_scheme(const char *scheme)
{
    for (unsigned i = 1; i < KINDS; i++)
        if (!strcmp(scheme, kinds[i].scheme))
            return (enum starttls_kind)i;
    return STARTTLS_NONE;
}

enum starttls_kind starttls_by_port(int port)
{
    if (port == 587) /* submission, RFC 6409 */
        return STARTTLS_SMTP;
    for (unsigned i = 1; i < KINDS; i++)
        if (port == kinds[i].port)
            return (enum starttls_kind)i;
    return STARTTLS_NONE;
}

const char *starttls_scheme(enum starttls_kind kind)
{
    return kinds[kind].scheme;
}

int starttls_port(enum starttls_kind kind)
{
    return kinds[kind].port;
}

void starttls_init(struct starttls *starttls, enum starttls_kind kind)
{
    *starttls = (struct starttls){.kind = kind};
    /* The greeting answers no command. IMAP's answers carry a tag. */
    if (kind != STARTTLS_IMAP)
        starttls->pending_count = 1;
}

/* ---- commands that are not answered yet ---------------------------------- */

static void expect(struct starttls *starttls, enum answer answer)
{
    if (starttls->pending_count == STARTTLS_PENDING) {
        starttls->lost = true;
        return;
    }
    unsigned at = (starttls->pending_first + starttls->pending_count++) %
                  STARTTLS_PENDING;
    starttls->pending[at] = (uint8_t)answer;
}

static enum answer answered(struct starttls *starttls)
{
    if (!starttls->pending_count)
        return ANSWER_PLAIN; /* unasked, such as 421 */
    unsigned at = starttls->pending_first;
    starttls->pending_first = (at + 1) % STARTTLS_PENDING;
    starttls->pending_count--;
    return (enum answer)starttls->pending[at];
}

static void decide(struct starttls *starttls, bool yes)
{
    starttls->agreed = yes;
    starttls->asked = false;
}

/* ---- the victim's lines -------------------------------------------------- */

/* True if the line is this command: alone, or with more behind a space. */
static bool is_command(const char *line, const char *command, bool alone)
{
    size_t len = strlen(command);
    if (strncasecmp(line, command, len))
        return false;
    const char *rest = line + len;
    return alone ? !rest[strspn(rest, " ")] : !*rest || *rest == ' ';
}

static void smtp_command(struct starttls *starttls, const char *line)
{
    if (starttls->content) {
        if (!strcmp(line, ".")) {
            starttls->content = false;
            expect(starttls, ANSWER_PLAIN);
        }
        return;
    }
    starttls->asked = is_command(line, "STARTTLS", true);
    if (is_command(line, "BDAT", false)) /* RFC 3030 2 */
        starttls->literal = strtoull(line + 4, NULL, 10);
    expect(starttls, starttls->asked                  ? ANSWER_TLS
                     : is_command(line, "DATA", true) ? ANSWER_CONTENT
                                                      : ANSWER_PLAIN);
}

/* "{310}" or "{310+}" at the end: so many bytes are no line (RFC 9051 4.3). */
static uint64_t literal_of(const char *line)
{
    const char *open = strrchr(line, '{');
    size_t len = strlen(line);
    if (!open || !len || line[len - 1] != '}')
        return 0;
    return strtoull(open + 1, NULL, 10);
}

static void imap_command(struct starttls *starttls, const char *line)
{
    size_t tag = strcspn(line, " ");
    starttls->literal = literal_of(line);
    if (!line[tag] || tag >= sizeof starttls->tag ||
        !is_command(line + tag + 1, "STARTTLS", true))
        return;
    memcpy(starttls->tag, line, tag);
    starttls->tag[tag] = '\0';
    starttls->asked = true;
}

static void pop3_command(struct starttls *starttls, const char *line)
{
    static const char *const many[] = {"CAPA", "RETR", "TOP"};
    static const char *const many_alone[] = {"LIST", "UIDL"};
    enum answer answer = ANSWER_PLAIN;
    for (unsigned i = 0; i < sizeof many / sizeof *many; i++)
        if (is_command(line, many[i], false))
            answer = ANSWER_MANY;
    for (unsigned i = 0; i < sizeof many_alone / sizeof *many_alone; i++)
        if (is_command(line, many_alone[i], true))
            answer = ANSWER_MANY;
    starttls->asked = is_command(line, "STLS", true);
    expect(starttls, starttls->asked ? ANSWER_TLS : answer);
}

static void ftp_command(struct starttls *starttls, const char *line)
{
    starttls->asked = is_command(line, "AUTH TLS", true) ||
                      is_command(line, "AUTH TLS-C", true) ||
                      is_command(line, "AUTH SSL", true);
    expect(starttls, starttls->asked ? ANSWER_TLS : ANSWER_PLAIN);
}

static void victim_said(struct starttls *starttls, const char *line)
{
    switch (starttls->kind) {
    case STARTTLS_SMTP:
        smtp_command(starttls, line);
        break;
    case STARTTLS_IMAP:
        imap_command(starttls, line);
        break;
    case STARTTLS_POP3:
        pop3_command(starttls, line);
        break;
    case STARTTLS_FTP:
        ftp_command(starttls, line);
        break;
    case STARTTLS_NONE:
        break;
    }
}

/* ---- the server's lines -------------------------------------------------- */

/* SMTP and FTP: three digits; a dash behind them says that lines follow, up to
 * one with the same digits and a space (RFC 5321 4.2.1, RFC 959 4.2). */
static void coded_reply(struct starttls *starttls, const char *line)
{
    bool digits = strspn(line, "0123456789") == 3;
    if (*starttls->reply) {
        if (strncmp(line, starttls->reply, 3) || line[3] == '-')
            return;
    } else if (digits && line[3] == '-') {
        memcpy(starttls->reply, line, 3);
        return;
    }
    *starttls->reply = '\0';
    /* 150 of FTP announces the reply that counts. */
    if (!digits || line[0] == '1')
        return;
    enum answer answer = answered(starttls);
    if (answer == ANSWER_TLS)
        decide(starttls, line[0] == '2');
    if (answer == ANSWER_CONTENT)
        starttls->content = line[0] == '3';
}

static void pop3_reply(struct starttls *starttls, const char *line)
{
    if (starttls->many) {
        starttls->many = strcmp(line, ".") != 0;
        return;
    }
    bool yes = !strncmp(line, "+OK", 3);
    if (!yes && strncmp(line, "-ERR", 4))
        return;
    enum answer answer = answered(starttls);
    if (answer == ANSWER_TLS)
        decide(starttls, yes);
    starttls->many = answer == ANSWER_MANY && yes;
}

static void imap_reply(struct starttls *starttls, const char *line)
{
    size_t tag = strlen(starttls->tag);
    if (!starttls->asked || strncmp(line, starttls->tag, tag) ||
        line[tag] != ' ')
        return;
    decide(starttls, is_command(line + tag + 1, "OK", false));
}

static void server_said(struct starttls *starttls, const char *line)
{
    switch (starttls->kind) {
    case STARTTLS_SMTP:
    case STARTTLS_FTP:
        coded_reply(starttls, line);
        break;
    case STARTTLS_POP3:
        pop3_reply(starttls, line);
        break;
    case STARTTLS_IMAP:
        imap_reply(starttls, line);
        break;
    case STARTTLS_NONE:
        break;
    }
}

/* ---- bytes to lines ------------------------------------------------------ */

static void line_ends(struct starttls *starttls, enum starttls_from from)
{
    struct starttls_line *line = &starttls->lines[from];
    bool whole = line->len < sizeof line->bytes;
    size_t len = whole ? line->len : sizeof line->bytes - 1;
    if (whole && len && line->bytes[len - 1] == '\r')
        len--;
    line->bytes[len] = '\0';
    line->len = 0;
    /* A NUL ends what we see of it: no command or reply holds one. */
    if (from == STARTTLS_VICTIM)
        victim_said(starttls, line->bytes);
    else
        server_said(starttls, line->bytes);
}

bool starttls_holds(const struct starttls *starttls, enum starttls_from from)
{
    return starttls->agreed || (from == STARTTLS_VICTIM && starttls->asked);
}

size_t starttls_feed(struct starttls *starttls, enum starttls_from from,
                     const void *bytes, size_t len)
{
    struct starttls_line *line = &starttls->lines[from];
    size_t at = 0;
    while (at < len && !starttls_holds(starttls, from)) {
        if (starttls->lost || starttls->kind == STARTTLS_NONE)
            return len;
        if (from == STARTTLS_VICTIM && starttls->literal) {
            size_t some = starttls->literal < len - at
                              ? (size_t)starttls->literal
                              : len - at;
            starttls->literal -= some;
            at += some;
            continue;
        }
        char byte = ((const char *)bytes)[at++];
        if (byte == '\n') {
            line_ends(starttls, from);
            continue;
        }
        if (line->len < sizeof line->bytes)
            line->bytes[line->len] = byte;
        if (line->len <= sizeof line->bytes)
            line->len++;
    }
    return at;
}
