/* SPDX-License-Identifier: MIT
 *
 * An attack: something that a lab can name and the attacker switch on. It
 * either sits in the proxy and edits what passes (ATTACK_HOOK: `mitmlab proxy
 * --attack NAME,key=value`) or reads and moves packets in a program of its own
 * (ATTACK_PACKETS: `mitmlab attack NAME key=value`). attacks.def lists all;
 * each is one file. */
#ifndef ATTACKS_ATTACK_H
#define ATTACKS_ATTACK_H

#include "certs/err.h"
#include "proxy/base/arena.h"
#include "proxy/hook.h"

#include <stdbool.h>
#include <uv.h>

struct attack_run;
struct forge_signers;

enum attack_kind { ATTACK_HOOK, ATTACK_PACKETS };
enum { ATTACK_PARAMS_MOST = 8 };

/* A row; a table ends with a row whose name is NULL. */
struct attack_param {
    const char *name;     /* "in" */
    const char *value;    /* "TEXT" for help; "a|b|c": one of these only */
    const char *fallback; /* when it is not given; NULL: nothing */
    const char *sentence;
    bool required;
};

struct attack {
    const char *name;    /* as in lab.lua: "forged-cert" */
    const char *teaches; /* one sentence for `mitmlab attack` */
    enum attack_kind kind;
    const struct attack_param *params;
    /* Check the values; fill run->hook (ATTACK_HOOK) or start watching
     * run->loop (ATTACK_PACKETS). -1: nothing is left behind. */
    int (*start)(struct attack_run *run, struct err *err);
    /* Undo what start() did outside run->arena. NULL: nothing to undo. */
    void (*stop)(struct attack_run *run);
};

/* What the program that starts an attack lends to it, until attack_stop(). */
struct attack_env {
    enum attack_kind kind;               /* which kind this program can host */
    const struct forge_signers *signers; /* ATTACK_HOOK; NULL: none */
    uv_loop_t *loop;                     /* ATTACK_PACKETS */
};

/* One attack that is switched on. */
struct attack_run {
    const struct attack *attack;
    const char *values[ATTACK_PARAMS_MOST]; /* in the order of its params */
    struct attack_env env;
    struct hook hook;   /* ATTACK_HOOK: give its address to the proxy */
    void *state;        /* the attack's own */
    struct err failure; /* set, and the loop stopped, when it cannot go on */
    struct arena arena; /* for what lives as long as the run */
};

const struct attack *attack_find(const char *name); /* NULL: unknown */
const struct attack *attack_at(unsigned index);     /* NULL behind the last */

/* Switch one on. `spec` is "NAME,key=value,...": only the first '=' of a part
 * splits, and "\," is a comma inside a value. -1 with a sentence: unknown name
 * or key (with the nearest known one), a value that is missing or not allowed,
 * a kind that this program cannot host, or what the attack itself says. */
int attack_start(const char *spec, const struct attack_env *env,
                 struct attack_run **out, struct err *err);

/* The same from separate words, as a shell hands them over: "NAME",
 * "key=value"; commas and backslashes mean themselves. */
int attack_start_words(const char *const *words, unsigned count,
                       const struct attack_env *env, struct attack_run **out,
                       struct err *err);

/* Write the event attack.start; after the program's `ready`. */
void attack_announce(const struct attack_run *run);

void attack_stop(struct attack_run *run);

/* For the attacks themselves: the value of a parameter, as given or its
 * fallback; NULL when it has neither. Lives as long as the run. */
const char *attack_value(const struct attack_run *run, const char *param);
bool attack_value_is(const struct attack_run *run, const char *param,
                     const char *value);

#endif
