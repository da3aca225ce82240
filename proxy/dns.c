/* SPDX-License-Identifier: MIT */
#include "proxy/dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    FLAG_ANSWER = 0x8000,
    FLAGS_KEPT = 0x7900, /* opcode and RD, in an answer as in its query */
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION = 0x0080, /* it is available here */
    CLASS_IN = 1,
    NAME_BYTES = 255, /* RFC 1035 2.3.4 */
    QUESTION_TAIL = 4,
    RECORD_TAIL = 10, /* type, class, TTL, length */
    DATA_SHOWN = 100,
    UDP_ROOM = 1232, /* that an OPT of ours grants */
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* ---- names --------------------------------------------------------------- */

/* A label and the dot behind it; RFC 4343 2.1 writes the rest as \DDD. */
static char *label_text(char *text, const uint8_t *label, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = label[i];
        if (byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\')
            *text++ = (char)byte;
        else
            text += sprintf(text, "\\%03u", byte);
    }
    *text++ = '.';
    return text;
}

/* The text of the name at `at`; what follows it in the message is returned. 0
 * with a sentence if it is none. A pointer leads to what stands before the
 * piece that it ends, so no name goes on for ever. */
static size_t read_name(const uint8_t *bytes, size_t len, size_t at,
                        char text[DNS_NAME_TEXT], const char **why)
{
    size_t after = 0, taken = 1, piece = at;
    unsigned pointers = 0;
    char *to = text;
    for (; at < len && bytes[at]; at += 1U + bytes[at]) {
        while (bytes[at] >= 0xc0) {
            size_t target = at + 1 < len ? get16(bytes + at) & 0x3fffU : len;
            after = after ? after : at + 2;
            *why = "a name points forwards, into the head, or round and round";
            if (target < DNS_HEAD || target >= piece ||
                ++pointers > DNS_POINTERS_MOST)
                return 0;
            at = piece = target;
        }
        if (!bytes[at])
            break;
        *why = "a label is of a kind that there is not";
        if (bytes[at] > 63)
            return 0;
        *why = "a name is longer than 255 bytes or than the message";
        taken += 1U + bytes[at];
        if (taken > NAME_BYTES || bytes[at] >= len - at)
            return 0;
        to = label_text(to, bytes + at + 1, bytes[at]);
    }
    *why = "a name has no end";
    if (at >= len)
        return 0;
    if (to == text)
        *to++ = '.';
    else
        to--;
    *to = 0;
    return after ? after : at + 1;
}

static int decimal(const char *text)
{
    int value = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value < 256 ? value : -1;
}

/* The label at *text, behind its length; its dot is left. -1: there is none. */
static int label_bytes(const char **text, uint8_t *out)
{
    const char *at = *text;
    int len = 0;
    for (; *at && *at != '.'; len++) {
        int byte = (unsigned char)*at++;
        if (byte == '\\') {
            byte = decimal(at);
            at += byte >= 0 ? 3 : 1;
            if (byte < 0 && !(byte = (unsigned char)at[-1]))
                return -1;
        }
        if (len == 63)
            return -1;
        out[1 + len] = (uint8_t)byte;
    }
    out[0] = (uint8_t)len;
    *text = at;
    return len ? len : -1;
}

int dns_name_bytes(const char *text, uint8_t out[DNS_NAME_BYTES],
                   size_t *out_len)
{
    uint8_t label[64];
    size_t used = 0;
    if (!strcmp(text, "."))
        text++;
    while (*text) {
        int len = label_bytes(&text, label);
        if (len < 0 || used + 2 + (size_t)len > DNS_NAME_BYTES)
            return -1;
        memcpy(out + used, label, 1 + (size_t)len);
        used += 1 + (size_t)len;
        text += *text == '.';
    }
    out[used++] = 0;
    *out_len = used;
    return 0;
}

/* ---- reading ------------------------------------------------------------- */

