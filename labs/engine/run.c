/* SPDX-License-Identifier: MIT
 *
 * A run from beginning to end, and what it comes to. */
#include "labs/engine/play.h"

#include "labs/engine/clock.h"
#include "labs/engine/guide.h"
#include "labs/engine/leaves.h"
#include "labs/engine/papers.h"
#include "labs/engine/quiz.h"
#include "labs/engine/signals.h"
#include "labs/engine/text.h"
#include "labs/engine/workshop.h"
#include "labs/report/report.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 2000, SYNC_MS = 2000 };

/* ---- what all parts use -------------------------------------------------- */

bool play_stopped(const struct play *play)
{
    return play->stopped_by != 0;
}

/* Has a signal come, or is the time over? Then the step may go on for a
 * little while. */
void play_note_stop(struct play *play)
{
    int64_t now = clock_ms();
    if (play->stopped_by)
        return;
    if (signals_seen()) {
        play->stopped_by = signals_seen();
        play->grace_ms = now + GRACE_MS;
    } else if (play->deadline_ms && now >= play->deadline_ms) {
        play->stopped_by = EXIT_TIMEOUT;
        play->grace_ms = now;
    }
    if (play->stopped_by)
        play->cast.interrupt_fd = -1;
}

struct waiting {
    struct play *play;
    cast_condition *done;
    void *argument;
};

static bool done_or_fallen(void *argument)
{
    struct waiting *waiting = argument;
    return waiting->done(waiting->argument) ||
           cast_fallen(&waiting->play->cast);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return b && b < a ? b : a;
}

bool play_wait(struct play *play, cast_condition *done, void *argument, int ms)
{
    struct waiting waiting = {play, done, argument};
    int64_t end = clock_ms() + ms;
    for (;;) {
        int64_t limit =
            sooner(end, play->stopped_by ? play->grace_ms : play->deadline_ms);
        if (cast_wait(&play->cast, done_or_fallen, &waiting, limit))
            return done(argument);
        play_note_stop(play);
        int64_t now = clock_ms();
        if (now >= end || (play->stopped_by && now >= play->grace_ms))
            return done(argument);
    }
}

int play_check(struct play *play, struct err *err)
{
    const struct actor *fallen = cast_fallen(&play->cast);
    if (!fallen)
        return 0;
    size_t len = buf_len(&fallen->output);
    size_t skip = len > 200 ? len - 200 : 0;
    char *said =
        term_escape(len ? buf_head(&fallen->output) + skip : (uint8_t *)"",
                    len - skip, false);
    const char *what = fallen->role == ACTOR_PROXY    ? "the proxy crashed"
                       : fallen->role == ACTOR_RECORD ? "the capture stopped"
                       : fallen->role == ACTOR_ATTACK ? "the attack crashed"
                                                      : "the server crashed";
    if (fallen->ended)
        err_code(err, EXIT_BUG, "%s: %s at %s ended with code %d%s%s", what,
                 fallen->name, fallen->place, actor_exit(fallen),
                 *said ? ": " : "", said);
    else
        err_code(err, EXIT_BUG, "%s: %s at %s no longer answers", what,
                 fallen->name, fallen->place);
    free(said);
    return -1;
}

const struct net_place *play_place(const struct play *play, const char *name)
{
    for (unsigned i = 0; i < play->plan.places_count; i++)
        if (!strcmp(play->plan.places[i].name, name))
            return &play->plan.places[i];
    return NULL;
}

const char *play_place_at(const struct play *play, const char *address)
{
    for (unsigned i = 0; i < play->plan.places_count; i++)
        if (!strcmp(play->plan.places[i].ip4, address) ||
            !strcmp(play->plan.places[i].ip6, address))
            return play->plan.places[i].name;
    return NULL;
}

int play_save(struct play *play, struct err *err)
{
    if (papers_transcript(play, err) || papers_events(play, err))
        return -1;
    return binder_write_json(&play->binder, "result.json", play->result, err);
}

int play_sync(struct play *play, struct err *err)
{
    if (capture_sync(play->capture, SYNC_MS, err)) {
        (void)play_check(play, err); /* a cause goes before its effect */
        return -1;
    }
    if (index_refresh(play->index, err))
        return -1;
    chronicle_join(&play->chronicle, play->index);
    return leaves_describe(&play->chronicle, err);
}

