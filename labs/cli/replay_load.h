/* SPDX-License-Identifier: MIT
 *
 * Where `mitmlab replay` takes its flows from: a HAR, or our events, which a
 * capture of `mitmlab proxy -w` and the folder of a run have in them. */
#ifndef LABS_CLI_REPLAY_LOAD_H
#define LABS_CLI_REPLAY_LOAD_H

#include "attacks/recorded.h"

/* -1: EXIT_MACHINE when it cannot be read, EXIT_USAGE when it is none of
 * these. recorded_free() *out. */
int replay_load(const char *path, struct recorded **out, struct err *err);

#endif
