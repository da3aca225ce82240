/* SPDX-License-Identifier: MIT
 *
 * Width, colours, breaking of lines, and escaping. */
#include "labs/cli/term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    NARROWEST = 40,
    WIDEST = 200,
    USUAL = 80,
    ROOM_LEAST = 20, /* columns for text beside a head */
};

unsigned term_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && !ioctl(fd, TIOCGWINSZ, &size))
        width = size.ws_col;
    if (width <= 0)
        width = USUAL;
    return width < NARROWEST ? NARROWEST
           : width > WIDEST  ? WIDEST
                             : (unsigned)width;
}

void term_look(struct term *term, int fd)
{
    const char *kind = getenv("TERM"), *no_color = getenv("NO_COLOR");
    setlocale(LC_CTYPE, "");
    term->width = term_width(fd);
    term->colour = isatty(fd) && kind && strcmp(kind, "dumb") != 0 &&
                   !(no_color && *no_color);
    term->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static const char *mark_sequence(char mark)
{
    switch (mark) {
    case 1:
        return "\033[1m";
    case 2:
        return "\033[36m";
    case 3:
        return "\033[32m";
    case 4:
        return "\033[31m";
    case 5:
        return "\033[2m";
    default:
        return "\033[0m";
    }
}

const char *term_mark(const struct term *term, const char *mark)
{
    return term->colour ? mark_sequence(*mark) : "";
}

static bool is_mark(char c)
{
    return c >= 1 && c <= 6;
}

static bool starts_letter(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t term_columns(const char *text)
{
    size_t columns = 0;
    for (; *text; text++)
        columns += !is_mark(*text) && starts_letter(*text);
    return columns;
}

/* What ASCII has for the letters that our own texts use. */
static const char *ascii_for(const char *letter, size_t len)
{
    static const struct {
        const char *letter, *ascii;
    } table[] = {
        {"\u2014", "-"},  {"\u2013", "-"},  {"\u2026", "..."}, {"\u2192", "->"},
        {"\u2190", "<-"}, {"\u2018", "'"},  {"\u2019", "'"},   {"\u201c", "\""},
        {"\u201d", "\""}, {"\u2022", "*"},  {"\u00d7", "x"},   {"\u00b7", "*"},
        {"\u00b5", "u"},  {"\u2264", "<="}, {"\u2265", ">="},  {"\u00a0", " "},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].letter) == len &&
            !memcmp(table[i].letter, letter, len))
            return table[i].ascii;
    return "?";
}

static void put(FILE *out, const struct term *term, const char *text,
                size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t letter = 1;
        while (i + letter < len && !starts_letter(text[i + letter]))
            letter++;
        if (is_mark(text[i])) {
            if (term->colour)
                fputs(mark_sequence(text[i]), out);
        } else if ((unsigned char)text[i] < 0x80 || term->utf8) {
            fwrite(text + i, 1, letter, out);
        } else {
            fputs(ascii_for(text + i, letter), out);
        }
        i += letter;
    }
}

static size_t columns_of(const char *text, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0; i < len; i++)
        columns += !is_mark(text[i]) && starts_letter(text[i]);
    return columns;
}

/* Of a word that is too long, what goes up to a bar between alternatives; all
 * of it if there is none: an address or a command is copied whole. */
static size_t fit_word(const char *text, size_t len, size_t room)
{
    size_t best = 0;
    for (size_t i = 0; i + 1 < len; i++)
        if (text[i] == '|' && columns_of(text, i + 1) <= room)
            best = i + 1;
    return best ? best : len;
}

/* How much of `text` goes on a line of `room` columns. */
static size_t fit(const char *text, size_t room)
{
    size_t best = 0, at = 0;
    for (;;) {
        size_t word = at + strspn(text + at, " ");
        word += strcspn(text + word, " \n");
        if (columns_of(text, word) > room)
            return best ? best : fit_word(text, word, room);
        best = at = word;
        if (!text[at] || text[at] == '\n')
            return best;
    }
}

/* On a line of its own, without the blanks that made a column of it. */
static void put_head(FILE *out, const struct term *term, const char *head)
{
    size_t len = strlen(head);
    while (len && head[len - 1] == ' ')
        len--;
    put(out, term, head, len);
    fputc('\n', out);
}

void term_flow(FILE *out, const struct term *term, const char *text,
               unsigned indent, const char *head)
{
    size_t hang = indent + term_columns(head);
    bool alone = *head && *text && term->width < hang + ROOM_LEAST;
    if (alone) { /* no room beside it, but below */
        fprintf(out, "%*s", (int)indent, "");
        put_head(out, term, head);
        hang = indent + 4;
    }
    size_t deeper = 0; /* what goes on from an indented line, as code is */
    for (bool first = !alone, begins = true; *text; first = false) {
        size_t left = first ? hang : hang + deeper;
        size_t room =
            term->width > left + ROOM_LEAST ? term->width - left : ROOM_LEAST;
        if (first) {
            fprintf(out, "%*s", (int)indent, "");
            put(out, term, head, strlen(head));
        } else if (*text != '\n') {
            fprintf(out, "%*s", (int)left, "");
        }
        if (begins && *text == ' ')
            deeper = strspn(text, " ") + 4;
        size_t len = fit(text, room);
        put(out, term, text, len);
        fputc('\n', out);
        text += len;
        begins = *text == '\n';
        if (begins) {
            text++;
            deeper = 0;
        } else {
            text += strspn(text, " ");
        }
    }
}

void term_wrap(FILE *out, const char *text, unsigned width, unsigned indent)
{
    struct term plain = {width, false, true};
    term_flow(out, &plain, text, indent, "");
}

void term_line(FILE *out, const struct term *term, const char *text)
{
    put(out, term, text, strlen(text));
}

char *term_escape(const void *bytes, size_t len, bool lines)
{
    const uint8_t *in = bytes;
    char *text = malloc(len * 4 + 1), *at = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        bool stays = (in[i] >= 0x20 && in[i] < 0x7f) || (lines && in[i] == 10);
        if (stays)
            *at++ = (char)in[i];
        else
            at += sprintf(at, "\\x%02x", in[i]);
    }
    *at = '\0';
    return text;
}