/* ---- beginning ----------------------------------------------------------- */

/* TLS secrets go on to the capture as they come. */
static void on_event(void *context, struct actor *actor, json_t *event)
{
    struct play *play = context;
    struct err ignored;
    if (!strcmp(event_kind(event), "tls.key") && play->capture)
        (void)capture_secret(play->capture, event_data(event, "line"),
                             &ignored);
    chronicle_add(&play->chronicle, actor, event);
}

static char *command_again(const struct play *play)
{
    const struct run_options *options = play->options;
    char *text;
    if (options->check &&
        asprintf(&text, "mitmlab check %s", play->lab->id) > 0)
        return text;
    if (asprintf(&text, "mitmlab run %s --seed %llu%s%s%s", play->lab->id,
                 (unsigned long long)options->seed,
                 options->bare ? " --bare" : "",
                 options->topology ? " --topology " : "",
                 options->topology ? options->topology : "") < 0)
        abort();
    return text;
}

static json_t *new_result(const struct play *play)
{
    const struct run_options *options = play->options;
    const json_t *claims = lab_claims(play->lab);
    char now[32], *command = command_again(play);
    clock_text(now);
    json_t *result =
        json_pack("{s:i,s:s,s:s,s:s,s:o,s:I,s:s*,s:s,s:s,s:s,s:s,s:[],s:[],s:o,"
                  "s:{s:b,s:s}}",
                  "schema", 1, "lab", play->lab->id, "title", play->lab->title,
                  "question", play->lab->question, "claims",
                  claims ? json_deep_copy(claims) : json_array(), "seed",
                  (json_int_t)options->seed, "student", options->student,
                  "status", "interrupted", "started", now, "command", command,
                  "play", options->play ? options->play : "trainee", "steps",
                  "questions", "versions", papers_versions(options), "capture",
                  "complete", false, "secrets", play->lab->secrets);
    free(command);
    return result;
}

static int begin(struct play *play, struct err *err)
{
    struct sandbox_world world = {.seed = play->options->seed};
    chronicle_open(&play->chronicle);
    cast_init(&play->cast, NULL);
    play->cast.interrupt_fd = signals_open();
    voice_open(&play->voice, play->options->talk);
    play->binder.lock = play->binder.reserve = -1;
    if (lab_load(play->options->folder, &world, &play->lab, err) ||
        stage_topology(play, err))
        return -1;
    play->guide = guide_read(play->lab->folder, err);
    if (!play->guide ||
        binder_open(play->options->out, play->lab->id, &play->binder, err))
        return -1;
    play->voice.transcript =
        open_memstream(&play->transcript, &play->transcript_len);
    play->steps = calloc(play->lab->steps_count + 1, sizeof *play->steps);
    play->result = new_result(play);
    play->cast.on_event = on_event;
    play->cast.context = play;
    if (play->options->timeout_s > 0)
        play->deadline_ms = clock_ms() + play->options->timeout_s * 1000;
    return play_save(play, err);
}

static void introduce(struct play *play)
{
    char *text = guide_introduction(play->guide);
    voice_sayf(&play->voice, 0, "", TERM_BOLD "%s  %s" TERM_PLAIN,
               play->lab->id, play->lab->title);
    voice_say(&play->voice, 0, "", play->lab->question);
    voice_gap(&play->voice);
    voice_markdown(&play->voice, text);
    voice_heading(&play->voice, "The stage");
    voice_say(&play->voice, 0, "",
              "A line such as \"victim$ command\" is a command that the lab "
              "types at that place; below it stands what it prints. \"&\" at "
              "its end: it goes on running. A line that begins with a place "
              "tells what that place did or saw, and in which frame of the "
              "capture. \">\" waits for you.");
    voice_gap(&play->voice);
    free(text);
}

/* ---- middle -------------------------------------------------------------- */

static int play_steps(struct play *play, struct err *err)
{
    for (unsigned i = 1; i <= play->lab->steps_count; i++) {
        play_note_stop(play);
        if (play_stopped(play))
            return 0;
        play->step = i;
        if (step_play(play, err) || play_check(play, err))
            return -1;
    }
    play_note_stop(play);
    return 0;
}

