/* SPDX-License-Identifier: MIT
 *
 * Rules. A refusal names a column inside the text. What an action makes of a
 * message is one message still: it can be sent, and is read again as one that
 * ends where it ends. Files are not opened here. */
#include "tests/fuzz/fuzz.h"

#include "attacks/rules.h"
#include "proxy/http1.h"
#include "proxy/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const heads[] = {
    [HTTP1_REQUEST] = "POST /a?b HTTP/1.1\r\nHost: bank.lab.test\r\n"
                      "Cookie: a=1\r\nContent-Length: 9\r\n\r\n",
    [HTTP1_RESPONSE] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                       "Set-Cookie: a=1\r\nContent-Length: 9\r\n\r\n",
};

static void check_refusal(const char *text, const struct err *err)
{
    const char *column = strstr(err->text, "column ");
    if (!*err->text ||
        (column && strtoul(column + 7, NULL, 10) > strlen(text) + 1))
        abort();
}

/* Nothing that an action wrote is a line of its own: a head has a line for
 * each field, and one or two for what is put right in the end. */
static void check_lines(const struct message *message, const char *bytes,
                        size_t len)
{
    unsigned lines = 0, returns = 0;
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        abort();
    for (const char *at = bytes; at < end; at++) {
        lines += *at == '\n';
        returns += *at == '\r';
    }
    if (lines != returns || lines > message->fields_count + 2)
        abort();
}

/* What is sent is one message: when it is read, it ends where it ends. */
static void check_message(const struct message *message)
{
    struct buf out = {0};
    struct http1_scan scan = {.lenient = HTTP1_LENIENT_NO_HOST};
    static struct http1_head head;
    struct http1_body body;
    struct http1_fault fault;
    struct span data;
    if (message_write(message, false, &out)) {
        buf_free(&out);
        return; /* refused, as it may be: then it goes on as it came */
    }
    const char *bytes = (char *)buf_head(&out);
    size_t len = buf_len(&out), used = 0;
    ssize_t got =
        http1_head_read(&scan, message->kind, "GET", bytes, len, &head, &fault);
    check_lines(message, bytes, len);
    if (got > 0) {
        http1_body_init(&body, &head, 0);
        for (used = (size_t)got; !body.done && used < len; used += (size_t)got)
            if ((got = http1_body_read(&body, bytes + used, len - used, &data,
                                       &fault)) <= 0)
                break;
        if (body.done && used != len)
            abort();
    }
    buf_free(&out);
}

static void act(const char *action, enum http1_kind kind)
{
    struct arena arena = {0};
    struct message message;
    struct http1_scan scan = {0};
    static struct http1_head head;
    struct http1_fault fault;
    struct err err = ERR_INIT;
    enum hook_act what = HOOK_PASS;
    const char *bytes = heads[kind];
    if (http1_head_read(&scan, kind, "GET", bytes, strlen(bytes), &head,
                        &fault) <= 0 ||
        message_init(&message, &arena, &head, bytes) ||
        message_set_body(&message, "some text", 9))
        abort();
    if (rules_do(action, &message, &what, &err))
        check_refusal(action, &err);
    else if (what == HOOK_CHANGED)
        check_message(&message);
    else if (what == HOOK_ANSWER)
        check_message(message.answer);
    message_close(&message);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct err err = ERR_INIT;
    char *text = malloc(len + 1);
    struct rules *rules = rules_new();
    if (!text || !rules)
        abort();
    memcpy(text, bytes, len);
    text[len] = 0;
    if (!strchr(text, '@') && !strstr(text, "map")) {
        const char *action = strstr(text, " : ");
        if (rules_add(rules, text, &err))
            check_refusal(text, &err);
        else if (!rules_count(rules) || !rules_hook(rules))
            abort();
        for (int kind = 0; action && kind < 2; kind++)
            act(action + 3, kind ? HTTP1_RESPONSE : HTTP1_REQUEST);
    }
    rules_free(rules);
    free(text);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "host ~ bank : replace body \"some\" \"other\"",
        "response && type == text/html : set header X-Seen yes ; delay 200ms",
        "path == /a : replace body ~ \"t(e)xt\" \"\\1\\1\"",
        "method == POST : replace path ~ \"^/(.*)\" \"/b/\\1\"",
        "request : set path /c?d",
        "request : set method PUT ; stop",
        "response : set status 404",
        "response : remove header Set-Cookie ; set body 'less'",
        "request : replace header Cookie a b",
        "request : answer 403 \"no\"",
        "request : abort",
        "response : drop",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    " : ",
    " ; ",
    "\"",
    "'",
    "~",
    "\\1",
    "\r\n",
    "replace body",
    "set header",
    "set path",
    "set method",
    "set status",
    "remove header",
    "answer",
    "delay",
    "Content-Length",
    "Transfer-Encoding",
    "chunked",
    "Host",
    "response",
    "request",
    "X: y\r\n",
    NULL,
};
