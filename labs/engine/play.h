/* SPDX-License-Identifier: MIT
 *
 * A run while it goes on: what run.c, stage.c, step.c, judge.c and quiz.c
 * share. run.h is the door from outside. */
#ifndef LABS_ENGINE_PLAY_H
#define LABS_ENGINE_PLAY_H

#include "certs/ca.h"
#include "labs/engine/binder.h"
#include "labs/engine/cast.h"
#include "labs/engine/chronicle.h"
#include "labs/engine/lab.h"
#include "labs/engine/run.h"
#include "labs/engine/voice.h"
#include "labs/net/net.h"
#include "proxy/capture/capture.h"
#include "proxy/capture/index.h"

/* Frames from .. to of the capture; 0, 0: none. */
struct frames {
    uint64_t from, to;
};

/* What was seen of an act. */
struct played_act {
    const struct lab_command *act;
    bool skipped;
    int exit;
    char *output; /* escaped */
    struct frames frames;
};

struct played_step {
    struct played_act *acts; /* as many as the lab's step has */
    struct frames frames;
    json_t *evidence; /* as in result.json; borrowed from the result */
    bool judged;
};

struct play {
    const struct run_options *options;
    struct lab *lab;
    char *guide;
    struct voice voice;
    char *transcript; /* what voice.transcript has collected */
    size_t transcript_len;
    struct binder binder;
    json_t *result;

    struct net_plan plan;
    struct net *net;
    struct cast cast;
    struct capture *capture;
    struct capture_counts counts;
    struct capture_index *index;
    char *capture_path, *keys_path;
    struct actor *recorder; /* who feeds the capture */
    struct ca *ca, *rogue;
    char *rig_roots, *installed_roots; /* PEM that the rigs told; NULL: none */
    struct chronicle chronicle;
    bool bent; /* the victim's way leads through the attacker */

    struct played_step *steps; /* as many as the lab has */
    unsigned step;             /* the number of the one that is played, 1 ... */

    int64_t deadline_ms; /* of the whole run; 0: none */
    int64_t grace_ms;    /* until when the step may go on after a signal */
    int stopped_by;      /* a signal; EXIT_TIMEOUT; 0 */
};

/* As cast_wait(), for at most `ms`. A signal, or the end of the time that
 * --timeout gives, is noted in stopped_by and leaves two seconds. */
bool play_wait(struct play *play, cast_condition *done, void *argument, int ms);
bool play_stopped(const struct play *play);
void play_note_stop(struct play *play);

/* -1 with EXIT_BUG when a program that must run does not. */
int play_check(struct play *play, struct err *err);

/* The place's address, or NULL. */
const struct net_place *play_place(const struct play *play, const char *name);

/* The place that has this address, or NULL. */
const char *play_place_at(const struct play *play, const char *address);

/* Write result.json as it is now. */
int play_save(struct play *play, struct err *err);

/* Everything that has crossed the wire is in the index, and every event that
 * can be is tied to its frame. */
int play_sync(struct play *play, struct err *err);

/* ---- the stage: stage.c -------------------------------------------------- */

/* Decide on what network the run takes place; before anything is built. */
int stage_topology(struct play *play, struct err *err);

/* Places, certificates, files, capture and servers. */
int stage_build(struct play *play, struct err *err);

/* Every server and attack that was started listens. */
int stage_await_ready(struct play *play, struct err *err);

/* The servers end, the capture is finished. */
int stage_strike(struct play *play, struct err *err);

/* The table of names of every place, while the attacker is on the path or
 * not. */
int stage_hosts(struct play *play, bool bent, struct err *err);

/* The port that a server listens on here (bare: 8000 more). */
int stage_port(const struct play *play, int port);

/* Ports of all servers, for who wants to stand before them. */
unsigned stage_ports(const struct play *play, int *out, unsigned most);

/* ---- certificates and keys: trust.c -------------------------------------- */

/* Make the run's authorities and put certificates, keys and trust.pem where
 * they belong. */
int trust_put(struct play *play, struct err *err);

/* The servers are ready: whom rigs among them want trusted is trusted at every
 * place, besides the lab's CA. */
int trust_rigs(struct play *play, struct err *err);

/* Put these authorities into a place's trust.pem, and say so. */
int trust_change(struct play *play, const char *place,
                 const json_t *authorities, struct err *err);

/* Does any forgery of the lab need the lab's CA as an accomplice? */
bool trust_accomplice(const struct lab *lab);

/* ---- what the CA says of a server's certificate: standing.c --------------- */

/* What goes into it when it is issued. `url` is room for the URL in it. */
struct ca_standing standing_wanted(const struct play *play,
                                   const struct lab_command *start,
                                   char url[256]);

/* The signed answer (OCSP), as NAME.ocsp, to its server and to whoever answers
 * for the CA; and a list of what was revoked, as lab.crl, to every place. */
int standing_put(struct play *play, const struct lab_command *start, X509 *leaf,
                 struct err *err);

/* ---- command lines: command.c -------------------------------------------- */

enum { COMMAND_WORDS_MOST = 96 };

/* Words of a command line; free with command_close(). */
struct command_line {
    char *words[COMMAND_WORDS_MOST + 1];
    unsigned count;
};
void command_word(struct command_line *line, const char *word);
void command_wordf(struct command_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void command_close(struct command_line *line);

/* As a trainee would type it, quoted for a shell; free() it. */
char *command_text(const struct command_line *line);

/* The line that shows what a display filter selects in a capture, with
 * "wireshark" or "tshark"; free() it. */
char *command_look(const char *capture, const char *viewer, const char *filter);

/* The lines for a server, an act, the proxy of a step (false: it needs none)
 * and one attack that moves packets (false: it is one for the proxy). */
void command_server(struct play *play, const struct lab_command *start,
                    struct command_line *out);
void command_act(struct play *play, const struct lab_command *act,
                 struct command_line *out);
bool command_proxy(struct play *play, const struct lab_step *step,
                   struct command_line *out);
bool command_attack(struct play *play, const struct lab_attack *attack,
                    struct command_line *out);

/* Variables of every program: PATH begins with the folder of the victims. */
const char *const *command_environment(void);

/* Is it a program of ours, or installed? */
bool command_exists(const char *program);

/* What is started for a program of the lab file: for "cc", $CC. Borrowed. */
const char *command_real(const char *program);

/* ---- people: prompt.c ---------------------------------------------------- */

/* A choice, or a line of text; free() it. NULL: the person has gone, or a
 * signal came (stopped_by says so). */
char *prompt_choice(struct play *play, const char *question,
                    const json_t *choices);
char *prompt_text(struct play *play, const char *question);

/* Wait for the return key. */
void prompt_pause(struct play *play, const char *text);

/* ---- what is told: tell.c ------------------------------------------------ */

/* Say the events that were not told yet, by time, one line each. */
void tell_events(struct play *play);

/* ---- steps and judgement ------------------------------------------------- */

/* Play one step. -1 when the run cannot go on; then the step says why. */
int step_play(struct play *play, struct err *err);

/* Evidence and expectations of the step that was just played. */
int judge_step(struct play *play, struct err *err);

/* The right answers to all questions, as text; free() each. */
int judge_answers(struct play *play, char **out, struct err *err);

/* Ask the questions at the end. */
int quiz_ask(struct play *play, struct err *err);

#endif