/* The record at `at`; what follows it, or 0 with a sentence. */
static size_t read_record(const uint8_t *bytes, size_t len, size_t at,
                          struct dns_record *out, const char **why)
{
    size_t tail = read_name(bytes, len, at, out->name, why);
    if (!tail)
        return 0;
    *why = "the message ends within a record";
    if (len - tail < RECORD_TAIL)
        return 0;
    out->type = get16(bytes + tail);
    out->class = get16(bytes + tail + 2);
    out->ttl_at = tail + 4;
    out->ttl = get32(bytes + out->ttl_at);
    out->data_len = get16(bytes + tail + 8);
    out->data_at = tail + RECORD_TAIL;
    if (len - out->data_at < out->data_len)
        return 0;
    *why = "an address has the wrong length";
    if ((out->type == DNS_A && out->class == CLASS_IN && out->data_len != 4) ||
        (out->type == DNS_AAAA && out->data_len != 16))
        return 0;
    return out->data_at + out->data_len;
}

static int read_question(const uint8_t *bytes, size_t len,
                         struct dns_message *out, const char **why)
{
    *why = "it has not one question";
    if (get16(bytes + 4) != 1)
        return -1;
    size_t tail = read_name(bytes, len, DNS_HEAD, out->name, why);
    if (!tail)
        return -1;
    *why = "the message ends within the question";
    if (len - tail < QUESTION_TAIL)
        return -1;
    out->type = get16(bytes + tail);
    out->class = get16(bytes + tail + 2);
    out->question_end = tail + QUESTION_TAIL;
    return 0;
}

int dns_read(const uint8_t *bytes, size_t len, struct dns_message *out,
             const char **why)
{
    struct dns_record record;
    *out = (struct dns_message){0};
    *why = "it is shorter than a head or longer than a message can be";
    if (len < DNS_HEAD || len > DNS_MOST)
        return -1;
    unsigned flags = get16(bytes + 2);
    out->id = get16(bytes);
    out->answer = flags & FLAG_ANSWER;
    out->truncated = flags & FLAG_TRUNCATED;
    out->rcode = flags & 15;
    if (read_question(bytes, len, out, why))
        return -1;
    out->records =
        (unsigned)get16(bytes + 6) + get16(bytes + 8) + get16(bytes + 10);
    size_t at = out->question_end;
    for (unsigned i = 0; i < out->records; i++) {
        at = read_record(bytes, len, at, &record, why);
        if (!at)
            return -1;
        out->edns |= record.type == DNS_OPT;
    }
    *why = "something stands behind the last record";
    return at == len ? 0 : -1;
}

bool dns_next(const uint8_t *bytes, size_t len, unsigned index, size_t *at,
              struct dns_record *out)
{
    const char *ignored;
    unsigned answers = get16(bytes + 6);
    unsigned all = answers + get16(bytes + 8) + get16(bytes + 10);
    if (index >= all)
        return false;
    *at = read_record(bytes, len, *at, out, &ignored);
    out->answers = index < answers;
    return *at != 0;
}

bool dns_same_question(const struct dns_message *a, const struct dns_message *b)
{
    return a->type == b->type && a->class == b->class &&
           !strcasecmp(a->name, b->name);
}

ssize_t dns_frame(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    size_t whole = 2U + get16(bytes);
    if (whole < 2 + DNS_HEAD)
        return -1;
    return len < whole ? 0 : (ssize_t)whole;
}

/* ---- texts --------------------------------------------------------------- */

struct word {
    unsigned number;
    const char *name;
};

static void find_word(const struct word *words, size_t count, unsigned number,
                      const char *otherwise, char out[DNS_WORD_TEXT])
{
    for (size_t i = 0; i < count; i++) {
        if (words[i].number != number)
            continue;
        snprintf(out, DNS_WORD_TEXT, "%s", words[i].name);
        return;
    }
    snprintf(out, DNS_WORD_TEXT, "%s%u", otherwise, number & 0xffff);
}

void dns_type_text(uint16_t type, char out[DNS_WORD_TEXT])
{
    static const struct word types[] = {
        {DNS_A, "A"},     {DNS_NS, "NS"}, {DNS_CNAME, "CNAME"}, {6, "SOA"},
        {DNS_PTR, "PTR"}, {15, "MX"},     {16, "TXT"},          {28, "AAAA"},
        {33, "SRV"},      {35, "NAPTR"},  {DNS_OPT, "OPT"},     {43, "DS"},
        {46, "RRSIG"},    {47, "NSEC"},   {48, "DNSKEY"},       {52, "TLSA"},
        {64, "SVCB"},     {65, "HTTPS"},  {252, "AXFR"},        {255, "ANY"},
        {257, "CAA"},
    };
    find_word(types, sizeof types / sizeof *types, type, "TYPE", out);
}

