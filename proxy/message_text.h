/* SPDX-License-Identifier: MIT
 *
 * A message as a text that a person edits: the start line, a line for each
 * field, an empty line, and the body, decoded. What a person may leave wrong
 * is put right when the message is sent: lengths, chunking, coding. */
#ifndef PROXY_MESSAGE_TEXT_H
#define PROXY_MESSAGE_TEXT_H

#include "certs/err.h"
#include "proxy/message.h"

/* A copy that owns all it holds, its texts in `arena`; without a request or an
 * answer of its own. -1 when memory is out. */
int message_copy(struct message *to, const struct message *from,
                 struct arena *arena);

/* Append the text. Without a known body it ends behind the empty line. */
int message_text_write(const struct message *message, struct buf *out);

/* Read such a text into a message of the same kind; its texts are in the
 * message's arena. Line ends may be LF or CRLF. An editor likes to end a file
 * with a line break: one that the body did not have is dropped. -1 with
 * EXIT_USAGE and the line, and the message is as it was. */
int message_text_read(struct message *message, const char *text, size_t len,
                      struct err *err);

#endif
