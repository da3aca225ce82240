/* SPDX-License-Identifier: MIT
 *
 * From the checked table to struct lab. What is checked beyond the words is
 * in lab_check.c. */
#include "labs/engine/lab.h"

#include "labs/engine/jail.h"
#include "labs/engine/text.h"
#include "labs/engine/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_MOST = 256 << 10 };

/* ---- taking the table apart ---------------------------------------------- */

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

/* Room for the entries of a list; *out_count is how many. */
static void *entries_of(const json_t *list, unsigned *out_count, size_t size)
{
    *out_count = (unsigned)count_of(list);
    return *out_count ? calloc(*out_count, size) : NULL;
}

static void take_command(const char *table, const json_t *words,
                         struct lab_command *out)
{
    out->words = words;
    out->program = text(table, words, "1");
    out->at = text(table, words, "at");
    out->as = text("act", words, "as");
    if (!out->as)
        out->as = out->program;
    out->optional = words_yes("act", words, "optional");
}

static void take_attacks(const json_t *list, struct lab_step *step)
{
    step->attacks =
        entries_of(list, &step->attacks_count, sizeof *step->attacks);
    for (unsigned i = 0; i < step->attacks_count; i++) {
        const json_t *words = json_array_get(list, i);
        step->attacks[i] = (struct lab_attack){
            text("attack", words, "1"), text("attack", words, "at"), words};
    }
}

static void take_predictions(const json_t *list, struct lab_step *step)
{
    step->predictions =
        entries_of(list, &step->predictions_count, sizeof *step->predictions);
    for (unsigned i = 0; i < step->predictions_count; i++) {
        const json_t *words = json_array_get(list, i);
        step->predictions[i] = (struct lab_prediction){
            text("prediction", words, "1"), get(words, "2"),
            get(words, "answer"), text("prediction", words, "because")};
    }
}

static void take_acts(const json_t *list, struct lab_step *step)
{
    step->acts = entries_of(list, &step->acts_count, sizeof *step->acts);
    for (unsigned i = 0; i < step->acts_count; i++)
        take_command("act", json_array_get(list, i), &step->acts[i]);
}

/* What is said about acts comes in the order of the acts, then the checks. */
static void take_expectations(const json_t *expect, struct lab_step *step)
{
    size_t most = json_is_array(expect) ? json_array_size(expect)
                                        : json_object_size(expect);
    step->expectations = most ? calloc(most, sizeof *step->expectations) : NULL;
    for (unsigned i = 0; i < step->acts_count && json_is_object(expect); i++) {
        const json_t *words = get(expect, step->acts[i].as);
        if (words)
            step->expectations[step->expectations_count++] =
                (struct lab_expectation){.act = step->acts[i].as,
                                         .words = words};
    }
    for (unsigned i = 1; i <= most; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        const json_t *words = get(expect, key);
        if (words)
            step->expectations[step->expectations_count++] =
                (struct lab_expectation){.words = words,
                                         .position = i,
                                         .says = text("check", words, "1")};
    }
}

static void take_evidence(const json_t *list, struct lab_step *step)
{
    step->evidence =
        entries_of(list, &step->evidence_count, sizeof *step->evidence);
    for (unsigned i = 0; i < step->evidence_count; i++) {
        const json_t *words = json_array_get(list, i);
        const json_t *contains = get(words, "contains");
        step->evidence[i] = (struct lab_evidence){
            .what = text("evidence", words, "1"),
            .act = text("evidence", words, "act"),
            .kind = text("evidence", words, "kind"),
            .place = text("evidence", words, "place"),
            .leg = text("evidence", words, "leg"),
            .filter = text("evidence", words, "filter"),
            .contains = contains ? words_value_text(contains) : NULL,
            .data = get(words, "data"),
        };
    }
}

static void take_step(const json_t *words, struct lab_step *step)
{
    step->title = text("step", words, "1");
    step->trust = get(words, "trust");
    take_attacks(get(words, "attacks"), step);
    take_predictions(get(words, "predict"), step);
    take_acts(get(words, "act"), step);
    take_expectations(get(words, "expect"), step);
    take_evidence(get(words, "evidence"), step);
}

static void take_topologies(const json_t *list, struct lab *lab)
{
    size_t most = sizeof lab->topologies / sizeof *lab->topologies;
    for (size_t i = 0; i < count_of(list) && i < most; i++)
        lab->topologies[lab->topologies_count++] =
            json_string_value(json_array_get(list, i));
    if (!lab->topologies_count)
        lab->topologies[lab->topologies_count++] = "switch";
}

static void take_questions(const json_t *list, struct lab *lab)
{
    lab->questions =
        entries_of(list, &lab->questions_count, sizeof *lab->questions);
    for (unsigned i = 0; i < lab->questions_count; i++) {
        const json_t *words = json_array_get(list, i);
        lab->questions[i] =
            (struct lab_question){text("question", words, "1"),
                                  get(words, "choices"), get(words, "2")};
    }
}