void dns_rcode_text(unsigned rcode, char out[DNS_WORD_TEXT])
{
    static const struct word rcodes[] = {
        {0, "NOERROR"},  {1, "FORMERR"}, {2, "SERVFAIL"},
        {3, "NXDOMAIN"}, {4, "NOTIMP"},  {5, "REFUSED"},
    };
    find_word(rcodes, sizeof rcodes / sizeof *rcodes, rcode, "RCODE", out);
}

void dns_data_text(const uint8_t *bytes, size_t len,
                   const struct dns_record *record, char out[DNS_DATA_TEXT])
{
    const char *ignored;
    const uint8_t *data = bytes + record->data_at;
    size_t used;
    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (record->data_len == 4 || record->data_len == 16) {
            inet_ntop(record->data_len == 4 ? AF_INET : AF_INET6, data, out,
                      DNS_DATA_TEXT);
            return;
        }
        break;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        if (read_name(bytes, len, record->data_at, out, &ignored))
            return;
        break;
    default:
        break;
    }
    used = (size_t)snprintf(out, DNS_DATA_TEXT, "\\# %zu ", record->data_len);
    for (size_t i = 0; i < record->data_len && i < DATA_SHOWN; i++)
        used +=
            (size_t)snprintf(out + used, DNS_DATA_TEXT - used, "%02x", data[i]);
}

/* ---- editing and writing ------------------------------------------------- */

void dns_put_id(uint8_t *message, uint16_t id)
{
    put16(message, id);
}

void dns_put_ttl(uint8_t *message, const struct dns_record *record,
                 uint32_t ttl)
{
    put32(message + record->ttl_at, ttl);
}

int dns_put_address(uint8_t *message, const struct dns_record *record,
                    const uint8_t *address, size_t len)
{
    uint16_t type = len == 4 ? DNS_A : DNS_AAAA;
    if (record->type != type || record->data_len != len)
        return -1;
    memcpy(message + record->data_at, address, len);
    return 0;
}

static int append_given(struct buf *out, const struct dns_given *given)
{
    /* A pointer to where the question stands. */
    static const uint8_t asked[] = {0xc0, DNS_HEAD};
    uint8_t tail[RECORD_TAIL];
    assert(given->len <= 512);
    put16(tail, given->type);
    put16(tail + 2, CLASS_IN);
    put32(tail + 4, given->ttl);
    put16(tail + 8, (unsigned)given->len);
    return buf_append(out, given->name ? given->name : asked,
                      given->name ? given->name_len : sizeof asked) ||
                   buf_append(out, tail, sizeof tail) ||
                   buf_append(out, given->data, given->len)
               ? -1
               : 0;
}

int dns_write_answer(struct buf *out, const uint8_t *query,
                     const struct dns_message *asked, enum dns_rcode rcode,
                     const struct dns_given *given, unsigned count)
{
    uint8_t head[DNS_HEAD] = {0}, opt[1 + RECORD_TAIL] = {0};
    unsigned flags = get16(query + 2) & FLAGS_KEPT;
    put16(head, asked->id);
    put16(head + 2, flags | FLAG_ANSWER | FLAG_RECURSION | rcode);
    put16(head + 4, 1);
    put16(head + 6, count);
    put16(head + 10, asked->edns);
    put16(opt + 1, DNS_OPT);
    put16(opt + 3, UDP_ROOM);
    int bad = buf_append(out, head, sizeof head) ||
              buf_append(out, query + DNS_HEAD, asked->question_end - DNS_HEAD);
    for (unsigned i = 0; i < count && !bad; i++)
        bad = append_given(out, &given[i]);
    if (!bad && asked->edns)
        bad = buf_append(out, opt, sizeof opt);
    return bad ? -1 : 0;
}
