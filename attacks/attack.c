/* SPDX-License-Identifier: MIT
 *
 * The list of attacks, and how the words of a person become a running one. */
#include "attacks/attack.h"

#include "certs/nearest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MOST = ATTACK_PARAMS_MOST + 1, NAMES_MOST = 64 };

#define ATTACK(symbol) extern const struct attack attack_##symbol;
#include "attacks/attacks.def"
#undef ATTACK

static const struct attack *const attacks[] = {
#define ATTACK(symbol) &attack_##symbol,
#include "attacks/attacks.def"
#undef ATTACK
    NULL,
};

const struct attack *attack_at(unsigned index)
{
    return index < sizeof attacks / sizeof *attacks ? attacks[index] : NULL;
}

const struct attack *attack_find(const char *name)
{
    for (const struct attack *const *it = attacks; *it; it++)
        if (!strcmp((*it)->name, name))
            return *it;
    return NULL;
}

static int no_such_attack(const char *word, struct err *err)
{
    const char *names[NAMES_MOST] = {NULL};
    for (unsigned i = 0; attacks[i] && i < NAMES_MOST - 1; i++)
        names[i] = attacks[i]->name;
    const char *near = nearest(word, names);
    err_code(err, EXIT_USAGE,
             "no attack \"%s\"%s%s%s; 'mitmlab attack' lists them", word,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return -1;
}

static int no_such_param(const struct attack *attack, const char *word,
                         struct err *err)
{
    const char *names[ATTACK_PARAMS_MOST + 1] = {NULL};
    for (unsigned i = 0; attack->params[i].name; i++)
        names[i] = attack->params[i].name;
    const char *near = nearest(word, names);
    err_code(err, EXIT_USAGE,
             "%s knows no \"%s\"%s%s%s; 'mitmlab attack' lists what it takes",
             attack->name, word, near ? " (did you mean " : "",
             near ? near : "", near ? "?)" : "");
    return -1;
}

static int param_index(const struct attack *attack, const char *name)
{
    for (int i = 0; attack->params[i].name; i++) {
        assert(i < ATTACK_PARAMS_MOST);
        if (!strcmp(attack->params[i].name, name))
            return i;
    }
    return -1;
}

/* Is `value` one of "a|b|c"? A placeholder without bars allows anything. */
static bool allowed(const struct attack_param *param, const char *value)
{
    const char *choice = param->value;
    if (!strchr(choice, '|'))
        return true;
    for (size_t len; *choice; choice += len + (choice[len] == '|')) {
        len = strcspn(choice, "|");
        if (strlen(value) == len && !memcmp(choice, value, len))
            return true;
    }
    return false;
}

/* A lab file says true and false where a person says yes and no. */
static const char *spelled(const struct attack_param *param, const char *value)
{
    if (strcmp(param->value, "yes|no") != 0)
        return value;
    return !strcmp(value, "true")    ? "yes"
           : !strcmp(value, "false") ? "no"
                                     : value;
}

/* One "key=value". */
static int take_word(struct attack_run *run, const char *word, struct err *err)
{
    const struct attack *attack = run->attack;
    size_t len = strcspn(word, "=");
    const char *key = arena_copy(&run->arena, word, len);
    int index = key ? param_index(attack, key) : -1;
    if (index < 0)
        return no_such_param(attack, key ? key : word, err);
    const struct attack_param *param = &attack->params[index];
    const char *value = word[len] ? spelled(param, word + len + 1) : NULL;
    if (!value || !allowed(param, value)) {
        err_code(err, EXIT_USAGE, "%s: \"%s\" is not %s=%s", attack->name, word,
                 key, param->value);
        return -1;
    }
    if (run->values[index]) {
        err_code(err, EXIT_USAGE, "%s: %s is given twice", attack->name, key);
        return -1;
    }
    run->values[index] = arena_text(&run->arena, value);
    if (!run->values[index]) {
        err_set(err, "%s: out of memory", attack->name);
        return -1;
    }
    return 0;
}

static int fill_the_rest(struct attack_run *run, struct err *err)
{
    const struct attack_param *params = run->attack->params;
    for (unsigned i = 0; params[i].name; i++) {
        if (!run->values[i] && params[i].required) {
            err_code(err, EXIT_USAGE, "%s wants %s=%s: %s", run->attack->name,
                     params[i].name, params[i].value, params[i].sentence);
            return -1;
        }
        if (!run->values[i])
            run->values[i] = params[i].fallback;
    }
    return 0;
}

static int check_kind(const struct attack *attack, enum attack_kind hosted,
                      struct err *err)
{
    if (attack->kind == hosted)
        return 0;
    if (hosted == ATTACK_HOOK)
        err_code(err, EXIT_USAGE,
                 "%s works on packets, not in the proxy: start it with "
                 "'mitmlab attack %s'",
                 attack->name, attack->name);
    else
        err_code(err, EXIT_USAGE,
                 "%s works inside the proxy: start it with 'mitmlab proxy "
                 "--attack %s'",
                 attack->name, attack->name);
    return -1;
}

static int start_run(struct attack_run *run, const char *const *words,
                     unsigned count, struct err *err)
{
    for (unsigned i = 1; i < count; i++)
        if (take_word(run, words[i], err))
            return -1;
    if (fill_the_rest(run, err))
        return -1;
    run->hook.name = run->attack->name;
    return run->attack->start(run, err);
}

int attack_start_words(const char *const *words, unsigned count,
                       const struct attack_env *env, struct attack_run **out,
                       struct err *err)
{
    assert(count > 0);
    *out = NULL;
    const struct attack *attack = attack_find(words[0]);
    if (!attack)
        return no_such_attack(words[0], err);
    if (check_kind(attack, env->kind, err))
        return -1;
    struct attack_run *run = calloc(1, sizeof *run);
    if (!run) {
        err_set(err, "%s: out of memory", attack->name);
        return -1;
    }
    run->attack = attack;
    run->env = *env;
    if (start_run(run, words, count, err)) {
        arena_free(&run->arena);
        free(run);
        return -1;
    }
    *out = run;
    return 0;
}

/* Cut `text` in place at each comma that no backslash stands before. Returns
 * the number of words, or -1 when there are more than `most`. */
static int split_spec(char *text, const char **words, unsigned most)
{
    unsigned count = 0;
    char *to = text;
    words[count++] = to;
    for (const char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] == ',') {
            *to++ = *++from;
        } else if (*from != ',') {
            *to++ = *from;
        } else if (count == most) {
            return -1;
        } else {
            *to++ = 0;
            words[count++] = to;
        }
    }
    *to = 0;
    return (int)count;
}

