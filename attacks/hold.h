/* SPDX-License-Identifier: MIT
 *
 * Messages that are stopped until somebody has looked at them, edited them,
 * and let them go. The hook stops what a filter chooses, on the threads of the
 * proxy; the commands come from a thread of their own and never make a loop
 * wait. What is held is a copy, so nobody edits what another thread may free;
 * it becomes the message when it goes on. A filter that speaks of `kind` stops
 * messages of WebSockets, too, which are bodies without a head. Questions of
 * DNS are never held: who asks waits some seconds only, and asks again.
 *
 *   list                   what is held
 *   show N                 number N as a text
 *   set N header A b       and the other actions of rules, on number N:
 *   replace N OLD NEW      set, replace, remove, answer
 *   go N|all               send it on as it is now
 *   drop N|all             reset both connections instead
 *   filter [FILTER|off]    what is stopped from now on
 *
 * Two more are for programs: `get N` is `show` without escapes, and
 * `put N` takes a text that somebody edited (hold_put()). */
#ifndef ATTACKS_HOLD_H
#define ATTACKS_HOLD_H

#include "certs/err.h"
#include "proxy/base/buf.h"
#include "proxy/hook.h"

struct hold;

/* Something happened that a person wants to read: one line, without a break,
 * made of safe letters. From any thread, one at a time. */
typedef void hold_notice(void *context, const char *line);

/* `filter` as in proxy/filter.h; NULL or "off": nothing is stopped yet. */
int hold_new(const char *filter, hold_notice *notice, void *context,
             struct hold **out, struct err *err);
/* After the proxy and whoever sends commands have stopped. */
void hold_free(struct hold *hold);
struct hook *hold_hook(struct hold *hold); /* borrowed */

/* One command line; what it says is appended to `out`. From any thread but
 * those of the proxy. -1 with a sentence. */
int hold_command(struct hold *hold, const char *line, struct buf *out,
                 struct err *err);

/* Number `number` becomes what this text says (message_text.h). */
int hold_put(struct hold *hold, unsigned number, const char *text, size_t len,
             struct err *err);

/* "edit 3", "edit" (the only one that is held): its number, or 0 with a
 * sentence when there is none. */
unsigned hold_which(struct hold *hold, const char *word, struct err *err);

#endif
