/* SPDX-License-Identifier: MIT
 *
 * `mitmlab proxy` in parts. Each part is one group of options in --help and
 * one file, proxy_<part>.c: it names its options, makes of what was given a
 * piece of `struct proxy_options`, and undoes that at the end. cmd_proxy.c
 * holds the order. */
#ifndef LABS_CLI_PROXY_PARTS_H
#define LABS_CLI_PROXY_PARTS_H

#include "labs/cli/cli.h"
#include "proxy/proxy.h"

/* As given on the command line; a struct for each part. */
struct proxy_wishes {
    struct {
        struct option_list listen;
        const char *upstream, *hosts;
        bool transparent;
    } ways;
    struct {
        const char *ca, *issuer, *upstream_ca, *keylog;
        const char *victim, *server, *client_cert, *client_key, *client_ca;
        struct option_list pass;
        bool insecure, mimic_defects, ask_client_cert, pass_after_refusal;
        const char *http2, *send_proxy;
    } legs;
    struct {
        struct option_list attacks, lenient, rules, rules_files;
        const char *script;
        bool strip_alt_svc;
        long long body;
    } edit;
    struct {
        const char *filter, *at;
    } hold;
    struct {
        const char *capture, *har;
        long long bodies;
    } keep;
    struct {
        bool json, trace, quiet;
        unsigned verbose;
        const char *show;
    } look;
    struct {
        long long workers, idle, lanes;
    } limits;
};

/* What was made of it, and must be undone. */
struct proxy_setup {
    struct proxy_options options;
    unsigned workers;
    struct ca *rogue, *lab;
    X509 *anchor;
    struct attack_run *runs[PROXY_HOOKS_MOST];
    unsigned runs_count;
    struct hook *hooks[PROXY_HOOKS_MOST];
    struct rules *rules;
    struct script *script;
    struct hold *hold;
    struct hold_desk *desk;
    struct proxy_look *eye;  /* of proxy_look.c */
    struct proxy_keep *keep; /* of proxy_keep.c */
    int late;                /* exit code of the first thing that could not
                                be kept, and was said; 0: nothing */
    bool intercepts;
};

/* Rows of the option table, in the order of --help. */
struct option_rows {
    struct option row[96];
    unsigned count;
};

static inline void option_row(struct option_rows *rows, struct option option)
{
    rows->row[rows->count++] = option;
}

struct proxy_part {
    const char *title; /* of the group in --help */
    /* Append rows whose targets are in `wishes`. */
    void (*rows)(struct proxy_wishes *wishes, struct option_rows *rows);
    /* -1 with a sentence; undo() is called all the same. */
    int (*take)(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err);
    void (*undo)(struct proxy_setup *setup); /* NULL: nothing to undo */
};

extern const struct proxy_part proxy_part_ways;   /* how victims come in */
extern const struct proxy_part proxy_part_legs;   /* TLS on both legs */
extern const struct proxy_part proxy_part_edit;   /* what becomes of traffic */
extern const struct proxy_part proxy_part_hold;   /* what waits for a person */
extern const struct proxy_part proxy_part_look;   /* what is seen of it */
extern const struct proxy_part proxy_part_keep;   /* what is left of it */
extern const struct proxy_part proxy_part_limits; /* how much of it */

/* Something could not be written or kept: say it now, and end with its code
 * when the end comes. */
void proxy_note_late(struct proxy_setup *setup, const struct err *err);

/* It has begun: say where, with what, and name the columns. */
void proxy_greet(const struct proxy_setup *setup, const struct way_in *ways);

/* Lines go out; once a second. Where nobody reads them any more, that is the
 * end: `mitmlab proxy | head` comes back. */
void proxy_look_flush(struct proxy_setup *setup);

/* What is to be kept goes to its file; once a second. */
void proxy_keep_flush(const struct proxy_setup *setup);

#endif
