/* SPDX-License-Identifier: MIT
 *
 * What the words alone cannot say of a lab file: that a place exists, that an
 * act is named once, that an answer is among the choices, that the guide has
 * the heading. Every mistake is named with its line. */
#include "labs/engine/lab.h"

#include "attacks/attack.h"
#include "certs/nearest.h"
#include "labs/engine/guide.h"
#include "labs/engine/locate.h"
#include "labs/engine/words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const json_t *get(const json_t *table, const char *key)
{
    return words_get(table, key);
}

static const char *text(const char *table, const json_t *value, const char *key)
{
    return words_text(table, value, key);
}

static size_t count_of(const json_t *list)
{
    return json_array_size(list);
}

/* A mistake at a path such as "steps/2/act/1". */
static int complain(const struct lab *lab, struct err *err, const char *path,
                    const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int complain(const struct lab *lab, struct err *err, const char *path,
                    const char *format, ...)
{
    char copy[128], what[320];
    const char *keys[8];
    unsigned count = 0;
    char *rest;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strtok_r(copy, "/", &rest); key && count < 8;
         key = strtok_r(NULL, "/", &rest))
        keys[count++] = key;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    err_code(err, EXIT_LAB_INVALID, "lab.lua:%u: %s",
             locate_line(lab->source, keys, count), what);
    return -1;
}

static bool is_place(const struct lab *lab, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(
        (json_t *)lab_places(lab), i,
        item) if (!strcmp(json_string_value(item), name)) return true;
    return false;
}

static int check_place(const struct lab *lab, const char *name,
                       const char *path, struct err *err)
{
    if (is_place(lab, name))
        return 0;
    const char *names[NET_PLACES_MOST + 1];
    size_t count = count_of(lab_places(lab));
    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(lab_places(lab), i));
    names[count] = NULL;
    const char *near = nearest(name, names);
    return complain(lab, err, path, "no place \"%.40s\"%s%s%s", name,
                    near ? " (did you mean " : "", near ? near : "",
                    near ? "?)" : "");
}

static bool plain_word(const char *word)
{
    if (!*word || strlen(word) > 32)
        return false;
    for (; *word; word++)
        if (!isalnum((unsigned char)*word) && *word != '-' && *word != '_')
            return false;
    return true;
}

static int check_places(const struct lab *lab, struct err *err)
{
    const json_t *places = lab_places(lab);
    if (!json_is_array(places) || !count_of(places) ||
        count_of(places) > NET_PLACES_MOST)
        return complain(lab, err, "places", "places must be 1 to %d names",
                        NET_PLACES_MOST);
    for (size_t i = 0; i < count_of(places); i++)
        if (!plain_word(json_string_value(json_array_get(places, i))))
            return complain(lab, err, "places",
                            "a place is letters, digits, - and _");
    return 0;
}

static bool under_lab_test(const char *name)
{
    const char *end = ".lab.test";
    size_t len = strlen(name), tail = strlen(end);
    return !strcmp(name, end + 1) ||
           (len > tail && len < 200 && !strcmp(name + len - tail, end) &&
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len);
}

static int check_names(const struct lab *lab, struct err *err)
{
    const char *name;
    json_t *place;
    json_object_foreach((json_t *)lab_names(lab), name, place)
    {
        if (!under_lab_test(name))
            return complain(lab, err, "names",
                            "\"%.60s\" is not a name under lab.test", name);
        if (check_place(lab, json_string_value(place), "names", err))
            return -1;
    }
    return 0;
}

