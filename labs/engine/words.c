/* SPDX-License-Identifier: MIT
 *
 * The tables of words and programs, and the values under their keys. The
 * check is in words_check.c, the help text in words_help.c. */
#include "labs/engine/words.h"

#include <stdlib.h>
#include <string.h>

const char word_needed[] = "(needed)";
#define NEEDED word_needed

static const struct word words[] = {
#define WORD(table, key, kind, of, fallback, sentence)                         \
    {table, key, WORD_##kind, of, fallback, sentence},
#include "labs/engine/words.def"
#undef WORD
};

static const struct program programs[] = {
#define PROGRAM(name, kind, options, sentence)                                 \
    {name, PROGRAM_##kind, options, sentence},
#define OPTION(set, key, kind, fallback, sentence)
#include "labs/engine/programs.def"
#undef PROGRAM
#undef OPTION
};

static const struct word options[] = {
#define PROGRAM(name, kind, options, sentence)
#define OPTION(set, key, kind, fallback, sentence)                             \
    {set, key, WORD_##kind, "", fallback, sentence},
#include "labs/engine/programs.def"
#undef PROGRAM
#undef OPTION
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const struct word *word_at(unsigned index)
{
    return index < COUNT(words) ? &words[index] : NULL;
}

const struct program *program_at(unsigned index)
{
    return index < COUNT(programs) ? &programs[index] : NULL;
}

const struct program *program_find(const char *name)
{
    for (unsigned i = 0; i < COUNT(programs); i++)
        if (!strcmp(programs[i].name, name))
            return &programs[i];
    return NULL;
}

/* Is `name` one of the words of `list`? */
static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    while (strcspn(list, " ") != len || strncmp(list, name, len) != 0) {
        list += strcspn(list, " ");
        if (!*list++)
            return false;
    }
    return true;
}

const struct word *program_option_at(const struct program *program,
                                     unsigned index)
{
    for (unsigned i = 0; i < COUNT(options); i++)
        if (is_listed(program->options, options[i].table) && !index--)
            return &options[i];
    return NULL;
}

const struct word *program_option(const struct program *program,
                                  const char *key)
{
    const struct word *it;
    for (unsigned i = 0; (it = program_option_at(program, i)); i++)
        if (!strcmp(it->key, key))
            return it;
    return NULL;
}

json_t *words_get(const json_t *table, const char *key)
{
    if (json_is_object(table))
        return json_object_get(table, key);
    char *end;
    unsigned long position = strtoul(key, &end, 10);
    return *end || !position ? NULL : json_array_get(table, position - 1);
}

static const char *fallback(const char *table, const char *key)
{
    for (unsigned i = 0; i < COUNT(words); i++)
        if (!strcmp(words[i].table, table) && !strcmp(words[i].key, key))
            return words[i].fallback == word_needed ? NULL : words[i].fallback;
    return NULL;
}

const char *words_text(const char *table, const json_t *value, const char *key)
{
    const json_t *found = words_get(value, key);
    return found ? json_string_value(found) : fallback(table, key);
}

bool words_yes(const char *table, const json_t *value, const char *key)
{
    const json_t *found = words_get(value, key);
    if (found)
        return json_is_true(found);
    const char *text = fallback(table, key);
    return text && !strcmp(text, "true");
}

long long words_number(const char *table, const json_t *value, const char *key)
{
    const json_t *found = words_get(value, key);
    if (found)
        return (long long)json_number_value(found);
    const char *text = fallback(table, key);
    return text ? atoll(text) : 0;
}

char *words_value_text(const json_t *value)
{
    char *text = NULL;
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_integer(value)) {
        if (asprintf(&text, "%lld", (long long)json_integer_value(value)) < 0)
            return NULL;
        return text;
    }
    if (json_is_real(value)) {
        if (asprintf(&text, "%.14g", json_real_value(value)) < 0)
            return NULL;
        return text;
    }
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "true" : "false");
    return json_is_null(value) || !value ? strdup("") : json_dumps(value, 0);
}
