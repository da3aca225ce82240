/* SPDX-License-Identifier: MIT
 *
 * Everything is said twice: to the terminal and to the transcript. */
#include "labs/engine/voice.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct term paper = {.width = 80, .colour = false, .utf8 = true};

void voice_open(struct voice *voice, FILE *out)
{
    *voice = (struct voice){.out = out};
    term_look(&voice->term, fileno(out));
}

void voice_say(const struct voice *voice, unsigned indent, const char *head,
               const char *text)
{
    if (voice->out) {
        term_flow(voice->out, &voice->term, text, indent, head);
        fflush(voice->out);
    }
    if (voice->transcript)
        term_flow(voice->transcript, &paper, text, indent, head);
}

void voice_sayf(const struct voice *voice, unsigned indent, const char *head,
                const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    voice_say(voice, indent, head, text);
    free(text);
}

static void lines(FILE *out, const struct term *term, unsigned indent,
                  const char *text)
{
    while (out && *text) {
        size_t len = strcspn(text, "\n");
        char *line = strndup(text, len);
        fprintf(out, "%*s", (int)indent, "");
        term_line(out, term, line ? line : "");
        fputc('\n', out);
        free(line);
        text += len + (text[len] == '\n');
    }
}

void voice_lines(const struct voice *voice, unsigned indent, const char *text)
{
    lines(voice->out, &voice->term, indent, text);
    lines(voice->transcript, &paper, indent, text);
    if (voice->out)
        fflush(voice->out);
}

/* The first two letters of a line serve as its head, so that what follows on
 * other lines stands two columns further in. */
void voice_output(const struct voice *voice, unsigned indent, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), first = len < 2 ? len : 2;
        char head[3] = "", *rest = strndup(text + first, len - first);
        memcpy(head, text, first);
        if (rest && *rest)
            voice_say(voice, indent, head, rest);
        else
            voice_lines(voice, indent, *head ? head : "\n");
        free(rest);
        text += len + (text[len] == '\n');
    }
}

void voice_gap(const struct voice *voice)
{
    if (voice->out)
        fputc('\n', voice->out);
    if (voice->transcript)
        fputc('\n', voice->transcript);
}

void voice_heading(const struct voice *voice, const char *text)
{
    voice_gap(voice);
    voice_sayf(voice, 0, "", TERM_BOLD "%s" TERM_PLAIN, text);
}

void voice_markdown(const struct voice *voice, const char *text)
{
    if (voice->out)
        term_markdown(voice->out, &voice->term, text);
    if (voice->transcript)
        term_markdown(voice->transcript, &paper, text);
}
