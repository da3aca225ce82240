/* SPDX-License-Identifier: MIT
 *
 * Whatever is read as a message has texts that end, records within it, and
 * the question in the same place when it is answered; an answer to it can be
 * read, and asks the same. */
#include "proxy/dns.h"
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

static void check_text(const char *text, size_t room)
{
    CHECK(memchr(text, 0, room));
    for (const char *c = text; *c; c++)
        CHECK(*c >= ' ' && *c <= '~');
}

static void check_records(uint8_t *bytes, size_t len,
                          const struct dns_message *message)
{
    struct dns_record record;
    size_t at = message->question_end;
    unsigned count = 0;
    while (dns_next(bytes, len, count, &at, &record)) {
        char type[DNS_WORD_TEXT], data[DNS_DATA_TEXT];
        dns_type_text(record.type, type);
        dns_data_text(bytes, len, &record, data);
        check_text(record.name, sizeof record.name);
        check_text(type, sizeof type);
        check_text(data, sizeof data);
        CHECK(record.data_at + record.data_len == at && at <= len);
        CHECK(record.ttl_at + 4 <= len);
        count++;
    }
    CHECK(count == message->records && at == len);
}

static void check_answer(const uint8_t *bytes, const struct dns_message *asked)
{
    static const uint8_t address[4] = {127, 0, 0, 1};
    const struct dns_given given = {
        .type = DNS_A, .ttl = 60, .data = address, .len = sizeof address};
    struct dns_message said;
    struct buf out = {0};
    const char *why;
    CHECK(!dns_write_answer(&out, bytes, asked, DNS_NOERROR, &given, 1));
    CHECK(!dns_read(buf_head(&out), buf_len(&out), &said, &why));
    CHECK(said.answer && said.id == asked->id && said.edns == asked->edns);
    CHECK(said.question_end == asked->question_end);
    CHECK(dns_same_question(&said, asked));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dns_message message;
    const char *why = NULL;
    ssize_t frame = dns_frame(bytes, len);
    CHECK(frame <= (ssize_t)len);
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    if (len)
        memcpy(exact, bytes, len);
    if (dns_read(exact, len, &message, &why)) {
        CHECK(why);
    } else {
        check_text(message.name, sizeof message.name);
        check_records(exact, len, &message);
        check_answer(exact, &message);
    }
    free(exact);
    return 0;
}

#define QUESTION                                                               \
    "\x04"                                                                     \
    "bank\x03lab\x04test\0\0\x01\0\x01"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char query[] = "\x12\x34\x01\0\0\x01\0\0\0\0\0\x01" QUESTION
                                "\0\0\x29\x04\xd0\0\0\0\0\0\0";
    static const char answer[] =
        "\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0" QUESTION
        "\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03www\xc0\x11"
        "\xc0\x2b\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\x42\x01\x02";
    add(query, sizeof query - 1);
    add(answer, sizeof answer - 1);
}

const char *const fuzz_words[] = {"\xc0\x0c", "\xc0\x0d", "\x3f", "\x03www",
                                  "\x1c",     "\x29",     NULL};
