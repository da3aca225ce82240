/* SPDX-License-Identifier: MIT
 *
 * One decoder that names each character as harmless, dangerous or broken, and
 * one small writer per kind of reader on top of it. */
#include "labs/report/out.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text text_of(const char *string)
{
    return (struct text){string ? string : "", string ? strlen(string) : 0};
}

bool text_is(struct text text, const char *string)
{
    return strlen(string) == text.len && !memcmp(text.bytes, string, text.len);
}

bool text_same(struct text one, struct text two)
{
    return one.len == two.len && !memcmp(one.bytes, two.bytes, one.len);
}

void out_free(struct out *out)
{
    buf_free(&out->buf);
    *out = (struct out){0};
}

void out_bytes(struct out *out, const char *bytes, size_t len)
{
    if (len && !out->failed && buf_append(&out->buf, bytes, len))
        out->failed = true;
}

void out_raw(struct out *out, const char *words)
{
    out_bytes(out, words, strlen(words));
}

void out_format(struct out *out, const char *format, ...)
{
    char room[256], *text = room;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (len >= (int)sizeof room) {
        va_start(args, format);
        len = vasprintf(&text, format, args);
        va_end(args);
    }
    if (len < 0) {
        out->failed = true;
        return;
    }
    out_bytes(out, text, (size_t)len);
    if (text != room)
        free(text);
}

/* ---- one character ----------------------------------------------------- */

enum kind { KIND_PLAIN, KIND_LINE, KIND_TAB, KIND_DANGER, KIND_BROKEN };

struct character {
    uint32_t code; /* the byte itself for KIND_BROKEN */
    size_t len;
    enum kind kind;
};

