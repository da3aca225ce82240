/* SPDX-License-Identifier: MIT
 *
 * Work that must not be trusted with this process: Lua from a lab file runs
 * in a forked child with limits on time and memory, which hands back one JSON
 * value. Limits inside Lua are not enough: a search with a malicious pattern
 * runs in C code that no hook reaches, and only a signal ends it. */
#ifndef LABS_ENGINE_JAIL_H
#define LABS_ENGINE_JAIL_H

#include "certs/err.h"

#include <jansson.h>

/* What the child does: 0 with *out_answer, or -1 with a sentence. It has all
 * of our memory as it was, and no descriptor but stdio. */
typedef int jail_task(void *argument, json_t **out_answer, struct err *err);

/* Run it and wait, 3 s at most. The answer is the caller's. -1 with what the
 * task said, or EXIT_LAB_INVALID when it was stopped; then the sentence begins
 * with `file` and the line that jail_at_line() noted last. */
int jail_run(jail_task *task, void *argument, const char *file,
             json_t **out_answer, struct err *err);

/* In the child: this line of the file runs now. */
void jail_at_line(int line);

#endif
