/* SPDX-License-Identifier: MIT
 *
 * A reader of Lua's tokens that follows table constructors. It understands as
 * much of the language as is needed to step over a value: brackets, and the
 * words that open and close blocks. */
#include "labs/engine/locate.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_TEXT, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    const char *text; /* of strings: what is between the quotes */
    size_t len;
    unsigned line;
};

struct reader {
    const char *at;
    unsigned line;
    struct token token;
};

/* The number of '=' in "[==[", or -1 when this opens no long bracket. */
static int long_bracket(const char *at)
{
    if (*at != '[')
        return -1;
    size_t level = strspn(at + 1, "=");
    return at[1 + level] == '[' ? (int)level : -1;
}

static void count_lines(struct reader *reader, const char *until)
{
    for (; reader->at < until; reader->at++)
        if (*reader->at == '\n')
            reader->line++;
}

/* Step over "[==[ ... ]==]", leaving its inside in the token. */
static void read_long(struct reader *reader, int level)
{
    const char *inside = reader->at + level + 2, *end = inside;
    for (; *end; end++)
        if (*end == ']' && strspn(end + 1, "=") == (size_t)level &&
            end[1 + level] == ']')
            break;
    reader->token.text = inside;
    reader->token.len = (size_t)(end - inside);
    count_lines(reader, *end ? end + level + 2 : end);
}

static void skip_blank(struct reader *reader)
{
    for (;;) {
        size_t blank = strspn(reader->at, " \t\r\n\f\v");
        count_lines(reader, reader->at + blank);
        if (strncmp(reader->at, "--", 2) != 0)
            return;
        reader->at += 2;
        int level = long_bracket(reader->at);
        if (level >= 0)
            read_long(reader, level);
        else
            reader->at += strcspn(reader->at, "\n");
    }
}

static void read_quoted(struct reader *reader)
{
    char quote = *reader->at;
    const char *end = reader->at + 1;
    while (*end && *end != quote && *end != '\n')
        end += end[0] == '\\' && end[1] ? 2 : 1;
    reader->token.text = reader->at + 1;
    reader->token.len = (size_t)(end - reader->at) - 1;
    count_lines(reader, *end ? end + 1 : end);
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void advance(struct reader *reader)
{
    skip_blank(reader);
    struct token *token = &reader->token;
    *token = (struct token){TOKEN_OTHER, reader->at, 1, reader->line};
    int level = long_bracket(reader->at);
    if (!*reader->at) {
        token->kind = TOKEN_END;
    } else if (*reader->at == '"' || *reader->at == '\'') {
        token->kind = TOKEN_TEXT;
        read_quoted(reader);
    } else if (level >= 0) {
        token->kind = TOKEN_TEXT;
        read_long(reader, level);
    } else if (name_char(*reader->at)) {
        token->kind = TOKEN_NAME;
        while (name_char(*reader->at))
            reader->at++;
        token->len = (size_t)(reader->at - token->text);
    } else {
        reader->at++;
    }
}

static bool is(const struct token *token, const char *text)
{
    return (token->kind == TOKEN_NAME || token->kind == TOKEN_OTHER) &&
           strlen(text) == token->len && !memcmp(token->text, text, token->len);
}

static bool is_one_of(const struct token *token, const char *const *texts)
{
    for (; *texts; texts++)
        if (is(token, *texts))
            return true;
    return false;
}

/* Step over a value, up to the ',' ';' or '}' that ends it. */
static void skip_value(struct reader *reader)
{
    static const char *const open[] = {"(",        "[",  "{",      "do",
                                       "function", "if", "repeat", NULL};
    static const char *const close[] = {")", "]", "}", "end", "until", NULL};
    static const char *const ends[] = {",", ";", "}", NULL};
    unsigned depth = 0;
    while (reader->token.kind != TOKEN_END) {
        if (!depth && is_one_of(&reader->token, ends))
            return;
        if (is_one_of(&reader->token, open))
            depth++;
        else if (depth && is_one_of(&reader->token, close))
            depth--;
        advance(reader);
    }
}

/* Read `name =` or `["name"] =` if it stands here; else a position. */
static void read_key(struct reader *reader, unsigned *position, char *key,
                     size_t room)
{
    struct reader ahead = *reader;
    bool bracket = is(&ahead.token, "[");
    if (bracket)
        advance(&ahead);
    struct token name = ahead.token;
    advance(&ahead);
    if (bracket && is(&ahead.token, "]"))
        advance(&ahead);
    bool named =
        name.kind == TOKEN_NAME || (bracket && name.kind == TOKEN_TEXT);
    if (named && is(&ahead.token, "=")) {
        snprintf(key, room, "%.*s", (int)name.len, name.text);
        advance(&ahead);
        *reader = ahead;
    } else {
        snprintf(key, room, "%u", ++*position);
    }
}

/* The reader stands behind a '{'. True: at the value of `wanted`, whose entry
 * began on *line. */
static bool find_entry(struct reader *reader, const char *wanted,
                       unsigned *line)
{
    unsigned position = 0;
    while (reader->token.kind != TOKEN_END && !is(&reader->token, "}")) {
        char key[128];
        unsigned began = reader->token.line;
        const char *before = reader->at;
        read_key(reader, &position, key, sizeof key);
        if (!strcmp(key, wanted)) {
            *line = began;
            return true;
        }
        skip_value(reader);
        if (is(&reader->token, ",") || is(&reader->token, ";"))
            advance(reader);
        else if (reader->at == before)
            return false; /* nonsense: do not turn on the spot */
    }
    return false;
}

/* Stop behind the '{' of `lab {` or `lab({`. */
static bool find_lab(struct reader *reader)
{
    for (advance(reader); reader->token.kind != TOKEN_END;) {
        if (!is(&reader->token, "lab")) {
            advance(reader);
            continue;
        }
        advance(reader);
        if (is(&reader->token, "("))
            advance(reader);
        if (is(&reader->token, "{"))
            return true;
    }
    return false;
}

unsigned locate_line(const char *source, const char *const *path,
                     unsigned count)
{
    struct reader reader = {source, 1, {TOKEN_END, source, 0, 1}};
    if (!find_lab(&reader))
        return 0;
    unsigned line = reader.token.line;
    for (unsigned i = 0; i < count && is(&reader.token, "{"); i++) {
        advance(&reader);
        if (!find_entry(&reader, path[i], &line))
            break;
    }
    return line;
}