static int check_routes(const struct lab *lab, struct err *err)
{
    const json_t *routes = lab_routes(lab);
    if (count_of(routes) > NET_PLACES_MOST)
        return complain(lab, err, "route", "there are too many routes");
    for (size_t i = 0; i < count_of(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        if (check_place(lab, text("route", route, "1"), "route", err) ||
            check_place(lab, text("route", route, "to"), "route", err) ||
            check_place(lab, text("route", route, "via"), "route", err))
            return -1;
    }
    return 0;
}

/* Is there a responder of this name, which has the CA's answers? */
static bool has_responder(const struct lab *lab, const char *name)
{
    for (unsigned i = 0; i < lab->starts_count; i++) {
        const char *its = text("start", lab->starts[i].words, "name");
        if (!strcmp(lab->starts[i].program, "ocsp-responder") && its &&
            !strcmp(its, name))
            return true;
    }
    return false;
}

static int check_starts(const struct lab *lab, struct err *err)
{
    for (unsigned i = 0; i < lab->starts_count; i++) {
        const struct lab_command *start = &lab->starts[i];
        const char *name = text("start", start->words, "name");
        char path[64];
        snprintf(path, sizeof path, "start/%u", i + 1);
        if (check_place(lab, start->at, path, err))
            return -1;
        if (!name && words_get(start->words, "https"))
            return complain(lab, err, path,
                            "https wants a name for the certificate");
        if (name && !json_object_get(lab_names(lab), name))
            return complain(lab, err, path, "\"%.60s\" is not in names", name);
        const char *asked = text("start", start->words, "responder");
        if (asked && !has_responder(lab, asked))
            return complain(lab, err, path,
                            "no ocsp-responder under start is called \"%.60s\"",
                            asked);
    }
    return 0;
}

/* The parameter tables of the attacks belong to the attacks. */
static int check_attack_key(const struct lab *lab, const struct attack *attack,
                            const char *key, const char *path, struct err *err)
{
    const char *names[ATTACK_PARAMS_MOST + 1];
    unsigned count = 0;
    const struct attack_param *it = attack->params;
    for (; it && it->name && count < ATTACK_PARAMS_MOST; it++) {
        names[count++] = it->name;
        if (!strcmp(it->name, key))
            return 0;
    }
    names[count] = NULL;
    const char *near = nearest(key, names);
    return complain(lab, err, path, "attack %s: no key \"%.40s\"%s%s%s",
                    attack->name, key, near ? " (did you mean " : "",
                    near ? near : "", near ? "?)" : "");
}

static int check_script(const struct lab *lab, const struct lab_attack *script,
                        const char *path, struct err *err)
{
    const char *file = json_string_value(get(script->words, "file"));
    if (!file || strchr(file, '/') || file[0] == '.')
        return complain(lab, err, path,
                        "script wants file = the name of a file in the lab's "
                        "folder");
    return 0;
}

static int unknown_attack(const struct lab *lab, const char *name,
                          const char *path, struct err *err)
{
    const char *names[64];
    unsigned count = 0;
    const struct attack *it;
    for (unsigned i = 0; (it = attack_at(i)) && count < 62; i++)
        names[count++] = it->name;
    names[count++] = "script";
    names[count] = NULL;
    const char *near = nearest(name, names);
    return complain(lab, err, path, "no attack \"%.40s\"%s%s%s", name,
                    near ? " (did you mean " : "", near ? near : "",
                    near ? "?)" : "");
}

static int check_attack(const struct lab *lab, const struct lab_attack *attack,
                        const char *path, struct err *err)
{
    if (check_place(lab, attack->at, path, err))
        return -1;
    if (!strcmp(attack->name, "script"))
        return check_script(lab, attack, path, err);
    const struct attack *found = attack_find(attack->name);
    if (!found)
        return unknown_attack(lab, attack->name, path, err);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)attack->words, key, value)
    {
        if (!strcmp(key, "1") || !strcmp(key, "at"))
            continue;
        if (check_attack_key(lab, found, key, path, err))
            return -1;
    }
    return 0;
}

static bool has_act(const struct lab_step *step, const char *name)
{
    for (unsigned i = 0; i < step->acts_count; i++)
        if (!strcmp(step->acts[i].as, name))
            return true;
    return false;
}

static int no_act(const struct lab *lab, const struct lab_step *step,
                  const char *name, const char *path, struct err *err)
{
    const char *names[32];
    unsigned count = 0;
    for (; count < step->acts_count && count < 31; count++)
        names[count] = step->acts[count].as;
    names[count] = NULL;
    const char *near = nearest(name, names);
    return complain(lab, err, path, "no act \"%.40s\" in this step%s%s%s", name,
                    near ? " (did you mean " : "", near ? near : "",
                    near ? "?)" : "");
}

static int check_acts(const struct lab *lab, const struct lab_step *step,
                      unsigned number, struct err *err)
{
    for (unsigned i = 0; i < step->acts_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "steps/%u/act/%u", number, i + 1);
        if (check_place(lab, step->acts[i].at, path, err))
            return -1;
        if (!plain_word(step->acts[i].as))
            return complain(lab, err, path,
                            "a name (as) is letters, digits, - and _");
        for (unsigned j = 0; j < i; j++)
            if (!strcmp(step->acts[i].as, step->acts[j].as))
                return complain(lab, err, path,
                                "two acts of this step are called %s; give "
                                "them names with as",
                                step->acts[i].as);
    }
    return 0;
}

static int check_expect(const struct lab *lab, const struct lab_step *step,
                        unsigned number, struct err *err)
{
    const json_t *expect =
        get(json_array_get(get(lab->table, "steps"), number - 1), "expect");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)expect, key, value)
    {
        char path[128];
        snprintf(path, sizeof path, "steps/%u/expect/%.64s", number, key);
        if (!isdigit((unsigned char)key[0]) && !has_act(step, key))
            return no_act(lab, step, key, path, err);
    }
    return 0;
}

static bool event_exists(const char *kind)
{
    static const char *const kinds[] = {
#define EVENT(kind, who, data) kind,
#include "proxy/event.def"
#undef EVENT
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i], kind))
            return true;
    return false;
}

