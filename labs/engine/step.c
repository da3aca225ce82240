/* SPDX-License-Identifier: MIT
 *
 * One step: what is said, what is predicted, what the attacker switches on,
 * what the victim does, and what is seen of it. */
#include "labs/engine/play.h"

#include "labs/engine/clock.h"
#include "labs/engine/guide.h"
#include "labs/engine/text.h"
#include "labs/engine/words.h"
#include "labs/engine/workshop.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum { ACT_MS = 30000, SETTLE_MS = 1000, SCRIPT_MOST = 256 << 10 };

static const struct lab_step *lab_step_of(const struct play *play)
{
    return &play->lab->steps[play->step - 1];
}

static json_t *result_step(const struct play *play)
{
    return json_array_get(json_object_get(play->result, "steps"),
                          play->step - 1);
}

/* ---- predictions --------------------------------------------------------- */

/* Every prediction is sealed with a hash over the one before and itself, so
 * that none can be changed afterwards without changing all that follow. */
static void seal(struct play *play, json_t *prediction)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    const char *before = event_member(play->result, "seal");
    char *text = json_dumps(prediction, JSON_COMPACT | JSON_SORT_KEYS);
    char *whole = NULL;
    if (!text || asprintf(&whole, "%s%s", before, text) < 0)
        abort();
    SHA256((unsigned char *)whole, strlen(whole), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    json_object_set_new(prediction, "sha256", json_string(hex));
    json_object_set_new(play->result, "seal", json_string(hex));
    free(whole);
    free(text);
}

static char *predicted(struct play *play, unsigned number,
                       const struct lab_prediction *prediction)
{
    if (!play->options->play)
        return prompt_choice(play, prediction->question, prediction->choices);
    char *given = words_value_text(lab_play_prediction(
        play->lab, play->options->play, play->step - 1, number));
    voice_say(&play->voice, 0, "", prediction->question);
    voice_say(&play->voice, 0, "> ", given);
    return given;
}

static int predict(struct play *play, struct err *err)
{
    const struct lab_step *step = lab_step_of(play);
    json_t *list = json_object_get(result_step(play), "predictions");
    if (play->options->check)
        return play_save(play, err);
    if (step->predictions_count)
        voice_heading(&play->voice, "Before it happens");
    if (step->predictions_count && !play->options->play)
        voice_say(&play->voice, 0, "",
                  play->lab->enough
                      ? "(What do you expect? Type the number of your answer.)"
                      : "(What do you expect? Type the number of your answer. "
                        "A wrong one costs a point, no more.)");
    for (unsigned i = 0; i < step->predictions_count; i++) {
        const struct lab_prediction *it = &step->predictions[i];
        char *given = predicted(play, i, it);
        if (!given)
            return 0;
        json_t *entry = json_pack("{s:s,s:O,s:s,s:I}", "question", it->question,
                                  "choices", it->choices, "given", given, "t",
                                  (json_int_t)clock_stamp());
        seal(play, entry);
        json_array_append_new(list, entry);
        free(given);
    }
    return play_save(play, err);
}

/* Afterwards: what would have been right. */
static void reveal(struct play *play)
{
    const struct lab_step *step = lab_step_of(play);
    json_t *list = json_object_get(result_step(play), "predictions");
    size_t i;
    json_t *entry;
    if (json_array_size(list))
        voice_heading(&play->voice, "What you predicted");
    json_array_foreach(list, i, entry)
    {
        char *answer = words_value_text(step->predictions[i].answer);
        bool right = !strcmp(event_member(entry, "given"), answer);
        json_object_set_new(entry, "answer", json_string(answer));
        json_object_set_new(entry, "right", json_boolean(right));
        voice_sayf(&play->voice, 0, right ? "+ " : "- ",
                   "%s You said \"%s\"%s%s%s", step->predictions[i].question,
                   event_member(entry, "given"),
                   right ? ", and so it is." : "; it is \"",
                   right ? "" : answer, right ? "" : "\".");
        free(answer);
    }
}

/* ---- attacks ------------------------------------------------------------- */

