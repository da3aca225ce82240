/* SPDX-License-Identifier: MIT
 *
 * A file of anybody, as `mitmlab inspect -r` reads it: a list of events, a HAR
 * or a capture. Whatever it holds, what is said of it is printable ASCII, and
 * what is written of it is JSON. */
#include "labs/cli/inspect_flow.h"
#include "labs/report/har.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void check_words(struct record *record, const struct inspect_flow *flow)
{
    for (size_t i = 0; i < flow->count; i++) {
        struct inspect_words words;
        char *subject = NULL, *issuer = NULL;
        inspect_shows(flow, flow->facts[i], false);
        inspect_say(record, flow->facts[i], &words);
        CHECK(memchr(words.text, 0, sizeof words.text) && words.note);
        for (const char *at = words.text; *at; at++)
            CHECK(*at >= ' ' && *at <= '~');
        if (record_cert_names(flow->facts[i], &subject, &issuer))
            CHECK(subject && issuer);
        free(subject);
        free(issuer);
    }
}

static void check_flow(struct record *record, const struct inspect_flow *flow,
                       const struct filter *filter)
{
    char packets[128];
    (void)inspect_matches(record, flow, filter);
    if (inspect_packets(flow, packets, sizeof packets))
        CHECK(memchr(packets, 0, sizeof packets));
    check_words(record, flow);
    json_t *object = inspect_json(record, flow, true);
    char *text = json_dumps(object, JSON_ENSURE_ASCII);
    CHECK(object && text);
    free(text);
    json_decref(object);
}

static void check_har(struct report *report)
{
    struct out out = {0};
    har_write_once(report, &out);
    CHECK(!out.failed);
    json_t *har = json_loadb((const char *)buf_head(&out.buf),
                             buf_len(&out.buf), JSON_ALLOW_NUL, NULL);
    CHECK(
        json_is_array(json_object_get(json_object_get(har, "log"), "entries")));
    json_decref(har);
    out_free(&out);
}

static void check_record(struct record *record)
{
    static struct filter *filter;
    struct inspect inspect;
    struct err err = ERR_INIT;
    if (!filter)
        CHECK(!filter_parse("host ~ 'a+b' || verdict == refused || status == "
                            "4xx || sni contains lab || size > 3 || time > 1s",
                            &filter, NULL, &err));
    CHECK(!inspect_open(record, &inspect, &err));
    for (size_t i = 0; i < inspect.count; i++)
        check_flow(record, &inspect.flows[i], filter);
    inspect_close(&inspect);
    check_har(&record->report);
}

/* It is opened by its name, and not through a link. */
static char path[] = "/tmp/inspect-fuzz-XXXXXX";

static void drop_file(void)
{
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static int file = -1;
    struct record record;
    struct err err = ERR_INIT;
    if (file < 0) {
        file = mkstemp(path);
        atexit(drop_file);
    }
    CHECK(file >= 0 && !ftruncate(file, 0));
    CHECK(pwrite(file, bytes, len, 0) == (ssize_t)len);
    if (record_load(path, &record, &err)) {
        CHECK(err.code && *err.text);
        return 0;
    }
    check_record(&record);
    record_free(&record);
    return 0;
}

#define EVENT(kind, leg, data)                                                 \
    "{\"t\":1,\"place\":\"attacker\",\"kind\":\"" kind "\",\"flow\":3,"        \
    "\"leg\":\"" leg "\",\"tuple\":[\"127.0.0.1\",1,\"127.0.0.2\",2],"         \
    "\"dir\":\"up\",\"at\":0,\"len\":9,\"data\":{" data "}}\n"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        EVENT("flow.open", "victim", "\"relay\":1")
            EVENT("tls.hello", "victim",
                  "\"sni\":\"bank.lab.test\","
                  "\"alpn\":[\"h2\"],\"ja4\":\"t13\"")
                EVENT("tls.alert", "server",
                      "\"level\":\"fatal\",\"code\":48,\"name\":\"unknown_ca\"")
                    EVENT("tls.verdict", "victim", "\"verdict\":\"refused\""),
        EVENT("http.request", "victim",
              "\"method\":\"POST\",\"target\":\"/a\",\"version\":\"HTTP/1.1\","
              "\"headers\":[[\"Host\",\"bank.lab.test\"],[\"Content-Type\","
              "\"application/x-www-form-urlencoded\"]],\"body\":\"a=1&b=\\u00ff"
              "\",\"size\":7")
            EVENT(
                "http.response", "victim",
                "\"status\":200,\"reason\":\"OK\",\"headers\":[[\"Set-Cookie"
                "\",\"s=1; Path=/; Secure\"]],\"body\":\"\\u0000\",\"size\":1"),
        EVENT("websocket.message", "server",
              "\"type\":\"text\",\"body\":\"hello\",\"size\":5")
            EVENT("dns.query", "victim", "\"name\":\"a\",\"type\":\"A\"")
                EVENT("tls.cert", "server",
                      "\"chain\":[\"\"],\"role\":"
                      "\"forged\""),
        EVENT("no.such.kind", "victim", "\"what\":\"\x7f\x7f\""),
        "{\"log\":{\"entries\":[{\"startedDateTime\":\"2026-10-21T07:28:00.5Z\""
        ",\"time\":1.5,\"request\":{\"method\":\"GET\",\"url\":\"https://a/b?c"
        "\",\"headers\":[{\"name\":\"A\",\"value\":\"b\"}]},\"response\":{"
        "\"status\":200,\"content\":{\"text\":\"AAEC\",\"encoding\":\"base64\"}"
        "},\"_webSocketMessages\":[{\"type\":\"send\",\"opcode\":1,\"data\":"
        "\"x\",\"time\":1}],\"timings\":{\"send\":0,\"wait\":1,\"receive\":2}}]"
        "}}",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "\"kind\":\"",
    "\"http.request\"",
    "\"http.response\"",
    "\"tls.hello\"",
    "\"tls.cert\"",
    "\"tls.done\"",
    "\"tls.verdict\"",
    "\"rule.acted\"",
    "\"flow.close\"",
    "\"data\":{",
    "\"tuple\":[",
    "\"headers\":[[",
    "\"body\":",
    "\"status\":",
    "\"log\":",
    "\"entries\":",
    "\"multipart/form-data; boundary=x\"",
    "--x\\r\\n",
    "\\u0000",
    "\\u00ff",
    "9223372036854775807",
    "-1",
    "null",
    "[]",
    "{}",
    "\n",
    NULL,
};
