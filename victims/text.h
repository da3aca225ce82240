/* SPDX-License-Identifier: MIT
 *
 * A growing text, and how bytes that nobody trusts are written into JSON,
 * into a page and onto a screen. Zero-initialised is empty. A victim that runs
 * out of memory ends: it has nothing worth saving. */
#ifndef VICTIMS_TEXT_H
#define VICTIMS_TEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text {
    char *bytes; /* ends in NUL; NULL while empty */
    size_t len, room;
};

static inline void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

static inline char *text_reserve(struct text *text, size_t more)
{
    if (text->room - text->len <= more) {
        text->room = (text->len + more + 1) * 2;
        text->bytes = realloc(text->bytes, text->room);
        if (!text->bytes) {
            perror("no memory");
            exit(EXIT_FAILURE);
        }
    }
    return text->bytes + text->len;
}

static inline void text_bytes(struct text *text, const void *bytes, size_t len)
{
    char *to = text_reserve(text, len);
    if (len)
        memcpy(to, bytes, len);
    to[len] = 0;
    text->len += len;
}

__attribute__((format(printf, 2, 3))) static inline void
text_add(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len > 0) {
        vsnprintf(text_reserve(text, (size_t)len), (size_t)len + 1, format,
                  again);
        text->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

/* Forget `len` bytes at the front. */
static inline void text_consume(struct text *text, size_t len)
{
    text->len -= len;
    memmove(text->bytes, text->bytes + len, text->len + 1);
}

/* A JSON string: what is not printable ASCII becomes \u00XX, a byte each. */
static inline void text_json(struct text *text, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    text_bytes(text, "\"", 1);
    for (size_t i = 0; i < len; i++)
        if (from[i] < 0x20 || from[i] > 0x7e)
            text_add(text, "\\u00%02x", from[i]);
        else if (from[i] == '"' || from[i] == '\\')
            text_add(text, "\\%c", from[i]);
        else
            text_bytes(text, from + i, 1);
    text_bytes(text, "\"", 1);
}

/* Words in a page, whatever they are. */
static inline void text_html(struct text *text, const char *words)
{
    for (; *words; words++)
        if (strchr("<>&\"'", *words))
            text_add(text, "&#%d;", *words);
        else
            text_bytes(text, words, 1);
}

/* Words on a terminal: a byte that could steer it becomes \xNN. */
static inline void text_screen(struct text *text, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < len; i++)
        if ((from[i] >= 0x20 && from[i] < 0x7f) || from[i] == '\n' ||
            from[i] == '\t')
            text_bytes(text, from + i, 1);
        else
            text_add(text, "\\x%02x", from[i]);
}

/* The length of the element at `at`, its contents included, if it is one that
 * a reader does not look at: the title, which the heading repeats, and forms,
 * which nobody fills in here. Else 0. */
static inline size_t text_unread(const char *at, const char *end)
{
    static const char *const names[] = {"title", "form", "script", "style"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char close[16];
        size_t len = strlen(names[i]);
        if ((size_t)(end - at) <= len + 1 ||
            strncasecmp(at + 1, names[i], len) != 0)
            continue;
        int size = snprintf(close, sizeof close, "</%s>", names[i]);
        for (const char *it = at; end - it >= size; it++)
            if (!strncasecmp(it, close, (size_t)size))
                return (size_t)(it + size - at);
    }
    return 0;
}

/* A line of a page, if there is anything on it but blanks. */
static inline void text_page_line(struct text *text, struct text *line)
{
    size_t skip = line->len ? strspn(line->bytes, " \t\r") : 0;
    if (skip < line->len) {
        text_add(text, "  ");
        text_screen(text, line->bytes + skip, line->len - skip);
        text_add(text, "\n");
    }
    line->len = 0;
}

/* A page as a person reads it, each line indented: what is not a tag. */
static inline void text_page(struct text *text, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    struct text line = {0};
    while (bytes < end) {
        size_t unread = *bytes == '<' ? text_unread(bytes, end) : 0;
        const char *close =
            *bytes == '<' ? memchr(bytes, '>', (size_t)(end - bytes)) : NULL;
        if (unread) {
            bytes += unread;
        } else if (close) {
            bytes = close + 1;
        } else if (*bytes == '\n') {
            text_page_line(text, &line);
            bytes++;
        } else {
            text_bytes(&line, bytes++, 1);
        }
    }
    text_page_line(text, &line);
    text_free(&line);
}

#endif
