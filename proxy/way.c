/* SPDX-License-Identifier: MIT */
#include "proxy/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MOST = 64 };

static const struct way_row rows[] = {
#define WAY(constant, name, value, sentence) {name, value, sentence},
#define WAY_FLAG(member, name, sentence)
#include "proxy/ways.def"
#undef WAY
#undef WAY_FLAG
};

static const struct flag {
    struct way_row row;
    size_t offset; /* of the bool in struct way_in */
} flags[] = {
#define WAY(constant, name, value, sentence)
#define WAY_FLAG(member, name, sentence)                                       \
    {{name, "", sentence}, offsetof(struct way_in, member)},
#include "proxy/ways.def"
#undef WAY
#undef WAY_FLAG
};

enum {
    ROWS = sizeof rows / sizeof *rows,
    FLAGS = sizeof flags / sizeof *flags,
};

const struct way_row *way_row(unsigned index)
{
    return index < ROWS ? &rows[index] : NULL;
}

const struct way_row *way_flag_row(unsigned index)
{
    return index < FLAGS ? &flags[index].row : NULL;
}

/* "sni, reverse, http ..." of either list. */
static void list_names(const struct way_row *(*row)(unsigned), char *out,
                       size_t room)
{
    size_t used = 0;
    *out = 0;
    for (unsigned i = 0; row(i) && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%s", i ? ", " : "",
                                 row(i)->name);
}

static int take_mode(const char *word, struct way_in *out, struct err *err)
{
    char names[256];
    for (unsigned i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, word))
            continue;
        out->mode = (enum way_mode)i;
        return 0;
    }
    list_names(way_row, names, sizeof names);
    err_code(err, EXIT_USAGE, "no way in is called \"%s\"; there are %s", word,
             names);
    return -1;
}

static int take_flag(const char *word, struct way_in *out, struct err *err)
{
    char names[256];
    for (unsigned i = 0; i < FLAGS; i++) {
        if (strcmp(flags[i].row.name, word))
            continue;
        *(bool *)((char *)out + flags[i].offset) = true;
        return 0;
    }
    list_names(way_flag_row, names, sizeof names);
    err_code(err, EXIT_USAGE, "a listener cannot be \"%s\"; it can be %s", word,
             names);
    return -1;
}

/* "MODE,FLAG,FLAG" */
static int take_words(const char *text, size_t len, struct way_in *out,
                      struct err *err)
{
    char words[WORDS_MOST], *rest = NULL;
    snprintf(words, sizeof words, "%.*s", (int)len, text);
    const char *word = strtok_r(words, ",", &rest);
    if (take_mode(word ? word : "", out, err))
        return -1;
    while ((word = strtok_r(NULL, ",", &rest)))
        if (take_flag(word, out, err))
            return -1;
    return 0;
}

/* What stands behind '='; NULL: nothing does. */
static int take_value(const char *value, struct way_in *out, struct err *err)
{
    const struct way_row *row = &rows[out->mode];
    if (!value && row->value[0] != '=')
        return 0;
    if (value && *row->value && strcmp(row->value, "[=PORT]"))
        return target_parse(value, &out->target, err);
    if (value && *row->value) {
        char *end;
        long port = strtol(value, &end, 10);
        out->port = (int)port;
        if (port > 0 && port < 65536 && !*end)
            return 0;
    }
    err_code(err, EXIT_USAGE, "write --listen %s@ADDRESS:PORT%s", row->name,
             row->value);
    return -1;
}

/* Of DNS only questions come that are meant for this listener. */
static int check_dns(const struct way_in *way, struct err *err)
{
    if (way->target.protocol != TARGET_DNS ||
        (way->mode == WAY_REVERSE && !way->proxied))
        return 0;
    err_code(err, EXIT_USAGE,
             way->proxied
                 ? "a listener of dns:// cannot be proxied: questions over UDP "
                   "are no connections"
                 : "dns:// is for victims that ask this listener itself; write "
                   "--listen reverse@ADDRESS:PORT=dns://HOST[:PORT]");
    return -1;
}

/* Where the address is left out, or is a name that everybody knows, it is that
 * of this host: "8080", ":8080", "localhost:8080". */
static int take_address(const char *text, size_t len, struct way_in *out,
                        struct err *err)
{
    static const char local[] = "localhost:";
    char address[2 * ADDRESS_TEXT];
    size_t skip = len && *text == ':' ? 1 : 0;
    if (len >= strlen(local) && !strncmp(text, local, strlen(local)))
        skip = strlen(local);
    bool alone = skip || (len && strspn(text, "0123456789") >= len);
    snprintf(address, sizeof address, "%s%.*s", alone ? "127.0.0.1:" : "",
             (int)(len - skip), text + skip);
    return address_parse(address, &out->address, err);
}

/* A flag that stands behind the address, where one looks for it first. */
static int check_place(const char *text, struct err *err)
{
    for (text = strchr(text, ','); text; text = strchr(text, ',')) {
        size_t len = strcspn(++text, ",=");
        for (unsigned i = 0; i < FLAGS; i++) {
            const char *name = flags[i].row.name;
            if (strlen(name) != len || strncmp(text, name, len))
                continue;
            err_code(err, EXIT_USAGE,
                     "\"%s\" stands behind the way in, before the address: "
                     "--listen reverse,%s@ADDRESS:PORT",
                     name, name);
            return -1;
        }
    }
    return 0;
}

int way_parse(const char *text, const struct way_in *usual, struct way_in *out,
              struct err *err)
{
    size_t len = strcspn(text, "=");
    const char *value = text[len] ? text + len + 1 : NULL;
    const char *at = memchr(text, '@', len);
    *out = *usual;
    if (at) {
        *out = (struct way_in){0};
        if (take_words(text, (size_t)(at - text), out, err))
            return -1;
        len -= (size_t)(at + 1 - text);
        text = at + 1;
    } else if (value) {
        *out = (struct way_in){.mode = WAY_REVERSE};
    }
    if (check_place(text, err) || take_address(text, len, out, err))
        return -1;
    if ((at || value) && take_value(value, out, err))
        return -1;
    return check_dns(out, err);
}