/* ---- the end ------------------------------------------------------------- */

struct tally {
    int right, asked;
};

static void count_right(const json_t *list, struct tally *tally)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)list, i, entry)
    {
        tally->asked++;
        tally->right += json_is_true(json_object_get(entry, "right"));
    }
}

/* What a trainee said; what is not asked any more counts as well. */
static void score(struct play *play, struct tally *predictions,
                  struct tally *questions)
{
    json_t *steps = json_object_get(play->result, "steps");
    size_t i;
    json_t *step;
    bool asked = !play->options->check;
    int most = asked ? (int)play->lab->questions_count : 0;
    json_array_foreach(steps, i, step)
        count_right(json_object_get(step, "predictions"), predictions);
    count_right(json_object_get(play->result, "questions"), questions);
    for (unsigned j = 0; asked && j < play->lab->steps_count; j++)
        most += (int)play->lab->steps[j].predictions_count;
    json_object_set_new(play->result, "score",
                        json_pack("{s:i,s:i}", "got",
                                  predictions->right + questions->right, "max",
                                  most));
}

static bool steps_passed(const struct play *play)
{
    json_t *steps = json_object_get(play->result, "steps");
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step) if (strcmp(event_member(step, "status"),
                                                  "passed") != 0) return false;
    return json_array_size(steps) == play->lab->steps_count;
}

static void set_status(struct play *play, const char *status,
                       const char *reason)
{
    json_object_set_new(play->result, "status", json_string(status));
    if (reason && *reason)
        json_object_set_new(play->result, "reason", json_string(reason));
}

/* Whoever predicts wrongly learns; whoever cannot find it in the capture has
 * not reached the goal. A lab without questions has only its predictions. */
static bool goal_reached(struct play *play)
{
    struct tally predictions = {0}, questions = {0};
    score(play, &predictions, &questions);
    if (!steps_passed(play) || play->options->check)
        return steps_passed(play);
    struct quiz_tally tally = quiz_predictions(play->result);
    if (play->lab->enough && !quiz_enough(&tally, play->lab->enough))
        return false;
    if (play->lab->enough && !play->lab->questions_count)
        return true;
    return play->lab->questions_count
               ? questions.right == (int)play->lab->questions_count
               : predictions.right == predictions.asked;
}

/* What of a step did not come about; NULL: all of it did. */
static const char *broken_promise(const json_t *step)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(step, "expectations"), i, entry)
    {
        if (!json_is_true(json_object_get(entry, "held")))
            return event_member(entry, "what");
    }
    json_array_foreach(json_object_get(step, "evidence"), i, entry)
    {
        if (!event_frame(entry))
            return event_member(entry, "what");
    }
    return NULL;
}

/* In a sentence: why the goal was not reached. free() it. */
static char *why_missed(const struct play *play)
{
    char *text;
    size_t i;
    json_t *step;
    struct tally tally = {0};
    bool asks = play->lab->questions_count > 0;
    json_array_foreach(json_object_get(play->result, "steps"), i, step)
    {
        const char *what = broken_promise(step);
        if (what &&
            asprintf(&text,
                     workshop_has(play->lab)
                         ? "In step %zu, something does not hold yet: %s."
                         : "In step %zu, not everything went as the lab "
                           "expects (%s). That is no fault of yours.",
                     i + 1, what) < 0)
            abort();
        if (what)
            return text;
        if (!asks)
            count_right(json_object_get(step, "predictions"), &tally);
    }
    if (asks)
        count_right(json_object_get(play->result, "questions"), &tally);
    struct quiz_tally all = quiz_predictions(play->result);
    if (play->lab->enough && !quiz_enough(&all, play->lab->enough)) {
        if (asprintf(&text,
                     "%d of %d predictions were right, where %u in a hundred "
                     "are enough; or else every miss must be explained.",
                     all.right, all.asked, play->lab->enough) < 0)
            abort();
        return text;
    }
    int missed = tally.asked - tally.right;
    if (asprintf(&text,
                 "%d of %d %s %s not answered rightly; all of them must be.%s",
                 missed, tally.asked, asks ? "questions" : "predictions",
                 missed == 1 ? "was" : "were",
                 asks ? " Predictions only cost points." : "") < 0)
        abort();
    return text;
}

