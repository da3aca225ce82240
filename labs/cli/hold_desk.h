/* SPDX-License-Identifier: MIT
 *
 * The desk at which somebody decides about held messages: a thread that takes
 * commands (attacks/hold.h) from the terminal behind stdin, and from a socket
 * for `mitmlab hold` in another terminal or a script. The proxy never waits
 * for it.
 *
 * On the socket, a client writes one line, for `put N` the text behind it, and
 * its end; the desk writes one line, "ok" or "no: SENTENCE", what the command
 * says, and its end. */
#ifndef LABS_CLI_HOLD_DESK_H
#define LABS_CLI_HOLD_DESK_H

#include "certs/err.h"
#include "proxy/base/buf.h"

#include <stdbool.h>

struct hold;
struct hold_desk;

enum { HOLD_PATH = 100 }; /* a socket's path, with its NUL */

/* Where `mitmlab hold` finds the desk if nobody says: $XDG_RUNTIME_DIR or
 * /tmp, in a folder of this user's own. With `make`, that folder is made; -1
 * when it belongs to somebody else. */
int hold_desk_path(char path[HOLD_PATH], bool make, struct err *err);

/* `path` NULL: as above. -1 when another desk is there. */
int hold_desk_open(struct hold *hold, const char *path, struct hold_desk **out,
                   struct err *err);
void hold_desk_close(struct hold_desk *desk);

/* What the desk said, for who typed `command`: broken to the width of a
 * terminal, but for the text of a message. Appends to `reply`. */
void hold_desk_print(const char *command, struct buf *reply);

/* The other side: send a line, and a text behind it unless NULL. What the desk
 * says is appended to `out`. -1: it says no, or is not there. */
int hold_desk_ask(const char *path, const char *line, const struct buf *text,
                  struct buf *out, struct err *err);

#endif
