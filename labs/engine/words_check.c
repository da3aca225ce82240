/* SPDX-License-Identifier: MIT
 *
 * Does a lab file keep to the words? Every mistake is a line and a place in
 * the file: "lab.lua:12: step 2, act 1: no key ...". What the words cannot
 * say (that a place exists, that an act is named once) is checked in lab.c. */
#include "labs/engine/words.h"

#include "certs/nearest.h"
#include "labs/engine/locate.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 16, NAMES_MOST = 64 };

/* The way from the top of the file to the value that is looked at. */
struct trail {
    const char *source;
    const char *keys[DEPTH_MOST];
    const char *tables[DEPTH_MOST]; /* what stands behind each key */
    unsigned depth;
    struct err *err;
};

static bool is_position(const char *key)
{
    return key[0] && key[strspn(key, "0123456789")] == '\0';
}

/* "step 2, act 1": the entries of lists and the named ones on the way. */
static void describe(const struct trail *trail, char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < trail->depth && used < room; i++) {
        bool entry = i && (is_position(trail->keys[i]) ||
                           !strcmp(trail->tables[i], "expectation"));
        if (entry)
            used += (size_t)snprintf(text + used, room - used, "%s %s, ",
                                     trail->tables[i], trail->keys[i]);
    }
    size_t len = strlen(text);
    if (len >= 2)
        snprintf(text + len - 2, 3, ": ");
}

static int complain(const struct trail *trail, const char *key,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int complain(const struct trail *trail, const char *key,
                    const char *format, ...)
{
    const char *path[DEPTH_MOST + 1];
    memcpy(path, trail->keys, trail->depth * sizeof *path);
    path[trail->depth] = key;
    unsigned line =
        locate_line(trail->source, path, trail->depth + (key != NULL));
    char where[160], what[256];
    describe(trail, where, sizeof where);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    err_code(trail->err, EXIT_LAB_INVALID, "lab.lua:%u: %s%s", line, where,
             what);
    return -1;
}

/* ---- which word is it? --------------------------------------------------- */

static const struct word *find_word(const char *table, const char *key)
{
    const struct word *it, *any = NULL;
    for (unsigned i = 0; (it = word_at(i)); i++) {
        if (strcmp(it->table, table) != 0)
            continue;
        if (!strcmp(it->key, key))
            return it;
        if (it->key[0] == '#' ? is_position(key)
                              : it->key[0] == '*' && !is_position(key))
            any = it;
    }
    return any;
}

/* The program whose options are keys of this table, if any. */
static const struct program *program_of(const char *table, const json_t *value)
{
    if (strcmp(table, "act") != 0 && strcmp(table, "start") != 0)
        return NULL;
    const char *name = json_string_value(words_get(value, "1"));
    return name ? program_find(name) : NULL;
}

static unsigned known_keys(const char *table, const struct program *program,
                           const char **names)
{
    unsigned count = 0;
    const struct word *it;
    for (unsigned i = 0; (it = word_at(i)) && count < NAMES_MOST - 1; i++)
        if (!strcmp(it->table, table) && isalpha((unsigned char)it->key[0]))
            names[count++] = it->key;
    for (unsigned i = 0; program && (it = program_option_at(program, i)) &&
                         count < NAMES_MOST - 1;
         i++)
        names[count++] = it->key;
    names[count] = NULL;
    return count;
}

static int unknown_key(const struct trail *trail, const char *table,
                       const struct program *program, const char *key)
{
    if (is_position(key))
        return complain(trail, key, "nothing belongs at position %s", key);
    const char *names[NAMES_MOST];
    known_keys(table, program, names);
    const char *near = nearest(key, names);
    return complain(trail, key, "no key \"%.40s\"%s%s%s", key,
                    near ? " (did you mean " : "", near ? near : "",
                    near ? "?)" : "");
}

/* ---- values -------------------------------------------------------------- */

static bool is_function(const json_t *value)
{
    return json_is_object(value) && json_object_get(value, "$function");
}

static bool is_scalar(const json_t *value)
{
    return json_is_string(value) || json_is_number(value) ||
           json_is_boolean(value);
}

static bool is_texts(const json_t *value)
{
    if (json_is_string(value) || json_is_number(value))
        return true;
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) if (!json_is_string(item) &&
                                           !json_is_number(item)) return false;
    return json_is_array(value);
}

static bool kind_fits(enum word_kind kind, const json_t *value)
{
    switch (kind) {
    case WORD_TEXT:
        return json_is_string(value);
    case WORD_TEXTS:
        return is_texts(value);
    case WORD_NUMBER:
        return json_is_number(value);
    case WORD_YES:
        return json_is_boolean(value);
    case WORD_VALUE:
        return is_scalar(value);
    case WORD_FUNCTION:
        return is_function(value);
    case WORD_ANSWER:
        return is_scalar(value) || is_function(value);
    case WORD_TABLE:
        return (json_is_object(value) || json_is_array(value)) &&
               !is_function(value);
    }
    return false;
}