/* `tail` stands behind it: "&", or a comment. */
static void show_command(struct play *play, const char *at, const char *text,
                         const char *tail)
{
    voice_sayf(&play->voice, 0, "",
               TERM_BOLD "%s$" TERM_PLAIN " %s" TERM_FAINT "%s" TERM_PLAIN, at,
               text, tail);
}

static int start_attack(struct play *play, enum actor_role role, const char *at,
                        struct command_line *line, struct err *err)
{
    char *text = command_text(line);
    show_command(play, at, text, " &");
    json_array_append_new(json_object_get(result_step(play), "attacks"),
                          json_pack("{s:s,s:s}", "at", at, "command", text));
    free(text);
    struct actor *actor =
        cast_start(&play->cast, role, at, (const char *const *)line->words,
                   command_environment(), -1, err);
    command_close(line);
    if (actor)
        return 0;
    err->code = EXIT_BUG;
    return -1;
}

/* Scripts lie in the lab's folder; the proxy reads them at its place. */
static int put_script(struct play *play, const struct lab_attack *attack,
                      struct err *err)
{
    const char *file = json_string_value(words_get(attack->words, "file"));
    char *path = text_join(play->lab->folder, file);
    size_t len;
    char *text = text_read(path, SCRIPT_MOST, &len, err);
    int rc = text ? net_put(play->net, attack->at, file, text, len, err) : -1;
    free(text);
    free(path);
    return rc;
}

static int start_proxy(struct play *play, const struct lab_step *step,
                       struct err *err)
{
    struct command_line line = {.count = 0};
    const char *at = "attacker";
    for (unsigned i = 0; i < step->attacks_count; i++)
        if (!strcmp(step->attacks[i].name, "script") &&
            put_script(play, &step->attacks[i], err))
            return -1;
    if (!command_proxy(play, step, &line))
        return 0;
    for (unsigned i = 0; i < step->attacks_count; i++)
        at = step->attacks[i].at;
    play->bent = true;
    if (stage_hosts(play, true, err) || net_bend(play->net, true, err)) {
        command_close(&line);
        return -1;
    }
    return start_attack(play, ACTOR_PROXY, at, &line, err);
}

static int start_attacks(struct play *play, struct err *err)
{
    const struct lab_step *step = lab_step_of(play);
    if (start_proxy(play, step, err))
        return -1;
    for (unsigned i = 0; i < step->attacks_count; i++) {
        struct command_line line = {.count = 0};
        if (!command_attack(play, &step->attacks[i], &line))
            continue;
        if (start_attack(play, ACTOR_ATTACK, step->attacks[i].at, &line, err))
            return -1;
    }
    return stage_await_ready(play, err);
}

static int stop_attacks(struct play *play, struct err *err)
{
    struct actor *fallen = cast_fallen(&play->cast);
    for (struct actor *it = play->cast.actors; it; it = it->next) {
        bool attack = it->role == ACTOR_PROXY || it->role == ACTOR_ATTACK;
        if (attack && !it->stopping && it != fallen)
            cast_stop(&play->cast, it);
    }
    if (!play->bent)
        return 0;
    play->bent = false;
    if (net_bend(play->net, false, err))
        return -1;
    return stage_hosts(play, false, err);
}

static int change_trust(struct play *play, struct err *err)
{
    const char *place;
    json_t *authorities;
    json_object_foreach(
        (json_t *)lab_step_of(play)->trust, place,
        authorities) if (trust_change(play, place, authorities, err)) return -1;
    return 0;
}

/* ---- acts ---------------------------------------------------------------- */

static json_t *note_act(struct play *play, const struct lab_command *act,
                        const char *command)
{
    json_t *entry =
        json_pack("{s:s,s:s,s:s,s:I}", "as", act->as, "at", act->at, "command",
                  command, "t0", (json_int_t)clock_stamp());
    json_array_append_new(json_object_get(result_step(play), "acts"), entry);
    return entry;
}

