/* SPDX-License-Identifier: MIT
 *
 * Events for somebody who watches: with neither $MITMLAB_EVENTS_FD nor --json,
 * each event becomes a readable line on standard output. */
#ifndef LABS_CLI_NARRATE_H
#define LABS_CLI_NARRATE_H

#include "certs/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Instead of event_open(). */
int narrate_open(bool json, const char *fallback_place, struct err *err);

/* Prints what is still on its way; instead of event_close(). */
void narrate_close(void);

/* One line of an event, without its line break, for a person; free() it. NULL
 * when it is not an event. */
char *narrate_line(const char *json, size_t len);

#endif