static const char *kind_name(enum word_kind kind)
{
    static const char *const names[] = {
        [WORD_TEXT] = "a text",
        [WORD_TEXTS] = "a text or a list of texts",
        [WORD_NUMBER] = "a number",
        [WORD_YES] = "true or false",
        [WORD_VALUE] = "a text, a number, true or false",
        [WORD_FUNCTION] = "a function",
        [WORD_ANSWER] = "a text, a number or a function",
        [WORD_TABLE] = "a table",
    };
    return names[kind];
}

/* Is `text` one of "a|b|c"? */
static bool is_choice(const char *text, const char *choices)
{
    size_t len = strlen(text);
    for (const char *at = choices; *at;) {
        size_t part = strcspn(at, "|");
        if (part == len && !memcmp(at, text, len))
            return true;
        at += part + (at[part] == '|');
    }
    return false;
}

static int check_table(struct trail *trail, const char *table,
                       const json_t *value);

static int check_value(struct trail *trail, const struct word *word,
                       const char *key, const json_t *value)
{
    if (!kind_fits(word->kind, value))
        return complain(trail, key, "%s must be %s", key,
                        kind_name(word->kind));
    if (word->kind == WORD_TEXT && word->of[0] &&
        !is_choice(json_string_value(value), word->of))
        return complain(trail, key, "\"%.40s\" is none of %s",
                        json_string_value(value), word->of);
    if (word->kind != WORD_TABLE)
        return 0;
    if (trail->depth == DEPTH_MOST)
        return complain(trail, key, "tables are nested too deep");
    trail->keys[trail->depth] = key;
    trail->tables[trail->depth++] = word->of;
    int rc = check_table(trail, word->of, value);
    trail->depth--;
    return rc;
}

static int check_program(const struct trail *trail, const char *table,
                         const json_t *value)
{
    const char *name = json_string_value(words_get(value, "1"));
    bool act = !strcmp(table, "act");
    if (!name || (!act && strcmp(table, "start") != 0))
        return 0;
    const struct program *it = program_find(name);
    if (it && (it->kind == PROGRAM_SERVER) != act)
        return 0;
    const char *names[NAMES_MOST];
    unsigned count = 0;
    for (unsigned i = 0; (it = program_at(i)) && count < NAMES_MOST - 1; i++)
        if ((it->kind == PROGRAM_SERVER) != act)
            names[count++] = it->name;
    names[count] = NULL;
    const char *near = nearest(name, names);
    return complain(
        trail, "1", "no %s \"%.40s\"%s%s%s", act ? "program" : "server", name,
        near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int check_entry(struct trail *trail, const char *table,
                       const json_t *whole, const char *key,
                       const json_t *value)
{
    const struct word *word = find_word(table, key);
    const struct program *program = program_of(table, whole);
    if (!word && program)
        word = program_option(program, key);
    if (word)
        return check_value(trail, word, key, value);
    if (!strcmp(table, "attack")) /* its own table of parameters: lab.c */
        return is_scalar(value)
                   ? 0
                   : complain(trail, key, "%s must be a text", key);
    return unknown_key(trail, table, program, key);
}

static int check_needed(const struct trail *trail, const char *table,
                        const json_t *value)
{
    const struct word *it;
    for (unsigned i = 0; (it = word_at(i)); i++) {
        if (strcmp(it->table, table) != 0 || it->fallback != word_needed ||
            words_get(value, it->key))
            continue;
        if (is_position(it->key))
            return complain(trail, NULL, "position %s is empty: %s", it->key,
                            it->sentence);
        return complain(trail, NULL, "%s is missing: %s", it->key,
                        it->sentence);
    }
    return 0;
}

static int check_array(struct trail *trail, const char *table,
                       const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        char key[24];
        snprintf(key, sizeof key, "%zu", i + 1);
        if (check_entry(trail, table, value, key, item))
            return -1;
    }
    return 0;
}

static int check_table(struct trail *trail, const char *table,
                       const json_t *value)
{
    if (check_program(trail, table, value) || check_needed(trail, table, value))
        return -1;
    if (json_is_array(value))
        return check_array(trail, table, value);
    const char *key;
    json_t *item;
    json_object_foreach(
        (json_t *)value, key,
        item) if (check_entry(trail, table, value, key, item)) return -1;
    return 0;
}

int words_check(const json_t *lab, const char *source, struct err *err)
{
    struct trail trail = {.source = source, .err = err};
    return check_table(&trail, "lab", lab);
}