static const char *why_not(const struct play *play,
                           const struct lab_command *act, char text[160])
{
    bool real = program_find(act->program)->kind == PROGRAM_REAL;
    if (!real || !strcmp(act->program, "mitmlab"))
        return NULL;
    if (play->plan.topology == NET_BARE)
        snprintf(text, 160,
                 "with --bare only the lab's own programs run, because "
                 "nothing would hold others back");
    else if (!command_exists(command_real(act->program)))
        snprintf(text, 160, "%.40s is not installed",
                 command_real(act->program));
    else
        return NULL;
    return text;
}

static bool act_ended(void *argument)
{
    return actor_silent(argument);
}

static bool flows_ended(void *argument)
{
    const struct play *play = argument;
    for (const struct actor *it = play->cast.actors; it; it = it->next)
        if (it->open_flows && !it->ended)
            return false;
    return true;
}

/* Until all that the act has set off has come to an end. */
static void settle(struct play *play)
{
    play_wait(play, flows_ended, play, SETTLE_MS);
    for (struct actor *it = play->cast.actors; it; it = it->next)
        it->open_flows = 0;
}

/* What an exit code of our own victims means. */
static const char *exit_words(const struct play *play,
                              const struct played_act *played)
{
    static const struct {
        int code;
        const char *words;
    } rows[] = {
        {1, ": the server answered with an error"},
        {7, ": it could not connect"},
        {28, ": it waited too long"},
        {60, ": it refused the certificate"},
        {EXIT_TIMEOUT, ": it was stopped, because it did not end"},
    };
    const struct lab_step *step = lab_step_of(play);
    size_t number = (size_t)(played - play->steps[play->step - 1].acts);
    bool ours = program_find(step->acts[number].program)->kind != PROGRAM_REAL;
    for (size_t i = 0; ours && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == played->exit)
            return rows[i].words;
    return "";
}

static void keep_output(struct play *play, struct actor *actor,
                        struct played_act *played, json_t *entry)
{
    size_t len = buf_len(&actor->output);
    played->output = term_escape(
        len ? buf_head(&actor->output) : (const uint8_t *)"", len, true);
    played->exit = actor->ended ? actor_exit(actor) : EXIT_TIMEOUT;
    json_object_set_new(entry, "exit", json_integer(played->exit));
    json_object_set_new(entry, "output", json_string(played->output));
    json_object_set_new(entry, "t1", json_integer(clock_stamp()));
    if (*played->output)
        voice_output(&play->voice, 2, played->output);
    if (played->exit)
        voice_sayf(&play->voice, 2, "",
                   TERM_FAINT "(exit code %d%s)" TERM_PLAIN, played->exit,
                   exit_words(play, played));
}

static int run_act(struct play *play, const struct lab_command *act,
                   struct command_line *line, struct played_act *played,
                   json_t *entry, struct err *err)
{
    uint64_t before = index_count(play->index);
    struct actor *actor = cast_start(&play->cast, ACTOR_ACT, act->at,
                                     (const char *const *)line->words,
                                     command_environment(), -1, err);
    if (!actor)
        return -1;
    if (!play_wait(play, act_ended, actor, ACT_MS))
        cast_stop(&play->cast, actor);
    actor->stopping = true;
    settle(play);
    keep_output(play, actor, played, entry);
    if (play_check(play, err) || play_sync(play, err))
        return -1;
    played->frames = (struct frames){before + 1, index_count(play->index)};
    return 0;
}

static int play_act(struct play *play, unsigned number, struct err *err)
{
    const struct lab_command *act = &lab_step_of(play)->acts[number];
    struct played_act *played = &play->steps[play->step - 1].acts[number];
    struct command_line line = {.count = 0};
    char reason[160], name[80];
    int rc = 0;
    command_act(play, act, &line);
    char *text = command_text(&line);
    json_t *entry = note_act(play, act, text);
    const char *skip = why_not(play, act, reason);
    play->chronicle.act = act->as;
    if (number || lab_step_of(play)->attacks_count)
        voice_gap(&play->voice);
    snprintf(name, sizeof name, "  # %.60s", act->as);
    show_command(play, act->at, text,
                 lab_step_of(play)->acts_count > 1 ? name : "");
    played->act = act;
    if (skip && !act->optional && play->plan.topology != NET_BARE) {
        err_set(err, "%s is needed for this lab and %s", act->program, skip);
        rc = -1;
    } else if (skip) {
        played->skipped = true;
        json_object_set_new(entry, "skipped", json_string(skip));
        voice_sayf(&play->voice, 2, "", "left out: %s", skip);
    } else {
        rc = run_act(play, act, &line, played, entry, err);
    }
    /* What the last act set off is told when the attacks have ended, which
     * may have something to say until then. */
    if (rc || number + 1 < lab_step_of(play)->acts_count)
        tell_events(play);
    free(text);
    command_close(&line);
    return rc;
}

