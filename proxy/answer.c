/* SPDX-License-Identifier: MIT */
#include "proxy/answer.h"

#include <string.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {400, "Bad Request"},
    {408, "Request Timeout"},
    {414, "URI Too Long"},
    {421, "Misdirected Request"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

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
                      status, reason_of(status),
                      strlen(prefix) + strlen(sentence) + 1, prefix, sentence);
}
