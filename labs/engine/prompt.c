/* SPDX-License-Identifier: MIT
 *
 * Asks a person. The terminal itself does the editing of lines. */
#include "labs/engine/play.h"

#include "labs/engine/clock.h"
#include "labs/engine/words.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 512 };

/* The person has gone: the run ends as if it had been interrupted. */
static void gone(struct play *play)
{
    play_note_stop(play);
    if (!play->stopped_by)
        play->stopped_by = SIGINT;
}

/* Until when to wait, for poll(2). */
static int patience(const struct play *play)
{
    if (!play->deadline_ms)
        return -1;
    int64_t left = play->deadline_ms - clock_ms();
    return left < 0 ? 0 : left < 1000000 ? (int)left : 1000000;
}

/* True when there is something to read; false on a signal, or when the time of
 * --timeout is over. */
static bool await_key(struct play *play)
{
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0},
                            {play->cast.interrupt_fd, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, patience(play)) < 0 && errno != EINTR)
            return false;
        play_note_stop(play);
        if (play_stopped(play))
            return false;
        if (fds[0].revents)
            return true;
    }
}

/* A line without its end; false at the end of input or on a signal. */
static bool read_line(struct play *play, char line[LINE_MOST])
{
    size_t len = 0;
    for (;;) {
        char c;
        if (!await_key(play))
            return false;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got <= 0)
            return false;
        if (c == '\n')
            break;
        if (len < LINE_MOST - 1)
            line[len++] = c;
    }
    line[len] = '\0';
    return true;
}

static void trim(char *line)
{
    size_t skip = strspn(line, " \t\r"), len = strlen(line);
    while (len > skip && strchr(" \t\r", line[len - 1]))
        line[--len] = '\0';
    memmove(line, line + skip, len - skip + 1);
}

/* Ask until something is written. */
static bool ask_line(struct play *play, char line[LINE_MOST])
{
    do {
        fputs("> ", play->voice.out);
        fflush(play->voice.out);
        if (!read_line(play, line)) {
            fputc('\n', play->voice.out);
            gone(play);
            return false;
        }
        trim(line);
    } while (!*line);
    if (play->voice.transcript)
        fprintf(play->voice.transcript, "> %s\n", line);
    return true;
}

char *prompt_text(struct play *play, const char *question)
{
    char line[LINE_MOST];
    if (question)
        voice_say(&play->voice, 0, "", question);
    return ask_line(play, line) ? strdup(line) : NULL;
}

/* The choice that was meant: its number, or its words. */
static char *match(const json_t *choices, const char *line)
{
    size_t i;
    json_t *item;
    char *end;
    unsigned long number = strtoul(line, &end, 10);
    if (!*end && number >= 1 && number <= json_array_size(choices))
        return words_value_text(json_array_get(choices, number - 1));
    json_array_foreach((json_t *)choices, i, item)
    {
        char *text = words_value_text(item);
        if (!strcasecmp(text, line))
            return text;
        free(text);
    }
    return NULL;
}

char *prompt_choice(struct play *play, const char *question,
                    const json_t *choices)
{
    size_t i;
    json_t *item;
    char line[LINE_MOST];
    voice_say(&play->voice, 0, "", question);
    json_array_foreach((json_t *)choices, i, item)
    {
        char head[32], *text = words_value_text(item);
        snprintf(head, sizeof head, "%zu) ", i + 1);
        voice_say(&play->voice, 2, head, text);
        free(text);
    }
    while (ask_line(play, line)) {
        char *choice = match(choices, line);
        if (choice)
            return choice;
        voice_sayf(&play->voice, 0, "", "Type a number from 1 to %zu.",
                   json_array_size(choices));
    }
    return NULL;
}

void prompt_pause(struct play *play, const char *text)
{
    char line[LINE_MOST];
    voice_say(&play->voice, 0, "", text);
    if (!read_line(play, line))
        gone(play);
}