/* ---- the whole step ------------------------------------------------------ */

static void begin(struct play *play, char **out_after)
{
    const struct lab_step *step = lab_step_of(play);
    char *section = guide_section(play->guide, step->title), *before;
    char title[256];
    json_array_append_new(
        json_object_get(play->result, "steps"),
        json_pack("{s:s,s:s,s:s,s:I,s:[],s:[],s:[],s:[],s:[]}", "title",
                  step->title, "status", "interrupted", "guide",
                  section ? section : "", "t0", (json_int_t)clock_stamp(),
                  "attacks", "predictions", "acts", "expectations",
                  "evidence"));
    play->chronicle.step = play->step;
    play->chronicle.act = NULL;
    snprintf(title, sizeof title, "[%u/%u] %.200s", play->step,
             play->lab->steps_count, step->title);
    voice_heading(&play->voice, title);
    guide_split(section && !play->options->check ? section : "", &before,
                out_after);
    voice_gap(&play->voice);
    voice_markdown(&play->voice, before);
    free(before);
    free(section);
}

/* Before an attack: what to look at in the meantime. */
static void pause_before(struct play *play)
{
    const struct lab_step *step = lab_step_of(play);
    if (!play->options->pause || !step->attacks_count)
        return;
    voice_gap(&play->voice);
    voice_sayf(&play->voice, 0, "",
               "The attack comes next. The capture grows in %s: open it in "
               "Wireshark, or look into it with tshark -r, now and again "
               "afterwards. What will be worth a look:",
               play->capture_path);
    for (unsigned i = 0; i < step->evidence_count; i++)
        if (step->evidence[i].filter)
            voice_say(&play->voice, 2,
                      "display filter: ", step->evidence[i].filter);
    prompt_pause(play, "Press return to let it happen.");
}

static int act_out(struct play *play, struct err *err)
{
    const struct lab_step *step = lab_step_of(play);
    int rc = 0;
    voice_heading(&play->voice, "What happens");
    if ((workshop_has(play->lab) && workshop_put(play, err)) ||
        change_trust(play, err) || start_attacks(play, err))
        rc = -1;
    for (unsigned i = 0; i < step->acts_count && !rc && !play_stopped(play);
         i++)
        rc = play_act(play, i, err);
    struct err other = ERR_INIT;
    if (stop_attacks(play, rc ? &other : err))
        rc = -1;
    return rc;
}

int step_play(struct play *play, struct err *err)
{
    const struct lab_step *step = lab_step_of(play);
    struct played_step *played = &play->steps[play->step - 1];
    char *after = NULL;
    int rc = -1;
    if (play->step > 1 && !play->options->play) {
        voice_gap(&play->voice);
        prompt_pause(play, "Press return to go on.");
        if (play_stopped(play))
            return 0;
    }
    begin(play, &after);
    played->acts =
        calloc(step->acts_count ? step->acts_count : 1, sizeof *played->acts);
    played->frames.from = index_count(play->index) + 1;
    if (predict(play, err))
        goto out;
    if (!play_stopped(play))
        pause_before(play);
    if (play_stopped(play)) {
        rc = 0;
        goto out;
    }
    if (act_out(play, err) || play_sync(play, err))
        goto out;
    tell_events(play);
    played->frames.to = index_count(play->index);
    rc = judge_step(play, err);
    reveal(play);
    if (*after) {
        voice_gap(&play->voice);
        voice_markdown(&play->voice, after);
    }
out:
    json_object_set_new(result_step(play), "t1", json_integer(clock_stamp()));
    free(after);
    return play_save(play, rc ? &(struct err)ERR_INIT : err) || rc ? -1 : 0;
}
