/* SPDX-License-Identifier: MIT
 *
 * Messages that a person edited. Whatever is read can be written as HTTP, and
 * as a text that reads the same; what is refused changes nothing. */
#include "tests/fuzz/fuzz.h"

#include "proxy/message_text.h"

#include <stdlib.h>
#include <string.h>

static void check(struct message *message, const char *text, size_t len)
{
    struct buf once = {0}, twice = {0}, wire = {0};
    struct err err = ERR_INIT;
    struct message before = *message;
    if (message_text_read(message, text, len, &err)) {
        if (!err.text[0] || message->fields != before.fields ||
            message->method != before.method ||
            message->reason != before.reason)
            abort();
        return;
    }
    /* A body that ends in no line break gets none: see message_text_read(). */
    if (message_write(message, false, &wire) ||
        message_text_write(message, &once))
        abort();
    if (message_text_read(message, (char *)buf_head(&once), buf_len(&once),
                          &err) ||
        message_text_write(message, &twice) ||
        buf_len(&once) != buf_len(&twice) ||
        memcmp(buf_head(&once), buf_head(&twice), buf_len(&once)) != 0)
        abort();
    buf_free(&once);
    buf_free(&twice);
    buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena arena = {0};
    struct message request = {.kind = HTTP1_REQUEST,
                              .arena = &arena,
                              .method = "GET",
                              .target = "/",
                              .minor = 1,
                              .bodyless = true};
    struct message response = {.kind = HTTP1_RESPONSE,
                               .arena = &arena,
                               .status = 200,
                               .reason = "OK",
                               .minor = 1,
                               .has_body = true};
    check(&request, (const char *)bytes, len);
    check(&response, (const char *)bytes, len);
    message_close(&request);
    message_close(&response);
    arena_free(&arena);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "POST /pay HTTP/1.1\nHost: a\nContent-Length: 9\n\nto=alice\n",
        "GET / HTTP/1.1\r\nHost: bank\r\n\r\n",
        "HTTP/1.1 404 Not Found\nContent-Type: text/html\n\n<p>none\n\n",
        "204 \nA:\nB: \n",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "GET ", "HTTP/1.1", " 200 ", "\n", "\r\n", "\n\n", ": ", ":", "Host", NULL,
};
