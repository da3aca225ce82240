/* SPDX-License-Identifier: MIT
 *
 * All events of a run, in the order in which they were read, each with the
 * step and the act that it belongs to. An event of a connection belongs to the
 * act during which that connection was opened, however late it comes. */
#ifndef LABS_ENGINE_CHRONICLE_H
#define LABS_ENGINE_CHRONICLE_H

#include "labs/engine/cast.h"
#include "labs/net/net.h"
#include "proxy/capture/index.h"

#include <jansson.h>
#include <stdbool.h>

struct chronicle {
    json_t *events;
    json_t *flows; /* "src:port>dst:port" -> {"step", "act"} */
    json_t *ended; /* those of them that somebody saw end */
    unsigned step;
    const char *act; /* that is played; NULL: none */
    size_t told;     /* events before this one have been told */
};

void chronicle_open(struct chronicle *chronicle);
void chronicle_close(struct chronicle *chronicle);

/* Keep an event; it gets "step", "act", "program" and "role". */
void chronicle_add(struct chronicle *chronicle, const struct actor *actor,
                   json_t *event);

/* Tie events to frames: those that name a place in a stream get "frame". */
void chronicle_join(struct chronicle *chronicle,
                    const struct capture_index *index);

/* Members of an event; "" and 0 when absent. */
const char *event_kind(const json_t *event);
const char *event_member(const json_t *event, const char *key);
const char *event_data(const json_t *event, const char *key);
long long event_number(const json_t *event, const char *key);
bool event_tuple(const json_t *event, struct index_tuple *out);
uint64_t event_frame(const json_t *event);

/* Does it belong to this step (0: any) and act (NULL: any)? */
bool event_belongs(const json_t *event, unsigned step, const char *act);

/* Does some text in its data contain `text` (bytes)? */
bool event_mentions(const json_t *event, const char *text);

/* All events as JSON lines, by time; free() it. */
char *chronicle_text(const struct chronicle *chronicle, size_t *out_len);

#endif