static int conclude_missed(struct play *play)
{
    char *why = why_missed(play);
    set_status(play, "failed", why);
    free(why);
    return EXIT_GOAL_MISSED;
}

static int conclude_stopped(struct play *play)
{
    bool timeout = play->stopped_by == EXIT_TIMEOUT;
    set_status(play, "interrupted",
               timeout                       ? "The time of --timeout is over."
               : play->stopped_by == SIGTERM ? "Ended by SIGTERM."
                                             : "Ended by SIGINT (Ctrl-C).");
    return timeout ? EXIT_TIMEOUT : 128 + play->stopped_by;
}

/* Status and exit code of a run that came to its end. */
static int conclude(struct play *play, const struct err *err, int rc)
{
    bool reached = goal_reached(play);
    char now[32];
    clock_text(now);
    json_object_set_new(play->result, "ended", json_string(now));
    if (play_stopped(play))
        return conclude_stopped(play);
    if (rc && err->code != EXIT_PARTIAL) {
        set_status(play, "error", err->text);
        return err->code;
    }
    /* What is not in the capture cannot be found there. */
    if (rc || !play->counts.complete) {
        set_status(play, "partial", rc ? err->text : play->counts.why);
        return EXIT_PARTIAL;
    }
    if (!reached)
        return conclude_missed(play);
    set_status(play, "passed", NULL);
    return EXIT_OK;
}

static void note_capture(struct play *play)
{
    json_object_set_new(
        play->result, "capture",
        json_pack(
            "{s:I,s:I,s:b,s:s}", "packets", (json_int_t)play->counts.packets,
            "dropped", (json_int_t)(play->counts.dropped + play->counts.lost),
            "complete", play->counts.complete, "secrets", play->lab->secrets));
}

static const char *verdict_words(const char *status)
{
    return !strcmp(status, "passed")   ? TERM_GOOD "Goal reached." TERM_PLAIN
           : !strcmp(status, "failed") ? TERM_BAD "Goal not reached." TERM_PLAIN
           : !strcmp(status, "partial") ? "Something is incomplete."
           : !strcmp(status, "error")   ? TERM_BAD "The run failed." TERM_PLAIN
                                        : "Interrupted.";
}

/* A filter to begin with: that of the first frame of evidence. */
static const char *first_filter(const struct play *play)
{
    json_t *steps = json_object_get(play->result, "steps"), *step, *entry;
    size_t i, j;
    json_array_foreach(steps, i, step) json_array_foreach(
        json_object_get(step, "evidence"), j,
        entry) if (event_frame(entry)) return event_member(entry, "filter");
    return NULL;
}

/* Commands are not broken into lines: they are there to be copied. */
static void say_look(const struct play *play, const char *where,
                     const char *viewer, const char *filter)
{
    char *capture = text_join(where, "capture.pcapng");
    char *look = command_look(capture, viewer, filter);
    voice_lines(&play->voice, 2, look);
    free(look);
    free(capture);
}

static void say_goodbye(struct play *play, const char *where)
{
    const char *status = event_member(play->result, "status");
    const json_t *points = json_object_get(play->result, "score");
    const char *filter = first_filter(play);
    voice_heading(&play->voice, verdict_words(status));
    if (*event_member(play->result, "reason"))
        voice_say(&play->voice, 0, "", event_member(play->result, "reason"));
    if (!play->options->check)
        voice_sayf(&play->voice, 0, "score   ", "%lld of %lld",
                   event_number(points, "got"), event_number(points, "max"));
    else if (!strcmp(status, "passed"))
        voice_sayf(&play->voice, 0, "",
                   "Your repair holds. The lab is passed when it has been "
                   "played, questions and all: mitmlab run %s",
                   play->lab->id);
    voice_say(&play->voice, 0, "folder  ", where);
    voice_sayf(&play->voice, 0, "report  ", "%s/report.html", where);
    voice_say(&play->voice, 0, "again   ",
              event_member(play->result, "command"));
    if (!filter)
        return;
    voice_say(&play->voice, 0, "",
              "look at the packets, in a window or in the terminal:");
    say_look(play, where, "wireshark", filter);
    say_look(play, where, "tshark", filter);
}

