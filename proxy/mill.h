/* SPDX-License-Identifier: MIT
 *
 * A body that hooks edit while it passes (hook_edit_body()): its coding is
 * taken off, the hooks are shown what is left, a piece at a time, and the
 * coding is put on again. Pure but for the hooks: whoever owns the message
 * knows how it is framed.
 *
 * What waits in a mill is bounded: a piece, what a hook holds back of it, and
 * what a coding remembers. */
#ifndef PROXY_MILL_H
#define PROXY_MILL_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct flow;
struct message;
struct mill;
struct note;

enum { MILL_ENOUGH = 48 * 1024 }; /* in `out`: then it is FULL */

enum mill_says {
    MILL_HUNGRY, /* all was taken: bring more, or say that this is the end */
    MILL_FULL,   /* send what is made, and ask again */
    MILL_OVER,   /* all is made */
    MILL_BROKEN, /* the coding is damaged, a hook cuts, or memory is out */
};

/* Does a hook wish to edit this body, and can we let it? Not without a body,
 * and not in a coding that we do not know. */
bool mill_wanted(const struct message *message);

/* Is this body, which is all there, one that grows two hundred times and more?
 * Nobody writes such pages; it is meant to do harm, and passes unopened. */
bool mill_is_bomb(const struct message *message);

/* For the message's hooks. All is borrowed; `note` is told what goes on. NULL
 * when memory is out. */
struct mill *mill_new(struct flow *flow, struct message *message,
                      struct note *note);
void mill_free(struct mill *mill);

/* Take some of the content, coded as it came, and append what becomes of it to
 * `out`; `end`: nothing follows these bytes. *out_used of them need not be
 * given again. A body that is not what its coding says passes as it came. */
enum mill_says mill_step(struct mill *mill, const void *bytes, size_t len,
                         bool end, size_t *out_used, struct buf *out);

/* Nothing comes for a while: what has come must be readable. -1: as BROKEN. */
int mill_flush(struct mill *mill, struct buf *out);

/* Bytes that wait in it; NULL: none. */
size_t mill_held(const struct mill *mill);

/* A hook has changed something. */
bool mill_changed(const struct mill *mill);

/* The fields that say how long the body was, and what its sum is, go: it will
 * be another one. True: there were some. */
bool mill_fix_fields(struct message *message);

/* The message goes: its hooks hear of it, unless they have had the end. */
void mill_drop_editors(struct flow *flow, struct message *message);

#endif