static void take_lab(struct lab *lab)
{
    const json_t *table = lab->table;
    lab->title = text("lab", table, "title");
    lab->question = text("lab", table, "question");
    lab->secrets = text("lab", table, "secrets");
    lab->minutes = (unsigned)words_number("lab", table, "minutes");
    lab->enough = (unsigned)words_number("lab", lab->table, "enough");
    lab->bare = words_yes("lab", table, "bare");
    take_topologies(get(table, "topology"), lab);
    const json_t *starts = get(table, "start"), *steps = get(table, "steps");
    lab->starts = entries_of(starts, &lab->starts_count, sizeof *lab->starts);
    for (unsigned i = 0; i < lab->starts_count; i++)
        take_command("start", json_array_get(starts, i), &lab->starts[i]);
    lab->steps = entries_of(steps, &lab->steps_count, sizeof *lab->steps);
    for (unsigned i = 0; i < lab->steps_count; i++)
        take_step(json_array_get(steps, i), &lab->steps[i]);
    take_questions(get(table, "questions"), lab);
}

/* ---- loading ------------------------------------------------------------- */

struct reading {
    const char *source;
    size_t len;
    const struct sandbox_world *world;
};

static int read_table(void *argument, json_t **out, struct err *err)
{
    const struct reading *reading = argument;
    struct sandbox *sandbox;
    if (sandbox_open(reading->source, reading->len, reading->world, &sandbox,
                     err))
        return -1;
    *out = sandbox_to_json(sandbox_lua(sandbox), -1, err);
    sandbox_free(sandbox);
    return *out ? 0 : -1;
}

/* "labs/03-the-page" is lab03, any other folder is called as it is. */
static void name_lab(struct lab *lab)
{
    char *real = realpath(lab->folder, NULL);
    const char *path = real ? real : lab->folder;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (isdigit((unsigned char)name[0]) && isdigit((unsigned char)name[1]) &&
        name[2] == '-')
        snprintf(lab->id, sizeof lab->id, "lab%.2s", name);
    else
        snprintf(lab->id, sizeof lab->id, "%.15s", name);
    free(real);
}

static int take(struct lab *lab, struct err *err)
{
    if (words_check(lab->table, lab->source, err))
        return -1;
    take_lab(lab);
    return lab_check(lab, err);
}

int lab_load(const char *folder, const struct sandbox_world *world,
             struct lab **out, struct err *err)
{
    struct lab *lab = calloc(1, sizeof *lab);
    lab->folder = strdup(folder);
    name_lab(lab);
    char *path = text_join(folder, "lab.lua");
    lab->source = text_read(path, SOURCE_MOST, &lab->source_len, err);
    free(path);
    struct reading reading = {lab->source, lab->source_len, world};
    if (!lab->source ||
        jail_run(read_table, &reading, "lab.lua", &lab->table, err) ||
        take(lab, err) || lab_check_guide(lab, err)) {
        err_prefix(err, "%s", lab->id);
        lab_free(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

int lab_load_text(const char *text, size_t len, struct lab **out,
                  struct err *err)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct sandbox_world world = {0};
    lab->source = strndup(text, len);
    struct reading reading = {lab->source, strlen(lab->source), &world};
    if (read_table(&reading, &lab->table, err) || take(lab, err)) {
        lab_free(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

static void free_step(struct lab_step *step)
{
    for (unsigned i = 0; i < step->evidence_count; i++)
        free(step->evidence[i].contains);
    free(step->attacks);
    free(step->predictions);
    free(step->acts);
    free(step->expectations);
    free(step->evidence);
}

void lab_free(struct lab *lab)
{
    if (!lab)
        return;
    for (unsigned i = 0; i < lab->steps_count; i++)
        free_step(&lab->steps[i]);
    free(lab->steps);
    free(lab->starts);
    free(lab->questions);
    json_decref(lab->table);
    free(lab->source);
    free(lab->folder);
    free(lab);
}

/* ---- lists --------------------------------------------------------------- */

const json_t *lab_places(const struct lab *lab)
{
    return get(lab->table, "places");
}

const json_t *lab_names(const struct lab *lab)
{
    return get(lab->table, "names");
}

const json_t *lab_routes(const struct lab *lab)
{
    return get(lab->table, "route");
}

const json_t *lab_claims(const struct lab *lab)
{
    return get(lab->table, "claims");
}

const char *lab_hint(const struct lab *lab, unsigned question, unsigned grade)
{
    if (!question || !grade)
        return NULL;
    const json_t *grades =
        json_array_get(get(lab->table, "hints"), question - 1);
    return json_string_value(json_array_get(grades, grade - 1));
}

const json_t *lab_play_prediction(const struct lab *lab, const char *play,
                                  unsigned step, unsigned prediction)
{
    const json_t *rounds = get(get(lab->table, play), "predict");
    return json_array_get(json_array_get(rounds, step), prediction);
}

const json_t *lab_play_answer(const struct lab *lab, const char *play,
                              unsigned question)
{
    return json_array_get(get(get(lab->table, play), "answers"), question);
}
