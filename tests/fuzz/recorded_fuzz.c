/* SPDX-License-Identifier: MIT
 *
 * A HAR of anybody, as `mitmlab replay` reads it: whatever it holds, a flow has
 * texts, a request that can be shown and asked, and a body that is as long as
 * it says. */
#include "attacks/recorded.h"
#include "proxy/message_text.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void check_message(const struct message *message)
{
    CHECK(message->method && message->target && message->host);
    CHECK(message->fields_count <= message->fields_room);
    for (unsigned i = 0; i < message->fields_count; i++)
        CHECK(*message->fields[i].name && message->fields[i].value);
    for (size_t i = 0; i < buf_len(&message->body); i++)
        (void)*(volatile uint8_t *)(buf_head(&message->body) + i);
}

static void check_flow(struct recorded_flow *flow, const struct filter *filter)
{
    struct filter_subject subject = recorded_subject(flow);
    struct buf text = {0};
    CHECK(flow->url && flow->comment);
    CHECK(flow->ms < RECORDED_MS_MOST);
    CHECK(flow->response.status >= 0 && flow->response.status <= 999);
    check_message(&flow->request);
    check_message(&flow->response);
    CHECK(!flow->answered ||
          (flow->response.status >= 200 && flow->response.status < 600));
    (void)filter_holds(filter, &subject);
    CHECK(!message_text_write(&flow->request, &text));
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct filter *filter;
    struct recorded *recorded;
    struct err err = ERR_INIT;
    if (!filter)
        CHECK(!filter_parse("host ~ 'a+b' && body ~ x || header(Cookie) ~ '=' "
                            "|| query contains q || size > 3 || type ~ json",
                            &filter, NULL, &err));
    if (recorded_read((const char *)bytes, len, "x.har", &recorded, &err)) {
        CHECK(err.code && *err.text);
        return 0;
    }
    for (unsigned i = 0; i < recorded_count(recorded); i++) {
        CHECK(recorded_at(recorded, i)->number == i + 1);
        check_flow(recorded_at(recorded, i), filter);
    }
    recorded_free(recorded);
    return 0;
}

#define ENTRY(request, response)                                               \
    "{\"log\":{\"entries\":[{\"time\":1.5,\"comment\":\"c\",\"request\":"      \
    "{" request "},\"response\":{" response "}}]}}"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        ENTRY("\"method\":\"GET\",\"url\":\"https://bank.lab.test:1/a?b=c#d\","
              "\"headers\":[{\"name\":\"Cookie\",\"value\":\"a=\\u00fc\"},"
              "{\"name\":\":path\",\"value\":\"/\"}]",
              "\"status\":200,\"statusText\":\"OK\",\"headers\":[{\"name\":"
              "\"Content-Encoding\",\"value\":\"gzip\"}],\"content\":{\"size\":"
              "3,\"encoding\":\"base64\",\"text\":\"AAEC\"}"),
        ENTRY("\"method\":\"POST\",\"url\":\"ws://a\",\"bodySize\":9,"
              "\"postData\":{\"text\":\"a=1&b=\\u0000\",\"comment\":\"bytes\"}",
              "\"status\":0"),
        "{\"log\":{\"entries\":[{\"time\":7e40},{\"time\":-1e40},{\"response\":"
        "{\"status\":4294967496}}]}}",
        ENTRY("\"url\":\"?\"",
              "\"status\":99999999999,\"content\":{\"size\":-1,"
              "\"text\":\"x\\u20ac\"}"),
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "\"log\":",      "\"entries\":", "\"request\":", "\"response\":",
    "\"url\":",      "\"method\":",  "\"headers\":", "\"content\":",
    "\"postData\":", "\"text\":",    "\"base64\"",   "\"encoding\":",
    "\"status\":",   "\\u0000",      "\\u00ff",      "http://",
    "====",          "[]",           "{}",           "-1",
    "\"br\"",        "null",         NULL,
};