static int check_evidence(const struct lab *lab, const struct lab_step *step,
                          unsigned number, struct err *err)
{
    for (unsigned i = 0; i < step->evidence_count; i++) {
        const struct lab_evidence *it = &step->evidence[i];
        char path[64];
        snprintf(path, sizeof path, "steps/%u/evidence/%u", number, i + 1);
        if (!it->kind && !it->contains)
            return complain(lab, err, path,
                            "evidence wants a kind of event, or what the "
                            "frame contains");
        if (it->kind && !event_exists(it->kind))
            return complain(lab, err, path,
                            "no kind of event is called \"%.40s\"; 'mitmlab "
                            "help events' lists them",
                            it->kind);
        if (it->act && !has_act(step, it->act))
            return no_act(lab, step, it->act, path, err);
        if (it->place && check_place(lab, it->place, path, err))
            return -1;
    }
    return 0;
}

static bool same_value(const json_t *a, const json_t *b)
{
    char *one = words_value_text(a), *two = words_value_text(b);
    bool same = one && two && !strcmp(one, two);
    free(one);
    free(two);
    return same;
}

static bool is_among(const json_t *choices, const json_t *answer)
{
    for (size_t i = 0; i < count_of(choices); i++)
        if (same_value(json_array_get(choices, i), answer))
            return true;
    return false;
}

static int check_predictions(const struct lab *lab, const struct lab_step *step,
                             unsigned number, struct err *err)
{
    for (unsigned i = 0; i < step->predictions_count; i++) {
        const struct lab_prediction *it = &step->predictions[i];
        char path[64];
        snprintf(path, sizeof path, "steps/%u/predict/%u", number, i + 1);
        if (!is_among(it->choices, it->answer))
            return complain(lab, err, path,
                            "the answer is none of the choices");
        static const char *const plays[] = {"solution", "wrong"};
        for (unsigned j = 0; j < 2; j++) {
            const json_t *given =
                lab_play_prediction(lab, plays[j], number - 1, i);
            if (!given || !is_among(it->choices, given))
                return complain(lab, err, plays[j],
                                "step %u, prediction %u: what it says is none "
                                "of the choices",
                                number, i + 1);
        }
    }
    return 0;
}

static int check_trust(const struct lab *lab, const struct lab_step *step,
                       unsigned number, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "steps/%u/trust", number);
    const char *place;
    json_t *value;
    json_object_foreach(
        (json_t *)step->trust, place,
        value) if (check_place(lab, place, path, err)) return -1;
    return 0;
}

static int check_step(const struct lab *lab, unsigned number, struct err *err)
{
    const struct lab_step *step = &lab->steps[number - 1];
    for (unsigned i = 0; i < step->attacks_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "steps/%u/attacks/%u", number, i + 1);
        if (check_attack(lab, &step->attacks[i], path, err))
            return -1;
    }
    if (check_trust(lab, step, number, err) ||
        check_acts(lab, step, number, err) ||
        check_expect(lab, step, number, err) ||
        check_evidence(lab, step, number, err))
        return -1;
    return check_predictions(lab, step, number, err);
}

static int check_plays(const struct lab *lab, struct err *err)
{
    static const char *const plays[] = {"solution", "wrong"};
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < lab->questions_count; j++)
            if (!lab_play_answer(lab, plays[i], j))
                return complain(lab, err, plays[i], "%s answers no question %u",
                                plays[i], j + 1);
    if (count_of(get(lab->table, "hints")) > lab->questions_count)
        return complain(lab, err, "hints",
                        "there are more hints than "
                        "questions");
    return 0;
}

int lab_check(const struct lab *lab, struct err *err)
{
    unsigned evidence = 0;
    if (check_places(lab, err) || check_names(lab, err) ||
        check_routes(lab, err) || check_starts(lab, err))
        return -1;
    for (unsigned i = 0; i < lab->steps_count; i++) {
        if (check_step(lab, i + 1, err))
            return -1;
        evidence += lab->steps[i].evidence_count;
    }
    if (!evidence)
        return complain(lab, err, "steps",
                        "no step has evidence; every lab points at one frame "
                        "at least");
    return check_plays(lab, err);
}

int lab_check_guide(const struct lab *lab, struct err *err)
{
    char *guide = guide_read(lab->folder, err);
    if (!guide)
        return -1;
    int rc = 0;
    for (unsigned i = 0; i < lab->steps_count && !rc; i++) {
        char path[32];
        snprintf(path, sizeof path, "steps/%u", i + 1);
        if (!guide_has(guide, lab->steps[i].title))
            rc = complain(lab, err, path, "README.md has no heading \"%.80s\"",
                          lab->steps[i].title);
    }
    free(guide);
    return rc;
}
