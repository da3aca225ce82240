/* SPDX-License-Identifier: MIT
 *
 * One request to one server over a connection of its own, and the answer. */
#ifndef LABS_CLI_REPLAY_CALL_H
#define LABS_CLI_REPLAY_CALL_H

#include "certs/err.h"
#include "proxy/message.h"
#include "proxy/target.h"

/* `ca`: the file of whom to trust; NULL: an https server may show anything.
 * *out_response lives in `arena`; message_close() it. -1: refused by the
 * walls, out of reach, or no HTTP. */
int replay_call(const struct target *to, const char *ca,
                const struct message *request, struct arena *arena,
                struct message *out_response, struct err *err);

#endif
