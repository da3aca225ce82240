/* SPDX-License-Identifier: MIT
 *
 * What a run says: to the terminal, in its width and colours, and to
 * transcript.txt, 80 columns wide and without colours. */
#ifndef LABS_ENGINE_VOICE_H
#define LABS_ENGINE_VOICE_H

#include "labs/cli/term.h"

#include <stdio.h>

struct voice {
    FILE *out;        /* NULL: nobody listens */
    FILE *transcript; /* NULL: none yet */
    struct term term;
};

/* Speak to this stream. */
void voice_open(struct voice *voice, FILE *out);

/* A paragraph, broken into lines; style marks of term.h may stand in it. */
void voice_say(const struct voice *voice, unsigned indent, const char *head,
               const char *text);
void voice_sayf(const struct voice *voice, unsigned indent, const char *head,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Lines as they are, not broken, each indented. */
void voice_lines(const struct voice *voice, unsigned indent, const char *text);

/* What a program printed: lines that stay lines; one that is too long goes on
 * below, indented a little more. */
void voice_output(const struct voice *voice, unsigned indent, const char *text);

void voice_gap(const struct voice *voice);
void voice_heading(const struct voice *voice, const char *text);
void voice_markdown(const struct voice *voice, const char *text);

#endif
