/* SPDX-License-Identifier: MIT
 *
 * Filters. Whatever is read as one: its negation is its opposite, parentheses
 * change nothing, and what is refused names a column inside the text. */
#include "tests/fuzz/fuzz.h"

#include "proxy/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct filter *parsed(const char *before, const char *text,
                             const char *behind)
{
    char *whole;
    struct filter *filter;
    struct err err = ERR_INIT;
    if (asprintf(&whole, "%s%s%s", before, text, behind) < 0)
        abort();
    if (filter_parse(whole, &filter, NULL, &err)) {
        const char *column = strstr(err.text, "column ");
        if (!column || strtoul(column + 7, NULL, 10) > strlen(whole) + 1)
            abort();
        filter = NULL;
    }
    free(whole);
    return filter;
}

static void compare(const char *text, const struct filter_subject *subject)
{
    static const enum filter_truth opposites[] = {
        [FILTER_NO] = FILTER_YES,
        [FILTER_YES] = FILTER_NO,
        [FILTER_UNKNOWN] = FILTER_UNKNOWN,
    };
    struct filter *plain = parsed("", text, "");
    struct filter *inside = parsed("(", text, ")");
    struct filter *against = parsed("!(", text, ")");
    if (plain) {
        enum filter_truth truth = filter_test(plain, subject);
        /* Only what is nested as deep as may be can be wrapped no more. */
        if ((inside && filter_test(inside, subject) != truth) ||
            (against && filter_test(against, subject) != opposites[truth]))
            abort();
    }
    filter_free(plain);
    filter_free(inside);
    filter_free(against);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct message_field fields[] = {{"Cookie", "a=1"},
                                            {"Content-Type", "text/html"}};
    struct flow flow = {.id = 3};
    struct message request = {.kind = HTTP1_REQUEST,
                              .method = "GET",
                              .target = "/a?b",
                              .host = "bank.lab.test",
                              .fields = fields,
                              .fields_count = 2};
    struct message response = {.kind = HTTP1_RESPONSE,
                               .method = "GET",
                               .target = "/a?b",
                               .status = 200,
                               .bodyless = true,
                               .request = &request};
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, bytes, len);
    text[len] = 0;
    struct filter_subject subject = filter_subject_of(&flow, &request);
    compare(text, &subject);
    subject = filter_subject_of(&flow, &response);
    compare(text, &subject);
    subject.moment = FILTER_AT_END;
    compare(text, &subject);
    free(text);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "method == POST && host ~ bank && path ~ \"^/login\"",
        "header(Content-Type) ~ json && status >= 400",
        "not (type == text/html or size > 10k) and query contains b",
        "request.header(Cookie) !~ '(?i)[a-c]{1,3}|x\\d+' || tls && !response",
        "victim == 127.0.0.1:80 || url ~ \"a(b|c)*$\"",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "&&",     "||",       "!",     "not",      "(",     ")",    "==",
    "!=",     "~",        "!~",    "<=",       ">=",    "<",    ">",
    "\"",     "'",        "\\",    "contains", "host",  "path", "url",
    "header", "request.", "body",  "status",   "4xx",   "size", "10k",
    "time",   "(?i)",     "{2,5}", "[^a-z]",   "(a*)*", NULL,
};
