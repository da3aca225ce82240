/* SPDX-License-Identifier: MIT */
#include "proxy/answer.h"

#include "proxy/message.h"

#include <string.h>

int answer_write(struct buf *out, int status, const char *sentence)
{
    static const char prefix[] = "mitmlab: ";
    return buf_printf(out,
                      "HTTP/1.1 %d %s\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\n"
                      "Content-Length: %zu\r\n"
                      "Connection: close\r\n"
                      "\r\n"
                      "%s%s\n",
                      status, message_reason(status),
                      strlen(prefix) + strlen(sentence) + 1, prefix, sentence);
}