/* Characters that hide, reorder or break what stands around them. */
static bool deceives(uint32_t code)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        {0x00, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},
        {0x34f, 0x34f},      {0x61c, 0x61c},     {0x115f, 0x1160},
        {0x17b4, 0x17b5},    {0x180b, 0x180f},   {0x200b, 0x200f},
        {0x2028, 0x202e},    {0x2060, 0x206f},   {0x3164, 0x3164},
        {0xe000, 0xf8ff},    {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},    {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
        {0xfffe, 0xffff},    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
        {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return true;
    return (code & 0xfffe) == 0xfffe;
}

/* How many bytes a UTF-8 sequence has by its first one, 0 if none begins so,
 * and the smallest code that needs that many (RFC 3629 3). */
static size_t lead(uint8_t byte, uint32_t *code, uint32_t *least)
{
    if (byte < 0x80) {
        *code = byte, *least = 0;
        return 1;
    }
    if (byte >= 0xc2 && byte <= 0xdf) {
        *code = byte & 0x1f, *least = 0x80;
        return 2;
    }
    if (byte >= 0xe0 && byte <= 0xef) {
        *code = byte & 0x0f, *least = 0x800;
        return 3;
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
        *code = byte & 0x07, *least = 0x10000;
        return 4;
    }
    return 0;
}

static struct character broken(uint8_t byte)
{
    return (struct character){byte, 1, KIND_BROKEN};
}

/* The first character of a text that is not empty. */
static struct character first(struct text text)
{
    const uint8_t *at = (const uint8_t *)text.bytes;
    uint32_t code, least;
    size_t len = lead(at[0], &code, &least);
    if (!len || len > text.len)
        return broken(at[0]);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return broken(at[0]);
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return broken(at[0]);
    enum kind kind = code == '\n'     ? KIND_LINE
                     : code == '\t'   ? KIND_TAB
                     : deceives(code) ? KIND_DANGER
                                      : KIND_PLAIN;
    return (struct character){code, len, kind};
}

/* The visible form of a character that must not be written as it is. */
static void spell(const struct character *character, char room[16])
{
    static const struct {
        uint32_t code;
        const char *form;
    } known[] = {{'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}, {0, "\\0"}};
    if (character->kind != KIND_BROKEN)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (known[i].code == character->code) {
                memcpy(room, known[i].form, 3);
                return;
            }
    if (character->code < 0x80 || character->kind == KIND_BROKEN)
        snprintf(room, 16, "\\x%02x", (unsigned)character->code);
    else
        snprintf(room, 16, "\\u{%x}", (unsigned)character->code);
}

/* How one kind of reader wants its text. */
struct manner {
    bool lines; /* line ends and tabs stay */
    bool blank; /* line ends and tabs become a blank */
    bool ascii; /* nothing but ASCII */
    /* A harmless character that means something to the reader: its form, or
     * NULL to write it as it is. */
    const char *(*special)(uint32_t code, char room[16]);
};

static void put_escape(struct out *out, const struct character *character,
                       const struct manner *manner)
{
    char form[16];
    spell(character, form);
    for (const char *at = form; *at; at++) {
        char room[16];
        const char *other =
            manner->special ? manner->special((uint8_t)*at, room) : NULL;
        if (other)
            out_raw(out, other);
        else
            out_bytes(out, at, 1);
    }
}

static void put_one(struct out *out, struct text text,
                    const struct character *character,
                    const struct manner *manner)
{
    bool gap = character->kind == KIND_LINE || character->kind == KIND_TAB;
    char room[16];
    const char *other = NULL;
    if (gap && manner->blank)
        out_raw(out, " ");
    else if (character->kind > KIND_TAB || (gap && !manner->lines) ||
             (manner->ascii && character->code >= 0x80))
        put_escape(out, character, manner);
    else if (manner->special &&
             (other = manner->special(character->code, room)))
        out_raw(out, other);
    else
        out_bytes(out, text.bytes, character->len);
}

static void put(struct out *out, struct text text, const struct manner *manner)
{
    while (text.len) {
        struct character character = first(text);
        /* The line end of HTTP is one line end, not two. */
        bool crlf = manner->lines && character.code == '\r' && text.len > 1 &&
                    text.bytes[1] == '\n';
        if (!crlf)
            put_one(out, text, &character, manner);
        text.bytes += character.len;
        text.len -= character.len;
    }
}

/* ---- HTML -------------------------------------------------------------- */

static const char *html_special(uint32_t code, char room[16])
{
    (void)room;
    switch (code) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    }
    return NULL;
}

void out_html(struct out *out, struct text text)
{
    put(out, text, &(struct manner){.blank = true, .special = html_special});
}

void out_html_block(struct out *out, struct text text)
{
    put(out, text, &(struct manner){.lines = true, .special = html_special});
}

/* ---- Markdown ---------------------------------------------------------- */

/* CommonMark 2.4: a backslash takes the meaning from any of these. What means
 * something only at the start of a line is not here, because no line starts
 * with a stranger's text. */
static const char *md_special(uint32_t code, char room[16])
{
    if (!code || code >= 0x80 || !strchr("\\`*_[]<>|~&$", (int)code))
        return NULL;
    snprintf(room, 16, "\\%c", (char)code);
    return room;
}

void out_md(struct out *out, struct text text)
{
    put(out, text, &(struct manner){.blank = true, .special = md_special});
}

/* The longest run of backticks in a text. */
static size_t ticks(struct text text)
{
    size_t most = 0, run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = text.bytes[i] == '`' ? run + 1 : 0;
        most = run > most ? run : most;
    }
    return most;
}

static void repeat(struct out *out, const char *what, size_t times)
{
    while (times--)
        out_raw(out, what);
}

static const char *bar_special(uint32_t code, char room[16])
{
    (void)room;
    return code == '|' ? "\\|" : NULL;
}

void out_md_code(struct out *out, struct text text, bool in_table)
{
    if (!text.len) {
        out_raw(out, "(empty)");
        return;
    }
    size_t fence = ticks(text) + 1;
    bool pad = text.bytes[0] == '`' || text.bytes[text.len - 1] == '`';
    repeat(out, "`", fence);
    out_raw(out, pad ? " " : "");
    put(out, text, &(struct manner){.special = in_table ? bar_special : NULL});
    out_raw(out, pad ? " " : "");
    repeat(out, "`", fence);
}

void out_md_block(struct out *out, const char *language, struct text text)
{
    size_t fence = ticks(text) < 3 ? 3 : ticks(text) + 1;
    repeat(out, "`", fence);
    out_format(out, "%s\n", language);
    put(out, text, &(struct manner){.lines = true});
    if (!text.len || text.bytes[text.len - 1] != '\n')
        out_raw(out, "\n");
    repeat(out, "`", fence);
    out_raw(out, "\n");
}

static const char *tag_special(uint32_t code, char room[16])
{
    (void)room;
    return code == '<' ? "\\<" : NULL;
}

void out_md_quote(struct out *out, struct text text)
{
    while (text.len) {
        const char *end = memchr(text.bytes, '\n', text.len);
        size_t len = end ? (size_t)(end - text.bytes) : text.len;
        out_raw(out, len ? "> " : ">");
        put(out, (struct text){text.bytes, len},
            &(struct manner){.lines = true, .special = tag_special});
        out_raw(out, "\n");
        len += end != NULL;
        text.bytes += len;
        text.len -= len;
    }
}

/* ---- terminal ---------------------------------------------------------- */

void out_plain(struct out *out, struct text text, bool ascii)
{
    put(out, text, &(struct manner){.ascii = ascii});
}

void out_plain_block(struct out *out, struct text text, bool ascii,
                     unsigned indent)
{
    struct manner manner = {.lines = true, .ascii = ascii};
    while (text.len) {
        const char *end = memchr(text.bytes, '\n', text.len);
        size_t len = end ? (size_t)(end - text.bytes) + 1 : text.len;
        out_format(out, "%*s", (int)indent, "");
        put(out, (struct text){text.bytes, len}, &manner);
        if (!end)
            out_raw(out, "\n");
        text.bytes += len;
        text.len -= len;
    }
}

/* ---- JSON -------------------------------------------------------------- */

void out_utf8(struct out *out, struct text text, bool *out_exact)
{
    *out_exact = true;
    while (text.len) {
        struct character character = first(text);
        if (character.kind == KIND_BROKEN) {
            out_raw(out, "\xef\xbf\xbd");
            *out_exact = false;
        } else {
            out_bytes(out, text.bytes, character.len);
        }
        text.bytes += character.len;
        text.len -= character.len;
    }
}

void text_line(struct text text, char *room, size_t most)
{
    size_t used = 0;
    while (text.len) {
        struct character character = first(text);
        char form[16] = {(char)character.code};
        if (character.kind != KIND_PLAIN || character.code >= 0x80)
            spell(&character, form);
        size_t len = strlen(form);
        if (used + len > most) {
            used = used < most - 3 ? used : most - 3;
            memcpy(room + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(room + used, form, len);
        used += len;
        text.bytes += character.len;
        text.len -= character.len;
    }
    room[used] = 0;
}