/* What the guide says when all is over: defences, claims, what is next. */
static void debrief(struct play *play)
{
    const struct lab_step *last = &play->lab->steps[play->lab->steps_count - 1];
    char *text = guide_closing(play->guide, last->title);
    if (*text) {
        voice_gap(&play->voice);
        voice_markdown(&play->voice, text);
    }
    free(text);
}

/* The folder as it will be handed in. The report reads result.json, so that
 * is written before and, with the digests of all files, after it. */
static int hand_over(struct play *play, struct err *err)
{
    const char *where =
        play->binder.final ? play->binder.final : play->binder.path;
    binder_use_reserve(&play->binder);
    say_goodbye(play, where);
    if (papers_write(play, err) || play_save(play, err) ||
        report_write(play->binder.path, err))
        return -1;
    json_object_set_new(play->result, "artefacts", papers_digests(play));
    if (play_save(play, err))
        return -1;
    return binder_settle(&play->binder, err);
}

static void end(struct play *play)
{
    net_free(play->net);
    cast_free(&play->cast);
    chronicle_close(&play->chronicle);
    capture_index_free(play->index);
    ca_free(play->ca);
    ca_free(play->rogue);
    free(play->rig_roots);
    free(play->installed_roots);
    for (unsigned i = 0; play->steps && i < play->lab->steps_count; i++) {
        for (unsigned j = 0;
             play->steps[i].acts && j < play->lab->steps[i].acts_count; j++)
            free(play->steps[i].acts[j].output);
        free(play->steps[i].acts);
    }
    free(play->steps);
    if (play->voice.transcript)
        fclose(play->voice.transcript);
    free(play->transcript);
    free(play->capture_path);
    free(play->keys_path);
    free(play->guide);
    json_decref(play->result);
    binder_close(&play->binder);
    lab_free(play->lab);
}

/* A person finds the sources in a folder of his own. */
static int open_workshop(struct play *play, struct err *err)
{
    char folder[64];
    bool made;
    bool person = !play->options->play || play->options->check;
    if (workshop_has(play->lab) && !command_exists(command_real("cc"))) {
        err_set(err,
                "%s compiles C, and there is no %s here; install one (Debian, "
                "Ubuntu: apt-get install gcc libssl-dev), or name yours in $CC",
                play->lab->id, command_real("cc"));
        return -1;
    }
    if (!workshop_has(play->lab) || !person)
        return 0;
    if (workshop_make(play->lab, &made, err))
        return -1;
    workshop_folder(play->lab, folder);
    voice_sayf(&play->voice, 0, "",
               made ? "The sources for this lab lie in %s/ now."
                    : "Your sources are those in %s/.",
               folder);
    voice_gap(&play->voice);
    return 0;
}

static int whole_run(struct play *play, struct err *err)
{
    struct err other = ERR_INIT; /* a mistake on top of another one */
    if (!play->options->check)
        introduce(play);
    int rc = open_workshop(play, err) || stage_build(play, err) ? -1 : 0;
    if (!rc)
        rc = play_steps(play, err);
    bool played = !rc && !play_stopped(play);
    if (stage_strike(play, rc ? &other : err))
        rc = -1;
    note_capture(play);
    /* The certificates must be there before somebody is asked about them. */
    if (played && (papers_write(play, &other) ||
                   (!play->options->check && quiz_ask(play, &other)))) {
        *err = other;
        rc = -1;
    }
    int code = conclude(play, err, rc);
    if (played && !rc && !play->options->check)
        debrief(play);
    other = (struct err)ERR_INIT;
    if (hand_over(play, &other)) {
        fprintf(stderr, "mitmlab: %s\n", other.text);
        code = code == EXIT_OK ? other.code : code;
    }
    return code;
}

int run_lab(const struct run_options *options, struct err *err)
{
    struct play play = {.options = options};
    int code = -1;
    if (!begin(&play, err)) {
        code = whole_run(&play, err);
        if (options->json) {
            json_dumpf(play.result, stdout, JSON_COMPACT);
            putchar('\n');
        }
    }
    signals_close();
    end(&play);
    return code;
}
