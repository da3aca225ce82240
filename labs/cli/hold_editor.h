/* SPDX-License-Identifier: MIT
 *
 * A text in the editor of the person at this terminal. */
#ifndef LABS_CLI_HOLD_EDITOR_H
#define LABS_CLI_HOLD_EDITOR_H

#include "certs/err.h"
#include "proxy/base/buf.h"

/* $VISUAL, $EDITOR or vi, on a private file; `text` becomes what was saved.
 * Waits until the editor has ended; when `stop` (a descriptor, -1: none) has
 * something to read or is closed, the editor is ended. -1: it failed, and
 * nothing is changed. */
int hold_editor(struct buf *text, int stop, struct err *err);

#endif