int attack_start(const char *spec, const struct attack_env *env,
                 struct attack_run **out, struct err *err)
{
    const char *words[WORDS_MOST];
    *out = NULL;
    char *text = strdup(spec);
    if (!text) {
        err_set(err, "attack %s: out of memory", spec);
        return -1;
    }
    int rc = -1, count = split_spec(text, words, WORDS_MOST);
    if (count < 0)
        err_code(err, EXIT_USAGE,
                 "attack %s has more than %d parts; a comma inside a value is "
                 "written \\,",
                 spec, WORDS_MOST);
    else
        rc = attack_start_words(words, (unsigned)count, env, out, err);
    free(text);
    return rc;
}

void attack_stop(struct attack_run *run)
{
    if (!run)
        return;
    if (run->attack->stop)
        run->attack->stop(run);
    arena_free(&run->arena);
    free(run);
}

const char *attack_value(const struct attack_run *run, const char *param)
{
    int index = param_index(run->attack, param);
    assert(index >= 0);
    return run->values[index];
}

bool attack_value_is(const struct attack_run *run, const char *param,
                     const char *value)
{
    const char *is = attack_value(run, param);
    return is && !strcmp(is, value);
}

void attack_announce(const struct attack_run *run)
{
    struct buf arguments = {0};
    const struct attack_param *params = run->attack->params;
    bool broken = false;
    for (unsigned i = 0; params[i].name; i++) {
        if (!run->values[i])
            continue;
        broken |=
            buf_printf(&arguments, "%s\"%s\":", buf_len(&arguments) ? "," : "",
                       params[i].name) ||
            event_append_text(&arguments, run->values[i],
                              strlen(run->values[i]), SIZE_MAX);
    }
    if (!broken)
        event("attack.start", NULL, "\"attack\":\"%s\",\"arguments\":{%.*s}",
              run->attack->name, (int)buf_len(&arguments),
              buf_len(&arguments) ? (char *)buf_head(&arguments) : "");
    buf_free(&arguments);
}
